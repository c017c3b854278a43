"""RealMLP in pytabkit: its network, optimizer and schedules, from the rows that affinet gets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from pytabkit.models.alg_interfaces.base import InterfaceResources, SplitIdxs
from pytabkit.models.data.data import DictDataset, TensorInfo
from pytabkit.models.optim.optimizers import get_opt_class
from pytabkit.models.sklearn.default_params import DefaultParams
from pytabkit.models.training.nn_creator import NNCreator
from pytabkit.models.training.scheduling import LearnerProgress

from affinet.tabular import Recipe

from .reference_rows import EPOCHS, Array, Rows

SCALING = ("median_center", "robust_scale", "smooth_clip")  # the rows come scaled


class Reference:
    """pytabkit's network for a recipe, in ``dtype``."""

    def __init__(self, recipe: Recipe, rows: Rows, dtype: str) -> None:
        self.rows, self.dtype = rows, getattr(torch, dtype)
        config = configuration(recipe, rows)
        data = dataset(rows)
        splits = [SplitIdxs(torch.arange(len(rows.x))[None], None, None, 0, [0], 0)]
        creator = NNCreator(**config)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            creator.setup_from_dataset(data, splits, InterfaceResources(1, []))
            self.model = creator.create_model(data, splits).to(self.dtype)
        finally:
            torch.set_default_dtype(before)
        self.criterion, _ = creator.get_criterions()
        self.hypers = creator.hp_manager
        self.tensors = {
            name: tensor.to(self.dtype) if tensor.is_floating_point() else tensor
            for name, tensor in creator.static_model(data).tensors.items()
        }
        groups = [{"params": [p], "lr": 0.01} for p in self.model.parameters()]
        self.optimizer = get_opt_class(config["opt"])(groups, self.hypers)

    def weights(self, recipe: Recipe) -> dict[str, Array]:
        """The parameters under affinet's names."""
        n = len(self.rows.encoding.number_inputs)
        order = input_order(n, recipe.number_size) if recipe.number_embedding else None
        layers: list[dict[str, Array]] = []
        tables = [own["emb"] for own in self.arrays("SingleEmbeddingLayer")]
        if tables:
            layers.append({"E": np.concatenate(tables)})
        for own in self.arrays("PLREmbeddingsLayerCosBias"):
            V = own["weight_2"].transpose(0, 2, 1)
            layers.append({"w": own["weight_1"], "b": own["bias_1"], "V": V, "c": own["bias_2"]})
        (scale,) = self.arrays("ScaleLayer")
        layers.append({"s": reordered(scale["scale"][0], order)})
        activations = [{"a": own["weight"][0]} for own in self.arrays("ParametricActivationLayer")]
        products = zip(self.arrays("WeightLayer"), self.arrays("BiasLayer"), strict=True)
        for place, (product, bias) in enumerate(products):
            W = reordered(product["weight"], order) if place == 0 else product["weight"]
            layers.append({"W": W, "b": bias["bias"][0]})
            if place < len(recipe.hidden):
                layers.append(activations[place] if activations else {})
        return {
            f"{place}.{name}": array.copy()
            for place, own in enumerate(layers)
            for name, array in own.items()
        }

    def arrays(self, kind: str) -> list[dict[str, Array]]:
        """The parameters of the layers of a class, each without the axis of the models."""
        return [
            {name: p.detach().numpy()[0] for name, p in layer.named_parameters(recurse=False)}
            for layer in self.model.modules()
            if type(layer).__name__ == kind
        ]

    def outputs(self) -> Array:
        """What the network puts out for all rows, numbers in units of the standardised target."""
        self.model.eval()
        with torch.no_grad():
            out = self.model(self.batch(slice(None)))["x_cont"][0].numpy()
        target: Any = self.rows.encoding.target
        return out if self.rows.n_classes else (out - target.mean) / target.std

    def train(self, order: Array) -> None:
        """Train on batches in a given order, (EPOCHS, N)."""
        self.model.train()
        progress = LearnerProgress()
        progress.max_epochs = EPOCHS
        n, step = len(self.rows.x), self.rows.batch
        for number, start in enumerate(range(0, order.size, step)):
            progress.epoch_float = number * step / n
            self.hypers.update_hypers(SimpleNamespace(progress=progress))
            out = self.model(self.batch(order.reshape(-1)[start : start + step]))
            self.criterion(out["x_cont"], out["y"]).sum().backward()
            self.optimizer.step()
            self.optimizer.zero_grad()

    def batch(self, places: Any) -> dict[str, Any]:
        """Tensors of some rows, with the axis of the models that train at once."""
        return {name: tensor[places][None] for name, tensor in self.tensors.items()}


def configuration(recipe: Recipe, rows: Rows) -> dict[str, Any]:
    """pytabkit's defaults, without scaling, dropout and the clamping of outputs."""
    version = "RealMLP_TD" if recipe.method == "realmlp" else "RealMLP_TD_S"
    config = dict(getattr(DefaultParams, f"{version}_{'CLASS' if rows.n_classes else 'REG'}"))
    config["tfms"] = [name for name in config["tfms"] if name not in SCALING]
    own = {"n_epochs": EPOCHS, "p_drop": 0.0, "batch_size": rows.batch, "clamp_output": False}
    return config | own


def dataset(rows: Rows) -> DictDataset:
    """The rows as pytabkit's tensors: numbers, categories, and targets in their own unit."""
    places, sizes = rows.categories()
    target: Any = rows.encoding.target
    numbers = torch.as_tensor(rows.numbers(), dtype=torch.float64)
    if rows.n_classes:
        y, info = torch.as_tensor(rows.t)[:, None], TensorInfo(cat_sizes=[rows.n_classes])
    else:
        y = torch.as_tensor(target.restore(rows.t), dtype=torch.float64)[:, None]
        info = TensorInfo(feat_shape=[1])
    infos = {
        "x_cont": TensorInfo(feat_shape=[numbers.shape[1]]),
        "x_cat": TensorInfo(cat_sizes=sizes),
        "y": info,
    }
    return DictDataset({"x_cont": numbers, "x_cat": torch.as_tensor(places), "y": y}, infos)


def input_order(n: int, size: int) -> Array:
    """Places in pytabkit's embedded numbers, in affinet's order.

    affinet puts each number in front of its ``size`` outputs, pytabkit all numbers behind all
    outputs.
    """
    outputs = np.arange(n * size).reshape(n, size)
    return np.column_stack([n * size + np.arange(n), outputs]).reshape(-1)


def reordered(array: Array, order: Array | None) -> Array:
    """An array whose first rows are those at ``order``."""
    if order is None:
        return array
    return np.concatenate([array[order], array[len(order) :]])
