"""Ten steps of fit against a program written with affinet.reference alone, in float64.

This is the test that guards the whole: order of rows, forward, loss, backward, update and record.
"""

import numpy as np
import pytest

import affinet as an
from affinet import reference as ref
from parts.losses import WITH_EVERY_TARGET
from parts.losses import by_reference as loss_by_reference
from parts.optimizers import OPTIMIZERS, SETTINGS, reference_step

EXACT = {"rtol": 1e-12, "atol": 1e-13}
STEPS, BATCH, SEED, ROWS = 10, 8, 5, 30


@pytest.fixture
def problem():
    """x of class 0..2 and weights of a 6-7-5-3 network."""
    rng = np.random.default_rng(11)
    x, t = rng.standard_normal((ROWS, 6)), rng.integers(0, 3, ROWS)
    sizes = [(6, 7), (7, 5), (5, 3)]
    return (
        x,
        t,
        [rng.standard_normal(s) * 0.5 for s in sizes],
        [rng.standard_normal(s[1]) for s in sizes],
    )


def batches(seed):
    """Rows of each step: a permutation by (seed, epoch), cut into batches."""
    for epoch in range(STEPS):
        order = np.random.default_rng([seed, epoch]).permutation(ROWS)
        for start in range(0, ROWS, BATCH):
            yield order[start : start + BATCH]


def forward(x, Ws, bs, drop):
    """Affine, LeakyReLU, Dropout, Affine, Sigmoid, Affine; every layer's output."""
    outs = [x, ref.affine_forward(x, Ws[0], bs[0])]
    outs.append(ref.leaky_relu_forward(outs[-1], 0.1))
    dropped, mask = ref.dropout_forward(outs[-1], 0.25, *drop, 0)
    outs.append(dropped)
    outs.append(ref.affine_forward(dropped, Ws[1], bs[1]))
    outs.append(ref.sigmoid_forward(outs[-1]))
    outs.append(ref.affine_forward(outs[-1], Ws[2], bs[2]))
    return outs, mask


def gradients(outs, mask, Ws, dout):
    """dW and db of the three affine layers."""
    dW, db = [None] * 3, [None] * 3

    def affine(place, x, dout):
        dW[place], db[place] = ref.affine_backward_dw(x, dout), ref.affine_backward_db(dout)
        return ref.affine_backward_dx(dout, Ws[place])

    dout = ref.sigmoid_backward(outs[5], affine(2, outs[5], dout))
    dout = ref.dropout_backward(affine(1, outs[3], dout), mask, 0.25)
    affine(0, outs[0], ref.leaky_relu_backward(outs[2], dout, 0.1))
    return dW, db


def dropout_key(seed, place):
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])


def by_reference(problem, optimizer, loss_of):
    """Weights after ten steps, and the loss of each."""
    x, t, Ws, bs = problem
    Ws, bs = [W.copy() for W in Ws], [b.copy() for b in bs]
    states = [[np.zeros_like(a)] * optimizer.n_averages for a in (*Ws, *bs)]
    losses, sizes = [], []
    for step, rows in zip(range(STEPS), batches(SEED), strict=False):
        outs, mask = forward(x[rows], Ws, bs, (dropout_key(SEED, 2), step))
        loss, dout = loss_of(outs[-1], t[rows])
        dW, db = gradients(outs, mask, Ws, dout)
        for i in range(3):
            states[i], Ws[i] = reference_step(optimizer, step + 1, dW[i], states[i], Ws[i])
            states[3 + i], bs[i] = reference_step(optimizer, step + 1, db[i], states[3 + i], bs[i])
        losses.append(loss)
        sizes.append(len(rows))
    return Ws, bs, losses, sizes


def build(problem, loss):
    _, _, Ws, bs = problem
    return an.Sequential(
        an.Affine(Ws[0], bs[0]), an.LeakyReLU(0.1), an.Dropout(0.25), an.Affine(Ws[1], bs[1]),
        an.Sigmoid(), an.Affine(Ws[2], bs[2]), loss=loss,
    )  # fmt: skip


@pytest.mark.parametrize("loss", WITH_EVERY_TARGET)
@pytest.mark.parametrize("rule", SETTINGS)
def test_ten_steps_of_fit(problem, rule, loss):
    make, targets = WITH_EVERY_TARGET[loss]
    # A sum over the batch's elements is as many times their mean.
    rate = OPTIMIZERS[rule.partition(" ")[0]].golden_lr * (0.01 if make().is_sum else 1.0)
    x, _, Ws, bs = problem
    t = targets(np.random.default_rng(12).standard_normal((ROWS, 3)))
    problem = (x, t, Ws, bs)
    Ws, bs, losses, sizes = by_reference(
        problem, SETTINGS[rule](rate), lambda x, t: loss_by_reference(make(), x, t)
    )
    net, optimizer = build(problem, make()), SETTINGS[rule](rate)
    history = net.fit(x, t, steps=STEPS, batch_size=BATCH, optimizer=optimizer, seed=SEED)
    for place, i in ((0, 0), (3, 1), (5, 2)):
        np.testing.assert_allclose(net.params[f"{place}.W"], Ws[i], **EXACT)
        np.testing.assert_allclose(net.params[f"{place}.b"], bs[i], **EXACT)
    per_epoch = -(-ROWS // BATCH)
    for epoch, start in enumerate(range(0, STEPS, per_epoch)):
        part = slice(start, start + per_epoch)
        wanted = np.average(losses[part], weights=sizes[part])
        np.testing.assert_allclose(history["loss"][epoch], wanted, **EXACT)


def test_ten_steps_in_float32_stay_near(problem):
    x, t, Ws, bs = problem
    single = (x, t, [W.astype(np.float32) for W in Ws], [b.astype(np.float32) for b in bs])
    net = build(single, an.SoftmaxWithLoss())
    net.fit(x, t, steps=STEPS, batch_size=BATCH, optimizer=an.SGD(0.3), seed=SEED)
    assert net.params.flat.dtype == np.float32
    Ws, bs, *_ = by_reference(
        problem, an.SGD(0.3), lambda x, t: loss_by_reference(an.SoftmaxWithLoss(), x, t)
    )
    expected = np.concatenate([a.ravel() for pair in zip(Ws, bs, strict=True) for a in pair])
    # Ten steps of a few hundred operations each, on numbers of about 1.
    np.testing.assert_allclose(net.params.flat, expected, atol=2e-5)
