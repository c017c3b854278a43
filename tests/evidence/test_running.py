"""A run of a row's long form: in one process or several, whole or in pieces, it finds the same."""

import pytest

import evidence
import results

ROW = evidence.rows()[5]


def record():
    return {**results.new_record(5, 3), "commit": "", "when": ""}


def run(found, cases, jobs):
    evidence.run(ROW, found, cases, jobs=jobs)
    return found


def facts(found):
    return {name: value for name, value in found.items() if name != "seconds"}


def test_batches_side_by_side_are_recorded_in_their_order():
    one, two = run(record(), 60, jobs=1), run(record(), 60, jobs=2)
    assert one["batches"] >= 3
    assert facts(one) == facts(two)


def test_a_run_goes_on_where_it_stopped():
    whole, pieces = run(record(), 60, jobs=1), run(record(), 30, jobs=1)
    assert pieces["batches"] < whole["batches"]
    assert facts(run(pieces, 60, jobs=1)) == facts(whole)


def test_ctrl_c_keeps_the_batches_that_are_finished(monkeypatch):
    kept, found = [], record()

    def interrupted(*arguments):
        if arguments[1] == 2:
            raise KeyboardInterrupt
        return evidence.Batch(arguments[1], arguments[2], count=7)

    monkeypatch.setattr(evidence, "_finished", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evidence.run(ROW, found, 60, save=lambda record: kept.append(dict(record)))
    assert (kept[-1]["batches"], kept[-1]["cases"]) == (2, 14)


def test_a_commit_of_results_is_no_other_commit():
    """Else nothing could go on after the results of a first part were committed."""
    assert not any(name.endswith((".md", ".json")) for name in results.SOURCES)
    assert results.commit() == "unknown" or len(results.commit()) >= 10
