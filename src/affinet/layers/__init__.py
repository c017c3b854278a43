"""Layers: forward, backward, and the parameters between."""

from affinet.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from affinet.layers.affine import Affine
from affinet.layers.base import Layer
from affinet.layers.dropout import Dropout

__all__ = ["Affine", "Dropout", "Layer", "LeakyReLU", "ReLU", "Sigmoid", "Tanh"]
