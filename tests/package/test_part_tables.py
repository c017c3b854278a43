"""Every table of parts in the tests holds every public part; a forgotten one fails here.

Tables derive from the rows in ``tests/support/parts``. Those written by hand are found in the
sources: module constants by their names, and literals that list several parts of a kind.
"""

import ast
import importlib.util
import inspect
import sys
from pathlib import Path

import pytest

import affinet as an
import parts.activations
import parts.layers
import parts.losses
import parts.optimizers
from affinet.layers.activations import Activation

TESTS = Path(__file__).parents[1]
SOURCES = sorted(path for path in TESTS.rglob("*.py") if "data" not in path.parts)
KINDS = {
    "ACTIVATIONS": Activation,
    "LAYERS": an.Layer,
    "LOSSES": an.Loss,
    "OPTIMIZERS": an.Optimizer,
}
# A rule that needs the shapes of arrays, those of the tables are flat; a loss of pairs of outputs.
# See optimizers/test_muon.py and losses/test_gaussian.py.
APART = {"Muon", "Gaussian"}
SEVERAL = 4  # a literal with so many parts of a kind is a table


def public(kind):
    """Names of the public classes of a kind that can be constructed."""
    found = {name: getattr(an, name) for name in an.__all__}
    return {
        name
        for name, value in found.items()
        if inspect.isclass(value) and issubclass(value, kind) and not inspect.isabstract(value)
    }


PUBLIC = {name: public(kind) - APART for name, kind in KINDS.items()}
ROWS = {
    "ACTIVATIONS": parts.activations.ACTIVATIONS,
    "LAYERS": parts.layers.LAYERS,
    "LOSSES": parts.losses.LOSSES,
    "OPTIMIZERS": parts.optimizers.OPTIMIZERS,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_public_part_has_a_row_and_every_row_a_part(kind):
    assert PUBLIC[kind]
    assert set(ROWS[kind]) == PUBLIC[kind]


def made_by(kind, name):
    row = ROWS[kind][name]
    return parts.layers.make(name) if kind == "LAYERS" else row.make(*[0.1] * (kind[0] == "O"))


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in ROWS for n in ROWS[k]])
def test_a_row_makes_its_part_with_settings_of_its_own(kind, name):
    """Of the numbers that a part takes, one at least is not the default."""
    made = made_by(kind, name)
    assert type(made).__name__ == name
    settings = made.config()
    defaults = {
        key: parameter.default
        for key, parameter in inspect.signature(type(made)).parameters.items()
        if key in settings and parameter.default is not inspect.Parameter.empty
    }
    if defaults:
        every = [made.config(), *(variant.config() for variant in variants_of(kind, name))]
        assert any(settings[key] != defaults[key] for settings in every for key in defaults)


def variants_of(kind, name):
    arguments = {"LAYERS": (3, "float64"), "OPTIMIZERS": (0.1,)}.get(kind, ())
    return [make(*arguments) for make in ROWS[kind][name].variants.values()]


def test_all_that_is_not_exact_has_an_oracle():
    for name, row in parts.activations.ACTIVATIONS.items():
        assert row.exact == (row.oracle is None), name


# Tables written by hand --------------------------------------------------------------------------


def constants(path):
    """Module constants of a source that are named as tables are."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (n.id for n in names if isinstance(n, ast.Name) and n.id in KINDS)


NOT_TABLES = {("kernels/test_forward.py", "LAYERS")}  # the operations of one network
# Affine stands between the others there, codes only in front of them.
LEFT_OUT = {"training/test_speeds.py": {"Affine", "Embedding"}}
TABLES = [
    (place, name)
    for path in SOURCES
    if "parts" not in path.parts
    for name in constants(path)
    if (place := path.relative_to(TESTS).as_posix(), name) not in NOT_TABLES
]


def names_in(table):
    """Names of parts that a table holds: by its keys, or by its items."""
    for item in table:
        if isinstance(item, str):
            yield item.partition(",")[0].partition(" ")[0]
        else:
            yield item.__name__ if inspect.isclass(item) else type(item).__name__


@pytest.mark.parametrize(("place", "name"), TABLES)
def test_a_table_holds_every_part(place, name, monkeypatch):
    spec = importlib.util.spec_from_file_location("module_with_a_table", TESTS / place)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    missing = PUBLIC[name] - set(names_in(getattr(module, name))) - LEFT_OUT.get(place, set())
    assert not missing, f"{place}: {name} lacks {sorted(missing)}"


def test_tables_are_found():
    assert len(TABLES) >= 8
    assert {name for _, name in TABLES} == set(KINDS)


def part_in(node):
    """The X of ``an.X`` that an item stands for: X, X(...), lambda: X(...), (X, ...); or None."""
    if isinstance(node, ast.Lambda):
        return part_in(node.body)
    if isinstance(node, ast.Call):
        return part_in(node.func)
    if isinstance(node, ast.Tuple):
        return part_in(node.elts[0]) if node.elts else None
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("an", "affinet"):
        return node.attr
    return None


def lists_of_parts(source):
    """(line, kind, names) of literals whose items are all parts of a kind, none of them twice."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            columns = [node.keys, node.values]
        else:
            columns = [getattr(node, "elts", [])]
        for items in columns:
            names = [part_in(item) for item in items if item is not None]
            for kind, known in PUBLIC.items():
                if len(names) >= SEVERAL and len({*names}) == len(names) and {*names} <= known:
                    yield node.lineno, kind, {*names}


# The four optimizers of the textbook picture in test_classic_style.py, with the book's rates, and
# the layers whose operations have arrays in test_changes.py.
BOOK = {"SGD", "Momentum", "AdaGrad", "Adam"}
WITH_ARRAYS = {"BatchNorm", "Embedding", "PeriodicEmbedding", "PiecewiseEmbedding"}
CHOSEN = [("test_classic_style.py", BOOK), ("test_changes.py", WITH_ARRAYS)]  # parts of a list


def test_a_list_of_parts_is_whole():
    lacking = [
        f"{path.relative_to(TESTS)}:{line} lacks of {kind} {sorted(PUBLIC[kind] - names)}"
        for path in SOURCES
        for line, kind, names in lists_of_parts(path.read_text(encoding="utf-8"))
        if names != PUBLIC[kind] and (path.name, names) not in CHOSEN
    ]
    assert not lacking, "\n".join(lacking)


@pytest.mark.parametrize(
    "source",
    [
        "LOSSES = {an.SoftmaxWithLoss: A, an.MeanSquaredError: B, an.Huber: C, an.Poisson: D}",
        "for o in (an.SGD(), an.Adam(), an.Momentum(0.1), an.AdaGrad()): pass",
        "x = {'a': lambda: an.ReLU(), 'b': an.Tanh, 'c': (an.GELU, 1), 'd': an.SiLU()}",
    ],
)
def test_a_list_that_lacks_a_part_is_found(source):
    ((_, kind, names), *_) = lists_of_parts(source)
    assert len(names) == SEVERAL
    assert names < PUBLIC[kind]
