"""affinet: multilayer perceptrons on CPUs through typed Cython kernels.

Examples
--------
>>> import affinet as an
>>> (x, t), test = an.datasets.load_digits()
>>> net = an.Sequential(
...     an.Affine.init(64, 32, rng=0), an.ReLU(), an.Affine.init(32, 10, rng=1),
...     loss=an.SoftmaxWithLoss(),
... )
>>> history = net.fit(x, t, epochs=30, optimizer=an.Adam(0.005))
>>> net.evaluate(*test)["accuracy"] > 0.9
True
"""

from affinet import datasets, reference
from affinet._dispatch import runtime_info
from affinet._version import __version__
from affinet.gradcheck import GradientReport, gradient_check, numerical_gradient
from affinet.layers import Affine, Dropout, Layer, LeakyReLU, ReLU, Sigmoid, Tanh
from affinet.losses import Loss, MeanSquaredError, SoftmaxWithLoss, SumSquaredError
from affinet.model_file import load
from affinet.network import Sequential
from affinet.optimizers import SGD, AdaGrad, Adam, Momentum, Optimizer
from affinet.parameters import Parameters
from affinet.training import History, StopTraining, TrainingState

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "Affine",
    "Dropout",
    "GradientReport",
    "History",
    "Layer",
    "LeakyReLU",
    "Loss",
    "MeanSquaredError",
    "Momentum",
    "Optimizer",
    "Parameters",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "SoftmaxWithLoss",
    "StopTraining",
    "SumSquaredError",
    "Tanh",
    "TrainingState",
    "__version__",
    "datasets",
    "gradient_check",
    "load",
    "numerical_gradient",
    "reference",
    "runtime_info",
]
