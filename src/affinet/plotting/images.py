"""Pictures of rows and weights that are images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_finite, whole_number
from affinet.layers import Affine, NTKAffine
from affinet.network.inner import walk
from affinet.plotting.figures import BLUE, VERMILION, own_or_new, own_or_new_grid, share_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from affinet.network import Sequential


def first_layer_weights(
    net: Sequential,
    shape: tuple[int, int] | None = None,
    n: int = 64,
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of each unit of the first layer as an image.

    Positive weights are orange, negative ones purple, zero is white. All images share one scale.

    Parameters
    ----------
    net : Sequential
        With an Affine layer.
    shape : (int, int), optional
        Height and width of the network's input images; by default, those of the model's
        metadata, or else square.
    n : int
        Number of units to show, from the first, at least 1.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the network has no Affine layer, or its inputs are not an image of that shape.

    Examples
    --------
    >>> import affinet as an
    >>> from affinet.plotting import first_layer_weights
    >>> net = an.Sequential(an.Affine.init(64, 10, rng=0))
    >>> first_layer_weights(net).get_title()
    'weights of 10 units'
    """
    n = whole_number("n", n, 1)
    kinds = Affine | NTKAffine
    W = next((layer.W for _, layer in walk(net.layers) if isinstance(layer, kinds)), None)
    if W is None:
        raise ValueError("net has no Affine layer: no weights to draw")
    if not np.isfinite(W).all():
        raise ValueError("net has weights that are not finite")
    height, width = image_shape(W.shape[0], shape, net.metadata.get("input_shape"))
    shown = W.T[:n].reshape(-1, height, width)
    limit = float(np.abs(shown).max()) or 1.0
    picture = mosaic(shown)
    rows, columns = picture.shape
    ax = own_or_new(ax, 6.0, min(9.0, 0.9 + 5.0 * rows / columns))
    image = ax.imshow(
        np.ma.masked_invalid(picture), cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="equal"
    )
    ax.set_facecolor("0.6")
    ax.set_xticks([])
    ax.set_yticks([])
    of = "" if len(shown) == W.shape[1] else f" of {W.shape[1]}"
    ax.set_title(f"weights of {len(shown)}{of} units")
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.85)
    return ax


def predictions(
    x: ArrayLike,
    y: ArrayLike,
    t: ArrayLike | None = None,
    *,
    classes: Sequence[str] | None = None,
    shape: tuple[int, int] | None = None,
    n: int = 20,
    ax: Any = None,
) -> Array:
    """Draw images with their predicted classes, and the true class where they differ.

    Parameters
    ----------
    x : array of shape (N, I) or (N, H, W)
        Images, N >= 1.
    y : array of shape (N, C)
        Probabilities of the classes.
    t : array of shape (N,), optional
        Indices of the true classes.
    classes : sequence of C str, optional
        Their names; by default 0, 1, ....
    shape : (int, int), optional
        Height and width of flattened images; by default, they are square.
    n : int
        Number of images to show, from the first, at least 1.
    ax : array of matplotlib.axes.Axes, optional
        Where to draw, one for each image; by default, in a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        One for each image shown.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.plotting import predictions
    >>> axes = predictions(np.eye(4)[None], [[0.1, 0.9]], [0], classes=["cat", "dog"])
    >>> axes[0].get_title()
    'dog 0.90\\nnot cat'
    """
    n = whole_number("n", n, 1)
    x, y = number_array("x", x), number_array("y", y)
    if x.ndim < 2 or not x.size:
        raise ValueError(f"x has shape {x.shape}, wanted (N, I) or (N, H, W), N >= 1")
    if y.ndim != 2 or len(y) != len(x) or not y.size:
        raise ValueError(f"y has shape {y.shape}, wanted ({len(x)}, C)")
    require_finite("y", y)
    labels = None if t is None else number_array("t", t)
    if labels is not None and labels.shape != (len(x),):
        raise ValueError(f"t has shape {labels.shape}, wanted {(len(x),)}")
    names = [str(k) for k in range(y.shape[1])] if classes is None else list(map(str, classes))
    if len(names) != y.shape[1]:
        raise ValueError(f"classes has {len(names)} names, wanted {y.shape[1]}")
    own = x.shape[1:] if x.ndim == 3 else None
    height, width = image_shape(math.prod(x.shape[1:]), shape, own)
    images = x[:n].reshape(-1, height, width)
    panels = own_or_new_grid(ax, len(images), 10, (1.15, 1.6))
    low, high = float(images.min()), float(images.max())
    size = 9 if max(map(len, names)) <= 7 else 7
    for place, (panel, image) in enumerate(zip(panels, images, strict=True)):
        panel.imshow(image, cmap="gray_r", vmin=low, vmax=high)
        k = int(y[place].argmax())
        wrong = labels is not None and int(labels[place]) != k
        title = f"{names[k]} {share_text(float(y[place, k]), 2)}"
        if wrong and labels is not None:
            title += f"\nnot {names[int(labels[place])]}"
        frame(
            panel, title, VERMILION if wrong else "black" if labels is None else BLUE, wrong, size
        )
    return panels


def frame(ax: Axes, title: str, colour: str, wrong: bool, size: int) -> None:
    """Draw a title and a frame, which is thick around a wrong prediction."""
    ax.set_title(title, color=colour, fontsize=size)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color(colour if wrong else "0.7")
        spine.set_linewidth(2.5 if wrong else 0.8)


def image_shape(
    n_inputs: int, shape: tuple[int, int] | None, recorded: Any = None
) -> tuple[int, int]:
    """Height and width of images of n_inputs pixels: as given, as recorded, or square."""
    if shape is None and isinstance(recorded, list | tuple) and len(recorded) == 2:
        shape = (int(recorded[0]), int(recorded[1]))
    if shape is None:
        side = math.isqrt(n_inputs)
        if side * side != n_inputs:
            raise ValueError(f"{n_inputs} numbers are no square image: pass shape=(height, width)")
        return side, side
    height, width = whole_number("shape[0]", shape[0], 1), whole_number("shape[1]", shape[1], 1)
    if height * width != n_inputs:
        raise ValueError(f"shape is {(height, width)}, wanted one of {n_inputs} numbers")
    return height, width


def mosaic(images: Array) -> Array:
    """Images (N, H, W) side by side in rows, with lines of NaN between them."""
    n, height, width = images.shape
    n_columns = math.ceil(math.sqrt(n * height / width * 1.4))
    n_columns = min(n, max(1, n_columns))
    n_rows = -(-n // n_columns)
    out = np.full((n_rows * (height + 1) + 1, n_columns * (width + 1) + 1), np.nan)
    for place, image in enumerate(images):
        row, column = divmod(place, n_columns)
        top, left = row * (height + 1) + 1, column * (width + 1) + 1
        out[top : top + height, left : left + width] = image
    return out
