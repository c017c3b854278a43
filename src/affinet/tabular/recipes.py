"""Recipes: every choice that a method makes, from the encoding to the end of training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from affinet.tables.targets import CLASSIFICATION, TASKS

METHODS = ("realmlp", "realmlp-s", "tabm", "mlp")
"""What :func:`~affinet.tabular.recipe_for` and the estimators take as ``method``."""
PRESETS = ("fast", "default", "best")
"""What the same take as ``preset``: from the shortest training to the best result."""
CONSTANT, COSLOG4, FLAT_COSINE = "constant", "coslog4", "flat-cosine"  # schedules
SMALLEST_BATCH, LARGEST_BATCH = 32, 256
MOST_ONE_HOT = 1000  # of a column of "realmlp-s", so that its inputs fit into the memory
FEW_ROWS = 4096  # fewer make more steps an epoch with the preset "fast"
STEPS_AN_EPOCH = 25  # that "mlp" aims at for small tables


@dataclass(frozen=True)
class Recipe:
    """All choices of a method for one task.

    Attributes
    ----------
    method : str
        "realmlp", "realmlp-s", "tabm" or "mlp": which builder makes the network.
    task : str
        "classification" or "regression".
    hidden : tuple of int
        Widths of the hidden layers.
    activation : str
        An activation's ``shell_name``, such as "selu".
    parametric : bool
        Whether every unit learns how much of the activation it applies: ``x + a (f(x) - x)``.
    dropout : float
        Probability of dropping a hidden unit.
    dropout_schedule, decay_schedule : str
        "constant" or "flat-cosine", see ``affinet.schedules.FlatCosine``.
    lr : float
        Learning rate; the peak of its schedule.
    lr_schedule : str
        "constant", "cosine", "flat-cosine", "coslog4" or "one-cycle", see
        ``affinet.schedules``.
    betas : tuple of float
        Decay rates of Adam's two averages.
    eps : float
        Adam's epsilon.
    weight_decay : float
        Strength of the decoupled weight decay; biases have none in RealMLP.
    clip_norm : float or None
        Upper bound of the gradient's norm.
    epochs : int
        Number of epochs, over which the schedules extend.
    batch_size : int
        Rows per step.
    whole_batches : bool
        True leaves out the rows of each epoch that do not fill a batch, other ones in every epoch.
    patience : int or None
        Number of epochs without a lower validation error before training stops; None trains for
        all epochs.
    label_smoothing : float
        See :class:`affinet.SoftmaxWithLoss`; 0 for regression.
    scaling : str
        Of numbers: "standard", "robust" or "quantile".
    one_hot : int or None
        Columns of at most this many categories are one-hot, others become codes for an embedding;
        None makes all of them one-hot.
    scale_categories : bool
        Whether one-hot inputs are scaled like numbers.
    category_size : int
        Width of the embedding of codes.
    clamp : bool
        Whether predicted numbers are limited to the range of the training rows.
    number_embedding : str or None
        "pbld" or "piecewise": the embedding of numbers.
    number_size, number_frequencies, number_bins : int
        Its outputs for each number (beside the number itself with "pbld"), the frequencies of
        "pbld" and the bins of "piecewise".
    number_sigma : float
        Standard deviation of the initial frequencies.
    input_scale : bool
        Whether every input has a learned factor.
    bias_init : str
        "zeros", "normal" or "he+5".
    zero_last : bool
        Whether the last layer starts with weights of 0.
    bias_lr, scale_lr, number_lr, activation_lr : float
        Factors of the learning rate for biases, input factors, number embeddings and parametric
        activations.
    members : int
        Number of members of an ensemble inside one network.
    mini : bool
        Whether members differ in the first factors and the heads only (TabM-mini).
    precision : str or None
        That of the network's products, see :class:`affinet.Sequential`.

    Examples
    --------
    >>> recipe = recipe_for("realmlp", "default", "classification", n_rows=1000)
    >>> recipe.hidden, recipe.lr, recipe.epochs
    ((256, 256, 256), 0.04, 256)
    """

    method: str
    task: str
    hidden: tuple[int, ...]
    activation: str
    lr: float
    epochs: int
    batch_size: int = 256
    parametric: bool = False
    dropout: float = 0.0
    dropout_schedule: str = CONSTANT
    lr_schedule: str = CONSTANT
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decay_schedule: str = CONSTANT
    clip_norm: float | None = None
    whole_batches: bool = False
    patience: int | None = None
    label_smoothing: float = 0.0
    scaling: str = "standard"
    one_hot: int | None = None
    scale_categories: bool = False
    category_size: int = 8
    clamp: bool = False
    number_embedding: str | None = None
    number_size: int = 3
    number_frequencies: int = 16
    number_bins: int = 48
    number_sigma: float = 0.1
    input_scale: bool = False
    bias_init: str = "zeros"
    zero_last: bool = False
    bias_lr: float = 1.0
    scale_lr: float = 1.0
    number_lr: float = 1.0
    activation_lr: float = 1.0
    members: int = 1
    mini: bool = False
    precision: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values that JSON can hold."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_json(cls, value: Any) -> Recipe:
        """The recipe that :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If the value is not such a record.
        """
        try:
            parts: dict[str, Any] = {
                name: tuple(part) if isinstance(part, list) else part
                for name, part in value.items()
            }
            recipe = cls(**parts)
            if recipe.method not in METHODS or recipe.task not in TASKS:
                raise ValueError(f"method {recipe.method!r} and task {recipe.task!r}")
            if not isinstance(recipe.members, int) or recipe.members < 1:
                raise ValueError(f"members {recipe.members!r}")
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"not the record of a recipe: {error!r}") from error
        return recipe


def recipe_for(method: str, preset: str, task: str, n_rows: int) -> Recipe:
    """The recipe of a method.

    "realmlp" and "realmlp-s" are RealMLP-TD and RealMLP-TD-S: Holzmüller, Grinsztajn, Steinwart,
    "Better by Default", NeurIPS 2024, arXiv 2407.04491. "tabm" is TabM: Gorishniy, Kotelnikov,
    Babenko, ICLR 2025. "mlp" is a plain network with early stopping.

    Parameters
    ----------
    method : {"realmlp", "realmlp-s", "tabm", "mlp"}
    preset : {"fast", "default", "best"}
        "default" is the published recipe. "fast" has narrower layers and half of the epochs or
        fewer, TabM fewer members; "best" trains RealMLP and the plain network for twice as many
        epochs, and gives TabM embeddings of numbers.
    task : {"classification", "regression"}
    n_rows : int
        Number of training rows. The batch size of "mlp" depends on it, and what "fast" leaves out.

    Raises
    ------
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> recipe_for("mlp", "default", "regression", n_rows=500).batch_size
    32
    """
    for name, value, known in (
        ("method", method, METHODS),
        ("preset", preset, PRESETS),
        ("task", task, TASKS),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}, wanted one of {', '.join(map(repr, known))}")
    classify = task == CLASSIFICATION
    if method == "tabm":
        return tabm(preset, task)
    if method == "mlp":
        recipe = mlp(task, n_rows)
    else:
        recipe = realmlp(task, classify) if method == "realmlp" else realmlp_s(task, classify)
    if preset == "fast":
        return quick(recipe, n_rows)
    return replace(recipe, epochs=recipe.epochs * (2 if preset == "best" else 1))


def quick(recipe: Recipe, n_rows: int) -> Recipe:
    """A faster recipe: narrower layers and fewer epochs; RealMLP takes a fifth of the time or less.

    On few rows it does with two layers and a quarter of the epochs, of smaller batches, so that it
    still makes enough steps; on more rows with three eighths of them. Chosen by the scores on
    held-out parts of eleven tables, without the test rows of published figures.
    """
    narrow = tuple(width // 2 for width in recipe.hidden)
    if recipe.method == "mlp":
        return replace(recipe, hidden=narrow, epochs=recipe.epochs // 2)
    if n_rows < FEW_ROWS:
        return replace(recipe, hidden=narrow[:2], epochs=recipe.epochs // 4, batch_size=128)
    return replace(recipe, hidden=narrow, epochs=recipe.epochs * 3 // 8)


def realmlp_s(task: str, classify: bool) -> Recipe:
    """RealMLP-TD-S."""
    return Recipe(
        method="realmlp-s",
        task=task,
        hidden=(256, 256, 256),
        activation="selu" if classify else "mish",
        lr=0.04 if classify else 0.07,
        lr_schedule=COSLOG4,
        betas=(0.9, 0.95),
        epochs=256,
        label_smoothing=0.1 if classify else 0.0,
        whole_batches=True,
        scaling="robust",
        one_hot=MOST_ONE_HOT,
        scale_categories=True,
        clamp=not classify,
        input_scale=True,
        scale_lr=6.0,
        bias_init="normal",
        bias_lr=0.1,
        zero_last=True,
    )


def realmlp(task: str, classify: bool) -> Recipe:
    """RealMLP-TD: what TD-S has, and the rest of the paper's table of choices."""
    return replace(
        realmlp_s(task, classify),
        method="realmlp",
        lr=0.04 if classify else 0.2,
        one_hot=9,
        category_size=8,
        number_embedding="pbld",
        number_size=3,
        number_frequencies=16,
        number_sigma=0.1,
        number_lr=0.1,
        parametric=True,
        activation_lr=0.1,
        dropout=0.15,
        dropout_schedule=FLAT_COSINE,
        weight_decay=0.02,
        decay_schedule=FLAT_COSINE,
        bias_init="he+5",
        zero_last=False,
    )


