"""Every row of the evidence: a few batches in the default suite, all of them with -m exhaustive."""

import importlib

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


def test_the_page_is_what_the_results_say():
    report = importlib.import_module("evidence_report")
    assert report.page(results.records()) == report.PAGE.read_text(encoding="utf-8")
