from __future__ import annotations

import doctest
import gzip
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from affinet.datasets import load_fashion_mnist, load_mnist, mnist
from affinet.datasets.pixels import Splits

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = mnist.FILES
LOADERS = {"mnist": load_mnist, "fashion-mnist": load_fashion_mnist}


@pytest.fixture(params=LOADERS)
def folder_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def load(folder_name: str) -> Callable[..., Splits]:
    return LOADERS[folder_name]


def matches(splits: Splits, arrays: dict[str, np.ndarray[Any, Any]]) -> bool:
    """Whether raw flat ``splits`` hold what was written."""
    parts = ((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS))
    return all(
        np.array_equal(x.reshape(-1, 28, 28), arrays[images]) and np.array_equal(t, arrays[labels])
        for (x, t), (images, labels) in zip(splits, parts, strict=True)
    )


class TestResult:
    def test_scaled(self, tmp_path: Path, make_set: Any, load: Any) -> None:
        arrays = make_set(tmp_path)
        (x_train, t_train), (x_test, t_test) = load(tmp_path)
        assert x_train.shape == (7, 784)
        assert x_test.shape == (3, 784)
        assert x_train.dtype == x_test.dtype == np.float32
        assert t_train.dtype == t_test.dtype == np.int64
        expected = (arrays[TRAIN_IMAGES].reshape(7, 784) / 255).astype(np.float32)
        np.testing.assert_array_equal(x_train, expected)
        np.testing.assert_array_equal(t_test, arrays[TEST_LABELS])

    def test_every_pixel_value_is_correctly_rounded(
        self, tmp_path: Path, make_set: Any, pack_idx: Any
    ) -> None:
        make_set(tmp_path, test=1)
        values = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
        (tmp_path / TEST_IMAGES).write_bytes(gzip.compress(pack_idx(values)))
        x = load_mnist(tmp_path)[1][0][0, :256]
        np.testing.assert_array_equal(x, (np.arange(256) / 255).astype(np.float32))
        assert x[255] == 1

    def test_raw(self, tmp_path: Path, make_set: Any, load: Any) -> None:
        arrays = make_set(tmp_path)
        splits = load(tmp_path, False)
        assert splits[0][0].dtype == np.uint8
        assert splits[0][1].dtype == np.int64
        assert matches(splits, arrays)

    @pytest.mark.parametrize("scaled", [True, False])
    def test_square_rows(self, tmp_path: Path, make_set: Any, load: Any, scaled: bool) -> None:
        make_set(tmp_path)
        flat, square = load(tmp_path, scaled), load(tmp_path, scaled, flatten=False)
        assert square[0][0].shape == (7, 28, 28)
        assert square[1][0].shape == (3, 28, 28)
        np.testing.assert_array_equal(square[0][0].reshape(7, 784), flat[0][0])

    @pytest.mark.parametrize("scaled", [True, False])
    def test_arrays_are_the_callers_own(
        self, tmp_path: Path, make_set: Any, load: Any, scaled: bool
    ) -> None:
        make_set(tmp_path)
        for x, t in load(tmp_path, scaled):
            for array in (x, t):
                assert array.flags.c_contiguous
                assert array.flags.writeable

    @pytest.mark.parametrize("flatten", [True, False])
    def test_no_rows(self, tmp_path: Path, make_set: Any, load: Any, flatten: bool) -> None:
        make_set(tmp_path, train=0, test=0)
        (x_train, t_train), _ = load(tmp_path, flatten=flatten)
        assert x_train.shape == ((0, 784) if flatten else (0, 28, 28))
        assert t_train.shape == (0,)


