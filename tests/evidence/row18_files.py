"""Row 18: hostile files, mutated with knowledge of their structure.

Models, checkpoints, ensembles, ``.safetensors``, IDX, CSV and ONNX files are taken apart, one or
two of their fields are changed, and they are put together again, checksums included. Where atheris
is installed, half of them are changed further where that reached new branches (`fuzz_files`).
Reading must return or raise a documented error, within a second, with little memory; an audit hook
watches for pickles, code, imports from elsewhere, processes and connections.
"""

from __future__ import annotations

import codecs
import copy
import gzip
import importlib.util
import re
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np

import affinet as an
import fuzz_files
from affinet import tables
from affinet.datasets import read_idx
from changed_files import mutated
from evidence import Row

FILES, QUICK_FILES, SECONDS, ROOM = 200, 30, 1.0, 64 << 20
ERRORS = (ValueError, TypeError, MemoryError, OSError)
BAD_EVENTS = (
    "pickle.find_class", "exec", "compile", "os.system", "subprocess.Popen", "socket.connect",
    "socket.bind", "os.exec", "os.posix_spawn", "ctypes.dlopen",
)  # fmt: skip
CORPUS = Path(__file__).parents[2] / ".ci" / "scratch" / "fuzz"  # grows from run to run
RUNS = 500
WATCH = {"on": False, "seen": []}


def audit(event, arguments):
    """Note what no file may cause."""
    if WATCH["on"] and event.startswith(BAD_EVENTS):
        WATCH["seen"].append((event, str(arguments)[:200]))


HOOKED = []


def sound_files(folder):
    """name: the bytes of a sound file, and the function that reads one."""
    net = an.Sequential(
        an.Affine.init(3, 4, rng=0), an.BatchNorm(4), an.LeakyReLU(0.1),
        an.Residual(an.Affine.init(4, 4, rng=1), an.Tanh()), an.Dropout(0.2, rng=3),
        an.Affine.init(4, 2, rng=2), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    x, t = np.ones((6, 3), np.float32), np.arange(6) % 2
    net.save(folder / "a.npz")
    an.Ensemble([net, copy.deepcopy(net)]).save(folder / "e.npz")
    net.fit(x, t, epochs=1, optimizer=an.Adam(), callbacks=[an.Checkpoint(folder / "c.npz")])
    made = {
        "model.npz": (folder / "a.npz", an.load),
        "ensemble.npz": (folder / "e.npz", an.Ensemble.load),
        "checkpoint.npz": (folder / "c.npz", resume),
    }
    if importlib.util.find_spec("safetensors"):
        net.save(folder / "a.safetensors")
        made["model.safetensors"] = (folder / "a.safetensors", an.load)
    if importlib.util.find_spec("onnx"):
        an.onnx.export(net, folder / "a.onnx")
        made["model.onnx"] = (folder / "a.onnx", an.onnx.load)
    (folder / "a.csv").write_text("a,b,c\n1,2.5,x\n3,nan,y\n-1e5,0,x\n")
    made["table.csv"] = (folder / "a.csv", read_table)
    (folder / "a-ubyte").write_bytes(struct.pack(">HBBII", 0, 8, 2, 3, 4) + bytes(12))
    made["array-ubyte"] = (folder / "a-ubyte", read_idx)
    (folder / "b-ubyte.gz").write_bytes(gzip.compress((folder / "a-ubyte").read_bytes()))
    made["array-ubyte.gz"] = (folder / "b-ubyte.gz", read_idx)
    return {name: (path.read_bytes(), read) for name, (path, read) in made.items()}


def resume(path):
    """Continue a training from a checkpoint."""
    net = an.load(path.with_name("sound.npz"))
    x, t = np.ones((6, 3), np.float32), np.arange(6) % 2
    net.fit(x, t, epochs=2, optimizer=an.Adam(), resume=path)


def read_table(path):
    return tables.read_table(path)


def prepare(folder):
    """The sound files, each read once: lazy imports are over before the attack."""
    if not HOOKED:
        for encoding in ("utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"):
            codecs.lookup(encoding)  # their modules are imported on first use
        sys.addaudithook(audit)
        HOOKED.append(audit)
    files = sound_files(folder)
    (folder / "sound.npz").write_bytes(files["model.npz"][0])
    for name, (data, read) in files.items():
        path = folder / name
        path.write_bytes(data)
        read(path)
    return files


def batch(b):
    """Files that are changed at random; every second batch of the long form is guided."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = prepare(folder)
        if b.quick:
            for name, data in fuzz_files.kept():
                if name in files:
                    attack(b, folder / name, data, files[name][1])
        elif b.index % 2 and importlib.util.find_spec("atheris"):
            guided(b, folder, list(files)[b.index // 2 % len(files)])
            return
        for _ in range(QUICK_FILES if b.quick else FILES):
            name = str(b.rng.choice(list(files)))
            data, read = files[name]
            attack(b, folder / name, mutated(b.rng, name, data), read)


def guided(b, folder, name):
    """One reader, guided by the coverage of affinet's Python code, in a process of its own."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, fuzz_files.__file__, name, str(CORPUS / name), f"-runs={RUNS}",
         f"-seed={b.index + 1}", f"-artifact_prefix={CORPUS}/found-{name}-"],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    runs = re.search(r"Done (\d+) runs", done.stderr)
    b.case(int(runs[1]) if runs else 0)
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", done.stderr)
    if reached:
        b.measure(f"{name}: edges of the readers reached under guidance", int(reached[-1][0]))
    why = re.findall(r"^RuntimeError: (.*)", done.stdout + done.stderr, re.MULTILINE)
    b.expect(done.returncode == 0 and runs, f"guided, {name}: {why[:1] or done.stderr[-300:]}")


def attack(b, path, data, read):
    """Read one hostile file under watch."""
    path.write_bytes(data)
    digest = f"{path.name} {zlib.crc32(data):08x}"
    WATCH["seen"].clear()
    tracemalloc.start()
    begin, WATCH["on"] = time.process_time(), True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except ERRORS:
        pass
    except BaseException as error:
        b.found(f"{digest}: {type(error).__name__}: {str(error)[:150]}")
    finally:
        WATCH["on"] = False
        seconds, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    b.case()
    b.measure("CPU seconds for a file", seconds)
    b.measure("MiB of memory beyond twice the file", (peak - 2 * len(data)) / 2**20)
    b.expect(seconds <= SECONDS, f"{digest}: {seconds:.2f} s")
    b.expect(peak <= 2 * len(data) + ROOM, f"{digest}: {peak >> 20} MiB for {len(data)} bytes")
    b.expect(not WATCH["seen"], f"{digest}: {WATCH['seen'][:2]}")


ROW = Row(
    number=18,
    title="Hostile files, half of them guided by coverage: models, checkpoints, ensembles, "
    ".safetensors, IDX, CSV, ONNX",
    holds="a documented error or a result, within a second of CPU time, with memory of at most "
    "twice the file and 64 MiB; no pickle, code, process or connection",
    aim=100_000,
    batch=batch,
    cases="files",
    also=("tests/files/test_damaged.py", "tests/files/test_damaged_descriptions.py"),
)
