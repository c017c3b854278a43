"""Every layer as C: its bits, its loops, its integers."""

import os
import subprocess
import sys

import numpy as np
import pytest

import affinet as an
from affinet._dispatch import baseline_level
from affinet.layers.tree import layer_widths
from compiled_c import AS_C, AS_CPP, EXACT, WARNINGS
from parts.layers import LAYERS

CASES = [(name, variant) for name, row in LAYERS.items() for variant in ("", *row.variants)]


def network(name, variant=""):
    """A network with the layer, and rows for it."""
    row = LAYERS[name]
    layer = (row.variants[variant] if variant else row.make)(6, np.dtype("float32"))
    taken, returned = layer_widths(layer) or (6, 6)
    net = an.Sequential(layer, an.Affine.init(returned, 3, rng=0))
    x = 3 * np.random.default_rng(1).standard_normal((30, taken)).astype(np.float32)
    return net, row.inputs(x)


def has_members(net):
    return any(getattr(layer, "members", 1) > 1 for layer in net.layers)


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_float32_has_the_bits_of_the_level_without_fma_and_the_loops_it_says(c, name, variant):
    net, x = network(name, variant)
    if has_members(net):
        with pytest.raises(ValueError, match="members"):
            c.write(net)
        return
    c.write(net, test=x)
    assert c.run(*WARNINGS, *EXACT) == (0, "0 of 90 outputs differ\n")
    if not variant:
        assert c.loops(x[:5]) == {c.found["iterations"]}


@pytest.mark.parametrize(
    ("name", "variant", "kind"),
    [(name, "", "int16") for name in LAYERS] + [(*case, "int8") for case in CASES],
)
def test_integers_agree_with_the_emulation_and_are_near_the_network(c, name, variant, kind):
    net, x = network(name, variant)
    c.write(net, type=kind, calibrate=x, test=4 * x)  # beyond the rows of the calibration too
    assert c.run(*WARNINGS) == (0, "0 of 90 outputs differ\n")
    assert c.loops(x[:3].astype(kind)) == {c.found["iterations"]}
    y = net.predict(x)
    error = np.abs(an.export.emulate(net, x, type=kind, calibrate=x) - y).max()
    # A few steps of the coarsest scale; int16's functions are lines between 1025 values.
    assert error < (0.06 if kind == "int8" else 0.002) * np.abs(y).max()


def large():
    """A network of many layers and branches."""
    return an.Sequential(
        an.PeriodicEmbedding(6, [1, 2], rng=0),
        *(an.NTKAffine.init(12, 12, rng=0), an.Parametric(12, "mish"), an.LayerNorm(12)),
        an.Residual(
            an.Affine.init(12, 20, rng=1),
            an.Residual(an.GELU(), an.BatchNorm(20)),
            an.Affine.init(20, 8, rng=1),
            projection=an.Affine.init(12, 8, rng=2),
        ),
        *(an.Dropout(0.5, rng=0), an.Tanh(), an.SELU()),
        *(an.Increasing(4), an.Scale(8)),
        loss=an.SoftmaxWithLoss(),
        input_scale=0.5,
    )


@pytest.mark.parametrize("compiler", [AS_C, AS_CPP])
def test_a_large_network_compiles_as_c_and_as_cpp_without_a_warning(c, compiler):
    net = large()
    x = np.random.default_rng(0).standard_normal((20, 6))
    c.write(net, test=x)
    assert c.run(*WARNINGS, *EXACT, compiler=compiler) == (0, "0 of 160 outputs differ\n")
    assert c.loops(x[:3].astype(np.float32)) == {c.found["iterations"]}
    assert c.found["scratch"] == 4 * (20 + 20 + 12)  # a branch, the branch in it, and its input


def test_the_vectors_are_those_of_predict_at_the_baseline_level(tmp_path):
    if baseline_level().build_level()[1]:
        pytest.skip("the baseline level here fuses multiply-adds")
    large().save(tmp_path / "net.npz")
    program = (
        "import sys, numpy as np, affinet as an\n"
        "from affinet.export.vectors import without_fma\n"
        "net = an.load(sys.argv[1])\n"
        "x = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)\n"
        "assert an.runtime_info()['level'] == 'baseline'\n"
        "assert (without_fma(net, x) == net.predict(x)).all()\n"
    )
    environment = os.environ | {"AFFINET_ISA": "baseline"}
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "net.npz")], check=True, env=environment
    )


@pytest.mark.parametrize("kind", ["int8", "int16"])
def test_factors_fold_into_the_maps_beside_them(kind):
    from affinet.export.nodes import nodes_of

    net = an.Sequential(
        *(an.Scale(4), an.Affine.init(4, 5, rng=0), an.BatchNorm(5), an.ReLU()),
        *(an.NTKAffine.init(5, 3, rng=1), an.Scale(3)),
        input_scale=0.1,
    )
    net.layers[0].s = [1.0, 2.0, -3.0, 4.0]
    nodes, _ = nodes_of(net, kind)
    assert [(node.kind, node.relu) for node in nodes] == [("affine", True), ("affine", False)]
    x = np.random.default_rng(0).standard_normal((50, 4))
    y = an.export.emulate(net, x, type=kind, calibrate=x)
    assert np.abs(y - net.predict(x)).max() < (0.05 if kind == "int8" else 3e-4)


def test_a_test_finds_a_wrong_output(c):
    net, x = network("Affine")
    c.write(net, type="int8", calibrate=x, test=x)
    source = c.folder / "m.c"
    source.write_text(source.read_text().replace("sum * factor + half", "sum * factor"))
    assert c.run()[0] == 1
    c.write(net, test=x)
    source.write_text(source.read_text().replace("y[j] = value *", "y[j] = 1.001f * value *"))
    assert c.run()[0] == 1
