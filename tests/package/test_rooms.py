"""The import rules: a lower room never imports a higher one."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

import affinet

PACKAGE = Path(affinet.__file__).parent
KERNELS = Path(__file__).parents[2] / "kernels"

# Rooms from the lowest to the highest; those of one line may import each other, but not in circles.
FLOORS = (
    (
        *("_version", "_validation", "_foreign_names", "_attributes", "_process", "_forks"),
        *("_npy", "datasets", "tables"),
    ),
    ("_dispatch", "reference", "archive", "atomic"),
    (
        "parameters",
        "initializers",
        "layers",
        "losses",
        "optimizer_state",
        "optimizers",
        "metrics",
        "plateau",
        "precision",
        "threads",
        "thread_limit",
    ),
    ("schedules", "samplers", "replay"),
    ("network",),
    ("training",),
    ("tabular",),
    (
        "model_file",
        "calibration",
        "ensemble",
        "tuning",
        "export",
        "gradcheck",
        "conversion",
        "diagnostics",
        "live",
        "onnx",
        "distributed",
        "estimators",
        "plotting",
    ),
    ("bench",),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Inside functions a method may import a higher room for which it is the entry.
DOORS = {("network", "training"), ("network", "model_file")}
# The datasets import nothing about networks.
DATASETS_MAY_IMPORT = {"datasets", "_validation", "_version", "_npy"}


@dataclass(frozen=True)
class Import:
    """One import of a module of affinet by another."""

    source: str  # room
    target: str  # room
    at_import: bool  # runs when the module is imported
    where: str

    def __str__(self):
        return f"{self.where}: {self.source} imports {self.target}"


def room_of(module):
    """ "affinet.layers.base" lies in the room "layers"; "" is the package itself."""
    return ([*module.split("."), ""])[1]


def targets(node, known):
    """Modules of affinet that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute"
    return [
        name if (name := f"{node.module}.{alias.name}") in known else node.module
        for alias in node.names
    ]


def imports_in(tree, at_import=True):
    """Every import statement, and whether it runs when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        inner = at_import
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = False
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            inner = False
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_import
        else:
            yield from imports_in(node, inner)


def all_imports():
    files = {
        ".".join(("affinet", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): file
        for file in sorted(PACKAGE.rglob("*.py"))
    }
    found = []
    for module, file in files.items():
        if module == "affinet":
            continue  # its __init__ gathers the public names
        for node, at_import in imports_in(ast.parse(file.read_text(encoding="utf-8"))):
            for target in targets(node, files):
                if target.partition(".")[0] == "affinet":
                    where = f"{file.relative_to(PACKAGE)}:{node.lineno}"
                    found.append(Import(room_of(module), room_of(target), at_import, where))
    return found


IMPORTS = all_imports()


def test_the_walls_are_seen():
    """The reader of imports finds those that are known to be there."""
    assert any(i.source == "layers" and i.target == "_dispatch" for i in IMPORTS)
    assert any(
        i.source == "network" and i.target == "training" and not i.at_import for i in IMPORTS
    )
    tree = ast.parse(
        "if TYPE_CHECKING:\n    import affinet.cli\ndef f():\n    import affinet.cli\n"
    )
    assert [at_import for _, at_import in imports_in(tree)] == [False, False]
    tree = ast.parse("try:\n    import affinet.cli\nexcept ImportError:\n    pass\n")
    assert [at_import for _, at_import in imports_in(tree)] == [True]


def test_every_room_has_its_floor():
    rooms = {
        p.stem if p.is_file() else p.name for p in PACKAGE.iterdir() if p.suffix in ("", ".py")
    }
    assert rooms - {"__init__", "__pycache__", "_kernels", "py"} <= set(FLOOR)


def test_a_lower_room_never_imports_a_higher_one():
    upward = [
        i
        for i in IMPORTS
        if i.target in FLOOR
        and FLOOR[i.target] > FLOOR[i.source]
        and (i.at_import or (i.source, i.target) not in DOORS)
    ]
    assert not upward, "\n".join(map(str, upward))


def test_nobody_below_the_shell_imports_the_whole_package():
    whole = [i for i in IMPORTS if i.target == "" and i.source not in ("cli", "__main__")]
    assert not whole, "\n".join(map(str, whole))


def test_no_circles_between_rooms():
    graph = {room: set() for room in FLOOR}
    for i in IMPORTS:
        if i.at_import and i.target in FLOOR and i.target != i.source:
            graph[i.source].add(i.target)
    while leaves := [room for room, below in graph.items() if not below]:
        for leaf in leaves:
            del graph[leaf]
            for below in graph.values():
                below.discard(leaf)
    assert not graph, f"rooms that import each other in a circle: {graph}"


def test_the_datasets_know_nothing_of_networks():
    others = [i for i in IMPORTS if i.source == "datasets" and i.target not in DATASETS_MAY_IMPORT]
    assert not others, "\n".join(map(str, others))


def test_the_reference_is_never_a_fallback():
    users = [i for i in IMPORTS if i.target == "reference" and i.source != "reference"]
    assert not users, "\n".join(map(str, users))
    assert {i.target for i in IMPORTS if i.source == "reference"} == {"reference"}


def test_the_compiled_modules_have_one_door():
    direct = [
        i for i in IMPORTS if i.target == "_kernels" and (i.source != "_dispatch" or i.at_import)
    ]
    assert not direct, "\n".join(map(str, direct))
    for file in PACKAGE.rglob("*.py"):
        if file.name != "_dispatch.py":
            assert "_kernels" not in file.read_text(encoding="utf-8"), file


def test_every_door_is_used():
    through = {(i.source, i.target) for i in IMPORTS if not i.at_import}
    assert through >= DOORS


@pytest.mark.skipif(not KERNELS.is_dir(), reason="the kernels' sources are not here")
def test_the_kernels_know_nothing_of_affinet():
    for file in KERNELS.glob("*.pyx"):
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words and words[0] in ("import", "from", "cimport"):
                assert "affinet" not in line, f"{file.name}: {line}"
                assert "numpy" not in line, f"{file.name}: {line}"
