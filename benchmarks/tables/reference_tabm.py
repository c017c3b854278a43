"""TabM in pytabkit: its network and optimizer, from the rows that affinet gets."""

from __future__ import annotations

import numpy as np
import torch
from pytabkit.models.nn_models.tabm import Model, make_parameter_groups

from affinet.tabular import Recipe

from .reference_rows import Array, Rows


class Reference:
    """pytabkit's network for a recipe, in ``dtype``."""

    def __init__(self, recipe: Recipe, rows: Rows, dtype: str) -> None:
        torch.manual_seed(0)
        self.recipe, self.rows, self.dtype = recipe, rows, getattr(torch, dtype)
        self.x = torch.as_tensor(rows.x, dtype=self.dtype)
        t = torch.as_tensor(rows.t)
        self.t = t if rows.n_classes else t.to(self.dtype)[:, None]
        self.model = Model(
            n_num_features=rows.x.shape[1],  # categories come as zeros and ones
            cat_cardinalities=[],
            n_classes=rows.n_classes or None,
            backbone={
                "type": "MLP", "n_blocks": len(recipe.hidden), "d_block": recipe.hidden[0],
                "dropout": 0.0,
            },
            bins=None,
            arch_type="tabm-mini" if recipe.mini else "tabm",
            k=recipe.members,
            share_training_batches=False,
        ).to(self.dtype)  # fmt: skip
        self.optimizer = torch.optim.AdamW(
            make_parameter_groups(self.model), lr=recipe.lr, weight_decay=recipe.weight_decay
        )

    def weights(self, recipe: Recipe) -> dict[str, Array]:
        """The parameters under affinet's names."""
        found: dict[str, Array] = {}
        place = 0
        for block in self.model.backbone.blocks:
            layer = block[0]
            parts = {"r": layer.r, "W": layer.weight.T, "s": layer.s, "b": layer.bias}
            found |= {f"{place}.{name}": own.detach().numpy() for name, own in parts.items()}
            place += 2  # behind the activation
        head = self.model.output
        found[f"{place}.W"] = head.weight.detach().numpy()
        found[f"{place}.b"] = head.bias.detach().numpy()
        return {name: array.copy() for name, array in found.items()}

    def outputs(self) -> Array:
        """What each member puts out for all rows, one member after another."""
        self.model.eval()
        with torch.no_grad():
            out = self.model(self.x).numpy()  # (N, k, O)
        return np.concatenate(list(out.transpose(1, 0, 2)))

    def train(self, order: Array) -> None:
        """Train on batches in a given order, (EPOCHS, k N): of each batch, member after member."""
        self.model.train()
        loss_of = torch.nn.functional.cross_entropy if self.rows.n_classes else torch.nn.MSELoss()
        k, size = self.recipe.members, self.rows.batch
        for places in order.reshape(-1, k, size):
            together = places.T.reshape(-1)  # member varies fastest there
            out = self.model(self.x[together])
            self.optimizer.zero_grad()
            loss_of(out.flatten(0, 1), self.t[together]).backward()
            self.optimizer.step()
