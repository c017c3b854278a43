"""Check a built site: links within it lead somewhere, no page needs another host, and no notebook
shows a directive as text.

python docs/check_site.py docs/_build/html
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
FOREIGN = ("http:", "https:", "//")
NOT_LOADED = {"canonical", "next", "prev", "search", "index", "author"}  # what a link may be


class Page(HTMLParser):
    """The links, the loaded files and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        names = set(found.get("rel", "").split())
        for name, value in found.items():
            if (tag, name) in LOADS and not names & NOT_LOADED:
                self.loads.append(value)


def target_of(path: Path, link: str) -> tuple[Path, str]:
    """The file and the anchor that a link of a page leads to."""
    parts = urlsplit(link)
    file = path if not parts.path else path.parent / unquote(parts.path)
    return (file / "index.html" if file.is_dir() else file).resolve(), unquote(parts.fragment)


def problems(root: Path) -> list[str]:
    """A sentence for each foreign source, each broken link and each directive shown as text."""
    paths = {path.resolve() for path in root.rglob("*.html") if "_static" not in path.parts}
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(paths)}
    found = []
    for path, page in pages.items():
        name = path.relative_to(root.resolve())
        found += [f"{name} loads {load}" for load in page.loads if load.startswith(FOREIGN)]
        for link in [*page.links, *page.loads]:
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            file, anchor = target_of(path, link)
            if not file.is_file():
                found.append(f"{name}: {link} leads nowhere")
            elif anchor and file in pages and anchor not in pages[file].anchors:
                found.append(f"{name}: {link} has no such anchor")
    for path in sorted(root.rglob("*.ipynb")):
        if ".. raw::" in path.read_text(encoding="utf-8"):
            found.append(f"{path.relative_to(root)} shows the text '.. raw::'")
    return found


def main() -> None:
    root = Path(sys.argv[1])
    found = problems(root)
    for problem in found:
        print(problem)
    if found or not (root / "index.html").is_file():
        sys.exit(f"{len(found)} problems, or no site in {root}")
    print("links lead somewhere, no page needs another host, and notebooks show no directives")


if __name__ == "__main__":
    main()
