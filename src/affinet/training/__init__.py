"""Training: batches, the step, the loop around them and its record."""

from affinet.training.callbacks import StopTraining, TrainingState, every_steps
from affinet.training.early_stopping import EarlyStopping
from affinet.training.history import History
from affinet.training.trainer import fit

__all__ = ["EarlyStopping", "History", "StopTraining", "TrainingState", "every_steps", "fit"]
