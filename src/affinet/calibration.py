"""Temperature scaling of a trained classifier: probabilities that match its hit rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, row_weights
from affinet.layers import Affine, NTKAffine
from affinet.losses import SigmoidWithLoss, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.network.inner import using_alone
from affinet.tabular.temperature import fit_temperature

PRIOR_ROWS = 1.0  # enough to keep the temperature of a few rows without an error from 0.05
LINEAR = (Affine, NTKAffine)  # layers whose outputs scale with their parameters

__all__ = ["calibrate"]


def calibrate(
    net: Sequential, x: ArrayLike, t: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Divide a network's logits by the temperature with the lowest log-loss on held-out rows.

    Classes keep their order, so no accuracy changes; probabilities become less sure where the
    network was too sure, or surer. The last layer's parameters are divided in place: ``predict``,
    files, ONNX graphs and further training have the calibrated logits, at no cost. Guo, Pleiss,
    Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2; with few
    rows the temperature tends to 1, see ``affinet.tabular.temperature.fit_temperature``.

    Parameters
    ----------
    net : Sequential
        With :class:`SoftmaxWithLoss` or :class:`SigmoidWithLoss`, and an :class:`Affine` or
        :class:`NTKAffine` as its last layer.
    x, t : arrays of B rows and targets
        Rows that the network was not trained on. Targets are class indices or one-hot rows, or 0
        and 1 for each label.
    sample_weight : array of shape (B,), optional
        Weights of the rows, each 0 or more.

    Returns
    -------
    float
        The temperature, 0.05 to 20; above 1 if the network was too sure.

    Raises
    ------
    TypeError
        If the loss is another one, or the last layer.
    ValueError
        If targets are not sure classes, or a logit is not finite.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> sure = an.Affine(np.array([[9.0, 0.0]]), np.zeros(2))
    >>> net = an.Sequential(sure, loss=an.SoftmaxWithLoss())
    >>> x, t = np.ones((1000, 1)), (np.arange(1000) % 4 == 0).astype(int)  # right in 3 of 4 cases
    >>> temperature = an.calibrate(net, x, t)
    >>> net.predict_proba([[1.0]]).round(2)
    array([[0.75, 0.25]])
    """
    if not isinstance(net, Sequential):
        raise TypeError(f"net is {type(net).__name__}, wanted a Sequential")
    if type(net.loss) not in (SoftmaxWithLoss, SigmoidWithLoss):
        raise TypeError(
            f"the loss is {net.loss!r}, wanted SoftmaxWithLoss or SigmoidWithLoss, whose logits a "
            "temperature divides"
        )
    last = net.layers[-1]
    if type(last) not in LINEAR:
        raise TypeError(
            f"the last layer is {last!r}, wanted an Affine, whose parameters are divided"
        )
    with using_alone(net):
        labels = isinstance(net.loss, SigmoidWithLoss)
        return divide_logits(net, net.predict(x), t, labels, sample_weight)


def divide_logits(
    net: Sequential,
    outputs: Array,
    t: ArrayLike,
    labels: bool,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Fit the temperature to outputs (B, O), and divide the last layer's parameters by it.

    ``labels`` says that each output is the logit of a label, not of one class of several.
    """
    weights: ArrayLike | None = sample_weight
    if labels:
        outputs, t, weights = as_classes(outputs, t, sample_weight)
    else:
        t = class_indices(outputs, t)
    temperature = fit_temperature(outputs, t, weights, prior_rows=PRIOR_ROWS)
    last = net.layers[-1]
    for name in last.parameters:
        array = getattr(last, name)
        array /= array.dtype.type(temperature)
    return temperature


def class_indices(outputs: Array, t: ArrayLike) -> Array:
    """Class indices (B,) of targets that may be one-hot rows."""
    targets = number_array("t", t)
    if targets.shape != outputs.shape or targets.ndim != 2:
        return targets
    sure = (targets.max(axis=1) == 1) & (np.count_nonzero(targets, axis=1) == 1)
    if not sure.all():
        row = int(np.argmin(sure))
        raise ValueError(f"t[{row}] is {targets[row]}, wanted a class index or a one-hot row")
    return np.asarray(targets.argmax(axis=1))


def as_classes(
    outputs: Array, t: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    """Every label as a row of two classes: logits (B L, 2), classes (B L,) and the rows' weights.

    The softmax of (0, z) is the logistic function of z.
    """
    targets = number_array("t", t)
    if targets.size != outputs.size or len(targets) != len(outputs):
        raise ValueError(f"t has shape {targets.shape}, wanted {outputs.shape}")
    z, sides = outputs.reshape(-1), targets.reshape(-1)
    bad = np.flatnonzero((sides != 0) & (sides != 1))
    if bad.size:
        raise ValueError(f"t holds {sides[bad[0]]}, wanted 0 and 1")
    weights = None
    if sample_weight is not None:
        weights = row_weights("sample_weight", sample_weight, len(outputs))
        weights = np.repeat(weights, outputs.shape[1])
    return np.stack([np.zeros_like(z), z], axis=1), sides.astype(np.int64), weights
