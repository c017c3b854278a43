"""``affinet train --live``, and the page in a real browser."""

import http.client
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

import affinet as an
from affinet.cli import main
from browser import CHROMIUM, Browser
from live_client import TEST, T, X, in_thread, make_net, quiet, slowly


def test_the_shell_serves_and_the_button_ends_it(tmp_path):
    words = "-m affinet train digits --live --epochs 1000000 --quiet"
    with subprocess.Popen(
        [sys.executable, *words.split()], cwd=tmp_path, env={**os.environ, "MPLBACKEND": "Agg"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        url = process.stderr.readline().split("live view: ")[1].strip()
        place = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=20)
        connection.request("POST", "/stop", headers={"X-Token": place.query.partition("=")[2]})
        assert connection.getresponse().status == 204
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert re.search(r"after step [\d,]+: LiveView: stopped in the browser", err)
    assert out.startswith("test accuracy ")
    assert "monitor" in an.load(tmp_path / "digits-model.npz").metadata


def test_the_shell_names_a_port_that_is_none(capsys):
    for text in ("digits", "65536", "-1"):
        assert main(["train", "digits", f"--live={text}"]) == 2
        assert "--live" in capsys.readouterr().err


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium)")
def test_chromium_draws_the_training_and_stops_it(tmp_path):
    net, found = make_net(), []
    shot = Path(os.environ.get("AFFINET_SCREENSHOTS", tmp_path)) / "live.png"  # for eyes, too
    watch = an.diagnostics.Monitor(every=16, verbose=False)
    view = quiet(monitor=watch, title="digits & <b>more</b>").open()
    callbacks = [watch, view, an.every_steps(1, slowly)]
    with view, Browser(tmp_path / "profile", view.url) as browser:
        thread = in_thread(
            lambda: found.append(
                net.fit(X, T, epochs=10**6, validation_data=TEST, callbacks=callbacks, verbose=0)
            )
        )
        try:
            browser.wait_for("document.querySelectorAll('#loss path.curve').length == 2")
            browser.wait_for("document.querySelectorAll('#gradient path.curve').length == 2")
            browser.wait_for("document.querySelectorAll('#update path.curve').length == 2")
            # The curves grow while the training runs.
            path = "document.querySelector('#loss path.curve').getAttribute('d').length"
            before = browser.evaluate(path)
            browser.wait_for(f"{path} > {before}")
            assert "NaN" not in browser.evaluate("document.querySelector('main').innerHTML")
            assert browser.evaluate("document.title") == "digits & <b>more</b>"
            state = browser.evaluate("document.getElementById('state').textContent")
            assert re.match(r"epoch \d+ · step [\d,]+ · [\d.]+ s", state)
            assert browser.evaluate("document.querySelector('canvas').width") > 50
            # No text leaves its picture.
            assert browser.evaluate("""[...document.querySelectorAll('svg')].every((svg) => {
                const box = svg.getBoundingClientRect();
                return [...svg.querySelectorAll('text')].every((t) => {
                    const b = t.getBoundingClientRect();
                    return b.left >= box.left - 1 && b.right <= box.right + 1
                        && b.top >= box.top - 1 && b.bottom <= box.bottom + 1;
                });
            })""")
            browser.screenshot(shot)
            browser.evaluate("document.getElementById('stop').click()")
            ended = browser.wait_for(
                "document.getElementById('state').textContent.startsWith('ended') &&"
                "document.getElementById('state').textContent"
            )
        finally:
            view._hub.stop.set()
            thread.join(30)
        assert ended.endswith("LiveView: stopped in the browser")
        assert browser.evaluate("document.getElementById('stop').disabled")
        assert browser.complaints() == []
        addresses = {urlsplit(url).netloc for url in browser.requested() if url != "about:blank"}
        assert len({address for address in addresses if address}) == 1
    (history,) = found
    assert history.stopped_by == "LiveView: stopped in the browser"
    pixels = picture(shot)
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3)[::7]}
    assert (0, 114, 178) in colours  # the training's curve
    assert len(colours) > 50


def picture(path):
    """The pixels of a picture, (H, W, 3)."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, which matplotlib brings")
    return np.asarray(image.open(path).convert("RGB"))
