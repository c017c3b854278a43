"""
The training loop by hand
=========================

You will see the loss of single batches fall, in a loop that makes the three steps of training
visible: forward, backward, update. Use it when ``fit`` does too much for you, for example to mix
losses or to change the data on the way.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
net = an.Sequential(
    an.Affine.init(64, 64, rng=0),
    an.ReLU(),
    an.Affine.init(64, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
optimizer, rng, losses = an.SGD(0.1), np.random.default_rng(0), []

for _ in range(600):
    rows = rng.choice(len(x), 32)
    losses.append(net.forward(x[rows], t[rows]))  # forward: the loss of this batch
    net.backward()  # backward: net.grads
    optimizer.update(net.params, net.grads)  # update: net.params, in place

print(f"test accuracy {net.evaluate(x_test, t_test)['accuracy']:.3f}")

# %%
# The loss of a single batch is noisy; its mean over 30 steps shows the trend.

means = np.convolve(losses, np.ones(30) / 30, "valid")
fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
ax.plot(losses, color="0.75", linewidth=0.8, label="each batch")
ax.plot(np.arange(29, 600), means, label="mean of the last 30")
ax.set(xlabel="step", ylabel="loss", yscale="log", title="forward, backward, update")
ax.legend()
plt.show()
