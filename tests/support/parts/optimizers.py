"""Optimizers: the type of a row, and a row each."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

import numpy as np

import affinet as an
from affinet import reference
from decimals import square_root
from kernel_terms import (
    adagrad_terms,
    adam_terms,
    adamw_terms,
    momentum_terms,
    nesterov_terms,
    scikit_learn_adam_terms,
    sgd_terms,
)
from kernel_values import log_uniform, share, squares, weight_decay, whole

LR, EPS = log_uniform(-4, 0), log_uniform(-8, 0)


@dataclass(frozen=True)
class OptimizerRow:
    """One update rule.

    Attributes
    ----------
    make : callable
        Returns the optimizer for a learning rate, with other settings than the defaults.
    states : tuple of str
        What the kernel reads and overwrites, in order: its averages, then W.
    numbers : dict
        How the kernel's tests draw the numbers that it takes, by name, in order.
    terms : callable of kernel_terms
        Sizes of the terms of the results.
    values : dict
        How the tests draw averages other than by `normal`.
    rule : callable
        The rule once more, of the kernel's arguments by name, for Decimals and for floats: results
        and the sums of the absolute values of their terms, by name.
    settings : list of dict
        The numbers to hold the kernel's rounding to the rule for.
    golden_lr : float
        A learning rate for the ten steps of the golden run.
    mutants : dict
        Wrong rules by their mistake; the tests must find each of them.
    variants : dict
        Further settings by name, each a callable like ``make``.
    """

    make: Callable
    states: tuple[str, ...]
    numbers: dict[str, Callable]
    terms: Callable
    rule: Callable
    settings: list[dict]
    golden_lr: float
    mutants: dict[str, Callable]
    values: dict[str, Callable] = field(default_factory=dict)
    variants: dict[str, Callable] = field(default_factory=dict)

    @property
    def kernel(self):
        return self.make(0.1).kernel


def reference_step(optimizer, step, dW, averages, W):
    """An update by `affinet.reference` with the optimizer's numbers; (averages, W) after it."""
    function = getattr(reference, f"{optimizer.kernel}_update")
    known, states, given = {"dW": dW, "step": step, "W": W}, iter(averages), {}
    for name in inspect.signature(function).parameters:
        if name in known:
            given[name] = known[name]
        else:
            given[name] = getattr(optimizer, name) if hasattr(optimizer, name) else next(states)
    results = function(**given)
    *averages, W = results if isinstance(results, tuple) else (results,)
    return averages, W


def grid(**choices):
    """Every combination of the choices."""
    return [
        dict(zip(choices, chosen, strict=True)) for chosen in itertools.product(*choices.values())
    ]


# Rules -------------------------------------------------------------------------------------------


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


def scikit_learn_adam(dW, lr, beta1, beta2, eps, step, m, v, W):
    return adam(dW, lr, beta1, beta2, eps / (1 - beta2**step) ** type(eps)(0.5), step, m, v, W)


def lion(dW, lr, beta1, beta2, weight_decay, m, W):
    direction = beta1 * m + (1 - beta1) * dW
    sign = np.where(direction > 0, lr, np.where(direction < 0, -lr, 0 * lr))
    pull = lr * weight_decay * W
    new, terms = beta2 * m + (1 - beta2) * dW, abs(beta2 * m) + abs((1 - beta2) * dW)
    return {"m": (new, terms), "W": (W - sign - pull, abs(W) + abs(lr) + abs(pull))}


def adamw(dW, lr, beta1, beta2, eps, weight_decay, step, m, v, W):
    pull = lr * weight_decay * W
    results = adam(dW, lr, beta1, beta2, eps, step, m, v, W)
    value, terms = results["W"]
    return results | {"W": (value - pull, terms + abs(pull))}


# Wrong rules -------------------------------------------------------------------------------------


