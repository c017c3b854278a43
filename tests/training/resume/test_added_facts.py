"""Facts of a training that checkpoints did not hold from the beginning."""

import pytest

from affinet.training.checkpoint_file import ADDED
from interrupted_training import (
    assert_same,
    build,
    content_of,
    interrupted,
    refused,
    rewrite,
    train,
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipped_elements_go_on(kind, dtype, data, path):
    def options():
        return {"net": build(dtype=dtype), "clip_value": 0.01, "clip_norm": 0.03, "l2": 0.1}

    whole = train(data, **options())
    assert whole[2].step_kind == kind
    for step in (1, 5, 13):
        interrupted(data, path, step, **options())
        assert_same(whole, train(data, **options(), resume=path))


def test_another_bound_is_refused(data, path):
    interrupted(data, path, 7, clip_value=0.5)
    wanted = "clip_value is 0.5, in this training it is "
    refused(data, f"{wanted}0.25", resume=path, clip_value=0.25)
    refused(data, f"{wanted}None", resume=path)


@pytest.mark.parametrize("fact", ADDED)
def test_an_older_file_goes_on_as_it_was_and_not_otherwise(fact, data, path):
    whole = train(data)
    interrupted(data, path, 7)
    description, arrays = content_of(path)
    assert description["training"].pop(fact) == ADDED[fact]
    rewrite(path, description, arrays)
    assert_same(whole, train(data, resume=path))
    if fact == "clip_value":
        refused(data, "clip_value is None, in this training it is 0.5", resume=path, clip_value=0.5)
