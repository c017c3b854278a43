"""Checkpoint: the callback that writes files from which training continues, bit for bit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from affinet._validation import whole_number
from affinet.archive import archive_path
from affinet.optimizers import Optimizer
from affinet.training.callbacks import TrainingState
from affinet.training.checkpoint_file import write_checkpoint

PLACEHOLDER = "{net}"  # stands for a network's number in a path


class Checkpoint:
    """A callback that writes a file from which an interrupted training can continue.

    ``net.fit(..., resume=path)`` with the same arguments then ends with the same bits as a training
    that was never interrupted. The file holds parameters and buffers, the optimizer's settings and
    averages, the states of schedules and of callbacks that have ``state_dict``, the history, and
    the position in the epoch. It is written under a temporary name, flushed to disk and renamed, so
    the file is complete whenever the process dies. A checkpoint is written after the other
    callbacks due at the same step, whatever their order. With a ``reducer`` only rank 0 writes, and
    any number of ranks can continue from the file. With :func:`affinet.fit_many`, every network has
    its own file.

    Parameters
    ----------
    path : path
        A name ending in ``.npz``, or in ``.safetensors`` where that package is installed. Each
        checkpoint replaces the previous one. For :func:`affinet.fit_many` it contains ``{net}``,
        which stands for the network's number.
    every : int
        Number of epochs between checkpoints.
    every_steps : int, optional
        Number of steps between checkpoints, instead of epochs.

    Raises
    ------
    ImportError
        If the name ends in ``.safetensors`` and the package is missing.
    FileNotFoundError
        Before training, if the folder does not exist.
    TypeError
        Before training, if a custom optimizer has no ``state_dict``; when writing, if a state
        cannot be stored as JSON and arrays.
    ValueError
        If the name has another suffix.

    Examples
    --------
    >>> import affinet as an, numpy as np, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "digits.npz"
    >>> (x, t), _ = an.datasets.load_digits()
    >>> def train(**options):
    ...     net = an.Sequential(an.Affine.init(64, 10, rng=0), loss=an.SoftmaxWithLoss())
    ...     net.fit(x, t, optimizer=an.Adam(), **options)
    ...     return net
    >>> part = train(epochs=2, callbacks=[an.Checkpoint(path, every_steps=20)])
    >>> whole, resumed = train(epochs=4), train(epochs=4, resume=path)
    >>> np.array_equal(whole.params.flat, resumed.params.flat)
    True
    """

    comes_last = True
    on_one_rank = True

    def __init__(
        self, path: str | os.PathLike[str], every: int = 1, every_steps: int | None = None
    ) -> None:
        self.path = archive_path(path)
        self.every = whole_number("every", every, 1)
        if every_steps is not None:
            every_steps = whole_number("every_steps", every_steps, 1)
        self.every_steps = every_steps

    def begin(self, state: TrainingState) -> None:
        """Raise if no checkpoint can be written."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"Checkpoint: there is no folder {self.path.parent}")
        require_state("optimizer", state.optimizer)

    def __call__(self, state: TrainingState) -> None:
        """Write a checkpoint if one is due."""
        if self.every_steps is not None or state.epoch % self.every == 0:
            write_checkpoint(self.path, state.snapshot())

    def for_network(self, number: int) -> Checkpoint:
        """The same callback for one of the networks of :func:`affinet.fit_many`."""
        return Checkpoint(path_of("Checkpoint's path", self.path, number), self.every,
                          self.every_steps)  # fmt: skip

    def __repr__(self) -> str:
        steps = self.every_steps
        every = f"every={self.every}" if steps is None else f"every_steps={steps}"
        return f"Checkpoint({str(self.path)!r}, {every})"


def path_of(name: str, path: str | os.PathLike[str], number: int) -> Path:
    """The path of one of several networks, its number in place of ``{net}``.

    Examples
    --------
    >>> path_of("resume", "runs/{net}.npz", 7).name
    '7.npz'
    """
    text = os.fspath(path)
    if PLACEHOLDER not in text:
        raise ValueError(
            f"{name} is {text!r}, one file for all networks, wanted a name that contains "
            f"{PLACEHOLDER}, such as 'runs/{PLACEHOLDER}.npz'"
        )
    return Path(text.replace(PLACEHOLDER, str(number)))


def require_state(name: str, optimizer: Any) -> None:
    """Raise unless a checkpoint can hold the optimizer's state."""
    if not isinstance(optimizer, Optimizer) and not hasattr(optimizer, "state_dict"):
        raise TypeError(
            f"{name} is {optimizer!r}, which a checkpoint cannot hold: wanted an Optimizer, or an "
            "object with state_dict() and load_state_dict()"
        )
