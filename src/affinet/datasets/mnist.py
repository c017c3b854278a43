"""MNIST and Fashion-MNIST, from the four official IDX files of each."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affinet.datasets.download import Remote, RemoteFile, fetch
from affinet.datasets.idx import read_idx
from affinet.datasets.pixels import Splits, present

VARIABLE = "AFFINET_DATA_DIR"

_TRAIN = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
_TEST = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
FILES = _TRAIN + _TEST

MNIST = Remote(
    title="MNIST",
    folder="mnist",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    files={
        "train-images-idx3-ubyte.gz": RemoteFile(
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422
        ),
        "train-labels-idx1-ubyte.gz": RemoteFile(
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881
        ),
        "t10k-images-idx3-ubyte.gz": RemoteFile(
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877
        ),
        "t10k-labels-idx1-ubyte.gz": RemoteFile(
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542
        ),
    },
)
FASHION_MNIST = Remote(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    files={
        "train-images-idx3-ubyte.gz": RemoteFile(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880
        ),
        "train-labels-idx1-ubyte.gz": RemoteFile(
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515
        ),
        "t10k-images-idx3-ubyte.gz": RemoteFile(
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102
        ),
        "t10k-labels-idx1-ubyte.gz": RemoteFile(
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148
        ),
    },
)
# Both sets have the same file names; the CRC-32 of the test labels tells them apart.
_TITLES = {0xEE8604D9: MNIST.title, 0x242BC73F: FASHION_MNIST.title}


def load_mnist(
    data_dir: str | os.PathLike[str] | None = None, scaled: bool = True, *, flatten: bool = True
) -> Splits:
    """Load MNIST: 70,000 handwritten digits of 28 x 28 pixels.

    Parameters
    ----------
    data_dir : str or path, optional
        The folder of the four files ``train-images-idx3-ubyte.gz``, ``train-labels-idx1-ubyte.gz``,
        ``t10k-images-idx3-ubyte.gz`` and ``t10k-labels-idx1-ubyte.gz`` (or unpacked, without
        ``.gz``), or a folder with a subfolder ``mnist`` that holds them, which takes precedence.
        By default the environment variable ``AFFINET_DATA_DIR`` names it; without either, the files
        are downloaded once into the user's cache (needs pooch, the extra ``data``).
    scaled : bool, default True
        True: x is float32, pixels / 255, so 0..1. False: x is uint8, 0..255.
    flatten : bool, default True
        True: a row of x has 784 numbers, pixel rows one after the other. False: it is (28, 28).

    Returns
    -------
    (x_train, t_train), (x_test, t_test)
        x_train (60000, 784) or (60000, 28, 28), x_test (10000, 784) or (10000, 28, 28); t_train
        (60000,) and t_test (10000,) are int64 labels 0..9. Every call returns new arrays.

    Raises
    ------
    FileNotFoundError
        The folder does not exist or lacks a file; the message names both.
    ValueError
        A file is damaged, of another kind or inconsistent with its partner, or the folder holds the
        other data set. The message names the file and the field.
    ImportError
        The files must be downloaded and pooch is not installed.
    OSError
        No mirror has the files; the message lists each mirror with its reason.

    Notes
    -----
    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998), Gradient-based learning applied to
    document recognition, Proceedings of the IEEE 86(11), https://doi.org/10.1109/5.726791.
    Downloads are verified by pinned SHA-256 checksums.

    Examples
    --------
    >>> from affinet.datasets import load_mnist
    >>> (x_train, t_train), (x_test, t_test) = load_mnist()  # doctest: +SKIP
    >>> x_train.shape, x_test.shape  # doctest: +SKIP
    ((60000, 784), (10000, 784))
    >>> t_train[:5].tolist()  # doctest: +SKIP
    [5, 0, 4, 1, 9]
    """
    return _load(MNIST, data_dir, scaled, flatten)


def load_fashion_mnist(
    data_dir: str | os.PathLike[str] | None = None, scaled: bool = True, *, flatten: bool = True
) -> Splits:
    """Load Fashion-MNIST: 70,000 images of clothes, 28 x 28 pixels, in MNIST's format.

    The labels 0..9 mean T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker,
    bag and ankle boot.

    Parameters
    ----------
    data_dir : str or path, optional
        The folder of the four files, which have the same names as MNIST's, or a folder with the
        subfolder ``fashion-mnist`` that holds them; otherwise as in `load_mnist`.
    scaled : bool, default True
        True: x is float32, pixels / 255, so 0..1. False: x is uint8, 0..255.
    flatten : bool, default True
        True: a row of x has 784 numbers, pixel rows one after the other. False: it is (28, 28).

    Returns
    -------
    (x_train, t_train), (x_test, t_test)
        x_train (60000, 784) or (60000, 28, 28), x_test (10000, 784) or (10000, 28, 28); t_train
        (60000,) and t_test (10000,) are int64 labels 0..9. Every call returns new arrays.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError, OSError
        As `load_mnist`.

    Notes
    -----
    Source: H. Xiao, K. Rasul and R. Vollgraf (2017), Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms, https://arxiv.org/abs/1708.07747, MIT licence.

    Examples
    --------
    >>> from affinet.datasets import load_fashion_mnist
    >>> (x_train, t_train), (x_test, t_test) = load_fashion_mnist(scaled=False)  # doctest: +SKIP
    >>> x_train.dtype, x_train.shape  # doctest: +SKIP
    (dtype('uint8'), (60000, 784))
    >>> t_train[:5].tolist()  # doctest: +SKIP
    [9, 0, 0, 3, 0]
    """
    return _load(FASHION_MNIST, data_dir, scaled, flatten)


def _load(
    remote: Remote, data_dir: str | os.PathLike[str] | None, scaled: bool, flatten: bool
) -> Splits:
    paths = _paths(remote, data_dir)
    train = _read_rows(*(paths[name] for name in _TRAIN))
    test = _read_rows(*(paths[name] for name in _TEST))
    _require_set(remote, paths[_TEST[1]], test[1])
    return present(*train, 255, scaled, flatten), present(*test, 255, scaled, flatten)


def _paths(remote: Remote, data_dir: str | os.PathLike[str] | None) -> dict[str, Path]:
    """Paths of the four files: in the given folder, the environment variable's, or the cache."""
    if data_dir is not None:
        # A bool is probably meant for `scaled`.
        if not isinstance(data_dir, str | os.PathLike):
            raise TypeError(f"data_dir must be a str or a path, got {data_dir!r}")
        return _find(remote, Path(data_dir).expanduser(), "data_dir")
    if named := os.environ.get(VARIABLE):
        return _find(remote, Path(named).expanduser(), VARIABLE)
    return fetch(remote)


