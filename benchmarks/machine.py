"""``affinet.bench.machine`` under the short name that these scripts use."""

from affinet.bench.machine import (
    THREAD_VARIABLES,
    blas,
    blas_threads,
    commit,
    cores,
    description,
    heading,
    load,
    pinned,
    processor,
    thread_environment,
)

__all__ = [
    "THREAD_VARIABLES",
    "blas",
    "blas_threads",
    "commit",
    "cores",
    "description",
    "heading",
    "load",
    "pinned",
    "processor",
    "thread_environment",
]
