"""``affinet evaluate``: the measures of a saved model."""

import json

import numpy as np
import pytest

import affinet as an


def test_evaluate_prints_what_the_network_says(shell, model, net, digits):
    out, err = shell("evaluate", model, "digits")
    assert err == []
    figures = net.evaluate(*digits)
    lines = [line.split() for line in out.splitlines()]
    assert ["test", "359", f"{figures['loss']:.4f}", f"{figures['accuracy']:.4f}"] in lines
    assert out.splitlines()[-1] == f"test accuracy {figures['accuracy']:.4f}"


def test_evaluate_counts_every_class(shell, model, net, digits):
    out, _ = shell("evaluate", model, "digits", "--json")
    classes = json.loads(out)["test"]["classes"]
    x, t = digits
    found = net.predict(x).argmax(axis=1)
    assert [part["class"] for part in classes] == [str(digit) for digit in range(10)]
    for digit, part in enumerate(classes):
        assert part["rows"] == np.count_nonzero(t == digit)
        assert part["correct"] == np.count_nonzero((t == digit) & (found == digit))
        assert part["accuracy"] == pytest.approx(part["correct"] / part["rows"])


def test_evaluate_json_has_both_splits(shell, model, net):
    out, _ = shell("evaluate", model, "digits", "--json")
    result = json.loads(out)
    train, test = an.datasets.load_digits(scaled=False)
    for name, split in (("train", train), ("test", test)):
        figures = net.evaluate(*split)
        assert result[name]["rows"] == len(split[1])
        assert result[name]["loss"] == pytest.approx(figures["loss"])
        assert result[name]["accuracy"] == pytest.approx(figures["accuracy"])


def test_evaluate_gives_scaled_pixels_to_a_network_that_does_not_scale(shell, tmp_path):
    (x, t), test = an.datasets.load_digits()
    net = an.Sequential(
        an.Affine.init(64, 10, rng=0, activation="linear"), loss=an.SoftmaxWithLoss()
    )
    net.fit(x, t, epochs=3, optimizer=an.Adam(0.01))
    net.save(tmp_path / "own.npz")
    out, _ = shell("evaluate", tmp_path / "own.npz", "digits", "--json")
    assert json.loads(out)["test"]["accuracy"] == pytest.approx(net.evaluate(*test)["accuracy"])


def test_evaluate_on_another_data_set_says_so(shell, model, net, tmp_path):
    net.metadata["dataset"] = "mnist"
    net.save(tmp_path / "m.npz")
    _, err = shell("evaluate", tmp_path / "m.npz", "digits")
    assert err == [f"affinet: note: {tmp_path / 'm.npz'} was trained on mnist"]


def test_evaluate_refusals(refused, model, regression, tmp_path):
    assert "spiral has 2 numbers a row" in refused("evaluate", model, "spiral")
    assert "gone.npz" in refused("evaluate", tmp_path / "gone.npz", "digits")
    assert "MeanSquaredError" in refused("evaluate", regression, "digits")
    (tmp_path / "text.npz").write_text("no model")
    assert "text.npz" in refused("evaluate", tmp_path / "text.npz", "digits")
    assert "--data-dir" in refused("evaluate", model, "digits", "--data-dir", tmp_path)
