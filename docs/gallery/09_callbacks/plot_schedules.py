"""
Learning-rate schedules
=======================

You will see the rate of every update under each schedule, and what a falling rate does for the
result: the last steps become small enough to settle.

.. index:: ! learning rate schedules, ! learning-rate schedules
"""

import matplotlib.pyplot as plt

import affinet as an

schedules = {
    "Constant": an.schedules.Constant(0.01),
    "Step, every 10 epochs": an.schedules.Step(0.01, every=10, factor=0.3),
    "Exponential": an.schedules.Exponential(0.01, decay=0.997),
    "Cosine, warm-up of 100": an.schedules.Cosine(0.01, warmup=100),
    "FlatCosine": an.schedules.FlatCosine(0.01),
    "OneCycle": an.schedules.OneCycle(0.01),
    "CosLog4": an.schedules.CosLog4(0.01),
    "of your own": lambda progress: 0.01 * (1 - progress.step / progress.steps) ** 2,
}
(x, t), (x_test, t_test) = an.datasets.load_digits()

fig, axes = plt.subplots(2, 4, figsize=(12, 5), layout="constrained", sharex=True, sharey=True)
for ax, (name, schedule) in zip(axes.flat, schedules.items(), strict=True):
    net = an.Sequential(
        an.Affine.init(64, 32, rng=0),
        an.ReLU(),
        an.Affine.init(32, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    rates = []
    keep = an.every_steps(1, lambda state, rates=rates: rates.append(state.optimizer.lr))
    net.fit(x, t, epochs=30, optimizer=an.Adam(), schedule=schedule, callbacks=[keep])
    loss = net.evaluate(x_test, t_test)["loss"]
    ax.plot(rates)
    ax.set_title(f"{name}\ntest loss {loss:.3f}", fontsize=10)
    print(f"{name:24} test loss {loss:.3f}")
for ax in axes[:, 0]:
    ax.set_ylabel("learning rate")
for ax in axes[1]:
    ax.set_xlabel("step")
plt.show()
