"""A linear model of encoded rows: the baseline that a network should beat."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from affinet._validation import Array

PENALTY = 1.0  # of scikit-learn's Ridge and LogisticRegression
MOST_STEPS = 100
KEPT = 10  # pairs of differences that the inverse Hessian is built of
MOST_VALUES, FEWEST_ROWS, MOST_ROWS = 5_000_000, 1_000, 20_000
BLOCK_ROWS = 4096  # to predict at once
SMALL = 1e-6  # gradients below this share of the first one end the search
DECREASE = 1e-4  # Armijo's constant


@dataclass(frozen=True)
class Design:
    """Encoded rows as a linear model takes them: codes select a row of weights each.

    Attributes
    ----------
    dense : array of shape (N, D)
        The inputs that are no codes, in float64.
    codes : list of int arrays of shape (N,)
    sizes : list of int
        The number of different codes of each.
    """

    dense: Array
    codes: Sequence[Array]
    sizes: Sequence[int]

    @property
    def width(self) -> int:
        """Rows of the weights, the last of which is the intercept."""
        return int(self.dense.shape[1] + sum(self.sizes) + 1)

    def starts(self) -> list[int]:
        """The first row of weights of each column of codes."""
        return [int(self.dense.shape[1]) + sum(self.sizes[:k]) for k in range(len(self.sizes))]

    def times(self, weights: Array) -> Array:
        """The outputs (N, C) for weights (width, C)."""
        out = self.dense @ weights[: self.dense.shape[1]] + weights[-1]
        for start, codes in zip(self.starts(), self.codes, strict=True):
            out += weights[start + codes]
        return np.asarray(out)

    def transposed_times(self, out: Array) -> Array:
        """The gradient (width, C) of the weights for that of the outputs (N, C)."""
        found = np.zeros((self.width, out.shape[1]))
        found[: self.dense.shape[1]] = self.dense.T @ out
        found[-1] = out.sum(axis=0)
        for start, codes, size in zip(self.starts(), self.codes, self.sizes, strict=True):
            for k in range(out.shape[1]):
                found[start : start + size, k] = np.bincount(codes, out[:, k], size)
        return found


@dataclass(frozen=True)
class LinearModel:
    """Ridge or logistic regression on encoded rows.

    Attributes
    ----------
    weights : array of shape (width, C)
        Of the dense inputs, of every code, and the intercept.
    code_inputs : tuple of pairs of int
        Places of the codes among the inputs, and how many codes there are.
    """

    weights: Array
    code_inputs: tuple[tuple[int, int], ...]

    def predict(self, x: Array) -> Array:
        """Numbers (N, 1) or logits (N, C)."""
        blocks = [x[start : start + BLOCK_ROWS] for start in range(0, len(x), BLOCK_ROWS)]
        found = [design_of(block, self.code_inputs).times(self.weights) for block in blocks]
        return np.concatenate(found) if found else np.empty((0, self.weights.shape[1]))


def fit_linear(
    x: Array,
    t: Array,
    n_classes: int = 0,
    code_inputs: tuple[tuple[int, int], ...] = (),
    sample_weight: Array | None = None,
) -> LinearModel:
    """The linear model with the lowest penalised loss.

    The mean of the halved squared errors, or of the log-losses, plus ``sum W^2 / (2 N)``: the
    ridge regression, or logistic regression, that scikit-learn fits by default. Of many rows a
    sample is used, at most 20,000.

    Parameters
    ----------
    x : array of shape (N, width)
    t : array of shape (N,)
        Numbers, or class indices.
    n_classes : int
        0 for numbers.
    code_inputs : tuple of pairs of int
        As :attr:`affinet.tables.Encoding.code_inputs`.
    sample_weight : array of shape (N,), optional

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 1000)[:, None]
    >>> fit_linear(x, 3 * x[:, 0] + 2).predict(np.array([[0.5]])).round(2)
    array([[3.5]])
    """
    most = rows_enough(x.shape[1])
    if len(x) > most:
        rows = np.sort(np.random.default_rng(0).permutation(len(x))[:most])
        x, t = x[rows], t[rows]
        sample_weight = None if sample_weight is None else sample_weight[rows]
    design = design_of(x, code_inputs)
    shares = np.ones(len(x)) if sample_weight is None else sample_weight.astype(np.float64)
    shares = (shares / shares.sum())[:, None]
    slope = logistic_slope(t, n_classes) if n_classes else squared_slope(t)

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(design.width, -1)
        losses, dout = slope(design.times(weights))
        grad = design.transposed_times(dout * shares)
        decay = PENALTY / len(x) * weights
        decay[-1] = 0  # the intercept has no penalty
        value = float((losses * shares[:, 0]).sum() + 0.5 * (decay * weights).sum())
        return value, (grad + decay).reshape(-1)

    found = minimize(objective, np.zeros(design.width * max(n_classes, 1)))
    return LinearModel(found.reshape(design.width, -1), code_inputs)


def rows_enough(width: int) -> int:
    """The number of rows of this width that a linear model is fitted to at most."""
    return int(np.clip(MOST_VALUES // max(width, 1), FEWEST_ROWS, MOST_ROWS))


def design_of(x: Array, code_inputs: tuple[tuple[int, int], ...]) -> Design:
    """Inputs (N, width), split into numbers and codes."""
    places = [place for place, _ in code_inputs]
    dense = np.delete(x, places, axis=1).astype(np.float64)
    codes = [x[:, place].astype(np.int64) for place in places]
    return Design(dense, codes, [size for _, size in code_inputs])


Slope = Callable[[Array], tuple[Array, Array]]  # outputs to losses (N,) and their gradient (N, C)


def squared_slope(t: Array) -> Slope:
    """Halved squared errors of numbers."""
    wanted = t.reshape(-1, 1).astype(np.float64)

    def slope(out: Array) -> tuple[Array, Array]:
        error = out - wanted
        return 0.5 * error[:, 0] ** 2, error

    return slope


def logistic_slope(t: Array, n_classes: int) -> Slope:
    """Log-losses of classes."""
    rows = np.arange(len(t))

    def slope(out: Array) -> tuple[Array, Array]:
        z = out - out.max(axis=1, keepdims=True)
        p = np.exp(z)
        sums = p.sum(axis=1, keepdims=True)
        losses = np.log(sums[:, 0]) - z[rows, t]
        p /= sums
        p[rows, t] -= 1
        return losses, p

    return slope


def minimize(objective: Callable[[Array], tuple[float, Array]], place: Array) -> Array:
    """L-BFGS with backtracking: Nocedal, Wright, "Numerical Optimization", algorithm 7.5."""
    value, grad = objective(place)
    first = float(np.abs(grad).max(initial=0.0))
    pairs: deque[tuple[Array, Array, float]] = deque(maxlen=KEPT)
    for _ in range(MOST_STEPS):
        if not np.abs(grad).max(initial=0.0) > SMALL * first:
            break
        direction = -two_loops(grad, pairs)
        slope = float(grad @ direction)
        length = 1.0 if pairs else 1.0 / max(float(np.abs(grad).sum()), 1.0)
        while True:
            new_place = place + length * direction
            new_value, new_grad = objective(new_place)
            if new_value <= value + DECREASE * length * slope:
                break
            length *= 0.5
            if length < 1e-10:  # rounding errors are all that is left
                return place
        step, change = new_place - place, new_grad - grad
        curvature = float(step @ change)
        if curvature > 0:
            pairs.append((step, change, 1 / curvature))
        place, value, grad = new_place, new_value, new_grad
    return place


def two_loops(grad: Array, pairs: Sequence[tuple[Array, Array, float]]) -> Array:
    """The approximate inverse Hessian times the gradient, algorithm 7.4 there."""
    q = grad.copy()
    shares = []
    for step, change, rho in reversed(pairs):
        shares.append(rho * (step @ q))
        q -= shares[-1] * change
    if pairs:
        step, change, rho = pairs[-1]
        q /= rho * (change @ change)
    for (step, change, rho), share in zip(pairs, reversed(shares), strict=True):
        q += (share - rho * (change @ q)) * step
    return q
