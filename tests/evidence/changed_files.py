"""Files that are taken apart, changed in a field or two, and put together again (row 18)."""

from __future__ import annotations

import copy
import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np

NUMBERS = (
    0, 1, -1, 2, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1,
    2**63, 2**64, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
)  # fmt: skip
TEXTS = (
    "", "a", "../../x", "/etc/passwd", "\0", "É" * 50, "Affine", "Residual", "__class__", "<f4",
    "x" * 10_000, "0", "None", "builtins.eval",
)  # fmt: skip


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
