"""Peak memory of a fit on a memory-mapped data set, which must not grow with the data set.

Each fit runs in its own process. The peak that the system reports (getrusage) includes pages of the
mapped file, which belong to the system's cache and are dropped when memory is needed. The private
memory, which cannot be dropped, is sampled separately, every millisecond; this needs Linux.

    python benchmarks/mapped_memory.py FOLDER       # with x.npy and t.npy
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

import machine
import numpy as np
from affinet_networks import SequentialNetwork
from nets import first_parameters
from peers.cases import SEED_LR, SEED_PROGRAM
from peers.data import random_images

FACTORS = (1, 4)
BLOCK = 5_000  # rows
STATUS = Path("/proc/self/status")


def measure(rows: int) -> list[dict[str, Any]]:
    """A fit on ``rows`` images of 784 bytes, and one on four times as many, on one thread."""
    fits = []
    for factor in FACTORS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder, factor * rows)
            done = subprocess.run(
                [sys.executable, __file__, name],
                env=machine.thread_environment(1),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        fits.append(json.loads(done.stdout))
    return fits


def write(folder: Path, rows: int) -> None:
    """x.npy (rows, 784) and t.npy (rows,), uint8, a block at a time.

    A new process inherits its parent's peak, so the parent's must stay small.
    """
    with (folder / "x.npy").open("wb") as x, (folder / "t.npy").open("wb") as t:
        write_header(x, (rows, SEED_PROGRAM.widths[0]))
        write_header(t, (rows,))
        for start in range(0, rows, BLOCK):
            images, kinds = random_images(min(BLOCK, rows - start))
            x.write(images.tobytes())
            t.write(kinds.astype(np.uint8).tobytes())


def write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    """The header of NumPy's file format."""
    description = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, description)


def fit(folder: Path) -> dict[str, Any]:
    """Train for an epoch on the files in the folder; sizes in MB, of 1,000,000 bytes."""
    x, t = (np.load(folder / name, mmap_mode="r") for name in ("x.npy", "t.npy"))
    net = SEED_PROGRAM
    network = SequentialNetwork(first_parameters(net, "float32"), SEED_LR, input_scale=1 / 255)
    network.fit(np.asarray(x[: net.batch]), np.asarray(t[: net.batch]), net.batch, epochs=1)
    before = resident()
    with Watch() as watch:
        history = network.fit(x, t, net.batch, epochs=1)
    return {
        "rows": len(x),
        "data_mb": (x.nbytes + t.nbytes) / 1e6,
        "peak_mb": peak(),
        "mapped_mb": resident().get("RssFile"),
        "private_before_mb": before.get("RssAnon"),
        "private_peak_mb": watch.highest,
        "steps_run": history.step_kind,
    }


class Watch:
    """The highest private memory inside a ``with`` block; ``highest`` is None if unknown."""

    def __enter__(self) -> Watch:
        self.highest = resident().get("RssAnon")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while self.highest is not None and not self._over.is_set():
            self.highest = max(self.highest, resident()["RssAnon"])
            time.sleep(0.001)


def resident() -> dict[str, float]:
    """Memory of this process now, in MB, by kind; empty where the system does not report it."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    pairs = (line.split(":") for line in lines if line.startswith("Rss"))
    return {name: int(text.split()[0]) * 1024 / 1e6 for name, text in pairs}


def peak() -> float | None:
    """The peak memory of this process, in MB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    print(json.dumps(fit(Path(sys.argv[1]))))
