"""Learning-rate schedules: their formulas, and what fit makes of them in both kinds of step."""

import copy
import math

import numpy as np
import pytest

import affinet as an
from affinet import schedules
from affinet.training import step as steps
from parts.optimizers import CLASSES

START = schedules.Progress(step=0, epoch=0, steps=20, steps_per_epoch=5, lr=0.3)


def at(step, **others):
    return START._replace(step=step, epoch=step // 5, **others)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((23, 4)), np.arange(23) % 3


def build(dtype="float64"):
    return an.Sequential(
        an.Affine.init(4, 6, rng=0, dtype=dtype), an.ReLU(), an.Dropout(0.3, rng=0),
        an.Affine.init(6, 3, rng=1, dtype=dtype), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


# Formulas ----------------------------------------------------------------------------------------


def test_constant():
    assert schedules.Constant(0.25)(at(7)) == 0.25


def test_step_goes_down_every_so_many_epochs():
    rule = schedules.Step(0.8, every=2, factor=0.5)
    assert [rule(at(5 * epoch)) for epoch in range(5)] == [0.8, 0.8, 0.4, 0.4, 0.2]
    assert rule(at(14)) == 0.4


def test_exponential_goes_down_with_every_step():
    rule = schedules.Exponential(0.5, 0.9)
    assert [rule(at(i)) for i in range(4)] == pytest.approx([0.5 * 0.9**i for i in range(4)])


def test_cosine_of_the_whole_training():
    rule = schedules.Cosine(0.4, final=0.1)
    expected = [0.1 + 0.3 * (1 + math.cos(math.pi * i / 20)) / 2 for i in range(20)]
    assert [rule(at(i)) for i in range(20)] == pytest.approx(expected, rel=1e-14)
    assert rule(at(0)) == 0.4
    assert rule(at(20)) == pytest.approx(0.1)


def test_cosine_with_warm_up_and_an_end():
    rule = schedules.Cosine(0.4, total=12, warmup=4)
    assert [rule(at(i)) for i in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert rule(at(8)) == pytest.approx(0.2)
    assert [rule(at(i)) for i in (12, 13, 19)] == [0, 0, 0]


def test_flat_then_cosine():
    rule = schedules.FlatCosine(0.4, flat=0.25)
    falling = [0.4 * (1 + math.cos(math.pi * i / 15)) / 2 for i in range(15)]
    assert [rule(at(i)) for i in range(20)] == pytest.approx([0.4] * 5 + falling, rel=1e-14)
    assert rule(at(5)) == 0.4
    assert rule(at(20)) == 0
    assert schedules.FlatCosine(1.0).flat == 0.5
    assert schedules.FlatCosine(1.0)(at(15)) == pytest.approx(0.5)


def test_four_cosines_of_the_logarithm():
    rule = schedules.CosLog4(0.2)
    expected = [0.2 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * i / 20))) / 2
                for i in range(20)]  # fmt: skip
    assert [rule(at(i)) for i in range(20)] == pytest.approx(expected, rel=1e-12)
    # Waves end where 1 + 15 t is 1, 2, 4, 8, 16.
    for share in (0, 1 / 15, 3 / 15, 7 / 15, 1):
        assert rule(at(15 * share, steps=15)) == pytest.approx(0, abs=1e-12)
    for wave in range(4):
        assert rule(at((2 ** (wave + 0.5) - 1) / 15, steps=1)) == pytest.approx(0.2)


def one_cycle(steps, **options):
    rule = schedules.OneCycle(0.4, **options)
    return rule.rates(START._replace(steps=steps), steps)


def test_one_cycle():
    rates = one_cycle(20, rise=0.25, start_factor=0.1, final_factor=0.01)
    assert rates[[0, 2, 4, 19]] == pytest.approx([0.04, 0.22, 0.4, 0.004])
    assert (np.diff(rates[:5]) > 0).all()
    assert (np.diff(rates[4:]) < 0).all()
    middle = 0.4 * (0.01 + 0.99 * (1 + math.cos(math.pi * 5 / 15)) / 2)
    assert rates[9] == pytest.approx(middle)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("rise", [0.0, 0.3, 0.999])
def test_one_cycle_of_few_updates(steps, rise):
    rates = one_cycle(steps, rise=rise)
    assert np.isfinite(rates).all()
    assert rates.max() <= 0.4
    assert rates.min() >= 0


