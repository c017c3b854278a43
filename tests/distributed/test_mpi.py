"""Two and more MPI ranks: they train as one, and none waits for a rank that died."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import affinet as an
from affinet.distributed import mpi as mpi_module

CLOSE = 1e-12


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_train_as_one(mpi, tmp_path, ranks):
    code, _, err = mpi(ranks, mpi.programs / "equal.py", tmp_path)
    assert code == 0, err
    results = [dict(np.load(tmp_path / f"{rank}.npz")) for rank in range(ranks)]
    single, losses = results[0]["single"], results[0]["single losses"]
    for way in ("shared", "again", "messages", "local"):
        for result in results[1:]:
            np.testing.assert_array_equal(result[way], results[0][way])
            np.testing.assert_array_equal(result[f"{way} losses"], results[0][f"{way} losses"])
        if way != "local":
            np.testing.assert_allclose(results[0][way], single, rtol=0, atol=CLOSE)
            np.testing.assert_allclose(results[0][f"{way} losses"], losses, rtol=CLOSE)
    np.testing.assert_array_equal(results[0]["shared"], results[0]["again"])
    assert results[0]["local losses"][-1] < results[0]["local losses"][0]
    assert not np.array_equal(results[0]["local"], single)
    for result in results:
        np.testing.assert_allclose(result["half"], single, rtol=0, atol=CLOSE)


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("raises before", "KeyError: 'lost before'"),
        ("exits before", "rank 1 has ended before this training"),
        ("raises", "ValueError: lost in a callback"),
        ("raises in a step", "FloatingPointError: lost in a step"),
        ("exits", "rank 1 of 2 ends all"),
        ("refuses", "wanted a class index 0..9"),
        ("interrupted", "KeyboardInterrupt"),
        ("killed", ""),
    ],
)
def test_all_end_with_one(mpi, way, told):
    code, _, err = mpi(2, mpi.programs / "fails.py", way, seconds=mpi.seconds)
    assert code != 0
    assert told in err


def test_what_all_know_need_not_end_them(mpi):
    code, out, err = mpi(2, mpi.programs / "fails.py", "disagrees")
    assert (code, out.count("went on")) == (0, 2), err


@pytest.mark.parametrize("threads", [None, "3"])
def test_ranks_share_the_processors_out(mpi, threads):
    """Unless a variable says otherwise."""
    program = (
        "import affinet as an; an.set_num_threads(64); an.distributed.MPIReducer(); "
        "print(f'{an.get_num_threads()}\\n', end='')"
    )
    code, out, err = mpi(2, "-c", program, threads=threads)
    assert code == 0, err
    wanted = 64 if threads else max(1, len(os.sched_getaffinity(0)) // 2)
    assert out.split() == [str(wanted)] * 2


def test_a_rank_says_which_it_is(mpi):
    program = (
        "import affinet as an; print(f'{an.distributed.MPIReducer()!r}\\n', end='', flush=True)"
    )
    code, out, err = mpi(2, "-c", program)
    assert code == 0, err
    assert sorted(out.splitlines()) == [f"MPIReducer(rank {rank} of 2)" for rank in range(2)]


def test_a_forked_child_does_not_take_leave_of_the_ranks():
    """It would wait for them; of the connection it needs nothing."""
    assert mpi_module.Connection.say_goodbye(None, os.getpid() + 1) is None


# The shell ---------------------------------------------------------------------------------------


def shell(mpi, ranks, folder, *arguments):
    return mpi(ranks, "-m", "affinet", "train", *arguments, "--data-parallel", folder=folder)


def test_the_shell_trains_on_two_ranks_and_goes_on_with_one(mpi, tmp_path):
    options = ("digits", "--dtype", "float64", "--checkpoint", "run.npz")
    code, out, err = shell(mpi, 2, tmp_path, *options, "--epochs", "3")
    assert code == 0, err
    assert err.splitlines()[0].endswith("3 epochs, on 2 ranks")
    assert len(re.findall("^epoch", err, re.MULTILINE)) == 3
    assert re.search(r"^peak memory +\d+ MB per rank$", out, re.MULTILINE)
    assert re.fullmatch(r"test accuracy 0\.\d{4}", out.splitlines()[-1])
    assert sorted(os.listdir(tmp_path)) == ["digits-curve.png", "digits-model.npz", "run.npz"]

    code, out, err = shell(
        mpi, 1, tmp_path, *options, "--epochs", "5", "--resume", "run.npz", "--quiet"
    )
    assert (code, len(out.splitlines()), err) == (0, 1, "")
    assert an.load(tmp_path / "digits-model.npz").metadata["steps"] == 5 * 45


def test_the_shell_refuses_in_one_line(mpi, tmp_path):
    code, out, err = shell(mpi, 2, tmp_path, "gone.npy")
    assert (code, out) == (2, "")
    assert err == "affinet: error: gone.npy: No such file or directory\n"
    code, _, err = shell(mpi, 2, tmp_path, "digits", "--optimizer", "sgd", "--lr", "1e30")
    assert code == 1
    assert len(re.findall("^affinet: error: the loss of epoch 1", err, re.MULTILINE)) == 1
    assert os.listdir(tmp_path) == []


def test_an_interrupted_shell_ends_on_all_ranks(mpi, tmp_path):
    arguments = ("-m", "affinet", "train", "digits", "--data-parallel", "--epochs", "100000")
    process = mpi.start(2, *arguments, folder=tmp_path)
    next(line for line in process.stderr if line.startswith("epoch"))
    process.send_signal(signal.SIGINT)
    code, _, err = mpi.finish(process)
    assert code == 130
    assert len(re.findall("interrupted in epoch", err)) == 1
    assert "Traceback" not in err


# One process -------------------------------------------------------------------------------------


def test_one_process_is_a_rank_without_mpiexec(mpi, tmp_path):
    code, _, err = mpi(1, mpi.programs / "equal.py", tmp_path)
    assert code == 0, err
    result = np.load(tmp_path / "0.npz")
    for way in ("shared", "messages"):
        np.testing.assert_array_equal(result[way], result["single"])


def test_without_mpi4py(monkeypatch):
    monkeypatch.setitem(mpi_module.sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r'pip install "affinet\[mpi\]"'):
        an.distributed.MPIReducer()


def test_peak_memory_is_that_of_the_process():
    """In a small one: an array beyond the peak of this one may take gigabytes."""
    code = (
        "import numpy as np; from affinet.distributed import peak_memory; before = peak_memory(); "
        "block = np.ones(20_000_000 // 8 + before // 8); "
        "assert peak_memory() >= before + 10_000_000"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
