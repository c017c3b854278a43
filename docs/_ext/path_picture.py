"""Draw the picture of a batch's way from the sources before each build."""

import importlib.util
import sys
from pathlib import Path


def draw(app) -> None:
    inside = Path(app.srcdir) / "inside"
    spec = importlib.util.spec_from_file_location("draw_path", inside / "draw_path.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["draw_path"] = module  # its dataclass looks its own module up
    spec.loader.exec_module(module)
    module.main(inside / "pictures")


def setup(app):
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