def test_one_cycle_is_that_of_torch():
    torch = pytest.importorskip("torch")
    for total, rise in ((20, 0.3), (7, 0.5), (50, 0.1)):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        peer = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.4, total_steps=total, pct_start=rise, final_div_factor=1e4
        )
        expected = []
        for _ in range(total):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(expected) < total:
                peer.step()
        assert one_cycle(total, rise=rise) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "rule",
    [
        schedules.Constant(0.1), schedules.Step(0.1, 2), schedules.Exponential(0.1, 0.9),
        schedules.Cosine(0.1, warmup=3), schedules.Cosine(0.1, 7, 2, 0.01),
        schedules.FlatCosine(0.1, 0.6), schedules.CosLog4(0.1), schedules.OneCycle(0.1, 0.6),
        schedules.ReduceOnPlateau(),
    ],
    ids=repr,
)  # fmt: skip
def test_many_rates_are_the_single_ones(rule):
    many = rule.rates(at(10), 5)
    assert many.shape == (5,)
    np.testing.assert_allclose(many, [rule(at(10 + i)) for i in range(5)], rtol=1e-15)
    assert repr(rule).startswith(f"{type(rule).__name__}(")


def test_a_plateau_reduces_after_patience_epochs_and_not_below_the_least():
    rule = schedules.ReduceOnPlateau(0.1, patience=2, monitor="val_loss", min_lr=0.02)
    rule.begin()
    seen = []
    for value in (5, 4, 4, 4, 4, 4, 3, 3, 3, np.nan):
        rule.observe({"val_loss": value})
        seen.append(round(rule(START), 12))
    assert seen == [0.3, 0.3, 0.3, 0.03, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02]
    rule.begin()
    assert rule(START) == 0.3


def test_a_plateau_looks_up_where_up_is_better():
    rule = schedules.ReduceOnPlateau(0.5, 1, "val_accuracy", min_delta=0.01)
    rule.begin()
    for value in (0.5, 0.505, 0.6):
        rule.observe({"val_accuracy": value})
    assert rule(START) == 0.15


def test_a_rate_already_below_the_least_stays():
    rule = schedules.ReduceOnPlateau(0.5, 1, "loss", min_lr=1.0)
    rule.begin()
    for _ in range(3):
        rule.observe({"loss": 1.0})
    assert rule(START) == 0.3


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: schedules.Constant(-1), "lr is -1"),
        (lambda: schedules.Step(0.1, 0), "every is 0"),
        (lambda: schedules.Step(0.1, 1, 0), "factor is 0"),
        (lambda: schedules.Exponential(0.1, 0), "decay is 0"),
        (lambda: schedules.Cosine(0.1, 5, 5), "warmup is 5, wanted less than total, 5"),
        (lambda: schedules.Cosine(0.1, 0), "total is 0"),
        (lambda: schedules.Cosine(0.1, final=-1), "final is -1"),
        (lambda: schedules.FlatCosine(-1), "lr is -1"),
        (lambda: schedules.FlatCosine(0.1, 1.0), "flat is 1"),
        (lambda: schedules.CosLog4(-1), "lr is -1"),
        (lambda: schedules.OneCycle(-1), "lr is -1"),
        (lambda: schedules.OneCycle(0.1, 1.0), "rise is 1"),
        (lambda: schedules.OneCycle(0.1, start_factor=-1), "start_factor is -1"),
        (lambda: schedules.OneCycle(0.1, final_factor=np.nan), "final_factor is nan"),
        (lambda: schedules.ReduceOnPlateau(1.0), "factor is 1"),
        (lambda: schedules.ReduceOnPlateau(patience=0), "patience is 0"),
        (lambda: schedules.ReduceOnPlateau(min_lr=-1), "min_lr is -1"),
        (
            lambda: schedules.ReduceOnPlateau(monitor="norm"),
            "not say whether higher is better",
        ),
        (lambda: schedules.ReduceOnPlateau(mode="down"), "mode is 'down'"),
        (lambda: schedules.ReduceOnPlateau(min_delta=-1), "min_delta is -1"),
    ],
)
def test_arguments_out_of_range(make, match):
    with pytest.raises(ValueError, match=match):
        make()


# In fit ------------------------------------------------------------------------------------------


def own_rule(progress):
    assert progress.steps == 15
    assert progress.steps_per_epoch == 5
    assert progress.epoch == progress.step // 5
    return 0.2 / (1 + progress.step)


