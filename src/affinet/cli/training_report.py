"""What ``affinet train`` reports: one line before, the results after, the model's metadata."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from affinet._process import peak_memory
from affinet.cli.figures import headline, split_table
from affinet.cli.output import named_lines, plain, print_json, say
from affinet.cli.sources import Material
from affinet.layers import Affine
from affinet.network import Sequential
from affinet.training import History
from affinet.training.team import Team

if TYPE_CHECKING:
    from affinet.distributed import MPIReducer


def announcement(
    options: argparse.Namespace,
    net: Sequential,
    material: Material,
    reducer: MPIReducer | None = None,
) -> str:
    """The training that is about to start, in one line."""
    ranks = "" if reducer is None else f", on {reducer.size} rank{'s' * (reducer.size > 1)}"
    length = f"{options.epochs} epochs" if options.steps is None else f"{options.steps:,} steps"
    widths = [n for layer in net.layers if isinstance(layer, Affine) for n in layer.W.shape[:1]]
    widths.append(net.layers[-1].W.shape[1])
    held_out = 0 if material.held_out is None else len(material.held_out[1])
    purpose = "test on" if "test" in material.splits else "validate with"
    return (
        f"{material.name}: {len(material.train[1]):,} rows to train on, {held_out:,} to {purpose}; "
        f"{'-'.join(map(str, widths))} {options.activation}, {options.optimizer} at "
        f"{options.lr:g}, {options.batch_size} rows per step, {length}{ranks}"
    )


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


def metadata(
    options: argparse.Namespace,
    material: Material,
    history: History,
    results: dict[str, dict[str, float]],
    watched: dict[str, Any],
) -> dict[str, Any]:
    """The model file's metadata: the meaning of the data, the options and the records."""
    names = [
        *("hidden", "activation", "dropout", "input_dropout", "init", "dtype"),
        *("optimizer", "lr", "batch_size", "l2", "epochs", "steps", "seed"),
    ]
    content = {
        **material.meaning,
        "options": {name: getattr(options, name) for name in names},
        "results": results,
        "steps": history.steps,
        "seconds": history.seconds,
        "epochs": history.epochs,
        **watched,
    }
    return dict(plain(content))


def report(
    options: argparse.Namespace,
    history: History,
    results: dict[str, dict[str, float]],
    plotted: bool,
    advice: list[str] | None,
    memory: list[int],
) -> None:
    """Print the results; the last line is the figure of the rows held out."""
    *others, last = results
    for sentence in advice or ():
        say(f"advice: {sentence}")
    if options.json:
        print_json(as_values(options, history, plotted, advice, memory) | results)
        return
    if not options.quiet:
        lines = {"model": f"{options.out} (verified: it predicts the same after reading it back)"}
        if plotted:
            lines["learning curve"] = str(options.plot)
        lines["training"] = f"{history.steps:,} steps in {history.seconds:.1f} s"
        if memory:
            each = " per rank" if options.data_parallel else ""
            lines["peak memory"] = f"{max(memory) / 1e6:,.0f} MB{each}"
        print(named_lines(lines))
        if "r2" in results[last]:
            print(f"\n{split_table(results)}\n")
        for split in others:
            print(headline(split, results[split]))
    print(headline(last, results[last]))


def as_values(
    options: argparse.Namespace,
    history: History,
    plotted: bool,
    advice: list[str] | None,
    memory: list[int],
) -> dict[str, Any]:
    """The training for JSON, without the results of the splits."""
    return {
        "dataset": options.dataset,
        "model": str(options.out),
        "plot": str(options.plot) if plotted else None,
        "epochs": len(history.epochs),
        "steps": history.steps,
        "seconds": history.seconds,
        **({} if advice is None else {"advice": advice}),
        "peak_memory": memory,
    }
