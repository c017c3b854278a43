"""Progress of a training: a bar on a terminal, a line an epoch elsewhere, or silence."""

from __future__ import annotations

import sys
from typing import Any, Protocol


class Progress(Protocol):
    """What the trainer tells."""

    def steps(self, number: int, loss: float) -> None:
        """So many more steps ended, the last one with this loss."""

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """An epoch ended with these figures."""

    def close(self) -> None:
        """The training ended, in whatever way."""


class Silent:
    """Tells nothing."""

    def steps(self, number: int, loss: float) -> None:
        """Nothing."""

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines(Silent):
    """One plain line an epoch on standard error."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Print the epoch's figures."""
        print(epoch_line(number, self.epochs, metrics), file=sys.stderr, flush=True)


class Bar(Lines):
    """A tqdm bar over the steps, and above it the line of each epoch that ended."""

    def __init__(self, bar: Any, epochs: int) -> None:
        super().__init__(epochs)
        self.bar = bar

    def steps(self, number: int, loss: float) -> None:
        """Move the bar; tqdm itself decides when it is worth drawing."""
        self.bar.set_postfix(loss=short(loss), refresh=False)
        self.bar.update(number)

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Write the epoch's line above the bar."""
        self.bar.write(epoch_line(number, self.epochs, metrics), file=sys.stderr)

    def close(self) -> None:
        """Leave the bar where it stands."""
        self.bar.close()


def epoch_line(number: int, epochs: int, metrics: dict[str, float]) -> str:
    """One epoch in one line.

    Examples
    --------
    >>> epoch_line(2, 10, {"epoch": 2, "loss": 0.5, "val_accuracy": 0.9, "seconds": 1.0})
    'epoch  2/10  loss 0.5000  val_accuracy 0.9000'
    """
    shown = {name: value for name, value in metrics.items() if name not in ("epoch", "seconds")}
    figures = "  ".join(f"{name} {short(value)}" for name, value in shown.items())
    return f"epoch {number:{len(str(epochs))}}/{epochs}  {figures}"


def short(value: float) -> str:
    """A figure in four decimals, or in powers of ten where those would not do.

    Examples
    --------
    >>> short(0.12345), short(1.5e29), short(3e-7)
    ('0.1235', '1.5e+29', '3e-07')
    """
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"


def make_progress(verbose: int | None, steps: int, epochs: int) -> Progress:
    """A bar where standard error is a terminal and tqdm is there, else lines; or silence.

    ``verbose``: 0 is silent; 1 shows progress anywhere; None shows it on a terminal only.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if verbose == 0 or (verbose is None and not terminal):
        return Silent()
    if terminal:
        try:
            from tqdm import tqdm
        except ImportError:
            return Lines(epochs)
        return Bar(tqdm(total=steps, unit="step", leave=False, dynamic_ncols=True), epochs)
    return Lines(epochs)
