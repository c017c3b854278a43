"""Make ``tests/EVIDENCE.md`` from ``results.json``; ``docs/inside/evidence.md`` includes it.

python tests/evidence/evidence_report.py            # writes it
python tests/evidence/evidence_report.py --check    # fails if it is not what the results say
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent)]

import elsewhere  # noqa: E402
import evidence  # noqa: E402
import results  # noqa: E402

PAGE = Path(__file__).parents[1] / "EVIDENCE.md"
HEAD = """\
<!-- Made by `python tests/evidence/evidence_report.py` from results.json there. Do not edit. -->

Each row attacks one property with random cases from a fresh seed. A few batches of each run with
every `pytest`; the long form is `pytest -m exhaustive`, or `python tests/evidence/run.py ROW` with
`--cases`, `--seed`, `--minutes` and `--jobs`, which continues where an earlier run of the same seed
stopped. A commit is the last one that changed a source or a test. The numbers are those of the last
long run of each row, and no more was run than they say.
"""


def page(records):
    """The whole text."""
    known, last = evidence.rows(), {record["row"]: record for record in records}
    parts = [HEAD, summary(known, last)]
    for number in sorted(known | elsewhere.ROWS):
        if number in known:
            parts.append(section(known[number], last.get(number)))
        else:
            parts.append(other_section(number, *elsewhere.ROWS[number]))
    return "\n".join(parts)


def summary(known, last):
    """The table of all rows."""
    lines = ["| row | what | run | of | holds |", "|---|---|---|---|---|"]
    for number in sorted(known | elsewhere.ROWS):
        if number not in known:
            what, state, _ = elsewhere.ROWS[number]
            lines.append(f"| {number} | {what} | | | {state} |")
            continue
        row, record = known[number], last.get(number)
        done, aim = f"{record['cases']:,}" if record else "0", f"{row.aim:,} {row.cases}"
        lines.append(f"| {number} | {row.title} | {done} | {aim} | {verdict(row, record)} |")
    return "\n".join(lines) + "\n"


def verdict(row, record):
    if record is None:
        return "not run"
    if not row.holds_in(record):
        count = len(record["findings"])
        return f"no: {count} finding{'s' * (count > 1)}"
    return "yes" if record["cases"] >= row.aim else "as far as it ran"


def section(row, record):
    """One row: when it holds, what was run, measured and found."""
    lines = [f"## {row.number}. {row.title}", "", f"Holds when: {row.holds}.", ""]
    if row.also:
        lines += ["Also in the default suite: " + ", ".join(f"`{p}`" for p in row.also) + ".", ""]
    if record is None:
        return "\n".join([*lines, "The long form has not been run.", ""])
    lines += [
        f"{record['cases']:,} of {row.aim:,} {row.cases} in {record['seconds']:,.0f} s, seed "
        f"{record['seed']}, {record['when']}, commit {record['commit']}; {record['machine']}.",
        "",
    ]
    if record["measures"]:
        lines += ["| measured | largest |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in record["measures"].items()]
        lines.append("")
    lines += findings(row, record)
    return "\n".join(lines)


def findings(row, record):
    """What was found, and what earlier runs found and was mended."""
    lines = [f"- found: `{finding[:300]}`" for finding in record["findings"]] or ["No findings."]
    lines += ["", *[f"- mended: {text}" for text in elsewhere.MENDED.get(row.number, ())]]
    return [*lines, ""] if lines[-1] else lines


def other_section(number, what, state, where):
    return f"## {number}. {what}\n\n{state[0].upper()}{state[1:]}. {where}\n"


def main(arguments):
    text = page(results.records())
    if "--check" in arguments:
        return 0 if PAGE.read_text() == text else f"{PAGE} is old: run {Path(__file__).name}"
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
