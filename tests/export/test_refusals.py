"""Layers whose numbers no integer form holds, and what a table's C is made of at its edges."""

from dataclasses import replace

import numpy as np
import pytest

import affinet as an
from affinet.export.integer_ensembles import shared_affine_step
from affinet.export.integer_layers import layer_norm_step, require_sums, scale_step
from affinet.export.integers import quantized
from affinet.export.models import Subject, network_of
from affinet.export.nodes import NODES, Node, nodes_of, refuse
from affinet.export.scales import KINDS, Scale, factor_and_shift, two_factors
from affinet.export.steps import step_of
from affinet.export.tables import ColumnCode
from affinet.export.text import Writer, literal
from affinet.layers.operation import Operation
from affinet.tables import Encoding, Table
from compiled_c import WARNINGS


def mlp(seed=0, loss=None):
    layers = an.Affine.init(5, 4, rng=seed), an.Tanh(), an.Affine.init(4, 3, rng=seed + 9)
    return an.Sequential(*layers, loss=loss)


X = np.random.default_rng(0).standard_normal((20, 5))


# Integers ----------------------------------------------------------------------------------------


def test_sums_and_factors_beyond_the_integers_are_refused():
    with pytest.raises(ValueError, match="sums of a layer of 7 inputs exceed int32"):
        require_sums(np.array([2**31]), 7, KINDS["int8"])
    with pytest.raises(ValueError, match="outputs are too small beside its inputs"):
        factor_and_shift(np.array([2.0**40]), 20)
    with pytest.raises(ValueError, match="factors are too large"):
        two_factors(np.array([2.0**40]), np.ones(1))


def node(kind, n, W, b, *numbers):
    return Node(kind, (-1,), n, np.full(n, W), np.full(n, b), numbers=numbers)


@pytest.mark.parametrize("step", [scale_step, layer_norm_step])
def test_factors_beyond_the_integers_are_refused(step):
    given, out = Scale(1.0, 0), Scale(1e-30, 0)
    with pytest.raises(ValueError, match="factors are too large"):
        step(node("scale", 3, 1.0, 1.0, 1e-5), [given], out, KINDS["int8"])


def test_factors_of_shared_weights_beyond_the_integers_are_refused():
    shared = Node("member_affine", (-1,), 3, np.full((3, 2), 0.5), np.zeros((4, 2)))
    shared = replace(shared, members=np.full((4, 2), 1.0))
    with pytest.raises(ValueError, match="a layer's factors are too large for integers"):
        shared_affine_step(shared, [Scale(1.0, 0)], Scale(1e-30, 0), KINDS["int8"])


def test_a_layer_norm_of_too_many_columns_is_refused():
    net = an.Sequential(an.LayerNorm(70_000))
    with pytest.raises(ValueError, match="LayerNorm of 70000 columns exceeds int64 in int16"):
        quantized(Subject.of(net), "int16", np.zeros((2, 70_000)))


def test_a_network_that_computes_nothing_has_no_integers():
    net = an.Sequential(an.Affine.init(5, 5, rng=0), an.Dropout(0.5))
    an.export.emulate(net, X, type="int8", calibrate=X)
    with pytest.raises(TypeError, match=r"the operation own none; write float32"):
        refuse(net, Operation("own"), "none")
    with pytest.raises(TypeError, match="the operation own cannot be written as C"):
        step_of(Operation("own"), (-1,), 5, np.zeros(0, np.float32))


def test_an_operation_without_a_form_in_integers_is_refused_by_its_layer(monkeypatch):
    monkeypatch.delitem(NODES, "layer_norm")
    net = an.Sequential(an.Affine.init(5, 5, rng=0), an.LayerNorm(5))
    with pytest.raises(TypeError, match=r"LayerNorm.* has no form in int8"):
        nodes_of(net, "int8")


