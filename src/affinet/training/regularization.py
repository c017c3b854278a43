"""Gradient changes before the update: an L2 penalty on the weights, and clipping."""

from __future__ import annotations

from affinet._dispatch import kernels
from affinet._validation import positive_number, real_number
from affinet.network import Sequential
from affinet.network.inner import walk


class Regularization:
    """An L2 penalty on the Affine layers' W, and bounds on the whole gradient.

    Parameters
    ----------
    l2 : float
        Strength of the penalty, 0 or more.
    clip_norm : float, optional
        Upper bound of the gradient's Euclidean norm, above 0; None for no bound.
    clip_value : float, optional
        Upper bound of the absolute value of a gradient element, above 0; None for no bound.
    """

    def __init__(
        self, l2: float = 0.0, clip_norm: float | None = None, clip_value: float | None = None
    ) -> None:
        self.l2 = real_number("l2", l2, 0.0)
        self.clip_norm = None if clip_norm is None else positive_number("clip_norm", clip_norm)
        self.clip_value = None if clip_value is None else positive_number("clip_value", clip_value)

    def apply(self, net: Sequential, weight_sum: float) -> float:
        """Add the penalty's gradient to ``net.grads`` and clip them; returns the penalty.

        It calls the same kernels in the same order as the fused step. ``weight_sum`` is the sum of
        the weights of the batch's rows.
        """
        penalty = 0.0
        if self.l2 > 0 and weight_sum > 0:  # no penalty for a batch of zero weight
            for path, layer in walk(net.layers):
                for name in getattr(layer, "penalized", ()):
                    W, dW = net.params[f"{path}.{name}"], net.grads[f"{path}.{name}"]
                    scale = self.l2 / weight_sum
                    penalty += kernels.l2_penalty(W.reshape(-1), scale, dW.reshape(-1))
        if self.clip_value is not None:
            kernels.clip_value(net.grads.flat, self.clip_value, net.grads.flat)
        if self.clip_norm is not None:
            kernels.clip_norm(net.grads.flat, self.clip_norm, net.grads.flat)
        return penalty
