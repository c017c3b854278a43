"""Training: batches, the step, the loop around them and its record."""

from affinet.training.callbacks import StopTraining, TrainingState
from affinet.training.history import History
from affinet.training.trainer import fit

__all__ = ["History", "StopTraining", "TrainingState", "fit"]
