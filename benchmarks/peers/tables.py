"""The results of ``peers.py`` as text: tables of times, ratios and shares of the ceiling."""

from __future__ import annotations

from typing import Any

from report import table

from . import precisions

TITLES = {
    "step": "A training step: forward, backward, plain gradient descent (µs a step)",
    "precision": "The same at each precision of the products, the most exact first (µs a step)",
    "fit": "A whole fit with Adam and scikit-learn's defaults (µs a step)",
    "seed": "The seed program (µs a step)",
    "predict": "A forward pass (µs a call)",
    "product": "Matrix products alone (µs a product)",
}
# Goals for the speed of a whole fit relative to scikit-learn's, by data and cores.
GOALS = {("MNIST", 1): 2.5, ("MNIST", 2): 4.0, ("digits", 1): 5.0}
README_COLUMNS = {
    "affinet": "affinet fit",
    "NumPy, in place": "NumPy in place",
    "NumPy, book style": "NumPy book",
    "JAX, `lax.scan`": "JAX scan",
    "PyTorch": "PyTorch",
    "PyTorch, compiled": "PyTorch compiled",
}
CLASSIFIERS = "affinet MLPClassifier", "scikit-learn MLPClassifier"
Group = dict[str, Any]


def text(content: dict[str, Any]) -> str:
    """Everything below the heading: skipped libraries, ceilings, a table for each measure."""
    runs = content["runs"]
    parts = [libraries(content), "\n".join(ceiling_line(run["ceiling"]) for run in runs)]
    for measure, title in TITLES.items():
        chosen = [[g for g in run["groups"] if g["measure"] == measure] for run in runs]
        if chosen[0]:
            make = MAKERS.get(measure, contests)
            parts.append(f"{title}\n{make([run['cores'] for run in runs], chosen)}")
        if measure == "fit":
            lines = [classifiers_line(group) for groups in chosen for group in groups]
            parts += filter(None, ["\n".join(filter(None, lines))])
    if content["memory"]:
        parts.append(memory(content["memory"]))
    return "\n\n".join(parts)


def libraries(content: dict[str, Any]) -> str:
    """The libraries with their versions, and those that were skipped."""
    versions = ", ".join(f"{name} {version}" for name, version in content["libraries"].items())
    lines = [f"measured: {versions}"]
    lines += [f"skipped: {name} ({reason})" for name, reason in content["skipped"].items()]
    return "\n".join(lines)


def ceiling_line(ceiling: dict[str, Any]) -> str:
    """The ceiling and where it comes from."""
    loops = ", ".join(f"{level} {rate:.1f}" for level, rate in ceiling["loops"].items())
    return (
        f"ceiling of {cores_text(ceiling['cores'])}: {ceiling['gflops']:.1f} GFLOP/s, "
        f"by {ceiling['how']}; misses {ceiling['misses']} "
        f"(loops: {loops or 'none'}; product: {ceiling['product_gflops']:.1f})"
        f"{matrix_unit_text(ceiling)}"
    )


def matrix_unit_text(ceiling: dict[str, Any]) -> str:
    """The ceiling of the matrix unit on a separate line; older results lack it."""
    unit = ceiling.get("matrix_unit")
    if unit is None:
        return ""
    rate = "none" if unit["gflops"] is None else f"{unit['gflops']:,.0f} GFLOP/s in bfloat16"
    return f"\nmatrix unit of {cores_text(ceiling['cores'])}: {rate}; {unit['how']}"


def precisions_table(cores: list[int], groups_of_runs: list[list[Group]]) -> str:
    """Errors and times at every precision, and what the contenders say about themselves."""
    found = precisions.contests(cores, groups_of_runs, lambda g, name: contest_cells(g, name)[:2])
    notes = sorted({note for groups in groups_of_runs for note in notes_of(groups)})
    return "\n".join([found, *notes])


def contests(cores: list[int], groups_of_runs: list[list[Group]]) -> str:
    """For each case a line for each contender: time, ratio to affinet's, share of the ceiling."""
    header = ["", *(name for n in cores for name in (cores_text(n), "×", "ceiling"))]
    rows: list[list[str]] = []
    for groups in zip(*groups_of_runs, strict=True):
        rows.append([groups[0]["title"], *[""] * (3 * len(cores))])
        rows.append(["  floor", *(part for g in groups for part in (number(floor(g)), "", ""))])
        for name in names_of(groups):
            rows.append([f"  {name}", *(part for g in groups for part in contest_cells(g, name))])
    notes = sorted({note for groups in groups_of_runs for note in notes_of(groups)})
    explained = (
        "×: time relative to affinet's first line, * the best peer; ceiling: share of it that the "
        "products use;\n(n): fastest with n threads"
    )
    return "\n".join([table(header, rows), explained, *notes])


def classifiers_line(group: Group) -> str:
    """How the two libraries' classifiers compare, in time and accuracy; empty without either."""
    if not set(CLASSIFIERS) <= group["contenders"].keys():
        return ""
    own, other = (best(group["contenders"][name]) for name in CLASSIFIERS)
    data, cores = group["case"]["net"].partition(" ")[0], group["cores"]
    goal = GOALS.get((data, cores))
    wanted = "" if goal is None else f" (wanted: {goal:g})"
    text = (
        f"{group['case']['net']}, {cores_text(cores)}: "
        f"{other['median_us'] / own['median_us']:.2f} times as fast as scikit-learn{wanted}"
    )
    if not own["accuracies"] or not other["accuracies"]:
        return text
    means = (sum(found["accuracies"]) / len(found["accuracies"]) for found in (own, other))
    return "{}; accuracy {:.4f}, scikit-learn's {:.4f} (means of {})".format(
        text, *means, len(own["accuracies"])
    )


