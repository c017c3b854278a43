"""One meaning at every speed: the fused step and the step layer by layer train the same network.

fit chooses; a subclass of a loss makes it go layer by layer.
"""

import copy
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
import parts.layers
import parts.losses
import parts.optimizers
from array_forms import COMPUTED_IN, FORMS, draw, in_form

KINDS = ("fused", "layer by layer")


class OwnSoftmax(an.SoftmaxWithLoss):
    pass


class OwnMean(an.MeanSquaredError):
    pass


def own(make):
    """The same loss as a subclass, which fit trains layer by layer."""
    loss = make()
    return type(f"Own{type(loss).__name__}", (type(loss),), {})(**loss.config())


LOSSES = {name: row.make for name, row in parts.losses.LOSSES.items()}
# Codes do not outlive other layers: test_codes.py trains networks that begin with them.
LAYERS = {
    name: row.make
    for name, row in parts.layers.LAYERS.items()
    if name != "Affine" and not row.codes
}
OPTIMIZERS = {name: partial(make, 0.01) for name, make in parts.optimizers.TRAINED.items()}


def build(plan, widths, dtype, loss, **options):
    """Layers by name; each "Affine" leads to the next width."""
    layers, place = [], 0
    for name in plan:
        if name == "Affine":
            layers.append(
                an.Affine.init(
                    *widths[place : place + 2], rng=place, activation="tanh", dtype=dtype
                )
            )
            place += 1
        else:
            layers.append(LAYERS[name](widths[place], dtype))
    return an.Sequential(*layers, loss=loss(), **options)


def both(plan, widths, dtype, loss, x, t, optimizer="SGD", options=None, **fit_options):
    """Train the same network by both kinds of step; networks and records."""
    trained = []
    for kind, kind_of_loss in zip(KINDS, (loss, partial(own, loss)), strict=True):
        net = build(plan, widths, dtype, kind_of_loss, **options or {})
        used = OPTIMIZERS[optimizer]()
        history = net.fit(x, t, optimizer=used, **fit_options)
        assert history.step_kind == kind
        trained.append((net, history))
    return trained


