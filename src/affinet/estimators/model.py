"""The fitted side of an estimator: its network, its outputs, and how it is pickled."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from affinet._validation import Array, require_plain
from affinet.estimators.building import affine_places, weight_views
from affinet.estimators.given_weights import adopt_weights, has_given_weights, require_described
from affinet.estimators.members import refuse_attribute
from affinet.estimators.mlp_ensemble import OF_ONE_NETWORK
from affinet.estimators.parameters import with_defaults
from affinet.network import Sequential
from affinet.thread_limit import thread_limit

DENSE_ROWS = 1024  # of a sparse matrix that are made dense at once to predict
SPARSE = ("csr", "csc")
FLOATS = (np.float64, np.float32)


class Model(BaseEstimator):
    """An estimator around a network, ``net_``.

    ``coefs_`` and ``intercepts_`` are views of its parameters.
    """

    net_: Sequential
    coefs_: list[Array]
    intercepts_: list[Array]
    n_outputs_: int
    n_layers_: int
    _structure: tuple[Any, ...]  # widths, activations and dropout rates of the network

    def _stochastic(self) -> bool:
        """True if the solver can go on from where it stands; else AttributeError."""
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
            )
        if self.cv is not None or self.bootstrap:
            name = "bootstrap" if self.cv is None else "cv"
            raise AttributeError(
                f"partial_fit is not available with {name}: it sees only parts of the data"
            )
        return True

    def _network(self) -> Sequential:
        """The network, with the weights that coefs_ and intercepts_ hold now.

        Both lists and their arrays may be replaced, as scikit-learn's may. What describes the
        network may not be changed: ValueError.
        """
        net: Sequential = self.net_
        sizes = self._structure[0]
        for name, value in (("n_layers_", len(sizes)), ("n_outputs_", sizes[-1])):
            require_described(self, name, value)
        found = [*self.coefs_, *self.intercepts_]
        views = [view for arrays in weight_views(net) for view in arrays]
        if len(found) != len(views):
            raise ValueError(
                f"coefs_ and intercepts_ hold {len(found)} arrays, wanted {len(views)}"
            )
        if any(array is not view for array, view in zip(found, views, strict=True)):
            places = affine_places(net)
            for place, W, b in zip(places, self.coefs_, self.intercepts_, strict=True):
                net.params[f"{place}.W"], net.params[f"{place}.b"] = W, b
            self.coefs_, self.intercepts_ = weight_views(net)
        return net

    def _adopt_given_weights(self) -> None:
        """Build the network around weights that were set before any fit, if there are any."""
        if has_given_weights(self):
            adopt_weights(self)

    def _outputs(self, X: Any) -> Array:
        """The network's outputs (N, O) for checked X."""
        self._adopt_given_weights()
        check_is_fitted(self, "net_")
        require_plain("X", X)
        X = validate_data(self, X, accept_sparse=SPARSE, dtype=FLOATS, reset=False)
        net = self._network()
        with thread_limit(self.n_threads):
            if not issparse(X):
                return net.predict(X)
            X = X.tocsr()
            out = np.empty((X.shape[0], self.n_outputs_), net.dtype)
            for start in range(0, X.shape[0], DENSE_ROWS):
                block = slice(start, start + DENSE_ROWS)
                out[block] = net.predict(X[block].toarray())
            return out

    def __getattr__(self, name: str) -> Any:
        refuse_attribute(self, name, OF_ONE_NETWORK)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "net_" in state:  # its parameters travel once, and coefs_ are views of them again
            self._network()
            del state["coefs_"], state["intercepts_"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(with_defaults(type(self), state))
        if "net_" in state:
            self.coefs_, self.intercepts_ = weight_views(self.net_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
