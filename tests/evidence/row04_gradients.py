"""Row 4: gradient checks of random networks; a second pass gives the same bits."""

from __future__ import annotations

import copy

import numpy as np

import affinet as an
from evidence import Row
from parts.layers import LAYERS
from parts.losses import WITH_EVERY_TARGET

WIDTH, NETS = 5, 4
LIMIT = 1e-7


def layers(rng):
    """One to six layers of any kind, an affine one at either end, some inside a residual."""
    made = [an.Affine.init(WIDTH, WIDTH, rng=int(rng.integers(1 << 30)), dtype="float64")]
    names = [name for name, row in LAYERS.items() if not row.codes]
    for name in rng.choice(names, int(rng.integers(0, 5))):
        layer = LAYERS[name].make(WIDTH, np.dtype("float64"))
        if rng.random() < 0.2 and name != "Residual":
            layer = an.Residual(layer)
        made.append(layer)
    if len(made) > 1:
        made.append(an.Affine.init(WIDTH, WIDTH, rng=int(rng.integers(1 << 30)), dtype="float64"))
    return made


def network(rng):
    """A random network, its inputs and targets, and what to call it."""
    chosen = str(rng.choice(list(WITH_EVERY_TARGET)))
    make, targets = WITH_EVERY_TARGET[chosen]
    made = layers(rng)
    x = rng.standard_normal((int(rng.integers(4, 8)), WIDTH))
    t = targets(rng.standard_normal((len(x), WIDTH)))
    names = [type(layer).__name__ for layer in made]
    return an.Sequential(*made, loss=make()), x, t, f"{names} {chosen}"


def batch(b):
    for _ in range(NETS):
        net, x, t, what = network(b.rng)
        report = an.gradient_check(net, x, t, rng=b.rng, tolerance=LIMIT, samples=8, directions=2)
        b.case()
        errors = [check.max_error for check in report.checks]
        b.measure("largest relative error", max(errors, default=0))
        b.expect(report.passed, f"{what}: {report}")
        b.expect(max(errors, default=0) <= LIMIT, f"{what}: {max(errors):.3g}")
        first, second = copy.deepcopy(net), copy.deepcopy(net)
        b.expect(bits(first, x, t) == bits(second, x, t), f"{what}: a second run differs")


def bits(net, x, t):
    """The loss, the gradients and the parameters of one training step, to the bit."""
    value = net.forward(x, t)
    net.backward()
    gradients = {name: array.tobytes() for name, array in net.grads.items()}
    net.fit(x, t, epochs=1, batch_size=len(x), seed=0)
    return value, gradients, net.params.flat.tobytes()


ROW = Row(
    number=4,
    title="Gradient checks of random networks: 1 to 6 layers of every kind, every loss, residuals",
    holds="relative error <= 1e-7 in float64; a second run is equal to the bit",
    aim=10_000,
    batch=batch,
    cases="networks",
    also=("tests/gradcheck",),
)
