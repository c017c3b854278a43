r"""
9. MNIST, from raw files to 98 %
================================

After this chapter you have read a data set byte by byte, trained a network that reads handwritten
digits, and looked at its mistakes.

The four files of MNIST (LeCun, Cortes, Burges, 1998) are not part of affinet. If the environment
variable ``AFFINET_DATA_DIR`` names their folder, or a folder that contains ``mnist``, this program
trains on them; otherwise it shows figures from an earlier run, stored beside it, and says so.

.. index:: ! MNIST
"""

import gzip
import json
import os
import struct
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

HERE = Path(__file__).parent if "__file__" in globals() else Path()
STORED = HERE / "mnist_figures.json"


def folder_of_mnist():
    """The folder with the official files, or None."""
    named = Path(os.environ.get("AFFINET_DATA_DIR", "nowhere"))
    for folder in (named, named / "mnist"):
        if (folder / "train-images-idx3-ubyte.gz").is_file():
            return folder
    return None


mnist = folder_of_mnist()
if mnist is None:
    print("MNIST is not on this machine: the figures below are stored ones of an earlier run.")
else:
    print("MNIST is here: everything below was computed just now.")

# %%
# The files
# ---------
#
# A file in the IDX format begins with four bytes: two zeros, the type of the numbers (8 for
# bytes), and the number of dimensions. Then comes each dimension as a 32-bit number, the most
# significant byte first, and then the numbers themselves, the last dimension fastest:
#
# =========== =================== =========================================
# bytes       images              meaning
# =========== =================== =========================================
# 0 - 3       00 00 08 03         bytes, three dimensions
# 4 - 7       00 00 ea 60         60 000 images
# 8 - 11      00 00 00 1c         28 rows
# 12 - 15     00 00 00 1c         28 columns
# 16 ...                          pixels, 0 (background) to 255
# =========== =================== =========================================
#
# Ten lines read it. ``an.datasets.read_idx`` does the same with all checks.


def read_idx(path):
    """The array in a gzipped IDX file of bytes."""
    with gzip.open(path) as file:
        zero, kind, n_dimensions = struct.unpack(">HBB", file.read(4))
        assert (zero, kind) == (0, 8), "not an IDX file of bytes"
        shape = struct.unpack(f">{n_dimensions}I", file.read(4 * n_dimensions))
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


if mnist is not None:
    images = read_idx(mnist / "train-images-idx3-ubyte.gz")
    labels = read_idx(mnist / "train-labels-idx1-ubyte.gz")
    test_images = read_idx(mnist / "t10k-images-idx3-ubyte.gz")
    test_labels = read_idx(mnist / "t10k-labels-idx1-ubyte.gz")
    np.testing.assert_array_equal(
        images[:100], an.datasets.read_idx(mnist / "train-images-idx3-ubyte.gz")[:100]
    )
    print("training", images.shape, labels.shape, " test", test_images.shape, test_labels.shape)

# %%
# From pixels to inputs
# ---------------------
#
# A network takes rows of numbers near 0, so each image becomes a row of 784 pixels, divided by
# 255. The last 5000 of the training rows are kept for watching the training. The 10 000 test rows
# are used once, at the end.


def rows(pictures):
    """Images (N, 28, 28) of bytes as rows (N, 784) from 0 to 1."""
    return pictures.reshape(len(pictures), -1).astype(np.float32) / 255


if mnist is not None:
    x, t = rows(images), labels.astype(np.int64)
    x_test, t_test = rows(test_images), test_labels.astype(np.int64)
    train, watch = (x[:-5000], t[:-5000]), (x[-5000:], t[-5000:])

# %%
# Training
# --------
#
# One hidden layer of 256 ReLU units with He's weights (chapter 6), softmax with cross-entropy
# (chapter 4), dropout against overfitting (chapter 8), Adam (chapter 2) with a rate that falls
# along a cosine. Ten epochs are 5500 steps of 100 rows.


