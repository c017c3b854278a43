"""Overfitting: a deep net memorises a few rows; what dropout and weight decay do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from affinet._validation import Array, real_number, whole_number
from affinet.datasets import load_digits
from affinet.diagnostics.study import Study, TextTable, make_net
from affinet.layers import ReLU
from affinet.optimizers import AdamW

LEARNING_RATE = 0.001
DROPOUT, INPUT_DROPOUT, WEIGHT_DECAY = 0.3, 0.2, 2.0
MOST_TEST_ROWS = 1000


@dataclass(frozen=True)
class Remedy:
    """A measure against overfitting.

    Attributes
    ----------
    name : str
    dropout, input_dropout : float
        Probabilities of dropping a hidden unit and an input.
    weight_decay : float
        That of :class:`~affinet.AdamW`.
    """

    name: str
    dropout: float
    input_dropout: float
    weight_decay: float


REMEDIES = (
    Remedy("nothing", 0.0, 0.0, 0.0),
    Remedy("weight decay", 0.0, 0.0, WEIGHT_DECAY),
    Remedy("dropout", DROPOUT, INPUT_DROPOUT, 0.0),
    Remedy("dropout and weight decay", DROPOUT, INPUT_DROPOUT, WEIGHT_DECAY / 2),
)


@dataclass(frozen=True)
class Overfitting(Study):
    """Accuracy on training and test rows, with and without remedies.

    Attributes
    ----------
    n_rows, n_test : int
        Numbers of training and test rows.
    label_noise : float
        Fraction of all labels, training and test, that are wrong.
    remedies : tuple of Remedy
    train, test : array of shape (R, S, E)
        Accuracies for each remedy and seed after every epoch, in evaluation mode, compared with
        the labels as they are, including the wrong ones.
    """

    n_rows: int
    n_test: int
    label_noise: float
    remedies: tuple[Remedy, ...]
    train: Array
    test: Array

    @property
    def gaps(self) -> Array:
        """Training minus test accuracy at the end, mean over the seeds, (R,)."""
        gaps: Array = (self.train - self.test)[:, :, -1].mean(axis=1)
        return gaps

    def rows(self) -> TextTable:
        """A row for each remedy: accuracies at the end, averaged over the seeds, and the gap."""
        rows: TextTable = [("against overfitting", "training", "test", "gap", "±")]
        for r, remedy in enumerate(self.remedies):
            train, test = self.train[r, :, -1], self.test[r, :, -1]
            rows.append(
                (remedy.name, f"{train.mean():.3f}", f"{test.mean():.3f}",
                 f"{self.gaps[r]:.3f}", f"{(train - test).std():.3f}")
            )  # fmt: skip
        return rows


def overfitting(
    data: Any = None,
    *,
    n_rows: int = 300,
    label_noise: float = 0.2,
    hidden: Sequence[int] = (128, 128, 128),
    epochs: int = 60,
    seeds: Sequence[int] = (0, 1, 2),
    remedies: Sequence[Remedy] = REMEDIES,
) -> Overfitting:
    """Train a deep net on a few rows, and measure how much worse it does on others.

    If a fraction of the labels is wrong, no net can predict more than about the rest of new labels,
    and one that is right more often on its training rows has memorised them; Zhang et al.,
    "Understanding deep learning requires rethinking generalization", ICLR 2017. Dropout:
    Srivastava et al., JMLR 15, 2014; weight decay as in AdamW: Loshchilov and Hutter, ICLR 2019.

    Parameters
    ----------
    data : pair of pairs of arrays, optional
        ``((x, t), (x_test, t_test))``, as the loaders of :mod:`affinet.datasets` return them; by
        default, the digits. Only the first 1,000 test rows are used.
    n_rows : int
        Number of rows drawn from the training rows.
    label_noise : float
        Fraction of the labels, of both training and test rows, replaced by another class; 0 keeps
        them all.
    hidden : sequence of int
        Units of the hidden layers, with ReLU.
    epochs : int
        Passes over the rows, with AdamW and batches of 32.
    seeds : sequence of int
        One training for each; the rows and labels are the same for all.
    remedies : sequence of Remedy

    Returns
    -------
    Overfitting

    Examples
    --------
    >>> from affinet.diagnostics import overfitting
    >>> found = overfitting(epochs=30, seeds=[0])
    >>> plain, decay, dropout, both = found.gaps
    >>> bool(plain > dropout + 0.1)
    True
    """
    n_rows, epochs = whole_number("n_rows", n_rows, 1), whole_number("epochs", epochs, 1)
    hidden = [whole_number("hidden", n, 1) for n in hidden]
    label_noise = real_number("label_noise", label_noise, 0.0, 1.0)
    if not hidden or not len(seeds) or not len(remedies):
        raise ValueError("hidden, seeds or remedies is empty, wanted at least one")
    (x, t), (x_test, t_test) = load_digits() if data is None else data
    if n_rows > len(x):
        raise ValueError(
            f"n_rows is {n_rows}, wanted at most {len(x)}, the number of training rows"
        )
    rows = np.random.default_rng(0).permutation(len(x))[:n_rows]
    train = x[rows], with_wrong_labels(t[rows], label_noise, 1)
    test = x_test[:MOST_TEST_ROWS], with_wrong_labels(t_test[:MOST_TEST_ROWS], label_noise, 2)
    found = np.array(
        [[run(remedy, hidden, epochs, seed, train, test) for seed in seeds] for remedy in remedies]
    )
    return Overfitting(
        n_rows, len(test[0]), label_noise, tuple(remedies), found[..., 0], found[..., 1]
    )


def with_wrong_labels(t: Array, share: float, seed: int) -> Array:
    """Labels, a fraction of them replaced by another class."""
    rng = np.random.default_rng(seed)
    n_classes = int(t.max()) + 1
    wrong = rng.permutation(len(t))[: round(share * len(t))]
    out = t.copy()
    out[wrong] = (out[wrong] + rng.integers(1, max(n_classes, 2), len(wrong))) % n_classes
    return out


def run(
    remedy: Remedy,
    hidden: Sequence[int],
    epochs: int,
    seed: int,
    train: tuple[Array, Array],
    test: tuple[Array, Array],
) -> list[tuple[float, float]]:
    """Training and test accuracy after each epoch of one training."""
    x, t = train
    widths = [x.shape[1], *hidden, int(max(t.max(), test[1].max())) + 1]
    drops = {"dropout": remedy.dropout, "input_dropout": remedy.input_dropout}
    net = make_net(widths, ReLU(), seed, **drops)
    found: list[tuple[float, float]] = []

    def watch(state: Any) -> None:
        accuracies = [state.net.evaluate(*part)["accuracy"] for part in (train, test)]
        found.append((accuracies[0], accuracies[1]))

    rule = AdamW(LEARNING_RATE, weight_decay=remedy.weight_decay)
    net.fit(x, t, epochs=epochs, optimizer=rule, seed=seed, callbacks=[watch], verbose=0)
    return found
