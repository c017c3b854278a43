"""ONNX files of multilayer perceptrons, written and read with the package onnx (extra ``onnx``).

onnx is imported when a file is written or read, so this module costs nothing before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from affinet.network import Sequential

__all__ = ["export", "load"]


def export(
    net: Sequential,
    path: str | os.PathLike[str],
    *,
    opset: int = 17,
    probabilities: bool = False,
    input_dtype: DTypeLike | None = None,
    input_name: str = "x",
    output_name: str = "y",
    check: bool = True,
) -> None:
    """Write a network as an ONNX file that computes what :meth:`Sequential.predict` does.

    The graph takes any number of rows and has the network's dtype. Layers are in evaluation mode,
    so a Dropout is left out; ``input_scale`` becomes a product in front. The loss is not written.
    ``net.metadata`` is, as JSON under ``affinet.metadata``, and its ``classes`` once more under
    ``classes``. The file is written under a temporary name, flushed to disk and then renamed.

    Parameters
    ----------
    net : Sequential
        Of affinet's own layers, at least one of which fixes the number of inputs.
    path : path
        A name ending in ``.onnx``.
    opset : int
        Version of the ONNX operators, 13 or more, and 17 or more for a LayerNorm. From 20 on a
        GELU is one operator, before that it is built of Erf.
    probabilities : bool
        True ends the graph with what the loss makes of logits, as
        :meth:`Sequential.predict_proba` does: Softmax or Sigmoid.
    input_dtype : dtype, optional
        What the graph takes where it is not the network's dtype, such as uint8 for images.
    input_name, output_name : str
        Names of the graph's input, of shape (batch, I), and output, of shape (batch, O).
    check : bool
        True lets onnx's checker look at the graph before anything is written.

    Raises
    ------
    ImportError
        If onnx is not installed.
    TypeError
        If a layer is not affinet's own, the loss knows no probabilities, or JSON cannot hold the
        metadata.
    ValueError
        If the name does not end in ``.onnx``, a layer needs a higher opset, the number of inputs
        is unknown, or the parameters pass the 2 GB that an ONNX file holds.

    Notes
    -----
    ONNX keeps the epsilon of a normalisation in single precision, in a float64 network too. ONNX
    Runtime 1.31 does not run a float64 network with a GELU, having no Erf in double precision, and
    one with a LeakyReLU in opsets 16 to 18 only.

    Examples
    --------
    >>> import affinet as an, tempfile, pathlib
    >>> net = an.Sequential(an.Affine.init(4, 8, rng=0), an.ReLU(), an.Affine.init(8, 3, rng=0))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> an.onnx.export(net, path)
    >>> an.onnx.load(path)
    Sequential(Affine(4 -> 8), ReLU(), Affine(8 -> 3))
    """
    require_onnx()
    from affinet.onnx import writer

    writer.write(
        net,
        path,
        writer.Options(opset, probabilities, input_dtype, input_name, output_name),
        check=check,
    )


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read an ONNX file that holds a multilayer perceptron, such as PyTorch or skl2onnx write.

    Understood are Gemm, MatMul and Add, the activations that affinet has, GELU and SiLU also where
    they are spelt out in products, BatchNormalization, LayerNormalization, Dropout, Flatten and
    Reshape to rows, Identity, Cast to floats, and a positive factor right behind the input, which
    becomes ``input_scale``. The label branch of an skl2onnx classifier is left out.

    A final Softmax or LogSoftmax becomes ``loss=SoftmaxWithLoss()`` and a final Sigmoid
    ``loss=SigmoidWithLoss()``: the network's ``predict`` gives logits then, ``predict_proba`` the
    probabilities. Otherwise the network has no loss; assign ``net.loss`` to train on.

    Parameters
    ----------
    path : path
        An ONNX file; weights that it keeps in files beside it are read from there.

    Returns
    -------
    Sequential
        In the dtype of the weights. Class names, where the file has them, stand in
        ``metadata["classes"]``, and :func:`export` brings back all of the metadata.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If onnx is not installed.
    ValueError
        If it is no ONNX file, or no multilayer perceptron: the message names the node.

    Examples
    --------
    >>> import affinet as an, numpy as np, tempfile, pathlib
    >>> net = an.Sequential(an.Affine.init(4, 3, rng=0), loss=an.SoftmaxWithLoss())
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> an.onnx.export(net, path, probabilities=True)
    >>> x = np.ones((2, 4), np.float32)
    >>> bool((an.onnx.load(path).predict_proba(x) == net.predict_proba(x)).all())
    True
    """
    require_onnx()
    from affinet.onnx import reader

    return reader.read(path)


def require_onnx() -> None:
    """Raise ImportError, with the way out, if onnx is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError('affinet.onnx needs onnx: pip install "affinet[onnx]"') from error