def check_equal(trained, dtype, steps):
    (fused, fused_record), (layered, layered_record) = trained
    # Each step adds some hundred roundings to numbers of about 1.
    tolerance = 500 * steps * np.finfo(dtype).eps
    np.testing.assert_allclose(
        fused.params.flat, layered.params.flat, rtol=tolerance, atol=tolerance
    )
    for name in set(fused_record.names) - {"seconds"}:
        np.testing.assert_allclose(
            fused_record[name], layered_record[name], rtol=tolerance, atol=tolerance, err_msg=name
        )
    assert fused_record.names == layered_record.names
    assert fused_record.steps == layered_record.steps
    np.testing.assert_allclose(
        fused.grads.flat, layered.grads.flat, rtol=10 * tolerance, atol=10 * tolerance
    )


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.data())
def test_any_network_loss_optimizer_and_data(data):
    def pick(*values):
        return data.draw(st.sampled_from(values))

    between = data.draw(
        st.lists(
            st.lists(st.sampled_from(sorted(LAYERS)), max_size=2),
            min_size=2,
            max_size=4,
        )
    )
    plan = between[0] + [name for part in between[1:] for name in ("Affine", *part)]
    widths = [data.draw(st.integers(1, 9)) for _ in between]
    loss, dtype = LOSSES[pick(*LOSSES)], pick("float32", "float64")
    rows, batch_size = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 21))
    if batch_size == 1 or rows % batch_size == 1:  # one row has no variance
        plan = [name.replace("BatchNorm", "LayerNorm") for name in plan]
    seed, steps = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(1, 8))
    x = draw(pick("uint8", "float32", "float64"), (rows, widths[0]), seed)
    classes = widths[-1]
    if loss is an.SoftmaxWithLoss:
        labels = np.random.default_rng(seed).integers(0, classes, rows)
        t = pick(
            labels.astype(pick("uint8", "int32", "int64", "uint16", "int8")),
            np.eye(classes, dtype=pick("uint8", "float32", "float64", "bool"))[labels],
        )
    else:
        t = draw(pick("uint8", "float32", "float64", "int64"), (rows, classes), seed + 1)
        t = parts.losses.row_of(loss()).targets(t)
        if classes == 1:
            t = pick(t, t[:, 0])
    weights = np.random.default_rng(seed + 2).integers(0, 4, rows) + pick(0.0, 0.5)
    trained = both(
        plan, widths, dtype, loss, x, t, optimizer=pick(*OPTIMIZERS), steps=steps,
        batch_size=batch_size, seed=seed, options={"input_scale": pick(None, 0.25)},
        l2=pick(0.0, 0.3), clip_norm=pick(None, 0.05), clip_value=pick(None, 0.02),
        sample_weight=pick(None, weights if weights.any() else None),
    )  # fmt: skip
    check_equal(trained, dtype, steps)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_data_in_every_form(form, dtype, loss):
    """One network results, whatever the form and the kind of step."""
    x, row = draw(dtype, (17, 5)), parts.losses.LOSSES[loss]
    t = row.targets(draw(dtype, (17, 3), 1))
    networks = []
    for kind_of_loss in (row.make, partial(own, row.make)):
        net = build(["Affine", "Tanh", "Affine"], [5, 6, 3], "float64", kind_of_loss)
        given_x, given_t = in_form(form, x), in_form(form, t)
        net.fit(given_x, given_t, epochs=2, batch_size=4, optimizer=an.SGD(0.01))
        np.testing.assert_array_equal(given_x, x)
        np.testing.assert_array_equal(given_t, t)
        networks.append(net)
    np.testing.assert_allclose(networks[0].params.flat, networks[1].params.flat, rtol=1e-11)


@pytest.mark.parametrize("dtype", COMPUTED_IN)
def test_targets_of_every_dtype(dtype):
    x, t = draw("float32", (12, 5)), draw(dtype, (12, 3))
    networks = [
        build(["Affine"], [5, 3], "float64", loss) for loss in (an.MeanSquaredError, OwnMean)
    ]
    for net in networks:
        net.fit(x, t, epochs=2, batch_size=5, optimizer=an.SGD(0.01))
    np.testing.assert_allclose(networks[0].params.flat, networks[1].params.flat, rtol=1e-11)


