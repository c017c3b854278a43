"""The state that forward saves for backward, recorded per network so that parts can be shared.

Layers and losses store what their backward needs in their own attributes. One object may be part of
two networks, or be called by itself between a network's forward and its backward; the attributes
then hold the state of another forward. So a network saves them after its forward and restores them
before its backward, by the names that a part declares in ``keeps``. For a part that declares
nothing, such as a custom layer, only misuse can be detected: another network used it, or its
attributes were replaced. Its backward is then refused.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from affinet._forks import ForkSafeLock
from affinet.layers.tree import walk


class Desk:
    """A custom part, and the network that used it last."""

    __slots__ = ("__weakref__", "part", "user")

    def __init__(self, part: Any) -> None:
        self.part = part  # a reference, so that its id is not reused
        self.user: object = None


_DESKS: weakref.WeakValueDictionary[int, Desk] = weakref.WeakValueDictionary()
_LOCK = ForkSafeLock()


def desk_of(part: Any) -> Desk:
    """The single desk of a part, shared by all its networks."""
    with _LOCK:
        return _DESKS.setdefault(id(part), Desk(part))


class Undeclared:
    """A custom part that does not declare what its forward stores."""

    __slots__ = ("attributes", "desk", "left", "token", "what")

    def __init__(self, part: Any, what: str) -> None:
        self.attributes: dict[str, Any] = getattr(part, "__dict__", {})
        self.desk = desk_of(part)
        self.what, self.token = what, object()
        self.left: dict[str, Any] = {}

    def enter(self) -> None:
        """Record that this network uses the part now."""
        self.desk.user = self.token

    def note(self) -> None:
        """Record the arrays that the forward left."""
        self.left = {name: v for name, v in self.attributes.items() if holds_array(v)}

    def put_back(self) -> None:
        """Raise unless the part still holds the state of this network's forward."""
        if self.desk.user is not self.token:
            why = "another network ran through it"
        elif changed := self.changed():
            why = f"its attributes {', '.join(changed)} were set"
        else:
            return
        raise RuntimeError(
            f"backward: {self.what} {self.desk.part!r} no longer holds what this network's forward "
            f"left, {why} since; call forward again, give each network its own object, or "
            "name in a class attribute keeps = (...) what its forward keeps for its backward"
        )

    def changed(self) -> list[str]:
        """Names of attributes whose arrays were replaced by other objects."""
        now = self.attributes
        return [name for name, value in self.left.items() if now.get(name) is not value]


def holds_array(value: Any) -> bool:
    """True for an array, or a list, tuple or dict that contains one."""
    if isinstance(value, list | tuple | dict):
        inside = value.values() if isinstance(value, dict) else value
        return any(isinstance(each, np.ndarray) for each in inside)
    return isinstance(value, np.ndarray)


class Kept:
    """The state that a network's last forward saved for its backward.

    Parameters
    ----------
    layers : tuple of layers

    Attributes
    ----------
    loss : loss object or None
        The loss of the last forward, if it had targets.
    out : array or None
        The outputs of the last forward.
    shape : tuple of int or None
        Shape of these outputs; None if there was no forward since a backward was last refused.
    """

    def __init__(self, layers: Iterable[Any]) -> None:
        # Where the parts that declare it keep their state: the part's attributes and a name. These
        # are flat lists because every step goes through them.
        self.layer_places: list[tuple[dict[str, Any], str]] = []
        self.layer_custom: list[Undeclared] = []
        for path, layer in walk(layers):
            sort_in(layer, f"layer {path}", self.layer_places, self.layer_custom)
        self.places, self.custom = self.layer_places, self.layer_custom
        self.left: list[Any] = []
        self.loss: Any = None
        self.out: Any = None
        self.shape: tuple[int, ...] | None = None

    def enter(self, loss: Any = None) -> None:
        """Begin a forward, with this loss if it has targets."""
        self.forget()
        if loss is not self.loss:
            self.loss = loss
            self.places, self.custom = self.layer_places, self.layer_custom
            if loss is not None:
                self.places, self.custom = self.places.copy(), self.custom.copy()
                sort_in(loss, "the loss", self.places, self.custom)
        for part in self.custom:  # of the others, what was left is put back before it is needed
            part.enter()

    def note(self, out: Any) -> None:
        """Save the state after the forward that returned these outputs."""
        self.left = [attributes.get(name) for attributes, name in self.places]
        for part in self.custom:
            part.note()
        self.out, self.shape = out, out.shape if type(out) is np.ndarray else np.shape(out)

    def note_again(self) -> None:
        """Record the state of custom parts after a backward, so that backward can be repeated."""
        if self.shape is not None:
            for part in self.custom:
                part.note()

    def put_back(self) -> None:
        """Restore every part's state from this network's forward; RuntimeError if it is lost."""
        if self.shape is None:
            raise RuntimeError("Sequential.backward came before forward")
        for (attributes, name), value in zip(self.places, self.left, strict=True):
            if attributes.get(name) is not value:
                attributes[name] = value
        for part in self.custom:
            part.put_back()

    def forget(self) -> None:
        """Refuse a backward until the next forward."""
        self.out = self.shape = None

    def state(self) -> tuple[bool, Any]:
        """Whether there was a loss, and the outputs, for a copy; its parts hold their own state."""
        try:
            self.put_back()
        except RuntimeError:
            return False, None
        return self.loss is not None, self.out


def sort_in(
    part: Any,
    what: str,
    places: list[tuple[dict[str, Any], str]],
    custom: list[Undeclared],
) -> None:
    """Append a part's declared attributes to ``places``, or the part to ``custom``."""
    names = declared(part)
    if names is None:
        custom.append(Undeclared(part, what))
    else:
        places += [(vars(part), name) for name in names]


def declared(part: Any) -> tuple[str, ...] | None:
    """The part's declared ``keeps``; None if a subclass may store more."""
    attributes = getattr(part, "__dict__", None)
    if attributes is None or "forward" in attributes or "backward" in attributes:
        return None
    for cls in type(part).__mro__:
        own = vars(cls)
        if own.get("keeps") is not None:
            return tuple(own["keeps"])
        if "forward" in own or "backward" in own:
            return None
    return None
