"""Initial weights: the scales of He, Xavier and LeCun, by what follows a layer."""

from affinet.layers.initializers import initial_weights, weight_scale

__all__ = ["initial_weights", "weight_scale"]
