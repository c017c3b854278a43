"""Layers: forward, backward, and the parameters between."""

from affinet.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from affinet.layers.affine import Affine
from affinet.layers.base import Layer
from affinet.layers.dropout import Dropout
from affinet.layers.normalization import BatchNorm, LayerNorm
from affinet.layers.residual import Residual

__all__ = [
    "GELU",
    "Affine",
    "BatchNorm",
    "Dropout",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "ReLU",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Tanh",
]
