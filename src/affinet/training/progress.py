"""Training progress: a bar where one can be drawn, a line per epoch elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

DRAWN_EVERY = 0.1  # seconds
SHORT = 5.0  # seconds; a training that takes longer says how much time is left
MOST_LINES = 50  # on a terminal; a log gets a line for every epoch


class ProgressDisplay(Protocol):
    """The display that the trainer reports to."""

    def steps(self, rows: int, loss: float, accuracy: float | None) -> None:
        """Report ``rows`` more rows, the last step's loss and the accuracy."""

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Report the figures of a finished epoch."""

    def close(self) -> None:
        """Finish the display, however training ended."""


class Silent:
    """Shows nothing."""

    def steps(self, rows: int, loss: float, accuracy: float | None) -> None:
        """Nothing."""

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines(Silent):
    """One plain line on standard error for each epoch, or for every n-th and the last."""

    says_time = True

    def __init__(self, epochs: int, most: int | None = None, unit: str = "epoch") -> None:
        self.epochs, self.unit = epochs, unit
        self.every = 1 if most is None else max(1, -(-epochs // most))
        self.begun = time.perf_counter()
        self.first: int | None = None  # the first epoch of this training, later if it resumed

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Write the figures if this epoch is shown, and in a long training the time left."""
        self.first = number if self.first is None else self.first
        if number % self.every == 0 or number in (1, self.epochs):
            taken = time.perf_counter() - self.begun
            left = (self.epochs - number) * taken / (number - self.first + 1)
            shown = self.says_time and taken > SHORT and number < self.epochs
            line = epoch_line(number, self.epochs, metrics, self.unit)
            self.write(f"{line}  ({left:.0f} s left)" if shown else line)

    def write(self, line: str) -> None:
        """Print a line if standard error exists."""
        stream = sys.stderr
        if stream is not None:  # with None, print writes to standard output
            print(printable(line, stream), file=stream, flush=True)


class Bar(Lines):
    """A tqdm bar over the rows, below the epoch lines, which are thinned to about 50.

    tqdm itself adds the rows per second and the remaining time.
    """

    says_time = False

    def __init__(self, bar: Any, epochs: int, file: Any, unit: str = "epoch") -> None:
        super().__init__(epochs, MOST_LINES, unit)
        self.bar = bar
        self.file = file
        self.rows = 0  # not yet shown by the bar
        self.drawn = -DRAWN_EVERY

    def steps(self, rows: int, loss: float, accuracy: float | None) -> None:
        """Advance the bar at most every DRAWN_EVERY: drawing may take longer than a step."""
        self.rows += rows
        now = time.perf_counter()
        if now - self.drawn < DRAWN_EVERY:
            return
        figures = {"loss": short(loss)}
        if accuracy is not None:
            figures["accuracy"] = short(accuracy)
        self.bar.set_postfix(figures, refresh=False)
        self.bar.update(self.rows)
        self.rows, self.drawn = 0, now

    def write(self, line: str) -> None:
        """Write a line above the bar."""
        self.bar.write(line if self.file is None else printable(line, self.file), file=self.file)

    def close(self) -> None:
        """Close the bar at its last position."""
        self.bar.update(self.rows)
        self.bar.close()


class Unbreakable:
    """A display that goes silent when its stream fails, so that training continues.

    Streams are closed, pipes break, and replacements of standard error may raise anything.
    """

    def __init__(self, display: ProgressDisplay) -> None:
        self.display = display

    def steps(self, rows: int, loss: float, accuracy: float | None) -> None:
        """See :class:`ProgressDisplay`."""
        with self.falling_silent():
            self.display.steps(rows, loss, accuracy)

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """See :class:`ProgressDisplay`."""
        with self.falling_silent():
            self.display.epoch(number, metrics)

    def close(self) -> None:
        """See :class:`ProgressDisplay`."""
        with self.falling_silent():
            self.display.close()

    @contextmanager
    def falling_silent(self) -> Iterator[None]:
        """A context whose errors, other than Ctrl-C, end only the display."""
        try:
            yield
        except Exception:
            if isinstance(self.display, Bar):
                self.display.bar.disable = True  # or tqdm draws once more on garbage collection
            self.display = Silent()


def printable(line: str, stream: Any) -> str:
    """The line with characters that the stream cannot encode escaped.

    Examples
    --------
    >>> import io
    >>> print(printable("val_\u03b1 0.5", io.TextIOWrapper(io.BytesIO(), encoding="cp1252")))
    val_\\u03b1 0.5
    """
    encoding = getattr(stream, "encoding", None)
    if not isinstance(encoding, str):
        return line
    try:
        return line.encode(encoding, "backslashreplace").decode(encoding)
    except (LookupError, UnicodeError):
        return line.encode("ascii", "backslashreplace").decode("ascii")


def epoch_line(number: int, epochs: int, metrics: dict[str, float], unit: str = "epoch") -> str:
    """One epoch, or whatever the ``unit`` is, in one line.

    Examples
    --------
    >>> epoch_line(2, 10, {"epoch": 2, "loss": 0.5, "val_accuracy": 0.9, "seconds": 1.0})
    'epoch  2/10  loss 0.5000  val_accuracy 0.9000'
    """
    shown = {name: value for name, value in metrics.items() if name not in ("epoch", "seconds")}
    texts = {
        name: f"{value}" if name == "network" else short(value) for name, value in shown.items()
    }
    figures = "  ".join(f"{name} {text}" for name, text in texts.items())
    return f"{unit} {number:{len(str(epochs))}}/{epochs}  {figures}"


def short(value: float) -> str:
    """A figure with four decimals, or in scientific notation if it is very large or small.

    Examples
    --------
    >>> short(0.12345), short(1.5e29), short(3e-7)
    ('0.1235', '1.5e+29', '3e-07')
    """
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"


def make_progress(
    verbose: int | None, rows: int, done: int, epochs: int, unit: str = "epoch"
) -> ProgressDisplay:
    """A bar on a terminal or in a notebook if tqdm is installed, else lines; or nothing.

    ``verbose``: 0 is silent; 1 shows progress anywhere; None shows it on a terminal only.
    ``rows`` to train on, ``done`` of them before an interruption; ``unit`` is what ends ``epochs``
    times.
    """
    if verbose == 0:  # does not touch any stream
        return Silent()
    terminal = is_terminal(sys.stderr)
    if verbose is None and not terminal:
        return Silent()
    notebook = not terminal and in_notebook()
    if not terminal and not notebook:
        return Unbreakable(Lines(epochs, unit=unit))
    try:
        bar = notebook_bar() if notebook else terminal_bar()
        drawn = bar(
            total=rows, initial=done, unit="rows", unit_scale=True, leave=False, dynamic_ncols=True
        )
    except Exception:  # without tqdm, or on a terminal in which it cannot draw
        return Unbreakable(Lines(epochs, MOST_LINES, unit))
    return Unbreakable(Bar(drawn, epochs, None if notebook else sys.stderr, unit))


def is_terminal(stream: Any) -> bool:
    """True for a terminal; False for a missing, closed or unusual stream, whatever it raises."""
    try:
        return bool(stream.isatty())
    except Exception:
        return False


def terminal_bar() -> Any:
    """tqdm's text bar class."""
    from tqdm import tqdm

    return tqdm


def notebook_bar() -> Any:
    """tqdm's bar class for notebooks."""
    with warnings.catch_warnings():  # without ipywidgets it warns and draws text
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    return tqdm


def in_notebook() -> bool:
    """True if IPython runs as a notebook kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")
