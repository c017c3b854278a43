"""Reader of NumPy's ``.npy`` and ``.npz`` files that trusts nothing in them.

NumPy's own reader evaluates a header as Python source and allocates whatever size it claims, so a
damaged file raises nearly any exception and a small one can take all memory. Here a header is
matched against the format's grammar, every size is compared with the bytes that the file holds
before memory is allocated, and the only error is ``ValueError``. Objects (pickles) are refused.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
MOST_HEADER_BYTES = 1 << 16  # what version 1 of the format can express; dtypes here need far less
DEFLATE_RATIO = 1032  # the most that deflate can shrink, https://zlib.net/zlib_tech.html
MOST_BYTES = 2**63 - 1  # what NumPy can index
CHUNK = 1 << 20

_VALUE = r"""'[^'\\]*'|"[^"\\]*"|True|False|\([\d\sL,]*\)"""
_ENTRY = rf"""\s*['"](\w+)['"]\s*:\s*({_VALUE})\s*"""
_HEADER = re.compile(rf"\s*\{{(?:{_ENTRY},)*(?:{_ENTRY})?\s*\}}\s*")
_SHAPE = re.compile(r"\(\s*(?:\d+L?\s*,\s*)+(?:\d+L?\s*)?\)|\(\s*\)")
_DTYPE = re.compile(r"[<>=|]?(?:\?|[biufcSU]\d{1,9}|[mM]8(?:\[\w+\])?)")


class Header(NamedTuple):
    """What the start of a ``.npy`` file says about its array.

    Attributes
    ----------
    dtype : numpy.dtype
        As stored, in the file's byte order.
    shape : tuple of int
    fortran : bool
        True if the first index varies fastest.
    offset : int
        Bytes before the data.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    offset: int

    @property
    def n_bytes(self) -> int:
        """Bytes of the data."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_header(stream: IO[bytes]) -> Header:
    """The header at the stream's position, which then stands at the data.

    Raises
    ------
    ValueError
        If it is not a valid header, or describes objects or records.
    """
    start = stream.read(8)
    if len(start) < 8 or start[:6] != MAGIC:
        raise ValueError("not a NumPy file")
    if start[6] not in (1, 2):
        raise ValueError(f"version {start[6]}.{start[7]} of the .npy format, wanted 1 or 2")
    width = 2 if start[6] == 1 else 4
    field = stream.read(width)
    length = int.from_bytes(field, "little")
    if len(field) < width or length > MOST_HEADER_BYTES:
        raise ValueError(f"the .npy header claims {length} bytes, the limit is {MOST_HEADER_BYTES}")
    text = stream.read(length)
    if len(text) < length:
        raise ValueError(f"the .npy header is truncated: {len(text)} of {length} bytes")
    return parse_header(text.decode("latin-1"), len(start) + width + length)


def parse_header(text: str, offset: int) -> Header:
    """A header's text, a dict of three entries as Python writes it."""
    entries = re.findall(_ENTRY, text) if _HEADER.fullmatch(text) else []
    values = dict(entries)
    if len(entries) != 3 or values.keys() != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"the .npy header is {text[:60]!r}, wanted descr, fortran_order and shape")
    descr, order, shape = values["descr"].strip("'\""), values["fortran_order"], values["shape"]
    if order not in ("True", "False"):
        raise ValueError(f"fortran_order is {order:.30} in the .npy header, wanted True or False")
    if not _SHAPE.fullmatch(shape):
        raise ValueError(f"the shape is {shape:.60} in the .npy header, wanted a tuple of sizes")
    sizes = tuple(int(size) for size in re.findall(r"\d+", shape))
    if values["descr"][0] not in "'\"" or not _DTYPE.fullmatch(descr):
        raise ValueError(f"not a NumPy file of numbers or text: its dtype is {descr!r:.60}")
    try:
        dtype = np.dtype(descr)
    except TypeError as error:
        raise ValueError(f"unknown dtype {descr!r} in the .npy header") from error
    # A size of 0 must not hide sizes that NumPy cannot index, so it counts as 1.
    if not 0 < dtype.itemsize * math.prod(max(size, 1) for size in sizes) <= MOST_BYTES:
        raise ValueError(f"impossible shape {shape:.60} of dtype {descr!r} in the .npy header")
    return Header(dtype, sizes, order == "True", offset)


def require_bytes(header: Header, stored: int) -> None:
    """Raise ValueError unless a file of ``stored`` bytes holds this array and nothing more."""
    wanted = header.offset + header.n_bytes
    if stored != wanted:
        problem = "truncated" if stored < wanted else "trailing bytes"
        raise ValueError(
            f"{problem}: an array of shape {header.shape} and dtype {header.dtype} takes {wanted} "
            f"bytes with its header, found {stored}"
        )


