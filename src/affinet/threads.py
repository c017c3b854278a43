"""How many threads the kernels use: a process-wide setting, and a context manager."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from affinet._dispatch import kernels
from affinet._validation import whole_number
from affinet._version import __version__

VARIABLES = ("AFFINET_NUM_THREADS", "OMP_NUM_THREADS")  # joblib sets the second in its workers
MOST = 256
LIBRARIES = ("avx512.", "avx2.", "baseline.")  # prefix of the compiled modules' file names
QUOTA = "/sys/fs/cgroup/cpu.max"  # "max 100000" or "<microseconds> <period>"


def set_num_threads(n: int) -> None:
    """Use at most n threads for matrix products, updates and gathering from now on.

    Results are bit-identical for every n. Small work stays on the calling thread, and threads
    start only when there is work for them.

    Parameters
    ----------
    n : int
        1 to 256.

    Raises
    ------
    TypeError, ValueError
        If n is not an integer from 1 to 256.

    Examples
    --------
    >>> import affinet as an
    >>> before = an.get_num_threads()
    >>> an.set_num_threads(1)
    >>> an.get_num_threads()
    1
    >>> an.set_num_threads(before)
    """
    if whole_number("n", n, 1) > MOST:
        raise ValueError(f"n is {n}, wanted {MOST} or less")
    kernels.set_threads(n)


def get_num_threads() -> int:
    """The maximum number of threads that the kernels use.

    Examples
    --------
    >>> import affinet as an
    >>> an.get_num_threads() >= 1
    True
    """
    return int(kernels.threads()[0])


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Use at most n threads inside a ``with`` block; the limit applies to the whole process.

    Parameters
    ----------
    n : int
        1 to 256.

    Examples
    --------
    >>> import affinet as an
    >>> with an.num_threads(1):
    ...     an.get_num_threads()
    1
    """
    before = get_num_threads()
    set_num_threads(n)
    try:
        yield
    finally:
        set_num_threads(before)


def default_threads(environment: Mapping[str, str], available: int, quota: float | None) -> int:
    """The initial number of threads: from an environment variable, else the usable processors.

    Parameters
    ----------
    environment : mapping
        ``AFFINET_NUM_THREADS`` takes precedence over ``OMP_NUM_THREADS``. The second may be a
        list ("4,2"), of which the first number is used; non-numeric values are ignored.
    available : int
        Processors that this process may run on.
    quota : float or None
        CPU quota of the container, in processors.

    Examples
    --------
    >>> default_threads({"OMP_NUM_THREADS": "3"}, 8, None), default_threads({}, 8, 1.5)
    (3, 2)
    """
    for name in VARIABLES:
        first = environment.get(name, "").split(",")[0].strip()
        if first.isdecimal() and int(first) >= 1:
            return min(int(first), MOST)
    granted = available if quota is None else min(available, max(1, -int(-quota // 1)))
    return max(1, min(granted, MOST))


def available_processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_quota(path: str | os.PathLike[str] = QUOTA) -> float | None:
    """The container's CPU quota, in processors; None without a limit.

    Examples
    --------
    >>> cgroup_quota("no such file") is None
    True
    """
    try:
        with open(path, encoding="ascii") as file:
            quota, period = file.read().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def register_with_threadpoolctl() -> bool:
    """Let threadpoolctl see and limit the thread pool, if the program has imported it.

    Called when affinet is imported and at the start of every training. If you import threadpoolctl
    in between, you can call it yourself.

    Returns
    -------
    bool
        True if threadpoolctl now knows the pool, under the name ``"affinet"``.

    Examples
    --------
    >>> import threadpoolctl
    >>> register_with_threadpoolctl()
    True
    >>> with threadpoolctl.threadpool_limits({"affinet": 1}):
    ...     get_num_threads()
    1
    """
    threadpoolctl = sys.modules.get("threadpoolctl")
    if threadpoolctl is None or not hasattr(threadpoolctl, "register"):
        return False
    if "affinet" in threadpoolctl._ALL_USER_APIS:
        return True

    class AffinetController(threadpoolctl.LibController):  # type: ignore[name-defined,misc]
        user_api = internal_api = "affinet"
        filename_prefixes = LIBRARIES
        check_symbols = ("affinet_pool",)

        def get_num_threads(self) -> int:
            return get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            set_num_threads(num_threads)

        def get_version(self) -> str:
            return __version__

    threadpoolctl.register(AffinetController)
    return True


set_num_threads(default_threads(os.environ, available_processors(), cgroup_quota()))
register_with_threadpoolctl()
