"""The instruction-set level: chosen once, for a stated reason, and never changed silently."""

import json

import pytest

import affinet as an
from affinet import _dispatch
from affinet._dispatch import LEVELS, choose_level

SHOW = (
    "import affinet as an\n"
    "info = an.runtime_info()\n"
    "loaded = an._dispatch.kernels.__name__.rpartition('.')[2]\n"
    "print(info['level'], loaded, info['reason'], sep='|')"
)
TRAIN = (
    "import affinet as an, numpy as np\n"
    "net = an.Sequential(an.Affine.init(5, 7, rng=0, dtype='float64'), an.Tanh(),"
    " an.Affine.init(7, 3, rng=1, dtype='float64'), loss=an.SoftmaxWithLoss())\n"
    "x = np.random.default_rng(0).standard_normal((40, 5))\n"
    "net.fit(x, np.arange(40) % 3, epochs=5, optimizer=an.Adam(0.01))\n"
    "print(*net.predict(x).ravel())"
)
USABLE = [level for level in _dispatch.compiled_levels() if level in _dispatch.supported_levels()]


# choose_level, a pure function -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compiled", "supported", "wanted"),
    [
        (LEVELS, LEVELS, "avx512"),
        (LEVELS, ("avx2", "baseline"), "avx2"),
        (LEVELS, ("baseline",), "baseline"),
        (("avx2", "baseline"), LEVELS, "avx2"),
        (("baseline",), LEVELS, "baseline"),
        (("baseline",), ("baseline",), "baseline"),
    ],
)
@pytest.mark.parametrize("forced", [None, ""])
def test_the_best_usable_level_is_chosen(forced, compiled, supported, wanted):
    level, reason = choose_level(forced, compiled, supported)
    assert level == wanted
    assert "best" in reason


@pytest.mark.parametrize("forced", LEVELS)
def test_a_forced_level_is_taken(forced):
    level, reason = choose_level(forced, LEVELS, LEVELS)
    assert level == forced
    assert "AFFINET_ISA" in reason


@pytest.mark.parametrize(
    ("forced", "compiled", "supported", "words"),
    [
        ("avx1024", LEVELS, LEVELS, ("avx1024", "not a level", "avx512, avx2, baseline")),
        ("AVX2", LEVELS, LEVELS, ("AVX2", "not a level")),
        (" avx2", LEVELS, LEVELS, ("not a level",)),
        ("avx2", ("baseline",), LEVELS, ("avx2", "not built", "usable here: baseline")),
        ("avx512", LEVELS, ("avx2", "baseline"), ("processor", "usable here: avx2, baseline")),
        ("avx512", ("avx2",), ("baseline",), ("not built", "usable here: none")),
        (None, (), LEVELS, ("missing", "built: none", "reinstall")),
        (None, ("avx512",), ("avx2", "baseline"), ("built: avx512", "runs: avx2, baseline")),
    ],
)
def test_what_cannot_be_chosen_is_an_error_in_one_sentence(forced, compiled, supported, words):
    with pytest.raises(ImportError) as caught:
        choose_level(forced, compiled, supported)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


# The choice in a fresh process -------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_can_be_forced_or_says_why_not(level, run, last_error):
    if level in USABLE:
        assert run(SHOW, AFFINET_ISA=level) == f"{level}|{level}|forced by AFFINET_ISA"
        return
    error = last_error(SHOW, AFFINET_ISA=level)
    assert error.startswith(f"ImportError: AFFINET_ISA={level} ")
    assert f"usable here: {', '.join(USABLE)}" in error


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_it_is_the_best(run, value):
    level, built, reason = run(SHOW, AFFINET_ISA=value).split("|")
    assert level == built == USABLE[0]
    assert reason.startswith("the best level")


@pytest.mark.parametrize("value", ["sse2", "AVX2", "0", "baseline,avx2"])
def test_an_unknown_level_is_one_clear_sentence(last_error, value):
    error = last_error("import affinet", AFFINET_ISA=value)
    assert error.startswith(f"ImportError: AFFINET_ISA={value} is not a level")


def test_all_levels_train_alike(run):
    results = [[float(y) for y in run(TRAIN, AFFINET_ISA=level).split()] for level in USABLE]
    for other in results[1:]:
        assert other == pytest.approx(results[0], rel=1e-10, abs=1e-12)


# Installations with parts missing ----------------------------------------------------------------


def test_without_any_compiled_module(copy_of_package, last_error):
    error = last_error("import affinet", path=copy_of_package(), AFFINET_ISA=None)
    assert error.startswith("ImportError: affinet's compiled")
    assert "reinstall" in error


def test_with_the_probe_alone(copy_of_package, last_error):
    error = last_error("import affinet", path=copy_of_package("cpu"), AFFINET_ISA=None)
    assert error.startswith("ImportError: affinet's compiled kernels are missing")
    assert "built: none" in error


def test_with_one_level_alone(copy_of_package, run, last_error):
    path = copy_of_package("cpu", "baseline")
    assert run(SHOW, path=path, AFFINET_ISA=None).startswith("baseline|baseline|the best level")
    error = last_error("import affinet", path=path, AFFINET_ISA="avx2")
    assert error == (
        "ImportError: AFFINET_ISA=avx2 was not built into this installation; usable here: baseline"
    )


PROBE = (
    "def supported_levels(): return ('baseline',)\ndef cache_sizes(): return None\nfloor = 'SSE2'\n"
)


@pytest.mark.parametrize("level", [level for level in USABLE if level != "baseline"])
def test_a_processor_that_lacks_a_level(level, copy_of_package, run, last_error):
    """As .ci/run sees it on emulated processors; here the probe is another."""
    path = copy_of_package(*USABLE)
    (path / "affinet" / "_kernels" / "cpu.py").write_text(PROBE, encoding="ascii")
    assert run(SHOW, path=path, AFFINET_ISA=None).startswith("baseline|baseline|the best level")
    error = last_error("import affinet", path=path, AFFINET_ISA=level)
    assert error == (
        f"ImportError: AFFINET_ISA={level} cannot run on this processor; usable here: baseline"
    )


def test_a_level_that_is_built_and_does_not_load_is_an_error(copy_of_package, last_error):
    """Falling back on another level would hide it."""
    path = copy_of_package("cpu", *USABLE)
    files = (path / "affinet" / "_kernels").glob(f"{USABLE[0]}.*")
    (broken,) = (file for file in files if file.suffix != ".pyi")
    broken.write_bytes(b"not a shared library")
    assert last_error("import affinet", path=path, AFFINET_ISA=None).startswith("ImportError")


# runtime_info ------------------------------------------------------------------------------------


def test_runtime_info_says_what_was_chosen_what_exists_and_why():
    info = an.runtime_info()
    assert list(info) == [
        "affinet", "python", "numpy", "machine", "level", "reason", "compiled_levels",
        "supported_levels", "baseline", "threads", "precisions",
    ]  # fmt: skip
    assert info["level"] in info["compiled_levels"]
    assert info["level"] in info["supported_levels"]
    assert set(info["compiled_levels"]) | set(info["supported_levels"]) <= set(LEVELS)
    assert info["supported_levels"][-1] == "baseline"
    assert _dispatch.kernels.__name__ == f"affinet._kernels.{info['level']}"


def test_runtime_info_is_plain_and_new_at_every_call():
    info = an.runtime_info()
    json.dumps(info)
    info["level"] = "changed"
    assert an.runtime_info()["level"] != "changed"
