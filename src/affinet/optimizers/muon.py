"""Muon: orthogonalized momentum for matrices, AdamW for all other parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from affinet import _dispatch
from affinet._validation import Array, compute_dtype, positive_in_single, ready, real_number
from affinet.optimizer_state import State
from affinet.optimizers.base import Optimizer
from affinet.optimizers.groups import (
    Factors,
    Group,
    Segment,
    matches,
    require_matches,
    require_patterns,
    segments_of,
)
from affinet.parameters import Parameters

__all__ = ["Muon"]

kernels: Any = _dispatch.kernels


class Muon(Optimizer):
    """Steps of equal length in all directions of a matrix; AdamW for all other parameters.

    For a matrix W of shape (I, O), ``v = momentum v + dW`` and
    ``W -= lr (weight_decay W + max(1, O / I)^0.5 orthogonal(dW + momentum v))``, where five
    Newton-Schulz iterations bring the singular values close to 1. Jordan et al., "Muon: an
    optimizer for hidden layers in neural networks" (2024), whose matrices are (O, I).

    The matrices of a network are the parameters of two dimensions that layers name in
    ``penalized``, such as W of :class:`Affine`; in another mapping they are all arrays of two
    dimensions. ``adamw`` names exceptions, for example the last layer, for which
    Jordan recommends AdamW.

    Parameters
    ----------
    lr : float
        Learning rate of matrices.
    momentum : float
        Fraction of the momentum that is kept, 0 <= momentum < 1.
    weight_decay : float
        Strength of the decoupled decay, of all parameters; 0 or more.
    adamw_lr : float
        AdamW's learning rate while ``lr`` is ``initial_lr``; it changes in proportion to ``lr``,
        with a schedule or by assignment.
    beta1, beta2 : float
        Decay of AdamW's averages, 0 <= beta < 1.
    eps : float
        AdamW's, added outside the root, above 0.
    initial_lr : float, optional
        The ``lr`` to which ``adamw_lr`` belongs, above 0; by default ``lr`` itself.
    adamw : str or sequence of str
        Names or patterns of matrices for AdamW, as in :class:`Group`.
    decay_bias : bool
        False exempts biases and normalizations from the decay; see :class:`Optimizer`.
    groups : sequence of Group, optional
        Parameters whose learning rate and weight decay are multiplied, see :class:`Group`.

    Examples
    --------
    All singular directions of a gradient count alike:

    >>> import numpy as np, affinet as an
    >>> params = {"W": np.zeros((2, 2)), "b": np.zeros(2)}
    >>> grads = {"W": np.diag([-3.0, -0.5]), "b": np.array([-1.0, 1.0])}
    >>> an.Muon(lr=0.1, adamw_lr=0.01).update(params, grads)
    >>> params["W"].round(1)
    array([[0.1, 0. ],
           [0. , 0.1]])
    >>> params["b"].round(6)
    array([ 0.01, -0.01])
    """

    kernel = "muon"
    shell_name = "muon"
    shell_lr = 0.02
    picture_lr = 0.3
    n_averages = 2

    def __init__(
        self,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        adamw_lr: float = 0.0003,
        beta1: float = 0.9,
        beta2: float = 0.95,
        eps: float = 1e-8,
        *,
        initial_lr: float | None = None,
        adamw: str | Sequence[str] = (),
        decay_bias: bool = True,
        groups: Iterable[Group] | None = None,
    ) -> None:
        super().__init__(lr, groups)
        self.momentum = real_number("momentum", momentum, 0.0, 1.0)
        self.weight_decay = real_number("weight_decay", weight_decay, 0.0)
        self.adamw_lr = real_number("adamw_lr", adamw_lr, 0.0)
        self.beta1 = real_number("beta1", beta1, 0.0, 1.0)
        self.beta2 = real_number("beta2", beta2, 0.0, 1.0)
        self.eps = positive_in_single("eps", eps)
        name = "lr" if initial_lr is None else "initial_lr"
        self.initial_lr = positive_in_single(name, lr if initial_lr is None else initial_lr)
        self.adamw = require_patterns("adamw", adamw, none=True)
        self.decay_bias = bool(decay_bias)

    def config(self) -> dict[str, float]:
        """The numbers of both rules."""
        return {
            "lr": self.lr,
            "momentum": self.momentum,
            "weight_decay": self.weight_decay,
            "adamw_lr": self.adamw_lr,
            "beta1": self.beta1,
            "beta2": self.beta2,
            "eps": self.eps,
            "initial_lr": self.initial_lr,
        }

    def matrices(self, params: Mapping[Any, Any]) -> list[Any]:
        """Names of the parameters that are matrices for this rule."""
        names = tuple(f"{name}" for name in params)
        require_matches("adamw", self.adamw, names)
        taken = params.penalized if isinstance(params, Parameters) else names
        return [
            key
            for (key, W), name in zip(params.items(), names, strict=True)
            if np.ndim(W) == 2 and name in taken and not matches(name, self.adamw)
        ]

    def segments(self, params: Parameters) -> tuple[Segment, ...]:
        """As any optimizer's, with each matrix for itself; raises if a name in ``adamw`` matches no
        parameter, too.
        """
        matrices = self.matrices(params)
        return segments_of(
            [W.size for W in params.values()],
            self._factors(params) or [Factors()] * len(params),
            [W.shape[1] if name in matrices else 0 for name, W in params.items()],
        )

    def _apply_to_segment(self, segment: Segment, dW: Array, W: Array, state: State) -> None:
        rule, columns = self._scaled(segment.factors), segment.columns
        if columns:
            rule._apply_to_matrix((W.size // columns, columns), dW, W, state)
        else:
            rule._apply(dW, W, state)

    def _update_mapping(self, params: Mapping[Any, Any], grads: Mapping[Any, Any]) -> None:
        self.matrices(params)  # raises if a name matches no parameter
        super()._update_mapping(params, grads)

    def _update_named(self, name: Any, W: Array, dW: Array) -> None:
        if matches(f"{name}", self.adamw):
            super()._update_array(W, dW)
        else:
            self._update_array(W, dW)

    def _update_array(self, W: Array, dW: Array, segments: tuple[Segment, ...] = ()) -> None:
        if W.ndim != 2:  # a network's parameters, too
            super()._update_array(W, dW, segments)
            return
        dtype, state = compute_dtype(W), self.state_of(W)
        flat = ready(W, dtype).reshape(-1)
        state.step += 1
        self._apply_to_matrix(W.shape, ready(dW, dtype).reshape(-1), flat, state)
        if not np.may_share_memory(flat, W):
            W[...] = flat.reshape(W.shape)

    def _apply_to_matrix(self, shape: tuple[int, ...], dW: Array, W: Array, state: State) -> None:
        v = state.averages[0]
        numbers = self.lr, self.momentum, self.weight_decay
        kernels.muon_update(dW.reshape(shape), *numbers, v.reshape(shape), W.reshape(shape))

    def _apply(self, dW: Array, W: Array, state: State) -> None:
        """AdamW."""
        lr = self.adamw_lr * (self.lr / self.initial_lr)
        numbers = lr, self.beta1, self.beta2, self.eps, self.weight_decay
        kernels.adamw_update(dW, *numbers, state.step, *state.averages, W)