def read_data(stream: IO[bytes], header: Header) -> NDArray[Any]:
    """The array behind a header, in native byte order; the stream must end with it.

    The caller has compared the size with what the file holds, see :func:`require_bytes`.
    """
    data = np.empty(header.n_bytes, np.uint8)
    filled = 0
    while filled < len(data):
        piece = stream.read(min(CHUNK, len(data) - filled))
        if not piece:
            raise ValueError(f"truncated: {filled} of {len(data)} bytes of data")
        data[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    if stream.read(1):  # this read also makes zipfile compare its checksum
        raise ValueError("trailing bytes after the array's data")
    array = data.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
    if not header.dtype.isnative:
        array = array.astype(header.dtype.newbyteorder("="))
    return array


def read_npy(file: IO[bytes], stored: int) -> NDArray[Any]:
    """The array in an open ``.npy`` file of ``stored`` bytes, which holds nothing else."""
    header = read_header(file)
    require_bytes(header, stored)
    return read_data(file, header)


class Npz:
    """The arrays of an open ``.npz`` file; each is read when it is asked for.

    Parameters
    ----------
    file : binary file that can seek
    stored : int
        Bytes of the file.

    Attributes
    ----------
    names : list of str
        The arrays' names, which are those of the members without ``.npy``.
    stored : int

    Raises
    ------
    ValueError
        If it is not a zip archive of ``.npy`` files, or claims what no file of its size can hold.
    """

    def __init__(self, file: IO[bytes], stored: int) -> None:
        self.stored = stored
        with as_value_error():
            self._zip = zipfile.ZipFile(file)
            members = self._zip.infolist()
            require_members(members, self.stored)
            self._members = {member.filename.removesuffix(".npy"): member for member in members}
        self.names = list(self._members)

    def read(self, name: str) -> NDArray[Any]:
        """One array; its checksum is compared."""
        self.header(name)
        try:
            with as_value_error(), self._zip.open(self._members[name]) as stream:
                return read_data(stream, read_header(stream))
        except ValueError as error:
            raise ValueError(f"array {name}: {error}") from error

    def unpacked(self, name: str) -> int:
        """Bytes of a member without compression."""
        return self._members[name].file_size

    def header(self, name: str) -> Header:
        """What an array's header says, once it is known that the file holds as much."""
        try:
            with as_value_error(), self._zip.open(self._members[name]) as stream:
                header = read_header(stream)
            require_bytes(header, self._members[name].file_size)
        except ValueError as error:
            raise ValueError(f"array {name}: {error}") from error
        return header


def require_members(members: list[zipfile.ZipInfo], stored: int) -> None:
    """Raise unless the members of a zip archive have plain names and fit into its bytes.

    Overlapping members, and methods that shrink more than deflate does, are how a small archive
    unpacks to a huge one: D. Fifield, "A better zip bomb", WOOT 2019.
    """
    names = set()
    for member in members:
        name = member.filename
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name):
            raise ValueError(f"member {name!r:.80} points outside of the archive")
        if not name.endswith(".npy") or member.is_dir():
            raise ValueError(f"member {name!r:.80}, wanted arrays only (names that end in .npy)")
        if name in names:
            raise ValueError(f"member {name!r:.80} occurs twice")
        names.add(name)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"member {name!r:.80} is compressed by another method than deflate")
        packed = member.compress_type == zipfile.ZIP_DEFLATED
        if member.file_size > member.compress_size * (DEFLATE_RATIO if packed else 1):
            raise ValueError(
                f"member {name!r:.80} claims {member.file_size} bytes, "
                f"more than its {member.compress_size} stored bytes can hold"
            )
    if sum(member.compress_size for member in members) > stored:
        raise ValueError(f"its members claim more than the file's {stored} bytes")


def is_lack_of_memory(error: Exception) -> bool:
    """Whether Python says with another error than MemoryError that memory does not suffice."""
    return isinstance(error, RuntimeError) and "can't allocate" in str(error)  # a file's lock


@contextmanager
def as_value_error() -> Iterator[None]:
    """Turn whatever damaged bytes raise into a ValueError.

    That is almost anything: BadZipFile, zlib's, struct's and codecs' errors, NotImplementedError,
    RuntimeError for encryption, OSError for a seek to a negative place. A lack of memory says
    nothing about the bytes, whose sizes were checked before, and stays a MemoryError.
    """
    try:
        yield
    except (MemoryError, ValueError):
        raise
    except Exception as error:
        if is_lack_of_memory(error):
            raise MemoryError(str(error)) from error
        raise ValueError(f"damaged: {error}") from error
