"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from affinet import schedules
from affinet._validation import whole_number
from affinet.metrics import Metrics
from affinet.network import Sequential
from affinet.network.inner import training
from affinet.optimizers import Adam, Optimizer
from affinet.threads import register_with_threadpoolctl
from affinet.training.batches import steps_per_epoch
from affinet.training.callbacks import Callback
from affinet.training.checks import (
    require_callbacks,
    require_data,
    require_metrics,
    require_one_length,
    require_optimizer,
    require_schedule,
    require_validation_data,
    require_variances,
    require_weights,
    whole,
)
from affinet.training.history import History
from affinet.training.progress import make_progress
from affinet.training.regularization import Regularization
from affinet.training.run import Run
from affinet.training.step import make_step

if TYPE_CHECKING:
    from affinet.training.team import Reducer, Team

DEFAULT_EPOCHS = 10


def fit(
    net: Sequential,
    x: ArrayLike,
    t: ArrayLike,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 32,
    optimizer: Optimizer | None = None,
    validation_data: tuple[ArrayLike, ...] | None = None,
    callbacks: Iterable[Callback] = (),
    metrics: Metrics = (),
    schedule: Callable[[schedules.Progress], float] | None = None,
    seed: int = 0,
    verbose: int | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | str | None = None,
    l2: float = 0.0,
    clip_norm: float | None = None,
    reducer: Reducer | None = None,
    resume: str | PathLike[str] | None = None,
    shuffle: bool = True,
    stop_if_not_finite: bool = True,
) -> History:
    """Train a network by mini-batches.

    Every epoch sees each row once, in an order that is a function of (seed, epoch); the last
    batch of an epoch may be smaller. The data set is never copied: rows are gathered batch by
    batch, from memory maps too.

    Parameters
    ----------
    net : Sequential
        With a loss.
    x : array of shape (N, ...)
        N >= 1 rows, in memory, in a memory map or as :class:`affinet.datasets.Shards`.
    t : array of N targets
        As the loss wants them; likewise.
    epochs : int, optional
        Passes over the data, 10 if neither this nor ``steps`` is given.
    steps : int, optional
        Number of updates after which to end, in place of ``epochs``; the record then closes the
        last, begun epoch too.
    batch_size : int
        Rows a step. With a :class:`~affinet.BatchNorm`, no batch may hold one row alone.
    optimizer : Optimizer, optional
        ``Adam()`` if left out. Its state goes on from earlier use.
    validation_data : tuple of arrays, optional
        ``(x, t)`` or ``(x, t, weights)`` to evaluate at the end of every epoch.
    callbacks : iterable of callables
        Each is called with a :class:`TrainingState` at the end of every epoch; one with an
        attribute ``every_steps`` after so many steps instead, see :func:`affinet.every_steps`;
        one with ``next_step(step)`` and ``after_step(state)`` after steps of its choice as well.
        One that raises :class:`StopTraining` ends the training normally; other exceptions pass
        through. :class:`affinet.EarlyStopping`, :class:`affinet.Checkpoint` and
        :class:`affinet.diagnostics.Monitor` are callbacks. An object may also have
        ``begin(state)``, called before the first step, ``end(state)``, called after a training
        that ended normally, and ``state_dict()`` with ``load_state_dict(dict)``, through which
        checkpoints keep what it remembers.
    metrics : list of names and functions, or dict of them, optional
        More figures of the validation data, recorded with ``"val_"`` before their names; as
        :meth:`Sequential.evaluate` takes them.
    schedule : callable, optional
        Gives the learning rate of every update in place of the optimizer's own, such as
        ``schedules.Cosine(0.1)``; see :mod:`affinet.schedules`. ``optimizer.lr`` is set to it.
    seed : int
        Decides the order of the rows and the masks of dropout.
    verbose : int, optional
        None shows progress on a terminal and is silent elsewhere, 1 shows it anywhere, 0 nowhere.
        Progress is a bar on a terminal or in a notebook, if tqdm is installed, else a line an
        epoch.
    sample_weight : array of shape (N,), optional
        Weights of the rows, each 0 or more and not all of them 0. Losses are weighted means, and
        so are an epoch's figures; a batch in which no row has a weight counts nothing, and its
        step has the gradient 0.
    class_weight : dict of class to weight, or "balanced", optional
        Multiplies the rows' weights by those of their classes. Classes that the dict leaves out
        have weight 1; "balanced" gives a class the weight ``N / (C count)`` for its ``count`` rows
        and the C classes that occur. Targets are class indices, one-hot rows or, with
        :class:`SigmoidWithLoss` and one output, 0 and 1.
    l2 : float
        Strength of a penalty, 0 or more: ``l2 / 2 sum W^2 / B``, over the weights W of all
        :class:`Affine` layers (not their biases) and with B the rows of the batch, or the sum of
        their weights, is added to
        the loss that is minimised and recorded; validation losses are without it. It is the
        ``alpha`` of scikit-learn's ``MLPClassifier``.
    clip_norm : float, optional
        Scales the gradient of all parameters together, penalty included, so that its Euclidean
        norm is at most this, to rounding; above 0. A gradient whose norm is not finite becomes
        NaN. Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks",
        ICML 2013. ``net.grads`` holds the gradient as it was clipped.
    reducer : Reducer, optional
        Shares the training with other processes that call ``fit`` with the same arguments, such
        as ``distributed.MPIReducer()``. ``batch_size`` is that of all processes together, each
        works on its part of every batch, and all end with the same parameters, which are those of
        one process up to rounding. They start from those of rank 0. Callbacks are called on every
        rank, those with an attribute ``on_one_rank = True`` on rank 0 alone; only that one shows
        progress. A loss of one's own is taken for a mean over the rows unless it has an attribute
        ``is_sum = True``. A layer that keeps statistics, such as BatchNorm, is refused.
    resume : path, optional
        A file that :class:`affinet.Checkpoint` wrote in a training that was interrupted. With the
        same data and arguments this one goes on there and ends with the same bits; ``epochs`` or
        ``steps`` count from the beginning and may be more than they were. The numbers of the
        optimizer are those of the file.
    shuffle : bool
        False leaves the rows in the order of the data, in every epoch.

    stop_if_not_finite : bool
        True ends the training with a warning, and ``history.stopped_by`` says so, when a loss is
        not finite; False continues, and warns after every such epoch. The warning names the place
        in x or t that is NaN or infinite, if there is one.

    Returns
    -------
    History
        Also kept as ``net.history``, up to the last whole epoch if the training is interrupted.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, or the file to resume from is damaged or of another
        training; then no parameter has changed.
    RuntimeError
        If the network is being used in another thread, or has no loss.

    Examples
    --------
    >>> import affinet as an
    >>> (x, t), test = an.datasets.load_digits()
    >>> net = an.Sequential(
    ...     an.Affine.init(64, 32, rng=0), an.ReLU(), an.Affine.init(32, 10, rng=1),
    ...     loss=an.SoftmaxWithLoss(),
    ... )
    >>> history = net.fit(x, t, epochs=20, optimizer=an.Adam(0.005), validation_data=test)
    >>> history["val_accuracy"][-1] > 0.9
    True
    """
    team: Team | None = None
    make_run: Callable[..., Run] = Run
    if reducer is not None:
        team, make_run = team_of(reducer)
    part = whole if team is None else team.part
    try:
        with training(net):
            with nullcontext() if team is None else team.setting_up():
                optimizer = Adam() if optimizer is None else require_optimizer(optimizer)
                require_one_length(epochs, steps)
                require_schedule(schedule, optimizer)
                named = require_metrics(metrics, validation_data)
                callbacks = require_callbacks(callbacks)
                batch_size = whole_number("batch_size", batch_size, 1)
                seed = whole_number("seed", seed, 0)
                register_with_threadpoolctl()
                regularization = Regularization(l2, clip_norm)
                x, t = require_data(net, x, t, part=part)
                if validation_data is not None:
                    validation_data = require_validation_data(net, validation_data, part)
                weights = require_weights(net, x, t, sample_weight, class_weight)
                per_epoch = steps_per_epoch(len(x), batch_size)
                ends_by = "epochs" if steps is None else "steps"
                if steps is None:
                    epochs = DEFAULT_EPOCHS if epochs is None else whole_number("epochs", epochs, 1)
                    steps = per_epoch * epochs
                else:
                    steps = whole_number("steps", steps, 1)
                require_variances(net, len(x), batch_size, steps)
                rows = batch_size if team is None else -(-batch_size // team.size)
                step = make_step(net, optimizer, x, t, rows, seed, regularization, weights)
                run = make_run(
                    *(net, optimizer, step, schedule, callbacks),
                    *(len(x), steps, batch_size, seed, weights, shuffle),
                )
            if team is not None:
                held_out = 0 if validation_data is None else len(validation_data[1])
                team.agree({"rows to validate with": held_out, "metrics": list(named)})
            run.stop_if_not_finite = stop_if_not_finite
            run.begin(resume)
            whole_epochs, rest = divmod(steps, per_epoch)
            progress = make_progress(
                verbose if run.speaks else 0,
                whole_epochs * len(x) + rest * batch_size,
                run.rows_done(),
                -(-steps // per_epoch),
            )
            try:
                with run.watching():
                    run(validation_data, named, progress, ends_by)
            finally:
                progress.close()
            return run.history
    except BaseException as error:
        if team is not None:
            team.abort(error)
        raise


def team_of(reducer: Reducer) -> tuple[Team, Callable[..., Run]]:
    """The processes that train together, and how to make their run.

    Imported only here: what they bring takes as long as all the rest of affinet.
    """
    from affinet.training.team import Team
    from affinet.training.team_run import TeamRun

    team = Team(reducer)
    return team, partial(TeamRun, team)
