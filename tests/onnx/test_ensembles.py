"""Ensembles as one ONNX graph: all members and their weighted mean."""

import numpy as np
import pytest

import affinet as an

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
evaluator = pytest.importorskip("onnx.reference")

AVERAGED = [None, an.MeanSquaredError, an.SoftmaxWithLoss, an.SigmoidWithLoss, an.Poisson]


class Softer(an.SoftmaxWithLoss):
    """A custom loss, with probabilities of its own."""

    def probabilities(self, x):
        return super().probabilities(np.asarray(x) / 2)


class Median(an.MeanSquaredError):
    """A custom loss that combines members in its own way."""

    def combined(self, outputs, weights):
        return np.median(outputs, axis=0)


def nets(loss, dtypes=("float32", "float32", "float32"), **options):
    rng = np.random.default_rng(0)
    found = []
    for width, dtype in enumerate(dtypes, 3):
        first = an.Affine.init(4, width, rng=rng, dtype=dtype)
        last = an.Affine.init(width, 3, rng=rng, dtype=dtype)
        found.append(
            an.Sequential(first, an.Residual(an.Tanh()), last, loss=loss and loss(), **options)
        )
    return found


def run(path, x):
    session = evaluator.ReferenceEvaluator(str(path))
    (y,) = session.run(None, {session.input_names[0]: x})
    try:
        import onnxruntime
    except ImportError:
        return y
    onnxruntime.set_default_logger_severity(3)
    runtime = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (other,) = runtime.run(None, {runtime.get_inputs()[0].name: x})
    np.testing.assert_allclose(y, other, rtol=1e-5, atol=1e-6)
    return y


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ensemble.onnx"


@pytest.mark.parametrize("opset", [13, 17, onnx.defs.onnx_opset_version()])
@pytest.mark.parametrize("loss", AVERAGED)
def test_the_graph_computes_the_mean(path, loss, opset):
    x = np.random.default_rng(1).standard_normal((5, 4)).astype("float32")
    ensemble = an.Ensemble(nets(loss), [1, 0.5, 0.25])
    an.onnx.export(ensemble, path, opset=min(opset, 20))
    np.testing.assert_allclose(run(path, x), ensemble.predict(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, an.SigmoidWithLoss])
def test_probabilities(path, loss):
    x = np.random.default_rng(1).standard_normal((5, 4)).astype("float32")
    ensemble = an.Ensemble(nets(loss), [1, 0.5, 0.25])
    ensemble.metadata = {"classes": ["a", "b", "c"]}
    an.onnx.export(ensemble, path, probabilities=True)
    np.testing.assert_allclose(run(path, x), ensemble.predict_proba(x), rtol=1e-5)
    properties = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert properties["classes"] == '["a", "b", "c"]'


def test_a_mixture_of_distributions(path):
    rng = np.random.default_rng(0)
    members = [an.Sequential(an.Affine.init(4, 6, rng=rng), loss=an.Gaussian()) for _ in range(3)]
    ensemble = an.Ensemble(members, [1, 0.5, 0.25])
    an.onnx.export(ensemble, path)
    x = rng.standard_normal((5, 4)).astype("float32")
    np.testing.assert_allclose(run(path, x), ensemble.predict(x), rtol=1e-4, atol=1e-5)
    with np.errstate(divide="ignore"):  # all members agree on a mean of 0
        y = run(path, np.zeros((1, 4), "float32"))
    np.testing.assert_allclose(y, ensemble.predict(np.zeros((1, 4))), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("input_dtype", [None, "uint8"])
def test_dtypes_and_scales(path, input_dtype):
    dtypes = ("float32", "float64")
    ensemble = an.Ensemble(nets(an.SoftmaxWithLoss, dtypes, input_scale=0.01))
    an.onnx.export(ensemble, path, input_dtype=input_dtype)
    x = np.arange(8).reshape(2, 4).astype(input_dtype or "float64")
    y = run(path, x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, ensemble.predict(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "probabilities", "words"),
    [(Softer, True, "Softer.probabilities"), (Median, False, "Median.combined")],
)
def test_what_a_custom_loss_does_in_its_own_way_is_refused(path, loss, probabilities, words):
    with pytest.raises(TypeError, match=f"{words}, of the loss .*, has no form in ONNX"):
        an.onnx.export(an.Ensemble(nets(loss)), path, probabilities=probabilities)
    assert not path.exists()
    an.onnx.export(nets(Median)[0], path)


def test_refusals(path):
    ensemble = an.Ensemble(nets(an.MeanSquaredError))
    with pytest.raises(TypeError, match="gives no probabilities"):
        an.onnx.export(ensemble, path, probabilities=True)
    an.onnx.export(ensemble, path)
    with pytest.raises(ValueError, match=str(path)):
        an.onnx.load(path)
    table = nets(an.MeanSquaredError)
    for net in table:
        net.metadata["table"] = {"columns": []}
    with pytest.raises(ValueError, match="an ONNX file would lack"):
        an.onnx.export(an.Ensemble(table), path)
