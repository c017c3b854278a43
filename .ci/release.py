"""Check that a tag can be released and print its entry of CHANGELOG.md: ``release.py v1.2.3``."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def entry(version: str, changelog: str) -> str:
    """The text under the heading of a version, up to the next."""
    found = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## \[|\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    if found is None:
        raise SystemExit(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'")
    return found[1].strip()


def main() -> None:
    source = (ROOT / "src" / "affinet" / "_version.py").read_text(encoding="utf-8")
    version = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)[0]
    if sys.argv[1:] != [f"v{version}"]:
        raise SystemExit(f"the version is {version}, so the tag must be v{version}")
    print(entry(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