def contest_cells(group: Group, name: str) -> list[str]:
    """Time, ratio and share of one contender; dashes if it did not take part."""
    if name not in group["contenders"]:
        return ["-", "-", "-"]
    found = best(group["contenders"][name])
    threads = f" ({found['threads']})" if group["cores"] > 1 else ""
    time = found["median_us"]
    ratio = time / best(group["contenders"][ours(group)])["median_us"]
    mark = "*" if name == best_peer(group) else " "
    return [number(time) + threads, f"{ratio:.2f}{mark}", f"{floor(group) / time:.0%}"]


def products(cores: list[int], groups_of_runs: list[list[Group]]) -> str:
    """A line for each product: affinet's time and share, and NumPy's time relative to it."""
    header = ["", *(name for n in cores for name in (cores_text(n), "ceiling", "NumPy ×"))]
    rows = []
    for groups in zip(*groups_of_runs, strict=True):
        row = [groups[0]["title"]]
        for group in groups:
            time = best(group["contenders"][ours(group)])["median_us"]
            row += [number(time), f"{floor(group) / time:.0%}"]
            peer = best_peer(group)
            row.append(
                f"{best(group['contenders'][peer])['median_us'] / time:.2f}" if peer else "-"
            )
        rows.append(row)
    return table(header, rows)


MAKERS = {"product": products, "precision": precisions_table}


def best_peer(group: Group) -> str | None:
    """The fastest contender that is not affinet's; None without a peer."""
    contenders = group["contenders"]
    peers = [name for name in contenders if not name.startswith("affinet")]
    return min(peers, key=lambda name: float(best(contenders[name])["median_us"]), default=None)


def memory(fits: list[dict[str, Any]]) -> str:
    """A line for each fit, and the parts of the growth."""
    names = {
        "data_mb": "data",
        "peak_mb": "peak (getrusage)",
        "mapped_mb": "of it mapped files",
        "private_before_mb": "private before",
        "private_peak_mb": "private peak",
    }
    rows = [[f"{fit['rows']:,} rows", *(megabytes(fit[name]) for name in names)] for fit in fits]
    lines = [
        "Memory of a fit on a memory-mapped data set (MB)",
        table(["", *names.values()], rows),
        "Pages of a mapped file belong to the system's cache, which drops them when it must.",
    ]
    first, last = fits[0], fits[-1]
    if first["private_peak_mb"] is not None:
        grown = last["private_peak_mb"] - first["private_peak_mb"]
        order = 8 * (last["rows"] - first["rows"]) / 1e6
        lines.append(
            f"The data grew by {last['data_mb'] - first['data_mb']:.1f} MB, private memory by "
            f"{grown:.1f} MB, of which the rows' shuffled order, 8 bytes each, is {order:.1f}."
        )
    return "\n".join(lines)


def readme_table(content: dict[str, Any]) -> str:
    """The table of training steps in README.md, in Markdown; a test compares the two.

    A net for which affinet does best on one thread stands there with one core only.
    """
    header = ["net, rows a step", "cores", *README_COLUMNS]
    lines = [header]
    runs = [[g for g in run["groups"] if g["measure"] == "step"] for run in content["runs"]]
    for groups in zip(*runs, strict=True):
        net = groups[0]["title"].partition(" ")[2].replace("batch ", "")
        for group in groups:
            ours = best(group["contenders"][README_COLUMNS["affinet"]])
            if ours["threads"] == 1 < group["cores"]:
                continue
            times = [
                best(group["contenders"][name])["median_us"] for name in README_COLUMNS.values()
            ]
            cells = [readme_cell(time, time / times[0]) for time in times[1:]]
            first = net if group is groups[0] else ""
            lines.append([first, str(group["cores"]), readme_number(times[0]), *cells])
    texts = ["| " + " | ".join(line) + " |" for line in lines]
    texts.insert(1, "|" + "---|" * len(header))
    return "\n".join(texts).replace("|  |", "| |")


def readme_cell(time: float, ratio: float) -> str:
    """A peer's microseconds, and how many times as long as affinet it takes."""
    digits = 2 if ratio < 1.1 else 1 if ratio < 10 else 0
    return f"{readme_number(time)} ({ratio:.{digits}f}×)"


def readme_number(value: float) -> str:
    """Microseconds, with one decimal below 100."""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def names_of(groups: tuple[Group, ...]) -> list[str]:
    """Contenders of a case in any of its runs, in order."""
    return list(dict.fromkeys(name for group in groups for name in group["contenders"]))


def notes_of(groups: list[Group]) -> list[str]:
    """The contenders' notes about themselves, and why some were left out."""
    notes = []
    for group in groups:
        for name, found in group["contenders"].items():
            notes += [f"{name}: {r['note']}" for r in found["by_threads"].values() if r["note"]]
        notes += [f"skipped: {name} ({reason})" for name, reason in group["skipped"].items()]
    return notes


def ours(group: Group) -> str:
    """The contender that all others are compared with: affinet's first."""
    return str(next(iter(group["contenders"])))


def best(contender: dict[str, Any]) -> dict[str, Any]:
    """A contender's figures at its best number of threads."""
    found: dict[str, Any] = contender["by_threads"][str(contender["best_threads"])]
    return {"threads": contender["best_threads"], **found}


def floor(group: Group) -> float:
    """Microseconds that the products' operations take at the ceiling."""
    return float(group["flops"] / group["ceiling_gflops"] / 1e3)


def cores_text(n: int) -> str:
    """1 core, 2 cores."""
    return f"{n} core" if n == 1 else f"{n} cores"


def megabytes(value: float | None) -> str:
    """One decimal; a dash where the system does not report the value."""
    return "-" if value is None else f"{value:,.1f}"


def number(value: float) -> str:
    """Microseconds with at least three digits."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
