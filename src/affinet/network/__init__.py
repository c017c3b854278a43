"""Networks: a sequence of layers with one flat buffer each for parameters and gradients."""

from affinet.network.sequential import Sequential

__all__ = ["Sequential"]
