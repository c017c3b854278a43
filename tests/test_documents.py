"""Every block of code in the pages of the documentation runs and shows what it says."""

import ast
import re
import sys
from pathlib import Path

import pytest

from documents import Block, blocks, commands, run_console, run_python

DOCS = Path(__file__).parents[1] / "docs"
if not DOCS.is_dir():
    pytest.skip("the documentation is not here", allow_module_level=True)
BUILT = {"_build", "auto_learn", "auto_gallery", "generated", "notes"}
PAGES = sorted(path for path in DOCS.rglob("*.md") if not BUILT & {*path.parts})
NEEDS = {  # what a page says, and the package without which its code cannot run
    r"\bpandas\b": "pandas",
    r"affinet\.estimators|import sklearn|from sklearn": "sklearn",
    r"an\.onnx\.|affinet export": "onnx",
    r"\.safetensors\"": "safetensors",
    r"MPIReducer\(": "mpi4py",
    r"an\.plotting\.\w+\(|affinet plot": "matplotlib",
}
# Languages of blocks that are shown and not run, each with what it may contain.
SHOWN = {
    "": r"",
    "text": r"",
    "sh": r"(pip|mpiexec|affinet train digits --live|python -m mpi4py|git|docker|AFFINET_\w+=)",
    "c": r"",
    "dockerfile": r"",
    "cython": r"",
}


# What people look for first, in the words that they type, and the page that answers.
TASKS = {
    "class weights": "faq.md",
    "custom loss": "guides/your_own_parts.md",
    "data larger than memory": "faq.md",
    "early stopping": "guides/watching.md",
    "ensembles": "guides/many.md",
    "export to C": "guides/microcontrollers.md",
    "freeze layers": "faq.md",
    "import a PyTorch model": "guides/saving.md",
    "NaN loss": "faq.md",
    "plot learning curve": "guides/watching.md",
    "predict one row fast": "guides/control.md",
    "quantiles": "guides/uncertainty.md",
    "save and resume": "guides/saving.md",
    "threads in a container": "faq.md",
}


def name_of(path):
    return str(path.relative_to(DOCS))


# Short trainings: some of scikit-learn's pages stop before they converge, and say so in a warning.
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_the_code_of_a_page_runs(path, tmp_path, monkeypatch):
    page = path.read_text(encoding="utf-8")
    found = blocks(page)
    code = "".join(block.text for block in found if block.kind in {"python", "console"})
    for words, package in NEEDS.items():
        if re.search(words, code):
            pytest.importorskip(package, reason=f"{name_of(path)} needs {package}")
    if sys.platform == "win32" and any(block.kind == "console" for block in found):
        pytest.skip("the commands of a page are those of a Unix shell")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for block in found:
        if block.kind == "python":
            run_python(block, names, path)
        elif block.kind == "console":
            run_console(block, tmp_path, path)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_block_says_what_it_is(path):
    for block in blocks(path.read_text(encoding="utf-8")):
        where = f"{name_of(path)}:{block.line}"
        if block.kind.startswith("{code-block} python"):  # another library's program
            code = "\n".join(ln for ln in block.text.splitlines() if not ln.startswith(":"))
            ast.parse(code)
        elif not block.kind.startswith("{"):
            assert block.kind in {"python", "console", *SHOWN}, f"{where} is {block.kind!r}"
        if block.kind == "sh":
            for line in block.text.splitlines():
                assert re.match(SHOWN["sh"], line), f"{where}: {line}: make it a console block"


def test_a_wrong_result_is_found(tmp_path):
    with pytest.raises(AssertionError, match="Expected:"):
        run_python(Block("python", ">>> 1 + 1\n3\n", 1), {}, Path("page.md"))
    with pytest.raises(ZeroDivisionError):
        run_python(Block("python", "1 / 0\n", 1), {}, Path("page.md"))
    with pytest.raises(AssertionError, match="wanted"):
        run_console(Block("console", "$ echo a\nb\n", 1), tmp_path, Path("page.md"))
    with pytest.raises(AssertionError, match="false"):
        run_console(Block("console", "$ false\n", 1), tmp_path, Path("page.md"))
    with pytest.raises(AssertionError, match="wanted"):
        run_console(Block("console", "$ affinet --version\n9\n", 1), tmp_path, Path("page.md"))
    with pytest.raises(AssertionError, match=r"gone\.npz: No such file"):
        run_console(Block("console", "$ affinet inspect gone.npz\n", 1), tmp_path, Path("p.md"))


def test_blocks_and_commands_are_found():
    page = "text\n```python\n>>> 1\n1\n```\n\n::::{grid}\n````{tab} a\n```x\n```\n````\n"
    assert [(block.kind, block.line) for block in blocks(page)] == [("python", 2), ("{tab} a", 8)]
    assert commands("$ a \\\n  b\nout\n$ c\n") == [("a \\\n  b", "out\n"), ("c", "")]


def test_the_search_of_the_site_has_the_words_of_common_tasks():
    """Sphinx's search shows the pages first whose ``index`` has the words, marked by ``!``."""
    pages = {}
    for path in PAGES:
        for block in blocks(path.read_text(encoding="utf-8")):
            if block.kind.startswith("{index} "):
                for entry in block.kind.removeprefix("{index} ").split(", "):
                    assert entry.startswith("! "), f"{name_of(path)}: {entry}"
                    pages.setdefault(entry[2:], []).append(path.relative_to(DOCS).as_posix())
    assert {task: pages.get(task) for task in TASKS} == {task: [at] for task, at in TASKS.items()}
    assert not [entry for entry, found in pages.items() if len(found) > 1]
