"""What the pages are told: a record for those that come, and a bounded queue for each one here."""

from __future__ import annotations

import queue
import threading
from typing import Any

MOST_PAGES = 8  # that are open at once
WAITING = 64  # events that a page may be behind before it is let go
MOST_KEPT = 2000  # points, and epochs, for pages that come later

Event = tuple[str, Any] | None  # a name and its data, or the end


class Page:
    """One open page."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue(WAITING)
        self.let_go = False


class Hub:
    """Between the training, which must not wait, and the threads that serve the pages.

    Attributes
    ----------
    stop : threading.Event
        Set when a page asks for the end of the training.
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
        """Forget an earlier training, and tell what this one is."""
        with self._lock:
            self._facts = facts
            self._kept = {"points": [], "epochs": []}
            self._send(("begin", self._whole()))

    def tell(self, name: str, data: Any) -> None:
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
        """A new page, which is told everything so far; None if there are too many."""
        page = Page()
        with self._lock:
            if len(self._pages) >= MOST_PAGES:
                return None
            page.events.put_nowait(("begin", self._whole()))
            self._pages.add(page)
        return page

    def leave(self, page: Page) -> None:
        """A page that is not there any more."""
        with self._lock:
            self._pages.discard(page)

    def close(self) -> None:
        """The last that pages hear."""
        with self._lock:
            self._send(None)

    def _whole(self) -> dict[str, Any]:
        return {**self._facts, **{name: list(kept) for name, kept in self._kept.items()}}

    def _send(self, event: Event) -> None:
        for page in list(self._pages):
            try:
                page.events.put_nowait(event)
            except queue.Full:  # a browser that does not keep up; it may come again
                page.let_go = True
                self._pages.discard(page)
