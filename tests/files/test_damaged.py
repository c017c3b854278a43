"""Files that are not models, and damaged ones, are refused by name."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

import affinet as an
from model_files import entries, refused


def loaded_or_refused(path):
    """The network, or None if the file was refused as damaged."""
    try:
        return an.load(path)
    except ValueError as error:
        named = str(path) in str(error)
    assert named, "the error does not name the file"
    return None


def test_no_such_file(path):
    with pytest.raises(FileNotFoundError, match=r"model\.npz"):
        an.load(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a model at all", b"\x93NUMPY", b"PK\x05\x06" + 18 * b"\0", b"\x80\x04N."],
    ids=["empty", "PK", "text", "npy header", "empty zip", "pickle"],
)
def test_files_of_other_kinds(path, content):
    path.write_bytes(content)
    refused(path)


def test_a_single_array_under_the_models_name(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    refused(path)


def test_a_pickle_is_never_loaded(path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(path.with_name("exploded")),))

    path.write_bytes(pickle.dumps(Bomb()))
    refused(path)
    assert not path.with_name("exploded").exists()


@pytest.mark.parametrize("place", ["0.W", "description", "extra"])
def test_object_arrays_are_never_unpickled(saved, place):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(saved.with_name("exploded")),))

    description, arrays = entries(saved)
    everything = {"description": np.array(json.dumps(description))} | arrays
    np.savez(saved, **everything | {place: np.array([Bomb()], object)})
    refused(saved)
    assert not saved.with_name("exploded").exists()


def test_a_folder(path):
    path.mkdir()
    with pytest.raises((ValueError, OSError), match=r"model\.npz"):
        an.load(path)


def test_another_npz(path):
    np.savez(path, a=np.zeros(3))
    refused(path, "description")


def test_truncated_anywhere(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), 7):
        saved.write_bytes(whole[:length])
        refused(saved)


def test_damage_anywhere_is_found_or_harmless(net, saved):
    """Flip a bit of a byte: a ValueError, or the very same network.

    Every byte of the archive's directory, which stands at the end, and every fifth before it.
    """
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, len(whole) - 400, 5), *range(len(whole) - 400, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        saved.write_bytes(damaged)
        loaded = loaded_or_refused(saved)
        if loaded is not None:
            assert repr(loaded) == repr(net)
            np.testing.assert_array_equal(loaded.params.flat, net.params.flat)


def test_a_compressed_file_that_is_damaged(saved):
    description, arrays = entries(saved)
    packed = io.BytesIO()
    np.savez_compressed(packed, description=np.array(json.dumps(description)), **arrays)
    saved.write_bytes(packed.getvalue())
    assert an.load(saved).params.flat.any()  # compression in itself is no damage
    whole = packed.getvalue()
    for place in range(30, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        saved.write_bytes(damaged)
        loaded_or_refused(saved)


def test_a_tensor_that_claims_more_numbers_than_the_file_holds(saved):
    description, arrays = entries(saved)
    with zipfile.ZipFile(saved, "w") as archive:
        for name, array in ({"description": np.array(json.dumps(description))} | arrays).items():
            content = io.BytesIO()
            np.save(content, array)
            raw = content.getvalue()
            if name == "0.W":
                claim, wrong = b"(3, 4), }", b"(30000000000000, 40000), }"
                padding = b" " * (len(wrong) - len(claim))
                assert claim + padding in raw
                raw = raw.replace(claim + padding, wrong, 1)
            archive.writestr(f"{name}.npy", raw)
    refused(saved)
