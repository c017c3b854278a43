"""Training many networks at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any, Self

from numpy.typing import ArrayLike

from affinet._validation import Array
from affinet.network import Sequential
from affinet.training.crowd import Crowd, train_all
from affinet.training.finite import warn_caller
from affinet.training.history import History
from affinet.training.many_options import ManyOptions, of_calls
from affinet.training.many_parts import require_separate_parts
from affinet.training.progress import make_progress
from affinet.training.trainer import team_of

INTERRUPTED = KeyboardInterrupt.__name__  # of a history
SHOWN = 3  # failed networks that a message describes


class FitManyError(ExceptionGroup[Exception]):
    """Some networks of :func:`fit_many` failed while they trained; all others are trained.

    Parameters
    ----------
    message : str
    exceptions : sequence of Exception

    Attributes
    ----------
    failed : dict of int to Exception
        What each failed network raised, by its number.
    histories : list of History or None
        One per network, as :func:`fit_many` would have returned them. That of a failed network
        ends with its last whole epoch; it is None if the training had not begun.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> def fail(state):
    ...     raise OSError("the disk is full")
    >>> nets = [an.Sequential(an.Affine.init(2, 1, rng=i), loss=an.Huber()) for i in range(3)]
    >>> lists = [[], [fail], []]
    >>> try:
    ...     an.fit_many(nets, np.ones((8, 2)), np.ones(8), epochs=2, callback_lists=lists)
    ... except an.FitManyError as error:
    ...     print(error.failed, [history.steps for history in error.histories])
    {1: OSError('the disk is full')} [2, 1, 2]
    """

    failed: dict[int, Exception]
    histories: list[History | None]

    def __new__(cls, message: str, exceptions: Sequence[Exception]) -> Self:
        """Create the group, with attributes that :func:`fit_many` sets."""
        group = super().__new__(cls, message, exceptions)
        group.failed, group.histories = {}, []
        return group

    def derive(self, excs: Sequence[Exception]) -> FitManyError:  # type: ignore[override]
        """A group of some of the exceptions."""
        part = FitManyError(self.message, excs)
        part.failed = {place: error for place, error in self.failed.items() if error in excs}
        part.histories = self.histories
        return part


def fit_many(
    nets: Iterable[Sequential],
    x: ArrayLike,
    t: ArrayLike,
    *,
    rows: Sequence[ArrayLike | None] | None = None,
    **options: Any,
) -> list[History]:
    """Train many networks at once, each exactly as its own ``fit`` would train it.

    Seeds, folds, hyper-parameters, members of an ensemble: every network is trained by one thread,
    on as many threads as :func:`affinet.get_num_threads` says, and ends with the same bits as
    after ``net.fit``. The most expensive networks begin first; a thread that is free takes the
    next one. The data are shared and not copied, and only the networks in training need memory
    beyond parameters, the optimizer's averages and histories.

    Parameters
    ----------
    nets : iterable of Sequential
        n >= 1 networks of any shapes, dtypes, layers and losses; no two may share parameters.
    x : array of shape (N, ...)
        As in :meth:`Sequential.fit`. It must not change until all networks are trained.
    t : array of N targets
    rows : list of n int arrays or None, optional
        The rows of each network, indices 0 .. N - 1: folds, or bootstrap samples, in which a row
        may come several times. The network is trained as by ``net.fit(x[rows], t[rows], ...)``,
        without a copy of ``x[rows]``. None stands for all rows.
    **options
        Every option of :meth:`Sequential.fit`, once for all networks under its own name, or as a
        list of one value per network under the plural of the name: ``batch_sizes``, ``optimizers``,
        ``schedules``, ``decay_schedules``, ``dropout_schedules``, ``seeds``, ``sample_weights``,
        ``class_weights``, ``l2s``, ``clip_norms``, ``clip_values``, ``resumes``, ``shuffles``,
        ``samplers``, ``stops_if_not_finite``, ``validation_sets`` (of ``validation_data``),
        ``averages``, ``callback_lists`` and ``metric_lists``. ``epochs`` and ``steps`` take a
        number or a list. See Notes for what is particular.

    Returns
    -------
    list of History
        One per network, in the order of ``nets``; also stored as each ``net.history``.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, or stands for two networks what only one may have; a note
        names the network. No parameter has changed in that case.
    FitManyError
        At the end, if networks failed while they trained, for example in a callback or a custom
        layer: all others are trained. Its ``failed`` holds the errors by the network's number,
        its ``histories`` the list that would have been returned.
    RuntimeError
        If a network is being used in another thread.
    KeyboardInterrupt
        Ctrl-C ends all networks that are in training, as it ends ``fit``; those that were trained
        before stay so, and the others keep their parameters.

    Notes
    -----
    Objects that keep a state and are given once are copied for each network: an optimizer (its
    copies have their own numbers and share its averages, so that a second call continues from
    them), and callbacks and schedules with one of the methods ``begin``, ``end``, ``observe``,
    ``next_step``, ``state_dict`` and ``load_state_dict``. An object that cannot be copied is
    refused by name. An average is for one network, so ``average`` is given as a list,
    ``averages``. Other callbacks, samplers and metrics are shared, and called from several
    threads. ``state.data`` of a callback holds the network's own rows.

    ``sample_weight`` are weights of the N rows of x, of which ``rows`` selects.

    The path of a :class:`Checkpoint` that is given once must contain ``{net}``, which stands for
    the network's number, and so must ``resume``. Networks whose file does not exist yet begin from
    the start, so the same call with ``resume`` continues an interrupted one, on any number of
    threads or ranks, and ends with the same bits.

    A network whose loss is not finite, or that a callback ends with :class:`StopTraining`, ends
    alone. Warnings are given at the end and name the network.

    ``verbose`` shows a single bar over all networks, or a line for each one that ends.

    With a ``reducer``, networks are dealt out to the ranks by their estimated cost, each begins
    with the parameters of rank 0, and every rank ends with the parameters, averages, histories and
    errors of all. Callbacks run on the network's rank; what they keep stays there. Nothing is
    summed, so ``average_every`` has no effect, and layers that keep statistics are not refused.

    Networks that share a loss or an activation object and train layer by layer, as with a custom
    loss, are trained one after the other.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> (x, t), test = an.datasets.load_digits()
    >>> rng = np.random.default_rng(0)
    >>> def make():
    ...     return an.Sequential(
    ...         an.Affine.init(64, 32, rng=rng), an.ReLU(), an.Affine.init(32, 10, rng=rng),
    ...         loss=an.SoftmaxWithLoss(),
    ...     )
    >>> nets = [make() for _ in range(4)]
    >>> bootstrap = [rng.integers(len(x), size=len(x)) for net in nets]
    >>> histories = an.fit_many(
    ...     nets, x, t, rows=bootstrap, epochs=10, optimizer=an.Adam(0.005), seeds=range(4),
    ...     callbacks=[an.EarlyStopping("val_loss", patience=3)], validation_data=test,
    ... )
    >>> outputs = np.mean([net.predict_proba(test[0]) for net in nets], axis=0)
    >>> bool((outputs.argmax(axis=1) == test[1]).mean() > 0.9)
    True
    """
    found = require_networks(nets)
    given = ManyOptions(options, len(found))
    team, _ = team_of(given.once["reducer"])
    try:
        with team.setting_up():
            require_separate_parts(given)
            crowd = Crowd(found, x, t, rows, given)
        verbose = given.once["verbose"]
        if given.once["reducer"] is not None:
            from affinet.training.crowd_ranks import RankCrowd

            RankCrowd(crowd, team).train(verbose)  # type: ignore[arg-type]
        else:
            display = make_progress(verbose, crowd.rows_to_see, 0, len(found), "networks")
            crowd.watch.display = display
            with closing(display):
                train_all(crowd)
    except BaseException as error:
        team.abort(error)
        raise
    return results(crowd)


def fit_kept(
    nets: Sequence[Sequential],
    x: Any,
    t: Any,
    calls: Sequence[Mapping[str, Any]],
    *,
    rows: Sequence[Array] | None = None,
    verbose: int | None = 0,
    keep_interrupted: bool = True,
) -> list[History | None]:
    """Train networks by :func:`fit_many`, given the options of each one's ``fit``.

    After Ctrl-C, of which it warns, the history is None of a network without a whole epoch, and
    unless ``keep_interrupted`` of one that has not ended. If all are None, it raises.
    """
    before = [net.history for net in nets]
    interrupt = None
    try:
        fit_many(nets, x, t, rows=rows, verbose=verbose, **of_calls(calls))
    except KeyboardInterrupt as error:
        interrupt = error
    found = [net.history for net in nets]
    for place, history in enumerate(found):
        begun = history is not None and history is not before[place] and history.epochs
        ended = history is not None and history.stopped_by != INTERRUPTED
        if not begun or not (ended or keep_interrupted):
            found[place] = None
    if interrupt is not None:
        count = sum(history is not None for history in found)
        if not count:
            raise interrupt
        warn_caller(
            f"training was interrupted; {count} of {len(nets)} networks are kept", UserWarning
        )
    return found


def require_networks(nets: Any) -> list[Sequential]:
    """The networks as a list, no two of which share parameters."""
    if isinstance(nets, Sequential):
        raise TypeError("nets is one Sequential, wanted a list of them; to train one, net.fit")
    try:
        found = list(nets)
    except TypeError:
        raise TypeError(f"nets is {nets!r:.80}, wanted a list of Sequential") from None
    if not found:
        raise ValueError("nets is empty, wanted at least one network")
    for place, net in enumerate(found):
        if not isinstance(net, Sequential):
            raise TypeError(f"nets[{place}] is {net!r:.80}, wanted a Sequential")
    require_own_parameters(found)
    return found


def require_own_parameters(nets: Sequence[Sequential]) -> None:
    """Raise ValueError if a network is given twice, or two share memory of parameters."""
    first: dict[int, int] = {}
    for place, net in enumerate(nets):
        if first.setdefault(id(net), place) != place:
            raise ValueError(
                f"nets[{first[id(net)]}] and nets[{place}] are the same network, wanted each once: "
                "copy.deepcopy makes another one"
            )
    spans = sorted(
        (net.params.flat.__array_interface__["data"][0], net.params.flat.nbytes, place)
        for place, net in enumerate(nets)
        if net.params.flat.size
    )
    for (start, size, one), (other_start, _, other) in pairwise(spans):
        if other_start < start + size:
            low, high = sorted((one, other))
            raise ValueError(
                f"nets[{low}] and nets[{high}] share parameters, wanted separate arrays: "
                "copy.deepcopy makes another network"
            )


def results(crowd: Crowd) -> list[History]:
    """The histories; warns of what networks warned of, and raises if some failed."""
    try:
        for place, text in sorted(crowd.warnings):
            warn_caller(f"network {place}: {text}", RuntimeWarning)
    finally:
        if crowd.failed:
            raise failure(crowd)
    return [history for history in crowd.histories if history is not None]


def failure(crowd: Crowd) -> FitManyError:
    """The error that reports the networks that failed."""
    failed = dict(sorted(crowd.failed.items()))
    shown = [f"{place} ({error!r:.100})" for place, error in list(failed.items())[:SHOWN]]
    more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    error = FitManyError(
        f"{len(failed)} of {len(crowd.nets)} networks failed: {', '.join(shown)}{more}",
        list(failed.values()),
    )
    error.failed, error.histories = failed, crowd.histories
    return error
