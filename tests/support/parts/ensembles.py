"""Layers of ensembles with several members, whose rows a table of layers for any rows lacks."""

import affinet as an
from parts.layers import apart

MEMBERS = 3
ENSEMBLES = {
    "MemberScale": lambda n, dtype: apart(an.MemberScale(MEMBERS, n, dtype=dtype)),
    "BatchEnsemble": lambda n, dtype: apart(an.BatchEnsemble(MEMBERS, n, n + 2, dtype=dtype)),
    "MemberAffine": lambda n, dtype: apart(an.MemberAffine(MEMBERS, n, n + 1, dtype=dtype)),
}  # callables of the row width and the dtype