def train_network():
    """A trained network, and its figures."""
    net = an.Sequential(
        an.Affine.init(784, 256, rng=0),
        an.ReLU(),
        an.Dropout(0.2, rng=0),
        an.Affine.init(256, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    history = net.fit(
        *train,
        epochs=10,
        batch_size=100,
        optimizer=an.Adam(),
        schedule=an.schedules.Cosine(0.002),
        validation_data=watch,
    )
    y = net.predict(x_test)
    kept = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
    return net, {
        "epochs": [{name: round(epoch[name], 4) for name in kept} for epoch in history.epochs],
        "test_accuracy": an.metrics.accuracy(y, t_test),
        "confusion": an.metrics.confusion_matrix(y, t_test).tolist(),
        "seconds": round(sum(history["seconds"]), 1),
    }


if mnist is not None:
    net, figures = train_network()
    assert figures["test_accuracy"] >= 0.98
    print(f"trained in {figures['seconds']} seconds")
else:
    figures = json.loads(STORED.read_text(encoding="utf-8"))
    print("stored figures; set AFFINET_DATA_DIR to compute them")
print(f"accuracy on the 10 000 test rows: {figures['test_accuracy']:.4f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
for ax, name in ((left, "loss"), (right, "accuracy")):
    epochs = [epoch["epoch"] for epoch in figures["epochs"]]
    ax.plot(epochs, [epoch[name] for epoch in figures["epochs"]], "o-", label="training")
    ax.plot(epochs, [epoch[f"val_{name}"] for epoch in figures["epochs"]], "s--", label="held out")
    ax.set(xlabel="epoch", ylabel=name)
    ax.legend()
source = "stored figures" if mnist is None else "computed in this build"
fig.suptitle(f"MNIST, 784-256-10 ({source})")

# %%
# Training figures are means over the epoch, with dropout; therefore the held-out rows look better
# at first.
#
# What it confuses
# ----------------
#
# Rows are the true digits, columns the predicted ones.

confusion = np.array(figures["confusion"])
fig, ax = plt.subplots(figsize=(6.8, 5.6), layout="constrained")
an.plotting.confusion_matrix(confusion, ax=ax)
ax.set_title(f"10 000 test images ({source})")

wrong = confusion.copy()
np.fill_diagonal(wrong, 0)
for place in np.argsort(wrong, axis=None)[::-1][:3]:
    true, predicted = np.unravel_index(place, wrong.shape)
    print(f"{wrong[true, predicted]} times a {true} was taken for a {predicted}")

# %%
# The mistakes themselves
# -----------------------
#
# Images need the files, so without them there is no picture here. The first twenty test images
# that the network gets wrong: some of them would make you hesitate too.

if mnist is not None:
    y = net.predict(x_test)
    places = np.flatnonzero(y.argmax(axis=1) != t_test)[:20]
    fig, axes = plt.subplots(4, 5, figsize=(8, 7.4), layout="constrained")
    x_wrong, t_wrong = x_test[places], t_test[places]
    an.plotting.predictions(x_wrong, net.predict_proba(x_wrong), t_wrong, ax=axes)
else:
    print("no images without the files")

# %%
# Exercises
# ---------
#
# They need the files.
#
# **1.** What does a network without a hidden layer reach?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# About 92 %: ten templates, one for each digit, compared with the image. The picture shows them.
# Chapter 7 says what is missing.

if mnist is not None:
    linear = an.Sequential(an.Affine(np.zeros((784, 10)), np.zeros(10)), loss=an.SoftmaxWithLoss())
    linear.fit(*train, epochs=3, batch_size=100, optimizer=an.Adam())
    print(f"without a hidden layer: {linear.evaluate(x_test, t_test)['accuracy']:.3f}")
    fig, ax = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
    an.plotting.first_layer_weights(linear, ax=ax)

# %%
# .. raw:: html
#
#    </details>
#
# **2.** Why is the held-out part needed, if there are test rows?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# Compare twenty networks on the test rows and report the best one, and you report its luck too.
# Choices are made on held-out rows, and the test rows are used once, for the one that was chosen.
#
# .. raw:: html
#
#    </details>
#
# **3.** Move the test images by two pixels to the right. What happens, and why?
#
# .. raw:: html
#
#    <details class="solution"><summary>Solution</summary>
#
# The accuracy drops by more than ten points: every weight belongs to one pixel, and a network of
# affine layers does not know that neighbouring pixels are alike. Training on moved copies helps;
# convolutional networks have it built in.

if mnist is not None:
    moved = np.roll(test_images, 2, axis=2)
    print(f"moved by two pixels: {net.evaluate(rows(moved), t_test)['accuracy']:.3f}")

# %%
# .. raw:: html
#
#    </details>
#
# The stored figures are written by this program itself, when ``STORE_FIGURES`` is set.

if mnist is not None and os.environ.get("STORE_FIGURES"):
    STORED.write_text(json.dumps(figures) + "\n", encoding="utf-8")

plt.show()
