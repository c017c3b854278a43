"""Every kernel again, as a textbook would write it, in pure NumPy.

The functions have the names of the compiled kernels and take the same inputs and scalars, but
return their results instead of writing them into arguments. They are the tests' oracle and show how
each step works; affinet never falls back on them.

Letters: B rows of a batch, I inputs, O outputs, C classes, n elements of any shape. ``dout`` is
the incoming gradient, ``dx`` the outgoing one. Everything is computed in the dtype of the arrays
(scalars are Python floats, which never widen it), inputs are never modified, and only the sum over
a loss's rows or elements is accumulated in double precision.

Losses take row weights, a float64 array w of shape (B,), or None for weights of 1. Means are
divided by the sum of the weights. Rows of weight 0 are ignored, whatever they contain; if all
weights are 0, the loss and its gradient are 0.

There is one file per kind of kernel. "DL" stands for Goodfellow, Bengio & Courville, Deep Learning,
MIT Press 2016.
"""

from affinet.reference import (
    activations,
    affine,
    columns,
    dropout,
    embeddings,
    gates,
    gemm,
    increasing,
    losses,
    members,
    muon,
    normalization,
    optimizers,
    parts,
    piecewise,
    regularization,
    softmax,
)
from affinet.reference.activations import *  # noqa: F403
from affinet.reference.affine import *  # noqa: F403
from affinet.reference.columns import *  # noqa: F403
from affinet.reference.dropout import *  # noqa: F403
from affinet.reference.embeddings import *  # noqa: F403
from affinet.reference.gates import *  # noqa: F403
from affinet.reference.gemm import *  # noqa: F403
from affinet.reference.increasing import *  # noqa: F403
from affinet.reference.losses import *  # noqa: F403
from affinet.reference.members import *  # noqa: F403
from affinet.reference.muon import *  # noqa: F403
from affinet.reference.normalization import *  # noqa: F403
from affinet.reference.optimizers import *  # noqa: F403
from affinet.reference.parts import *  # noqa: F403
from affinet.reference.piecewise import *  # noqa: F403
from affinet.reference.regularization import *  # noqa: F403
from affinet.reference.softmax import *  # noqa: F403

__all__: list[str] = []
__all__ += activations.__all__
__all__ += affine.__all__
__all__ += columns.__all__
__all__ += dropout.__all__
__all__ += embeddings.__all__
__all__ += gates.__all__
__all__ += gemm.__all__
__all__ += increasing.__all__
__all__ += losses.__all__
__all__ += members.__all__
__all__ += normalization.__all__
__all__ += muon.__all__
__all__ += optimizers.__all__
__all__ += parts.__all__
__all__ += piecewise.__all__
__all__ += regularization.__all__
__all__ += softmax.__all__
