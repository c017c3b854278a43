"""Explanation: gradients of a network's outputs with respect to its inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, rows_array, whole_number
from affinet.network.input_gradients import InputGradients
from affinet.network.prediction import PREDICT_ROWS, Prediction


class Explanation(Prediction):
    """The part of a :class:`affinet.Sequential` that relates outputs to inputs."""

    def gradient(self, x: ArrayLike, output: int | None = None) -> Array:
        """Gradients of outputs with respect to x, row by row, in evaluation mode.

        Rows are taken in blocks. The network stays as it is, also its ``grads`` and the last
        forward. ``loss``, and so softmax, is not part of it: outputs are logits or values.

        Parameters
        ----------
        x : array of shape (B, ...), or (...) of one axis for one row
        output : int, optional
            The output whose gradient to compute; all of them by default.

        Returns
        -------
        array of the shape of x
            The gradient of that output, before ``input_scale`` multiplies x; without ``output``
            the Jacobian, (B, O, ...), or (O, I) for one row.

        Raises
        ------
        ValueError
            If there is no such output, or the first layer takes codes.

        Examples
        --------
        >>> import numpy as np, affinet as an
        >>> net = an.Sequential(an.Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2)))
        >>> net.gradient([[5.0, 6.0]], output=1)
        array([[2., 4.]])
        >>> net.gradient([5.0, 6.0])
        array([[1., 3.],
               [2., 4.]])
        """
        with self._reading():
            return self._input_gradients(x, output)

    def integrated_gradients(
        self, x: ArrayLike, output: int, baseline: ArrayLike = 0.0, steps: int = 64
    ) -> Array:
        """How much each input contributes to an output: integrated gradients.

        ``(x - b) times the mean gradient on the straight line from b to x``, at the middles of
        ``steps`` equal parts. Contributions of a row add up to the output's difference between x
        and b, up to the error of that sum. Sundararajan, Taly, Yan, "Axiomatic attribution for deep
        networks", ICML 2017, section 3.

        Parameters
        ----------
        x : array of shape (B, ...), or (...) of one axis for one row
        output : int
            The output to explain.
        baseline : float, or array that broadcasts to the shape of x
            The input b without information, such as the mean of the training rows.
        steps : int
            Number of gradients for each row.

        Returns
        -------
        array of the shape of x

        Examples
        --------
        >>> import numpy as np, affinet as an
        >>> net = an.Sequential(an.Affine(np.array([[2.0], [3.0]]), np.ones(1)), an.Softplus())
        >>> shares = net.integrated_gradients([[1.0, -1.0]], output=0)
        >>> shares.round(3)
        array([[ 1.24, -1.86]])
        >>> net.predict([[1.0, -1.0]]) - net.predict([[0.0, 0.0]]) - shares.sum() < 1e-5
        array([[ True]])
        """
        steps = whole_number("steps", steps, 1)
        rows = number_array("x", x).astype(self._dtype, copy=False)
        start = number_array("baseline", baseline).astype(self._dtype)
        shape = start.shape
        fits = all(n in (1, m) for n, m in zip(shape[::-1], rows.shape[::-1], strict=False))
        if len(shape) > rows.ndim or not fits:
            raise ValueError(f"baseline has shape {shape}, wanted one that fits {rows.shape}")
        total = np.zeros(rows.shape, np.float64)
        with self._reading():
            for step in range(steps):
                share = self._dtype.type((step + 0.5) / steps)
                total += self._input_gradients(start + share * (rows - start), output)
        return np.asarray(((rows - start) * total / steps).astype(self._dtype))

    def _input_gradients(self, x: ArrayLike, output: int | None) -> Array:
        """Gradients of one output, or of all of them, with respect to x, block by block."""
        if self._coded is not None:
            raise ValueError("gradient: the first layer takes codes, which have no gradient")
        if self._members > 1:
            raise ValueError("gradient: rows belong to members of an ensemble by their place")
        if output is not None:
            output = whole_number("output", output, 0)
        twins, rows = InputGradients(self.layers), rows_array("x", x)
        if rows.ndim < 2:
            whole = self._input(rows)[np.newaxis]
            return np.asarray(self._unscaled(twins.of(whole, output))[0])
        parts = [
            self._unscaled(twins.of(self._input(rows[start : start + PREDICT_ROWS], start), output))
            for start in range(0, max(len(rows), 1), PREDICT_ROWS)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _unscaled(self, gradient: Array) -> Array:
        """The gradient with respect to inputs before ``input_scale`` multiplies them."""
        if self._input_scale is None:
            return gradient
        return np.asarray(gradient * gradient.dtype.type(self._input_scale))
