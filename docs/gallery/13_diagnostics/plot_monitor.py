"""
Watching a training
===================

You will see norms of gradients and sizes of updates by layer, recorded during a training, and the
advice that ``Monitor`` gives when something is wrong. Here it is: a deep network of sigmoids.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), test = an.datasets.load_digits()


def deep(activation, name):
    """Five hidden layers of 32 units."""
    rng = np.random.default_rng(0)
    parts, width = [], 64
    for _ in range(5):
        parts += [an.Affine.init(width, 32, rng, name), activation()]
        width = 32
    return an.Sequential(*parts, an.Affine.init(32, 10, rng), loss=an.SoftmaxWithLoss())


fig, axes = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained", sharey=True)
for ax, (activation, name) in zip(axes, ((an.Sigmoid, "sigmoid"), (an.ReLU, "relu")), strict=True):
    watch = an.diagnostics.Monitor(every=16, verbose=False)
    history = deep(activation, name).fit(
        x, t, epochs=6, optimizer=an.SGD(0.1), callbacks=[watch], validation_data=test
    )
    for layer, (norms, style) in enumerate(
        zip(watch.gradient_norms.T, ("-", "--", ":", "-.", "-", "--"), strict=True)
    ):
        ax.semilogy(watch.steps, norms, style, label=f"layer {watch.places[layer]}")
    ax.set(xlabel="step", title=f"{name}: accuracy {history['val_accuracy'][-1]:.2f}")
    print(f"{name}:", *(watch.advice or ["no problems found"]), sep="\n   ")
axes[0].set_ylabel("norm of the gradient")
axes[1].legend(fontsize=9, ncols=2)
plt.show()
