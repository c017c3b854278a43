"""The worker pool: no bit depends on it, and it survives forks and concurrent callers."""

import concurrent.futures
import functools
import os
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest

import affinet as an
import parts.optimizers
from affinet import _dispatch, thread_limit
from affinet.threads import available_processors, cgroup_quota, default_threads
from everywhere import everywhere

# Large enough to be cut, by rows and by columns, in whole and in odd tiles and panels.
# A job that has to wake the workers must be larger than one in a training.
SHAPES = [(643, 800, 329), (80, 1200, 1700), (1700, 1200, 80), (1700, 1200, 50), (8, 3000, 4001)]


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = an.get_num_threads()
    yield
    an.set_num_threads(before)


def run(code):
    """Standard output of this code in a new Python process; a hang is a failure."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@functools.lru_cache(maxsize=2)
def operands(shape, dtype):
    """Both matrices of a product of this shape, by the product's name."""
    M, K, N = shape
    rng = np.random.default_rng(0)
    A, B = rng.random((M, K), dtype) - dtype.type(0.5), rng.random((K, N), dtype) - dtype.type(0.5)
    return {
        "gemm_nn": (A, B),
        "gemm_nt": (A, np.ascontiguousarray(B.T)),
        "gemm_tn": (np.ascontiguousarray(A.T), B),
    }


@pytest.mark.parametrize("shape", SHAPES)
@everywhere
def test_products_are_the_same_to_the_bit(kernels, dtype, shape):
    before = kernels.threads()[0]
    try:
        for product, (left, right) in operands(shape, dtype).items():
            results = []
            for n in (1, 2, 5, 16):
                kernels.set_threads(n)
                out = np.full((shape[0], shape[2]), np.nan, dtype)
                getattr(kernels, product)(left, right, out)
                results.append(out)
            assert np.isfinite(results[0]).all()
            for other in results[1:]:
                np.testing.assert_array_equal(other, results[0])
    finally:
        kernels.set_threads(before)


OPTIMIZERS = {name: partial(make, 0.01) for name, make in parts.optimizers.TRAINED.items()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fits_are_the_same_to_the_bit(name):
    bounded = [*OPTIMIZERS].index(name) % 2  # every second one
    options = {"l2": 0.5, "clip_norm": 0.25, "clip_value": 0.1} if bounded else {}
    optimizer = OPTIMIZERS[name]
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((600, 700)), rng.integers(0, 10, 600)
    results = []
    for n in (1, 2, 4):
        with an.num_threads(n):
            net = an.Sequential(
                an.Affine.init(700, 320, rng=0), an.ReLU(), an.Dropout(0.2),
                an.Affine.init(320, 10, rng=1), loss=an.SoftmaxWithLoss(),
            )  # fmt: skip
            history = net.fit(x, t, epochs=2, batch_size=300, optimizer=optimizer(), **options)
            results.append((net.params.flat, history["loss"], net.predict(x), net.grads.flat))
    if options:
        assert np.linalg.norm(results[0][3]) == pytest.approx(0.25, rel=1e-6)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


START = """
import os, numpy as np, affinet as an
from affinet._dispatch import kernels
A = np.random.default_rng(0).standard_normal((600, 600))
def product():
    out = np.empty_like(A)
    kernels.gemm_nn(A, A, out)
    return out
"""


def test_workers_start_with_the_first_job_that_is_cut():
    code = f"""{START}
an.set_num_threads(3)
small = np.ones((2, 2))
kernels.gemm_nn(small, small, np.empty((2, 2)))
print(kernels.threads())
product()
print(kernels.threads())
"""
    assert run(code).split("\n") == ["(3, 0)", "(3, 2)"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_child_has_a_pool_of_its_own():
    code = f"""{START}
an.set_num_threads(2)
wanted = product()
child = os.fork()
if child == 0:
    before = kernels.threads()[1]
    same = all((product() == wanted).all() for _ in range(20))
    os._exit(0 if same and before == 0 and kernels.threads()[1] == 1 else 1)
status = os.waitpid(child, 0)[1]
print(os.waitstatus_to_exitcode(status), (product() == wanted).all(), kernels.threads()[1])
"""
    assert run(code) == "0 True 1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_fork_while_another_thread_trains():
    code = f"""{START}
import threading, warnings
warnings.simplefilter("ignore")
an.set_num_threads(2)
wanted = product()
stop = threading.Event()
def work():
    while not stop.is_set():
        product()
busy = threading.Thread(target=work)
busy.start()
codes = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if (product() == wanted).all() else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
busy.join()
print(codes)
"""
    assert run(code) == str([0] * 10)


def test_many_callers_at_once_get_the_right_numbers():
    rng = np.random.default_rng(0)
    operands = [rng.standard_normal((500, 600)) for _ in range(8)]
    B = rng.standard_normal((600, 300))
    start = threading.Barrier(8)

    def work(A):
        start.wait()
        results = []
        for _ in range(10):
            out = np.empty((500, 300))
            _dispatch.kernels.gemm_nn(A, B, out)
            results.append(out)
        return results

    with an.num_threads(1):
        wanted = []
        for A in operands:
            out = np.empty((500, 300))
            _dispatch.kernels.gemm_nn(A, B, out)
            wanted.append(out)
    with an.num_threads(3), concurrent.futures.ThreadPoolExecutor(8) as callers:
        for results, right in zip(callers.map(work, operands), wanted, strict=True):
            for out in results:
                np.testing.assert_array_equal(out, right)


def test_the_context_manager_restores_the_number_after_an_error():
    an.set_num_threads(2)
    with pytest.raises(KeyError), an.num_threads(5):
        raise KeyError(an.get_num_threads())
    assert an.get_num_threads() == 2


@pytest.mark.parametrize(
    ("n", "error"),
    [(0, ValueError), (-1, ValueError), (257, ValueError), (1.5, TypeError), ("2", TypeError)],
)
def test_numbers_that_are_refused(n, error):
    before = an.get_num_threads()
    with pytest.raises(error, match="n is"):
        an.set_num_threads(n)
    with pytest.raises(error, match="n is"), an.num_threads(n):
        pass
    assert an.get_num_threads() == before


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"AFFINET_NUM_THREADS": "3"}, 3),
        ({"AFFINET_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"AFFINET_NUM_THREADS": "", "OMP_NUM_THREADS": "5"}, 5),
        ({"AFFINET_NUM_THREADS": "many"}, 8),
        ({"AFFINET_NUM_THREADS": "0"}, 8),
        ({"AFFINET_NUM_THREADS": "-2"}, 8),
        ({"AFFINET_NUM_THREADS": "100000"}, 256),
        ({}, 8),
    ],
)
def test_the_environment(environment, wanted):
    assert default_threads(environment, 8, None) == wanted


