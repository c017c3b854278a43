"""Ranks begin, stop, fail and go on together."""

import os
import signal
import threading

import numpy as np
import pytest

import affinet as an
from affinet.training import team
from rank_threads import ThreadReducer, on_ranks, same_bits

X = np.random.default_rng(0).standard_normal((30, 4))
T = (X[:, 0] > 0).astype(int)


def make_net(*layers, dtype="float64"):
    return an.Sequential(
        *layers, an.Affine.init(4, 2, rng=0, dtype=dtype), loss=an.SoftmaxWithLoss()
    )


def fit(reducer, net=None, data=(X, T), **options):
    options = {"epochs": 4, "batch_size": 8, "optimizer": an.SGD(0.1)} | options
    net = make_net() if net is None else net
    return net, net.fit(*data, reducer=reducer, **options)


def errors_of(size, options_of):
    """The error of each rank, given that rank's options."""
    return on_ranks(size, lambda reducer: fit(reducer, **options_of(reducer.rank)))


@pytest.mark.parametrize(
    ("differing", "wanted"),
    [
        (lambda odd: {"batch_size": 9 if odd else 8}, "batch_size: 8 on rank 0, 9 on rank 1"),
        (lambda odd: {"seed": 1 if odd else 0}, "seed: 0 on rank 0, 1 on rank 1"),
        (lambda odd: {"epochs": 5 if odd else 4}, "steps: 16 on rank 0, 20 on rank 1"),
        (
            lambda odd: {"net": make_net(dtype="float32" if odd else "float64")},
            "dtype: float64 on rank 0, float32 on rank 1",
        ),
        (
            lambda odd: {"net": make_net(*[an.Affine.init(4, 4, rng=0, dtype="float64")] * odd)},
            "number of layers",
        ),
        (lambda odd: {"net": make_net(an.Dropout(0.5 if odd else 0.4))}, "layers: "),
        (lambda odd: {"data": (X[odd:], T[odd:])}, "rows: 30 on rank 0, 29 on rank 1"),
        (lambda odd: {"optimizer": an.SGD(0.1) if odd else an.Adam()}, "optimizer: Adam"),
        (lambda odd: {"optimizer": an.SGD(0.2 if odd else 0.1)}, "the optimizer's numbers: "),
        (lambda odd: {"sample_weight": np.arange(30.0) + odd}, "weights: "),
        (lambda odd: {"l2": 0.5 * odd}, "l2: 0.0 on rank 0, 0.5 on rank 1"),
        (lambda odd: {"validation_data": (X, T) if odd else None}, "rows to validate with: 0"),
        (lambda odd: {"callbacks": [print] * odd}, r"callbacks: \[\] on rank 0"),
        (lambda odd: {"schedule": an.schedules.Constant(1) if odd else None}, "schedule: None"),
    ],
)
def test_a_disagreement_is_one_error_on_every_rank(differing, wanted):
    errors = errors_of(3, lambda rank: differing(rank == 1))
    assert all(type(error) is ValueError for error in errors), errors
    assert len({str(error) for error in errors}) == 1
    with pytest.raises(ValueError, match=f"^the ranks disagree on {wanted}"):
        raise errors[2]


def test_versions(monkeypatch):
    local = threading.local()

    class Version:
        def __str__(self):
            return local.version

    monkeypatch.setattr(team, "__version__", Version())

    def work(reducer):
        local.version = f"1.{reducer.rank}"
        return fit(reducer)

    for error in on_ranks(2, work):
        assert str(error) == "the ranks disagree on affinet's version: 1.0 on rank 0, 1.1 on rank 1"


def test_a_rank_that_has_left_ends_those_that_begin():
    def work(reducer):
        return fit(reducer) if reducer.rank == 0 else team.Team(reducer).meet(team.LEFT)

    error, left = on_ranks(2, work)
    assert isinstance(error, RuntimeError)
    assert str(error) == "rank 1 has ended before this training: all ranks end"
    assert left is None


