"""Downloads the files of a data set once, from the first mirror that has the right bytes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

_CHUNK = 1 << 16  # bytes
_TIMEOUT = 30.0  # seconds without receiving data


@dataclass(frozen=True)
class RemoteFile:
    """Checksum and size that a file must have, whichever mirror it comes from."""

    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class Remote:
    """A data set on several servers: base URLs in the order to try, and files by name."""

    title: str
    folder: str
    mirrors: tuple[str, ...]
    files: Mapping[str, RemoteFile]


def fetch(remote: Remote) -> dict[str, Path]:
    """The files of ``remote`` in the user's cache; those that are missing are downloaded.

    If a mirror fails, or its file has another size or SHA-256, the next mirror is tried. A file
    gets its name in the cache only after its checksum was verified.

    Raises
    ------
    ImportError
        pooch is not installed.
    OSError
        No mirror has a file, and the message lists the reason for each; or the cache can't be
        written.
    """
    pooch = _import_pooch(remote.title)
    folder = cache_folder(pooch) / remote.folder
    # Created here: if the cache can't be written, that is not a mirror's fault.
    folder.mkdir(parents=True, exist_ok=True)
    mirrors = list(remote.mirrors)
    return {name: _fetch_file(pooch, remote, name, folder, mirrors) for name in remote.files}


def cache_folder(pooch: ModuleType) -> Path:
    """The operating system's folder for files that can be downloaded again."""
    return Path(pooch.os_cache("affinet"))


def _import_pooch(title: str) -> ModuleType:
    try:
        return importlib.import_module("pooch")
    except ModuleNotFoundError as error:
        if error.name != "pooch":
            raise
        raise ImportError(
            f'downloading {title} needs pooch: pip install "affinet[data]", or pass data_dir, the '
            "folder with its four files"
        ) from error


def _fetch_file(
    pooch: ModuleType, remote: Remote, name: str, folder: Path, mirrors: list[str]
) -> Path:
    """One file; a mirror that fails moves to the end of ``mirrors`` for the next files."""
    wanted = remote.files[name]
    reasons: list[tuple[str, Exception]] = []
    for mirror in tuple(mirrors):
        try:
            found = pooch.retrieve(
                url=f"{mirror.rstrip('/')}/{name}",
                known_hash=f"sha256:{wanted.sha256}",
                fname=name,
                path=folder,
                downloader=partial(_download, limit=wanted.size),
            )
        except (OSError, ValueError) as error:  # every error of requests is an OSError
            reasons.append((mirror, error))
            mirrors.remove(mirror)
            mirrors.append(mirror)
        else:
            return Path(found)
    lines = "".join(f"\n  {mirror}: {reason}" for mirror, reason in reasons)
    raise OSError(
        f"{name} of {remote.title} could not be fetched; pass data_dir, the folder with its "
        f"four files, or try again later. Mirrors tried:{lines}"
    )


def _download(url: str, output_file: str, pooch: object, *, limit: int) -> None:
    """Fill pooch's temporary ``output_file`` over HTTP, with at most ``limit`` bytes.

    pooch's own downloader leaves the connection open if a server fails, and has no limit.
    """
    requests = importlib.import_module("requests")  # comes with pooch
    # Without "identity" a server may mark the .gz as an encoding, and requests would unpack it.
    headers = {"Accept-Encoding": "identity"}
    with (
        requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers) as response,
        open(output_file, "wb") as file,
    ):
        response.raise_for_status()
        for piece in response.iter_content(_CHUNK):
            if file.tell() + len(piece) > limit:
                # The checksum would find this too, but only after the disk is full.
                raise ValueError(f"the server sends more than the file's {limit} bytes")
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
