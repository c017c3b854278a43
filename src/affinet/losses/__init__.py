"""Losses: the scalar to minimize, and its gradient."""

from affinet.losses import classes, elementwise
from affinet.losses.base import (
    ClassLoss,
    ElementwiseLoss,
    Loss,
    loss_of,
    require_takes_weights,
)
from affinet.losses.classes import *  # noqa: F403
from affinet.losses.elementwise import *  # noqa: F403

__all__ = ["ClassLoss", "ElementwiseLoss", "Loss", "loss_of", "require_takes_weights"]
__all__ += classes.__all__
__all__ += elementwise.__all__
