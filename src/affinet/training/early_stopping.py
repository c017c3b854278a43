"""Early stopping: end when a figure stops improving, and restore the best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affinet._validation import Array, whole_number
from affinet.network.inner import arrays_of, set_arrays
from affinet.plateau import Plateau
from affinet.training.callbacks import StopTraining, TrainingState


class EarlyStopping:
    """A callback that ends the training when a figure has not improved for a while.

    When training ends normally, for whatever reason, the parameters and buffers (such as the
    running statistics of a normalisation) of the best epoch are restored; the optimizer's state is
    not.
    ``history.best_epoch`` is that epoch and ``history.stopped_by`` says whether this callback
    ended the training. Prechelt, "Early Stopping - But When?" (1998).

    Parameters
    ----------
    monitor : str
        Name of the figure in the history: ``"val_loss"``, ``"val_accuracy"``, ....
    patience : int
        Number of epochs without improvement before training stops, 1 or more.
    min_delta : float
        Smallest improvement on the best value so far that counts; it must be exceeded.
    mode : str, optional
        "min" or "max": whether lower or higher is better; by default inferred from the name (lower
        for a loss or an error, higher for an accuracy, a score, f1 or r2).
    restore_best : bool
        False keeps the network of the last epoch.

    Raises
    ------
    ValueError
        At the end of the first epoch, if no figure has this name; it lists the available ones.

    Examples
    --------
    >>> import affinet as an
    >>> (x, t), test = an.datasets.load_digits()
    >>> net = an.Sequential(
    ...     an.Affine.init(64, 32, rng=0), an.ReLU(), an.Affine.init(32, 10, rng=1),
    ...     loss=an.SoftmaxWithLoss(),
    ... )
    >>> stop = an.EarlyStopping("val_accuracy", patience=5)
    >>> history = net.fit(
    ...     x, t, epochs=300, optimizer=an.Adam(0.01), validation_data=test, callbacks=[stop]
    ... )
    >>> net.evaluate(*test)["accuracy"] == max(history["val_accuracy"])
    True
    >>> len(history.epochs) - history.best_epoch
    5
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        self.patience = whole_number("patience", patience, 1)
        self.restore_best = bool(restore_best)
        self._monitor = Plateau(monitor, min_delta, mode)
        self._best: dict[str, Array] | None = None  # the arrays of the best epoch
        self._shapes: dict[str, tuple[int, ...]] = {}  # of the network's arrays

    @property
    def monitor(self) -> str:
        """The name of the figure."""
        return self._monitor.monitor

    def begin(self, state: TrainingState) -> None:
        """Reset the state of an earlier training."""
        self._monitor.reset()
        self._best = None
        self._shapes = {name: array.shape for name, array in arrays_of(state.net).items()}

    def __call__(self, state: TrainingState) -> None:
        """Check an epoch's figure; raise StopTraining if patience is exhausted."""
        if self._monitor.observe(state.metrics):
            state.history.best_epoch = state.epoch
            if self.restore_best:
                self._best = {name: array.copy() for name, array in arrays_of(state.net).items()}
        elif self._monitor.wait >= self.patience:
            raise StopTraining(
                f"{self.monitor} has not become better than {self._monitor.best} "
                f"for {self._monitor.wait} epochs"
            )

    def end(self, state: TrainingState) -> None:
        """Restore the arrays of the best epoch."""
        if self._best is not None:
            set_arrays(state.net, self._best)

    def state_dict(self) -> dict[str, Any]:
        """The state to save in a checkpoint."""
        return {"monitor": self._monitor.state_dict(), "best": self._best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state_dict; nothing changes if it is refused."""
        best = state["best"]
        if best is not None:
            if not isinstance(best, dict):
                raise ValueError(f"best is {best!r:.50}, wanted the arrays of an epoch or None")
            shapes = {name: getattr(array, "shape", None) for name, array in best.items()}
            if shapes != self._shapes:
                raise ValueError(f"best has arrays of {shapes}, wanted {self._shapes}")
        self._monitor.load_state_dict(state["monitor"])
        self._best = best

    def __repr__(self) -> str:
        return f"EarlyStopping({self.monitor!r}, patience={self.patience})"
