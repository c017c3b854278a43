"""Exported C beside emlearn's for the same network: microseconds for a row, on this machine.

    python benchmarks/c_inference.py [--rows 1797] [--repeat 30]

Needs scikit-learn, emlearn and gcc. The network is scikit-learn's MLPClassifier on digits,
64-32-10, from which both write C in single precision; affinet also int8. Each is compiled with the
same options, classifies the same rows, and must agree with scikit-learn; a process takes turns
between them, and reports the least of its repetitions. Where tensorflow and tflite_micro are
installed, TFLite Micro as its package was built runs the same network: it gets all rows in one
call, so that Python's time is not counted against it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import affinet as an

OPTIONS = (["-O2"], ["-O3"], ["-O3", "-march=native"], ["-Os"])
MAIN = """#include <stdio.h>
#include <time.h>
#include "net.h"
#include "quick.h"
#include "em.h"
#include "rows.h"
static int kept[3][ROWS];
static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int classes(int which, const float *x) {
    if (which == 0) { return (int)net_classify(x); }
    if (which == 1) { return (int)quick_classify(x); }
    return em_predict(x, NET_INPUTS);
}
int main(void) {
    double best[3] = {1e9, 1e9, 1e9};
    int repeat, which, i;
    for (repeat = 0; repeat < REPEAT; repeat++) {
        for (which = 0; which < 3; which++) {
            const double start = seconds();
            double spent;
            for (i = 0; i < ROWS; i++) { kept[which][i] = classes(which, rows + i * NET_INPUTS); }
            spent = (seconds() - start) / ROWS;
            if (spent < best[which]) { best[which] = spent; }
        }
    }
    for (which = 0; which < 3; which++) { printf("%.4f ", 1e6 * best[which]); }
    for (which = 0; which < 3; which++) {
        for (i = 0; i < ROWS; i++) { printf("%d ", kept[which][i]); }
    }
    return 0;
}
"""


def write(folder: Path, n_rows: int, repeat: int) -> tuple[Any, np.ndarray]:
    """All sources; scikit-learn's network and the rows."""
    import emlearn
    from sklearn.neural_network import MLPClassifier

    (x, t), (x_test, _) = an.datasets.load_digits()
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # emlearn makes them errors
        warnings.simplefilter("ignore")
        model = MLPClassifier((32,), max_iter=60, random_state=0).fit(x, t)
    rows = np.concatenate([x, x_test])[:n_rows]
    net = an.from_sklearn(model)
    an.export.c(net, folder, name="net")
    an.export.c(net, folder, name="quick", type="int8", calibrate=x)
    with contextlib.chdir(folder):  # it leaves files where it is
        emlearn.convert(model, method="inline").save(file="em.h", name="em")
    numbers = ", ".join(f"{value:.9g}f" if value % 1 else f"{value:.1f}f" for value in rows.flat)
    text = f"#define ROWS {len(rows)}\n#define REPEAT {repeat}\n"
    (folder / "rows.h").write_text(f"{text}static const float rows[] = {{{numbers}}};\n")
    (folder / "main.c").write_text(MAIN)
    return model, rows


def tflite_micro(model: Any, rows: np.ndarray, repeat: int) -> str:
    """A sentence with TFLite Micro's time for a row, or why it was not measured."""
    packages = ("tensorflow", "tflite_micro")
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        return f"TFLite Micro is not measured: {' and '.join(missing)} not installed"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    from tflite_micro.python.tflite_micro import runtime

    weights = [tf.constant(np.float32(W)) for W in model.coefs_]
    offsets = [tf.constant(np.float32(b)) for b in model.intercepts_]

    def network(x: Any) -> Any:
        hidden = tf.nn.relu(x @ weights[0] + offsets[0])
        return tf.nn.softmax(hidden @ weights[1] + offsets[1])

    signature = tf.TensorSpec(rows.shape, tf.float32)
    graph = tf.function(network).get_concrete_function(signature)
    content = tf.lite.TFLiteConverter.from_concrete_functions([graph]).convert()
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 23)
    best = np.inf
    for _ in range(repeat):
        interpreter.set_input(np.float32(rows), 0)
        started = time.perf_counter()
        interpreter.invoke()
        best = min(best, time.perf_counter() - started)
    if (interpreter.get_output(0).argmax(axis=1) != model.predict(rows)).any():
        raise SystemExit("TFLite Micro's classes are not scikit-learn's")
    return f"TFLite Micro, float: {1e6 * best / len(rows):.3f} µs"


def main() -> None:
    """Compile, verify, time and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1797)
    parser.add_argument("--repeat", type=int, default=30)
    options = parser.parse_args()
    import emlearn

    print(f"emlearn {emlearn.__version__}, affinet {an.__version__}, digits 64-32-10")
    print("| gcc | affinet, float32 | affinet, int8 | emlearn, float | affinet / emlearn |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, rows = write(folder, options.rows, options.repeat)
        wanted = model.predict(rows)
        sources = [folder / source for source in ("main.c", "net.c", "quick.c")]
        for flags in OPTIONS:
            program = folder / "program"
            command = ["gcc", *flags, f"-I{emlearn.includedir}", *sources, "-o", program, "-lm"]
            subprocess.run(list(map(str, command)), check=True)
            done = subprocess.run([program], capture_output=True, text=True, check=True)
            parts = done.stdout.split()
            times = list(map(float, parts[:3]))
            classes = np.array(parts[3:], int).reshape(3, -1)
            agree = (classes == wanted).mean(axis=1)
            if agree[0] < 1 or agree.min() < 0.98:
                raise SystemExit(f"the classes agree with scikit-learn's in {agree} of the rows")
            shown = " | ".join(f"{time:.3f} µs" for time in times)
            print(f"| `{' '.join(flags)}` | {shown} | {times[0] / times[2]:.2f} |")
    print(tflite_micro(model, rows, options.repeat))


if __name__ == "__main__":
    main()
