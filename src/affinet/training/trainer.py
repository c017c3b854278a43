"""The training loop."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from affinet import schedules
from affinet._foreign_names import FIT_NAMES, explains
from affinet.metrics import Metrics
from affinet.network import Sequential
from affinet.network.inner import using_alone
from affinet.optimizers import Optimizer
from affinet.training.alone import Alone, AnyTeam
from affinet.training.averaging import WeightAverage
from affinet.training.callbacks import Callback
from affinet.training.checks import checked_training
from affinet.training.claims import claimed
from affinet.training.history import History
from affinet.training.progress import make_progress
from affinet.training.record import Training
from affinet.training.run import Run

if TYPE_CHECKING:
    from affinet.training.team import Reducer


@explains(FIT_NAMES)
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
    decay_schedule: Callable[[schedules.Progress], float] | None = None,
    dropout_schedule: Callable[[schedules.Progress], float] | None = None,
    seed: int = 0,
    verbose: int | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | str | None = None,
    l2: float = 0.0,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    reducer: Reducer | None = None,
    resume: str | PathLike[str] | None = None,
    shuffle: bool = True,
    sampler: Callable[[int, int, np.random.Generator], ArrayLike] | None = None,
    average: WeightAverage | None = None,
    stop_if_not_finite: bool = True,
) -> History:
    """Train a network on mini-batches.

    Every epoch uses each row once, in an order that depends on (seed, epoch) alone, or the rows
    that a ``sampler`` draws; the last batch of an epoch may be smaller. The data set is never
    copied: each batch gathers its rows, from memory maps too.

    Parameters
    ----------
    net : Sequential
        It must have a loss.
    x : array of shape (N, ...)
        N >= 1 rows, in memory, in a memory map or as :class:`affinet.datasets.Shards`. If the first
        layer is an :class:`~affinet.Embedding`, its codes are checked before the training.
    t : array of N targets
        In the form that the loss takes, stored in any of these ways too.
    epochs : int, optional
        Number of passes over the data; 10 if neither this nor ``steps`` is given.
    steps : int, optional
        Number of updates, instead of ``epochs``; the history then counts an unfinished last
        epoch too.
    batch_size : int
        Rows per step. With a :class:`~affinet.BatchNorm`, no batch may consist of one row.
    optimizer : Optimizer, optional
        ``Adam()`` by default. It continues from the state that earlier use left in it.
    validation_data : tuple of arrays, optional
        ``(x, t)`` or ``(x, t, weights)`` to evaluate at the end of every epoch.
    callbacks : iterable of callables
        Each is called with a :class:`~affinet.TrainingState` at the end of every epoch. One with an
        attribute ``every_steps = n`` is called every n steps instead, see
        :func:`affinet.every_steps`; one with ``next_step(step)`` and ``after_step(state)`` also
        after steps that it chooses. A callback that raises :class:`~affinet.StopTraining` ends the
        training normally; other exceptions propagate. :class:`affinet.EarlyStopping`,
        :class:`affinet.Checkpoint` and :class:`affinet.diagnostics.Monitor` are callbacks. An
        object may also have ``begin(state)``, called before the first step, ``end(state)``,
        called after a training that ended normally, and ``state_dict()`` with
        ``load_state_dict(dict)``, by which checkpoints save its state. Changes that a
        callback makes take effect from the next step on, in every kind of step: to the parameters,
        to the settings of the optimizer, the layers and the loss, to ``net.input_scale``, and to
        the values of the arrays x and t in place, which must stay in the loss's range. Weights are
        fixed, and so is ``net.loss`` itself: assigning another loss raises RuntimeError.
    metrics : list of names and functions, or dict of them, optional
        Further figures of the validation data, recorded with the prefix ``"val_"``; in the form
        that :meth:`~affinet.Sequential.evaluate` takes.
    schedule : callable, optional
        Returns the learning rate of every update, such as ``schedules.Cosine(0.1)``; see
        :mod:`affinet.schedules`. It overrides the optimizer's own: ``optimizer.lr`` is set to it.
    decay_schedule : callable, optional
        Returns the factor by which each update multiplies the optimizer's ``weight_decay``, that of
        all its groups, such as ``schedules.FlatCosine(1.0)``; ``progress.lr`` is 1 there. The
        optimizer's own number stays as it is.
    dropout_schedule : callable, optional
        Returns the factor by which each update multiplies the p of every
        :class:`~affinet.Dropout` layer, in the same way. At 0 nothing is dropped.
    seed : int
        Determines the order of the rows and the masks of dropout.
    verbose : int, optional
        None shows progress on a terminal and is silent elsewhere, 1 always shows it, 0 never.
        Progress is a bar on a terminal or in a notebook, if tqdm is installed, otherwise a line
        per epoch.
    sample_weight : array of shape (N,), optional
        Weights of the rows, each 0 or more and not all of them 0. Losses and the figures of an
        epoch are weighted means; a batch whose rows all have weight 0 does not count, and its
        gradient is 0.
    class_weight : dict of class to weight, or "balanced", optional
        Multiplies the rows' weights by those of their classes. Classes missing in the dict have
        weight 1; "balanced" gives a class with ``count`` of the N rows the weight
        ``N / (C count)``, C the number of classes that occur. Targets are class indices, one-hot
        rows or, with :class:`~affinet.SigmoidWithLoss` and one output, 0 and 1.
    l2 : float
        Strength of a penalty, 0 or more. The loss that is minimised and recorded includes
        ``l2 / 2 sum W^2 / B``, over the weights W of all :class:`~affinet.Affine` and
        :class:`~affinet.NTKAffine` layers (not their biases), B the number of rows of the batch or
        the sum of their weights; validation losses do not include it. It is the ``alpha`` of
        scikit-learn's ``MLPClassifier``.
    clip_norm : float, optional
        Upper bound of the Euclidean norm of the whole gradient, penalty included, above 0; a
        longer gradient is scaled down to it, to rounding. A gradient whose norm is not finite
        becomes NaN. Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural
        networks", ICML 2013. ``net.grads`` holds the clipped gradient.
    clip_value : float, optional
        Upper bound of the absolute value of every element of the gradient, penalty included,
        above 0: ``min(max(g, -clip_value), clip_value)``; NaN stays NaN. With ``clip_norm`` the
        elements are clipped first, then the norm of what results. Mikolov, "Statistical Language
        Models Based on Neural Networks", PhD thesis, Brno 2012. ``net.grads`` holds the clipped
        gradient.
    reducer : Reducer, optional
        Splits the training across processes that all call ``fit`` with the same arguments, for
        example ``distributed.MPIReducer()``. ``batch_size`` is that of all processes together;
        each computes its part of every batch, and all end with the same parameters, those of a
        single process up to rounding. They start from the parameters of rank 0. Callbacks run on
        every rank, those with an attribute ``on_one_rank = True`` on rank 0 only, which alone
        shows progress. A custom loss is treated as a mean over the rows unless it has an
        attribute ``is_sum = True``. A layer that keeps statistics, such as BatchNorm, is refused.
    resume : path, optional
        A file that :class:`affinet.Checkpoint` wrote in an interrupted training. With the same
        data and arguments this training continues from there and ends with the same bits;
        ``epochs`` or ``steps`` count from the beginning and may be larger than before. The
        optimizer's numbers are taken from the file.
    shuffle : bool
        False keeps the rows in the order of the data, in every epoch.
    sampler : callable, optional
        Draws the rows of every epoch, such as ``samplers.WithReplacement(weights="balanced")`` or
        a function ``sampler(epoch, n_rows, rng)`` that returns row indices; see
        :mod:`affinet.samplers`. An epoch then has as many rows as it draws, and its figures are
        means over these rows. ``rng`` depends on (seed, epoch) alone. It replaces the shuffle, so
        it cannot be combined with ``shuffle=False``.
    average : WeightAverage, optional
        :class:`affinet.EMA` or :class:`affinet.SWA`: an average of the weights over the updates,
        kept in a second network, ``average.net``. Checkpoints hold it too. Figures of the history
        and of callbacks, those of the validation data too, and so ``EarlyStopping``, are those of
        the trained network itself: evaluate ``average.net`` for the average's.
    stop_if_not_finite : bool
        True ends the training with a warning, and ``history.stopped_by`` says so, when a loss is
        not finite; False continues, and warns after every such epoch. The warning names the place
        in x or t that is NaN or infinite, if there is one.

    Returns
    -------
    History
        Also stored as ``net.history``, up to the last whole epoch if training is interrupted.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, or the file to resume from is damaged or belongs to
        another training; no parameter has changed in that case.
    RuntimeError
        If the network is being used in another thread, or has no loss; or if another training that
        runs now uses the same stateful callback or schedule, a schedule with the same optimizer,
        or, layer by layer, the same loss or activation. Trainings that run one after the other may
        share them.

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
    team, make_run = team_of(reducer)
    try:
        with using_alone(net), ExitStack() as held:
            with team.setting_up():
                training = checked_training(
                    net, x, t, team, epochs=epochs, steps=steps, batch_size=batch_size,
                    optimizer=optimizer, validation_data=validation_data, callbacks=callbacks,
                    metrics=metrics, schedule=schedule, decay_schedule=decay_schedule,
                    dropout_schedule=dropout_schedule, seed=seed, sample_weight=sample_weight,
                    class_weight=class_weight, l2=l2, clip_norm=clip_norm, clip_value=clip_value,
                    shuffle=shuffle, sampler=sampler, average=average,
                    stop_if_not_finite=stop_if_not_finite,
                )  # fmt: skip
                run = make_run(training)
                held.enter_context(claimed(training, run.step.kind == "fused"))
                if training.average is not None:
                    held.enter_context(using_alone(training.average.follow(net)))
            team.agree(
                {"rows to validate with": training.held_out, "metrics": list(training.metrics)}
            )
            run.begin(resume)
            shown = verbose if run.speaks else 0
            progress = make_progress(shown, training.rows_to_see, run.rows_done(), training.epochs)
            with closing(progress), run.watching():
                run(progress)
            return run.history
    except BaseException as error:
        team.abort(error)
        raise


def team_of(reducer: Reducer | None) -> tuple[AnyTeam, Callable[[Training], Run]]:
    """The processes that train together, and a function that makes their run.

    Modules for several processes are imported only here: they take as long as the rest of affinet.
    """
    if reducer is None:
        return Alone(), Run
    from affinet.training.team import Team
    from affinet.training.team_run import TeamRun

    team = Team(reducer)
    return team, partial(TeamRun, team)


def method_doc(doc: str | None) -> str | None:
    """The docstring of :func:`fit` for ``net.fit``, which has no argument ``net``."""
    if doc is None:  # python -OO
        return None
    # From Python 3.13 on the compiler has taken the indentation away.
    before, rest = inspect.cleandoc(doc).split("net : Sequential\n", 1)
    return before + rest[rest.index("x : array") :]


Sequential.fit.__doc__ = method_doc(fit.__doc__)
