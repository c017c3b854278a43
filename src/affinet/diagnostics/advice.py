"""Advice on a training: sentences that cite the numbers behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.diagnostics.numbering import dead_places, layer_places

VANISHING = 1e-2  # a layer's gradient norm relative to the last layer's; 0.3 to 3 is usual
EXPLODING = 10.0  # gradient norm relative to the weights'; up to 1 is usual
DEAD = 0.4  # fraction of a layer's units; up to 0.25 was seen in wide nets that learn well
LARGE_UPDATE, SMALL_UPDATE = 0.2, 1e-4  # ratio to the weights; 1e-3 is usual: CS231n's notes
LEARNED = 0.9  # a loss that is still above this fraction of the first one has not fallen
RISE, GAP = 1.5, 0.1  # of the validation loss over its minimum, and between the accuracies
LAST = 3  # epochs whose median represents the end: one of them may be an outlier


def advice_on(record: Mapping[str, Any]) -> list[str]:
    """Sentences for a record of :class:`affinet.diagnostics.Monitor`."""
    found = [*diverged(record)]
    if found or not record["steps"]:
        return found
    found = [*vanishing(record), *exploding(record), *dead(record)]
    if not found or "exploding" in found[-1]:
        found += small_rate(record)
    return [*found, *large_rate(record), *overfitting(record)]


def columns(record: Mapping[str, Any], name: str) -> tuple[list[str], Array]:
    """The places in the network of the layers with weights, and their samples (S, L)."""
    columns, places = record["matrices"], layer_places(record)
    values = np.array(record[name], float).reshape(len(record["steps"]), -1)
    return [places[k] for k in columns], values[:, columns]


def diverged(record: Mapping[str, Any]) -> Iterator[str]:
    """A loss or gradient that is not finite."""
    for epoch in record["epochs"]:
        if not np.isfinite(epoch["loss"]):
            break
    else:
        for step, norms in zip(record["steps"], record["gradient"], strict=True):
            if not np.isfinite(norms).all():
                yield (
                    f"diverged: gradient norm {max(norms, key=np.nan_to_num)} after step {step}; "
                    "try a smaller learning rate or clip_norm"
                )
                return
        return
    yield (
        f"diverged: the loss of epoch {epoch['epoch']} is {epoch['loss']}; "
        "try a smaller learning rate or clip_norm"
    )


def vanishing(record: Mapping[str, Any]) -> Iterator[str]:
    """A gradient that vanishes on its way back, from the first step on."""
    layers, norms = columns(record, "gradient")
    if len(layers) < 2 or not norms[:, -1].any():
        return
    norms = norms[norms[:, -1] > 0]
    shares = norms[:, :-1] / norms[:, -1:]
    median = middle(shares)
    worst = int(median.argmin())
    # A ratio of 0 is not a vanishing gradient: the units between are dead.
    if 0 < median[worst] < VANISHING and shares[0, worst] < 10 * VANISHING:
        curved = any(name.startswith(("Sigmoid", "Tanh")) for name in record["net"])
        yield (
            f"layer {layers[worst]}: gradient norm {number(median[worst])} of layer "
            f"{layers[-1]}'s: vanishing; try {'ReLU' if curved else 'BatchNorm'} "
            "or He initialisation"
        )


def exploding(record: Mapping[str, Any]) -> Iterator[str]:
    """A gradient that is larger than the weights."""
    layers, gradients = columns(record, "gradient")
    _, weights = columns(record, "weight")
    with np.errstate(divide="ignore", invalid="ignore"):
        median = np.nan_to_num(middle(gradients / weights), posinf=0.0)
    worst = int(median.argmax()) if layers else 0
    if layers and median[worst] > EXPLODING:
        yield (
            f"layer {layers[worst]}: gradient norm {number(median[worst])} times that of its "
            "weights: exploding; try He or Xavier initialisation, inputs and targets of size 1, "
            "or clip_norm"
        )


def dead(record: Mapping[str, Any]) -> Iterator[str]:
    """Units that are active for no row."""
    for layer, share in zip(dead_places(record), (record["dead"] or [[]])[-1], strict=False):
        if share >= DEAD:
            largest = np.nanmax(np.array(record["update"], float), initial=0.0)
            cause = "a smaller learning rate, " if largest >= LARGE_UPDATE else ""
            yield (
                f"layer {layer}: {percent(share)} of its units fire for none of {record['rows']} "
                f"rows: dead; try {cause}LeakyReLU or He initialisation with biases of 0"
            )


def loss_stayed(record: Mapping[str, Any]) -> tuple[float, float] | None:
    """The losses of the first step and the last epoch, if the loss has hardly fallen."""
    if not record["epochs"]:
        return None
    first, last = record["loss"][0], record["epochs"][-1]["loss"]
    return (first, last) if last > LEARNED * first > 0 else None


def large_rate(record: Mapping[str, Any]) -> Iterator[str]:
    """Updates of the size of the weights, and a loss that has not fallen."""
    layers, ratios = columns(record, "update")
    losses = loss_stayed(record)
    ratios = np.nan_to_num(ratios)
    if losses is None or not layers or ratios.max() < LARGE_UPDATE:
        return
    sample, worst = np.unravel_index(ratios.argmax(), ratios.shape)
    yield (
        f"layer {layers[worst]}: step {record['steps'][sample]} changed it by "
        f"{number(ratios[sample, worst])} times its norm, and the loss went from "
        f"{number(losses[0])} to {number(losses[1])}: learning rate too large"
    )


def small_rate(record: Mapping[str, Any]) -> Iterator[str]:
    """Updates that hardly change the weights, despite a gradient, and a loss that stays."""
    layers, ratios = columns(record, "update")
    losses = loss_stayed(record)
    if losses is None or not layers:
        return
    _, gradients = columns(record, "gradient")
    _, weights = columns(record, "weight")
    largest = middle(ratios).max()
    if largest < SMALL_UPDATE and (gradients > 1e-3 * weights).any(axis=1).mean() > 0.5:
        yield (
            f"updates of at most {number(largest)} of the weights' norm, and the loss went from "
            f"{number(losses[0])} to {number(losses[1])}: learning rate too small"
        )


def overfitting(record: Mapping[str, Any]) -> Iterator[str]:
    """Validation that has become worse than before, or much worse than training."""
    epochs = record["epochs"]
    if not epochs or "val_loss" not in epochs[-1] or loss_stayed(record):
        return
    best = min(epochs, key=lambda epoch: float(epoch["val_loss"]))
    last = epochs[-LAST:]
    end = {name: float(middle(np.array([epoch[name] for epoch in last]))) for name in last[0]}
    remedy = "overfitting; try EarlyStopping, Dropout, weight decay or more rows"
    if end["val_loss"] > RISE * best["val_loss"] and end["loss"] < best["loss"]:
        yield (
            f"validation loss {number(best['val_loss'])} after epoch {best['epoch']}, "
            f"{number(end['val_loss'])} at the end, while the training loss fell to "
            f"{number(end['loss'])}: {remedy}"
        )
    elif "val_accuracy" in end and end["accuracy"] - end["val_accuracy"] > GAP:
        yield (
            f"accuracy {end['accuracy']:.3f} in training, {end['val_accuracy']:.3f} in "
            f"validation: {remedy}"
        )


def middle(values: Array) -> Array:
    """Medians of the columns; the upper one of the two middle values."""
    medians: Array = np.sort(values, axis=0)[len(values) // 2]
    return medians


def number(value: float) -> str:
    """A number with two digits, its exponent without padding.

    Examples
    --------
    >>> number(2.04e-9), number(0.3219), number(1e12)
    ('2e-9', '0.32', '1e+12')
    """
    return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e+")


def percent(share: float) -> str:
    """A share as a whole percentage; only exactly 0 and 1 read as 0% and 100%.

    Examples
    --------
    >>> percent(0.42), percent(0.997), percent(1.0)
    ('42%', '>99%', '100%')
    """
    text = f"{share:.0%}"
    if text == "100%" and share < 1:
        return ">99%"
    return "<1%" if text == "0%" and share > 0 else text
