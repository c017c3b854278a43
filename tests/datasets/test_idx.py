from __future__ import annotations

import gzip
import math
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affinet.datasets import idx, read_idx

KINDS = ["u1", "i1", "i2", "i4", "f4", "f8"]


def sample(kind: str = "u1", shape: tuple[int, ...] = (3, 2)) -> np.ndarray[Any, Any]:
    return np.arange(1, 1 + math.prod(shape)).reshape(shape).astype(kind)


def refused(path: Path, field: str, problem: str, **wanted: Any) -> None:
    """``read_idx`` names the file, the field and the problem."""
    with pytest.raises(ValueError, match=problem) as caught:
        read_idx(path, **wanted)
    assert str(caught.value).startswith(f"{path}: {field}: ")


def read_or_none(path: Path) -> np.ndarray[Any, Any] | None:
    """The array, or None where ``read_idx`` refuses the file by name; other errors pass."""
    try:
        return read_idx(path)
    except ValueError as error:
        if not str(error).startswith(f"{path}: "):
            raise
        return None


@pytest.fixture(params=["plain", "packed"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def write(content: bytes) -> Path:
        if request.param == "plain":
            path = tmp_path / "file-idx"
            path.write_bytes(content)
        else:
            path = tmp_path / "file-idx.gz"
            path.write_bytes(gzip.compress(content))
        return path

    return write


class TestValues:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("shape", [(1,), (5,), (3, 2), (2, 3, 4), (1,) * 32])
    def test_round_trip(self, write: Any, pack_idx: Any, kind: str, shape: tuple[int, ...]) -> None:
        array = sample(kind, shape)
        read = read_idx(write(pack_idx(array)))
        assert read.dtype == np.dtype(kind)
        assert read.dtype.isnative
        np.testing.assert_array_equal(read, array)

    @pytest.mark.parametrize("kind", KINDS)
    def test_array_is_the_callers_own(self, write: Any, pack_idx: Any, kind: str) -> None:
        read = read_idx(write(pack_idx(sample(kind))))
        assert read.flags.c_contiguous
        assert read.flags.writeable
        assert read.flags.aligned

    @pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0), (0, 0)])
    @pytest.mark.parametrize("kind", ["u1", "i4"])
    def test_no_rows(self, write: Any, pack_idx: Any, kind: str, shape: tuple[int, ...]) -> None:
        read = read_idx(write(pack_idx(np.zeros(shape, kind))))
        assert read.shape == shape
        assert read.dtype == np.dtype(kind)

    def test_numbers_are_big_endian(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 0x01, 0x02, 0xFF, 0xFE]))
        assert read_idx(path).tolist() == [258, -2]

    def test_special_floats(self, write: Any, pack_idx: Any) -> None:
        array = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-310])
        np.testing.assert_array_equal(read_idx(write(pack_idx(array))), array)

    def test_larger_than_one_piece(self, write: Any, pack_idx: Any) -> None:
        for size in (idx._CHUNK - 1, idx._CHUNK, idx._CHUNK + 1, 2 * idx._CHUNK + 3):
            array = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
            np.testing.assert_array_equal(read_idx(write(pack_idx(array))), array)

    def test_text_path_and_capital_suffix(self, tmp_path: Path, pack_idx: Any) -> None:
        path = tmp_path / "A.GZ"
        path.write_bytes(gzip.compress(pack_idx(sample())))
        np.testing.assert_array_equal(read_idx(str(path)), sample())

    def test_gzip_of_two_members(self, tmp_path: Path, pack_idx: Any) -> None:
        content = pack_idx(sample())
        path = tmp_path / "a.gz"
        path.write_bytes(gzip.compress(content[:9]) + gzip.compress(content[9:]))
        np.testing.assert_array_equal(read_idx(path), sample())

    @given(
        kind=st.sampled_from(KINDS),
        shape=st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
        seed=st.integers(0, 2**32),
    )
    def test_any_array(self, pack_idx: Any, kind: str, shape: tuple[int, ...], seed: int) -> None:
        count = math.prod(shape) * np.dtype(kind).itemsize
        array = np.frombuffer(np.random.default_rng(seed).bytes(count), kind).reshape(shape)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.gz"
            path.write_bytes(gzip.compress(pack_idx(array)))
            read = read_idx(path)
        assert read.shape == shape
        assert read.tobytes() == array.tobytes()


