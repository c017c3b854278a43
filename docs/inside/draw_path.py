"""Draw the way of a batch through the code, from the code itself.

    python docs/inside/draw_path.py FOLDER

Each box is a function. Its file and its description are read from the sources, and each arrow is
drawn only if the upper function's body names the lower one: if the code changes, the picture does,
or this script fails and says which arrow is no longer true.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAD = re.compile(r"^(?:    )?(?:cdef|def) (?:[\w\[\]*, ]+[ *])?(?P<name>\w+)\(", re.MULTILINE)

# Rows of boxes from the top to the bottom, each with the rooms that they belong to.
ROWS = [
    ("Python", ["affinet/training/run.py:train_epoch"]),
    ("Python", ["affinet/training/run.py:train_on"]),
    ("Python", ["affinet/training/run.py:run_steps"]),
    ("Python", ["affinet/training/step.py:run_plan"]),
    ("many steps", ["plan.pyx:run"]),
    ("many steps", ["run.pyx:_run_epochs"]),
    ("many steps", ["run.pyx:_run"]),
    ("many steps", ["run.pyx:_one_step"]),
    ("one step", ["step.pyx:_gradients_in", "step.pyx:_regularize", "step.pyx:_apply_update"]),
    ("one step", ["step_forward.pyx:_batch_loss", "step_backward.pyx:_backward",
                  "optimizers.pyx:_run_update"]),
    ("one step", ["step_forward.pyx:_forward", "gather.pyx:_gather", "losses.pyx:_loss_of_labels"]),
    ("a layer", ["step_forward.pyx:_forward_some", "step_backward.pyx:_affine_backward"]),
    ("a product", ["gemm.pyx:_gemm_nn", "gemm.pyx:_gemm_tn", "gemm.pyx:_gemm_nt"]),
    ("a product", ["gemm.pyx:_gemm"]),
    ("a product", ["gemm.pyx:_work_product_in"]),
    ("a block", ["blocked.pyx:_blocked_product"]),
    ("a block", ["blocked.pyx:_block_of_rows"]),
    ("a tile", ["micro_kernel.pyx:_micro_kernel"]),
    ("a tile", ["micro_kernel.pyx:_multiply_add"]),
]  # fmt: skip
# From a function to one that its body names, or that a function between them does.
ARROWS = {
    "train_epoch": ["train_on"],
    "train_on": ["run_steps"],
    "run_steps": ["run_plan"],
    "run_plan": ["run"],
    "run": ["_run_epochs"],
    "_run_epochs": ["_run"],
    "_run": ["_one_step"],
    "_one_step": ["_gradients_in", "_regularize", "_apply_update"],
    "_gradients_in": ["_batch_loss", "_backward"],
    "_apply_update": ["_run_update"],
    "_batch_loss": ["_gather", "_forward", "_loss_of_labels"],
    "_backward": ["_affine_backward"],
    "_forward": ["_forward_some"],
    "_forward_some": ["_gemm_nn"],
    "_affine_backward": ["_gemm_tn", "_gemm_nt"],
    "_gemm_nn": ["_gemm"],
    "_gemm_tn": ["_gemm"],
    "_gemm_nt": ["_gemm"],
    "_gemm": ["_work_product_in"],
    "_work_product_in": ["_blocked_product"],
    "_blocked_product": ["_block_of_rows"],
    "_block_of_rows": ["_micro_kernel"],
    "_micro_kernel": ["_multiply_add"],
}


@dataclass(frozen=True)
class Function:
    """A function of the sources: where it is, what its docstring says first, and its body."""

    file: str
    name: str
    summary: str
    body: str


def kernel_functions(path: Path) -> dict[str, Function]:
    """The functions of a kernel file by name."""
    text = path.read_text(encoding="utf-8")
    heads = list(HEAD.finditer(text))
    found = {}
    ends = [*(head.start() for head in heads[1:]), len(text)]
    for head, end in zip(heads, ends if heads else [], strict=True):
        body = text[head.end() : end]
        doc = re.search(r'^ +"""(.+?)(?:"""|\n)', body, re.MULTILINE)
        found[head["name"]] = Function(path.name, head["name"], doc[1] if doc else "", body)
    return found


def python_functions(path: Path) -> dict[str, Function]:
    """The functions and methods of a module by name; the last of a name counts."""
    text = path.read_text(encoding="utf-8")
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = ast.get_source_segment(text, node) or ""
            doc = (ast.get_docstring(node) or "").partition("\n")[0]
            found[node.name] = Function(path.name, node.name, doc, body)
    return found


def function(place: str) -> Function:
    """The function at ``file:name``."""
    file, _, name = place.partition(":")
    if file.endswith(".pyx"):
        return kernel_functions(ROOT / "kernels" / file)[name]
    return python_functions(ROOT / "src" / file)[name]


def bodies() -> dict[str, str]:
    """The body of every function of the kernels and of the training, by name."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "kernels").glob("*.pyx")):
        for name, own in kernel_functions(path).items():
            found[name] = found.get(name, "") + own.body
    for path in sorted((ROOT / "src/affinet/training").glob("*.py")):
        for name, own in python_functions(path).items():
            found[name] = found.get(name, "") + own.body
    return found


def reaches(upper: str, lower: str, known: dict[str, str], between: int = 4) -> bool:
    """True if a function names another, itself or through as many functions between them."""
    layer, seen = {upper}, {upper}
    for _ in range(between + 1):
        words = {word for name in layer for word in re.findall(r"\w+", known[name])}
        if lower in words:
            return True
        layer = {word for word in words if word in known} - seen
        seen |= layer
    return False


def untrue_arrows() -> list[str]:
    """The arrows that the sources do not bear out."""
    known = bodies()
    return [
        f"{upper} -> {lower}"
        for upper, lowers in ARROWS.items()
        for lower in lowers
        if not reaches(upper, lower, known)
    ]


def draw(path: Path, ink: str, paper: str) -> None:
    """Write the picture as SVG, in colours for a light or a dark page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.78 * len(ROWS)))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 8), ylim=(-len(ROWS), 0))
    axes.set_axis_off()
    places, room = {}, None
    for row, (title, boxes) in enumerate(ROWS):
        if title != room:
            axes.text(0.05, -row - 0.5, title, va="center", color=ink, fontsize=10, weight="bold")
            axes.plot([0, 8], [-row - 0.02] * 2, color=ink, alpha=0.25, lw=0.8)
        room = title
        width = 6.8 / len(boxes)
        for column, place in enumerate(boxes):
            own = function(place)
            x = 1.15 + width * (column + 0.5)
            places[own.name] = (x, -row - 0.5)
            axes.text(
                x, -row - 0.5, f"{own.name}\n{own.file}", ha="center", va="center", fontsize=9,
                color=ink, linespacing=1.3,
                bbox={"boxstyle": "round,pad=0.35", "fc": paper, "ec": ink, "lw": 1},
            )  # fmt: skip
    for upper, lowers in ARROWS.items():
        for lower in lowers:
            (x0, y0), (x1, y1) = places[upper], places[lower]
            axes.annotate(
                "", (x1, y1 + 0.28), (x0, y0 - 0.28),
                arrowprops={"arrowstyle": "-|>", "color": ink, "lw": 1, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
    figure.savefig(path, transparent=True)


def main(folder: Path) -> None:
    untrue = untrue_arrows()
    if untrue:
        sys.exit(f"the code no longer goes this way: {', '.join(untrue)}")
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder / "path-light.svg", "#1f2328", "#eef4fb")
    draw(folder / "path-dark.svg", "#dfe6ee", "#243244")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
