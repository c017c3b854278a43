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
        found: dict[str, Array] = {}
        place, embedded, first = 0, False, True
        tables: list[Array] = []
        numbers: dict[str, Array] = {}
        for layer in self.model.modules():
            own = {name: p.detach().numpy()[0] for name, p in layer.named_parameters(recurse=False)}
            kind = type(layer).__name__
            if kind == "PLREmbeddingsLayerCosBias":
                numbers = {
                    "w": own["weight_1"], "b": own["bias_1"], "c": own["bias_2"],
                    "V": own["weight_2"].transpose(0, 2, 1),
                }  # fmt: skip
            elif kind == "SingleEmbeddingLayer":
                tables.append(own["emb"])
            elif kind == "ScaleLayer" and own:
                for part in filter(None, ({"E": np.concatenate(tables)} if tables else {}, numbers)):
                    found |= {f"{place}.{name}": array for name, array in part.items()}
                    place += 1
                embedded = True
                scale = own["scale"][0]
                found[f"{place}.s"] = reordered(scale, order)
                place += 1
            elif kind == "WeightLayer" and embedded:
                W = own["weight"]
                found[f"{place}.W"] = reordered(W, order) if first else W
                first = False
            elif kind == "BiasLayer" and own and embedded:
                found[f"{place}.b"] = own["bias"][0]
                place += 1 if recipe.parametric else 2
            elif kind == "ParametricActivationLayer":
                found[f"{place}.a"] = own["weight"][0]
                place += 1
        return {name: array.copy() for name, array in found.items()}

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
    if recipe.one_hot is None:
        config["use_1d_binary_onehot"] = False
    config["tfms"] = [name for name in config["tfms"] if name not in SCALING]
    return config | {"n_epochs": EPOCHS, "p_drop": 0.0, "batch_size": rows.batch, "clamp_output": False}


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
