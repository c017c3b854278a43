"""Optimizers: update rules over arrays, dicts of arrays, or a network's flat buffer."""

from affinet.optimizer_state import State
from affinet.optimizers import rules
from affinet.optimizers.base import CompiledOptimizer, Optimizer
from affinet.optimizers.groups import Group
from affinet.optimizers.rules import *  # noqa: F403
from affinet.optimizers.rules import optimizer_classes

__all__ = ["CompiledOptimizer", "Group", "Optimizer", "State", "optimizer_classes"]
__all__ += rules.__all__
