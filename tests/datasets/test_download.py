from __future__ import annotations

import gzip
import importlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from affinet.datasets import download, load_fashion_mnist, load_mnist, mnist
from affinet.datasets.download import Remote

pooch = pytest.importorskip("pooch", reason="needs pooch, the extra `data`")


@pytest.fixture
def origin(tmp_path: Path, make_set: Any) -> Path:
    """What good mirrors hold."""
    folder = tmp_path / "origin"
    make_set(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "mnist"


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, origin: Path, describe: Any) -> Any:
    """Makes the files of ``origin`` MNIST, available from the given mirrors."""

    def use(*mirrors: str) -> None:
        monkeypatch.setattr(mnist, "MNIST", describe(origin, *mirrors))

    return use


@pytest.fixture
def nobody() -> Iterator[str]:
    """A base URL where no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


def cached(cache: Path) -> set[str]:
    """Every name in the cache, so that a leftover shows."""
    return {path.name for path in cache.rglob("*")} if cache.exists() else set()


def reasons(error: BaseException) -> list[str]:
    """The lines of the message, one for each mirror."""
    return [line.strip() for line in str(error).splitlines()[1:]]


class TestGoodMirror:
    def test_first_is_enough(self, server: Any, origin: Path, cache: Path, use: Any) -> None:
        use(server.serve("a", origin), server.serve("b", origin))
        (x_train, t_train), (x_test, t_test) = load_mnist(scaled=False)
        (y_train, u_train), (y_test, u_test) = load_mnist(origin, scaled=False)
        for came, wanted in (
            (x_train, y_train),
            (t_train, u_train),
            (x_test, y_test),
            (t_test, u_test),
        ):
            np.testing.assert_array_equal(came, wanted)
        assert sorted(server.asked("a")) == sorted(mnist.FILES)
        assert server.asked("b") == []
        assert cached(cache) == set(mnist.FILES)
        for name in mnist.FILES:
            assert (cache / name).read_bytes() == (origin / name).read_bytes()

    def test_base_without_a_slash(self, server: Any, origin: Path, use: Any) -> None:
        use(server.serve("a", origin).rstrip("/"))
        load_mnist()
        assert sorted(server.asked("a")) == sorted(mnist.FILES)

    def test_second_load_asks_nobody(self, server: Any, origin: Path, use: Any) -> None:
        use(server.serve("a", origin))
        first = load_mnist()
        server.requests.clear()
        second = load_mnist()
        assert server.requests == []
        np.testing.assert_array_equal(first[0][0], second[0][0])

    def test_damaged_cache_is_fetched_again(
        self, server: Any, origin: Path, cache: Path, use: Any
    ) -> None:
        use(server.serve("a", origin))
        load_mnist()
        server.requests.clear()
        name = mnist.FILES[1]
        (cache / name).write_bytes(b"damaged")
        load_mnist()
        assert server.asked("a") == [name]
        assert (cache / name).read_bytes() == (origin / name).read_bytes()

    def test_each_set_has_its_folder(
        self,
        tmp_path: Path,
        server: Any,
        origin: Path,
        use: Any,
        make_set: Any,
        describe: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        use(server.serve("a", origin))
        clothes = tmp_path / "clothes"
        make_set(clothes, seed=5)
        remote = describe(clothes, server.serve("b", clothes), like=mnist.FASHION_MNIST)
        monkeypatch.setattr(mnist, "FASHION_MNIST", remote)
        digits, fashion = load_mnist(), load_fashion_mnist()
        assert not np.array_equal(digits[0][0], fashion[0][0])
        assert {path.name for path in (tmp_path / "cache").iterdir()} == {"mnist", "fashion-mnist"}

    def test_server_that_unpacks(self, server: Any, origin: Path, cache: Path, use: Any) -> None:
        server.encodes = True
        use(server.serve("a", origin))
        load_mnist()
        assert cached(cache) == set(mnist.FILES)


class TestBadMirror:
    def test_404_leads_to_the_next(self, server: Any, origin: Path, cache: Path, use: Any) -> None:
        use(server.base("gone"), server.serve("good", origin))
        load_mnist()
        assert cached(cache) == set(mnist.FILES)
        # The other files are not requested from the mirror that failed.
        assert len(server.asked("gone")) == 1
        assert sorted(server.asked("good")) == sorted(mnist.FILES)

    def test_wrong_bytes_lead_to_the_next(
        self, server: Any, origin: Path, cache: Path, use: Any
    ) -> None:
        good, bad = server.serve("good", origin), server.serve("bad", origin)
        for name in mnist.FILES:
            content = bytearray((origin / name).read_bytes())
            content[len(content) // 2] ^= 1
            server.answers[f"/bad/{name}"] = (200, bytes(content))
        use(bad, good)
        load_mnist()
        assert len(server.asked("bad")) == 1
        for name in mnist.FILES:
            assert (cache / name).read_bytes() == (origin / name).read_bytes()

    def test_mirror_that_lacks_one_file(
        self, server: Any, origin: Path, cache: Path, use: Any
    ) -> None:
        use(server.serve("a", origin), server.serve("b", origin))
        name = mnist.FILES[2]
        del server.answers[f"/a/{name}"]
        load_mnist()
        assert name in server.asked("b")
        assert cached(cache) == set(mnist.FILES)

    def test_nobody_listens(
        self, server: Any, origin: Path, cache: Path, use: Any, nobody: str
    ) -> None:
        use(nobody, server.serve("good", origin))
        load_mnist()
        assert cached(cache) == set(mnist.FILES)

    def test_too_long_a_file_is_not_taken_whole(
        self, server: Any, origin: Path, cache: Path, use: Any
    ) -> None:
        use(server.serve("a", origin))
        name = mnist.FILES[0]
        server.answers[f"/a/{name}"] = (200, (origin / name).read_bytes() + b"x")
        with pytest.raises(OSError, match="the server sends more than the file's"):
            load_mnist()
        assert cached(cache) == set()

    def test_connection_breaks(self, server: Any, origin: Path, cache: Path, use: Any) -> None:
        server.cut = 100
        use(server.serve("a", origin))
        with pytest.raises(OSError, match="could not be fetched") as caught:
            load_mnist()
        assert len(reasons(caught.value)) == 1
        assert cached(cache) == set()


class TestAllFail:
    def test_each_mirror_and_its_reason_is_listed(
        self, server: Any, origin: Path, cache: Path, use: Any, nobody: str
    ) -> None:
        bad = server.serve("bad", origin)
        name = mnist.FILES[0]
        server.answers[f"/bad/{name}"] = (200, gzip.compress(b"not it"))
        server.answers[f"/broken/{name}"] = (500, b"")
        mirrors = (server.base("gone"), bad, server.base("broken"), nobody)
        use(*mirrors)
        with pytest.raises(OSError, match=f"{name} of MNIST could not be fetched") as caught:
            load_mnist()
        lines = reasons(caught.value)
        for line, mirror, reason in zip(
            lines, mirrors, ("404", "hash", "500", "127.0.0.1"), strict=True
        ):
            assert line.startswith(f"{mirror}: ")
            assert reason in line.removeprefix(f"{mirror}: ")
        assert "data_dir" in str(caught.value)
        assert cached(cache) == set()

    def test_nothing_half_written_remains(
        self, server: Any, origin: Path, cache: Path, use: Any
    ) -> None:
        last = mnist.FILES[-1]
        use(server.serve("a", origin))
        del server.answers[f"/a/{last}"]
        with pytest.raises(OSError, match=f"{last} of MNIST"):
            load_mnist()
        # Whole files may stay for the next try; they were compared.
        assert cached(cache) == set(mnist.FILES) - {last}
        server.requests.clear()
        server.answers[f"/a/{last}"] = (200, (origin / last).read_bytes())
        load_mnist()
        assert server.asked("a") == [last]

    def test_interrupt_leaves_nothing(
        self,
        server: Any,
        origin: Path,
        cache: Path,
        use: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        use(server.serve("a", origin))

        def interrupt(file: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_mnist()
        assert cached(cache) == set()

    def test_unwritable_cache_is_no_mirrors_fault(
        self, server: Any, origin: Path, cache: Path, use: Any
    ) -> None:
        use(server.serve("a", origin))
        cache.parent.write_text("a file where a folder should be")
        with pytest.raises(OSError, match="cache") as caught:
            load_mnist()
        assert "could not be fetched" not in str(caught.value)
        assert server.requests == []


class TestNoNetwork:
    def test_folder_given_fetches_nothing(self, server: Any, origin: Path, use: Any) -> None:
        use(server.serve("a", origin))
        load_mnist(origin)
        with pytest.raises(FileNotFoundError):
            load_mnist(origin / "absent")
        assert server.requests == []

    def test_variable_fetches_nothing(
        self, server: Any, origin: Path, use: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(server.serve("a", origin))
        monkeypatch.setenv(mnist.VARIABLE, str(origin / "absent"))
        with pytest.raises(FileNotFoundError, match=mnist.VARIABLE):
            load_mnist()
        assert server.requests == []

    def test_empty_variable_counts_as_unset(
        self, server: Any, origin: Path, use: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(server.serve("a", origin))
        monkeypatch.setenv(mnist.VARIABLE, "")
        load_mnist()
        assert server.requests != []


class TestWithoutPooch:
    @pytest.fixture
    def hide(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        def hide(missing: str) -> None:
            real = importlib.import_module

            def import_module(name: str, package: str | None = None) -> ModuleType:
                if name == "pooch":
                    raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
                return real(name, package)

            monkeypatch.setattr(importlib, "import_module", import_module)

        return hide

    @pytest.mark.parametrize("load", [load_mnist, load_fashion_mnist])
    def test_says_what_to_do(self, hide: Any, load: Any) -> None:
        hide("pooch")
        with pytest.raises(ImportError, match=r'pip install "affinet\[data\]", or pass data_dir'):
            load()

    def test_folder_needs_no_pooch(self, hide: Any, origin: Path) -> None:
        hide("pooch")
        load_mnist(origin)

    def test_broken_pooch_is_not_called_missing(self, hide: Any) -> None:
        hide("requests")
        with pytest.raises(ModuleNotFoundError, match="requests"):
            load_mnist()


def test_official_mirrors_are_bases_of_urls(official_remotes: tuple[Remote, ...]) -> None:
    for remote in official_remotes:
        assert len(remote.mirrors) >= 2
        assert len(set(remote.mirrors)) == len(remote.mirrors)
        for mirror in remote.mirrors:
            assert mirror.startswith(("https://", "http://"))
            assert mirror.endswith("/")


def test_cache_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert download.cache_folder(pooch) == pooch.os_cache("affinet")
