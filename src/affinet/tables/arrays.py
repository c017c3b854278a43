"""NumPy's files as tables: every number of a header is compared with the file's size first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO

from affinet._npy import Npz, read_npy
from affinet._validation import Array, number_array
from affinet.tables.table import Table, listing
from affinet.tables.text import numbered, size_limit, too_large

ZIP = b"PK"


def read_arrays(
    file: IO[bytes], stored: int, names: Sequence[str], max_bytes: int | None = None
) -> dict[str, Array]:
    """The array of a ``.npy`` under the first name; of a ``.npz`` those of the names it has.

    A ``.npz`` must have the first one, or else a single array.

    Parameters
    ----------
    file : binary file that can seek
    stored : int
        Its size.
    names : sequence of str
    max_bytes : int, optional
        The most bytes that a packed array may hold; by default 100 times the file's size, at
        least 64 MiB.
    """
    if file.read(len(ZIP)) != ZIP:
        file.seek(0)
        return {names[0]: read_npy(file, stored)}
    file.seek(0)
    content = Npz(file, stored)
    there = content.names
    if names[0] not in there and len(there) != 1:
        raise ValueError(f"arrays {listing(there) or '(none)'}, wanted {names[0]} or a single one")
    chosen = {name: name for name in names if name in there}
    if names[0] not in chosen:
        chosen = {names[0]: there[0]}
    limit = size_limit(stored, max_bytes)
    for name in chosen.values():
        if content.unpacked(name) > limit:
            raise ValueError(too_large(f"array {name}.npy", stored, limit))
    return {name: content.read(member) for name, member in chosen.items()}


def archive_table(
    file: IO[bytes],
    stored: int,
    source: str,
    inputs: str,
    target: str | None,
    max_bytes: int | None,
) -> Table:
    """The table in a ``.npz``: the columns of one array, and the target from another one."""
    names = [inputs] if target is None else [inputs, target]
    arrays = read_arrays(file, stored, names, max_bytes)
    table = array_table(source, arrays[inputs])
    if target is None:
        return table
    if target not in arrays or target == inputs:
        raise ValueError(f"no array {target!r} for the targets; name it with target (--target)")
    return with_target(table, target_table(source, target, arrays[target]))


def array_table(source: str, x: Array) -> Table:
    """The table of an array (N, ...): every row flattened, every place a column."""
    x = number_array("the array", x)
    if x.ndim == 0:
        raise ValueError("a single number, wanted rows")
    rows = x.reshape(len(x), -1) if x.size else x.reshape(0, 0)
    return Table(
        source=source,
        columns=dict(zip(numbered(rows.shape[1]), rows.T, strict=True)),
        named=False,
        row_shape=x.shape[1:],
    )


def target_table(source: str, name: str, t: Array) -> Table:
    """The table of one column that an array (N,) or (N, 1) of numbers or texts makes."""
    if t.ndim not in (1, 2) or t.size != len(t):
        raise ValueError(f"array {name!r} has shape {t.shape}, wanted one target for each row")
    t = t.reshape(-1)
    if t.dtype.kind == "U":
        return Table(source, {name: t.tolist()})
    return Table(source, {name: number_array(f"array {name!r}", t)})


def with_target(table: Table, targets: Table) -> Table:
    """A table with the only column of another one as its target."""
    if len(targets.names) != 1:
        raise ValueError(f"{targets.source}: {len(targets.names)} columns, wanted one of targets")
    if len(targets) != len(table):
        raise ValueError(
            f"{targets.source}: {len(targets)} targets for the {len(table)} rows of {table.source}"
        )
    (name,) = targets.names
    column = targets.columns[name]
    if isinstance(column, list) and targets.decimal != table.decimal:
        swap = str.maketrans({targets.decimal: table.decimal, table.decimal: targets.decimal})
        column = [cell.translate(swap) for cell in column]
    name = name if targets.named else "target"
    while name in table.columns:
        name += " (target)"
    return replace(table, columns={**table.columns, name: column}, target=name)
