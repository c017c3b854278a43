"""Row 18: hostile files, mutated with knowledge of their structure.

Models, checkpoints, ensembles, ``.safetensors``, IDX, CSV and ONNX files are taken apart, one or
two of their fields are changed, and they are put together again, checksums included. Reading must
return or raise a documented error, within a second, with little memory; an audit hook watches for
pickles, code, imports from elsewhere, processes and connections.
"""

from __future__ import annotations

import codecs
import copy
import gzip
import importlib.util
import io
import json
import struct
import sys
import tempfile
import time
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

import affinet as an
from affinet import tables
from affinet.datasets import read_idx
from evidence import Row

FILES, QUICK_FILES, SECONDS, ROOM = 200, 30, 1.0, 64 << 20
ERRORS = (ValueError, TypeError, MemoryError, OSError)
BAD_EVENTS = (
    "pickle.find_class", "exec", "compile", "os.system", "subprocess.Popen", "socket.connect",
    "socket.bind", "os.exec", "os.posix_spawn", "ctypes.dlopen",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1,
    2**63, 2**64, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
)  # fmt: skip
TEXTS = (
    "", "a", "../../x", "/etc/passwd", "\0", "É" * 50, "Affine", "Residual", "__class__", "<f4",
    "x" * 10_000, "0", "None", "builtins.eval",
)  # fmt: skip
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


# Mutations ---------------------------------------------------------------------------------------


def flip(rng, data):
    """Some bytes changed, removed, doubled or cut off."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        if not data:
            break
        at, kind = int(rng.integers(len(data))), rng.integers(5)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + 8] = int(rng.choice([0, 255])).to_bytes(1, "big") * 8
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 3:
            data[at:at] = data[at : at + int(rng.integers(1, 200))]
        else:
            del data[at:]
    return bytes(data)


DEEP = "a list of lists"


def dumped(value):
    """JSON, in which lists are nested more deeply than Python's own writer can."""
    return json.dumps(value).replace(f'"{DEEP}"', "[" * 3000 + "]" * 3000)


def change_json(rng, value):
    """One value anywhere in a tree of JSON becomes another, or is gone."""
    places = []

    def walk(node):
        keys = node.keys() if isinstance(node, dict) else range(len(node))
        for key in list(keys):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    if not isinstance(value, dict | list):
        return TEXTS[rng.integers(len(TEXTS))]
    walk(value)
    if not places:
        return value
    node, key = places[rng.integers(len(places))]
    kind = rng.integers(6)
    if kind == 0:
        del node[key]
    elif kind == 1:
        node[key] = NUMBERS[rng.integers(len(NUMBERS))]
    elif kind == 2:
        node[key] = TEXTS[rng.integers(len(TEXTS))]
    elif kind == 3:
        other, its = places[rng.integers(len(places))]
        node[key] = copy.deepcopy(other[its])
    elif kind == 4:
        node[key] = ([], {}, None, True, [[]], {"type": "Affine"})[rng.integers(6)]
    else:
        node[key] = DEEP
    return value


def change_npy(rng, data):
    """An ``.npy`` whose header, or whose description, says something else."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.kind == "U" and rng.random() < 0.8:
        with_change = dumped(change_json(rng, json.loads(str(array[()]))))
        stream = io.BytesIO()
        np.save(stream, np.array(with_change))
        return stream.getvalue()
    length = int.from_bytes(data[8:10], "little")
    text, body = data[10 : 10 + length].decode("latin1"), data[10 + length :]
    kind = rng.integers(4)
    if kind == 0:
        text = text.replace("(", f"({NUMBERS[rng.integers(len(NUMBERS))]}, ", 1)
    elif kind == 1:
        dtypes = ("|O", "<c8", ">f8", "|V9", "<M8[s]", "<f2", "<U999999999", "|b1", "<i8")
        text = text.replace("<f4", str(rng.choice(dtypes)))
    elif kind == 2:
        text = text.replace("False", str(rng.choice(["True", "None", "[" * 900, "1e999"])))
    else:
        return flip(rng, data)
    return data[:8] + struct.pack("<H", len(text) % 65536) + text.encode("latin1") + body


def change_zip(rng, data):
    """A zip of which one member is changed, renamed, doubled or gone; checksums are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
    i, kind, stream = int(rng.integers(len(members))), rng.integers(8), io.BytesIO()
    name, content = members[i]
    if kind == 0:
        del members[i]
    elif kind == 1:
        members[i] = f"{TEXTS[rng.integers(len(TEXTS))]}.npy".replace("\0", "_"), content
    elif kind == 2:
        members.append(("bomb.npy", bytes(20_000_000)))
    else:
        with_description = [j for j, (_, held) in enumerate(members) if b"<U" in held[:80]]
        i = int(rng.choice(with_description)) if rng.random() < 0.6 and with_description else i
        members[i] = members[i][0], change_npy(rng, members[i][1])
    method = zipfile.ZIP_DEFLATED if rng.random() < 0.5 else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", method) as new:
        for name, content in members:
            new.writestr(name or "_", content)
    return stream.getvalue()


