"""Search: networks of random hyper-parameters, trained together, and an ensemble of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, positive_number, real_number, rows_array, whole_number
from affinet.ensemble import Ensemble
from affinet.losses import MeanSquaredError, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.tabular.splitting import held_out
from affinet.training.finite import warn_caller
from affinet.tuning.networks import (
    DEFAULTS,
    TRAINING,
    default_space,
    network_of,
    optimizer_of,
    require_names,
)
from affinet.tuning.rungs import Rungs
from affinet.tuning.spaces import drawn, usable_space
from affinet.tuning.trials import Contender, Trial

SMALLEST_VALIDATION = 2
OF_RUNGS = (  # options of fit that build may give
    *("batch_size", "clip_norm", "sampler"),
    *("schedule", "decay_schedule", "dropout_schedule"),
)
Build = Callable[[dict[str, Any], int], Any]


@dataclass(repr=False)
class Search:
    """The result of :func:`affinet.search`.

    Attributes
    ----------
    ensemble : Ensemble
        The networks that predict best together.
    score : float
        The ensemble's loss on the validation rows. They selected it, so new rows give a higher
        one.
    trials : list of Trial
        All networks, in the order in which they were drawn.
    interrupted : bool
        Whether Ctrl-C ended the search; the results are those of the epochs until then.
    """

    ensemble: Ensemble
    score: float
    trials: list[Trial]
    interrupted: bool = False

    @property
    def best(self) -> Trial:
        """The trial with the lowest validation loss."""
        return min(self.trials, key=lambda trial: trial.score)

    def __repr__(self) -> str:
        return (
            f"Search of {len(self.trials)} networks: best loss {self.best.score:.4g}, ensemble of "
            f"{len(self.ensemble)} {self.score:.4g}"
        )


def search(
    space: Mapping[str, Any] | None,
    x: ArrayLike,
    t: ArrayLike,
    n: int = 64,
    *,
    validation_data: tuple[Any, ...] | None = None,
    validation_fraction: float = 0.2,
    sample_weight: ArrayLike | None = None,
    loss: Any = None,
    n_outputs: int | None = None,
    numbers: Iterable[int] | None = None,
    build: Build | None = None,
    epochs: int = 128,
    rungs: int = 4,
    patience: int | None = 16,
    members: int = 32,
    seed: int = 0,
    time_limit: float | None = None,
    verbose: int | None = None,
) -> Search:
    """Train networks of random hyper-parameters together, and build an ensemble of the best.

    The networks are trained as by :func:`fit_many`, each by one thread, in rungs (successive
    halving: Jamieson, Talwalkar, "Non-stochastic best arm identification and hyperparameter
    optimization", AISTATS 2016): after the first rung only half of the ``n`` networks continue, a
    quarter after the second, and so on. Each rung is twice as long as the one before it. After
    each rung an ensemble is chosen from the best epochs of all networks in all rungs, also of
    those that have stopped: it starts with several of the best, and grows greedily and with
    repeats as in :meth:`Ensemble.pruned`. The ensemble of the lowest loss is the result.

    Parameters
    ----------
    space : dict of str to list, distribution or value, or None
        What each hyper-parameter is drawn from, see :mod:`affinet.tuning`; the names are those of
        ``tuning.DEFAULTS``, whose values replace names left out. None stands for
        ``tuning.default_space()``, made for tables whose numbers have about unit variance.
    x : array of shape (N, I)
    t : array of N targets
        Class indices (integers), or numbers.
    n : int
        Number of networks.
    validation_data : tuple, optional
        ``(x, t)`` or ``(x, t, sample_weight)``: rows that select epochs, networks and ensemble.
    validation_fraction : float
        Without ``validation_data``, the share of the rows to hold out for that; of classes about
        the same share each.
    sample_weight : array of shape (N,), optional
        Weights of the rows.
    loss : loss object, optional
        By default :class:`SoftmaxWithLoss` for integer targets, else :class:`MeanSquaredError`.
    n_outputs : int, optional
        Width of the outputs; by default the number of classes, or the columns of t.
    numbers : iterable of int, optional
        Columns of x that ``embedding`` embeds; all by default.
    build : callable, optional
        ``build(params, seed)`` returns an untrained network with its loss, or ``(network,
        optimizer)``, or ``(network, optimizer, options)`` with options of ``fit``: "batch_size",
        "clip_norm", "sampler", "schedule", "decay_schedule", "dropout_schedule". Schedules extend
        over one rung and begin anew in the next. Names in ``space`` are then free. ``batch_size``,
        and without an optimizer ``lr``, ``weight_decay`` and ``muon_lr``, keep their meaning.
    epochs : int
        Most epochs of a network.
    rungs : int
        Number of rungs; 1 lets all networks train to their end.
    patience : int or None
        Number of epochs without a lower validation loss after which a network stops; None to
        stop at the ends of rungs only.
    members : int
        Most members of the ensemble, repeats included. It is chosen from as many of the best
        epochs.
    seed : int
        Determines everything; no result depends on the number of threads. Hyper-parameters,
        initial values and batches of network i depend on ``seed`` and i only.
    time_limit : float, optional
        Seconds after which each network stops at the end of its epoch, and no rung begins. The
        result then depends on the machine.
    verbose : int, optional
        As in :meth:`Sequential.fit`; one bar for the whole search.

    Returns
    -------
    Search
        With ``ensemble`` and ``trials``.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, or a hyper-parameter that was drawn; a note has its trial.
    RuntimeError
        If no network has an epoch with a finite validation loss.
    KeyboardInterrupt
        Ctrl-C, if no epoch has ended. Later it ends the search with a warning, and what was
        trained until then is the result.

    Notes
    -----
    The rule: with ``r = 1 .. rungs - 1``, a network that is still in training after rung r stops
    as "behind" unless its lowest validation loss is among the ``ceil(n / 2^r)`` lowest of all n
    networks; of equal ones the first is kept. A network that diverges or raises an error ends
    alone; ``trial.stopped`` and ``trial.error`` say so.

    The ensemble is chosen from the ``members`` best epochs. It starts with the better half of them,
    or a half of that, and so on, until their mean is better than the best one alone ("sorted
    initialization", Caruana et al., ICML 2004, section 2.2): a choice by few rows overfits them.

    Examples
    --------
    >>> import affinet as an
    >>> from affinet import tuning
    >>> (x, t), test = an.datasets.load_digits()
    >>> space = {"layers": [1, 2], "width": [16, 32], "lr": tuning.LogUniform(1e-3, 1e-2)}
    >>> found = an.search(space, x, t, n=8, epochs=16)
    >>> found.ensemble.evaluate(*test)["accuracy"] > 0.9
    True
    >>> sorted({trial.stopped for trial in found.trials})
    ['behind', 'epochs']
    """
    begun = time.perf_counter()
    n, seed = whole_number("n", n, 1), whole_number("seed", seed, 0)
    epochs, rungs = whole_number("epochs", epochs, 1), whole_number("rungs", rungs, 1)
    patience = None if patience is None else whole_number("patience", patience, 1)
    members = whole_number("members", members, 1)
    deadline = None if time_limit is None else begun + positive_number("time_limit", time_limit)
    ranges = usable_space(default_space() if space is None else space)
    if build is None:
        require_names(ranges)
    train, validation = divided(x, t, sample_weight, validation_data, validation_fraction, seed)
    maker = build or default_build(train, validation, loss, n_outputs, numbers)
    contenders = []
    for number in range(n):
        try:
            contenders.append(contender_of(number, ranges, maker, seed, patience, deadline))
        except (TypeError, ValueError) as error:
            error.add_note(f"in the hyper-parameters of trial {number}")
            raise
    course = Rungs(contenders, train, validation, epochs, rungs, members, seed, deadline)
    with closing(course.display(verbose)) as display:
        course.run(display)
    if course.best is None:
        if course.interrupted:
            raise KeyboardInterrupt
        first = next((c.trial.error for c in contenders if c.trial.error is not None), None)
        raise RuntimeError(
            f"none of the {n} networks has an epoch with a finite validation loss"
        ) from first
    if course.interrupted:
        warn_caller("the search was interrupted; what was trained is kept", UserWarning)
    for contender in contenders:
        contender.restore()
    ensemble, score = course.best
    return Search(ensemble, score, [c.trial for c in contenders], course.interrupted)


def contender_of(
    number: int,
    space: Mapping[str, Any],
    build: Build,
    seed: int,
    patience: int | None,
    deadline: float | None,
) -> Contender:
    """One network and its optimizer, drawn by the seed and its number."""
    params = drawn(space, np.random.default_rng([seed, number]))
    made = build(dict(params), int(np.random.SeedSequence([seed, number, 0]).generate_state(1)[0]))
    parts = made if isinstance(made, tuple) and len(made) in (2, 3) else (made, None)
    net, optimizer, options = (*parts, {})[:3]
    if not isinstance(net, Sequential):
        raise TypeError(
            f"build returned {made!r:.60}, wanted a Sequential, or it with an optimizer and options"
        )
    require_options(options)
    if optimizer is None:
        kept = {name: value for name, value in params.items() if name in TRAINING}
        optimizer = optimizer_of(kept, net)
    size = params.get("batch_size")
    options = {"batch_size": DEFAULTS["batch_size"] if size is None else size, **options}
    return Contender(Trial(number, params, net=net), optimizer, options, patience, deadline)


def require_options(options: Any) -> None:
    """Raise unless they are options of ``fit`` that a rung can repeat."""
    if not isinstance(options, Mapping):
        raise TypeError(f"build returned the options {options!r:.60}, wanted a dict")
    for name in options:
        if name not in OF_RUNGS:
            raise ValueError(
                f"build returned the option {name!r}, wanted some of {', '.join(OF_RUNGS)}"
            )


def default_build(
    train: tuple[Any, ...],
    validation: tuple[Any, ...],
    loss: Any,
    n_outputs: int | None,
    numbers: Iterable[int] | None,
) -> Build:
    """The function that builds networks for these rows."""
    x, t = train[:2]
    if x.ndim != 2:
        raise ValueError(f"x has shape {x.shape}, wanted (N, I); other shapes need build=")
    if loss is None:
        loss = SoftmaxWithLoss() if t.dtype.kind in "iub" and t.ndim == 1 else MeanSquaredError()
    if n_outputs is not None:
        width = whole_number("n_outputs", n_outputs, 1)
    elif isinstance(loss, SoftmaxWithLoss) and t.ndim == 1:
        width = 1 + int(max(t.max(), np.asarray(validation[1]).max()))
    else:
        width = 1 if t.ndim == 1 else t.shape[1]
    columns = None if numbers is None else [int(place) for place in numbers]
    return lambda params, own: network_of(params, x.shape[1], width, columns, loss, own)


def divided(
    x: ArrayLike,
    t: ArrayLike,
    sample_weight: ArrayLike | None,
    validation_data: Any,
    fraction: float,
    seed: int,
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Rows to train on and rows to choose by, each (x, t, weights or None)."""
    rows, targets = rows_array("x", x), np.asarray(t)
    if rows.ndim < 2 or not len(rows) or len(targets.shape) < 1 or len(targets) != len(rows):
        raise ValueError(
            f"x has shape {rows.shape} and t {targets.shape}, wanted N rows and N targets"
        )
    weights = None if sample_weight is None else np.asarray(sample_weight)
    if weights is not None and weights.shape != (len(rows),):
        raise ValueError(f"sample_weight has shape {weights.shape}, wanted ({len(rows)},)")
    if validation_data is not None:
        if not isinstance(validation_data, list | tuple) or len(validation_data) not in (2, 3):
            raise TypeError("validation_data is no pair (x, t) or (x, t, sample_weight)")
        given = (rows_array("validation_data: x", validation_data[0]), *validation_data[1:], None)
        return (rows, targets, weights), given[:3]
    fraction = real_number("validation_fraction", fraction, 0.0, 1.0)
    classes = targets if targets.dtype.kind in "iub" and targets.ndim == 1 else None
    train, held = held_out(len(rows), fraction, classes, np.random.default_rng([seed]))
    if len(held) < SMALLEST_VALIDATION:
        raise ValueError(
            f"validation_fraction={fraction} of {len(rows)} rows holds out {len(held)}, too few to "
            "choose networks by: wanted a larger fraction, or validation_data"
        )
    return part(rows, targets, weights, train), part(rows, targets, weights, held)


def part(x: Array, t: Array, weights: Array | None, places: Array) -> tuple[Any, ...]:
    """The rows at these places."""
    return x[places], t[places], None if weights is None else weights[places]
