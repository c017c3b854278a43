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

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    from affinet._dispatch import runtime_info
except ImportError as error:
    # `python -m affinet` imports the package before its __main__, which could tell it in one line.
    if sys.argv[:1] != ["-m"] or not {"affinet", "-maffinet"} & {*sys.orig_argv}:
        raise
    print(f"affinet: error: {' '.join(str(error).split())}", file=sys.stderr)
    raise SystemExit(2) from None

from affinet import metrics, schedules
from affinet._version import __version__
from affinet.layers import (
    GELU,
    SELU,
    Affine,
    BatchEnsemble,
    BatchNorm,
    Dropout,
    Embedding,
    Increasing,
    Layer,
    LayerNorm,
    LeakyReLU,
    MemberAffine,
    MemberScale,
    Mish,
    NTKAffine,
    Parametric,
    PeriodicEmbedding,
    PiecewiseEmbedding,
    ReLU,
    Residual,
    Scale,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from affinet.losses import (
    Gaussian,
    Huber,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
    SigmoidWithLoss,
    SoftmaxWithLoss,
    SumSquaredError,
)
from affinet.network import Sequential
from affinet.optimizers import (
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Group,
    Lion,
    Momentum,
    Muon,
    Nesterov,
    Optimizer,
    RMSprop,
)
from affinet.parameters import Parameters
from affinet.threads import get_num_threads, num_threads, set_num_threads
from affinet.training import EarlyStopping, History, StopTraining, TrainingState, every_steps

if TYPE_CHECKING:
    from affinet import (
        datasets,
        diagnostics,
        distributed,
        estimators,
        export,
        live,
        onnx,
        plotting,
        reference,
        samplers,
        tables,
        tuning,
    )
    from affinet.calibration import calibrate
    from affinet.conversion import from_sklearn
    from affinet.ensemble import Ensemble
    from affinet.gradcheck import GradientReport, gradient_check, numerical_gradient
    from affinet.model_file import load
    from affinet.replay import ReplayBuffer
    from affinet.training.averaging import EMA, SWA
    from affinet.training.checkpoint import Checkpoint
    from affinet.training.many import FitManyError, fit_many
    from affinet.tuning.search import search

__all__ = [
    "EMA",
    "GELU",
    "SELU",
    "SGD",
    "SWA",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Affine",
    "BatchEnsemble",
    "BatchNorm",
    "Checkpoint",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Ensemble",
    "FitManyError",
    "Gaussian",
    "GradientReport",
    "Group",
    "History",
    "Huber",
    "Increasing",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Lion",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MemberAffine",
    "MemberScale",
    "Mish",
    "Momentum",
    "Muon",
    "NTKAffine",
    "Nesterov",
    "Optimizer",
    "Parameters",
    "Parametric",
    "PeriodicEmbedding",
    "PiecewiseEmbedding",
    "Poisson",
    "Quantile",
    "RMSprop",
    "ReLU",
    "ReplayBuffer",
    "Residual",
    "Scale",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SigmoidWithLoss",
    "SoftmaxWithLoss",
    "Softplus",
    "StopTraining",
    "SumSquaredError",
    "Tanh",
    "TrainingState",
    "__version__",
    "calibrate",
    "datasets",
    "diagnostics",
    "distributed",
    "estimators",
    "every_steps",
    "export",
    "fit_many",
    "from_sklearn",
    "get_num_threads",
    "gradient_check",
    "live",
    "load",
    "metrics",
    "num_threads",
    "numerical_gradient",
    "onnx",
    "plotting",
    "reference",
    "runtime_info",
    "samplers",
    "schedules",
    "search",
    "set_num_threads",
    "tables",
    "tuning",
]

# What a training does not need is imported when it is first asked for (PEP 562): importing affinet
# stays a matter of milliseconds. A name of None is the module itself.
_LATER = {
    "Checkpoint": "training.checkpoint",
    "FitManyError": "training.many",
    "fit_many": "training.many",
    "Ensemble": "ensemble",
    "search": "tuning.search",
    "GradientReport": "gradcheck",
    "gradient_check": "gradcheck",
    "numerical_gradient": "gradcheck",
    "load": "model_file",
    "from_sklearn": "conversion",
    "calibrate": "calibration",
    "ReplayBuffer": "replay",
    "EMA": "training.averaging",
    "SWA": "training.averaging",
    "datasets": None,
    "diagnostics": None,
    "distributed": None,
    "estimators": None,
    "export": None,
    "live": None,
    "onnx": None,
    "plotting": None,
    "reference": None,
    "samplers": None,
    "tables": None,
    "tuning": None,
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'affinet' has no attribute {name!r}")
    module = import_module(f"affinet.{_LATER[name] or name}")
    value = getattr(module, name) if _LATER[name] else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
