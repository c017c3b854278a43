"""Argument names of other libraries: the error message gives affinet's name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# Names from Keras, PyTorch and scikit-learn, with affinet's names for the same things. Where an
# argument with such a name exists, Python binds it and this table is not consulted.
AFFINET_NAMES = {
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "rate": "p",
    "beta_1": "beta1",
    "beta_2": "beta2",
    "betas": "beta1 and beta2",
    "epsilon": "eps",
    "rho": "decay",
    "alpha": "slope for LeakyReLU, decay for RMSprop and l2 for fit",
    "negative_slope": "slope",
    "num_features": "n",
    "normalized_shape": "n",
    "tau": "q",
    "validation_split": "validation_data=(x, t), rows that you hold out yourself",
    "validation_fraction": "validation_data=(x, t), rows that you hold out yourself",
    "x_val": "validation_data=(x, t)",
    "y": "t",
    "n_epochs": "epochs",
    "max_iter": "epochs",
    "num_epochs": "epochs",
    "batchsize": "batch_size",
    "clipnorm": "clip_norm",
    "clipvalue": "clip_value",
    "max_norm": "clip_norm",
    "lr_scheduler": "schedule",
    "scheduler": "schedule",
    "random_state": "seed for fit, rng for layers",
    "random_seed": "seed for fit, rng for layers",
    "initial_epoch": "resume",
}


_LR = "optimizer=Adam(lr=...)"
_STOP = "callbacks=[EarlyStopping(...)]"
_TARGETS = dict.fromkeys(("y", "y_true", "y_train", "labels", "targets"), "t")
_DATA = {**_TARGETS, **dict.fromkeys(("X", "x_train", "X_train", "inputs", "data"), "x")}
EVALUATE_NAMES = {
    **_DATA,
    **dict.fromkeys(("weights", "sample_weights"), "sample_weight"),
    "metric": "metrics",
    "scoring": "metrics",
}
_OF_PARTS = ("rate", "rho", "negative_slope", "num_features", "normalized_shape", "tau")
FIT_NAMES = {
    **{name: own for name, own in AFFINET_NAMES.items() if name not in _OF_PARTS},
    **EVALUATE_NAMES,
    **dict.fromkeys(("lr", "learning_rate", "learning_rate_init", "eta"), _LR),
    **dict.fromkeys(("beta_1", "beta_2", "betas", "epsilon"), "optimizer=Adam(beta1, beta2, eps)"),
    **dict.fromkeys(("momentum", "nesterovs_momentum"), "optimizer=Momentum(momentum=...)"),
    **dict.fromkeys(("alpha", "weight_decay"), "l2, or optimizer=AdamW(weight_decay=...)"),
    **dict.fromkeys(("loss", "criterion", "loss_fn"), "Sequential(..., loss=...)"),
    **dict.fromkeys(("solver", "opt", "optim"), "optimizer"),
    **dict.fromkeys(("early_stopping", "patience", "n_iter_no_change", "tol"), _STOP),
    **dict.fromkeys(("random_state", "random_seed", "rng"), "seed"),
    **dict.fromkeys(("max_grad_norm", "grad_clip"), "clip_norm"),
    "callback": "callbacks",
    "class_weights": "class_weight",
    "eval_set": "validation_data=(x, t)",
}
SEQUENTIAL_NAMES = {
    **dict.fromkeys(("criterion", "loss_fn", "loss_function"), "loss"),
    **dict.fromkeys(("lr", "learning_rate"), f"fit(..., {_LR})"),
    **dict.fromkeys(("random_state", "seed", "rng"), "the rng of each layer, Affine.init(rng=0)"),
    **dict.fromkeys(("input_shape", "input_dim", "n_inputs"), "Affine.init(n_inputs, n_outputs)"),
    **dict.fromkeys(("scale", "rescale"), "input_scale"),
    "layers": "Sequential(*layers), one by one",
    "optimizer": "fit(..., optimizer=...)",
    "metrics": "fit(..., metrics=...) and evaluate(..., metrics=...)",
    "activation": "separate layers, such as ReLU()",
    "hidden_layer_sizes": "separate layers, Affine.init(n_inputs, n_outputs)",
    "dtype": "Affine.init(..., dtype=...)",
    "name": "net.metadata",
}


def require_known_names(
    what: str,
    given: Iterable[str],
    known: Iterable[str] | Mapping[str, inspect.Parameter],
    names: Mapping[str, str] = AFFINET_NAMES,
) -> None:
    """Raise TypeError if an unknown name is another library's name for a known argument.

    A function that takes ``**kwargs``, according to its parameters ``known``, knows all names.
    """
    if isinstance(known, Mapping):
        if any(p.kind is p.VAR_KEYWORD for p in known.values()):
            return
        known = [name for name, p in known.items() if p.kind is not p.VAR_POSITIONAL]
    for name in given:
        if name not in known and name in names:
            raise TypeError(
                f"{what} has no argument {name!r}: affinet's name for it is {names[name]}"
            )


def explains(names: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: for an argument with another library's name, the error gives affinet's name.

    Examples
    --------
    >>> @explains({"y": "t"})
    ... def fit(x, t):
    ...     return x + t
    >>> fit(1, y=2)
    Traceback (most recent call last):
        ...
    TypeError: fit has no argument 'y': affinet's name for it is t
    >>> inspect.signature(fit)
    <Signature (x, t)>
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = inspect.signature(function).parameters

        @functools.wraps(function)
        def explained(*args: P.args, **kwargs: P.kwargs) -> R:
            if not kwargs.keys() <= known.keys():
                require_known_names(function.__name__, kwargs, known, names)
            return function(*args, **kwargs)

        return explained

    return decorate