RULES = {
    "constant": lambda: schedules.Constant(0.07),
    "step": lambda: schedules.Step(0.2, 1, 0.5),
    "exponential": lambda: schedules.Exponential(0.2, 0.8),
    "cosine": lambda: schedules.Cosine(0.2, warmup=4),
    "flat cosine": lambda: schedules.FlatCosine(0.2),
    "cosines": lambda: schedules.CosLog4(0.2),
    "one cycle": lambda: schedules.OneCycle(0.2),
    "plateau": lambda: schedules.ReduceOnPlateau(0.5, 1, "accuracy", min_delta=1.0),
    "own": lambda: own_rule,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", CLASSES)
@pytest.mark.parametrize("rule", RULES)
def test_both_kinds_of_step_take_the_same_rates(rule, optimizer, dtype, data, monkeypatch):
    results = []
    for fused in (True, False):
        net, used = build(dtype), optimizer(0.05)
        with monkeypatch.context() as patch:
            if not fused:
                patch.setattr(steps, "can_fuse", lambda *_: False)
            history = net.fit(*data, epochs=3, batch_size=5, optimizer=used, schedule=RULES[rule]())
        assert history.step_kind == ("fused" if fused else "layer by layer")
        results.append((net.params.flat, history["lr"], history["loss"], used.lr))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("optimizer", CLASSES)
def test_each_step_has_its_rate(optimizer, data):
    """fit with a schedule is a loop by hand that sets lr before every update."""
    net, used, rule = build(), optimizer(), schedules.Exponential(0.1, 0.7)
    twin, by_hand = copy.deepcopy(net), optimizer()
    twin.layers[2].p = net.layers[2].p = 0.0
    history = net.fit(*data, epochs=2, batch_size=5, optimizer=used, schedule=rule)
    step = 0
    for epoch in range(2):
        order = np.random.default_rng([0, epoch]).permutation(23)
        for start in range(0, 23, 5):
            rows = order[start : start + 5]
            by_hand.lr = rule(schedules.Progress(step, epoch, 10, 5, 0.1))
            twin.forward(data[0][rows], data[1][rows])
            twin.backward()
            by_hand.update(twin.params, twin.grads)
            step += 1
    np.testing.assert_array_equal(net.params.flat, twin.params.flat)
    assert history["lr"] == [rule(at(4)), rule(at(9))]
    assert used.lr == history["lr"][-1]


def test_the_record_has_no_rate_without_a_schedule(data):
    assert "lr" not in build().fit(*data, epochs=1).names


def test_a_constant_schedule_is_the_plain_training(data):
    one, two = build(), build()
    one.fit(*data, epochs=2, optimizer=an.SGD(0.1))
    two.fit(*data, epochs=2, optimizer=an.SGD(9.9), schedule=schedules.Constant(0.1))
    np.testing.assert_array_equal(one.params.flat, two.params.flat)


def test_a_plateau_begins_anew_with_every_fit(data):
    rule = schedules.ReduceOnPlateau(0.5, 1, "accuracy", min_delta=1.0)
    for _ in range(2):
        history = build().fit(*data, epochs=3, optimizer=an.SGD(0.2), schedule=rule)
        assert history["lr"] == [0.2, 0.2, 0.1]


def test_a_plateau_of_a_figure_that_is_not_there(data):
    with pytest.raises(ValueError, match="monitor is 'val_loss', but the figures are: loss, acc"):
        build().fit(*data, epochs=2, schedule=schedules.ReduceOnPlateau())


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf])
def test_a_rate_that_is_none(data, rate):
    net = build()
    before = net.params.flat.copy()
    with pytest.raises(ValueError, match=r"schedule gave a learning rate of .* for step 0"):
        net.fit(*data, schedule=lambda progress: rate)
    np.testing.assert_array_equal(net.params.flat, before)


class NoRate:
    def update(self, params, grads):
        pass


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"schedule": 0.1}, "schedule is 0.1"),
        ({"schedule": schedules.Cosine}, "schedule is"),
        ({"schedule": schedules.Constant(0.1), "optimizer": NoRate()}, "has no lr to set"),
    ],
)
def test_schedules_that_are_none(data, options, match):
    with pytest.raises(TypeError, match=match):
        build().fit(*data, **options)


def test_a_schedule_of_a_metric_says_which():
    assert schedules.ReduceOnPlateau(monitor="val_accuracy").monitor == "val_accuracy"