def test_regression_reports_errors_beside_those_of_float32(tmp_path):
    net = mlp(loss=an.MeanSquaredError())
    t = net.predict(X) + 0.5
    found = an.export.c(net, tmp_path, name="m", type="int16", calibrate=X, report=(X, t))
    assert found["rms_error_float32"] == pytest.approx(0.5, rel=1e-5)
    assert found["rms_error"] == pytest.approx(0.5, rel=1e-2)
    assert "accuracy" not in found


def test_the_least_integers_are_written_as_c_reads_them():
    assert literal(np.int32(-(2**31))) == "(-2147483647 - 1)"
    assert literal(np.int64(-(2**63))) == "(-INT64_C(9223372036854775807) - 1)"
    assert [literal(np.int32(-7)), literal(np.uint8(7))] == ["-7", "7u"]


# Models ------------------------------------------------------------------------------------------


class OwnProbabilities(an.SoftmaxWithLoss):
    def probabilities(self, outputs):
        return outputs


def test_estimators_that_are_no_one_network_are_refused():
    exceptions = pytest.importorskip("sklearn.exceptions")
    with pytest.raises(ValueError, match="MLPClassifier has no network yet, call fit first"):
        network_of(an.estimators.MLPClassifier())
    options = {"hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0, "n_estimators": 2}
    t = np.arange(20) % 3
    with pytest.warns(exceptions.ConvergenceWarning):
        model = an.estimators.MLPClassifier(**options).fit(X, t)
    own = model.estimators_[0].net_
    own.loss, kept = OwnProbabilities(), own.loss
    with pytest.raises(TypeError, match="defines its own probabilities, which cannot be exported"):
        network_of(model)
    own.loss = kept
    model.estimators_[1].classes_ = np.array([0, 1, 7])
    with pytest.raises(ValueError, match="network 1 of the MLPClassifier knows the classes"):
        network_of(model)


def test_the_networks_of_a_table_are_refused_as_one():
    pytest.importorskip("sklearn")
    options = {"epochs": 1, "random_state": 0, "cv": 2}
    model = an.estimators.TabularClassifier(**options).fit(X, np.arange(20) % 2)
    with pytest.raises(TypeError, match="has several networks for a table, wanted one"):
        network_of(model)


# Tables ------------------------------------------------------------------------------------------


def test_columns_that_only_tell_what_is_missing(c):
    rows = Table("t", {"a": ["1", "", "1"], "b": np.arange(3.0), "t": np.arange(3.0)})
    encoding = Encoding.fit(rows, "t", missing="indicator")
    net = an.Sequential(an.Affine.init(encoding.width, 1, rng=0), loss=an.MeanSquaredError())
    net.metadata["table"] = encoding.to_json()
    c.write(net)
    assert c.build(*WARNINGS, "-shared", "-fPIC", files=("m.c",), out="m.so")


def test_a_column_whose_only_known_text_is_a_missing_one_knows_no_other():
    code = ColumnCode(Writer(), ".")
    code.choice("town", {"": 0}, 1, np.array([0.5, -0.5]))
    (finder,) = code.finders
    assert "if (@missing(text) != 0) { return 0; }" in finder
    assert finder.endswith("    return 1;\n}\n")


@pytest.mark.parametrize("names", [["a b_2", "a b", "a-b"], ["a", "a-", "a?", "a!"]])
def test_fields_of_columns_whose_names_are_alike_in_c_differ(names):
    code = ColumnCode(None, ".")
    found = [code.field(name, "double", "") for name in names]
    assert len(set(found)) == len(names)
    assert found[0] in ("a_b_2", "a")


@pytest.mark.parametrize("rows", [np.zeros((3, 4)), np.zeros((0, 5)), np.zeros(4)])
def test_rows_to_calibrate_with_that_do_not_fit_are_refused(rows):
    with pytest.raises(ValueError, match=r"calibrate has shape .*, wanted rows of (5 )?numbers"):
        an.export.emulate(mlp(), X, type="int8", calibrate=rows)


def test_a_network_whose_layers_fix_no_width_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no layer fixes how many numbers a row has"):
        an.export.c(an.Sequential(an.ReLU()), tmp_path, name="m")
    assert not any(tmp_path.iterdir())
