"""The entries of a model file, read and written again."""

import json

import numpy as np
import pytest

import affinet as an


def entries(path):
    """Description and arrays of a model file."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(str(arrays.pop("description"))), arrays


def rewrite(path, description, arrays):
    np.savez(path, description=np.array(json.dumps(description)), **arrays)


class Duck:
    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


def refused(path, match=None):
    with pytest.raises(ValueError, match=match) as caught:
        an.load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)