def change_safetensors(rng, data):
    length = int.from_bytes(data[:8], "little")
    header = change_json(rng, json.loads(data[8 : 8 + length]))
    if rng.random() < 0.5 and isinstance(header, dict):
        held = header.get("__metadata__")
        if isinstance(held, dict):
            for key, text in held.items():
                if isinstance(text, str) and text.startswith("{"):
                    held[key] = dumped(change_json(rng, json.loads(text)))
    text = dumped(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def change_onnx(rng, data):
    """A model with a changed field of a node, an initializer or the graph."""
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    kind = rng.integers(7)
    node = graph.node[rng.integers(len(graph.node))]
    held = graph.initializer[rng.integers(len(graph.initializer))]
    if kind == 0:
        node.op_type = str(rng.choice(["Loop", "If", "Gemm", "MatMul", "Add", "Relu", "", "Scan"]))
    elif kind == 1 and node.input:
        node.input[rng.integers(len(node.input))] = node.output[0]
    elif kind == 2:
        held.dims[:] = [int(rng.choice([0, -1, 2**31, 2**40, 3])) for _ in held.dims]
    elif kind == 3:
        held.data_type = int(rng.integers(0, 24))
    elif kind == 4:
        held.data_location = onnx.TensorProto.EXTERNAL
        held.external_data.add(key="location", value="/etc/passwd")
    elif kind == 5:
        held.raw_data = held.raw_data[: int(rng.integers(0, len(held.raw_data) + 1))]
    else:
        for entry in model.metadata_props:
            if entry.value.startswith("{"):
                entry.value = dumped(change_json(rng, json.loads(entry.value)))
    return model.SerializeToString()


def change_gzip(rng, data):
    return gzip.compress(flip(rng, gzip.decompress(data)) + bytes(int(rng.choice([0, 10**7]))))


def mutated(rng, name, data):
    """A file of this kind with one or two changes; a tenth are changed as mere bytes."""
    change = {
        ".npz": change_zip, ".safetensors": change_safetensors, ".onnx": change_onnx,
        ".gz": change_gzip,
    }.get(Path(name).suffix, flip)  # fmt: skip
    if rng.random() < 0.1:
        change = flip
    return change(rng, data)


# Reading -----------------------------------------------------------------------------------------


def batch(b):
    if not HOOKED:
        for encoding in ("utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"):
            codecs.lookup(encoding)  # their modules are imported on first use
        sys.addaudithook(audit)
        HOOKED.append(audit)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = sound_files(folder)
        (folder / "sound.npz").write_bytes(files["model.npz"][0])
        for name, (data, read) in files.items():  # lazy imports are over before the attack
            path = folder / name
            path.write_bytes(data)
            read(path)
        for _ in range(QUICK_FILES if b.quick else FILES):
            name = str(b.rng.choice(list(files)))
            data, read = files[name]
            attack(b, folder / name, mutated(b.rng, name, data), read)


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
    title="Hostile files: models, checkpoints, ensembles, .safetensors, IDX, CSV, ONNX",
    holds="a documented error or a result, within a second of CPU time, with memory of at most "
    "twice the file and 64 MiB; no pickle, code, process or connection",
    aim=100_000,
    batch=batch,
    cases="files",
    also=("tests/files/test_damaged.py", "tests/files/test_damaged_descriptions.py"),
)
