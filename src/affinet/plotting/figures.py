"""What all pictures share: colours, new figures, files."""

from __future__ import annotations

import io
import os
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
    """Write a figure, or the one that the axes belong to, to a file.

    The file is written under a temporary name and then renamed, so it is never half a picture.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or matplotlib.axes.Axes
    path : path
        Its suffix says the format: ``.png``, ``.pdf``, ``.svg``.
    dpi : int
        Pixels to an inch, where the format has pixels.
    colours : int, optional
        The most colours that a ``.png`` may have, 2 to 256: some dozens do for lines and marks, and
        make the file a third as large. Left out, as many as there are.

    Raises
    ------
    ValueError
        If matplotlib does not know the format, or colours is out of range.
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
    if colours is not None and not 2 <= whole_number("colours", colours, 2) <= 256:
        raise ValueError(f"colours is {colours}, wanted 2 to 256")
    whole: Any = getattr(figure, "figure", None) or figure
    kind = target.suffix.lstrip(".") or "png"

    def write(file: IO[bytes]) -> None:
        if colours is None or kind.lower() != "png":
            whole.savefig(file, format=kind, dpi=dpi)
            return
        from PIL.Image import Dither, Quantize  # matplotlib writes its own files with it
        from PIL.Image import open as open_picture

        whole_colours = io.BytesIO()
        whole.savefig(whole_colours, format=kind, dpi=dpi)
        picture = open_picture(whole_colours).convert("RGB")
        # By coverage of the colours that there are, not by how often: a mark keeps its own.
        picture = picture.quantize(colours, Quantize.MAXCOVERAGE, kmeans=5, dither=Dither.NONE)
        picture.save(file, "PNG", optimize=True)

    write_atomically(target, write)


def new_panels(n_rows: int, n_columns: int, width: float = 4.8, height: float = 3.6) -> Array:
    """The panels, in rows, of a new figure; each so many inches wide and high."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'affinet.plotting needs matplotlib: pip install "affinet[cli]"'
        ) from error
    figure = Figure(figsize=(width * n_columns, height * n_rows), layout="constrained")
    panels: Array = figure.subplots(n_rows, n_columns, squeeze=False).reshape(-1)
    return panels


def own_or_new(ax: Axes | None, width: float = 4.8, height: float = 3.6) -> Axes:
    """The axes that were given, or those of a new figure."""
    if ax is not None:
        return ax
    panel: Axes = new_panels(1, 1, width, height)[0]
    return panel


def own_or_new_grid(axes: Any, n: int, n_columns: int, size: tuple[float, float]) -> Array:
    """At least n axes: those that were given, in their order, or the panels of a new figure.

    Panels that are left over are hidden.
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
    """Labels, a title, light lines behind everything and no frame at the top and the right."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if title:
        ax.set_title(title, fontsize=size)
    draw_grid(ax)
    open_frame(ax)


def draw_grid(ax: Axes) -> None:
    """Light lines behind everything."""
    ax.grid(True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)


def open_frame(ax: Axes) -> None:
    """Take away the frame at the top and at the right."""
    ax.spines[["top", "right"]].set_visible(False)


def note(ax: Axes, text: str, corner: str, size: float = 8.5) -> None:
    """A few words at a corner or an edge: "upper left", "center right", ..., on white."""
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