def tabm(preset: str, task: str) -> Recipe:
    """TabM: 32 members, or TabM-mini with 16 ("fast"); with embeddings of numbers ("best")."""
    best, fast = preset == "best", preset == "fast"
    return Recipe(
        method="tabm",
        task=task,
        hidden=(512,) * (2 if best else 3),
        activation="relu",
        dropout=0.1,
        lr=2e-3,
        weight_decay=3e-4,
        clip_norm=1.0,
        epochs=256,
        patience=16,
        scaling="quantile",
        number_embedding="piecewise" if best else None,
        number_size=16,
        number_bins=48,
        members=16 if fast else 32,
        mini=fast,
    )


def mlp(task: str, n_rows: int) -> Recipe:
    """A plain network: standardised inputs, two hidden layers, ReLU, Adam, early stopping.

    Chosen on eight tables that no published figure comes from: twice the width, robust scaling and
    dropout were better on some of them and worse on others; label smoothing helped on most.
    """
    power = max(n_rows // STEPS_AN_EPOCH, 1).bit_length() - 1
    return Recipe(
        method="mlp",
        task=task,
        hidden=(128, 128),
        activation="relu",
        lr=1e-3,
        epochs=200,
        batch_size=min(max(2**power, SMALLEST_BATCH), LARGEST_BATCH),
        patience=20,
        label_smoothing=0.1 if task == CLASSIFICATION else 0.0,
        zero_last=True,
    )