@pytest.mark.parametrize(("fused", "fine"), [((True, True), True), ((True, False), False)])
def test_levels(fused, fine, monkeypatch):
    """Those with fused multiply-adds may mix, baseline stands alone."""
    from affinet.training import team_run

    local = threading.local()

    class Kernels:
        def build_level(self):
            return "any", local.fused

    monkeypatch.setattr(team_run, "kernels", Kernels())

    def work(reducer):
        local.fused = fused[reducer.rank]
        return fit(reducer)

    outcomes = on_ranks(2, work)
    if fine:
        assert [record.steps for _, record in outcomes] == [16, 16]
        return
    for error in outcomes:
        assert str(error) == (
            "the ranks disagree on the instruction-set level: with (avx2, avx512, NEON) on rank 0, "
            "without (baseline) on rank 1"
        )


def test_what_one_rank_refuses_all_refuse():
    errors = errors_of(3, lambda rank: {"data": (X, T + 2 * (rank == 1))})
    assert isinstance(errors[1], ValueError)
    assert "wanted a class index" in str(errors[1])
    for error in (errors[0], errors[2]):
        assert isinstance(error, RuntimeError)
        assert str(error).startswith("rank 1 of 3 failed:\n")
        assert str(errors[1]) in str(error)


def test_each_rank_looks_at_its_own_part_of_the_targets():
    bad = T.copy()
    bad[14] = 7
    first, second, third = errors_of(3, lambda rank: {"data": (X, bad)})
    assert "t[14] is 7" in str(second)
    assert isinstance(second, ValueError)
    assert isinstance(first, RuntimeError)
    assert isinstance(third, RuntimeError)


def test_layers_with_statistics_are_refused_by_name():
    for error in on_ranks(2, lambda r: fit(r, make_net(an.BatchNorm(4, dtype="float64")))):
        with pytest.raises(ValueError, match=r"layer 0, BatchNorm.*running_mean and running_var"):
            raise error


@pytest.mark.parametrize("reducer", [3, object(), ThreadReducer])
def test_what_is_no_reducer(reducer):
    with pytest.raises(TypeError, match="wanted a Reducer such as MPIReducer"):
        fit(reducer)


def test_a_rank_that_is_none():
    class Wrong:
        rank, size = 2, 2
        broadcast = sum = print

    with pytest.raises(ValueError, match="rank 2 of 2"):
        fit(Wrong())


# During the training -----------------------------------------------------------------------------


@pytest.mark.parametrize("every_steps", [None, 3])
def test_one_rank_stops_all(every_steps):
    def work(reducer):
        def clock(state):
            if reducer.rank == 2 and state.step >= 8:
                raise an.StopTraining("time is up")

        callback = clock if every_steps is None else an.every_steps(every_steps, clock)
        return fit(reducer, callbacks=[callback])

    outcomes = on_ranks(3, work)
    assert same_bits([net.params.flat for net, _ in outcomes])
    for _, record in outcomes:
        assert record.stopped_by == "clock: time is up"
        assert record.steps == (8 if every_steps is None else 9)


def test_one_rank_s_callback_fails_for_all():
    def work(reducer):
        def callback(state):
            if reducer.rank == 1 and state.epoch == 2:
                raise KeyError("lost")

        return fit(reducer, callbacks=[callback])

    first, second = on_ranks(2, work)
    assert isinstance(second, KeyError)
    assert isinstance(first, RuntimeError)
    assert "KeyError: 'lost'" in str(first)


@pytest.mark.parametrize("what", ["parameters", "rate"])
def test_callbacks_that_make_ranks_differ_are_found_out(what):
    def work(reducer):
        def callback(state):
            if reducer.rank == 1 and what == "rate":
                state.optimizer.lr *= 0.5
            elif reducer.rank == 1:
                state.net.params["0.b"][0] += 1e-12

        return fit(reducer, callbacks=[callback])

    for error in on_ranks(2, work):
        with pytest.raises(ValueError, match=r"^the ranks disagree on what callbacks have left"):
            raise error


