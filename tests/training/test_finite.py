"""Losses that are not finite: the place in the data that is the cause, and the training's end."""

import numpy as np
import pytest

import affinet as an
from affinet.training import finite

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
RNG = np.random.default_rng(0)
X, T, VALUES = RNG.standard_normal((70, 4)), RNG.integers(0, 3, 70), RNG.standard_normal((70, 3))


def network(loss=None, own=False, dtype="float32"):
    class Tanh(an.Tanh):
        """Another class, which trains layer by layer."""

    hidden = Tanh() if own else an.Tanh()
    layers = (
        an.Affine.init(4, 5, rng=0, dtype=dtype),
        hidden,
        an.Affine.init(5, 3, rng=1, dtype=dtype),
    )
    return an.Sequential(*layers, loss=loss or an.SoftmaxWithLoss())


def with_bad(array, place, value=np.nan):
    array = np.array(array, float)
    array[place] = value
    return array


# The cause ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 4095, 4096, 9999])
def test_the_first_place_of_x(row, value):
    x = np.zeros((10000, 3))
    x[row, 2] = x[9999, 2] = value
    assert finite.cause_of(x, np.zeros(10000, int), F8) == f"x[{row}, 2] is {value}"


def test_targets_and_vectors():
    assert finite.cause_of(X, with_bad(VALUES, (7, 1)), F8) == "t[7, 1] is nan"
    assert finite.cause_of(X, with_bad(VALUES[:, 0], 7), F8) == "t[7] is nan"
    images = with_bad(np.zeros((3, 2, 2)), (1, 0, 1))
    assert finite.cause_of(images, np.zeros(3, int), F8) == "x[1, 0, 1] is nan"
    assert finite.cause_of(X, T, F8) is None
    assert finite.cause_of(np.zeros((2, 2), np.uint8), T[:2], F4) is None


def test_a_number_beyond_the_networks_range():
    x = with_bad(X, (5, 1), 1e300)
    assert finite.cause_of(x, T, F4) == "x[5, 1] is 1e+300, beyond the range of float32"
    assert finite.cause_of(x, T, F8) is None


# In a training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True], ids=["fused", "layer by layer"])
def test_a_nan_in_x_is_named_and_the_training_stops(own):
    net = network(own=own)
    with pytest.warns(RuntimeWarning) as caught:
        history = net.fit(with_bad(X, (33, 2)), T, epochs=5, verbose=0)
    assert len(caught) == 1
    said = str(caught[0].message)
    assert said == (
        "the loss of epoch 1 is nan because x[33, 2] is nan: fill such values or leave their rows "
        "out; the training stopped, stop_if_not_finite=False continues it"
    )
    assert caught[0].filename == __file__
    assert history.stopped_by == "the loss is not finite"
    assert len(history.epochs) == 1


def test_a_nan_in_t_is_named():
    net = network(an.MeanSquaredError())
    with pytest.warns(RuntimeWarning, match=r"because t\[60, 1\] is nan"):
        net.fit(X, with_bad(VALUES, (60, 1)), epochs=5, verbose=0)


def test_it_stops_within_an_epoch():
    """Layer by layer each call of steps ends after 0.05 s at most; here each is one step."""
    net, steps = network(own=True), []
    look = an.every_steps(1, lambda state: steps.append(state.step))
    with pytest.warns(RuntimeWarning, match="is nan because"):
        history = net.fit(with_bad(X, (0, 0)), T, epochs=9, batch_size=1, shuffle=False,
                          callbacks=[look], verbose=0)  # fmt: skip
    assert history.steps == 1
    assert len(history.epochs) == 1


def test_it_continues_on_demand():
    net = network()
    with pytest.warns(RuntimeWarning) as caught:
        history = net.fit(with_bad(X, (33, 2)), T, epochs=3, stop_if_not_finite=False, verbose=0)
    assert ["stop" in str(w.message) for w in caught] == [False] * 3
    assert len(history.epochs) == 3
    assert history.stopped_by == "epochs"


def test_finite_data_blame_the_learning_rate():
    net = network(an.SumSquaredError())
    with pytest.warns(RuntimeWarning, match="diverges; try a smaller learning rate, clip_norm"):
        net.fit(X, VALUES, epochs=30, optimizer=an.SGD(1e6), verbose=0)


def test_what_only_the_last_step_broke_is_reported():
    """tanh takes the infinity, so the loss is finite; its gradient with respect to W is not."""
    net = network()
    x = with_bad(X, (69, 1), np.inf)
    with pytest.warns(
        RuntimeWarning, match=r"a parameter is not .*because x\[69, 1\] is inf"
    ) as caught:
        history = net.fit(x, T, epochs=1, shuffle=False, verbose=0)
    assert caught[0].filename == __file__
    assert np.isfinite(history["loss"]).all()
    assert not np.isfinite(net.params.flat).all()


def test_a_row_of_weight_0_is_named_too():
    """Its product with the gradient 0 is NaN."""
    net, weights = network(), np.where(np.arange(70) == 33, 0.0, 1.0)
    with pytest.warns(RuntimeWarning, match=r"because x\[33, 2\] is nan"):
        net.fit(with_bad(X, (33, 2)), T, epochs=2, sample_weight=weights, verbose=0)


def test_callbacks_are_called_for_the_epoch_that_broke():
    net, seen = network(), []
    look = [lambda state: seen.append(state.metrics["loss"])]
    with pytest.warns(RuntimeWarning, match="is nan because"):
        net.fit(with_bad(X, (0, 0)), T, epochs=5, callbacks=look, verbose=0)
    assert len(seen) == 1
    assert np.isnan(seen[0])


def test_the_best_parameters_come_back():
    """Those of early stopping, which are finite."""

    class Spoil:
        def __call__(self, state):
            if state.epoch == 2:
                state.net.params.flat[0] = np.nan

    net = network()
    best = an.EarlyStopping("loss", patience=50)
    with pytest.warns(RuntimeWarning, match="diverges"):
        history = net.fit(X, T, epochs=9, callbacks=[best, Spoil()], verbose=0)
    assert history.stopped_by == finite.STOPPED_BY
    assert np.isfinite(net.params.flat).all()
    assert len(history.epochs) == 3
