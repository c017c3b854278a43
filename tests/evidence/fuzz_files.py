"""The coverage-guided part of row 18: one reader in a process of its own, under atheris.

    python tests/evidence/fuzz_files.py model.npz FOLDER -runs=2000 -seed=1 [options of libFuzzer]
    python tests/evidence/fuzz_files.py --keep FOLDER       # FOLDER/READER/... into hostile.zip

FOLDER holds what reaches new branches of affinet's Python code, and grows; files are changed as in
`changed_files`, or as bytes by libFuzzer. The first finding ends the process, and is written there.
Those small enough are kept in ``tests/data/hostile.zip``, which the quick form reads again.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent)]

KEPT = Path(__file__).parents[1] / "data" / "hostile.zip"
MOST_BYTES, MOST_FILES = 6000, 60  # that are kept for a reader: the repository stays small
SEVEN_EIGHTHS = 0.875


def kept():
    """(name of the reader, bytes) of every file that is kept."""
    with zipfile.ZipFile(KEPT) as archive:
        return [(name.partition("/")[0], archive.read(name)) for name in archive.namelist()]


def keep(folder):
    """Keep the smallest files of each reader's corpus."""
    with zipfile.ZipFile(KEPT, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for reader in sorted(path for path in folder.iterdir() if path.is_dir()):
            files = sorted(reader.iterdir(), key=lambda path: (path.stat().st_size, path.name))
            files = [path for path in files if path.stat().st_size <= MOST_BYTES]
            for path in files[:: max(1, len(files) // MOST_FILES)]:
                member = zipfile.ZipInfo(f"{reader.name}/{path.name[:12]}")  # no time of today
                archive.writestr(member, path.read_bytes(), zipfile.ZIP_DEFLATED)


def fuzz(name, folder, options):
    """Read changed files with one reader until libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["affinet"]):
        import changed_files
        import evidence
        import row18_files as row

    with tempfile.TemporaryDirectory() as place:
        files = row.prepare(Path(place))
        read = files[name][1]

        def one(data):
            batch = evidence.Batch(0, 0)
            row.attack(batch, Path(place) / name, data, read)
            if batch.findings:
                raise RuntimeError(batch.findings[0])

        def change(data, most, seed):
            rng = np.random.default_rng(seed)
            if rng.random() < SEVEN_EIGHTHS:
                try:
                    changed = changed_files.mutated(rng, name, bytes(data))
                except Exception:  # it can no longer be taken apart
                    changed = b""
                if 0 < len(changed) <= most:
                    return changed
            return atheris.Mutate(bytes(data), most)

        corpus = Path(folder)
        corpus.mkdir(parents=True, exist_ok=True)
        (corpus / "sound").write_bytes(files[name][0])
        for reader, data in kept() if KEPT.exists() else ():
            if reader == name:
                (corpus / f"kept-{len(list(corpus.iterdir()))}").write_bytes(data)
        arguments = [sys.argv[0], str(corpus), "-max_len=65536", "-len_control=0", *options]
        atheris.Setup(arguments, one, custom_mutator=change)
        atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1] == "--keep":
        keep(Path(sys.argv[2]))
    else:
        fuzz(sys.argv[1], sys.argv[2], sys.argv[3:])
