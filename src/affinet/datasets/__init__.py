"""Data sets to learn and test with; nothing is read or downloaded before a function is called.

``load_digits`` ships with affinet; ``spiral``, ``two_moons`` and ``xor`` are computed;
``load_mnist`` and ``load_fashion_mnist`` read the official files from a folder, or download them
once with pooch. ``read_idx`` reads any file of their format, ``open_shards`` a folder of arrays
that may be larger than memory. This package needs only NumPy, and no other part of affinet.
"""

from affinet.datasets.digits import load_digits
from affinet.datasets.idx import read_idx
from affinet.datasets.mnist import load_fashion_mnist, load_mnist
from affinet.datasets.shards import Shards, open_shards
from affinet.datasets.synthetic import spiral, two_moons, xor

__all__ = [
    "Shards",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "open_shards",
    "read_idx",
    "spiral",
    "two_moons",
    "xor",
]
