"""
Dropout
=======

You will see the gap between training and test accuracy shrink as more hidden units are dropped,
until the network is too weak to learn. A fifth of the training labels is wrong, so that there is
something to overfit.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
x, t = x[:400], t[:400].copy()
rng = np.random.default_rng(0)
wrong = rng.random(400) < 0.2
t[wrong] = (t[wrong] + rng.integers(1, 10, wrong.sum())) % 10

ps = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)
train, test = [], []
for p in ps:
    net = an.Sequential(
        an.Affine.init(64, 128, rng=0),
        an.ReLU(),
        an.Dropout(p, rng=0),
        an.Affine.init(128, 128, rng=1),
        an.ReLU(),
        an.Dropout(p, rng=1),
        an.Affine.init(128, 10, rng=2),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(x, t, epochs=60, optimizer=an.Adam(0.002))
    train.append(net.evaluate(x, t)["accuracy"])
    test.append(net.evaluate(x_test, t_test)["accuracy"])
    print(f"p = {p}: training {train[-1]:.3f}, test {test[-1]:.3f}")

fig, ax = plt.subplots(figsize=(6.8, 4), layout="constrained")
ax.plot(ps, train, "o-", label="training rows, a fifth of the labels wrong")
ax.plot(ps, test, "s--", label="test rows, labels right")
ax.set(xlabel="probability p of dropping a unit", ylabel="accuracy", ylim=(0, 1.05))
ax.legend(loc="lower left")
plt.show()
