"""
To C, for a microcontroller
===========================

You will see four networks written as C in float32, int16 and int8, and what each takes of a small
processor's flash: with int8 about a third of the bytes, at the same accuracy to within a per cent.
``calibrate`` gives the rows from which the scales of the integers are computed. The guide
:doc:`/guides/microcontrollers` says what is in the files.

.. index:: ! TinyML, ! flash memory
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import affinet as an

folder = Path(tempfile.mkdtemp())
(x, t), test = an.datasets.load_digits()
types = {"float32": {}, "int16": {"calibrate": x}, "int8": {"calibrate": x}}
widths = (4, 8, 16, 32)
bytes_of_flash = {name: [] for name in types}
accuracies = {name: [] for name in types}
for width in widths:
    net = an.Sequential(
        an.Affine.init(64, width, rng=0),
        an.ReLU(),
        an.Affine.init(width, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(x, t, epochs=30, optimizer=an.Adam(0.005))
    for name, options in types.items():
        found = an.export.c(net, folder / f"{name}-{width}", name="digits", type=name, **options)
        bytes_of_flash[name].append(found["flash"])
        outputs = an.export.emulate(net, test[0], type=name, **options) if options else net(test[0])
        accuracies[name].append(an.metrics.accuracy(outputs, test[1]))
        print(f"{width:2} units, {name:7}: {found['flash']:6,} bytes, {accuracies[name][-1]:.3f}")
print(f"files: {', '.join(found['files'])}")

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, style in zip(types, ("o-", "s--", "^:"), strict=True):
    ax.plot(bytes_of_flash[name], accuracies[name], style, label=name)
ax.set(xscale="log", xlabel="bytes of constants in flash", ylabel="accuracy on test rows")
ax.set_title(f"digits, {', '.join(map(str, widths))} hidden units")
ax.legend()
plt.show()
