"""Tables: files of rows and columns, and their encoding as a network's inputs and targets.

``read_table`` reads a text file (``.csv``, ``.tsv``, ``.txt``, packed as ``.gz`` or not), a
``.npy``, a ``.npz`` or, with pyarrow, a ``.parquet``. ``Encoding`` learns from the training rows
how to turn columns into inputs and targets, and turns a network's outputs back into the target's
values. Its options make inputs for modern networks for tables: robust or quantile scaling, codes
for embeddings, indicators of missing values. ``Table.from_frame`` makes a table of a pandas or
polars DataFrame. An encoding converts to plain values, and so is stored in a network's metadata.
The shell trains, evaluates and predicts through both. ``split`` holds out rows, the same fraction
of every class, and ``folds`` those of a cross-validation.

Examples
--------
>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "pets.csv"
>>> lines = ["weight,fur,kind", "4,grey,cat", "30,brown,dog", "5,brown,cat", "25,grey,dog"]
>>> _ = path.write_text("\\n".join(lines))
>>> table = read_table(path)
>>> encoding = Encoding.fit(table, "kind")
>>> encoding.inputs(table).shape  # weight, and one column for each colour
(4, 3)
>>> encoding.targets(table), encoding.target.classes
(array([0, 1, 0, 1]), ('cat', 'dog'))
"""

from affinet.tables.categories import CodeColumn, OneHotColumn, SignColumn
from affinet.tables.columns import CategoryColumn, DateColumn, NumberColumn
from affinet.tables.encoding import Encoding
from affinet.tables.quantiles import QuantileScaling
from affinet.tables.reading import read_table
from affinet.tables.scaled import MissingColumn, ScaledColumn, ScaledDateColumn
from affinet.tables.scaling import RobustScaling, StandardScaling
from affinet.tables.splitting import folds, split
from affinet.tables.table import Table
from affinet.tables.targets import ClassTarget, NumberTarget, guess_task

__all__ = [
    "CategoryColumn",
    "ClassTarget",
    "CodeColumn",
    "DateColumn",
    "Encoding",
    "MissingColumn",
    "NumberColumn",
    "NumberTarget",
    "OneHotColumn",
    "QuantileScaling",
    "RobustScaling",
    "ScaledColumn",
    "ScaledDateColumn",
    "SignColumn",
    "StandardScaling",
    "Table",
    "folds",
    "guess_task",
    "read_table",
    "split",
]
