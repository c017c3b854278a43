"""Which lines of kernels/*.pyx the tests ran, from gcov's counts of the C that Cython made of them.

    python .ci/kernel_lines.py FOLDER LEAST     # with FOLDER/baseline.c, its object, and its counts

Cython writes each statement's place into a comment before it; a line counts as run if any C line
after its comment was, in any precision. Fails below LEAST per cent. Lines that no test can reach
are named in EXCLUDED, with the reason.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

PLACE = re.compile(r'/\* "kernels/(\w+\.pyx)":(\d+)$')
# A part of the line's text: why no test reaches it.
EXCLUDED = {
    "refuse(": "a precision or a kind that no caller passes: the doors refuse it",
    "_refuse_kind(": "a kind of operation without a branch, which no test of affinet may find",
    "_fill_with_nan(": "a precision or a kind that no caller passes: it must not pass unnoticed",
    "raise MemoryError": "the system's memory is used up; tests/evidence/row14_allocations.py",
}


def counts(folder):
    """number of a line of the C file: how often it ran."""
    found = sorted(folder.rglob("baseline.gcda"))[0].resolve()
    command = ["gcov", "--json-format", "--stdout", str(found)]
    where = folder.resolve().parent  # of which the object knows its source
    done = subprocess.run(command, capture_output=True, check=True, cwd=where)
    total = defaultdict(int)
    for file in json.loads(done.stdout)["files"]:
        if file["file"].endswith("baseline.c"):
            for line in file["lines"]:
                total[line["line_number"]] += line["count"]
    return total


def lines(source, ran):
    """(file, number): how often, of every line of the kernels that has code."""
    found, place = {}, None
    for number, text in enumerate(source.splitlines(), 1):
        begin = PLACE.search(text.rstrip())
        if begin:
            place = begin[1], int(begin[2])
        elif text.startswith("}"):
            place = None
        elif place is not None and number in ran:
            found[place] = max(found.get(place, 0), ran[number])
    return found


def excluded(text, before):
    """Whether no test can reach a line; ``before`` is the one above it."""
    if before.strip().startswith("refuse(") and text.strip().startswith("return "):
        return True  # C wants a value, though refuse has ended the process
    return any(part in text for part in EXCLUDED)


def main(folder, least):
    folder, kernels = Path(folder), Path(__file__).parents[1] / "kernels"
    source = sorted(folder.rglob("baseline.c"))[0].read_text()
    texts = {path.name: path.read_text().splitlines() for path in kernels.glob("*.pyx")}
    missed, total = defaultdict(list), 0
    for (name, number), count in sorted(lines(source, counts(folder)).items()):
        text = texts[name][number - 1]
        if not excluded(text, texts[name][max(number - 2, 0)]):
            total += 1
            if count == 0:
                missed[name].append(number)
    for name, numbers in missed.items():
        print(f"{name}: {len(numbers)} not run")
        for number in numbers:
            print(f"  {number:4} {texts[name][number - 1].strip()}")
    share = 100 * (1 - sum(map(len, missed.values())) / total)
    print(f"{share:.2f} % of {total} lines of the kernels were run, wanted {least}")
    return int(share < float(least))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
