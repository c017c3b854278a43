"""A room's private names are its own: no other room of affinet touches or imports them.

What rooms above may ask of a network beyond its public face stands in ``affinet.network.inner``.
"""

import ast
from pathlib import Path

import affinet

PACKAGE = Path(affinet.__file__).parent
FILES = {
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts): ast.parse(
        file.read_text(encoding="utf-8")
    )
    for file in sorted(PACKAGE.rglob("*.py"))
}
NETWORKS_FACE = {"affinet.network", "affinet.network.inner"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def room_of(module):
    return module.partition(".")[0]


def own(node):
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def defined(tree):
    """Private names of attributes and methods that a file gives to its own classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and is_private(node.name):
            yield node.name
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and own(node):
            yield node.attr


def touched(tree):
    """Private attributes of other objects than ``self``, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not own(node):
            yield node.attr, node.lineno


def strangers(files):
    """Private names that a room touches though another one, and not it, defines them."""
    rooms = {}
    for module, tree in files.items():
        rooms.setdefault(room_of(module), set()).update(defined(tree))
    for module, tree in files.items():
        room = room_of(module)
        others = set().union(*(names for other, names in rooms.items() if other != room))
        for name, line in touched(tree):
            if name in others and name not in rooms[room]:
                yield f"{module}:{line}: {name}"


def test_no_room_touches_a_private_name_of_another():
    assert list(strangers(FILES)) == []


def test_the_search_finds_what_it_looks_for():
    files = {
        "network.one": ast.parse("class A:\n    def _f(self): self._x = 1"),
        "training": ast.parse("def g(net, a):\n    net._f(); a.b._x = 2; self._x"),
        "network.two": ast.parse("def h(net):\n    net._f()"),
    }
    assert sorted(strangers(files)) == ["training:2: _f", "training:2: _x"]


def test_private_functions_are_not_imported_by_other_files():
    found = [
        f"{module}:{node.lineno}: {alias.name}"
        for module, tree in FILES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("affinet.")
        for alias in node.names
        if is_private(alias.name)
    ]
    assert found == []


def test_other_rooms_know_the_networks_two_faces_only():
    found = [
        f"{module}:{node.lineno}: {node.module}"
        for module, tree in FILES.items()
        if room_of(module) != "network"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("affinet.network")
        and node.module not in NETWORKS_FACE
    ]
    assert found == []


def test_everything_of_the_inner_face_is_there_and_says_what_it_is():
    from affinet.network import inner

    for name in inner.__all__:
        assert getattr(inner, name).__doc__, name
