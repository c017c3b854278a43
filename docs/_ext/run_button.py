"""The directive ``run-button``: the page's last block of Python, run in the reader's browser.

JupyterLite runs it if the environment variable AFFINET_BROWSER names the folder that
``.ci/browser.py`` filled; a site built without it says so there.
"""

import os
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

FOLDER = os.environ.get("AFFINET_BROWSER", "")
ABSENT = "This copy of the site was built without Python for browsers, so the program above cannot run here."  # fmt: skip # noqa: E501
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class RunButton(SphinxDirective):
    """A button below a block of Python."""

    def run(self) -> list[nodes.Node]:
        if not FOLDER:
            return [nodes.note("", nodes.paragraph("", ABSENT))]
        from jupyterlite_sphinx.jupyterlite_sphinx import RepliteDirective

        source, line = self.get_source_info()
        above = "\n".join(Path(source).read_text(encoding="utf-8").splitlines()[:line]) + "\n"
        code = StringList(BLOCK.findall(above)[-1].splitlines(), source)
        options = {"kernel": "python", "height": "32rem", "prompt": "Run it here"}
        return RepliteDirective(
            "replite", [], options, code, line, 0, "", self.state, self.state_machine
        ).run()


def without_foreign_styles(app, config) -> None:
    """JupyterLite's extension asks for a font of another host."""
    app.registry.css_files[:] = [
        (name, options) for name, options in app.registry.css_files if "://" not in name
    ]


def setup(app):
    app.add_directive("run-button", RunButton)
    if FOLDER:
        lite = Path(FOLDER).resolve() / "lite"
        if not lite.is_dir():
            raise SystemExit(f"AFFINET_BROWSER is {FOLDER!r}, wanted a folder of .ci/browser.py")
        app.setup_extension("jupyterlite_sphinx")
        app.config.jupyterlite_dir = str(lite)
        app.config.jupyterlite_contents = []
        app.config.jupyterlite_bind_ipynb_suffix = False  # notebooks here are the gallery's
        app.config.jupyterlite_build_command_options = {"no-sourcemaps": "True"}
        app.connect("config-inited", without_foreign_styles, priority=900)
    return {"parallel_read_safe": True}
