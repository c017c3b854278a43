"""The named data sets, with options that train a good network on each, and what options offer."""

from __future__ import annotations

from dataclasses import dataclass

from affinet.layers.activations import activation_classes
from affinet.optimizers import optimizer_classes
from affinet.tables.columns import IMPUTATIONS as IMPUTATIONS
from affinet.tables.encoding import UNKNOWN as UNKNOWN
from affinet.tables.reading import TABLE_FILES
from affinet.tables.targets import TASKS as TASKS
from affinet.tabular.recipes import METHODS as METHODS
from affinet.tabular.recipes import PRESETS as PRESETS
from affinet.tabular.schedules import LR_SCHEDULES as LR_SCHEDULES

DIGITS = tuple(map(str, range(10)))
CLOTHES = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
ARMS = ("arm 0", "arm 1", "arm 2")


@dataclass(frozen=True)
class Recipe:
    """A data set as the shell knows it.

    Attributes
    ----------
    classes : tuple of str
        Their names, in the order of the labels.
    input_shape : tuple of int
        Of one row, before it is flattened.
    maximum : int or None
        The largest pixel value: a network trained here multiplies its inputs by 1 / maximum, and
        so takes raw pixels. None: the numbers are used as they are.
    hidden, dropout, input_dropout, batch_size, epochs
        Defaults of ``affinet train``. A table's epochs follow from its rows.
    l2
        Default strength of the penalty; that of a table's numbers follows from its rows.
    """

    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    maximum: int | None
    hidden: tuple[int, ...]
    dropout: float
    input_dropout: float
    batch_size: int
    epochs: int
    l2: float = 0.0


TABLES = TABLE_FILES
STDIN = "-"  # the name of standard input

# Of 160 combinations of widths, dropout, optimizer, rate and length, this one had the best mean
# score in cross-validations of eight small tables; a fifth of each table's rows was not used.
TABLE = Recipe((), (), None, (32,), 0.1, 0.0, 32, 0)
# For numbers 10 / 2 sum W^2 is added to the loss summed over all rows: the best of 0 to 30 in the
# mean of ten regressions, chosen in the same way, with widths, rates and dropout varied around it.
# Noisy small tables gain much; tables with little noise lose a little.
NUMBERS_L2 = 10.0
TABLE_STEPS, LEAST_EPOCHS, MOST_EPOCHS = 2000, 10, 200
VALIDATION = 0.2  # fraction of a table's rows that is held out
SELECTION = 0.2  # fraction of the other rows that selects the epoch and the temperature
PATIENCE = 20  # of --early-stopping without a number
MLP = "mlp"  # the model that is the plain network
TABLE_MODEL = "realmlp"
CLASS_WEIGHTS = ("balanced",)
AVERAGES = ("ema", "swa")
PRESET_FACTORS = {"fast": 0.5, "default": 1.0, "best": 2.0}  # of the plain network's epochs

RECIPES = {
    # 256 units for 1,438 rows: without dropout, also of inputs, some seeds end below 0.97.
    "digits": Recipe(DIGITS, (8, 8), 16, (256,), 0.3, 0.1, 32, 80),
    "mnist": Recipe(DIGITS, (28, 28), 255, (128,), 0.0, 0.0, 100, 10),
    "fashion-mnist": Recipe(CLOTHES, (28, 28), 255, (128,), 0.0, 0.0, 100, 10),
    "spiral": Recipe(ARMS, (2,), None, (64, 64), 0.0, 0.0, 32, 100),
}
FROM_FILES = ("mnist", "fashion-mnist")  # the data sets that --data-dir applies to

# AdaGrad's steps shrink with time, so the result depends little on when training ends.
OPTIMIZER = "adagrad"
LEARNING_RATES = {name: cls.shell_lr for name, cls in optimizer_classes().items()}
ACTIVATIONS = tuple(activation_classes())
DTYPES = ("float32", "float64")

# Pictures that 'affinet plot' draws by name, each with its options.
NAMED_PICTURES: dict[str, tuple[str, ...]] = {
    "derivative": ("function", "at"),
    "descent": ("function", "start", "rates", "steps", "parameters", "optimizers"),
    "gradient-cost": (),
    "three-steps": (),
    "activations": ("reach",),
    "vanishing-gradient": ("histograms",),
    "dead-relu": (),
    "overfitting": ("dataset", "data_dir", "label_noise"),
    "regions": (),
}
PICTURE_SETS = ("digits", "mnist", "fashion-mnist")  # for the picture of overfitting


def table_epochs(n_rows: int, batch_size: int) -> int:
    """Epochs that make about TABLE_STEPS steps, within bounds.

    Examples
    --------
    >>> table_epochs(100, 32), table_epochs(1000, 32), table_epochs(10**6, 32)
    (200, 62, 10)
    """
    per_epoch = -(-n_rows // batch_size)
    return min(max(round(TABLE_STEPS / per_epoch), LEAST_EPOCHS), MOST_EPOCHS)


def numbers_l2(n_rows: int, batch_size: int) -> float:
    """A step's ``l2`` for tables of numbers: NUMBERS_L2 times the batch's fraction of the rows.

    Examples
    --------
    >>> numbers_l2(400, 32), numbers_l2(20, 32)
    (0.8, 10.0)
    """
    return NUMBERS_L2 * min(batch_size, n_rows) / n_rows


def by_dataset(option: str) -> str:
    """The defaults of an option in words, data sets with the same default together.

    Examples
    --------
    >>> by_dataset("hidden")
    'default: 256 for digits; 128 for mnist, fashion-mnist; 64,64 for spiral; 32 for tables'
    """
    names: dict[str, list[str]] = {}
    for name, recipe in (*RECIPES.items(), ("tables", TABLE)):
        value = getattr(recipe, option)
        if name == "tables" and option == "epochs":
            value = (f"about {TABLE_STEPS:,} steps, {LEAST_EPOCHS} to {MOST_EPOCHS} epochs,",)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
        names.setdefault(text, []).append(name)
    return "default: " + "; ".join(f"{text} for {', '.join(who)}" for text, who in names.items())
