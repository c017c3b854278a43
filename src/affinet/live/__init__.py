"""A training, watched in the browser while it runs: one page on this machine, updated as it goes.

Nothing here is imported, and nothing listens, unless a :class:`LiveView` is opened. Then it is
Python's own http server on 127.0.0.1 and nowhere else, and every request must carry a random token.
Of a training that has ended, :func:`still_page` makes one file that needs no server.
"""

from typing import Any

from affinet.live.view import LiveView

__all__ = ["LiveView", "still_page"]


def __getattr__(name: str) -> Any:
    """``still_page``, imported when it is asked for, as it brings the server's module."""
    if name == "still_page":
        from affinet.live.still import still_page

        return still_page
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
