"""Optimizers: update rules over arrays, dicts of arrays, or a network's flat buffer."""

from affinet.optimizer_state import State
from affinet.optimizers import rules
from affinet.optimizers.base import CompiledOptimizer, Optimizer
from affinet.optimizers.groups import Group
from affinet.optimizers.muon import Muon
from affinet.optimizers.rules import *  # noqa: F403

__all__ = ["CompiledOptimizer", "Group", "Muon", "Optimizer", "State", "optimizer_classes"]
__all__ += rules.__all__


def optimizer_classes() -> dict[str, type[Optimizer]]:
    """Every public optimizer by its ``shell_name``."""
    classes = [*(getattr(rules, name) for name in rules.__all__), Muon]
    return {cls.shell_name: cls for cls in classes}
