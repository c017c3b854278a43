"""Notebooks without the HTML of the pages: a solution that unfolds there is a heading here.

A notebook's cells cannot unfold together, and sphinx-gallery copies raw HTML as text.
"""

import re

from sphinx_gallery import notebook

RAW = r"^\.\. raw:: html\n\n"
SOLUTION = re.compile(RAW + r' +<details class="solution"><summary>(.+?)</summary>\n?', re.M)
END = re.compile(RAW + r" +</details>\n*", re.M)

convert = notebook.rst2md


def without_html(text, *arguments, **options):
    """The Markdown of a text block."""
    return convert(END.sub("", SOLUTION.sub(r"**\1.**\n", text)), *arguments, **options)


def setup(app):
    notebook.rst2md = without_html
    return {"parallel_read_safe": True, "parallel_write_safe": True}
