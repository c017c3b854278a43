"""Products on the matrix unit have the bits of the same products without one."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import affinet as an
import matrix_unit as units
from affinet import _dispatch
from affinet._dispatch import NATIVE, NOT_BUILT
from products_in_parts import (
    KINDS,
    PATTERNS,
    PRECISIONS,
    operands,
    product,
    require_nothing_else_written,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return units.emulation(tmp_path_factory.mktemp("unit"))


@pytest.fixture
def both_ways(kernels, library):
    """Computes a product with the unit, checks that it was used, and without; two results."""

    def compute(*arguments):
        with units.matrix_unit(kernels, library) as emulated:
            before = emulated.unit_products() if emulated else 0
            found = product(kernels, *arguments)
            if emulated:
                assert emulated.unit_products() > before
                assert emulated.unit_configured() == 0  # each part of a job lets go of its tiles
        with units.without_unit(kernels):
            return found, product(kernels, *arguments)

    return compute


@pytest.fixture
def threads(kernels):
    yield kernels.set_threads
    kernels.set_threads(1)


def same_bits(found, wanted):
    """Also of zeros' signs; NaN is NaN."""
    return ((found.view(np.uint32) == wanted.view(np.uint32)) | np.isnan(wanted)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_kind_of_number(kernels, both_ways, precision, pattern, kind):
    if not kernels.build_level()[1] and kind in KINDS[3:]:
        pytest.skip("without the unit this level rounds tiny and huge products twice")
    rng = np.random.default_rng([PATTERNS.index(pattern), KINDS.index(kind)])
    for largest in (20, 90, 40), (70, 40, 70), (2, 100, 20):
        M, K, N = (int(n) for n in rng.integers(1, largest))
        A, B = operands(rng, kind, M, K, N, pattern)
        b = operands(rng, kind, 1, N, 1, "nn")[0].ravel() if M > 1 else None
        found, wanted = both_ways(A, B, b, precision, pattern)
        assert same_bits(found, wanted), (M, K, N)


EDGES = (1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", EDGES)
def test_every_edge_of_a_tile(both_ways, pattern, size):
    rng = np.random.default_rng(size)
    for M, K, N in (size, 33, 20), (20, size, 33), (33, 20, size):
        A, B = operands(rng, "normal", M, K, N, pattern)
        found, wanted = both_ways(A, B, None, "bfloat16x3", pattern)
        assert same_bits(found, wanted), (M, K, N)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(3, 1090, 5), (150, 40, 20), (20, 40, 530), (140, 1030, 520)])
def test_blocks_of_rows_of_columns_and_of_k_go_on(both_ways, precision, shape):
    rng = np.random.default_rng(7)
    A, B = operands(rng, "normal", *shape, "nn")
    found, wanted = both_ways(A, B, rng.standard_normal(shape[2]).astype("f4"), precision, "nn")
    assert same_bits(found, wanted)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_parts_of_a_job_run_in_threads_of_the_pool(both_ways, threads, pattern):
    rng = np.random.default_rng(8)
    A, B = operands(rng, "spread", 100, 120, 150, pattern)
    alone, wanted = both_ways(A, B, None, "bfloat16", pattern)
    for n in (2, 3):
        threads(n)
        found, _ = both_ways(A, B, None, "bfloat16", pattern)
        assert same_bits(found, wanted)
        assert same_bits(found, alone)


def test_callers_in_several_threads_have_tiles_of_their_own(kernels, library):
    rng = np.random.default_rng(9)
    problems = [operands(rng, "normal", 20, 70, 33, "nn") for _ in range(4)]
    wanted = [product(kernels, A, B, None, "bfloat16x3", "nn") for A, B in problems]
    found = [[] for _ in problems]

    def compute(i):
        A, B = problems[i]
        found[i] += [product(kernels, A, B, None, "bfloat16x3", "nn") for _ in range(5)]

    with units.matrix_unit(kernels, library):
        workers = [threading.Thread(target=compute, args=(i,)) for i in range(len(problems))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    for results, right in zip(found, wanted, strict=True):
        assert len(results) == 5
        assert all(same_bits(result, right) for result in results)


def test_neither_operands_nor_memory_beside_out_change(kernels, library):
    A, B = operands(np.random.default_rng(10), "normal", 37, 45, 50, "nn")
    with units.matrix_unit(kernels, library):
        require_nothing_else_written(kernels, A, B, "bfloat16x6")


def trained(precision):
    """The parameters of a network after a few steps, and its outputs."""
    rng = np.random.default_rng(11)
    x, t = rng.standard_normal((100, 40)).astype("f4"), rng.integers(0, 20, 100)
    net = an.Sequential(
        *(an.Affine.init(40, 50, rng=0), an.ReLU(), an.Residual(an.Affine.init(50, 50, rng=1))),
        an.Affine.init(50, 20, rng=2),
        loss=an.SoftmaxWithLoss(),
        precision=precision,
    )
    net.fit(x, t, epochs=2, batch_size=32, optimizer=an.Adam(0.01), seed=3)
    return net.params.flat.copy(), net.predict(x)


@pytest.mark.filterwarnings("ignore:precision=:RuntimeWarning")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_training_has_the_same_bits(library, precision):
    kernels = _dispatch.kernels
    with units.matrix_unit(kernels, library) as emulated:
        before = emulated.unit_products() if emulated else -1
        found = trained(precision)
        assert before < (emulated.unit_products() if emulated else 0)
    with units.without_unit(kernels):
        wanted = trained(precision)
    for one, other in zip(found, wanted, strict=True):
        assert same_bits(one, other)


PROGRAM = """
import sys
import numpy as np
import affinet as an
from affinet import _dispatch
kernels = _dispatch.kernels
print(an.runtime_info()["precisions"]["bfloat16"])
if sys.argv[1] == "assume":
    kernels.assume_matrix_unit(True)
    print(an.runtime_info()["precisions"]["bfloat16"])
"""


def test_runtime_info_says_what_is_native(kernels):
    if kernels.build_level()[0] != "avx2" or kernels.matrix_unit() == NOT_BUILT:
        pytest.skip("asks one level that has the instructions: a debug build's avx2")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "assume"],
        env={"AFFINET_ISA": "avx2", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split()
    assert before == ("native" if kernels.matrix_unit() == NATIVE else "emulated")
    assert after == "native"


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        (NATIVE, "avx512", "native"),
        (_dispatch.REFUSED, "avx512", "emulated, the system does not grant"),
        (NOT_BUILT, "avx512", "emulated, this build has no instructions"),
        (NOT_BUILT, "avx2", "emulated"),
        (3, "avx512", "emulated"),
    ],
)
def test_why_a_precision_is_emulated_is_said(monkeypatch, state, level, words):
    class Kernels:
        matrix_unit = staticmethod(lambda: state)
        build_level = staticmethod(lambda: (level, True))
        known_precisions = staticmethod(lambda: PRECISIONS)

    monkeypatch.setattr(_dispatch, "kernels", Kernels)
    monkeypatch.setattr(_dispatch, "level", level)
    found = _dispatch.precisions()
    assert found.keys() == set(PRECISIONS)
    assert all(how.startswith(words) for how in found.values())
    assert ("," in words) == any("," in how for how in found.values())
