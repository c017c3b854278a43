"""Checkpoints of many networks resume to the same bits, on another number of threads too."""

import numpy as np
import pytest

import affinet as an
from many_networks import N, crowd, data, require_same

X, T = data()
OPTIONS = {
    "epochs": 4,
    "batch_size": 8,
    "seeds": range(N),
    "schedule": an.schedules.Cosine(0.02),
    "validation_data": (X[:9], T[:9]),
}


def stop_after(step):
    """A callback that fails in the middle of the crowd's training."""

    def fail(state):
        if state.step == step:
            raise OSError("the power is gone")

    fail.comes_last = True
    return an.every_steps(1, fail)


def stopping():
    return an.EarlyStopping("val_loss", patience=1)


@pytest.mark.parametrize("step", [1, 13])
@pytest.mark.parametrize("then", [1, 4])
def test_resumes_on_any_number_of_threads(step, then, tmp_path):
    own = crowd()
    for place, net in enumerate(own):
        options = OPTIONS | {"seed": place, "callbacks": [stopping()]}
        del options["seeds"]
        net.fit(X, T, **options)
    save = an.Checkpoint(tmp_path / "net-{net}.npz", every_steps=3)
    broken = [[stopping(), save.for_network(place)] for place in range(N)]
    for place in (1, 3):
        each_step = an.Checkpoint(tmp_path / f"net-{place}.npz", every_steps=1)
        broken[place] = [stopping(), each_step, stop_after(step)]
    with an.num_threads(3), pytest.raises(an.FitManyError) as caught:
        an.fit_many(crowd(), X, T, callback_lists=broken, **OPTIONS)
    assert set(caught.value.failed) == {1, 3}
    (tmp_path / "net-5.npz").unlink()  # as if it had not begun
    again = crowd()
    with an.num_threads(then):
        an.fit_many(
            again, X, T, callbacks=[save, stopping()], resume=tmp_path / "net-{net}.npz", **OPTIONS
        )
    require_same(again, own)


def test_a_checkpoint_of_one_network_belongs_to_its_own_fit_as_well(tmp_path):
    """Rows, options and state are those of a fit of copied rows."""
    rows = [np.random.default_rng(place).integers(len(X), size=40) for place in range(N)]
    options = {"batch_size": 8, "optimizer": an.Adam(0.05), "sample_weight": np.arange(1.0, 62.0)}
    path = tmp_path / "{net}.npz"
    an.fit_many(crowd(), X, T, rows=rows, epochs=2, callbacks=[an.Checkpoint(path)], **options)
    whole, own = crowd(), crowd()
    an.fit_many(whole, X, T, rows=rows, epochs=4, **options)
    for place, net in enumerate(own):
        net.fit(
            X[rows[place]], T[rows[place]], epochs=4, resume=tmp_path / f"{place}.npz",
            **options | {"sample_weight": options["sample_weight"][rows[place]]},
        )  # fmt: skip
    require_same(own, whole)


def test_a_damaged_checkpoint_is_the_failure_of_one_network(tmp_path):
    path = tmp_path / "{net}.npz"
    an.fit_many(crowd(), X, T, epochs=1, callbacks=[an.Checkpoint(path)])
    (tmp_path / "2.npz").write_bytes(b"nothing")
    nets, own = crowd(), crowd()
    with pytest.raises(an.FitManyError, match=r"1 of 6 networks failed: 2 ") as caught:
        an.fit_many(nets, X, T, epochs=3, resume=path)
    assert "2.npz" in str(caught.value.failed[2])
    an.fit_many(own, X, T, epochs=3)
    np.testing.assert_array_equal(nets[2].params.flat, crowd()[2].params.flat)
    del nets[2], own[2]
    require_same(nets, own)
