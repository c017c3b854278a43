"""The public names: present, documented, with an example of each."""

import inspect
import types

import pytest

import affinet as an

FIXED = {
    "Affine", "ReLU", "LeakyReLU", "Sigmoid", "Tanh", "Dropout", "SoftmaxWithLoss",
    "MeanSquaredError", "SumSquaredError", "SGD", "Momentum", "AdaGrad", "Adam", "Sequential",
    "Nesterov", "RMSprop", "AdamW",
    "load", "gradient_check", "numerical_gradient", "reference", "datasets", "runtime_info",
    "History", "onnx", "from_sklearn", "distributed", "estimators",
    "StopTraining", "TrainingState", "EarlyStopping", "Checkpoint", "every_steps",
    "metrics", "schedules", "samplers",
    "SigmoidWithLoss", "MeanAbsoluteError", "Huber", "Poisson", "Quantile",
    "GELU", "SiLU", "BatchNorm", "LayerNorm",
    "diagnostics", "live",
}  # fmt: skip
CALLABLES = [name for name in an.__all__ if callable(getattr(an, name, None))]
TAKES_WHAT_EXCEPTIONS_TAKE = {"StopTraining"}
CLASSES = [name for name in CALLABLES if isinstance(getattr(an, name), type)]


def public_methods(cls):
    """Methods and properties that affinet itself defines, other than those of every dict."""
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        defined_by = next(c for c in cls.__mro__ if name in vars(c))
        if (
            not name.startswith("_")
            and not hasattr(dict, name)
            and defined_by.__module__.startswith("affinet")
        ) and isinstance(value, property | classmethod | staticmethod | types.FunctionType):
            yield name, getattr(value, "fget", None) or getattr(value, "__func__", value)


def test_the_names_that_are_fixed_are_there():
    assert set(an.__all__) >= FIXED
    assert len(set(an.__all__)) == len(an.__all__)
    for name in an.__all__:
        assert hasattr(an, name), name


def test_star_import():
    namespace = {}
    exec("from affinet import *", namespace)
    assert set(an.__all__) <= set(namespace)


@pytest.mark.parametrize("name", CALLABLES)
def test_every_public_name_has_a_docstring_with_an_example(name):
    text = inspect.getdoc(getattr(an, name)) or ""
    assert text.splitlines()[0].rstrip().endswith("."), "the first line is a sentence"
    assert "Examples\n--------\n" in text
    assert ">>> " in text.partition("Examples\n--------\n")[2]


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_method_has_a_docstring(name):
    for method, function in public_methods(getattr(an, name)):
        assert function.__doc__, f"{name}.{method}"


@pytest.mark.parametrize("name", sorted(set(CALLABLES) - TAKES_WHAT_EXCEPTIONS_TAKE))
def test_every_parameter_is_described(name):
    """Parameters of constructors stand in the class's docstring."""
    thing = getattr(an, name)
    text = inspect.getdoc(thing)
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name not in ("self", "args", "kwargs"):
            assert parameter.name in text, parameter.name


@pytest.mark.parametrize("name", CALLABLES)
def test_names_know_where_they_live(name):
    thing = getattr(an, name)
    assert thing.__module__.startswith("affinet")
    assert thing.__name__ == name


def test_the_train_flag_is_second_and_positional():
    for layer in (an.Dropout, an.BatchNorm):
        parameters = list(inspect.signature(layer.forward).parameters)
        assert parameters == ["self", "x", "train"]


def test_signatures_that_are_fixed():
    fixed = {
        an.Affine: "(W, b)",
        an.Affine.init: "(n_inputs, n_outputs, rng, activation, dtype)",
        an.LeakyReLU: "(slope)",
        an.Dropout: "(p, rng)",
        an.SGD: "(lr, weight_decay, decay_bias, groups)",
        an.Nesterov: "(lr, momentum, groups)",
        an.RMSprop: "(lr, decay, eps, groups)",
        an.AdamW: "(lr, beta1, beta2, eps, weight_decay, decay_bias, groups)",
        an.Group: "(parameters, lr, weight_decay)",
        an.BatchNorm: "(n, momentum, eps, dtype)",
        an.LayerNorm: "(n, eps, dtype)",
        an.Momentum: "(lr, momentum, groups)",
        an.AdaGrad: "(lr, groups)",
        an.Adam: "(lr, beta1, beta2, eps, groups)",
        an.SoftmaxWithLoss: "(label_smoothing)",
        an.Huber: "(delta)",
        an.Quantile: "(q)",
        an.Loss.forward: "(self, x, t, weights)",
        an.Loss.backward: "(self, dout)",
        an.Optimizer.update: "(self, params, grads)",
        an.Sequential.forward: "(self, x, t, train, weights)",
        an.Sequential.backward: "(self, dout, need_dx)",
        an.Sequential.predict: "(self, x, out, samples, seed)",
        an.Sequential.predict_proba: "(self, x)",
        an.Sequential.evaluate: "(self, x, t, sample_weight, metrics)",
        an.Sequential.save: "(self, path)",
        an.load: "(path, custom)",
        an.from_sklearn: "(model)",
        an.onnx.load: "(path)",
    }
    for thing, wanted in fixed.items():
        assert f"({', '.join(inspect.signature(thing).parameters)})" == wanted, thing