def lion_terms(a):
    """Where the two terms of the direction cancel, its sign may be either."""
    parts = abs(a.beta1 * a.m_before), abs((1 - a.beta1) * a.dW)
    direction = a.beta1 * a.m_before + (1 - a.beta1) * a.dW
    either = (abs(direction) < 1e-5 * sum(parts)) & (sum(parts) > 0)
    step = np.where(either, 2 * a.lr / np.finfo(a.dtype).eps, a.lr)
    m = abs(a.beta2 * a.m_before) + abs((1 - a.beta2) * a.dW)
    return {"m": (1, m), "W": (2, abs(a.W_before) * (1 + a.lr * a.weight_decay) + step)}


def lion_with(kept=False, plain=False, no_rate=False):
    """The direction of the mean that is kept, no sign, or decay without the rate."""

    def mutant(dW, lr, beta1, beta2, weight_decay, m, W):
        direction = m if kept else beta1 * m + (1 - beta1) * dW
        step = direction if plain else np.sign(direction)
        pull = weight_decay * W * (1 if no_rate else lr)
        return beta2 * m + (1 - beta2) * dW, W - lr * step - pull

    return mutant


def momentum_with(sign=-1, late=False):
    def mutant(dW, lr, momentum, v, W):
        new = momentum * v + sign * lr * dW
        return new, W + (v if late else new)

    return mutant


def nesterov_with(old=False, plain=False):
    def mutant(dW, lr, momentum, v, W):
        new = momentum * v - lr * dW
        return new, W + (new if plain else momentum * (v if old else new) - lr * dW)

    return mutant


def adagrad_with(eps_inside=False, late=False):
    def mutant(dW, lr, eps, h, W):
        new = h + dW * dW
        root = np.sqrt((h if late else new) + (eps if eps_inside else 0))
        return new, W - lr * dW / (root + (0 if eps_inside else eps))

    return mutant


def rmsprop_with(eps_inside=False, late=False, sum_up=False):
    def mutant(dW, lr, decay, eps, h, W):
        new = decay * h + (1 if sum_up else 1 - decay) * dW * dW
        root = np.sqrt((h if late else new) + (eps if eps_inside else 0))
        return new, W - lr * dW / (root + (0 if eps_inside else eps))

    return mutant


def adam_with(eps_inside=False, correct=True, step_off=0, single=False):
    def mutant(dW, lr, beta1, beta2, eps, step, m, v, W):
        one = np.float32(1) if single else 1.0
        rest1, rest2 = (float(one - type(one)(beta)) for beta in (beta1, beta2))
        m, v = beta1 * m + rest1 * dW, beta2 * v + rest2 * dW * dW
        step += step_off
        m_hat, v_hat = (
            (m / (1 - beta1**step), v / (1 - beta2**step)) if correct and step else (m, v)
        )
        root = np.sqrt(v_hat + eps) if eps_inside else np.sqrt(v_hat) + eps
        return m, v, W - lr * m_hat / root

    return mutant


def adamw_with(coupled=False, once_more=False, no_rate=False, late=False):
    """Decay in the gradient, with lr twice, without lr, or applied after Adam's step."""

    def mutant(dW, lr, beta1, beta2, eps, weight_decay, step, m, v, W):
        adam = (lr, beta1, beta2, eps, step)
        if coupled:
            return reference.adam_update(dW + weight_decay * W, *adam, m, v, W)
        rate = 1 if no_rate else lr * lr if once_more else lr
        if late:
            m, v, W = reference.adam_update(dW, *adam, m, v, W)
            return m, v, W - rate * weight_decay * W
        return reference.adam_update(dW, *adam, m, v, W - rate * weight_decay * W)

    return mutant