def _find(remote: Remote, root: Path, origin: str) -> dict[str, Path]:
    """The four files in ``root/<the set's folder>`` or ``root``, whichever has more of them."""
    # The subfolder first: its name says which data set it is.
    folders = (root / remote.folder, root)
    found, folder = max(
        ((_present(folder), folder) for folder in folders), key=lambda pair: len(pair[0])
    )
    missing = ", ".join(name for name in FILES if name not in found)
    if not missing:
        return found
    if found:
        raise FileNotFoundError(f"{origin}: {folder} lacks {missing} of {remote.title}")
    raise FileNotFoundError(
        f"{origin}: neither {folders[1]} nor {folders[0]} holds the files of {remote.title}: "
        f"{missing}"
    )


def _present(folder: Path) -> dict[str, Path]:
    """The files in ``folder``, packed or not, by their official names."""
    found = {}
    for name in FILES:
        for path in (folder / name, folder / name.removesuffix(".gz")):
            if path.is_file():
                found[name] = path
                break
    return found


def _read_rows(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (N, 28, 28) and labels (N,) that belong together."""
    labels = read_idx(labels_path, dtype=np.uint8, shape=(None,))
    bad = np.flatnonzero(labels > 9)
    if bad.size:
        raise ValueError(f"{labels_path}: label: row {bad[0]} has {labels[bad[0]]}, wanted 0..9")
    images = read_idx(images_path, dtype=np.uint8, shape=(None, 28, 28))
    if len(images) != len(labels):
        raise ValueError(
            f"{images_path}: count: {len(images)} images, "
            f"but {labels_path} has {len(labels)} labels"
        )
    return images, labels


def _require_set(remote: Remote, path: Path, test_labels: NDArray[np.uint8]) -> None:
    title = _TITLES.get(zlib.crc32(test_labels.data), remote.title)
    if title != remote.title:
        raise ValueError(f"{path}: labels of {title}, wanted those of {remote.title}")
