"""The page of a training that has ended, as one file that needs no server."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from affinet.diagnostics.numbering import layer_places
from affinet.live.server import jsonable
from affinet.live.view import first_matrix, shown_weights
from affinet.network import Sequential

POLICY = (
    "default-src 'none'; script-src 'nonce-NONCE'; style-src 'nonce-NONCE'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def still_page(
    net: Sequential,
    epochs: Sequence[Mapping[str, float]],
    monitor: Mapping[str, Any] | None = None,
    *,
    title: str = "training",
) -> str:
    """The live view's page with a training's record in it.

    It loads nothing and connects to nothing; its scripts are its own, by a nonce.

    Parameters
    ----------
    net : Sequential
        The trained network, of which the first layer's weights are drawn.
    epochs : sequence of dict
        The metrics of every epoch, as ``History.epochs`` has them.
    monitor : dict, optional
        The record of :class:`affinet.diagnostics.Monitor`: norms by layer, and advice.
    title : str
        Title of the page.

    Returns
    -------
    str
        A page in HTML.

    Raises
    ------
    ValueError
        If there is no epoch.

    Examples
    --------
    >>> import affinet as an
    >>> net = an.Sequential(an.Affine.init(4, 2, rng=0), loss=an.SoftmaxWithLoss())
    >>> page = still_page(net, [{"loss": 0.5}, {"loss": 0.25}])
    >>> page.startswith("<!doctype html>"), '"loss": 0.25' in page
    (True, True)
    """
    if not epochs:
        raise ValueError("epochs is empty, wanted the metrics of at least one epoch")
    # What ends a script element must not stand in the data, whatever the title says.
    data = json.dumps(jsonable(facts_of(net, epochs, monitor, title)), allow_nan=False)
    data = data.replace("<", "\\u003c")
    page = resources.files("affinet.live").joinpath("page.html").read_text("utf-8")
    head = f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    page = page.replace('<meta charset="utf-8">', head).replace("NONCE", secrets.token_urlsafe(16))
    return page.replace("const record = null;", f"const record = {data};", 1)


def facts_of(
    net: Sequential,
    epochs: Sequence[Mapping[str, float]],
    monitor: Mapping[str, Any] | None,
    title: str,
) -> dict[str, Any]:
    """What the page's script draws; its horizontal axis is the epoch, from 1 on."""
    rows = [{"step": number, **epoch} for number, epoch in enumerate(epochs, 1)]
    end = {"step": len(rows), "by": "the whole training", "advice": []}
    facts: dict[str, Any] = {
        "title": title,
        "axis": "epoch",
        "layers": [],
        "places": [],
        "samples": [],
        "points": rows,
        "epochs": rows,
        "end": end,
    }
    weights = shown_weights(first_matrix(net))
    if weights is not None:
        facts["weights"] = weights
    if monitor is not None:
        end["advice"] = list(monitor["advice"])
        facts["layers"] = list(monitor["layers"])
        facts["places"] = layer_places(monitor)
        facts["samples"] = samples_of(monitor)
    return facts


def samples_of(monitor: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The norms by layer at every step that the monitor looked at."""
    return [
        {"step": step, "sampled": step, "gradient": gradient, "update": update}
        for step, gradient, update in zip(
            monitor["steps"], monitor["gradient"], monitor["update"], strict=True
        )
    ]
