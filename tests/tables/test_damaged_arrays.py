"""Damaged .npy and .npz: one ValueError that names the file, and no memory for absent data."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from affinet.tables import read_table

HEADERS = {
    "an open bracket": "{'descr': '<f4', (",
    "deep": "-" * 5000 + "1",
    "not a table": "[1, 2]",
    "a size beyond 64 bits": "{'descr': '<f4', 'fortran_order': False, 'shape': (2**63,)}",
    "a huge size": "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}",
    "a large size": "{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000,)}",
    "a negative size": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}",
    "a boolean": "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3)}",
    "zero and huge": "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 20000000000000000000)}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    "a truncated array": "{'descr': '<f4', 'fortran_order': False, 'shape': (13,)}",
}


def npy(header, data=bytes(48)):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_headers_are_refused_by_name(tmp_path, case, name):
    path = tmp_path / name
    content = npy(HEADERS[case])
    if name == "a.npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", content)
    else:
        path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=name):
        read_table(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "u1", "<i2", "?"])
def test_sound_arrays_are_read(tmp_path, order, dtype):
    x = np.array(np.arange(12).reshape(3, 4) % 5, dtype, order=order)
    np.save(tmp_path / "a.npy", x)
    table = read_table(tmp_path / "a.npy")
    found = np.column_stack([table.numbers(name) for name in table.names])
    np.testing.assert_array_equal(found, x.astype(float))


def test_an_encrypted_or_broken_archive_is_refused_by_name(tmp_path):
    file = io.BytesIO()
    np.savez(file, x=np.arange(6.0).reshape(3, 2))
    content = bytearray(file.getvalue())
    content[6] |= 1  # the flag of encryption, in the entry and in the directory
    place = content.rindex(b"PK\x01\x02")
    content[place + 8] |= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz"):
        read_table(tmp_path / "a.npz")