# Rows --------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": OptimizerRow(
        an.SGD,
        ("W",),
        {"lr": LR, "weight_decay": weight_decay},
        sgd_terms,
        rule=sgd,
        settings=grid(lr=[0.1, 1e-3], weight_decay=[0.0, 1e-4, 0.5]),
        golden_lr=0.3,
        mutants={
            "uphill": lambda dW, lr, weight_decay, W: W + lr * (dW - weight_decay * W),
            "no rate": lambda dW, lr, weight_decay, W: W - dW,
            "no decay": lambda dW, lr, weight_decay, W: W - lr * dW,
            "away from 0": lambda dW, lr, weight_decay, W: W - lr * (dW - weight_decay * W),
            "decay without the rate": lambda dW, lr, weight_decay, W: (
                W - lr * dW - weight_decay * W
            ),
        },
        variants={"with weight decay": partial(an.SGD, weight_decay=0.3)},
    ),
    "Momentum": OptimizerRow(
        partial(an.Momentum, momentum=0.8),
        ("v", "W"),
        {"lr": LR, "momentum": share},
        momentum_terms,
        rule=momentum,
        settings=[{"lr": 0.1, "momentum": 0.9}, {"lr": 0.01, "momentum": 0}],
        golden_lr=0.1,
        mutants={"uphill": momentum_with(sign=1), "old velocity": momentum_with(late=True)},
    ),
    "Nesterov": OptimizerRow(
        partial(an.Nesterov, momentum=0.8),
        ("v", "W"),
        {"lr": LR, "momentum": share},
        nesterov_terms,
        rule=nesterov,
        settings=[{"lr": 0.1, "momentum": 0.9}, {"lr": 0.01, "momentum": 0}],
        golden_lr=0.1,
        mutants={"old velocity": nesterov_with(old=True), "heavy ball": nesterov_with(plain=True)},
    ),
    "AdaGrad": OptimizerRow(
        an.AdaGrad,
        ("h", "W"),
        {"lr": LR, "eps": EPS},
        adagrad_terms,
        rule=adagrad,
        settings=[{"lr": 0.01, "eps": 1e-7}, {"lr": 0.3, "eps": 0.1}],
        golden_lr=0.1,
        values={"h": squares},
        mutants={
            "eps in the root": adagrad_with(eps_inside=True),
            "old sum": adagrad_with(late=True),
        },
    ),
    "RMSprop": OptimizerRow(
        partial(an.RMSprop, decay=0.8, eps=1e-6),
        ("h", "W"),
        {"lr": LR, "decay": share, "eps": EPS},
        adagrad_terms,
        rule=rmsprop,
        settings=[
            {"lr": lr, "decay": decay, "eps": eps}
            for (lr, eps), decay in itertools.product([(0.01, 1e-8), (0.3, 0.1)], [0.0, 0.9, 0.99])
        ],
        golden_lr=0.01,
        values={"h": squares},
        mutants={
            "eps in the root": rmsprop_with(eps_inside=True),
            "old mean": rmsprop_with(late=True),
            "a sum": rmsprop_with(sum_up=True),
        },
    ),
    "Adam": OptimizerRow(
        partial(an.Adam, beta1=0.8, beta2=0.95, eps=1e-6),
        ("m", "v", "W"),
        {"lr": LR, "beta1": share, "beta2": share, "eps": EPS, "step": whole(1, 50)},
        adam_terms,
        rule=adam,
        settings=[
            {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "step": step}
            for (lr, eps), (beta1, beta2), step in itertools.product(
                [(1e-3, 1e-8), (0.3, 0.1)],
                [(0.9, 0.999), (0.0, 0.9), (0.99, 0.123)],
                [1, 2, 7, 1000, 10**6],
            )
        ],
        golden_lr=0.01,
        values={"v": squares},
        mutants={
            "eps in the root": adam_with(eps_inside=True),
            "no correction": adam_with(correct=False),
            "step counted from 0": adam_with(step_off=-1),
            "step counted from 2": adam_with(step_off=1),
            "1 - beta in float32": adam_with(single=True),
        },
    ),
    "AdamW": OptimizerRow(
        partial(an.AdamW, beta1=0.8, beta2=0.95, eps=1e-6, weight_decay=0.2),
        ("m", "v", "W"),
        {
            "lr": LR,
            "beta1": share,
            "beta2": share,
            "eps": EPS,
            "weight_decay": weight_decay,
            "step": whole(1, 50),
        },
        adamw_terms,
        rule=adamw,
        settings=grid(
            lr=[1e-3, 0.3],
            beta1=[0.9],
            beta2=[0.999],
            eps=[1e-8],
            weight_decay=[0.0, 0.01, 0.7],
            step=[1, 7, 10**6],
        ),
        golden_lr=0.01,
        values={"v": squares},
        mutants={
            "coupled": adamw_with(coupled=True),
            "rate twice": adamw_with(once_more=True),
            "no rate": adamw_with(no_rate=True),
            "after the step": adamw_with(late=True),
        },
    ),
    "Lion": OptimizerRow(
        partial(an.Lion, beta1=0.8, beta2=0.95, weight_decay=0.2),
        ("m", "W"),
        {"lr": LR, "beta1": share, "beta2": share, "weight_decay": weight_decay},
        lion_terms,
        rule=lion,
        settings=grid(
            lr=[1e-3, 0.3], beta1=[0.9, 0.0], beta2=[0.99], weight_decay=[0.0, 0.01, 0.7]
        ),
        golden_lr=0.01,
        mutants={
            "direction of the kept mean": lion_with(kept=True),
            "no sign": lion_with(plain=True),
            "decay without the rate": lion_with(no_rate=True),
        },
        variants={"without decay": partial(an.Lion, beta1=0.8, beta2=0.95)},
    ),
}

