"""Initial weights: He, Xavier or LeCun scaling, depending on what follows the layer."""

from affinet.layers.initializers import initial_weights, weight_scale

__all__ = ["initial_weights", "weight_scale"]
