"""Small IDX files, a folder of official ones, and a server that stands in for the mirrors."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from affinet.datasets import download, mnist
from affinet.datasets.download import Remote, RemoteFile

# Read before any test takes the variable away.
OFFICIAL = os.environ.get(mnist.VARIABLE)
REMOTES = (mnist.MNIST, mnist.FASHION_MNIST)

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}

Pack = Callable[..., bytes]
MakeSet = Callable[..., dict[str, np.ndarray[Any, Any]]]


@pytest.fixture(autouse=True)
def _nothing_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test finds the user's data, cache or proxy."""
    monkeypatch.delenv(mnist.VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def cache(pooch: ModuleType) -> Path:
        return tmp_path / "cache"

    monkeypatch.setattr(download, "cache_folder", cache)
    for name in ("MNIST", "FASHION_MNIST"):
        remote = replace(getattr(mnist, name), mirrors=())
        monkeypatch.setattr(mnist, name, remote)


@pytest.fixture
def official_remotes() -> tuple[Remote, ...]:
    """MNIST and Fashion-MNIST with their real mirrors, which no test contacts."""
    return REMOTES


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real files, with the variable set to it."""
    if not OFFICIAL:
        pytest.skip(f"needs MNIST and Fashion-MNIST: {mnist.VARIABLE} is not set")
    folder = Path(OFFICIAL)
    for remote in REMOTES:
        if not all((folder / remote.folder / name).is_file() for name in mnist.FILES):
            pytest.skip(f"needs {remote.title} in {folder / remote.folder}")
    monkeypatch.setenv(mnist.VARIABLE, OFFICIAL)
    return folder


@pytest.fixture(scope="session")
def pack_idx() -> Pack:
    """Bytes of an IDX file, with any part of the header replaced."""

    def pack(
        array: np.ndarray[Any, Any],
        *,
        zeros: bytes = b"\0\0",
        code: int | None = None,
        dimensions: int | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> bytes:
        code = CODES[array.dtype.str[1:]] if code is None else code
        shape = array.shape if shape is None else shape
        dimensions = len(shape) if dimensions is None else dimensions
        sizes = b"".join(size.to_bytes(4, "big") for size in shape)
        data = array.astype(array.dtype.newbyteorder(">")).tobytes()
        return zeros + bytes([code, dimensions]) + sizes + data

    return pack


@pytest.fixture(scope="session")
def make_set(pack_idx: Pack) -> MakeSet:
    """Writes the four files of a small set into a folder and returns their arrays."""

    def make(
        folder: Path, *, train: int = 7, test: int = 3, packed: bool = True, seed: int = 0
    ) -> dict[str, np.ndarray[Any, Any]]:
        rng = np.random.default_rng(seed)
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for part, rows in (("train", train), ("t10k", test)):
            arrays[f"{part}-images-idx3-ubyte.gz"] = rng.integers(
                0, 256, (rows, 28, 28), dtype=np.uint8
            )
            arrays[f"{part}-labels-idx1-ubyte.gz"] = rng.integers(0, 10, rows, dtype=np.uint8)
        for name, array in arrays.items():
            content = pack_idx(array)
            if packed:
                (folder / name).write_bytes(gzip.compress(content, mtime=0))
            else:
                (folder / name.removesuffix(".gz")).write_bytes(content)
        return arrays

    return make


@dataclass
class Server:
    """A mirror on this machine: its answers by path, and the requests that it received."""

    url: str
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    # As some servers do: a client that takes gzip gets the .gz as an encoding to be undone.
    encodes: bool = False
    cut: int | None = None  # bytes after which the connection breaks

    def serve(self, mirror: str, folder: Path) -> str:
        """Offer the files of ``folder`` under ``mirror``; its base URL."""
        for path in folder.iterdir():
            self.answers[f"/{mirror}/{path.name}"] = (200, path.read_bytes())
        return self.base(mirror)

    def base(self, mirror: str) -> str:
        return f"{self.url}/{mirror}/"

    def asked(self, mirror: str) -> list[str]:
        """The names of the files that ``mirror`` was asked for, in order."""
        prefix = f"/{mirror}/"
        return [path.removeprefix(prefix) for path in self.requests if path.startswith(prefix)]


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            status, body = state.answers.get(self.path, (404, b"not here"))
            self.send_response(status)
            if state.encodes and "gzip" in self.headers.get("Accept-Encoding", ""):
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        state = Server(f"http://127.0.0.1:{listener.server_address[1]}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        listener.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def describe() -> Callable[..., Remote]:
    """MNIST's description as if the files in a folder were the official ones."""

    def remote(folder: Path, *mirrors: str, like: Remote = mnist.MNIST) -> Remote:
        files = {}
        for name in mnist.FILES:
            content = (folder / name).read_bytes()
            files[name] = RemoteFile(hashlib.sha256(content).hexdigest(), len(content))
        return replace(like, mirrors=mirrors, files=files)

    return remote
