"""What ``affinet train`` reports: one line before, the results after, the model's metadata."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from affinet._process import peak_memory
from affinet.cli.choices import NAMES
from affinet.cli.figures import QUALITY, headline, split_table
from affinet.cli.output import figure, named_lines, plain, print_json, say, table
from affinet.cli.predictor import Predictor
from affinet.cli.sources import Material
from affinet.ensemble import Ensemble
from affinet.layers import Affine
from affinet.network import Sequential
from affinet.tables import Encoding
from affinet.tables.table import listing
from affinet.training import History
from affinet.training.batches import steps_per_epoch
from affinet.training.team import Team

if TYPE_CHECKING:
    from affinet.distributed import MPIReducer
    from affinet.tabular import Recipe

OPTIONS = (
    *("model", "preset", "hidden", "activation", "dropout", "input_dropout", "init", "dtype"),
    "precision",
    *("optimizer", "lr", "schedule", "batch_size", "l2", "class_weight", "early_stopping"),
    *("epochs", "steps", "time_limit", "seed", "n_estimators", "bootstrap", "cv", "average"),
)
SHOWN_DROPS = 3


@dataclass(frozen=True)
class Outcome:
    """What a training resulted in.

    Attributes
    ----------
    history : History
    results : dict of str to figures
        Of every split, the rows held out last.
    baselines : dict of str to figures
        Of simpler models on the last split; empty without a table.
    predictor : Predictor
    watched : dict or None
        The record of ``--monitor``.
    memory : list of int
        Peak memory of each rank.
    """

    history: History
    results: dict[str, dict[str, float]]
    baselines: dict[str, dict[str, float]]
    predictor: Predictor
    watched: dict[str, Any] | None
    memory: list[int]


def announcement(
    options: argparse.Namespace,
    net: Sequential,
    material: Material,
    reducer: MPIReducer | None = None,
) -> str:
    """The training that is about to start, in one line."""
    rows = f"{material.name}: {rows_in_words(material)}"
    if material.plan is not None and material.encoding is not None:
        length = planned(options, len(material.train[1]), material.plan, material.encoding)
        return f"{rows}; {material.task}; {length}"
    ranks = "" if reducer is None else f", on {reducer.size} rank{'s' * (reducer.size > 1)}"
    length = f"{options.epochs} epochs" if options.steps is None else f"{options.steps:,} steps"
    widths = [n for layer in net.layers if isinstance(layer, Affine) for n in layer.W.shape[:1]]
    widths.append(net.layers[-1].W.shape[1])
    chosen = f"; {options.chosen}" if options.chosen else ""
    return (
        f"{rows}; {crowd_in_words(options)}{'-'.join(map(str, widths))} {options.activation}, "
        f"{options.optimizer} at "
        f"{options.lr:g}, {options.batch_size} rows per step, {length}{ranks}{chosen}"
    )


def rows_in_words(material: Material) -> str:
    """How many rows there are for what."""
    found = [f"{len(material.train[1]):,} rows to train on"]
    if "selection" in material.splits:
        found.append(f"{len(material.splits['selection'][1]):,} to select the epoch with")
    held_out = 0 if material.held_out is None else len(material.held_out[1])
    purpose = "test on" if "test" in material.splits else "validate with"
    return ", ".join([*found, f"{held_out:,} to {purpose}"])


def planned(options: argparse.Namespace, n_rows: int, plan: Recipe, encoding: Encoding) -> str:
    """A model for tables, its inputs and the length of its training."""
    steps = steps_per_epoch(n_rows - n_rows // (options.cv or n_rows + 1), plan.batch_size)
    length = f"{counted(plan.epochs, 'epoch')} of {counted(steps, 'step')}"
    model = f"{crowd_in_words(options)}{NAMES[options.model]}"
    return f"{model}{options.reason}: {inputs_in_words(encoding)}; {length}"


def crowd_in_words(options: argparse.Namespace) -> str:
    """How many networks are trained, and what is averaged; empty for one that is not.

    Examples
    --------
    >>> options = argparse.Namespace(n_estimators=2, cv=5, bootstrap=None, average="ema")
    >>> crowd_in_words(options)
    '5 folds of 2 networks, averaged by ema, '
    """
    count = counted(options.n_estimators or 1, "network")
    several = (options.n_estimators or 1) > 1
    found = [count] if several else []
    if options.cv is not None:
        found = [f"{options.cv} folds{f' of {count}' if several else ''}"]
    found += ["rows drawn with replacement"] * bool(options.bootstrap)
    found += [] if options.average is None else [f"averaged by {options.average}"]
    return "".join(f"{part}, " for part in found)


def inputs_in_words(encoding: Encoding) -> str:
    """The columns by their kind, and those that were dropped."""
    kinds = [column.kind for column in encoding.columns]
    embedded = sum(kind == "codes" for kind in kinds)
    one_hot = sum(kind in ("one-hot", "sign", "category") for kind in kinds)
    dates = sum(kind.endswith("date") for kind in kinds)
    flags = sum(kind == "missing" for kind in kinds)
    found = [counted(len(kinds) - embedded - one_hot - dates - flags, "number")]
    if embedded + one_hot:
        how = f"{one_hot} one-hot, {embedded} embedded"
        found.append(f"{counted(embedded + one_hot, 'category', 'categories')} ({how})")
    if dates:
        found.append(counted(dates, "date"))
    if flags:
        found.append(f"{counted(flags, 'column')} of which only missing values count")
    if encoding.drops:
        what = listing(encoding.dropped, SHOWN_DROPS)
        found.append(f"{counted(len(encoding.drops), 'column')} dropped: {what}")
    return ", ".join(found)


def counted(n: int, what: str, several: str = "") -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "epoch"), counted(2000, "step"), counted(2, "category", "categories")
    ('1 epoch', '2,000 steps', '2 categories')
    """
    return f"{n:,} {what if n == 1 else several or what + 's'}"


