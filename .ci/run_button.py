"""Press the run button of a built site in headless Chromium: ``run_button.py SITE``.

Fails unless the page's program prints its last line, and if anything was asked of another host.
"""

import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/support"))

from browser import Browser

SECONDS = 300
PRESS = "document.querySelector('.jupyterlite_sphinx_iframe_container').click()"
PRINTED = "(document.querySelector('iframe')?.contentDocument?.body?.innerText ?? '')"
FOUND = f"{PRINTED}.match(/simd128: [0-9.]+% of the test images are right/)?.[0]"


class Handler(SimpleHTTPRequestHandler):
    """Without a line for each request."""

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    """Serve the site to this machine alone and run the program of its page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=sys.argv[1]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_port}/"
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        Browser(profile, home + "guides/browser.html") as browser,
    ):
        browser.wait_for("document.readyState == 'complete'", SECONDS)
        browser.evaluate(PRESS)
        print(browser.wait_for(FOUND, SECONDS))
        foreign = {u for u in browser.requested() if not u.startswith((home, "data:", "blob:"))}
    if foreign:
        raise SystemExit(f"the page asked other hosts: {', '.join(sorted(foreign))}")


if __name__ == "__main__":
    main()
