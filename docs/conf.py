"""Configuration of the site. Build it with ``python -m sphinx -W docs docs/_build/html``."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

import affinet  # noqa: E402

project = "affinet"
author = "the affinet developers"
project_copyright = "the affinet developers"
version = release = affinet.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "kernel_list",
    "local_mathjax",
    "notebooks",
    "path_picture",
    "docstrings",
    "release_notes",
    "run_button",
    "shell_commands",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "_contents",
    "sg_execution_times.rst",
    "_templates",
    "learn",
    "gallery",
    "examples",
    "**/GALLERY_HEADER*",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
default_role = "autolink"
nitpicky = True
smartquotes_action = "q"  # an option such as --model keeps its two hyphens

# -- References to other projects: only inventories on this machine, so a build needs no network.
INVENTORIES = {
    "python": ("https://docs.python.org/3", "/usr/share/doc/python3-doc/html/objects.inv"),
    "numpy": ("https://numpy.org/doc/stable", "/usr/share/doc/python-numpy-doc/html/objects.inv"),
    "sklearn": (
        "https://scikit-learn.org/stable",
        "/usr/share/doc/python-sklearn-doc/html/objects.inv",
    ),
}
intersphinx_mapping = {
    name: (home, path) for name, (home, path) in INVENTORIES.items() if Path(path).is_file()
}
# Names of other projects, for machines without the inventories, and affinet's own private bases.
OTHER_PROJECTS = r"(numpy|np|sklearn|scipy|matplotlib|pandas|polars|onnx|mpi4py|joblib)(\..*)?"
nitpick_ignore = [("py:obj", "snapshot")]  # a field with a class as its default
nitpick_ignore_regex = [
    (r"py:.*", OTHER_PROJECTS),
    (r"py:.*", r"(collections|concurrent|os|pathlib|typing|threading|abc|dataclasses)\..*"),
    (r"py:.*", r"affinet\..*\b_\w+"),
    (r"py:.*", r"[A-Z]\w*(Error|Exception|Warning)|KeyboardInterrupt|object|int|float|str|bool"),
]

# -- Python objects
autosummary_generate = True
autodoc_typehints = "none"  # the sections of parameters say the types in words, with their shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template of a class lists them
toc_object_entries = False

# -- Markdown
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# -- Programs that run in the build: the course and the gallery
sphinx_gallery_conf = {
    "examples_dirs": ["learn", "gallery"],
    "gallery_dirs": ["auto_learn", "auto_gallery"],
    "filename_pattern": r".*\.py",
    "ignore_pattern": r"(^|/)_",  # a module that programs import begins with an underscore
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "image_srcset": ["2x"],
    "doc_module": ("affinet",),
    "reference_url": {"affinet": None},
    "min_reported_time": 0,  # each page ends with its time
    "write_computation_times": False,  # a page of all times, which loads scripts from elsewhere
    "capture_repr": (),  # what a block's last line returns is not shown
    "plot_gallery": True,
}

# -- Pages
html_theme = "pydata_sphinx_theme"
html_title = "affinet"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {page: [] for page in ("index", "tour", "faq", "contents")}  # without a section
