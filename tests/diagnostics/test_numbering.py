"""Layers have one number everywhere: their place in the network, as in the keys of parameters."""

import json

import pytest

import affinet as an
from affinet.cli import main
from affinet.diagnostics import Monitor, monitor, numbering


@pytest.fixture
def watched():
    """A net whose layers with parameters are not its first ones, and the record of a training."""
    (x, t), _ = an.datasets.load_digits()
    net = an.Sequential(
        an.Dropout(0.1), an.Affine.init(64, 8, 0), an.BatchNorm(8), an.ReLU(),
        an.Affine.init(8, 8, 1), an.Tanh(), an.Affine.init(8, 10, 2), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    net.layers[4].b[...] = 0
    watch = Monitor(every=4, verbose=False)
    net.fit(x[:64], t[:64], epochs=2, callbacks=[watch], seed=0)
    return net, watch


def test_the_monitor_numbers_layers_as_the_keys_do(watched):
    net, watch = watched
    places = list(dict.fromkeys(key.partition(".")[0] for key in net.params))
    assert watch.places == places == ["1", "2", "4", "6"]
    firsts = [row[0] for row in watch.rows()[1:]]
    assert firsts == [f"{place} {net.layers[int(place)]!r}" for place in places]
    assert watch.rows()[2][-1] != "-"  # the ReLU's dead units stand at the layer that feeds it
    assert watch.rows()[1][-1] == watch.rows()[3][-1] == "-"


def test_advice_names_the_place():
    record = {
        **monitor.empty_record(), "net": ["Dropout(p=0.1)", "Affine(2 -> 3)", "ReLU()"],
        "layers": ["Affine(2 -> 3)"], "places": ["1"], "matrices": [0], "rectified": [1],
        "steps": [1], "loss": [1.0], "gradient": [[1.0]], "weight": [[1.0]], "update": [[0.01]],
        "dead": [[0.996]], "rows": 10, "counted": [1], "epochs": [{"epoch": 1, "loss": 0.1}],
    }  # fmt: skip
    (sentence,) = monitor.advice_on(record)
    assert sentence.startswith("layer 1: >99% of its units fire for none of 10 rows")


def test_records_of_earlier_versions_get_the_same_numbers(watched):
    record = json.loads(json.dumps(watched[1].to_dict()))
    wanted = monitor.record_rows(record)
    record["advice"] = ["layer 1: gradient norm 1e-9 of layer 4's: vanishing; try ReLU"]
    del record["places"], record["dead_places"]
    assert numbering.layer_places(record) == ["1", "2", "4", "6"]
    assert monitor.record_rows(record) == wanted
    assert numbering.advice_of(record) == [
        "layer 1: gradient norm 1e-9 of layer 6's: vanishing; try ReLU"
    ]
    unknown = {**record, "net": []}
    assert numbering.layer_places(unknown) == ["0", "1", "2", "3"]
    assert numbering.dead_places({**record, "rectified": [0]}) == ["3"]  # the ReLU itself


def test_inspect_shows_them(watched, tmp_path, capsys):
    net, _ = watched
    record = net.metadata["monitor"]
    record["advice"] = ["layer 3: dead"]
    del record["places"], record["dead_places"]  # as an earlier version wrote it
    net.save(tmp_path / "m.npz")
    assert main(["inspect", str(tmp_path / "m.npz")]) == 0
    shown = capsys.readouterr().out
    assert "6 Affine(8 -> 10)" in shown
    assert "layer 4: dead" in shown
    report = an.gradient_check(net, an.datasets.load_digits()[0][0][:4], [0, 1, 2, 3])
    assert {"1.W", "6.b"} <= {check.name for check in report.checks}


def test_the_old_name_of_a_path_still_works():
    with pytest.warns(DeprecationWarning, match="DescentPath"):
        assert an.diagnostics.Path is an.diagnostics.DescentPath
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = an.diagnostics.Nothing
