"""
To ONNX and back
================

You will see a network written as an ONNX file, run by another program, ONNX's own interpreter, and
read back. The picture shows how far the probabilities of the two programs are apart. Any ONNX
runtime reads such a file; writing needs the extra ``onnx``.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from onnx.reference import ReferenceEvaluator

import affinet as an

file = Path(tempfile.mkdtemp()) / "digits.onnx"
(x, t), (x_test, t_test) = an.datasets.load_digits()
net = an.Sequential(
    an.Affine.init(64, 64, rng=0),
    an.BatchNorm(64),
    an.SiLU(),
    an.Affine.init(64, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
net.fit(x, t, epochs=10)
an.onnx.export(net, file, probabilities=True)
print(f"{file.name}: {file.stat().st_size / 1000:.1f} kB")

(theirs,) = ReferenceEvaluator(str(file)).run(None, {"x": x_test})
ours = net.predict_proba(x_test)
print(f"same classes: {bool((theirs.argmax(axis=1) == ours.argmax(axis=1)).all())}")
print(f"largest difference {np.abs(theirs - ours).max():.1e}")

back = an.onnx.load(file)
print(f"read back: {np.abs(back.predict_proba(x_test) - ours).max():.1e} apart")

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
ax.plot(ours.ravel(), np.abs(theirs - ours).ravel(), ".", markersize=3)
ax.axhline(
    np.finfo(np.float32).eps, color="0.5", linestyle="--", label="float32: 1 + this is not 1"
)
ax.set(
    xlabel="probability",
    ylabel="difference",
    title="affinet and onnx.reference, 3590 probabilities",
)
ax.set(ylim=(0, None))
ax.legend()
plt.show()
