"""Classes and labels: their names, and what outputs of a network say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from affinet._validation import Array


@dataclass(frozen=True)
class Labels:
    """The classes that outputs stand for.

    Attributes
    ----------
    classes : array of shape (C,)
        Their names in the order of the outputs; the column numbers where rows have several labels.
    several : bool
        Whether a row may have several labels.
    sparse : bool
        Whether rows of labels are given and predicted as a sparse matrix.
    """

    classes: Array
    several: bool
    sparse: bool

    @classmethod
    def of(cls, y: Any) -> Labels:
        """The classes that occur in checked y; ValueError if y does not hold classes."""
        y = one_column(y)
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError("y has several columns of classes, wanted one, or labels 0 and 1")
        return cls(unique_labels(y), kind == "multilabel-indicator", issparse(y))

    @classmethod
    def announced(cls, classes: Any, y: Any) -> Labels:
        """The classes of the first ``partial_fit``; for several labels they may be left out."""
        several = type_of_target(y) == "multilabel-indicator"
        if classes is None:
            if not several:
                raise ValueError("classes must be passed on the first call to partial_fit")
            classes = np.arange(y.shape[1] if issparse(y) else np.shape(y)[1])
        return cls(unique_labels(classes), several, issparse(y))

    @classmethod
    def of_network(cls, classes: Any, out_activation: str, n_outputs: int) -> Labels:
        """The classes of a network with this many outputs, whose names were set by hand.

        Raises
        ------
        ValueError
            If the number of names is not that of what the outputs stand for.
        """
        classes, several = np.asarray(classes), out_activation == "logistic" and n_outputs > 1
        labels = cls(classes, several, False)
        if classes.ndim != 1 or (labels.width, labels.out_activation) != (
            n_outputs,
            out_activation,
        ):
            raise ValueError(
                f"classes_ is {classes}, which does not fit {n_outputs} outputs and "
                f"out_activation_ {out_activation!r}: wanted one name an output, two for a single "
                "one"
            )
        return labels

    @property
    def out_activation(self) -> str:
        """ "softmax" over a logit for each class, or "logistic" of one or of each."""
        return "softmax" if len(self.classes) > 2 and not self.several else "logistic"

    @property
    def width(self) -> int:
        """Outputs of the network."""
        one = len(self.classes) <= 2 and not self.several
        return 1 if one else len(self.classes)

    def encode(self, name: str, y: Any) -> Array:
        """y as the loss takes it: (N,) class indices, or (N, O) rows of 0 and 1.

        Raises
        ------
        ValueError
            If y, called ``name``, holds other classes or has another number of columns.
        """
        if self.several:
            rows = np.asarray(y.toarray() if issparse(y) else y)
            if rows.ndim != 2 or rows.shape[1] != self.width:
                wanted = (len(rows), self.width)
                raise ValueError(f"{name} has shape {rows.shape}, wanted {wanted}")
            if not np.isin(rows, (0, 1)).all():
                raise ValueError(f"{name} holds labels other than 0 and 1")
            return rows.astype(np.uint8)
        y = one_column(y)
        last, order = len(self.classes) - 1, np.argsort(self.classes)  # set by hand: any order
        places: Array = order[np.searchsorted(self.classes, y, sorter=order).clip(max=last)]
        strange = self.classes[places] != y
        if np.any(strange):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes}. '{name}' has {np.unique(y[strange])}."
            )
        return places if self.width > 1 else places.astype(np.uint8).reshape(-1, 1)

    def decode(self, outputs: Array) -> Any:
        """The predictions of logits (N, O): (N,) classes, or (N, O) rows of 0 and 1."""
        if self.several:
            rows = (outputs > 0).astype(np.int64)
            return csr_matrix(rows) if self.sparse else rows
        if len(self.classes) == 1:
            return np.repeat(self.classes, len(outputs))
        return self.classes[self.likeliest(outputs)]

    def likeliest(self, outputs: Array) -> Array:
        """The place of the likeliest class of each row."""
        places: Array = outputs[:, 0] > 0 if self.width == 1 else outputs.argmax(axis=1)
        return places.astype(np.int64)

    def hits(self, outputs: Array, t: Array) -> Array:
        """For each row whether the logits predict the encoded t."""
        if self.several:
            return np.asarray(((outputs > 0) == (t > 0)).all(axis=1))
        return np.asarray(self.likeliest(outputs) == t.reshape(-1))

    def same_as(self, other: Labels) -> bool:
        """Whether these are the same classes."""
        return self.several == other.several and np.array_equal(self.classes, other.classes)


def one_column(y: Any) -> Any:
    """A single column as a vector, with a warning if it was a matrix; other y as it is."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
