"""What the evidence's page says beyond the results: rows without a long form here, mended bugs.

``ROWS`` maps a number to what it attacks, its state, and where tests of it are. ``MENDED`` maps a
number to bugs that its attacks found; each has a test that failed before.
"""

ROWS = {
    9: (
        "AddressSanitizer, UndefinedBehaviorSanitizer, ThreadSanitizer, valgrind",
        "a script and a workflow",
        "`.ci/sanitizers` builds all levels with the first two and runs the kernel tests, or those "
        "that are named; with `--thread` or `--valgrind` for data races and uninitialised memory. "
        "No report that has a kernel in it is suppressed. Run on 2026-11-30, AMD EPYC, gcc 12: "
        "`--thread` at all levels, 1,290 tests passed, two data races, both mended, two tests that "
        "the checker does not allow or makes too slow; after that at the level baseline, 89 tests "
        "of threads, teams and row 10, no report. valgrind: 57 kernel tests, until time was up, "
        "no report with a kernel in it.",
    ),
    19: (
        "Files of every released format",
        "held by the default suite",
        "`tests/files/test_every_format.py` reads models, ensembles and checkpoints of "
        "`tests/data/formats`, a folder for each version, to the bit; no version is released yet. "
        "`tests/data/earlier` has files from before networks could nest.",
    ),
}  # fmt: skip

MENDED = {
    2: (
        "SiLU and Mish lost up to 46 ulp where exp(x) is subnormal (x below -87); now 3.2 and 3.5.",
        "GELU was off by up to 5.4 ulp without fused multiply-adds and 4.9 with them; now 4.",
        "Mish was off by up to 4.4 ulp, at -6.0921373; now 3.5.",
    ),
    3: (
        "the loss of one class beside thousands of equal ones was off by 4.7 ulp: running sums of "
        "more than 16 terms are now compensated (2.1 ulp).",
    ),
    14: (
        "`load` raised ValueError (\"damaged\") for a lack of memory; now MemoryError.",
        "`fit` raised RuntimeError (\"Error in computing overlap\") for a lack of memory.",
    ),
    10: (
        "ThreadSanitizer: threads() read the number of workers without synchronisation, and every "
        "member of a team wrote the status of a step with a bad label.",
    ),
    21: ("no test had a network of the most operations that the kernels take; now one has.",),
    23: (
        "an earlier form of this row sent almost all of its requests after the training had ended "
        "and the port was closed; now each step of the training waits for its share of them.",
        "nothing limited how often the page was asked; now 20 connections a second are served.",
    ),
}  # fmt: skip
