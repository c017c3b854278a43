"""``affinet gradcheck``: a saved network's gradients against central differences."""

import json

import pytest

import affinet as an


@pytest.mark.parametrize("rows", [[], ["digits"], ["digits", "--rows", "3"], ["--seed", "4"]])
def test_gradcheck_passes(shell, model, rows):
    out, _ = shell("gradcheck", model, *rows)
    assert out.startswith("gradient check passed")
    assert all(name in out for name in ("1.W", "1.b", "4.W", "4.b", "x"))


@pytest.mark.parametrize(
    "loss",
    [an.SigmoidWithLoss(), an.Poisson(), an.Huber(), an.Quantile(0.1), an.MeanAbsoluteError()],
    ids=repr,
)
def test_gradcheck_of_every_kind_of_loss(shell, tmp_path, loss):
    an.Sequential(an.Affine.init(3, 2, rng=0), loss=loss).save(tmp_path / "m.npz")
    assert json.loads(shell("gradcheck", tmp_path / "m.npz", "--json")[0])["passed"] is True


def test_gradcheck_of_a_network_without_classes(shell, regression):
    assert json.loads(shell("gradcheck", regression, "--json")[0])["passed"] is True


def test_gradcheck_fails_on_a_wrong_backward(shell, model, monkeypatch):
    right = an.ReLU.backward
    monkeypatch.setattr(an.ReLU, "backward", lambda layer, dout: -right(layer, dout))
    out, err = shell("gradcheck", model, "digits", code=1)
    assert out.startswith("gradient check FAILED")
    assert err == []
    assert json.loads(shell("gradcheck", model, "--json", code=1)[0])["passed"] is False


def test_gradcheck_refusals(refused, model, tmp_path):
    assert "--tolerance" in refused("gradcheck", model, "--tolerance", "0")
    assert "--rows" in refused("gradcheck", model, "--rows", "0")
    an.Sequential(an.Affine.init(2, 2, rng=0)).save(tmp_path / "plain.npz")
    assert "no loss" in refused("gradcheck", tmp_path / "plain.npz")
