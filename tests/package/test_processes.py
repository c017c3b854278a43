"""Networks in other processes: forked, spawned, and interrupted."""

import os

import pytest

NET = (
    "import affinet as an, numpy as np\n"
    "net = an.Sequential(an.Affine.init(20, 300, rng=0), an.ReLU(), an.Affine.init(300, 4, rng=1),"
    " loss=an.SoftmaxWithLoss())\n"
    "x = np.random.default_rng(0).standard_normal((2000, 20)).astype('f')\n"
    "t = np.arange(2000) % 4\n"
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.parametrize("before", ["net.predict(x)", "net.fit(x, t, epochs=1)", "None"])
def test_a_forked_child_predicts_and_trains(run, before):
    assert (
        run(
            NET + f"{before}\n"
            "y = net.predict(x)\n"
            "import os, sys, warnings\n"
            "warnings.simplefilter('ignore')\n"  # that NumPy's own threads are running
            "sys.stdout.flush()\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    same = (net.predict(x) == y).all()\n"
            "    net.fit(x, t, epochs=1)\n"
            "    os._exit(7 if same else 8)\n"
            "code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
            "print(code, (net.predict(x) == y).all())"
        )
        == "7 True"
    )


def test_a_spawned_child_gets_the_network(run, tmp_path):
    script = tmp_path / "spawned.py"
    script.write_text(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "if __name__ == '__main__':\n"
        + "".join(f"    {line}\n" for line in NET.splitlines())
        + "    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:\n"
        "        y = pool.submit(net.predict, x).result()\n"
        "    print((y == net.predict(x)).all())\n"
    )
    run_it = f"runpy.run_path({str(script)!r}, run_name='__main__')"
    assert run(f"import runpy, sys; sys.argv = [{str(script)!r}]; {run_it}") == "True"


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_control_c_ends_a_training_and_leaves_the_network_usable(run):
    """A signal that arrives while compiled code runs; the training itself would take hours."""
    assert run(
        NET + "import signal\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.2)\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "try:\n"
        "    net.fit(x, t, epochs=10**6)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
        "steps = net.history.steps\n"
        "print(np.isfinite(net.predict(x)).all(), len(net.fit(x, t, epochs=1).epochs))"
    ).splitlines() == ["interrupted", "True 1"]
