"""Makes the files in this folder: real models of PyTorch and scikit-learn, as they export them.

Run with torch, onnxscript, scikit-learn and skl2onnx installed; the files here are of torch 2.13,
scikit-learn 1.9 and skl2onnx 1.20. Beside the models it writes ``expected.npz``: for each one
rows ``<name>.x`` and what the library itself, not an ONNX runtime, makes of them as ``<name>.y``.
Notes of the exporters, which name folders of the machine, are taken out.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier, MLPRegressor
from torch import nn

HERE = Path(__file__).parent
ROWS = 7


class Rows(nn.Module):
    """Layers behind a view as rows, the other way to flatten."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x.view(x.size(0), -1))


class Skip(nn.Module):
    """A residual block between two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 2)
        self.block = nn.Sequential(nn.Linear(5, 5), nn.Mish(), nn.Linear(5, 5), nn.SELU())

    def forward(self, x):
        x = nn.functional.softplus(self.first(x))
        return self.last(x + self.block(x))


def torch_models():
    """Name to (model, rows, whether the exporter is the older one)."""
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.3)),
        *(nn.Linear(8, 6), nn.LeakyReLU(0.2)),
        *(nn.Linear(6, 4), nn.Softmax(dim=1)),
    )
    gated = nn.Sequential(
        *(nn.Linear(5, 7), nn.GELU(), nn.LayerNorm(7)),
        *(nn.Linear(7, 6), nn.SiLU()),
        *(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh()),
        *(nn.Linear(5, 2), nn.BatchNorm1d(2)),
    )
    view = Rows(nn.Linear(12, 5, bias=False), nn.Tanh(), nn.Linear(5, 2), nn.Sigmoid())
    double = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), nn.LogSoftmax(dim=-1))
    for _ in range(20):  # running statistics other than 0 and 1
        gated(2 * torch.randn(16, 5) + 1)
    images, rows = torch.randn(ROWS, 3, 4), torch.randn(ROWS, 5)
    double_rows = torch.randn(ROWS, 3).double()
    skip, skip_rows = Skip(), torch.randn(ROWS, 4)
    return {
        "torch-plain": (plain, images, True),
        "torch-gated": (gated, rows, True),
        "torch-gated-dynamo": (gated, rows, False),
        "torch-view": (view, images, True),
        "torch-view-dynamo": (view, images, False),
        "torch-double": (double.double(), double_rows, True),
        "torch-skip": (skip, skip_rows, True),
        "torch-skip-dynamo": (skip, skip_rows, False),
    }


def sklearn_models():
    """Name to (fitted model, rows, function that gives its numbers)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS * 6, 4)).astype(np.float32)
    t = np.arange(len(x)) % 3
    many = MLPClassifier(hidden_layer_sizes=8, solver="lbfgs", max_iter=5, random_state=0)
    two = MLPClassifier(
        hidden_layer_sizes=6, activation="tanh", solver="lbfgs", max_iter=5, random_state=0
    )
    values = MLPRegressor(
        hidden_layer_sizes=(5, 3), activation="logistic", solver="lbfgs", random_state=0
    )
    many.fit(x, np.array(["ash", "elm", "oak"])[t])
    two.fit(x, t > 0)
    values.fit(x.astype(np.float64), x.sum(axis=1))
    x = x[:ROWS]
    return {
        "sklearn-classes": (many, x, many.predict_proba),
        "sklearn-two-classes": (two, x, lambda x: two.predict_proba(x)[:, 1:]),
        "sklearn-values": (
            values,
            x.astype(np.float64),
            lambda x: values.predict(x).reshape(-1, 1),
        ),
    }


def without_notes(model):
    """The model without what the exporters note beside its meaning."""
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    for part in (
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        part.doc_string = ""
        del part.metadata_props[:]
    del model.graph.metadata_props[:], model.graph.value_info[:]
    return model


def main():
    """Write every model, and what it gives."""
    expected = {}
    for name, (model, x, older) in torch_models().items():
        model.eval()
        path = HERE / f"{name}.onnx"
        if older:
            names = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
            torch.onnx.export(model, x, path, dynamo=False, opset_version=17, **names)
        else:
            batch = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(
                model, (x,), path, dynamo=True, dynamic_shapes=batch, external_data=False
            )
        onnx.save(without_notes(onnx.load(path)), path)
        expected |= {f"{name}.x": x.numpy(), f"{name}.y": model(x).detach().numpy()}
    for name, (model, x, numbers) in sklearn_models().items():
        onnx.save(without_notes(to_onnx(model, x[:1])), HERE / f"{name}.onnx")
        expected |= {f"{name}.x": x, f"{name}.y": numbers(x)}
    np.savez(HERE / "expected.npz", **expected)


if __name__ == "__main__":
    main()
