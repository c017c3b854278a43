"""How a watched training ends, and how its view closes."""

import copy
import socket

import pytest

import affinet as an
from affinet.live import LiveView
from live_client import Listener, T, X, ask, in_thread, make_net, parts, quiet, slowly


def test_the_button_ends_the_training_after_a_step():
    view, net, found = quiet(interval=0.01).open(), make_net(), []
    thread = in_thread(
        lambda: found.append(
            net.fit(X, T, epochs=10**6, callbacks=[an.every_steps(1, slowly), view], verbose=0)
        )
    )
    listener = Listener(view)
    while listener.next()[0] != "update":
        pass
    assert ask(view, "POST", "/stop")[0] == 204
    thread.join(20)
    (history,) = found
    assert history.stopped_by == "LiveView: stopped in the browser"
    assert history.epochs  # the interrupted epoch was completed in the record
    assert listener.rest()[-1][1]["step"] == history.steps
    # The next training is another one, at another address.
    net.fit(X, T, epochs=1, callbacks=[view], verbose=0)
    assert net.history.stopped_by == "epochs"


def test_the_end_may_be_asked_for_before_the_first_step(view):
    assert ask(view, "POST", "/stop")[0] == 204
    history = make_net().fit(X, T, epochs=10**6, callbacks=[view], verbose=0)
    assert (history.steps, history.stopped_by) == (1, "LiveView: stopped in the browser")


def test_an_error_leaves_the_closing_to_with():
    def fail(state):
        raise ZeroDivisionError

    view = quiet()
    with pytest.raises(ZeroDivisionError), view:
        make_net().fit(X, T, epochs=1, callbacks=[view, fail], verbose=0)
    assert view.url is None


def test_a_closed_view_listens_no_more():
    view = quiet().open()
    port, _ = parts(view)
    assert view.open().url == view.url
    view.close()
    view.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 2)


def test_a_port_of_ones_own_and_one_that_is_taken(view):
    port, _ = parts(view)
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {port}: "):
        quiet(port=port).open()
    view.close()
    with quiet(port=port) as again:
        assert parts(again)[0] == port


def test_arguments_that_are_wrong():
    for options, error in (
        ({"port": -1}, ValueError), ({"port": 65536}, ValueError), ({"port": "80"}, TypeError),
        ({"monitor": 3}, TypeError), ({"interval": 0}, ValueError), ({"shape": (0, 3)}, ValueError),
    ):  # fmt: skip
        with pytest.raises(error, match=next(iter(options))):
            LiveView(**options)


def test_a_copy_is_closed(view):
    assert copy.deepcopy(view).url is None
    assert repr(view) == "LiveView(port=0)"


def test_the_address_goes_to_standard_error(capsys):
    with LiveView() as opened:
        assert capsys.readouterr().err == f"live view: {opened.url}\n"
