"""Serve MathJax from the site itself, so that formulas need no other host.

The file comes from the wheel of sphinx-mathjax-offline. Of its 24 MB the pages need one file, which
draws formulas as SVG and therefore loads no fonts.
"""

import importlib.util
import shutil
from pathlib import Path

FILE = "tex-svg.js"


def mathjax_file() -> Path:
    """Where the installed wheel keeps the script."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise ImportError(
            "the site needs MathJax from the package sphinx-mathjax-offline: "
            "pip install 'affinet[docs]'"
        )
    return Path(found.origin).parent / "static" / "mathjax" / FILE


def copy_script(app, exception):
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "mathjax"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(mathjax_file(), target / FILE)


def setup(app):
    mathjax_file()
    app.config.mathjax_path = f"mathjax/{FILE}"
    app.config.mathjax3_config = {"options": {"enableMenu": False}}
    app.connect("build-finished", copy_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
