"""A training, watched in the browser while it runs: one page on this machine, updated as it goes.

Nothing here is imported, and nothing listens, unless a :class:`LiveView` is opened. Then it is
Python's own http server on 127.0.0.1 and nowhere else, and every request must carry a random token.
"""

from affinet.live.view import LiveView

__all__ = ["LiveView"]
