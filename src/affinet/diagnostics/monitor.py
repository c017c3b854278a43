"""Monitoring any training: norms, ratios, dead units, gaps, and advice that cites the numbers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from affinet._dispatch import kernels
from affinet._validation import Array, number_array, require_shape, whole_number
from affinet.diagnostics.advice import advice_on, percent
from affinet.diagnostics.dead import dead_units, rectified
from affinet.diagnostics.numbering import dead_places, layer_places
from affinet.diagnostics.study import Study, TextTable
from affinet.network import Sequential
from affinet.network.inner import parameter_names, walk
from affinet.training import TrainingState

MOST_SAMPLES = 512  # with more, every other one is dropped
QUANTITIES = ("gradient", "weight", "update")
PLACES = ("places", "dead_places")
FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")


class Monitor(Study):
    """A callback that monitors a training and gives advice at its end.

    After steps 1, 16, 256, ... up to ``every``, and then every ``every`` steps, it measures for
    each layer with parameters, over all of these together, the Euclidean norms of the gradient (as
    the optimizer received it) and of the parameters before the update, and the ratio of the norm of
    the update to the latter. After every epoch it records training and validation metrics; if
    dead units were last counted at least ``2 * every`` steps ago, it also passes a fixed sample of
    the training rows through the network and counts the ReLU units that are active for none of
    them. The training itself stays the same, to the bit. At the end the record is stored in
    ``net.metadata["monitor"]``, so model files keep it and ``affinet inspect`` shows it.

    Layers are numbered by their place in the network, as in ``net.layers[8]`` and ``"8.W"``.

    Parameters
    ----------
    every : int
        Steps between two samples, 1 or more. When there are more than 512 samples, it is doubled
        and every other sample is dropped.
    rows : int
        Number of training rows, evenly spaced, on which dead units are counted; 1 or more.
    verbose : bool
        Print the advice to standard error at the end.

    Attributes
    ----------
    layers : list of str
        The layers with parameters, from the inputs to the outputs.
    places : list of int
        Their places in the network.
    steps : array of shape (S,)
        The sampled steps.
    gradient_norms, weight_norms, update_ratios : array of shape (S, L)
    dead_shares : array of shape (D, R)
        Fractions of the units of R layers of ReLU or LeakyReLU, after each of the D epochs in
        which they were counted; the last one is the end of the training.
    gaps : dict of str to array (E,)
        ``"loss"``: validation minus training loss, and ``"accuracy"``: training minus validation
        accuracy, if recorded. Training values are means over the epoch.
    advice : list of str
        A sentence for each problem found, with the numbers that show it.

    Examples
    --------
    >>> import affinet as an
    >>> (x, t), test = an.datasets.load_digits()
    >>> def deep(activation):
    ...     layers = [an.Affine.init(64, 32, 0), activation()]
    ...     for seed in range(5):
    ...         layers += [an.Affine.init(32, 32, seed + 1), activation()]
    ...     return an.Sequential(*layers, an.Affine.init(32, 10, 9), loss=an.SoftmaxWithLoss())
    >>> watch = an.diagnostics.Monitor(verbose=False)
    >>> _ = deep(an.Sigmoid).fit(x, t, epochs=3, optimizer=an.SGD(0.1), callbacks=[watch])
    >>> watch.advice[0].partition(":")[0], "vanishing" in watch.advice[0]
    ('layer 0', True)
    >>> _ = deep(an.ReLU).fit(x, t, epochs=3, callbacks=[watch], validation_data=test)
    >>> watch.advice
    []
    """

    only_looks = True
    on_one_rank = True

    _record: dict[str, Any]

    def __init__(self, every: int = 256, rows: int = 128, verbose: bool = True) -> None:
        self.every = self._interval = whole_number("every", every, 1)
        self.n_rows = whole_number("rows", rows, 1)
        self.verbose = bool(verbose)
        self._forget()

    # What was measured ---------------------------------------------------------------------------

    @property
    def steps(self) -> Array:
        """The sampled steps, (S,)."""
        return np.array(self._record["steps"], int)

    @property
    def gradient_norms(self) -> Array:
        """Norms of the gradients, (S, L)."""
        return self._norms("gradient")

    @property
    def weight_norms(self) -> Array:
        """Norms of the parameters before the update, (S, L)."""
        return self._norms("weight")

    @property
    def update_ratios(self) -> Array:
        """Norms of the updates relative to those of the parameters, (S, L)."""
        return self._norms("update")

    @property
    def dead_shares(self) -> Array:
        """Fractions of units that are active for no row, (D, R)."""
        return self._array("dead", len(self._record["dead"]), len(self._record["rectified"]))

    @property
    def gaps(self) -> dict[str, Array]:
        """How much worse validation is than training, after every epoch."""
        epochs, found = self._record["epochs"], {}
        for name, sign in (("loss", 1), ("accuracy", -1)):
            if epochs and all(f"val_{name}" in epoch and name in epoch for epoch in epochs):
                gap = [sign * (epoch[f"val_{name}"] - epoch[name]) for epoch in epochs]
                found[name] = np.array(gap)
        return found

    @property
    def advice(self) -> list[str]:
        """A sentence for each problem found, with the numbers that show it."""
        return advice_on(self._record)

    @property
    def layers(self) -> list[str]:
        """The layers with parameters."""
        return list(self._record["layers"])

    @property
    def places(self) -> list[int]:
        """The places in the network of the layers with parameters."""
        return list(self._record["places"])

    def rows(self) -> TextTable:
        """A row for each layer: norms of the first and the last sample, ratio, dead units."""
        return record_rows(self._record)

    def to_dict(self) -> dict[str, Any]:
        """The record and the advice as plain values for JSON, rounded to four digits."""
        return dict(rounded({**self._record, "advice": self.advice}))

    # As a callback -------------------------------------------------------------------------------

    def begin(self, state: TrainingState) -> None:
        """Start a new record for this network."""
        self._forget()
        net = state.net
        self._slices = layer_slices(net)
        flat = net.params.flat
        self._before, self._scratch = np.empty_like(flat), np.empty_like(flat)
        n = len(state.data[0])
        rows = np.linspace(0, n - 1, min(self.n_rows, n)).astype(int)
        self._x = state.data[0][rows]
        if self._x.ndim == 1:
            self._x = self._x.reshape(-1, 1)
        layers = dict(walk(net.layers))
        order, own = list(layers), list(self._slices)
        before = [(path, order[: order.index(path)]) for path in rectified(net)]
        self._record |= {
            "net": [repr(layer) for layer in layers.values()],
            "layers": [repr(layers[path]) for path in own],
            "places": own,
            "dead_places": [feeder(own, paths, path) for path, paths in before],
            "matrices": [k for k, path in enumerate(own) if has_matrix(layers[path])],
            "rows": len(rows),
            "rectified": [len(self._slices.keys() & paths) for _, paths in before],
        }
        self._keep(state)

    def next_step(self, step: int) -> int:
        """The step of the next sample, or the one before it, whose parameters are needed."""
        sample = self._next_sample(step)
        return sample if sample == step + 1 else sample - 1

    def after_step(self, state: TrainingState) -> None:
        """Measure if this step is sampled; keep the parameters if the next one is."""
        if state.step == self._kept + 1:
            self._measure(state)
        if self._next_sample(state.step) == state.step + 1:
            self._keep(state)

    def __call__(self, state: TrainingState) -> None:
        """Record an epoch."""
        figures = {name: float(state.metrics[name]) for name in FIGURES if name in state.metrics}
        self._record["epochs"].append({"epoch": state.epoch, **figures})
        counted = self._record["counted"]
        if not counted or state.step - counted[-1] >= 2 * self._interval:
            self._count(state)

    def end(self, state: TrainingState) -> None:
        """Store the record in the network's metadata, and print the advice."""
        if state.step not in self._record["counted"]:
            self._count(state)
        content = self.to_dict()
        state.net.metadata["monitor"] = content
        if self.verbose:
            for sentence in content["advice"]:
                print(sentence, file=sys.stderr, flush=True)

    def state_dict(self) -> dict[str, Any]:
        """The record, and the parameters that the next sample needs, for a checkpoint."""
        before = None if self._kept < 0 else self._before
        return {
            "record": self._record,
            "interval": self._interval,
            "kept": self._kept,
            "before": before,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state_dict; nothing has changed if it is refused."""
        before, record = state["before"], dict(state["record"])
        # Records of earlier versions lack the places, which the network decides.
        record = {name: self._record[name] for name in PLACES} | record
        require_record(record, self._record)
        interval = whole_number("interval", state["interval"], 1)
        kept = whole_number("kept", state["kept"], -1)
        if before is not None:
            require_shape("before", number_array("before", before), self._before.shape)
        elif kept >= 0:
            raise ValueError(f"kept is {kept}, but the parameters of that step are missing")
        self._record, self._interval, self._kept = record, interval, kept
        if before is not None:
            self._before[...] = before

    def __repr__(self) -> str:
        return f"Monitor(every={self.every}, rows={self.n_rows})"

    # Inside --------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._interval = self.every
        self._kept = -1  # the step after which _before holds the parameters; -1: none
        self._record = empty_record()

    def _norms(self, name: str) -> Array:
        return self._array(name, len(self._record["steps"]), len(self._record["layers"]))

    def _array(self, name: str, *shape: int) -> Array:
        return np.array(self._record[name], float).reshape(shape)

    def _next_sample(self, step: int) -> int:
        """The next power of 16 up to ``every``, later the next multiple of the interval."""
        power = 16 ** -(-step.bit_length() // 4)
        return power if power <= self.every else step - step % self._interval + self._interval

    def _keep(self, state: TrainingState) -> None:
        self._kept = state.step
        np.copyto(self._before, state.net.params.flat)

    def _measure(self, state: TrainingState) -> None:
        record, before, self._kept = self._record, self._before, -1
        where, params = (self._slices, self._scratch), state.net.params.flat
        gradients, weights = norms_of(state.net.grads.flat, *where), norms_of(before, *where)
        updates = norms_of(np.subtract(params, before, out=before), *where)
        pairs = zip(updates, weights, strict=True)
        ratios = [moved / size if size else float("nan") for moved, size in pairs]
        record["steps"].append(state.step)
        record["loss"].append(float(state.metrics["loss"]))
        for name, values in zip(QUANTITIES, (gradients, weights, ratios), strict=True):
            record[name].append(values)
        if len(record["steps"]) > MOST_SAMPLES:
            self._thin_out()

    def _count(self, state: TrainingState) -> None:
        """Count dead units."""
        self._record["counted"].append(state.step)
        shares = [float(units.mean()) for units in dead_units(state.net, self._x)]
        self._record["dead"].append(shares)

    def _thin_out(self) -> None:
        """Double the interval, and drop the samples that it skips."""
        self._interval *= 2
        steps = self._record["steps"]
        kept = [s <= self.every or s % self._interval == 0 for s in steps]
        for name in ("steps", "loss", *QUANTITIES):
            pairs = zip(self._record[name], kept, strict=True)
            self._record[name] = [value for value, stays in pairs if stays]


def empty_record() -> dict[str, Any]:
    """A record without samples."""
    lists = ("net", "layers", "places", "matrices", "rectified", "steps", "loss", *QUANTITIES)
    return {**{name: [] for name in (*lists, "epochs", "counted", "dead")}, "rows": 0}


def feeder(own: list[str], before: list[str], path: str) -> str:
    """The last layer with parameters before the one at ``path``, or that itself."""
    return next((other for other in reversed(before) if other in own), path)


def layer_slices(net: Sequential) -> dict[str, slice]:
    """The slice of the flat buffers that holds each layer's own parameters, by its path."""
    slices: dict[str, slice] = {}
    start = 0
    for name, array in net.params.items():
        path = name.rpartition(".")[0]
        slices[path] = slice(slices[path].start if path in slices else start, start + array.size)
        start += array.size
    return slices


def norms_of(flat: Array, slices: Mapping[str, slice], scratch: Array) -> list[float]:
    """The norm of each layer's part, summed in double precision; scratch is overwritten."""
    return [float(kernels.clip_norm(flat[p], np.inf, scratch[p])) for p in slices.values()]


def has_matrix(layer: Any) -> bool:
    """True if a layer has a parameter of two or more dimensions, as Affine does."""
    return any(np.ndim(getattr(layer, name)) > 1 for name in parameter_names(layer))


def record_rows(record: Mapping[str, Any]) -> TextTable:
    """A row for each layer of a record."""
    rows: TextTable = [
        ("layer", "gradient first", "last", "weights first", "last", "update", "dead")
    ]
    shares = dict(zip(dead_places(record), (record["dead"] or [[]])[-1], strict=False))
    for k, (place, layer) in enumerate(zip(layer_places(record), record["layers"], strict=True)):
        cells = []
        for name in QUANTITIES[:2]:
            values = [sample[k] for sample in record[name]]
            cells += [short(values[0]), short(values[-1])] if values else ["-", "-"]
        ratios = [sample[k] for sample in record["update"] if sample[k] is not None]
        cells.append(short(float(np.median(ratios))) if ratios else "-")
        cells.append(percent(shares[place]) if place in shares else "-")
        rows.append((f"{place} {layer}", *cells))
    return rows


def require_record(record: Mapping[str, Any], fresh: Mapping[str, Any]) -> None:
    """Raise unless a record is one of the same network and rows as the ``fresh`` one."""
    if record.keys() != fresh.keys():
        raise ValueError(f"the record has {', '.join(record)}, wanted {', '.join(fresh)}")
    for name in ("net", "layers", *PLACES, "matrices", "rows", "rectified"):
        if record[name] != fresh[name]:
            raise ValueError(f"the record's {name} is {record[name]!r:.80}, not this network's")
    for name, value in fresh.items():
        if type(record[name]) is not type(value):
            raise TypeError(f"the record's {name} is {record[name]!r:.50}")
    samples = len(record["steps"])
    shapes = {name: (samples, len(record["layers"])) for name in QUANTITIES}
    shapes["dead"] = (len(record["counted"]), len(record["rectified"]))
    for name, (length, width) in shapes.items():
        if len(record[name]) != length or any(len(sample) != width for sample in record[name]):
            raise ValueError(f"the record's {name} wants {length} samples of {width} numbers")
        if any(type(number) is not float for sample in record[name] for number in sample):
            raise TypeError(f"the record's {name} has a sample that is not of numbers")
    for name in ("steps", "counted"):
        for step in record[name]:
            whole_number(f"a step in {name}", step, 0)
    if len(record["loss"]) != samples or any(type(loss) is not float for loss in record["loss"]):
        raise ValueError(f"the record's losses are not those of {samples} samples")
    for epoch in record["epochs"]:
        if not isinstance(epoch, dict) or not {"epoch", "loss"} <= epoch.keys():
            raise ValueError(f"the record has the epoch {epoch!r:.80}, wanted its figures")
        for name, figure in epoch.items():
            if type(figure) is not (int if name == "epoch" else float):
                raise TypeError(f"{name} of an epoch is {figure!r:.50}, wanted a number")


def short(value: float | None) -> str:
    """A number with three digits."""
    return "-" if value is None else f"{value:.3g}"


def rounded(value: Any) -> Any:
    """Plain values with numbers rounded to four digits; values that are not finite become None.

    Examples
    --------
    >>> rounded({"a": [1.23456, float("nan")], "n": 123456})
    {'a': [1.235, None], 'n': 123456}
    """
    if isinstance(value, dict):
        return {name: rounded(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [rounded(inside) for inside in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if np.isfinite(value) else None
    return value
