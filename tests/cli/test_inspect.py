"""``affinet inspect``: a model's layers, metadata and training record."""

import json

import affinet as an


def test_inspect_shows_layers_metadata_and_record(shell, model, net):
    out, _ = shell("inspect", model)
    assert net.summary() in out
    assert "inputs are multiplied by 0.0625" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["dataset", "digits"] in lines
    assert ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"] in lines
    for epoch in net.metadata["epochs"]:
        figures = [epoch[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")]
        assert [str(epoch["epoch"]), *(f"{value:.4f}" for value in figures)] in lines


def test_inspect_json(shell, model, net):
    result = json.loads(shell("inspect", model, "--json")[0])
    assert result["metadata"] == net.metadata
    assert result["parameters"] == net.params.flat.size
    assert result["shapes"]["1.W"] == [64, 32]
    assert [layer["type"] for layer in result["layers"]][:2] == ["Dropout", "Affine"]
    assert result["input_scale"] == 1 / 16
    assert result["precision"] is None


def test_a_long_record_is_thinned_and_ends_with_the_last_epoch(shell, net, tmp_path):
    net.metadata["epochs"] = [{"epoch": n, "loss": 1 / n} for n in range(1, 101)]
    net.save(tmp_path / "long.npz")
    out, _ = shell("inspect", tmp_path / "long.npz")
    *_, last, note = out.splitlines()
    assert last.split() == ["100", "0.0100"]
    assert "1 epoch in 5" in note


def test_inspect_shows_how_threads_would_share_a_step(shell, model, net):
    with an.num_threads(2):
        out, _ = shell("inspect", model, "--plan", 64)
        plan = json.loads(shell("inspect", model, "--plan", 64, "--json")[0])["plan"]
        assert net.summary(plan=True, batch_size=64) in out
    assert f"a step of 64 rows: {plan['threads']} thread" in out
    assert plan["most_threads"] == len(plan["expected_microseconds"]) == 2
    assert plan["batch"][0] == 0
    assert plan["batch"][-1] == 64
    assert plan["weights"]["1.W"][-1] == 64


def test_inspect_a_model_without_metadata(shell, regression):
    out, _ = shell("inspect", regression)
    assert out == an.load(regression).summary() + "\n"
    assert json.loads(shell("inspect", regression, "--json")[0])["loss"] == "MeanSquaredError"


def test_inspect_refuses_a_plan_for_no_rows(refused, model):
    assert "--plan" in refused("inspect", model, "--plan", 0)
