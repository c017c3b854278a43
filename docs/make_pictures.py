"""Make docs/pictures again, with the commands that docs/tour.md shows under them.

``python docs/make_pictures.py [NAME.png ...]`` needs matplotlib and Pillow. The files are reduced
to 256 colours, which look the same for lines and markers and take a third of the space. The picture
of the live view (live.png) is a screenshot and is not made here.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
COLOURS = 256


def commands(page: str) -> dict[str, str]:
    """The command under each picture of a page, by the picture's file name."""
    parts = re.findall(r"!\[[^\]]+\]\(pictures/([^)]+)\)\s+```\n([^\n]+)", page)
    return dict(parts)


def reduce_colours(path: Path) -> None:
    """Write a picture again with fewer colours."""
    picture = Image.open(path).convert("RGB")
    # Choose colours by coverage rather than frequency, so that a small marker keeps its own.
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, 5, dither=Image.Dither.NONE)
    few.save(path, "PNG", optimize=True)


def main(names: list[str]) -> None:
    """Make the pictures of these names, or all."""
    known = commands((DOCS / "tour.md").read_text(encoding="utf-8"))
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    for name in names or known:
        words = shlex.split(known[name])[1:]
        subprocess.run([sys.executable, "-m", "affinet", *words], cwd=PICTURES, check=True)
        reduce_colours(PICTURES / name)


if __name__ == "__main__":
    main(sys.argv[1:])
