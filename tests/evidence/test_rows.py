"""Every row of the evidence: a few batches in the default suite, all of them with -m exhaustive."""

import importlib
import math

import numpy as np
import pytest

import evidence
import results

ROWS = evidence.rows()


def row(number):
    """The row, unless one of its packages is missing."""
    for package in ROWS[number].needs:
        pytest.importorskip(package)
    if not ROWS[number].available():
        pytest.skip("this machine lacks what the row needs")
    return ROWS[number]


@pytest.mark.parametrize("number", [n for n, row in ROWS.items() if row.quick])
def test_quick(number):
    of = row(number)
    for index in range(of.quick):
        batch = evidence.Batch(index, seed=20, quick=True)
        of.batch(batch)
        assert batch.count
        assert not batch.findings, "\n".join(batch.findings)


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", ROWS)
def test_exhaustive(number, pytestconfig):
    """``--cases`` and ``--seed`` as for ``run.py``, whose results this stores likewise."""
    run = importlib.import_module("run")
    of, cases = row(number), pytestconfig.getoption("cases")
    record = run.start(number, pytestconfig.getoption("seed"))
    evidence.run(of, record, of.aim if cases is None else cases, save=results.save)
    assert of.holds_in(record), "\n".join(record["findings"])


@pytest.mark.parametrize("gap", [0.5, 40.0, 69.0, 69.1, 200.0, 700.0])
def test_the_judge_of_losses_has_their_digits_where_they_are_tiny(gap):
    """In 100 digits 1 + exp(-200) has a dozen of exp(-200)."""
    judge = importlib.import_module("row03_softmax").digits_loss
    row, s = np.array([0.0, -gap]), math.exp(-gap)
    for label, wanted in ((0, math.log1p(s)), (1, gap + math.log1p(s))):
        assert float(judge(row, label)) == pytest.approx(wanted, rel=3e-16, abs=0)


def test_the_page_is_what_the_results_say():
    report = importlib.import_module("evidence_report")
    assert report.page(results.records()) == report.PAGE.read_text(encoding="utf-8")
