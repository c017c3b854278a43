"""The page of a training that has ended."""

import json
import re

import numpy as np
import pytest

import affinet as an
from affinet.live import still_page


def record_of(page):
    return json.loads(re.search("const record = (.*);", page)[1])


def make_net():
    return an.Sequential(an.Affine.init(4, 2, rng=0), loss=an.SoftmaxWithLoss())


def test_the_page_holds_epochs_norms_and_weights():
    net, watch = make_net(), an.diagnostics.Monitor(every=2, verbose=False)
    x, t = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32), np.arange(32) % 2
    history = net.fit(x, t, epochs=3, batch_size=8, callbacks=[watch], verbose=0)
    found = record_of(still_page(net, history.epochs, watch.to_dict(), title="t"))
    assert [epoch["step"] for epoch in found["epochs"]] == [1, 2, 3]
    assert [e["loss"] for e in found["epochs"]] == pytest.approx(
        [e["loss"] for e in history.epochs], rel=1e-4
    )
    assert [sample["step"] for sample in found["samples"]] == watch.steps.tolist()
    assert len(found["samples"][0]["gradient"]) == len(found["layers"]) == len(found["places"])
    assert (found["weights"]["units"], found["axis"]) == (2, "epoch")
    json.dumps(found, allow_nan=False)


def test_what_is_not_finite_and_what_ends_a_script_is_harmless():
    title = "</script><script>alert(1)</script> const record = null;"
    page = still_page(make_net(), [{"loss": float("nan")}], title=title)
    assert page.count("</script>") == 1
    assert record_of(page)["title"] == title
    assert record_of(page)["points"][0]["loss"] is None


@pytest.mark.parametrize("layer", [an.ReLU(), an.Affine(np.full((2, 1), np.nan), np.zeros(1))])
def test_a_network_without_a_finite_matrix_has_no_picture_of_weights(layer):
    assert "weights" not in record_of(still_page(an.Sequential(layer), [{"loss": 0.5}]))


def test_a_training_without_an_epoch_is_refused():
    with pytest.raises(ValueError, match="epochs is empty"):
        still_page(make_net(), [])
