"""ONNX files of multilayer perceptrons, written and read with the package onnx (extra ``onnx``).

onnx is imported only when a file is written or read, so importing this module is cheap.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from affinet.network import Sequential

__all__ = ["export", "load"]


def export(
    net: Any,
    path: str | os.PathLike[str],
    *,
    opset: int = 17,
    probabilities: bool = False,
    input_dtype: DTypeLike | None = None,
    input_name: str = "x",
    output_name: str = "y",
    check: bool = True,
    encoding: bool = True,
) -> None:
    """Write a network as an ONNX file that computes what :meth:`~affinet.Sequential.predict` does.

    The graph takes any number of rows and has the network's dtype. Layers are in evaluation mode,
    so a Dropout is omitted; ``input_scale`` becomes a product at the input. The loss is not
    written. ``net.metadata`` is stored as JSON under ``affinet.metadata``, its ``classes`` also
    under ``classes``. :func:`load` reads back a network with bit-identical predictions. The file
    is written under a temporary name, flushed to disk and then renamed.

    Parameters
    ----------
    net : Sequential, or a fitted affinet estimator
        Made of affinet's own layers, at least one of which fixes the number of inputs. For an
        estimator, ``net_`` is written, which computes outputs and not labels; its ``classes_``
        are stored in the metadata.
    path : path
        A name ending in ``.onnx``.
    opset : int
        Version of the ONNX operators, 13 or more, and 17 or more for a LayerNorm. From 20 on a
        GELU is one operator, before that it is built from Erf.
    probabilities : bool
        True ends the graph with Softmax or Sigmoid, whichever the loss applies to logits, as
        :meth:`~affinet.Sequential.predict_proba` does.
    input_dtype : dtype, optional
        Dtype of the graph's input if it is not the network's, such as uint8 for images.
    input_name, output_name : str
        Names of the graph's input, of shape (batch, I), and output, of shape (batch, O).
    check : bool
        True runs onnx's checker on the graph before anything is written.
    encoding : bool
        A model of a table encodes its columns before the network and converts a numeric target
        back to its unit after it. A graph cannot represent this yet, so such a model is refused.
        False writes only the network, for rows that are already encoded; the file's ``doc_string``
        lists the missing steps.

    Raises
    ------
    ImportError
        If onnx is not installed.
    TypeError
        If ``net`` is any other object, a layer is not affinet's own, the loss has no probabilities,
        or JSON cannot hold the metadata.
    ValueError
        If the name does not end in ``.onnx``, a layer needs a higher opset, the number of inputs
        is unknown, the parameters exceed the 2 GB that an ONNX file can hold, a number exceeds
        single precision where ONNX has no other, an estimator is not fitted, or the model encodes a
        table and ``encoding`` is not False.

    Notes
    -----
    ONNX stores the epsilon of a normalisation in single precision, even in a float64 network. If
    this changes the value, the exact one is in the node's ``doc_string``, and :func:`load` uses it.
    A graph does not check the codes of an :class:`~affinet.Embedding`. The last node of a
    PeriodicEmbedding, Embedding, Parametric, Scale or NTKAffine says in its ``doc_string`` which
    layer it ends.
    ONNX Runtime 1.31 cannot run a float64 network with a GELU, as it lacks Erf in double precision,
    and runs one with a LeakyReLU only in opsets 16 to 18.

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
    from affinet.onnx import sources, writer

    network = sources.network_of(net)
    missing = sources.left_out(net, network)
    if missing is not None and encoding:
        raise ValueError(
            f"an ONNX file would lack {missing}; encoding=False writes the network alone, for rows "
            "that are encoded already"
        )
    writer.write(
        network,
        path,
        writer.Options(opset, probabilities, input_dtype, input_name, output_name),
        check=check,
        left_out=missing,
    )


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read an ONNX file that holds a multilayer perceptron, such as PyTorch or skl2onnx write.

    It reads Gemm, MatMul and Add, affinet's activations, GELU and SiLU also if they are written as
    products, BatchNormalization, LayerNormalization, Dropout, Flatten and
    Reshape to rows, Identity, Cast to floats, a product with a vector, which becomes a
    :class:`~affinet.Scale`, ``x + a (f(x) - x)`` with an activation f, a
    :class:`~affinet.Parametric`, and a positive factor at the input, which becomes
    ``input_scale``. Embeddings are read from files of affinet's: their nodes must be those that
    :func:`export` writes. The label branch of an skl2onnx classifier is ignored.

    A final Softmax or LogSoftmax becomes ``loss=SoftmaxWithLoss()`` and a final Sigmoid
    ``loss=SigmoidWithLoss()``, unless :func:`export` recorded that it is a layer: ``predict`` then
    returns logits, ``predict_proba`` probabilities. Otherwise the network has no loss; assign
    ``net.loss`` to train it.

    Parameters
    ----------
    path : path
        An ONNX file; weights stored in external files are read too.

    Returns
    -------
    Sequential
        In the dtype of the weights. Class names, if the file has them, are in
        ``metadata["classes"]``; from a file that affinet wrote, all metadata is restored.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ImportError
        If onnx is not installed.
    ValueError
        If it is not an ONNX file, is damaged, or is not a multilayer perceptron; the message names
        the file and the node.

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
    """Raise ImportError, with the install command, if onnx is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError('affinet.onnx needs onnx: pip install "affinet[onnx]"') from error
