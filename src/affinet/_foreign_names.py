"""Arguments by the names that other libraries give them: an error that says affinet's name."""

from __future__ import annotations

from collections.abc import Iterable

# Of Keras, PyTorch and scikit-learn, and what affinet calls the same thing. Where an argument of
# this name exists, Python finds it before this table is asked.
AFFINET_NAMES = {
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "rate": "p",
    "beta_1": "beta1",
    "beta_2": "beta2",
    "betas": "beta1 and beta2",
    "epsilon": "eps",
    "rho": "decay",
    "alpha": "slope for LeakyReLU, decay for RMSprop and l2 for fit",
    "negative_slope": "slope",
    "num_features": "n",
    "normalized_shape": "n",
    "tau": "q",
    "validation_split": "validation_data=(x, t), rows that you hold out yourself",
    "validation_fraction": "validation_data=(x, t), rows that you hold out yourself",
    "x_val": "validation_data=(x, t)",
    "y": "t",
    "n_epochs": "epochs",
    "max_iter": "epochs",
    "num_epochs": "epochs",
    "batchsize": "batch_size",
    "clipnorm": "clip_norm",
    "clipvalue": "clip_value",
    "max_norm": "clip_norm",
    "lr_scheduler": "schedule",
    "scheduler": "schedule",
    "random_state": "seed for fit, rng for layers",
    "random_seed": "seed for fit, rng for layers",
    "initial_epoch": "resume",
}


def require_known_names(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError if a name that is not known is another library's for a known thing."""
    known = set(known)
    for name in given:
        if name not in known and name in AFFINET_NAMES:
            raise TypeError(
                f"{what} has no argument {name!r}: affinet's name for it is {AFFINET_NAMES[name]}"
            )
