from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import affinet.datasets

PACKAGE = Path(affinet.datasets.__file__).parent


def run(code: str, *arguments: str) -> str:
    """Standard output of ``code`` in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_public_names() -> None:
    assert set(affinet.datasets.__all__) == {
        "Shards",
        "load_digits",
        "load_fashion_mnist",
        "load_mnist",
        "open_shards",
        "read_idx",
        "spiral",
        "two_moons",
        "xor",
    }
    for name in affinet.datasets.__all__:
        assert ">>> " in getattr(affinet.datasets, name).__doc__


def test_works_from_a_zip_with_numpy_alone(tmp_path: Path) -> None:
    archive = tmp_path / "affinet.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("affinet/__init__.py", "")
        file.write(PACKAGE.parent / "_npy.py", "affinet/_npy.py")
        for path in PACKAGE.rglob("*"):
            if path.suffix in {".py", ".gz", ".txt"}:
                file.write(path, Path("affinet/datasets") / path.relative_to(PACKAGE))
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import affinet.datasets
assert affinet.datasets.__file__.startswith(sys.argv[1]), affinet.datasets.__file__
(x_train, t_train), (x_test, t_test) = affinet.datasets.load_digits()
print(x_train.shape, x_test.shape, int(t_train.sum()), int(t_test.sum()))
roots = {name.partition(".")[0] for name in sys.modules}
assert not roots & {"pooch", "requests", "urllib3", "scipy", "sklearn"}
"""
    (_, t_train), (_, t_test) = affinet.datasets.load_digits()
    expected = f"(1438, 64) (359, 64) {t_train.sum()} {t_test.sum()}"
    assert run(code, str(archive)).strip() == expected


def test_import_opens_no_connection_and_reads_no_data() -> None:
    code = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append((event, str(args[0])))
                 if event == "open" or event.startswith("socket.") else None)
import affinet.datasets
assert not [event for event, _ in opened if event.startswith("socket.")]
assert not [path for _, path in opened if path.endswith(("digits.npy.gz", "-ubyte", "-ubyte.gz"))]
assert "pooch" not in sys.modules
"""
    run(code)
