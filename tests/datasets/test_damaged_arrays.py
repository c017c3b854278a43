"""Damaged, foreign and malicious array files: one ValueError that names the file, little memory."""

import contextlib
import gzip
import io
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from affinet import _npy
from affinet._npy import Npz, read_npy
from affinet.datasets import open_shards, read_idx
from affinet.tables.arrays import read_arrays

RELAXED = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def npy_bytes(array, **options):
    content = io.BytesIO()
    np.lib.format.write_array(content, array, **options)
    return content.getvalue()


def with_header(text, data=b"\0" * 48, version=1):
    header = text.encode("latin-1")
    width = 2 if version == 1 else 4
    return (
        b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(width, "little") + header + data
    )


def read(path):
    with open(path, "rb") as file:
        return read_npy(file, path.stat().st_size)


def arrays_of(path, *names):
    with open(path, "rb") as file:
        return read_arrays(file, path.stat().st_size, names)


def refused_by_all(folder, content):
    """No reader of .npy files accepts it; returns the message of one."""
    path = folder / "x0.npy"
    path.write_bytes(content)
    np.save(folder / "t0.npy", np.arange(4))
    with pytest.raises(ValueError, match=r"."):
        read(path)
    with pytest.raises(ValueError, match=r"."):
        arrays_of(path, "x")
    with pytest.raises(ValueError, match=r"x0\.npy") as caught:
        open_shards(folder)
    return str(caught.value)


