"""Tables: files of rows and columns, and their encoding as a network's inputs and targets.

``read_table`` reads a text file (``.csv``, ``.tsv``, ``.txt``, packed as ``.gz`` or not), a
``.npy``, a ``.npz`` or, with pyarrow, a ``.parquet``. ``Encoding`` learns from the training rows
how to turn columns into inputs and targets, and turns a network's outputs back into the target's
values. It converts to plain values, and so is stored in a network's metadata. The shell trains,
evaluates and predicts through both. ``split`` holds out rows, the same fraction of every class.

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

from affinet.tables.columns import CategoryColumn, DateColumn, NumberColumn
from affinet.tables.encoding import Encoding
from affinet.tables.reading import read_table
from affinet.tables.splitting import split
from affinet.tables.table import Table
from affinet.tables.targets import ClassTarget, NumberTarget, guess_task

__all__ = [
    "CategoryColumn",
    "ClassTarget",
    "DateColumn",
    "Encoding",
    "NumberColumn",
    "NumberTarget",
    "Table",
    "guess_task",
    "read_table",
    "split",
]
