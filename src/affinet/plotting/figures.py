"""What all pictures share: colours, new figures, numbers as text, files."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from affinet._validation import Array, whole_number
from affinet.archive import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind eyes; in grey the strokes tell them apart.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW, BLACK = "#E69F00", "#56B4E9", "#F0E442", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, YELLOW, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 7 beside 8 colours: 56 pairs before one repeats
Style = dict[str, Any]
DPI = 150


def save_figure(
    figure: Figure | Axes,
    path: str | os.PathLike[str],
    *,
    dpi: int = DPI,
    colours: int | None = None,
) -> None:
    """Write a figure, or the figure that the axes belong to, to a file.

    The file is written under a temporary name and then renamed, so it is never incomplete.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or matplotlib.axes.Axes
    path : path
        Its suffix determines the format: ``.png``, ``.pdf``, ``.svg``.
    dpi : int
        Pixels per inch, for formats that have pixels.
    colours : int, optional
        Deprecated and ignored: reduce the colours of a file with an image tool.

    Raises
    ------
    ValueError
        If matplotlib does not support the format.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from affinet.plotting import learning_curve, save_figure
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "curve.png"
    >>> save_figure(learning_curve([{"loss": 2.0}, {"loss": 1.0}]), path)
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    target = Path(path)
    dpi = whole_number("dpi", dpi, 1)
    if colours is not None:
        message = "save_figure(colours=) is deprecated and ignored: use an image tool instead"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
    whole: Any = getattr(figure, "figure", None) or figure
    kind = target.suffix.lstrip(".") or "png"

    def write(file: IO[bytes]) -> None:
        whole.savefig(file, format=kind, dpi=dpi)

    write_atomically(target, write)


def new_panels(n_rows: int, n_columns: int, width: float = 4.8, height: float = 3.6) -> Array:
    """The panels of a new figure, row by row; width and height of each are in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'affinet.plotting needs matplotlib: pip install "affinet[cli]"'
        ) from error
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # Room between the rows: a caption below a panel must not touch the next panel's title.
    layout = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.06, hspace=0.04, wspace=0.02)
    figure = Figure(figsize=(width * n_columns, height * n_rows), layout=layout)
    panels: Array = figure.subplots(n_rows, n_columns, squeeze=False).reshape(-1)
    return panels


def own_or_new(ax: Axes | None, width: float = 4.8, height: float = 3.6) -> Axes:
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    panel: Axes = new_panels(1, 1, width, height)[0]
    return panel


def own_or_new_grid(axes: Any, n: int, n_columns: int, size: tuple[float, float]) -> Array:
    """n axes: the given ones, in their order, or the panels of a new figure.

    Surplus panels are hidden.
    """
    if axes is None:
        n_columns = min(n, n_columns)
        axes = new_panels(-(-n // n_columns), n_columns, *size)
    panels = np.asarray(axes, dtype=object).reshape(-1)
    if len(panels) < n:
        raise ValueError(f"axes has {len(panels)} axes, wanted at least {n}")
    for panel in panels[n:]:
        panel.set_axis_off()
    return panels[:n]


def finish(ax: Axes, x: str, y: str, title: str = "", size: float = 11) -> None:
    """Set labels and title, draw a light grid, and remove the frame at the top and right."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if title:
        ax.set_title(title, fontsize=size)
    draw_grid(ax)
    open_frame(ax)


def draw_grid(ax: Axes) -> None:
    """Draw a light grid behind everything else."""
    ax.grid(True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)


def open_frame(ax: Axes) -> None:
    """Remove the frame at the top and right."""
    ax.spines[["top", "right"]].set_visible(False)


def note(ax: Axes, text: str, corner: str, size: float = 8.5) -> None:
    """Write a few words on white in a corner or at an edge: "upper left", "center right", ..."""
    vertical, horizontal = corner.split()
    ax.text(
        0.04 if horizontal == "left" else 0.96,
        {"upper": 0.96, "center": 0.5, "lower": 0.04}[vertical],
        text,
        transform=ax.transAxes,
        ha=horizontal,
        va={"upper": "top", "center": "center", "lower": "bottom"}[vertical],
        fontsize=size,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
        zorder=6,
    )


def share_text(share: float, digits: int = 3) -> str:
    """Write a share from 0 to 1 with fixed digits; only exactly 0 and 1 read as 0 and 1.

    Examples
    --------
    >>> share_text(0.9925), share_text(1.0), share_text(0.9996), share_text(0.001, 2)
    ('0.993', '1.000', '>0.999', '<0.01')
    """
    text = f"{share:.{digits}f}"
    if float(text) == 1.0 > share:
        return f">0.{'9' * digits}"
    if float(text) == 0.0 < share:
        return f"<0.{'1'.zfill(digits)}"
    return text