class TestWanted:
    def test_what_fits_passes(self, write: Any, pack_idx: Any) -> None:
        path = write(pack_idx(sample("i4", (2, 3))))
        for dtype in (np.int32, "i4", np.dtype("<i4"), None):
            for shape in ((2, 3), (None, 3), [None, None], None):
                if dtype == np.dtype("<i4") and not np.dtype("<i4").isnative:
                    continue
                assert read_idx(path, dtype=dtype, shape=shape).shape == (2, 3)

    def test_dtype(self, write: Any, pack_idx: Any) -> None:
        path = write(pack_idx(sample("i4")))
        refused(path, "dtype code", "int32, wanted uint8", dtype=np.uint8)

    def test_dimension_count(self, write: Any, pack_idx: Any) -> None:
        path = write(pack_idx(sample()))
        refused(path, "dimension count", "2, wanted 1", shape=(None,))
        refused(path, "dimension count", "2, wanted 3", shape=(None, None, None))

    def test_shape(self, write: Any, pack_idx: Any) -> None:
        path = write(pack_idx(sample()))
        refused(path, "shape", r"\(3, 2\), wanted \(any, 3\)", shape=(None, 3))
        refused(path, "shape", r"\(3, 2\), wanted \(0, 2\)", shape=(0, 2))

    def test_wrong_header_is_seen_before_the_data(self, write: Any, pack_idx: Any) -> None:
        path = write(pack_idx(sample())[:-1])
        refused(path, "shape", "wanted", shape=(None, 28))


