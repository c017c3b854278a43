"""
Label smoothing
===============

You will see how sure two networks are of their predictions, one trained on labels, one on smoothed
labels. Targets of about 0.9 instead of 1 keep a network from becoming ever surer: it is less sure
where it is wrong. It is also less sure where it is right, so the cross-entropy on new rows need not
become smaller.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
x, t = x[:400], t[:400]

fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", sharey=True)
for ax, smoothing in zip(axes, (0.0, 0.1), strict=True):
    net = an.Sequential(
        an.Affine.init(64, 64, rng=0),
        an.ReLU(),
        an.Affine.init(64, 10, rng=1),
        loss=an.SoftmaxWithLoss(label_smoothing=smoothing),
    )
    net.fit(x, t, epochs=100, optimizer=an.Adam(0.003))
    p = net.predict_proba(x_test)
    right = p.argmax(axis=1) == t_test
    bins = np.linspace(0, 1, 21)
    ax.hist(p.max(axis=1)[right], bins, color="C0", label="right")
    ax.hist(p.max(axis=1)[~right], bins, color="C1", hatch="//", edgecolor="w", label="wrong")
    ax.set(yscale="log", xlabel="probability of the predicted class")
    ax.set_title(f"label_smoothing={smoothing}")
    cross_entropy = -np.log(p[np.arange(len(p)), t_test]).mean()
    wrong = p.max(axis=1)[~right].mean()
    print(f"label_smoothing={smoothing}: accuracy {right.mean():.3f}")
    print(f"    mean probability when wrong {wrong:.2f}, cross-entropy {cross_entropy:.3f}")
axes[0].set_ylabel("test images")
axes[0].legend(loc="upper left")
plt.show()
