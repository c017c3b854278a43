"""Averages of the weights in checkpoints: a resumed training ends with the same ones."""

import copy

import numpy as np
import pytest

import affinet as an
from interrupted_training import (
    assert_same,
    build,
    content_of,
    interrupted,
    refused,
    rewrite,
    train,
)

AVERAGES = {
    "EMA": lambda: an.EMA(0.9),
    "EMA later": lambda: an.EMA(0.9, start=4, every=3),
    "SWA": lambda: an.SWA(start=6, every=2),
}


def built():
    return build(middle=[an.BatchNorm(6, dtype="float64")])


@pytest.mark.parametrize("name", AVERAGES)
def test_a_resumed_average_has_the_same_bits(kind, name, data, path):
    make = AVERAGES[name]
    whole = make()
    wanted = train(data, net=built(), average=whole)
    assert wanted[2].step_kind == kind
    for step in (1, 4, 5, 7, 14, 15):
        interrupted(data, path, step, net=built(), average=make())
        average = make()
        assert_same(wanted, train(data, net=built(), average=average, resume=path))
        assert average.steps == whole.steps == 15
        for name, array in average.net._arrays().items():
            assert np.array_equal(array, whole.net._arrays()[name]), name


def test_an_average_that_had_seen_updates_before(kind, data, path):
    """Its checkpoint stands at the updates that it has seen, not at those of the training."""
    net, average = built(), an.EMA(0.9, start=7, every=2)
    train(data, net=net, average=average, epochs=1)
    twin = copy.deepcopy((net, average))
    whole = train(data, net=net, average=average)
    interrupted(data, path, 6, net=twin[0], average=twin[1])
    other = an.EMA(0.9, start=7, every=2)
    assert_same(whole, train(data, net=built(), average=other, resume=path))
    assert other.steps == average.steps == 20
    assert np.array_equal(other.net.params.flat, average.net.params.flat)


def test_another_average_is_refused(data, path):
    interrupted(data, path, 7, average=an.EMA(0.9))
    refused(data, r"average is 'EMA\(decay=0.9.*this training it is None", resume=path)
    refused(data, r"average is 'EMA.*'EMA\(decay=0.8", resume=path, average=an.EMA(0.8))
    refused(data, r"average is 'EMA.*'SWA", resume=path, average=an.SWA())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.update(average=None), "damaged"),
        (lambda d: d.update(average=3), "average is 3"),
        (lambda d: d["average"].pop("steps"), "damaged"),
        (lambda d: d["average"].update(steps=3), "the average's steps is 3"),
        (lambda d: d["average"].update(steps="7"), "the average's steps is '7'"),
        (lambda d: d["average"]["network"].pop("0.W"), "it has arrays of"),
        (lambda d: d["average"]["network"].update({"0.W": [1.0]}), r"average of 0\.W has shape"),
    ],
)
def test_damaged_files(data, path, change, match):
    interrupted(data, path, 7, average=an.EMA(0.9))
    description, arrays = content_of(path)
    change(description)
    rewrite(path, description, arrays)
    refused(data, match, resume=path, average=an.EMA(0.9))
