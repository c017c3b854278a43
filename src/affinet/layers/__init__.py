"""Layers: forward, backward, and the parameters between."""

from affinet.layers import activations
from affinet.layers.activations import *  # noqa: F403
from affinet.layers.affine import Affine
from affinet.layers.base import Layer
from affinet.layers.dropout import Dropout
from affinet.layers.embeddings import Embedding, PeriodicEmbedding
from affinet.layers.ensemble import BatchEnsemble, MemberAffine
from affinet.layers.increasing import Increasing
from affinet.layers.members import MemberScale
from affinet.layers.normalization import BatchNorm, LayerNorm
from affinet.layers.ntk import NTKAffine
from affinet.layers.parametric import Parametric
from affinet.layers.piecewise import PiecewiseEmbedding
from affinet.layers.residual import Residual
from affinet.layers.scale import Scale

__all__ = [
    "Affine",
    "BatchEnsemble",
    "BatchNorm",
    "Dropout",
    "Embedding",
    "Increasing",
    "Layer",
    "LayerNorm",
    "MemberAffine",
    "MemberScale",
    "NTKAffine",
    "Parametric",
    "PeriodicEmbedding",
    "PiecewiseEmbedding",
    "Residual",
    "Scale",
]
__all__ += activations.__all__