def test_all_ranks_see_the_same_figures_and_may_act_on_them():
    def work(reducer):
        seen = []

        def callback(state):
            seen.append(dict(state.metrics))
            state.optimizer.lr *= state.metrics["loss"] + state.metrics["seconds"]

        return (*fit(reducer, callbacks=[callback], validation_data=(X, T)), seen)

    (first, _, seen), (second, _, also) = on_ranks(2, work)
    assert seen == also
    np.testing.assert_array_equal(first.params.flat, second.params.flat)


def test_a_failure_inside_a_step_aborts(capsys):
    class Fails:
        def __init__(self, rank):
            self.left = 20 if rank == 1 else 10**9

        def forward(self, x):
            self.left -= 1
            if self.left == 0:
                raise FloatingPointError("in a step")
            return x

        def backward(self, dout):
            return dout

    first, second = on_ranks(2, lambda r: fit(r, make_net(Fails(r.rank)), epochs=50))
    assert isinstance(second, FloatingPointError)
    assert isinstance(first, threading.BrokenBarrierError)
    told = capsys.readouterr().err
    assert "rank 1 of 2 ends all:\nTraceback" in told
    assert "FloatingPointError: in a step" in told


def test_callbacks_that_choose_their_steps_on_one_rank():
    """All ranks stop at the steps that rank 0's callback asks for; here 2, 5, 9, ...."""

    def work(reducer):
        seen = []

        class Looks:
            on_one_rank = only_looks = True

            def __call__(self, state):
                seen.append(("epoch", state.epoch))

            def next_step(self, step):
                return 2 if step < 2 else 5 if step < 5 else 9

            def after_step(self, state):
                seen.append((state.step, state.totals[0], bool(state.net.grads.flat.any())))

        watch = an.diagnostics.Monitor(verbose=False)
        net = fit(reducer, callbacks=[Looks(), watch], epochs=3)[0]
        return seen, net.params.flat.copy(), len(watch.steps)

    one, *others = on_ranks(3, work)
    alone = fit(None, callbacks=[], epochs=3)[0]
    assert one[0][:4] == [(2, 16.0, True), ("epoch", 1), (5, 8.0, True), ("epoch", 2)]
    assert one[2] > 0
    for seen, params, watched in others:
        assert (seen, watched) == ([], 0)
        np.testing.assert_array_equal(params, one[1])
    np.testing.assert_allclose(one[1], alone.params.flat, rtol=0, atol=1e-14)


def test_only_rank_0_shows_progress_and_writes(tmp_path, capsys):
    def work(reducer):
        path = tmp_path / f"{reducer.rank}.npz"
        called = []

        class Alone:
            on_one_rank = True

            def begin(self, state):
                called.append("begin")

            def __call__(self, state):
                called.append(state.epoch)

            def end(self, state):
                called.append("end")

        fit(reducer, callbacks=[an.Checkpoint(path), Alone()], verbose=1)
        return called

    outcomes = on_ranks(3, work)
    assert outcomes == [["begin", 1, 2, 3, 4, "end"], [], []]
    assert os.listdir(tmp_path) == ["0.npz"]
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_ctrl_c_on_one_rank_ends_all_at_the_same_step():
    """Rank 0 is this thread, the only one that receives signals."""
    from rank_threads import Meeting

    meeting, outcomes = Meeting(2), {}

    def work(rank):
        net = make_net()

        def interrupt(state):
            if rank == 0 and state.epoch == 3:
                os.kill(os.getpid(), signal.SIGINT)

        try:
            fit(ThreadReducer(meeting, rank), net, callbacks=[interrupt], epochs=10**6)
        except KeyboardInterrupt:
            outcomes[rank] = net

    other = threading.Thread(target=work, args=(1,))
    other.start()
    before = signal.getsignal(signal.SIGINT)
    work(0)
    other.join(timeout=30)
    assert signal.getsignal(signal.SIGINT) is before
    assert same_bits([outcomes[rank].params.flat for rank in range(2)])
    for net in outcomes.values():
        assert net.history.stopped_by == "KeyboardInterrupt"
        assert len(net.history.epochs) == 3


