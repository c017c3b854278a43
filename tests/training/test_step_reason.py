"""History says how steps were computed and, if not by the compiled step, why."""

import pickle

import numpy as np
import pytest

import affinet as an

SWAPPED = np.dtype(float).newbyteorder()
X = np.random.default_rng(0).standard_normal((8, 3))
T = np.arange(8) % 2


class OwnReLU(an.ReLU):
    pass


class OwnLoss(an.SoftmaxWithLoss):
    pass


class OwnRule(an.SGD):
    pass


class Plain:
    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


def trained(*middle, loss=None, optimizer=None, x=X):
    width = int(np.prod(np.shape(x)[1:]))
    net = an.Sequential(
        *middle,
        an.Affine.init(width, 2, rng=0),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
    )
    return net.fit(x, T, steps=1, optimizer=optimizer)


def test_a_fused_step_needs_no_reason():
    history = trained(an.Tanh(), an.Dropout(0.1))
    assert (history.step_kind, history.step_reason) == ("fused", None)


REASONS = {
    "custom layer": (lambda: trained(Plain()), "layer 0, Plain, has no compiled form"),
    "subclass": (lambda: trained(an.Tanh(), OwnReLU()), "layer 1, OwnReLU, has no compiled form"),
    "inside": (
        lambda: trained(an.Residual(an.Tanh(), Plain())),
        "layer 0.1, Plain, has no compiled form",
    ),
    "loss": (lambda: trained(loss=OwnLoss()), "the loss OwnLoss has no compiled form"),
    "optimizer": (lambda: trained(optimizer=OwnRule()), "the optimizer OwnRule has no compiled"),
    "integers": (lambda: trained(x=X.astype(np.int16)), "x has dtype <i2"),
    "byte order": (lambda: trained(x=X.astype(SWAPPED)), f"x has dtype {SWAPPED.str}"),
    "half precision": (lambda: trained(x=X.astype(np.float16)), "x has dtype <f2"),
    "strides": (
        lambda: trained(x=np.zeros((8, 2, 3)).transpose(0, 2, 1)),
        "numbers of a row of x do not lie",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_it_is_not_fused(name):
    train, reason = REASONS[name]
    history = train()
    assert history.step_kind == "layer by layer"
    assert reason in history.step_reason


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([an.ReLU()], "no layer fixes"),
        ([an.Affine(np.zeros((3, 0)), np.zeros(0)), an.Affine(np.zeros((0, 2)), np.zeros(2))],
         "layer 0 has a width of 0"),
        ([*(an.ReLU() for _ in range(1000)), an.Affine.init(3, 2, rng=0)],
         "there are 1001 operations"),
    ],
)  # fmt: skip
def test_networks_that_cannot_be_compiled(layers, reason):
    from affinet.network.inner import why_not_compiled

    assert reason in why_not_compiled(layers)


def test_it_is_kept_in_records_files_and_pickles(tmp_path):
    history = trained(Plain())
    assert an.History.from_dict(history.to_dict()) == history
    assert pickle.loads(pickle.dumps(history)).step_reason == history.step_reason
    old = history.to_dict()
    del old["step_reason"]
    assert an.History.from_dict(old).step_reason is None
