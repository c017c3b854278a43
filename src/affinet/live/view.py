"""The callback that shows a training in the browser."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from affinet._validation import Array, positive_number, whole_number
from affinet.diagnostics.monitor import Monitor, layer_slices, norms_of
from affinet.live.hub import Hub
from affinet.network import Sequential
from affinet.network.inner import walk
from affinet.training import StopTraining, TrainingState

MOST_UNITS, MOST_INPUTS = 64, 4096  # of the first layer, shown at most
WEIGHTS_EVERY = 1.0  # seconds


class LiveView:
    """A callback that shows a training in the browser while it runs, and can stop it from there.

    It serves one page on 127.0.0.1 with the loss, the accuracy, the gradient norms by layer and the
    weights of the first layer. When the port is opened, by ``open``, by ``with`` or at the start of
    the training, the address is printed to standard error; it contains a random token that every
    request must carry. The port is closed at the end of the training; if the training ends with an
    error, ``with`` or ``close`` closes it. The browser keeps what the page has shown. Slow or
    closed pages are disconnected; none makes the training wait.

    Parameters
    ----------
    port : int
        Port to listen on; 0 chooses a free one.
    monitor : Monitor, optional
        A callback of the same training, listed before this one: the page also shows its
        update-to-weight ratios and its advice.
    shape : (int, int), optional
        Height and width of input images; by default square if possible.
    title : str
        Title of the page.
    interval : float
        Seconds between two updates; also the longest delay, in addition to a step, of a stop.
    announce : callable, optional
        Receives the line with the address instead of standard error.

    Attributes
    ----------
    url : str or None
        The address of the page while the port is open.

    Raises
    ------
    OSError
        When opened, if the port is not available.

    Examples
    --------
    >>> import affinet as an
    >>> (x, t), test = an.datasets.load_digits()
    >>> net = an.Sequential(an.Affine.init(64, 10, rng=0), loss=an.SoftmaxWithLoss())
    >>> view = an.live.LiveView(announce=lambda line: print(line[:27]))
    >>> history = net.fit(x, t, epochs=3, callbacks=[view])
    live view: http://127.0.0.1
    >>> view.url is None
    True
    """

    only_looks = True
    on_one_rank = True
    for_one_network = True  # with its own port

    def __init__(
        self,
        port: int = 0,
        *,
        monitor: Monitor | None = None,
        shape: tuple[int, int] | None = None,
        title: str = "training",
        interval: float = 0.1,
        announce: Callable[[str], None] | None = None,
    ) -> None:
        self.port = whole_number("port", port, 0)
        if self.port > 65535:
            raise ValueError(f"port is {port}, wanted 0 to 65535")
        if monitor is not None and not isinstance(monitor, Monitor):
            raise TypeError(f"monitor is {monitor!r}, wanted a Monitor")
        self.monitor = monitor
        self.shape = None if shape is None else tuple(whole_number("shape", n, 1) for n in shape)
        self.title = str(title)
        self.interval = positive_number("interval", interval)
        self.announce = announce
        self._hub = Hub()
        self._server: Any = None

    # The server ----------------------------------------------------------------------------------

    @property
    def url(self) -> str | None:
        """The address of the page while the port is open."""
        return None if self._server is None else str(self._server.url)

    def open(self) -> LiveView:
        """Open the port and announce the address; do nothing if it is open."""
        if self._server is None:
            from affinet.live.server import HOST, LiveServer  # needed only here

            try:
                self._server = LiveServer(self._hub, self.port)
            except OSError as error:
                why = f"cannot listen on {HOST}, port {self.port}: {error.strerror}"
                raise OSError(error.errno, why) from None
            self._hub.stop.clear()  # not in begin: a page may ask to stop before the first step
            line = f"live view: {self.url}"
            if self.announce is None:
                print(line, file=sys.stderr, flush=True)
            else:
                self.announce(line)
        return self

    def close(self) -> None:
        """Close the port."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    __enter__ = open

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LiveView(port={self.port})"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_hub": None, "_server": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _hub=Hub())

    # As a callback -------------------------------------------------------------------------------

    def begin(self, state: TrainingState) -> None:
        """Open the port if needed, and announce the training."""
        net = state.net
        self._slices = layer_slices(net)
        self._scratch = np.empty_like(net.params.flat)
        self._first = first_matrix(net)
        self._points: list[dict[str, Any]] = []
        self._epochs: list[dict[str, Any]] = []
        self._started = self._sent = self._weights_sent = time.monotonic()
        self._paced, self._pace = (0, self._started), 0.0  # step and time; steps a second
        self._totals = np.zeros(3)  # the epoch's totals when last read
        self._since = np.zeros(3)  # since the last point
        parts = dict(walk(net.layers))
        places = list(self._slices)
        layers = [repr(parts[path]) for path in places]
        facts = {"title": self.title, "layers": layers, "places": places}
        self._hub.begin({**facts, "summary": repr(net)[:400]})
        self.open()
        self._send_weights()

    def next_step(self, step: int) -> int:
        """The step that will be reached, at the current pace, when the next update is due."""
        due = self.interval - (time.monotonic() - self._sent)
        return step + max(1, int(self._pace * due))

    def after_step(self, state: TrainingState) -> None:
        """Show the progress; raise StopTraining if a page asked for it."""
        now = time.monotonic()
        before, then = self._paced
        self._pace = (state.step - before) / max(now - then, 1e-6)
        self._paced = (state.step, now)
        if now - self._sent >= 0.5 * self.interval:
            self._points.append(self._point(state, now))
            self._send(now)
        self._stop_if_asked()

    def __call__(self, state: TrainingState) -> None:
        """Show an epoch; raise StopTraining if a page asked for it."""
        figures = {name: value for name, value in state.metrics.items() if name != "seconds"}
        self._epochs.append({"step": state.step, **figures})
        self._add(state.totals)
        self._totals[:] = 0  # the next epoch begins
        now = time.monotonic()
        if now - self._sent >= self.interval:
            self._send(now)
        self._stop_if_asked()

    def end(self, state: TrainingState) -> None:
        """Show the final values, the weights and the advice, and close."""
        self._send(time.monotonic())
        self._send_weights()
        advice = [] if self.monitor is None else self.monitor.advice
        stopped_by = str(state.history.stopped_by)
        self._hub.publish("end", {"step": state.step, "by": stopped_by, "advice": advice})
        self.close()

    # Inside --------------------------------------------------------------------------------------

    def _stop_if_asked(self) -> None:
        if self._hub.stop.is_set():
            raise StopTraining("stopped in the browser")

    def _point(self, state: TrainingState, now: float) -> dict[str, Any]:
        """A point of the curves: means since the previous point, and norms."""
        self._add(state.totals)
        weight, loss, hits = self._since.tolist()
        self._since[:] = 0
        point: dict[str, Any] = {
            "step": state.step,
            "epoch": state.epoch,
            "seconds": now - self._started,
            "loss": loss / weight if weight else math.nan,
            "gradient": norms_of(state.net.grads.flat, self._slices, self._scratch),
        }
        if "accuracy" in state.metrics:
            point["accuracy"] = hits / weight if weight else math.nan
        if self.monitor is not None and len(self.monitor.steps):
            point["sampled"] = int(self.monitor.steps[-1])
            point["update"] = self.monitor.update_ratios[-1].tolist()
        return point

    def _add(self, totals: tuple[float, float, float]) -> None:
        """Add the change of an epoch's totals since they were last read."""
        with np.errstate(invalid="ignore"):  # both are infinite in a training that diverged
            self._since += np.array(totals) - self._totals
        self._totals = np.array(totals)

    def _send(self, now: float) -> None:
        self._sent = now
        if self._points or self._epochs:
            self._hub.publish("update", {"points": self._points, "epochs": self._epochs})
            self._points, self._epochs = [], []
        if self._hub.watched and now - self._weights_sent >= WEIGHTS_EVERY:
            self._send_weights()

    def _send_weights(self) -> None:
        """The first layer's weights as bytes from -127 to 127, unit by unit."""
        self._weights_sent = time.monotonic()
        shown = shown_weights(self._first, self.shape)
        if shown is not None:
            self._hub.publish("weights", shown)


def shown_weights(W: Array | None, shape: tuple[int, ...] | None = None) -> dict[str, Any] | None:
    """A matrix (I, O) as the page draws it; None if there is none, or it is not finite."""
    if W is None:
        return None
    W = W[:MOST_INPUTS, :MOST_UNITS].T
    greatest = float(np.abs(W).max(initial=0.0))
    if not math.isfinite(greatest):
        return None
    scaled = np.round(W * (127 / greatest if greatest else 0.0)).astype(np.int8)
    height, width = shape or (0, 0)
    if height * width != scaled.shape[1]:
        side = math.isqrt(scaled.shape[1])
        square = side * side == scaled.shape[1] and side > 1
        height, width = (side, side) if square else (scaled.shape[1], 1)
    shown = {"units": len(scaled), "height": height, "width": width, "greatest": greatest}
    return {**shown, "data": scaled}


def first_matrix(net: Sequential) -> Array | None:
    """The first matrix of a network's parameters."""
    return next((array for array in net.params.values() if array.ndim == 2), None)
