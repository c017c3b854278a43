"""
All optimizers on one problem
=============================

You will see the training loss of the same network under every optimizer, each with a rate that
suits it. The differences are large in the first epochs and small in the end.
"""

import matplotlib.pyplot as plt

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
optimizers = (
    an.SGD(0.1),
    an.Momentum(0.03),
    an.Nesterov(0.03),
    an.AdaGrad(0.02),
    an.RMSprop(0.002),
    an.Adam(0.003),
    an.AdamW(0.003),
    an.Lion(0.0005),
    an.Muon(0.02, adamw_lr=0.003),
)
styles = ("-", "--", ":", "-.", "-", "--", ":", "-.", "-")

fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
for optimizer, style in zip(optimizers, styles, strict=True):
    net = an.Sequential(
        an.Affine.init(64, 64, rng=0),
        an.ReLU(),
        an.Affine.init(64, 64, rng=1),
        an.ReLU(),
        an.Affine.init(64, 10, rng=2),
        loss=an.SoftmaxWithLoss(),
    )
    history = net.fit(x, t, epochs=20, optimizer=optimizer)
    name = type(optimizer).__name__
    ax.plot(range(1, 21), history["loss"], style, label=f"{name}, {optimizer.lr:g}")
    accuracy = net.evaluate(x_test, t_test)["accuracy"]
    print(f"{name:9} loss {history['loss'][-1]:.4f}, test accuracy {accuracy:.3f}")
ax.set(xlabel="epoch", ylabel="training loss", yscale="log", title="digits, 64-64-64-10")
ax.set_xticks(range(0, 21, 5))
ax.legend(title="optimizer, rate", fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
