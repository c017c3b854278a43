"""Distributes events to the open pages: a history for new ones, a bounded queue for each."""

from __future__ import annotations

import queue
import threading
from typing import Any

MOST_PAGES = 8  # open at the same time
WAITING = 64  # events that a page may fall behind before it is disconnected
MOST_KEPT = 2000  # points, and epochs, kept for pages that connect later

Event = tuple[str, Any] | None  # a name and its data, or the end


class Page:
    """One open page."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue(WAITING)
        self.dropped = False


class Hub:
    """Connects the training, which must not wait, with the threads that serve the pages.

    Attributes
    ----------
    stop : threading.Event
        Set when a page asks to stop the training.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._pages: set[Page] = set()
        self._facts: dict[str, Any] = {}
        self._kept: dict[str, list[Any]] = {"points": [], "epochs": []}

    @property
    def watched(self) -> bool:
        """True while a page is open."""
        return bool(self._pages)

    def begin(self, facts: dict[str, Any]) -> None:
        """Forget an earlier training, and announce this one."""
        with self._lock:
            self._facts = facts
            self._kept = {"points": [], "epochs": []}
            self._send(("begin", self._whole()))

    def publish(self, name: str, data: Any) -> None:
        """Send an event to all pages, without waiting for any of them."""
        with self._lock:
            if name == "update":
                for kind, kept in self._kept.items():
                    kept += data[kind]
                    if len(kept) > MOST_KEPT:
                        del kept[:-1:2]
            else:
                self._facts = {**self._facts, name: data}
            self._send((name, data))

    def join(self) -> Page | None:
        """Connect a new page, which receives the history; None if there are too many."""
        page = Page()
        with self._lock:
            if len(self._pages) >= MOST_PAGES:
                return None
            page.events.put_nowait(("begin", self._whole()))
            self._pages.add(page)
        return page

    def leave(self, page: Page) -> None:
        """Disconnect a page."""
        with self._lock:
            self._pages.discard(page)

    def close(self) -> None:
        """Send the pages the end of the stream."""
        with self._lock:
            self._send(None)

    def _whole(self) -> dict[str, Any]:
        return {**self._facts, **{name: list(kept) for name, kept in self._kept.items()}}

    def _send(self, event: Event) -> None:
        for page in list(self._pages):
            try:
                page.events.put_nowait(event)
            except queue.Full:  # a browser that does not keep up may reconnect
                page.dropped = True
                self._pages.discard(page)
