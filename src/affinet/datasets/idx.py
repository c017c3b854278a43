"""Reader of IDX files, the format of MNIST: a header, then one array of big-endian numbers.

Every number in a header is treated as a claim: it is compared with what the file can hold before
memory is allocated for it.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAX_BYTES = 2**31  # a header that claims more is refused; MNIST's largest file holds 47 MB

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MAX_DIMENSIONS = 32  # NumPy's limit before 2.0
_DEFLATE_RATIO = 1032  # the highest ratio of deflate, https://zlib.net/zlib_tech.html
_CHUNK = 1 << 20


def read_idx(
    path: str | os.PathLike[str],
    *,
    dtype: DTypeLike | None = None,
    shape: Sequence[int | None] | None = None,
) -> NDArray[Any]:
    """Read the array in an IDX file, gzip-compressed where its name ends in ``.gz``.

    Parameters
    ----------
    path : str or path
        The file.
    dtype : dtype, optional
        The dtype that the file must have; any of the format's types if left out.
    shape : sequence of int or None, optional
        The shape that the file must have, with None for any size, as in ``(None, 28, 28)``; any
        shape of 1 to 32 dimensions if left out.

    Returns
    -------
    array
        A new C-contiguous array in native byte order: uint8, int8, int16, int32, float32 or
        float64.

    Raises
    ------
    FileNotFoundError
        The file does not exist.
    ValueError
        The file is not a valid IDX file, or has another dtype or shape. The message names the file
        and the field: magic number, dtype code, dimension count, shape, size, data, gzip data.
        Truncated files, trailing bytes and wrong gzip checksums are errors. A header that claims
        more than 2 GiB, or more than the file can hold, is refused before memory is allocated; at
        most one read buffer more than claimed is decompressed.

    Notes
    -----
    Format: Y. LeCun, C. Cortes and C. Burges, http://yann.lecun.com/exdb/mnist/. Two zero bytes, a
    dtype code, the number of dimensions; each dimension as a big-endian unsigned 32-bit number; the
    numbers in C order, big-endian.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from affinet.datasets import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     size = path.write_bytes(bytes([0, 0, 0x08, 1]) + bytes([0, 0, 0, 3]) + bytes([7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    file = Path(path)
    with open(file, "rb") as raw:
        stored = os.fstat(raw.fileno()).st_size
        if file.suffix.lower() != ".gz":
            return _read_array(raw, file, stored, stored, dtype, shape)
        try:
            with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
                return _read_array(stream, file, stored, stored * _DEFLATE_RATIO, dtype, shape)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _fault(file, "gzip data", str(error)) from error


def _fault(file: Path, field: str, problem: str) -> ValueError:
    """Build an error in the common format of this module."""
    return ValueError(f"{file}: {field}: {problem}")


def _read_array(
    stream: IO[bytes] | gzip.GzipFile,
    file: Path,
    stored: int,
    capacity: int,
    dtype: DTypeLike | None,
    shape: Sequence[int | None] | None,
) -> NDArray[Any]:
    """The array in ``stream``, the open ``file``, whose ``stored`` bytes hold ``capacity``."""
    file_dtype, file_shape = _read_header(stream, file)
    _require_dtype(file, file_dtype, dtype)
    _require_shape(file, file_shape, shape)
    _require_size(file, file_dtype.itemsize, file_shape, stored, capacity)
    data = _read_data(stream, file, file_dtype.itemsize * math.prod(file_shape))
    array = data.view(file_dtype).reshape(file_shape)
    if not file_dtype.isnative:
        array = array.byteswap(inplace=True).view(file_dtype.newbyteorder("="))
    return array


def _read_header(
    stream: IO[bytes] | gzip.GzipFile, file: Path
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Dtype as stored, and shape."""
    magic = stream.read(4)
    if len(magic) < 4:
        raise _fault(file, "magic number", f"truncated: {len(magic)} of 4 bytes")
    if magic[:2] != b"\0\0":
        raise _fault(file, "magic number", f"0x{magic.hex()}, wanted two zero bytes first")
    code, dimensions = magic[2], magic[3]
    if code not in _DTYPES:
        wanted = ", ".join(f"0x{known:02x}" for known in _DTYPES)
        raise _fault(file, "dtype code", f"0x{code:02x}, wanted one of {wanted}")
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise _fault(file, "dimension count", f"{dimensions}, wanted 1 to {_MAX_DIMENSIONS}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise _fault(file, "shape", f"truncated: {len(sizes)} of {4 * dimensions} bytes")
    return _DTYPES[code], tuple(np.frombuffer(sizes, ">u4").tolist())


def _require_dtype(file: Path, found: np.dtype[Any], wanted: DTypeLike | None) -> None:
    if wanted is not None and found.newbyteorder("=") != np.dtype(wanted):
        raise _fault(file, "dtype code", f"{found.name}, wanted {np.dtype(wanted).name}")


def _require_shape(file: Path, found: tuple[int, ...], wanted: Sequence[int | None] | None) -> None:
    if wanted is None:
        return
    if len(found) != len(wanted):
        raise _fault(file, "dimension count", f"{len(found)}, wanted {len(wanted)}")
    if any(size not in (None, came) for came, size in zip(found, wanted, strict=True)):
        sizes = ", ".join("any" if size is None else str(size) for size in wanted)
        raise _fault(file, "shape", f"{found}, wanted ({sizes})")


def _require_size(
    file: Path, itemsize: int, shape: tuple[int, ...], stored: int, capacity: int
) -> None:
    """Refuse headers that no valid file has, before allocating memory."""
    # A size of 0 must not hide sizes that NumPy cannot index, so it counts as 1.
    announced = itemsize * math.prod(max(size, 1) for size in shape)
    if announced > MAX_BYTES:
        raise _fault(file, "size", f"shape {shape} needs {announced} bytes, limit {MAX_BYTES}")
    header = 4 + 4 * len(shape)
    needed = header + itemsize * math.prod(shape)
    if needed > capacity:
        raise _fault(
            file,
            "data",
            f"truncated: shape {shape} needs {needed} bytes with its header, "
            f"more than a file of {stored} bytes can hold",
        )


def _read_data(stream: IO[bytes] | gzip.GzipFile, file: Path, size: int) -> NDArray[np.uint8]:
    """Exactly ``size`` bytes, followed by the end of the stream."""
    data = np.empty(size, np.uint8)
    filled = 0
    while filled < size:
        # In chunks: a gzip stream reads into a temporary buffer of the requested size.
        piece = stream.read(min(_CHUNK, size - filled))
        if not piece:
            raise _fault(file, "data", f"truncated: {filled} of {size} bytes")
        data[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    # This read also makes gzip verify its checksum.
    if stream.read(1):
        raise _fault(file, "data", f"trailing bytes after the {size} that the header claims")
    return data