def test_bad_losses_warn_on_one_rank():
    def work(reducer):
        return fit(reducer, data=(X * 1e200, T), optimizer=an.SGD(1e200), epochs=1)

    with pytest.warns(RuntimeWarning, match="diverges") as told:
        on_ranks(2, work)
    assert len(told) == 1


# Going on ----------------------------------------------------------------------------------------


def train(reducer, path=None, resume=None, others=()):
    callbacks = [an.EarlyStopping("loss", patience=50), *others]
    if path is not None:
        callbacks.append(an.Checkpoint(path, every_steps=7))
    return fit(
        reducer,
        make_net(an.Dropout(0.2)),
        epochs=6,
        optimizer=an.Adam(0.01),
        callbacks=callbacks,
        schedule=an.schedules.Cosine(0.01),
        resume=resume,
        sample_weight=np.arange(30.0),
    )


def test_another_number_of_ranks_goes_on(tmp_path):
    """A checkpoint of 3 ranks, in the middle of an epoch, for 1, 2 and 4 ranks."""
    path = tmp_path / "run.npz"
    whole, record = train(None)

    def fail(state):
        raise InterruptedError

    for outcome in on_ranks(3, lambda r: train(r, path, others=[an.every_steps(15, fail)])):
        assert isinstance(outcome, InterruptedError)
    for size in (1, 2, 4):
        outcomes = on_ranks(size, lambda reducer: train(reducer, resume=path))
        assert same_bits([net.params.flat for net, _ in outcomes])
        for net, again in outcomes:
            np.testing.assert_allclose(net.params.flat, whole.params.flat, rtol=0, atol=1e-12)
            np.testing.assert_allclose(again["loss"], record["loss"], rtol=1e-12)
            assert again.steps == record.steps
    alone, _ = train(None, resume=path)
    np.testing.assert_allclose(alone.params.flat, whole.params.flat, rtol=0, atol=1e-12)


def test_the_same_number_of_ranks_ends_with_the_same_bits(tmp_path):
    path = tmp_path / "run.npz"
    whole = on_ranks(2, lambda reducer: train(reducer, path))
    again = on_ranks(2, lambda reducer: train(reducer, resume=path))  # stands at step 21 of 24
    assert same_bits([net.params.flat for net, _ in [*whole, *again]])
    for (_, one), (_, other) in zip(whole, again, strict=True):
        assert one["loss"] == other["loss"]


def test_rank_0_alone_reads_the_file(tmp_path):
    """The others may not see its disk."""
    path = tmp_path / "run.npz"
    on_ranks(2, lambda reducer: train(reducer, path))
    gone = tmp_path / "gone.npz"
    outcomes = on_ranks(
        3, lambda reducer: train(reducer, resume=path if reducer.rank == 0 else gone)
    )
    assert same_bits([net.params.flat for net, _ in outcomes])
    first, second = on_ranks(2, lambda reducer: train(reducer, resume=gone))
    assert isinstance(first, FileNotFoundError)
    assert isinstance(second, ValueError | RuntimeError)


def test_one_rank_alone_resumes():
    errors = on_ranks(2, lambda r: train(r, resume="x.npz" if r.rank == 1 else None))
    for error in errors:
        assert str(error).startswith("the ranks disagree on a file to resume from: False")


def test_a_loss_that_is_not_finite_stops_all_ranks():
    """At the end of the epoch, whose sums all ranks know; one of them names the place."""
    x = X.copy()
    x[5, 1] = np.nan

    def work(reducer):
        return fit(reducer, data=(x, T), epochs=4)

    with pytest.warns(RuntimeWarning, match=r"because x\[5, 1\] is nan") as told:
        nets = on_ranks(2, work)
    assert len(told) == 1
    for net, _ in nets:
        assert net.history.stopped_by == "the loss is not finite"
        assert len(net.history.epochs) == 1
