"""Make a page for each release from its entry of CHANGELOG.md, in ``releases/notes``."""

import re
from pathlib import Path

HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\S+))?\n", re.MULTILINE)


def releases(changelog: str) -> list[tuple[str, str, str]]:
    """Version, date (empty if unreleased) and text of each entry, in the order of the file."""
    found = list(HEADING.finditer(changelog))
    ends = [match.start() for match in found[1:]] + [len(changelog)]
    return [
        (match["version"], match["date"] or "", changelog[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
    ]


def page(version: str, date: str, text: str) -> str:
    """A page of Markdown, with the entry's headings one level up."""
    title = f"affinet {version}" if date else "Not yet released"
    when = f"Released on {date}." if date else "Changes since the last release."
    body = re.sub(r"^#(#+ )", r"\1", text, flags=re.MULTILINE)
    return f"# {title}\n\n{when}\n\n{body}\n"


def write_if_changed(path: Path, text: str) -> None:
    """Leave a page alone that is up to date, so that Sphinx does not read it again."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_pages(app) -> None:
    docs = Path(app.srcdir)
    notes = docs / "releases" / "notes"
    notes.mkdir(exist_ok=True)
    changelog = (docs.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    pages = {
        f"{number:03}-{version.lower()}.md": page(version, date, text)
        for number, (version, date, text) in enumerate(reversed(releases(changelog)))
    }
    for old in notes.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        write_if_changed(notes / name, text)


def setup(app):
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
