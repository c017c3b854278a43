"""The error of one optimizer step against the same step in 40 decimal digits."""

import decimal
import itertools

import numpy as np
import pytest

from exact_results import DIGITS
from kernel_calls import Call, problem
from kernel_table import KERNELS

# Update rules, in decimal: each gives results and the sums of the absolute values of their terms.


def sgd(dW, lr, weight_decay, W):
    pull = lr * weight_decay * W
    return {"W": (W - lr * dW - pull, abs(W) + abs(lr * dW) + abs(pull))}


def momentum(dW, lr, momentum, v, W):
    new, terms = momentum * v - lr * dW, abs(momentum * v) + abs(lr * dW)
    return {"v": (new, terms), "W": (W + new, abs(W) + terms)}


def nesterov(dW, lr, momentum, v, W):
    new, terms = momentum * v - lr * dW, abs(momentum * v) + abs(lr * dW)
    W_terms = abs(W) + momentum * terms + abs(lr * dW)
    return {"v": (new, terms), "W": (W + momentum * new - lr * dW, W_terms)}


def rmsprop(dW, lr, decay, eps, h, W):
    new = decay * h + (1 - decay) * dW * dW
    step = lr * dW / (square_root(new) + eps)
    return {"h": (new, new), "W": (W - step, abs(W) + abs(step))}


def adagrad(dW, lr, eps, h, W):
    new = h + dW * dW
    step = lr * dW / (square_root(new) + eps)
    return {"h": (new, new), "W": (W - step, abs(W) + abs(step))}


def adam(dW, lr, beta1, beta2, eps, step, m, v, W):
    m_terms = abs(beta1 * m) + abs((1 - beta1) * dW)
    m, v = beta1 * m + (1 - beta1) * dW, beta2 * v + (1 - beta2) * dW * dW
    rate = lr / (1 - beta1**step) / (square_root(v / (1 - beta2**step)) + eps)
    return {"m": (m, m_terms), "v": (v, v), "W": (W - rate * m, abs(W) + rate * m_terms)}


def adamw(dW, lr, beta1, beta2, eps, weight_decay, step, m, v, W):
    pull = lr * weight_decay * W
    results = adam(dW, lr, beta1, beta2, eps, step, m, v, W)
    value, terms = results["W"]
    return results | {"W": (value - pull, terms + abs(pull))}


square_root = np.vectorize(DIGITS.sqrt, otypes=[object])
RULES = {
    "sgd_update": (
        sgd,
        [
            {"lr": lr, "weight_decay": weight_decay}
            for lr, weight_decay in itertools.product([0.1, 1e-3], [0.0, 1e-4, 0.5])
        ],
    ),
    "nesterov_update": (nesterov, [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.01, "momentum": 0}]),
    "rmsprop_update": (
        rmsprop,
        [
            {"lr": lr, "decay": decay, "eps": eps}
            for (lr, eps), decay in itertools.product([(0.01, 1e-8), (0.3, 0.1)], [0.0, 0.9, 0.99])
        ],
    ),
    "adamw_update": (
        adamw,
        [
            {
                "lr": lr,
                "beta1": 0.9,
                "beta2": 0.999,
                "eps": 1e-8,
                "weight_decay": weight_decay,
                "step": step,
            }
            for lr, weight_decay, step in itertools.product(
                [1e-3, 0.3], [0.0, 0.01, 0.7], [1, 7, 10**6]
            )
        ],
    ),
    "momentum_update": (momentum, [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.01, "momentum": 0}]),
    "adagrad_update": (adagrad, [{"lr": 0.01, "eps": 1e-7}, {"lr": 0.3, "eps": 0.1}]),
    "adam_update": (
        adam,
        [
            {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "step": step}
            for (lr, eps), (beta1, beta2), step in itertools.product(
                [(1e-3, 1e-8), (0.3, 0.1)],
                [(0.9, 0.999), (0.0, 0.9), (0.99, 0.123)],
                [1, 2, 7, 1000, 10**6],
            )
        ],
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_the_error_of_an_update(kernels, dtype, name):
    """Within 4 eps of the sum of the terms' absolute values."""
    rng, (rule, settings) = np.random.default_rng(3), RULES[name]
    for scalars in settings:
        made = problem(KERNELS[name], dtype, {"n": 203}, rng)
        made.scalars = scalars
        for array in made.arrays.values():
            array *= 10.0 ** rng.uniform(-2, 2, array.shape)
        actual = Call(made, rng).run(kernels)
        with decimal.localcontext(DIGITS):
            arrays = {
                name: np.array([decimal.Decimal(value) for value in array.tolist()])
                for name, array in made.arrays.items()
            }
            numbers = {name: decimal.Decimal(value) for name, value in scalars.items()}
            exact = rule(**arrays, **numbers)
            for result, (value, terms) in exact.items():
                got = [decimal.Decimal(number) for number in actual[result].tolist()]
                allowed = 4 * decimal.Decimal(float(np.finfo(dtype).eps)) * terms
                assert (abs(np.array(got) - value) <= allowed).all(), (result, scalars)