# A rule that the estimators alone use: no public class has it.
SCIKIT_LEARN_ADAM = OptimizerRow(
    lambda lr: SimpleNamespace(kernel="scikit_learn_adam"),
    ("m", "v", "W"),
    {"lr": LR, "beta1": share, "beta2": share, "eps": EPS, "step": whole(1, 50)},
    scikit_learn_adam_terms,
    rule=scikit_learn_adam,
    settings=grid(
        lr=[1e-3, 0.3], beta1=[0.9, 0.0], beta2=[0.999], eps=[1e-8, 0.1], step=[1, 7, 10**6]
    ),
    golden_lr=0.01,
    values={"v": squares},
    mutants={
        "corrected eps": reference.adam_update,
        "eps in the root": adam_with(eps_inside=True),
    },
)
RULES = [*OPTIMIZERS.values(), SCIKIT_LEARN_ADAM]

# Every optimizer in every setting: a callable of the learning rate, by its name.
SETTINGS = {name: row.make for name, row in OPTIMIZERS.items()} | {
    f"{name} {variant}": make
    for name, row in OPTIMIZERS.items()
    for variant, make in row.variants.items()
}
# For whole trainings, with Muon: its rule needs the shapes of arrays, those of the tables are flat.
TRAINED = SETTINGS | {
    "Muon": partial(an.Muon, momentum=0.9, weight_decay=0.2, adamw_lr=0.01, beta1=0.8, eps=1e-6),
    "Muon without decay": partial(an.Muon, adamw_lr=0.003),
}
CLASSES = [*(type(row.make(0.1)) for row in OPTIMIZERS.values()), an.Muon]


def row_of(optimizer):
    """The row of an optimizer's class."""
    return OPTIMIZERS[type(optimizer).__name__]


def decays(optimizer):
    """Whether the rule has a weight decay for groups to multiply."""
    return hasattr(optimizer, "weight_decay")


def grouped(make, lr):
    """An optimizer whose parameters fall into several groups, one of which does not move."""
    optimizer = make(lr)
    small = 0.25 if decays(optimizer) else 1.0
    optimizer.groups = [
        an.Group("2.beta", lr=0.0),
        an.Group(["*.b", "2.gamma"], lr=0.5),
        an.Group("0.W", lr=2.0, weight_decay=small),
    ]
    return optimizer


# Every optimizer in every setting, with groups, for networks with the parameters that these name.
GROUPED = {name: partial(grouped, make) for name, make in TRAINED.items()}
