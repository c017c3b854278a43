"""Model files with anything in them: a network or one ValueError that names the file."""

import copy
import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import affinet as an
from model_files import entries, rewrite

RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "m.npz"
    net = an.Sequential(
        an.Affine.init(3, 4, rng=0), an.BatchNorm(4), an.LeakyReLU(0.1), an.Dropout(0.5, rng=1),
        an.LayerNorm(4), an.Affine.init(4, 2, rng=2), loss=an.SoftmaxWithLoss(),
        input_scale=0.5,
    )  # fmt: skip
    net.metadata = {"classes": ["a", "b"], "nested": {"x": [1, None]}}
    net.save(path)
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(str(arrays.pop("description"))), arrays


def write(path, description, arrays, method=zipfile.ZIP_STORED, more=()):
    entries = {"description": np.array(json.dumps(description)), **arrays}
    with zipfile.ZipFile(path, "w", method) as file:
        for name, array in entries.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array))
            file.writestr(f"{name}.npy", content.getvalue())
        for name, member in more:
            file.writestr(name, member)
    return path


def refused(path, match):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match) as caught:
            an.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert peak < 16 << 20


@pytest.mark.parametrize(
    ("place", "argument", "value"),
    [
        (1, "n", 10**8),
        (1, "n", 10**13),
        (1, "n", 10**400),
        (1, "eps", 10**400),
        (1, "n", 65_000),
        (4, "n", 10**9),
        (2, "slope", 10**400),
        (2, "slope", [10**9]),
        (3, "p", {"x": 10**9}),
    ],
)
def test_sizes_that_no_array_has_are_refused_before_memory_is_taken(content, path, place, argument,
                                                                    value):  # fmt: skip
    description = copy.deepcopy(content[0])
    description["layers"][place][argument] = value
    refused(write(path, description, content[1]), f"layer {place}|array {place}")


def test_an_array_of_another_shape_is_refused_before_it_is_read(content, path):
    arrays = content[1] | {"0.W": np.zeros(1 << 26, "f4")}
    write(path, content[0], arrays, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    refused(path, r"array 0\.W has shape")


def test_arrays_that_no_layer_asks_for_are_not_read(content, path):
    arrays = content[1] | {"extra": np.zeros(1 << 26, "f4")}
    write(path, content[0], arrays, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        assert an.load(path).metadata["classes"] == ["a", "b"]
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_description_that_unpacks_to_gigabytes(content, path):
    text = np.array(" " * (1 << 25))
    write(path, content[0], content[1] | {"description": text}, zipfile.ZIP_DEFLATED)
    refused(path, "unpack to")


@pytest.mark.parametrize("path_of_it", ["1.0", "1.1.0"])
def test_nested_layers_claim_no_more_than_their_own_arrays_hold(path, path_of_it):
    inner = an.Residual(an.BatchNorm(300))
    net = an.Sequential(an.Affine.init(300, 300, rng=0), an.Residual(an.BatchNorm(300), inner))
    net.save(path)
    description, arrays = entries(path)
    config = description["layers"][1]["children"]
    config = config[0] if path_of_it == "1.0" else config[1]["children"][0]
    config["n"] = 80_000  # less than the first layer holds
    rewrite(path, description, arrays)
    refused(path, rf"layer {path_of_it} has the number 80000, but .* hold 1200 numbers")


@pytest.mark.parametrize("depth", [400, 5000])
def test_layers_nested_too_deeply(path, depth):
    an.Sequential(an.Affine.init(2, 2, rng=0), an.Residual(an.ReLU())).save(path)
    description, arrays = entries(path)
    text = json.dumps(description)
    inner = json.dumps(description["layers"][1])
    start, _, end = inner.partition('{"type": "ReLU"}')
    assert end
    nested = start * depth + '{"type": "ReLU"}' + end * depth
    np.savez(path, description=np.array(text.replace(inner, nested)), **arrays)
    refused(path, r"model\.npz")


def test_big_endian_and_fortran_ordered_arrays_are_the_same_numbers(content, path):
    swapped = {name: np.asfortranarray(a).astype(a.dtype.newbyteorder(">")) for name, a in
               content[1].items()}  # fmt: skip
    write(path, content[0], swapped)
    net = an.load(path)
    for name, array in net._arrays().items():
        np.testing.assert_array_equal(array, content[1][name])
        assert array.dtype.isnative


@pytest.mark.parametrize("name", ["/0.W.npy", "../x.npy", "readme.txt"])
def test_members_with_other_names(content, path, name):
    refused(write(path, *content, more=[(name, b"x")]), "not an affinet model, or damaged")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_occurs_twice(content, path):
    member = io.BytesIO()
    np.save(member, np.zeros((3, 4), "f4"))
    refused(write(path, *content, more=[("0.W.npy", member.getvalue())]), "twice")


def test_objects_are_not_written(path):
    class Holder:
        buffers = ("seen",)
        seen = np.array([{}], object)

        def config(self):
            return {}

        def forward(self, x):
            return x

        def backward(self, dout):
            return dout

    with pytest.raises(TypeError, match=r"array 0\.seen has dtype object"):
        an.Sequential(Holder()).save(path)
    assert not path.exists()


@pytest.mark.parametrize("n", [250, 1000])
def test_layers_by_the_thousand_take_linear_work(content, path, n):
    import sys

    counts = []
    for times in (1, 4):
        description = copy.deepcopy(content[0])
        description["layers"] += [{"type": "ReLU"}] * (n * times)
        write(path, description, content[1])
        calls = [0]

        def profile(frame, event, argument, calls=calls):
            calls[0] += 1

        sys.setprofile(profile)
        try:
            an.load(path)
        finally:
            sys.setprofile(None)
        counts.append(calls[0])
    assert counts[1] < 5 * counts[0]


def places_of(value, path=()):
    yield path
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from places_of(inside, (*path, name))
    elif isinstance(value, list):
        for place, inside in enumerate(value):
            yield from places_of(inside, (*path, place))


ODD = st.sampled_from(
    [None, True, -1, 0, 1, 3, 10**9, 10**400, 1.5, float("nan"), float("inf"), "x", "", "ReLU",
     "Affine", [], {}, [[]], {"type": "ReLU"}, {"type": "Layer"}, [4, 3], [2**62, 2**62]]
)  # fmt: skip


@RELAXED
@given(data=st.data())
def test_anything_anywhere_in_the_description(content, data, path):
    description = copy.deepcopy(content[0])
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(
            st.sampled_from([place for place in places_of(description) if place])
        )
        value = description
        for part in parents:
            value = value[part]
        value[last] = copy.deepcopy(data.draw(ODD))
    write(path, description, content[1])
    try:
        net = an.load(path)
    except ValueError as error:
        if str(path) not in str(error):
            raise
    else:
        net.predict(np.zeros((1, 3)))


@RELAXED
@given(data=st.data(), suffix=st.sampled_from([".npz", ".safetensors"]))
def test_wrong_bytes_anywhere(data, suffix, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"m{suffix}"
    an.Sequential(an.Affine.init(2, 3, rng=0), an.BatchNorm(3)).save(path)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))]))
    try:
        an.load(path)
    except ValueError as error:
        if str(path) not in str(error):
            raise
