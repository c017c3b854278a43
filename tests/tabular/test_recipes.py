"""Recipes: the published numbers, and schedules against their formulas."""

import dataclasses
import math

import numpy as np
import pytest

from affinet.schedules import Progress
from affinet.tabular import METHODS, PRESETS, recipe_for
from affinet.tabular.options import schedules_of

TASKS = ("classification", "regression")
# RealMLP-TD and what TD-S lacks of it: Holzmüller et al. (2024).
TD = {
    "hidden": (256, 256, 256), "parametric": True, "dropout": 0.15, "lr_schedule": "coslog4",
    "dropout_schedule": "flat-cosine", "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.02,
    "decay_schedule": "flat-cosine", "epochs": 256, "batch_size": 256, "patience": None,
    "scaling": "robust", "one_hot": 9, "category_size": 8, "number_embedding": "pbld",
    "number_size": 3, "number_frequencies": 16, "number_sigma": 0.1, "input_scale": True,
    "bias_init": "he+5", "zero_last": False, "bias_lr": 0.1, "scale_lr": 6.0, "number_lr": 0.1,
    "activation_lr": 0.1, "members": 1, "whole_batches": True,
}  # fmt: skip
TD_S = TD | {
    "parametric": False, "dropout": 0.0, "dropout_schedule": "constant", "weight_decay": 0.0,
    "decay_schedule": "constant", "one_hot": 1000, "number_embedding": None, "bias_init": "normal",
    "zero_last": True, "number_lr": 1.0, "activation_lr": 1.0,
}  # fmt: skip
OF_TASK = {
    ("realmlp", "classification"): ("selu", 0.04, 0.1, False),
    ("realmlp", "regression"): ("mish", 0.2, 0.0, True),
    ("realmlp-s", "classification"): ("selu", 0.04, 0.1, False),
    ("realmlp-s", "regression"): ("mish", 0.07, 0.0, True),
}


@pytest.mark.parametrize(("method", "task"), OF_TASK)
def test_realmlp_is_the_published_one(method, task):
    recipe = dataclasses.asdict(recipe_for(method, "default", task, n_rows=1000))
    wanted = TD if method == "realmlp" else TD_S
    assert {name: recipe[name] for name in wanted} == wanted
    names = ("activation", "lr", "label_smoothing", "clamp")
    assert tuple(recipe[name] for name in names) == OF_TASK[method, task]


def test_tabm_is_the_published_one():
    recipe = recipe_for("tabm", "default", "classification", n_rows=1000)
    assert (recipe.members, recipe.hidden, recipe.dropout) == (32, (512, 512, 512), 0.1)
    assert (recipe.lr, recipe.weight_decay, recipe.clip_norm) == (2e-3, 3e-4, 1.0)
    assert (recipe.batch_size, recipe.patience, recipe.scaling) == (256, 16, "quantile")
    best = recipe_for("tabm", "best", "classification", n_rows=1000)
    assert (best.hidden, best.number_embedding, best.number_bins) == ((512, 512), "piecewise", 48)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", TASKS)
def test_presets_differ_in_cost(method, task):
    fast, default, best = (recipe_for(method, preset, task, 1000) for preset in PRESETS)
    costs = [(r.epochs * r.members, r.number_embedding is not None) for r in (fast, default, best)]
    assert costs == sorted(costs)
    assert len(set(costs)) == 3


def test_fast_has_two_layers_and_small_batches_for_few_rows():
    few, many = (recipe_for("realmlp", "fast", "regression", n) for n in (4095, 4096))
    assert (few.hidden, few.epochs, few.batch_size) == ((128, 128), 64, 128)
    assert (many.hidden, many.epochs, many.batch_size) == ((128, 128, 128), 96, 256)
    plain = recipe_for("mlp", "fast", "regression", 1000)
    assert (plain.hidden, plain.epochs) == ((64, 64), 100)


@pytest.mark.parametrize(
    ("n_rows", "batch"), [(1, 32), (800, 32), (1600, 64), (6399, 128), (6400, 256), (10**6, 256)]
)
def test_the_batch_of_a_plain_network_grows_with_the_table(n_rows, batch):
    assert recipe_for("mlp", "default", "regression", n_rows).batch_size == batch


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("mpl", "fast", "regression", 9), "method is 'mpl', wanted one of 'realmlp'"),
        (("mlp", "quick", "regression", 9), "preset is 'quick', wanted one of 'fast'"),
        (("mlp", "fast", "ranking", 9), "task is 'ranking', wanted one of 'classification'"),
    ],
)
def test_unknown_names_are_refused(arguments, wanted):
    with pytest.raises(ValueError, match=wanted):
        recipe_for(*arguments)


def test_schedules_of_recipes():
    assert schedules_of(recipe_for("mlp", "default", "regression", 9)) == {}
    simple = schedules_of(recipe_for("realmlp-s", "default", "regression", 9))
    assert list(simple) == ["schedule"]
    found = schedules_of(recipe_for("realmlp", "default", "classification", 9))
    assert list(found) == ["schedule", "decay_schedule", "dropout_schedule"]
    dropless = dataclasses.replace(
        recipe_for("realmlp", "default", "classification", 9), dropout=0.0
    )
    assert list(schedules_of(dropless)) == ["schedule", "decay_schedule"]
    start = Progress(step=0, epoch=0, steps=60, steps_per_epoch=60, lr=1.0)
    share = np.arange(60) / 60
    waves = [0.04 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * s))) / 2 for s in share]
    falling = [1.0 if s < 0.5 else (1 + math.cos(math.pi * (2 * s - 1))) / 2 for s in share]
    for name, wanted in (
        ("schedule", waves),
        ("decay_schedule", falling),
        ("dropout_schedule", falling),
    ):
        np.testing.assert_allclose(found[name].rates(start, 60), wanted, rtol=0, atol=1e-14)
