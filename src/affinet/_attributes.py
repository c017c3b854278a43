"""Assigning to an attribute works or raises: a mistyped name is never silently accepted."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from affinet._foreign_names import AFFINET_NAMES

SET = object.__setattr__  # super() would double the cost in every forward


class KnownAttributes:
    """Refuses to set public attributes that affinet's own classes do not have.

    ``dropout.rate = 0.3`` would otherwise create an attribute that nothing reads. Subclasses
    outside affinet may set any attribute.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        # Does not touch __dict__, which would slow down every later attribute access.
        if name[0] != "_":
            cls: Any = type(self)
            if name not in settable(cls):
                require_known(cls, name)
        SET(self, name, value)


@functools.cache
def settable(cls: Any) -> frozenset[str]:
    """A class's declared attributes and constructor arguments."""
    methods = {name for name in dir(cls) if inspect.isroutine(getattr(cls, name, None))}
    return frozenset(dir(cls)) - methods | frozenset(inspect.signature(cls.__init__).parameters)


def require_known(cls: type, name: str) -> None:
    """Raise AttributeError if this affinet class has no settable attribute with this name."""
    if cls.__module__.partition(".")[0] != "affinet":
        return
    if hasattr(cls, name):
        raise AttributeError(
            f"{cls.__name__}.{name} is a method and cannot be set, because compiled code would not "
            "call what replaces it: override it in a subclass"
        )
    hint = f"; affinet's name for it is {AFFINET_NAMES[name]}" if name in AFFINET_NAMES else ""
    raise AttributeError(f"{cls.__name__} has no attribute {name!r} that can be set{hint}")