@pytest.mark.parametrize(
    ("available", "quota", "wanted"),
    [(8, None, 8), (8, 2.0, 2), (8, 1.5, 2), (8, 0.3, 1), (2, 4.0, 2), (1000, None, 256)],
)
def test_processors_and_quota(available, quota, wanted):
    assert default_threads({}, available, quota) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("max 100000", None), ("150000 100000", 1.5), ("", None), ("1 0", None), ("x y", None)],
)
def test_the_containers_quota(tmp_path, text, wanted):
    (tmp_path / "cpu.max").write_text(text)
    assert cgroup_quota(tmp_path / "cpu.max") == wanted


def test_the_variable_reaches_the_kernels():
    code = "import affinet as an; print(an.get_num_threads())"
    environment = os.environ | {"AFFINET_NUM_THREADS": "7"}
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, env=environment, text=True).strip() == "7"
    assert available_processors() >= 1


THREADPOOLCTL = """
import sys, numpy
{imports}
assert threads.register_with_threadpoolctl() and threads.register_with_threadpoolctl()
import threadpoolctl
info = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "affinet"]
assert len(info) == 1 and info[0]["version"] == affinet.__version__, info
affinet.set_num_threads(3)
with threadpoolctl.threadpool_limits(1):
    print(affinet.get_num_threads(), end=" ")
with threadpoolctl.threadpool_limits(2, user_api="affinet"):
    print(affinet.get_num_threads(), end=" ")
with threadpoolctl.threadpool_limits(1, user_api="blas"):
    print(affinet.get_num_threads(), end=" ")
print(affinet.get_num_threads())
"""


@pytest.mark.parametrize(
    "imports",
    ["import threadpoolctl, affinet", "import affinet, threadpoolctl"],
    ids=["before", "after"],
)
def test_threadpoolctl_sees_and_limits_the_pool(imports):
    pytest.importorskip("threadpoolctl")
    code = THREADPOOLCTL.format(imports=f"{imports}\nfrom affinet import threads")
    assert run(code) == "1 2 3 3"


def test_without_threadpoolctl_nothing_is_registered():
    code = "from affinet import threads; print(threads.register_with_threadpoolctl())"
    assert run(code) == "False"


def test_a_child_without_limits_keeps_the_number():
    before = an.get_num_threads()
    thread_limit.forget_other_threads()
    assert an.get_num_threads() == before