class TestFolder:
    def test_unpacked_files(self, tmp_path: Path, make_set: Any, load: Any) -> None:
        arrays = make_set(tmp_path, packed=False)
        assert matches(load(tmp_path, False), arrays)

    def test_packed_and_unpacked_mixed(self, tmp_path: Path, make_set: Any, load: Any) -> None:
        arrays = make_set(tmp_path)
        make_set(tmp_path, packed=False)
        for name in (TRAIN_IMAGES, TEST_LABELS):
            (tmp_path / name).unlink()
        assert matches(load(tmp_path, False), arrays)

    def test_text_path(self, tmp_path: Path, make_set: Any, load: Any) -> None:
        arrays = make_set(tmp_path)
        assert matches(load(str(tmp_path), False), arrays)

    def test_home_is_expanded(
        self, tmp_path: Path, make_set: Any, load: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arrays = make_set(tmp_path / "files")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert matches(load("~/files", False), arrays)

    def test_subfolder(self, tmp_path: Path, make_set: Any, load: Any, folder_name: str) -> None:
        arrays = make_set(tmp_path / folder_name)
        assert matches(load(tmp_path, False), arrays)

    def test_subfolder_goes_first(
        self, tmp_path: Path, make_set: Any, load: Any, folder_name: str
    ) -> None:
        make_set(tmp_path, seed=1)
        arrays = make_set(tmp_path / folder_name, seed=2)
        assert matches(load(tmp_path, False), arrays)

    def test_incomplete_subfolder_does_not_hide_the_folder(
        self, tmp_path: Path, make_set: Any, load: Any, folder_name: str
    ) -> None:
        arrays = make_set(tmp_path, seed=1)
        make_set(tmp_path / folder_name, seed=2)
        (tmp_path / folder_name / TEST_LABELS).unlink()
        assert matches(load(tmp_path, False), arrays)

    def test_other_sets_subfolder_is_not_read(
        self, tmp_path: Path, make_set: Any, load: Any, folder_name: str
    ) -> None:
        (other,) = set(LOADERS) - {folder_name}
        make_set(tmp_path / other)
        with pytest.raises(FileNotFoundError, match="neither"):
            load(tmp_path)

    def test_variable(
        self, tmp_path: Path, make_set: Any, load: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arrays = make_set(tmp_path)
        monkeypatch.setenv(mnist.VARIABLE, str(tmp_path))
        assert matches(load(scaled=False), arrays)

    def test_data_dir_beats_the_variable(
        self, tmp_path: Path, make_set: Any, load: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arrays = make_set(tmp_path / "given", seed=1)
        make_set(tmp_path / "named", seed=2)
        monkeypatch.setenv(mnist.VARIABLE, str(tmp_path / "named"))
        assert matches(load(tmp_path / "given", False), arrays)

    @pytest.mark.parametrize("origin", ["data_dir", mnist.VARIABLE])
    @pytest.mark.parametrize("exists", [True, False])
    def test_empty_or_absent(
        self,
        tmp_path: Path,
        load: Any,
        folder_name: str,
        origin: str,
        exists: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        folder = tmp_path / "here"
        if exists:
            folder.mkdir()
        given = folder if origin == "data_dir" else None
        monkeypatch.setenv(mnist.VARIABLE, str(folder if given is None else tmp_path))
        with pytest.raises(FileNotFoundError) as caught:
            load(given)
        message = str(caught.value)
        assert message.startswith(f"{origin}: ")
        assert str(folder) in message
        assert str(folder / folder_name) in message
        for name in mnist.FILES:
            assert name in message

    @pytest.mark.parametrize("missing", mnist.FILES)
    @pytest.mark.parametrize("sub", [True, False])
    def test_one_file_missing(
        self,
        tmp_path: Path,
        make_set: Any,
        load: Any,
        folder_name: str,
        missing: str,
        sub: bool,
    ) -> None:
        folder = tmp_path / folder_name if sub else tmp_path
        make_set(folder)
        (folder / missing).unlink()
        with pytest.raises(FileNotFoundError) as caught:
            load(tmp_path)
        assert f"{folder} lacks {missing} of " in str(caught.value)
        assert sum(name in str(caught.value) for name in mnist.FILES) == 1

    def test_a_folder_is_no_file(self, tmp_path: Path, make_set: Any) -> None:
        make_set(tmp_path)
        (tmp_path / TEST_LABELS).unlink()
        (tmp_path / TEST_LABELS).mkdir()
        with pytest.raises(FileNotFoundError, match=f"lacks {TEST_LABELS}"):
            load_mnist(tmp_path)

    @pytest.mark.parametrize("data_dir", [False, 3, b"here", ["here"]])
    def test_kind_of_data_dir(self, load: Any, data_dir: Any) -> None:
        with pytest.raises(TypeError, match="data_dir must be a str or a path, got"):
            load(data_dir)


class TestContent:
    @pytest.mark.parametrize(("images", "labels"), [mnist._TRAIN, mnist._TEST])
    def test_counts_disagree(
        self, tmp_path: Path, make_set: Any, pack_idx: Any, images: str, labels: str
    ) -> None:
        make_set(tmp_path)
        array = np.zeros((5, 28, 28), np.uint8)
        (tmp_path / images).write_bytes(gzip.compress(pack_idx(array)))
        with pytest.raises(ValueError, match=r"count: 5 images, but .* labels") as caught:
            load_mnist(tmp_path)
        assert str(tmp_path / images) in str(caught.value)
        assert str(tmp_path / labels) in str(caught.value)

    @pytest.mark.parametrize("size", [(28, 29), (27, 28), (8, 8), (0, 28)])
    def test_image_size(
        self, tmp_path: Path, make_set: Any, pack_idx: Any, size: tuple[int, int]
    ) -> None:
        make_set(tmp_path)
        array = np.zeros((7, *size), np.uint8)
        (tmp_path / TRAIN_IMAGES).write_bytes(gzip.compress(pack_idx(array)))
        with pytest.raises(ValueError, match=rf"{TRAIN_IMAGES}: shape: .*wanted \(any, 28, 28\)"):
            load_mnist(tmp_path)

    @pytest.mark.parametrize("label", [10, 255])
    @pytest.mark.parametrize(("name", "row"), [(TRAIN_LABELS, 6), (TEST_LABELS, 0)])
    def test_label_out_of_range(
        self, tmp_path: Path, make_set: Any, pack_idx: Any, name: str, row: int, label: int
    ) -> None:
        labels = make_set(tmp_path)[name]
        labels[row] = label
        (tmp_path / name).write_bytes(gzip.compress(pack_idx(labels)))
        with pytest.raises(ValueError, match=f"{name}: label: row {row} has {label}, wanted 0..9"):
            load_mnist(tmp_path)

    @pytest.mark.parametrize("name", mnist.FILES)
    def test_numbers_of_another_kind(
        self, tmp_path: Path, make_set: Any, pack_idx: Any, name: str
    ) -> None:
        array = make_set(tmp_path)[name].astype(np.int32)
        (tmp_path / name).write_bytes(gzip.compress(pack_idx(array)))
        with pytest.raises(ValueError, match=f"{name}: dtype code: int32, wanted uint8"):
            load_mnist(tmp_path)

    def test_images_and_labels_swapped(self, tmp_path: Path, make_set: Any) -> None:
        make_set(tmp_path)
        swapped = (tmp_path / TRAIN_IMAGES).read_bytes()
        (tmp_path / TRAIN_IMAGES).write_bytes((tmp_path / TRAIN_LABELS).read_bytes())
        (tmp_path / TRAIN_LABELS).write_bytes(swapped)
        with pytest.raises(ValueError, match=f"{TRAIN_LABELS}: dimension count: 3, wanted 1"):
            load_mnist(tmp_path)

    @pytest.mark.parametrize("name", mnist.FILES)
    def test_damaged_file(self, tmp_path: Path, make_set: Any, name: str) -> None:
        make_set(tmp_path)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-1])
        with pytest.raises(ValueError, match=f"{name}: gzip data: "):
            load_mnist(tmp_path)


class TestOfficial:
    def test_mnist(self, official: Path) -> None:
        (x_train, t_train), (x_test, t_test) = load_mnist(scaled=False)
        assert x_train.shape == (60000, 784)
        assert x_test.shape == (10000, 784)
        assert x_train.sum(dtype=np.int64) == 1567298545
        assert x_test.sum(dtype=np.int64) == 264923200
        train_counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert np.bincount(t_train).tolist() == train_counts
        test_counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert np.bincount(t_test).tolist() == test_counts
        assert t_test[:5].tolist() == [7, 2, 1, 0, 4]

    def test_fashion_mnist(self, official: Path) -> None:
        (x_train, t_train), (x_test, t_test) = load_fashion_mnist(official, scaled=False)
        assert x_train.sum(dtype=np.int64) == 3431114169
        assert x_test.sum(dtype=np.int64) == 573469082
        assert np.bincount(t_train).tolist() == [6000] * 10
        assert np.bincount(t_test).tolist() == [1000] * 10
        assert t_test[:5].tolist() == [9, 2, 1, 1, 6]

    def test_scaled(self, official: Path) -> None:
        (x_train, _), _ = load_mnist(official / "mnist")
        assert x_train.dtype == np.float32
        assert x_train.max() == 1
        assert abs(x_train.mean(dtype=np.float64) - 0.1306604762738429) < 1e-7

    def test_other_set_is_refused(self, official: Path) -> None:
        with pytest.raises(ValueError, match="labels of Fashion-MNIST, wanted those of MNIST"):
            load_mnist(official / "fashion-mnist")
        with pytest.raises(ValueError, match="labels of MNIST, wanted those of Fashion-MNIST"):
            load_fashion_mnist(official / "mnist")

    @pytest.mark.parametrize("remote", [mnist.MNIST, mnist.FASHION_MNIST], ids=lambda r: r.folder)
    def test_pinned_checksums(self, official: Path, remote: Any) -> None:
        assert set(remote.files) == set(mnist.FILES)
        for name, pinned in remote.files.items():
            content = (official / remote.folder / name).read_bytes()
            assert pinned.size == len(content)
            assert pinned.sha256 == hashlib.sha256(content).hexdigest()

    def test_examples_of_the_docstrings(self, official: Path, load: Any) -> None:
        """They need the files, so the doctest run leaves them out."""
        flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
        (test,) = doctest.DocTestFinder(recurse=False).find(load, load.__name__, globs={})
        for example in test.examples:
            example.options.pop(doctest.SKIP, None)
        result = doctest.DocTestRunner(optionflags=flags).run(test)
        assert result.attempted == 4
        assert result.failed == 0


def test_labels_of_another_set_are_refused_by_their_checksum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, path = np.arange(10, dtype=np.uint8), Path("t10k-labels")
    monkeypatch.setitem(mnist._TITLES, zlib.crc32(labels.data), "Fashion-MNIST")
    with pytest.raises(ValueError, match="t10k-labels: labels of Fashion-MNIST, wanted those of M"):
        mnist._require_set(SimpleNamespace(title="MNIST"), path, labels)