def peaks(reducer: MPIReducer | None) -> list[int]:
    """The peak memory of each rank in bytes; empty where the system does not report it."""
    own = peak_memory()
    if reducer is None:
        return [] if own is None else [own]
    reported = Team(reducer).gather(own or 0)[:, 0]
    return [int(peak) for peak in reported if peak]


def draw(history: History, options: argparse.Namespace) -> bool:
    """Draw the learning curve; without matplotlib, report that and return False."""
    from affinet.plotting import learning_curve, save_figure

    try:
        axes = learning_curve(history)
    except ImportError:
        say(
            'no learning curve, because matplotlib is missing: pip install "affinet[cli]", '
            f"then affinet plot {options.out}"
        )
        return False
    save_figure(axes, options.plot)
    return True


def metadata(options: argparse.Namespace, material: Material, outcome: Outcome) -> dict[str, Any]:
    """The model file's metadata: the meaning of the data, the options and the records."""
    history, predictor = outcome.history, outcome.predictor
    planned: dict[str, Any] = {}
    if material.plan is not None:
        planned["recipe"] = material.plan.to_json()
        if predictor.classifies:
            planned["temperature"] = predictor.temperature
    content = {
        **material.meaning,
        "options": {name: getattr(options, name) for name in OPTIONS},
        **planned,
        "results": outcome.results,
        **({"baselines": outcome.baselines} if outcome.baselines else {}),
        "steps": history.steps,
        "seconds": history.seconds,
        **({} if history.best_epoch is None else {"best_epoch": history.best_epoch}),
        "epochs": history.epochs,
        **({} if outcome.watched is None else {"monitor": outcome.watched}),
    }
    return dict(plain(content))


def report(options: argparse.Namespace, outcome: Outcome, plotted: bool) -> None:
    """Print the results; the last line is the figure of the rows held out."""
    *others, last = outcome.results
    for sentence in outcome.watched["advice"] if outcome.watched else ():
        say(f"advice: {sentence}")
    if options.json:
        print_json(as_values(options, outcome, plotted) | outcome.results)
        return
    if not options.quiet:
        print(named_lines(summary(options, outcome, plotted)))
        if "r2" in outcome.results[last]:
            print(f"\n{split_table(outcome.results)}\n")
        else:
            print()
        if outcome.baselines:
            print(f"{comparison(options, outcome)}\n")
        for split in others:
            print(headline(split, outcome.results[split]))
    print(headline(last, outcome.results[last]))


def summary(options: argparse.Namespace, outcome: Outcome, plotted: bool) -> dict[str, str]:
    """The files and the training in lines with names."""
    history = outcome.history
    lines = {"model": f"{options.out} (verified: it predicts the same after reading it back)"}
    if plotted:
        lines["learning curve"] = str(options.plot)
    lines["training"] = f"{history.steps:,} steps in {history.seconds:.1f} s"
    if history.best_epoch is not None:
        lines["training"] += f"; epoch {history.best_epoch} of {len(history.epochs)} is kept"
    if isinstance(outcome.predictor.net, Ensemble):
        nets = outcome.predictor.net.members
        kept = sorted(net.metadata["best_epoch"] for net in nets)
        lines["training"] += " of all threads"
        lines["networks"] = f"{len(nets)}, of which epochs {kept[0]} to {kept[-1]} are kept"
    if outcome.predictor.temperature != 1:
        lines["temperature"] = f"{outcome.predictor.temperature:.3g} (divides the logits)"
    if outcome.memory:
        each = " per rank" if options.data_parallel else ""
        lines["peak memory"] = f"{max(outcome.memory) / 1e6:,.0f} MB{each}"
    return lines


def comparison(options: argparse.Namespace, outcome: Outcome) -> str:
    """The last split's figures beside those of simpler models."""
    split, own = list(outcome.results.items())[-1]
    names = [name for name in ("accuracy", *QUALITY) if name in own]
    shown = [*names, *(["loss"] if "accuracy" in own else [])]
    models = {NAMES[options.model]: own, **outcome.baselines}
    rows = [[split, *(QUALITY.get(name, name) for name in shown)]]
    rows += [[name, *(figure(found.get(name)) for name in shown)] for name, found in models.items()]
    return table(rows)


def as_values(options: argparse.Namespace, outcome: Outcome, plotted: bool) -> dict[str, Any]:
    """The training for JSON, without the results of the splits."""
    history, predictor = outcome.history, outcome.predictor
    values = {
        "dataset": options.dataset,
        "model": str(options.out),
        "method": options.model,
        "plot": str(options.plot) if plotted else None,
        "epochs": len(history.epochs),
        "best_epoch": history.best_epoch,
        "steps": history.steps,
        "seconds": history.seconds,
        "peak_memory": outcome.memory,
    }
    if isinstance(predictor.net, Ensemble):
        values["networks"] = [net.metadata for net in predictor.net.members]
    if outcome.watched is not None:
        values["advice"] = outcome.watched["advice"]
    if predictor.recipe is not None and predictor.encoding is not None:
        values["recipe"] = predictor.recipe.to_json()
        values["dropped"] = list(predictor.encoding.dropped)
        values["temperature"] = predictor.temperature
    elif options.chosen:
        values["chosen"] = options.chosen
    if outcome.baselines:
        values["baselines"] = outcome.baselines
    return values