@pytest.mark.parametrize("batch_size", [1, 2, 31, 32, 33, 64, 1000])
def test_batches_around_the_kernels_tiles(batch_size):
    x, t = draw("float32", (65, 33)), np.arange(65) % 17
    trained = both(
        ["Affine", "ReLU", "Affine"], [33, 50, 17], "float32", an.SoftmaxWithLoss, x, t,
        epochs=2, batch_size=batch_size, optimizer="Momentum",
    )  # fmt: skip
    check_equal(trained, "float32", 2 * -(-65 // batch_size))


def test_images_of_higher_rank():
    x, t = draw("uint8", (10, 2, 3, 2)), np.arange(10) % 2
    trained = both(["Affine"], [12, 2], "float64", an.SoftmaxWithLoss, x, t, epochs=2, batch_size=4)
    check_equal(trained, "float64", 6)


def test_validation_and_callbacks_see_the_same():
    x, t = draw("float64", (20, 4)), np.arange(20) % 2
    notes = {kind: [] for kind in KINDS}
    for kind, loss in zip(KINDS, (an.SoftmaxWithLoss, OwnSoftmax), strict=True):
        net = build(["Affine", "Dropout", "Affine"], [4, 6, 2], "float64", loss)

        def callback(state, noted=notes[kind]):
            noted.append((state.step, state.metrics["val_loss"], state.net.params.flat.copy()))
            noted.append(state.net.evaluate(x, t)["loss"])

        net.fit(x, t, epochs=3, batch_size=6, validation_data=(x, t), callbacks=[callback])
    for fused, layered in zip(*notes.values(), strict=True):
        if isinstance(fused, tuple):
            np.testing.assert_allclose(fused[2], layered[2], rtol=1e-10, atol=1e-12)
            assert fused[0] == layered[0]
            assert fused[1] == pytest.approx(layered[1], rel=1e-10)
        else:
            assert fused == pytest.approx(layered, rel=1e-10)


CHANGES = {
    "learning rate": lambda s: setattr(s.optimizer, "lr", 0.001),
    "momentum": lambda s: setattr(s.optimizer, "momentum", 0.1),
    "parameters": lambda s: s.net.params.flat.__imul__(0.5),
    "one layer's W": lambda s: setattr(s.net.layers[0], "W", np.full((4, 6), 0.1)),
    "dropout": lambda s: setattr(s.net.layers[2], "p", 0.8),
    "slope": lambda s: setattr(s.net.layers[1], "slope", 0.9),
    "an extra step": lambda s: s.optimizer.update(s.net.params, s.net.grads),
    "a forward of its own": lambda s: s.net.forward(np.ones((2, 4)), [0, 1]),
    "input scale": lambda s: setattr(s.net, "input_scale", 0.5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_callback_changes_takes_effect_in_both(change):
    x, t = draw("float64", (20, 4)), np.arange(20) % 2
    networks, untouched = [], None
    for loss in (an.SoftmaxWithLoss, OwnSoftmax):
        net = build(["Affine", "LeakyReLU", "Dropout", "Affine"], [4, 6, 2], "float64", loss)
        plain = copy.deepcopy(net)
        net.fit(
            x, t, epochs=3, batch_size=6, optimizer=an.Momentum(0.05), callbacks=[CHANGES[change]]
        )
        plain.fit(x, t, epochs=3, batch_size=6, optimizer=an.Momentum(0.05))
        networks.append(net.params.flat)
        untouched = plain.params.flat
    np.testing.assert_allclose(networks[0], networks[1], rtol=1e-9, atol=1e-11)
    if change != "a forward of its own":
        assert (networks[0] != untouched).any()


def test_the_state_of_an_optimizer_serves_both_and_the_users_own_steps():
    x, t = draw("float64", (12, 4)), np.arange(12) % 2
    results = []
    for losses in ([an.SoftmaxWithLoss] * 3, [OwnSoftmax] * 3):
        optimizer = an.Adam(0.05)
        net = build(["Affine", "Tanh", "Affine"], [4, 5, 2], "float64", losses[0])
        net.fit(x, t, epochs=1, batch_size=5, optimizer=optimizer)
        for _ in range(2):
            net.forward(x, t)
            net.backward()
            optimizer.update(net.params, net.grads)
        net.fit(x, t, epochs=1, batch_size=5, optimizer=optimizer)
        results.append(net.params.flat)
    np.testing.assert_allclose(*results, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, OwnSoftmax])
def test_nan_and_infinite_losses_are_recorded_as_they_are(loss):
    x, t = draw("float64", (6, 4)), np.arange(6) % 2
    x[3] = np.nan
    net = build(["Affine"], [4, 2], "float64", loss)
    with pytest.warns(RuntimeWarning, match=r"because x\[3, 0\] is nan"):
        history = net.fit(x, t, epochs=1, batch_size=2)
    assert np.isnan(history["loss"]).all()


@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, OwnSoftmax])
def test_accuracy_counts_the_first_of_equal_outputs(loss):
    """As argmax does; a network of zeros calls every row class 0."""
    net = an.Sequential(an.Affine(np.zeros((2, 3)), np.zeros(3)), loss=loss())
    history = net.fit(np.ones((9, 2)), np.arange(9) % 3, epochs=1, batch_size=9)
    assert history["accuracy"] == [1 / 3]
