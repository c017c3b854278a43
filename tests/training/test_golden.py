"""Ten steps of fit against a program written with affinet.reference alone, in float64.

This is the test that guards the whole: order of rows, forward, loss, backward, update and record.
"""

import numpy as np
import pytest

import affinet as an
from affinet import reference as ref

EXACT = {"rtol": 1e-12, "atol": 1e-13}
STEPS, BATCH, SEED, ROWS = 10, 8, 5, 30
LEARNING_RATES = {
    "SGD": 0.3,
    "Momentum": 0.1,
    "AdaGrad": 0.1,
    "Adam": 0.01,
    "SGD with weight decay": 0.3,
    "Nesterov": 0.1,
    "RMSprop": 0.01,
    "AdamW": 0.01,
}


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


def rules(scale=1.0):
    """name: affinet's optimizer, and a step by the reference from (step, dW, states, W)."""
    lr = {name: scale * lr for name, lr in LEARNING_RATES.items()}

    def sgd(step, dW, states, W):
        return ref.sgd_update(dW, lr["SGD"], 0.0, W)

    def momentum(step, dW, states, W):
        states[0], W = ref.momentum_update(dW, lr["Momentum"], 0.9, states[0], W)
        return W

    def adagrad(step, dW, states, W):
        states[0], W = ref.adagrad_update(dW, lr["AdaGrad"], 1e-7, states[0], W)
        return W

    def adam(step, dW, states, W):
        *states[:], W = ref.adam_update(dW, lr["Adam"], 0.9, 0.999, 1e-8, step, *states, W)
        return W

    def decayed(step, dW, states, W):
        return ref.sgd_update(dW, lr["SGD with weight decay"], 0.02, W)

    def nesterov(step, dW, states, W):
        states[0], W = ref.nesterov_update(dW, lr["Nesterov"], 0.9, states[0], W)
        return W

    def rmsprop(step, dW, states, W):
        states[0], W = ref.rmsprop_update(dW, lr["RMSprop"], 0.99, 1e-8, states[0], W)
        return W

    def adamw(step, dW, states, W):
        numbers = (lr["AdamW"], 0.9, 0.999, 1e-8, 0.01)
        *states[:], W = ref.adamw_update(dW, *numbers, step, *states, W)
        return W

    return {
        "SGD": (an.SGD(lr["SGD"]), sgd),
        "Momentum": (an.Momentum(lr["Momentum"], 0.9), momentum),
        "AdaGrad": (an.AdaGrad(lr["AdaGrad"]), adagrad),
        "Adam": (an.Adam(lr["Adam"]), adam),
        "SGD with weight decay": (an.SGD(lr["SGD with weight decay"], 0.02), decayed),
        "Nesterov": (an.Nesterov(lr["Nesterov"], 0.9), nesterov),
        "RMSprop": (an.RMSprop(lr["RMSprop"]), rmsprop),
        "AdamW": (an.AdamW(lr["AdamW"]), adamw),
    }


def dropout_key(seed, place):
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])


def by_reference(problem, update, loss_of):
    """Weights after ten steps, and the loss of each."""
    x, t, Ws, bs = problem
    Ws, bs = [W.copy() for W in Ws], [b.copy() for b in bs]
    states = [[np.zeros_like(a), np.zeros_like(a)] for a in (*Ws, *bs)]
    losses, sizes = [], []
    for step, rows in zip(range(STEPS), batches(SEED), strict=False):
        outs, mask = forward(x[rows], Ws, bs, (dropout_key(SEED, 2), step))
        loss, dout = loss_of(outs[-1], t[rows])
        dW, db = gradients(outs, mask, Ws, dout)
        for i in range(3):
            Ws[i] = update(step + 1, dW[i], states[i], Ws[i])
            bs[i] = update(step + 1, db[i], states[3 + i], bs[i])
        losses.append(loss)
        sizes.append(len(rows))
    return Ws, bs, losses, sizes


def build(problem, loss):
    _, _, Ws, bs = problem
    return an.Sequential(
        an.Affine(Ws[0], bs[0]), an.LeakyReLU(0.1), an.Dropout(0.25), an.Affine(Ws[1], bs[1]),
        an.Sigmoid(), an.Affine(Ws[2], bs[2]), loss=loss,
    )  # fmt: skip


LOSSES = {
    "labels": (
        an.SoftmaxWithLoss,
        lambda t: t,
        lambda x, t: ref.softmax_cross_entropy_labels(x, t)[::2],
    ),
    "rows": (
        an.SoftmaxWithLoss,
        lambda t: 0.8 * np.eye(3)[t] + 0.1,
        lambda x, t: ref.softmax_cross_entropy_rows(x, 0.8 * np.eye(3)[t] + 0.1)[::2],
    ),
    "mean squared": (
        an.MeanSquaredError,
        lambda t: np.eye(3)[t],
        lambda x, t: ref.mean_squared_error(x, np.eye(3)[t]),
    ),
    "smoothed labels": (
        lambda: an.SoftmaxWithLoss(label_smoothing=0.1),
        lambda t: t,
        lambda x, t: ref.softmax_cross_entropy_labels(x, t, None, 0.1)[::2],
    ),
    "several labels": (
        an.SigmoidWithLoss,
        lambda t: 1 - np.eye(3)[t],
        lambda x, t: ref.sigmoid_cross_entropy(x, 1 - np.eye(3)[t]),
    ),
    "mean absolute": (
        an.MeanAbsoluteError,
        lambda t: np.eye(3)[t],
        lambda x, t: ref.mean_absolute_error(x, np.eye(3)[t]),
    ),
    "Huber": (
        lambda: an.Huber(0.3),
        lambda t: np.eye(3)[t],
        lambda x, t: ref.huber_loss(x, np.eye(3)[t], None, 0.3),
    ),
    "Poisson": (
        an.Poisson,
        lambda t: 2 * np.eye(3)[t],
        lambda x, t: ref.poisson_loss(x, 2 * np.eye(3)[t]),
    ),
    "quantile": (
        lambda: an.Quantile(0.8),
        lambda t: np.eye(3)[t],
        lambda x, t: ref.quantile_loss(x, np.eye(3)[t], None, 0.8),
    ),
    "half sum of squares": (
        an.SumSquaredError,
        lambda t: np.eye(3)[t],
        lambda x, t: ref.sum_squared_error(x, np.eye(3)[t]),
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rule", LEARNING_RATES)
def test_ten_steps_of_fit(problem, rule, loss):
    # A sum over the batch's elements is as many times their mean.
    optimizer, update = rules(0.01 if loss == "half sum of squares" else 1.0)[rule]
    make_loss, targets, loss_of = LOSSES[loss]
    Ws, bs, losses, sizes = by_reference(problem, update, loss_of)
    net = build(problem, make_loss())
    x, t, *_ = problem
    history = net.fit(x, targets(t), steps=STEPS, batch_size=BATCH, optimizer=optimizer, seed=SEED)
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
    Ws, bs, *_ = by_reference(problem, rules()["SGD"][1], LOSSES["labels"][2])
    expected = np.concatenate([a.ravel() for pair in zip(Ws, bs, strict=True) for a in pair])
    # Ten steps of a few hundred operations each, on numbers of about 1.
    np.testing.assert_allclose(net.params.flat, expected, atol=2e-5)