ARRAYS = hnp.arrays(
    dtype=st.one_of(
        hnp.floating_dtypes(endianness="?"),
        hnp.integer_dtypes(endianness="?"),
        hnp.unsigned_integer_dtypes(endianness="?"),
        hnp.boolean_dtypes(),
        hnp.unicode_string_dtypes(endianness="?"),
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@RELAXED
@given(array=ARRAYS, fortran=st.booleans(), version=st.sampled_from([(1, 0), (2, 0)]))
def test_every_plain_array_comes_back_in_native_order(tmp_path, array, fortran, version):
    array = np.asfortranarray(array) if fortran else array
    path = tmp_path / "a.npy"
    path.write_bytes(npy_bytes(array, version=version))
    found = read(path)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.flags.writeable
    np.savez_compressed(tmp_path / "a.npz", a=array)
    with open(tmp_path / "a.npz", "rb") as file:
        size = (tmp_path / "a.npz").stat().st_size
        np.testing.assert_array_equal(Npz(file, size).read("a"), array)


@RELAXED
@given(
    array=hnp.arrays(
        st.one_of(hnp.floating_dtypes(endianness="?"), hnp.integer_dtypes(endianness="?")),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
    ),
    fortran=st.booleans(),
)
def test_shards_map_what_numpy_writes(tmp_path, array, fortran):
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    path = tmp_path / "x0.npy"
    path.write_bytes(npy_bytes(np.asfortranarray(array) if fortran else array))
    np.save(tmp_path / "t0.npy", np.zeros(len(array)))
    np.testing.assert_array_equal(open_shards(tmp_path)[0][:], array)


D, F = "'descr': '<f4'", "'fortran_order': False"
HEADERS = {
    "open bracket": f"{{{D}, }}",
    "deep": "-" * 5000 + "1",
    "deep brackets": "(" * 60000,
    "spaces": " " * 65000,
    "shape 2^63": f"{{{D}, {F}, 'shape': (9223372036854775808,)}}",
    "shape of 5000 digits": f"{{{D}, {F}, 'shape': ({'9' * 5000},)}}",
    "product 2^64": f"{{{D}, {F}, 'shape': (4294967296, 4294967296)}}",
    "zero hides a size": f"{{{D}, {F}, 'shape': (0, 4611686018427387904)}}",
    "shape -1": f"{{{D}, {F}, 'shape': (-1, 3)}}",
    "shape True": f"{{{D}, {F}, 'shape': (True, 3)}}",
    "shape a number": f"{{{D}, {F}, 'shape': (12)}}",
    "shape a list": f"{{{D}, {F}, 'shape': [12]}}",
    "100 dimensions": f"{{{D}, {F}, 'shape': ({'1,' * 99}12,)}}",
    "objects": f"{{'descr': '|O', {F}, 'shape': (6,)}}",
    "objects spelt out": f"{{'descr': 'object', {F}, 'shape': (6,)}}",
    "records": f"{{'descr': [('a', '<f4')], {F}, 'shape': (12,)}}",
    "records of objects": f"{{'descr': [('a', '|O')], {F}, 'shape': (6,)}}",
    "unknown dtype": f"{{'descr': '<f5', {F}, 'shape': (12,)}}",
    "huge items": f"{{'descr': '<U999999999', {F}, 'shape': (2,)}}",
    "empty items": f"{{'descr': '<U0', {F}, 'shape': (1000000000000,)}}",
    "order a number": f"{{{D}, 'fortran_order': 0, 'shape': (12,)}}",
    "order text": f"{{{D}, 'fortran_order': 'False', 'shape': (12,)}}",
    "descr a truth value": f"{{'descr': True, {F}, 'shape': (12,)}}",
    "key twice": f"{{{D}, {D}, 'shape': (12,)}}",
    "a fourth key": f"{{{D}, {F}, 'shape': (12,), 'x': True}}",
    "a call": f"{{{D}, {F}, 'shape': print('no')}}",
    "nothing": "",
    "null": "\0" * 80,
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_no_writer_makes(tmp_path, case):
    refused_by_all(tmp_path, with_header(HEADERS[case]))


def test_headers_of_other_writers_are_accepted(tmp_path):
    """Other order, other quotes, other spaces; Python 2's long integers."""
    path = tmp_path / "a.npy"
    for text in (
        '{"shape":(3L,4L),"fortran_order":False,"descr":"<f4"}\n',
        "{ 'fortran_order' : False , 'descr' : '<f4' , 'shape' : ( 3 , 4 ) , }  \n",
    ):
        path.write_bytes(with_header(text))
        assert read(path).shape == (3, 4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUM",
        b"\x93NUMPY\x01",
        b"\x93NUMPY\x01\x00\x76",
        b"\x93NUMPY\x03\x00\x00\x00\x00\x00",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
        b"\x93NUMPY\x02\x00\xff\xff\x00\x00{",
        pickle.dumps({"a": 1}),
    ],
)
def test_starts_of_files(tmp_path, content):
    refused_by_all(tmp_path, content)


def test_a_pickle_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    np.save(tmp_path / "a.npy", np.array([Bomb()], object), allow_pickle=True)
    refused_by_all(tmp_path, (tmp_path / "a.npy").read_bytes())
    refused_by_all(tmp_path, pickle.dumps(Bomb()))
    np.savez(tmp_path / "a.npz", x=np.array([Bomb()], object))
    with pytest.raises(ValueError, match="dtype"):
        arrays_of(tmp_path / "a.npz", "x")
    assert not (tmp_path / "exploded").exists()


def test_truncated_or_longer_at_every_byte(tmp_path):
    whole = npy_bytes(np.arange(12, dtype="f4").reshape(3, 4))
    for length in range(len(whole)):
        refused_by_all(tmp_path, whole[:length])
    assert "trailing bytes" in refused_by_all(tmp_path, whole + b"\0")
    assert "truncated" in refused_by_all(tmp_path, whole[:-1])


@RELAXED
@given(data=st.data())
def test_flipped_bits_give_an_array_or_a_value_error(tmp_path, data):
    whole = bytearray(npy_bytes(np.arange(12, dtype="f4").reshape(3, 4)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, 127))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "a.npy"
    path.write_bytes(bytes(whole))
    with contextlib.suppress(ValueError):
        assert read(path).nbytes <= 48


# Archives ----------------------------------------------------------------------------------------


def archive(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def read_archive(path):
    with open(path, "rb") as file:
        content = Npz(file, path.stat().st_size)
        return {name: content.read(name) for name in content.names}


def refused_archive(path, match=r"."):
    with pytest.raises(ValueError, match=match):
        read_archive(path)


SOUND = npy_bytes(np.arange(4.0))


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("/etc/a.npy", "outside"),
        ("../a.npy", "outside"),
        ("a/../../b.npy", "outside"),
        ("..\\a.npy", "outside"),
        ("\\a.npy", "outside"),
        ("a.txt", "wanted arrays only"),
        ("folder/", "wanted arrays only"),
    ],
)
def test_names_of_members(tmp_path, name, match):
    refused_archive(archive(tmp_path / "a.npz", [("x.npy", SOUND), (name, SOUND)]), match)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_occurs_twice(tmp_path):
    refused_archive(archive(tmp_path / "a.npz", [("x.npy", SOUND)] * 2), "occurs twice")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_compression_can_shrink_without_bound(tmp_path, method):
    content = npy_bytes(np.zeros(1 << 22))
    path = archive(tmp_path / "a.npz", [("x.npy", content)], method)
    assert path.stat().st_size < 10_000
    refused_archive(path, "deflate")


def test_members_that_share_their_bytes(tmp_path):
    """Both entries of the directory lead to the one member that is there."""
    content = npy_bytes(np.random.default_rng(0).random(1000))
    whole = bytearray(
        archive(tmp_path / "a.npz", [("x.npy", content), ("y.npy", content)]).read_bytes()
    )
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        second = file.getinfo("y.npy").header_offset
        start = file.start_dir
    entry = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02", start) + 4)
    assert whole[entry + 42 : entry + 46] == second.to_bytes(4, "little")
    whole[entry + 42 : entry + 46] = (0).to_bytes(4, "little")
    whole[entry + 46 : entry + 51] = b"z.npy"
    (tmp_path / "a.npz").write_bytes(bytes(whole[:second] + whole[start:]))
    refused_archive(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("method", "match"),
    [
        (zipfile.ZIP_STORED, "its members claim more than the file's"),
        (zipfile.ZIP_DEFLATED, "more than its .* stored bytes can hold"),
    ],
)
def test_a_member_whose_size_is_a_lie(tmp_path, method, match):
    """Directory and header agree on a gigabyte that is not there."""
    claim = 1 << 30
    content = with_header(f"{{{D}, {F}, 'shape': ({claim // 4},)}}")
    path = archive(tmp_path / "a.npz", [("x.npy", content)], method)
    whole = bytearray(path.read_bytes())
    entry = whole.index(b"PK\x01\x02")
    size = (len(content) - 48 + claim).to_bytes(4, "little")
    for offset in (24,) if method == zipfile.ZIP_DEFLATED else (20, 24):
        whole[entry + offset : entry + offset + 4] = size
    path.write_bytes(bytes(whole))
    tracemalloc.start()
    try:
        refused_archive(path, match)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_members_are_read_only_when_asked_for(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(3.0), y=np.zeros(1 << 24))
    tracemalloc.start()
    try:
        with open(path, "rb") as file:
            content = Npz(file, path.stat().st_size)
            assert content.header("y").shape == (1 << 24,)
            content.read("x")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_archives_truncated_or_with_a_wrong_byte_anywhere(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(20.0), y=np.arange(3))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refused_archive(path)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            found = read_archive(path)
        except ValueError:
            continue
        for array in found.values():  # a time stamp or a name: the numbers passed their checksum
            assert array.tolist() in (list(range(20)), list(range(3)))


# IDX ---------------------------------------------------------------------------------------------


@RELAXED
@given(content=st.binary(max_size=64), packed=st.booleans())
def test_idx_files_of_any_bytes(tmp_path, content, packed):
    path = tmp_path / ("a.idx.gz" if packed else "a.idx")
    path.write_bytes(gzip.compress(content) if packed else content)
    try:
        assert read_idx(path).nbytes <= 64
    except ValueError as error:
        if str(path) not in str(error):
            raise


@RELAXED
@given(data=st.data())
def test_idx_files_with_wrong_bits(tmp_path, data):
    whole = bytearray(
        gzip.compress(bytes([0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 4, *range(12)]), mtime=0)
    )
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "a.gz"
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        assert read_idx(path).tolist() == np.arange(12).reshape(3, 4).tolist()
    except ValueError as error:
        if str(path) not in str(error):
            raise


def test_a_small_gz_takes_no_more_memory_than_it_can_hold(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0x7F, 0, 0, 0]) + bytes(10 << 20)))
    assert path.stat().st_size < 11_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"a\.gz"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_shards_are_ordered_by_the_numbers_in_their_names(tmp_path):
    names = ["", "_2", "_9", "_010", "_10", "_10a"]
    for place, name in enumerate(names):
        np.save(tmp_path / f"x{name}.npy", np.full((2, 1), place))
        np.save(tmp_path / f"t{name}.npy", np.full(2, place))
    x, t = open_shards(tmp_path)
    assert t[:].tolist() == x[:].ravel().tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(
    ("data", "words"), [(b"123", "truncated: 3 of 4 bytes of data"), (b"12345", "trailing bytes")]
)
def test_data_that_differ_from_their_header(data, words):
    header = _npy.Header(np.dtype(np.uint8), (4,), False, 0)
    with pytest.raises(ValueError, match=words):
        _npy.read_data(io.BytesIO(data), header)
