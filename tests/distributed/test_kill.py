"""kill -9 of a random rank at random moments: never a hang, never a lost checkpoint."""

import os
import random
import signal
import time

import pytest

from affinet.training.checkpoint_file import read_checkpoint

KILLS = int(os.environ.get("AFFINET_KILLS", "2"))  # 50 of them take some minutes
FOREVER = 10**9
SEED = 20


def pids(folder):
    """The processes that have begun."""
    return [int(path.stem) for path in folder.glob("*.pid")]


def test_killed_ranks(mpi, tmp_path):
    """Each run resumes where the previous one was killed; the last one finishes."""
    rng, path = random.Random(SEED), tmp_path / "run.npz"
    steps = 0
    for _ in range(KILLS):
        process = mpi.start(2, mpi.programs / "killed.py", path, FOREVER)
        # The first of them dies when there is a checkpoint to go on from, the others at any time.
        while len(ranks := pids(tmp_path)) < 2 or not path.exists():
            assert process.poll() is None, mpi.finish(process)
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.6))
        os.kill(rng.choice(ranks), signal.SIGKILL)
        code, out, err = mpi.finish(process, mpi.seconds)
        assert code != 0
        assert "steps" not in out, err
        for rank in ranks:
            (tmp_path / f"{rank}.pid").unlink()
            with pytest.raises(ProcessLookupError):
                os.kill(rank, 0)
        found = read_checkpoint(path)["history"]["steps"]
        assert found >= steps, "a later checkpoint was lost"
        steps = found
    code, out, err = mpi(2, mpi.programs / "killed.py", path, steps + 5)
    assert code == 0, err
    assert out.count(f"{steps + 5}") == 2
