"""
A first network
===============

You will see a network learn to read 8x8 images of digits, and its learning curve: loss and accuracy
on the training rows and on rows that it never trains on. Start here.
"""

import matplotlib.pyplot as plt

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
print("inputs", x.shape, "targets", t.shape)

# %%
# A network is a list of layers with a loss: 64 pixels, 64 hidden units, 10 classes.

net = an.Sequential(
    an.Affine.init(64, 64, rng=0),
    an.ReLU(),
    an.Affine.init(64, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
history = net.fit(
    x, t, epochs=20, batch_size=32, optimizer=an.Adam(0.003), validation_data=(x_test, t_test)
)
print(net.summary())
print(f"test accuracy {net.evaluate(x_test, t_test)['accuracy']:.3f}")

# %%
# Both curves fall together, so the network learns something that holds for new images too.

fig, ax = plt.subplots(figsize=(9, 5), layout="constrained")
an.plotting.learning_curve(history, ax)

# %%
# ``predict_proba`` returns one probability per class, ``predict`` the numbers before the softmax.

print(net.predict_proba(x_test[:1]).round(3))
plt.show()
