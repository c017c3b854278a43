"""What pytabkit's RealMLP and TabM make of columns, beside what affinet makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pytabkit.models.data.data import DictDataset, TensorInfo
from pytabkit.models.nn_models.models import PreprocessingFactory
from pytabkit.models.utils import TabrQuantileTransformer

from affinet.tables import Table
from affinet.tabular import encode, recipe_for

from .reference_rows import Array

SCALED = ["one_hot", "median_center", "robust_scale", "smooth_clip"]
ROWS = 1200


def columns(seed: int = 0) -> dict[str, Any]:
    """Columns that differ in what a scaling makes of them."""
    rng = np.random.default_rng(seed)
    ties = rng.integers(0, 5, ROWS).astype(float)
    return {
        "normal": rng.standard_normal(ROWS),
        "heavy tails": rng.standard_cauchy(ROWS) * 100,
        "few values": ties,
        "mostly 0": np.where(rng.random(ROWS) < 0.9, 0.0, rng.random(ROWS)),
        "small": rng.standard_normal(ROWS) * 1e-4,
    }


def numbers() -> list[dict[str, Any]]:
    """The largest difference of a number's encoded values, for each column and scaling."""
    found = []
    for name, values in columns().items():
        given = values.astype(np.float32).astype(np.float64)
        table = Table("t", {"x": given, "y": np.arange(ROWS) * 1.0})
        for method in ("realmlp", "tabm"):
            encoding = encode(recipe_for(method, "default", "regression", ROWS), table, "y")
            ours = encoding.inputs(table)[:, 0]
            theirs = robust(given) if method == "realmlp" else quantile(given)
            found.append(
                {
                    "column": name,
                    "method": method,
                    "difference": float(np.abs(ours - theirs).max()),
                    "mean difference": float(np.abs(ours - theirs).mean()),
                }
            )
    return found


def categories() -> list[dict[str, Any]]:
    """The values that stand for "off" and "on" of a category, by its share of the rows."""
    found = []
    for n_categories, share in ((2, 0.1), (2, 0.5), (4, 0.05), (4, 0.4), (4, 0.85)):
        places = np.arange(ROWS)
        codes = np.where(places < share * ROWS, 1, 2 + places % (n_categories - 1))
        table = Table("t", {"x": [f"c{k}" for k in codes], "y": np.arange(ROWS) * 1.0})
        ours = encode(recipe_for("realmlp", "default", "regression", ROWS), table, "y")
        columns_of = {
            "affinet": ours.inputs(table)[:, 0],
            "pytabkit": preprocessed({"x_cat": codes[:, None]}, [n_categories + 1], SCALED)[:, 0],
        }
        row = {"categories": n_categories, "share": share}
        for library, column in columns_of.items():
            row[library] = [round(float(column[place]), 3) for place in (-1, 0)]
        found.append(row)
    return found


def most_one_hot() -> dict[str, int]:
    """The largest number of categories that become columns of RealMLP-TD in each library."""
    found = {"affinet": recipe_for("realmlp", "default", "regression", ROWS).one_hot or 0}
    for n in range(2, 20):
        codes = 1 + np.arange(ROWS) % n
        out = preprocessed({"x_cat": codes[:, None]}, [n + 1], ["one_hot", "embedding"],
                           max_one_hot_cat_size=9, embedding_size=8)  # fmt: skip
        if np.abs(out).sum() == ROWS:
            found["pytabkit"] = n
    return found


def robust(values: Array) -> Array:
    """A number as pytabkit's RealMLP gets it."""
    return preprocessed({"x_cont": values[:, None]}, [], SCALED)[:, 0]


def quantile(values: Array) -> Array:
    """A number as pytabkit's TabM gets it."""
    given = values[:, None].astype(np.float32)
    out: Array = TabrQuantileTransformer(random_state=0).fit(given).transform(given)[:, 0]
    return out


def preprocessed(
    tensors: dict[str, Array], sizes: list[int], steps: list[str], **config: Any
) -> Array:
    """What pytabkit's preprocessing makes of numbers, or of codes of categories."""
    n = len(next(iter(tensors.values())))
    given = {
        "x_cont": torch.as_tensor(tensors.get("x_cont", np.zeros((n, 0))), dtype=torch.float32),
        "x_cat": torch.as_tensor(tensors.get("x_cat", np.zeros((n, 0))), dtype=torch.long),
        "y": torch.zeros(n, 1),
    }
    infos = {
        "x_cont": TensorInfo(feat_shape=[given["x_cont"].shape[1]]),
        "x_cat": TensorInfo(cat_sizes=np.array(sizes, dtype=int)),
        "y": TensorInfo(feat_shape=[1]),
    }
    data = DictDataset(given, infos)
    fitter = PreprocessingFactory(tfms=steps, **config).create(infos)
    with torch.no_grad():
        _, out = fitter.fit_transform(data)
    result: Array = out.tensors["x_cont"].numpy()
    return result