class TestDamage:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"absent\.gz"):
            read_idx(tmp_path / "absent.gz")

    @pytest.mark.parametrize("length", range(4))
    def test_cut_in_magic_number(self, write: Any, pack_idx: Any, length: int) -> None:
        refused(write(pack_idx(sample())[:length]), "magic number", f"truncated: {length} of 4")

    @pytest.mark.parametrize("length", range(4, 12))
    def test_cut_in_shape(self, write: Any, pack_idx: Any, length: int) -> None:
        path = write(pack_idx(sample())[:length])
        refused(path, "shape", f"truncated: {length - 4} of 8 bytes")

    @pytest.mark.parametrize("kept", [0, 1, 5])
    def test_cut_in_data(self, write: Any, pack_idx: Any, kept: int) -> None:
        refused(write(pack_idx(sample())[: 12 + kept]), "data", "truncated: ")

    @pytest.mark.parametrize("extra", [b"\0", b"\n", b"more"])
    def test_trailing_bytes(self, write: Any, pack_idx: Any, extra: bytes) -> None:
        path = write(pack_idx(sample()) + extra)
        refused(path, "data", "trailing bytes after the 6 that the header claims")

    def test_trailing_bytes_after_nothing(self, write: Any, pack_idx: Any) -> None:
        refused(write(pack_idx(sample(shape=(0,))) + b"x"), "data", "trailing bytes after the 0")

    @pytest.mark.parametrize("zeros", [b"\1\0", b"\0\1", b"\x1f\x8b"])
    def test_magic_number(self, write: Any, pack_idx: Any, zeros: bytes) -> None:
        path = write(pack_idx(sample(), zeros=zeros))
        refused(path, "magic number", f"0x{zeros.hex()}0802, wanted two zero bytes")

    @pytest.mark.parametrize("code", [0x00, 0x07, 0x0A, 0x0F, 0xFF])
    def test_dtype_code(self, write: Any, pack_idx: Any, code: int) -> None:
        path = write(pack_idx(sample(), code=code))
        refused(path, "dtype code", f"0x{code:02x}, wanted one of 0x08, 0x09, 0x0b")

    @pytest.mark.parametrize("dimensions", [0, 33, 255])
    def test_dimension_count(self, write: Any, pack_idx: Any, dimensions: int) -> None:
        path = write(pack_idx(sample(), dimensions=dimensions))
        refused(path, "dimension count", f"{dimensions}, wanted 1 to 32")

    def test_not_gzip(self, tmp_path: Path, pack_idx: Any) -> None:
        path = tmp_path / "a.gz"
        path.write_bytes(pack_idx(sample()))
        refused(path, "gzip data", "[Nn]ot a gzipped file")

    def test_gzip_without_its_suffix(self, tmp_path: Path, pack_idx: Any) -> None:
        path = tmp_path / "a"
        path.write_bytes(gzip.compress(pack_idx(sample())))
        refused(path, "magic number", "0x1f8b")

    @pytest.mark.parametrize("place", [-8, -1])  # of the checksum, of the length
    def test_gzip_trailer(self, tmp_path: Path, pack_idx: Any, place: int) -> None:
        content = bytearray(gzip.compress(pack_idx(sample())))
        content[place] ^= 1
        path = tmp_path / "a.gz"
        path.write_bytes(content)
        refused(path, "gzip data", "check failed|Incorrect length")

    def test_junk_after_gzip(self, tmp_path: Path, pack_idx: Any) -> None:
        path = tmp_path / "a.gz"
        path.write_bytes(gzip.compress(pack_idx(sample())) + b"junk")
        refused(path, "gzip data", "gzipped")

    def test_every_cut_of_a_gzip_is_an_error(self, tmp_path: Path, pack_idx: Any) -> None:
        content = gzip.compress(pack_idx(sample("i2", (4, 5))))
        path = tmp_path / "a.gz"
        for length in range(len(content)):
            path.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"a\.gz: "):
                read_idx(path)

    @given(place=st.integers(0, 2**20), flip=st.integers(1, 255))
    def test_a_flipped_byte_is_an_error_or_harmless(
        self, pack_idx: Any, place: int, flip: int
    ) -> None:
        array = sample("i2", (4, 5))
        content = bytearray(gzip.compress(pack_idx(array), mtime=0))
        content[place % len(content)] ^= flip
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.gz"
            path.write_bytes(content)
            read = read_or_none(path)
        # Some bytes do not affect the data, such as gzip's time stamp.
        assert read is None or np.array_equal(read, array)

    @given(content=st.binary(max_size=64), packed=st.booleans())
    def test_any_bytes_are_an_array_or_a_value_error(self, content: bytes, packed: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / ("a.gz" if packed else "a")
            path.write_bytes(gzip.compress(content) if packed else content)
            read_or_none(path)


class TestBombs:
    """Memory stays near the size of the file, whatever size its header claims."""

    @pytest.fixture(autouse=True)
    def _small(self) -> Any:
        tracemalloc.start()
        yield
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8_000_000

    @pytest.mark.parametrize(
        "shape",
        [(2**31 + 1,), (2**32 - 1,), (2**32 - 1,) * 3, (2**32 - 1,) * 32, (0, 2**32 - 1)],
    )
    def test_size_over_the_limit(self, write: Any, pack_idx: Any, shape: tuple[int, ...]) -> None:
        refused(write(pack_idx(sample(), shape=shape)), "size", f"limit {2**31}")

    def test_limit_counts_bytes(self, write: Any, pack_idx: Any) -> None:
        path = write(pack_idx(sample("f8"), shape=(2**28 + 1,)))
        refused(path, "size", f"needs {2**31 + 8} bytes")

    def test_size_at_the_limit_that_the_file_cannot_hold(self, write: Any, pack_idx: Any) -> None:
        refused(write(pack_idx(sample(), shape=(2**31,))), "data", "truncated: .* can hold")

    def test_announced_size_is_not_taken_before_the_data_came(
        self, tmp_path: Path, pack_idx: Any
    ) -> None:
        path = tmp_path / "a.gz"
        path.write_bytes(gzip.compress(pack_idx(sample(), shape=(10**6,))))
        refused(path, "data", "can hold")

    def test_more_data_than_announced_is_not_unpacked(self, tmp_path: Path, pack_idx: Any) -> None:
        path = tmp_path / "a.gz"
        with gzip.open(path, "wb") as file:
            file.write(pack_idx(sample(shape=(10,))))
            for _ in range(200):
                file.write(bytes(10**6))
        refused(path, "data", "trailing bytes after the 10")

    def test_most_compressible_file_passes(self, tmp_path: Path, pack_idx: Any) -> None:
        path = tmp_path / "a.gz"
        path.write_bytes(gzip.compress(pack_idx(np.zeros(2 * 10**6, np.uint8))))
        assert not read_idx(path).any()
