"""Means over the predictions of several networks, computed on their outputs.

A mean of exponentials is taken by log-sum-exp, so that it is exact where the exponentials
themselves would overflow or vanish.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affinet._validation import Array
from affinet.layers.activations import write_softplus
from affinet.layers.operation import OnnxGraph


def mean(outputs: Array, weights: Array) -> Array:
    """The weighted mean over the first axis; ``weights`` of shape (K,) sum to 1.

    Members are added one after the other, so that no bit depends on the number of rows.
    """
    total = weights[0] * outputs[0].astype(np.float64)
    for weight, output in zip(weights[1:], outputs[1:], strict=True):
        total += weight * output
    return np.asarray(total)


def log_mean_exp(terms: Array, weights: Array) -> Array:
    """``log(sum_k w_k exp(terms_k))`` over the first axis, in float64."""
    terms = terms.astype(np.float64)
    highest = terms.max(axis=0)
    shift = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(shift + np.log(mean(np.exp(terms - shift), weights)))


def log_softmax(x: Array) -> Array:
    """The logarithms of the softmax over the last axis, in float64."""
    x = x.astype(np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=-1, keepdims=True)))


def log_sigmoid(x: Array) -> Array:
    """The logarithm of 1 / (1 + exp(-x)), in float64."""
    return np.asarray(-np.logaddexp(0.0, -x.astype(np.float64)))


# The same as nodes of an ONNX graph --------------------------------------------------------------


def write_mean(graph: OnnxGraph, tensors: Sequence[str], weights: Sequence[float]) -> str:
    """Add nodes for the weighted mean of tensors."""
    products = [
        graph.add("Mul", tensor, graph.constant(f"weight.{k}", weight))
        for k, (tensor, weight) in enumerate(zip(tensors, weights, strict=True))
    ]
    return graph.add("Sum", *products)


def write_log_mean_exp(graph: OnnxGraph, tensors: Sequence[str], weights: Sequence[float]) -> str:
    """Add nodes for the logarithm of the weighted mean of the exponentials of tensors."""
    highest = graph.add("Max", *tensors)
    shifted = [graph.add("Exp", graph.add("Sub", tensor, highest)) for tensor in tensors]
    return graph.add("Add", graph.add("Log", write_mean(graph, shifted, weights)), highest)


def write_log_sigmoid(graph: OnnxGraph, tensor: str, sign: int) -> str:
    """Add nodes for the logarithm of 1 / (1 + exp(-sign x))."""
    graph.tensor = tensor if sign < 0 else graph.add("Neg", tensor)
    return graph.add("Neg", write_softplus(graph))
