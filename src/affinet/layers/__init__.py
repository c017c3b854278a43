"""Layers: forward, backward, and the parameters between."""

from affinet.layers import activations
from affinet.layers.activations import *  # noqa: F403
from affinet.layers.affine import Affine
from affinet.layers.base import Layer
from affinet.layers.dropout import Dropout
from affinet.layers.normalization import BatchNorm, LayerNorm
from affinet.layers.residual import Residual

__all__ = ["Affine", "BatchNorm", "Dropout", "Layer", "LayerNorm", "Residual"]
__all__ += activations.__all__
