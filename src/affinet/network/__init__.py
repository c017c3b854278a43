"""Networks: layers in a row over one flat buffer of parameters and one of gradients."""

from affinet.network.sequential import Sequential

__all__ = ["Sequential"]
