"""fit_many takes every option of fit, once or as a list, and trains as each network's own fit."""

import copy
import inspect

import numpy as np
import pytest

import affinet as an
from affinet import samplers, schedules
from affinet.training.many_options import ONCE, list_name
from many_networks import N, build, crowd, data, record, require_same
from rank_threads import ThreadReducer, on_ranks

X, T = data()
WEIGHTS = np.random.default_rng(1).uniform(size=(N, len(X))) * (np.arange(len(X)) % 5 > 0)
FIT = inspect.signature(an.Sequential.fit).parameters
OPTIONS = [name for name, p in FIT.items() if p.kind is p.KEYWORD_ONLY]


class Rising:
    """A schedule with a state: the rate depends on the epochs that it has observed."""

    def begin(self):
        self.seen = []

    def observe(self, figures):
        self.seen.append(figures["loss"])

    def __call__(self, progress):
        return 0.01 * (1 + len(self.seen))


def halve(state):
    state.optimizer.lr /= 2


def every_third(epoch, n_rows, rng):
    return rng.permutation(n_rows)[: n_rows // 3]


HELD_OUT = X[:7] + 0.1, T[:7]
# Of each option: a value for each network, the first of which is also given once; what it needs.
CASES = {
    "epochs": ([3, 1, 2, 4, 1, 2], {}),
    "steps": ([5, 1, 7, 9, 2, 3], {}),
    "batch_size": ([7, 5, 61, 100, 3, 8], {}),
    "optimizer": (
        [an.AdamW(0.02), an.SGD(0.1), an.Lion(0.01), an.Adam(0.1), an.Momentum(0.1), an.Muon()],
        {},
    ),
    "validation_data": ([HELD_OUT, *((X[i:], T[i:], 1.0 + T[i:]) for i in range(1, N))], {}),
    "callbacks": (
        [
            [an.EarlyStopping("loss", patience=1), halve],
            [an.every_steps(3, halve)],
            *([an.EarlyStopping("accuracy", patience=1)] for _ in range(2, N)),
        ],
        {"epochs": 8},
    ),
    "metrics": (
        [["f1"], [], ["f1", "accuracy"], {"a": "f1"}, [], []],
        {"validation_data": HELD_OUT},
    ),
    "schedule": ([Rising(), None, *(schedules.Cosine(0.01 * i) for i in range(2, N))], {}),
    "decay_schedule": (
        [schedules.FlatCosine(1.0), None, *(schedules.Cosine(1.0) for _ in range(2, N))],
        {"optimizer": an.AdamW(0.01, weight_decay=0.1)},
    ),
    "dropout_schedule": ([schedules.Cosine(1.0), None, lambda p: 0.5, None, None, None], {}),
    "seed": (list(range(10, 10 + N)), {}),
    "verbose": ([0], {}),
    "sample_weight": (list(WEIGHTS), {}),
    "class_weight": (["balanced", None, {0: 2.0}, {1: 0.5}, "balanced", {}], {}),
    "l2": ([0.1, 0.0, 0.2, 0.3, 0.4, 0.5], {}),
    "clip_norm": ([0.01, None, 0.1, 0.2, 0.3, 1], {}),
    "clip_value": ([0.001, None, 0.1, 0.2, 0.3, 1], {}),
    "shuffle": ([False, True, True, False, False, True], {}),
    "sampler": (
        [
            samplers.WithReplacement(40, weights="balanced"), None, every_third,
            samplers.WithReplacement(), samplers.Shuffled(), None,
        ],
        {},
    ),
    "average": ([an.EMA(0.5), None, an.SWA(1), an.EMA(0.9), None, an.SWA()], {}),
    "stop_if_not_finite": ([True, False, True, True, False, True], {}),
}  # fmt: skip
ELSEWHERE = {"reducer", "resume"}  # tests below


def own_fits(x=X, t=T, **lists):
    """Networks that were trained one by one, with copies of all that is theirs."""
    nets = crowd()
    for place, net in enumerate(nets):
        options = {name: copy.deepcopy(values[place]) for name, values in lists.items()}
        net.fit(x, t, **{"epochs": 3, "batch_size": 8} | options)
    return nets


def defaults(option, needs):
    """Epochs unless steps are given, and a batch size."""
    length = {} if option == "steps" else {"epochs": 3}
    return length | {"batch_size": 8} | copy.deepcopy(needs)


def test_every_option_of_fit_has_a_case():
    assert set(OPTIONS) == set(CASES) | ELSEWHERE


@pytest.mark.parametrize("option", sorted(set(CASES) - {"average"}))
def test_once(option, threads):
    values, needs = CASES[option]
    once = defaults(option, needs) | {option: copy.deepcopy(values[0])}
    lists = {name: [value] * N for name, value in once.items() if name != "steps"}
    own = own_fits(**lists | ({"steps": [values[0]] * N, "epochs": [None] * N} if option == "steps"
                              else {}))  # fmt: skip
    nets = crowd()
    histories = an.fit_many(nets, X, T, **once)
    assert [net.history for net in nets] == histories
    require_same(nets, own)


@pytest.mark.parametrize("option", sorted(set(CASES) - set(ONCE)))
def test_as_a_list(option, threads):
    values, needs = copy.deepcopy(CASES[option])
    once = defaults(option, needs)
    lists = {name: [value] * N for name, value in once.items()} | {option: values}
    if option == "steps":
        lists["epochs"] = [None] * N
    own = own_fits(**lists)
    nets = crowd()
    once.pop(option, None)
    an.fit_many(nets, X, T, **once, **{list_name(option): values})
    require_same(nets, own)


def test_each_network_has_an_average_of_its_own(threads):
    nets, averages, own = crowd(), [an.EMA(0.5) for _ in range(N)], [an.EMA(0.5) for _ in range(N)]
    an.fit_many(nets, X, T, epochs=3, batch_size=8, averages=averages)
    for net, average in zip(crowd(), own, strict=True):
        net.fit(X, T, epochs=3, batch_size=8, average=average)
    for one, other in zip(averages, own, strict=True):
        assert one.steps == other.steps > 0
        assert one.net.params.flat.tobytes() == other.net.params.flat.tobytes()


def test_an_average_belongs_to_one_network():
    nets, average = crowd(), an.EMA(0.5)
    with pytest.raises(TypeError, match=r"average is EMA\(.*wanted averages, a list of one for"):
        an.fit_many(nets, X, T, epochs=1, average=average)
    with pytest.raises(ValueError, match=r"averages\[0\] and averages\[1\] hold the same EMA"):
        an.fit_many(nets, X, T, epochs=1, averages=[average] * N)
    assert average.net is None


def test_resume_and_reducer_are_options_too(tmp_path):
    nets, own = crowd(), own_fits(callbacks=[[]] * N)
    an.fit_many(
        nets, X, T, epochs=1, batch_size=8, callbacks=[an.Checkpoint(tmp_path / "{net}.npz")]
    )
    again, third = crowd(), crowd()
    an.fit_many(again, X, T, epochs=3, batch_size=8, resume=tmp_path / "{net}.npz")
    require_same(again, own)
    paths = [tmp_path / f"{place}.npz" for place in range(N)]
    paths[2] = None
    an.fit_many(third, X, T, epochs=3, batch_size=8, resumes=paths)
    require_same(third, own)
    (found,) = on_ranks(1, lambda reducer: trained_by(reducer))
    require_same(found, own)


def trained_by(reducer: ThreadReducer):
    nets = crowd()
    an.fit_many(nets, X, T, epochs=3, batch_size=8, reducer=reducer)
    return nets


def test_arrays_and_ranges_are_lists(threads):
    own = own_fits(seed=list(range(N)), l2=list(np.linspace(0, 1, N)), sample_weight=WEIGHTS)
    nets = crowd()
    an.fit_many(
        nets, X, T, epochs=3, batch_size=8, seeds=range(N), l2s=np.linspace(0, 1, N),
        sample_weights=WEIGHTS,
    )  # fmt: skip
    require_same(nets, own)


def test_iterators_given_once_serve_all_networks():
    nets, own = crowd(), own_fits(callbacks=[[halve]] * N)
    an.fit_many((net for net in nets), X, T, epochs=3, batch_size=8, callbacks=iter([halve]))
    require_same(nets, own)


REFUSED = [
    ({"batch_sizes": [8, 8]}, ValueError, r"batch_sizes has 2 values, wanted 6, one per network"),
    ({"batch_size": 8, "batch_sizes": [8] * N}, TypeError, "batch_size and batch_sizes were both"),
    ({"seeds": 3}, TypeError, "seeds is 3, wanted a list of one value per network"),
    ({"optimizers": an.Adam()}, TypeError, "optimizers is Adam.*, wanted a list"),
    ({"verboses": [0] * N}, TypeError, "fit_many has no argument 'verboses': wanted an option"),
    ({"lr": 0.1}, TypeError, r"fit_many has no argument 'lr'.*optimizer=Adam\(lr=...\)"),
    ({"n_epochs": 3}, TypeError, "affinet's name for it is epochs"),
    ({"batch_size": 0}, ValueError, "batch_size is 0"),
    ({"epochs": [1, 2, 3, 0, 1, 1]}, ValueError, "epochs is 0"),
    ({"epochs": 1, "steps": 1}, ValueError, "epochs and steps were both given"),
    ({"callbacks": [an.Checkpoint("one.npz")]}, ValueError, r"one file for all networks.*\{net\}"),
    ({"resume": "one.npz"}, ValueError, r"resume is 'one.npz', one file for all.*\{net\}"),
    ({"resume": "nowhere/{net}.npz"}, FileNotFoundError, "nowhere.0.npz, nor one of the others"),
    ({"callbacks": [an.live.LiveView()]}, TypeError, "is for one network.*callback_lists"),
    ({"rows": [[0]]}, ValueError, "rows has 1 arrays, wanted 6"),
    ({"rows": 3}, TypeError, "rows is 3, wanted a list of one array per network"),
    ({"rows": [None] * 5 + [[61]]}, ValueError, r"rows\[5\] has the row 61 at place 0"),
    ({"rows": [None] * 5 + [[]]}, ValueError, r"rows\[5\] has shape \(0,\)"),
    ({"rows": [X[:, 0] > 0] * N}, TypeError, r"rows\[0\] has dtype bool.*numpy.flatnonzero"),
    ({"sample_weight": np.ones(3), "rows": [[0]] * N}, ValueError, "sample_weight has shape"),
    ({"verbose": 0, "optimizers": [an.Adam()] * N}, ValueError,
     r"optimizers\[0\] and optimizers\[1\] hold the same Adam.*give optimizer once"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED)
def test_what_is_refused_changes_nothing(options, kind, message):
    nets = crowd()
    before = [net.params.flat.copy() for net in nets]
    with pytest.raises(kind, match=message):
        an.fit_many(nets, X, T, **options)
    for net, values in zip(nets, before, strict=True):
        np.testing.assert_array_equal(net.params.flat, values)
        assert net.history is None


def test_the_same_callback_or_schedule_in_two_lists_is_refused():
    stop, rising = an.EarlyStopping("loss"), Rising()
    lists = [[]] * 3 + [[stop], [halve], [halve, an.every_steps(2, stop)]]
    with pytest.raises(ValueError, match=r"callback_lists\[3\] and callback_lists\[5\] hold the"):
        an.fit_many(crowd(), X, T, callback_lists=lists)
    with pytest.raises(ValueError, match=r"schedules\[0\] and schedules\[1\] hold the same"):
        an.fit_many(crowd(), X, T, schedules=[rising, rising, None, None, None, None])


def test_a_note_names_the_network_whose_arguments_are_refused():
    with pytest.raises(ValueError, match="batch_size is -1") as caught:
        an.fit_many(crowd(), X, T, batch_sizes=[1, 2, 3, -1, 5, 6])
    assert caught.value.__notes__ == ["in the arguments of network 3 of 6 (0 .. 5)"]


def test_networks_that_are_refused():
    net, other = build(0), build(1)
    with pytest.raises(TypeError, match="nets is one Sequential, wanted a list"):
        an.fit_many(net, X, T)
    with pytest.raises(TypeError, match="nets is 3, wanted a list"):
        an.fit_many(3, X, T)
    with pytest.raises(ValueError, match="nets is empty"):
        an.fit_many([], X, T)
    with pytest.raises(TypeError, match=r"nets\[1\] is 'a', wanted a Sequential"):
        an.fit_many([net, "a"], X, T)
    with pytest.raises(ValueError, match=r"nets\[0\] and nets\[2\] are the same network"):
        an.fit_many([net, other, net], X, T)
    with pytest.raises(ValueError, match=r"nets\[1\] and nets\[2\] share parameters"):
        an.fit_many([net, other, copy.copy(other)], X, T)
    with pytest.raises(ValueError, match="t has shape"):
        an.fit_many([net, other], X, T[:5], rows=[None, [60]])


def test_once_and_list_give_the_same_record():
    one, other = crowd(), crowd()
    an.fit_many(one, X, T, epochs=2, seed=4)
    an.fit_many(other, X, T, epochs=[2] * N, seeds=[4] * N)
    assert [record(net.history) for net in one] == [record(net.history) for net in other]
