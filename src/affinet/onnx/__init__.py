"""ONNX files of multilayer perceptrons, written and read with the package onnx (extra ``onnx``).

onnx is imported only when a file is written or read, so importing this module is cheap.
"""

from __future__ import annotations

import os
from typing import Any

from numpy.typing import DTypeLike

from affinet.network import Sequential

__all__ = ["export", "load", "register_skl2onnx"]


def export(
    net: Any,
    path: str | os.PathLike[str],
    *,
    opset: int | None = None,
    probabilities: bool = False,
    input_dtype: DTypeLike | None = None,
    input_name: str = "x",
    output_name: str = "y",
    check: bool = True,
    encoding: bool = True,
) -> None:
    """Write a network as an ONNX file that computes what :meth:`~affinet.Sequential.predict` does.

    The graph takes any number of rows and has the network's dtype. Layers are in evaluation mode,
    so a Dropout is omitted; ``input_scale`` becomes a product at the input. A ``precision`` is kept
    under ``affinet.precision``; other programs multiply as they do. The loss is not
    written. ``net.metadata`` is stored as JSON under ``affinet.metadata``, its ``classes`` also
    under ``classes``. :func:`load` reads back a network with bit-identical predictions. The file
    is written under a temporary name, flushed to disk and then renamed.

    **Models of tables**: of :class:`~affinet.estimators.TabularClassifier` and
    :class:`~affinet.estimators.TabularRegressor`, of ``affinet train``, and every network with the
    record of an :class:`~affinet.tables.Encoding` in ``metadata["table"]``. Their graph takes the
    table's columns and returns what their ``predict`` does. It has one input of shape (batch, 1)
    for each column that the encoding uses, with the column's name:

    - numbers and durations in days as float64, or as ``input_dtype``; NaN is missing;
    - texts, categories and truth values (``"True"``) as strings without outer spaces. The texts
      that mean a missing value in files do so here too. Of the notations of a category that is a
      number, the graph knows ``1``, ``1.0`` and ``1.00``;
    - dates as strings in the notation of the training rows, with or without a time of day.

    For classes the outputs are ``label``, the names of the classes as strings, and
    ``probabilities``, calibrated by the model's temperature; for a number ``prediction``, of shape
    (batch, 1), in the target's unit, both float64. An underscore is appended to a name that a
    column has. Where ``predict`` raises an error because of a value, such as infinity or, without
    indicators, a missing value or an unknown category, the label is empty and numbers are NaN.
    Several models, each with its encoding and temperature, have the mean of their probabilities or
    numbers: the members of an estimator, or an :class:`~affinet.Ensemble` of such networks.

    Parameters
    ----------
    net : Sequential, Ensemble, or a fitted affinet estimator
        Made of affinet's own layers, at least one of which fixes the number of inputs. For an
        :class:`~affinet.Ensemble`, or an estimator that averages several networks, the graph holds
        all of them and their weighted mean, which :func:`load` does not read. For an estimator that
        is not one of tables, ``net_`` is written, or the mean of its members', which computes
        outputs and not labels; its ``classes_`` are stored in the metadata. A pipeline is converted
        by skl2onnx; see :func:`register_skl2onnx`.
    path : path
        A name ending in ``.onnx``.
    opset : int, optional
        Version of the ONNX operators, 13 or more, and 20 or more for a table with dates. 17 by
        default, or 20 for such a table. From 20 on a GELU is one operator, before that it is built
        from Erf; before 17 a LayerNorm is built from ReduceMean.
    probabilities : bool
        True ends the graph with Softmax or Sigmoid, whichever the loss applies to logits, as
        :meth:`~affinet.Sequential.predict_proba` does. The graph of a table always has its
        probabilities.
    input_dtype : dtype, optional
        Dtype of the graph's input if it is not the network's, such as uint8 for images; for a table
        that of its numbers, if it is not float64.
    input_name, output_name : str
        Names of the graph's input, of shape (batch, I), and output, of shape (batch, O). The graph
        of a table has the names above.
    check : bool
        True runs onnx's checker on the graph before anything is written.
    encoding : bool
        False writes only the network of a table's model, for rows that are already encoded; the
        file's ``doc_string`` lists the missing steps. A TabM's graph takes each row once, and
        returns the average of its members as :func:`affinet.tabular.outputs` does.

    Raises
    ------
    ImportError
        If onnx is not installed.
    TypeError
        If ``net`` is any other object, a layer is not affinet's own, the loss has no probabilities,
        or JSON cannot hold the metadata.
    ValueError
        If the name does not end in ``.onnx``, a column needs a higher opset, the number of inputs
        is unknown, the parameters exceed the 2 GB that an ONNX file can hold, a number exceeds
        single precision where ONNX has no other, an estimator is not fitted, or the encoding of a
        table cannot be written and ``encoding`` is not False; the message names the column.

    Notes
    -----
    ONNX stores the epsilon of a normalisation in single precision, even in a float64 network. If
    this changes the value, the exact one is in the node's ``doc_string``, and :func:`load` uses it.
    A graph does not check the codes of an :class:`~affinet.Embedding`. The last node of a layer of
    several nodes says in its ``doc_string`` which layer it ends.
    A table's graph uses LabelEncoder of ``ai.onnx.ml`` 2, which comes with opset 13; dates are read
    by RegexFullMatch and StringSplit, which opset 20 introduced.
    A network of BatchEnsemble, MemberScale or MemberAffine without the record of a table takes the
    rows of all members one after another, as its ``predict`` does.
    A float64 network has LeakyReLU, SELU, Softplus and Mish as formulas, since their operators have
    parameters in single precision or no form in ONNX Runtime, which as of 1.32 cannot run a GELU in
    double precision: it lacks Erf.

    Examples
    --------
    >>> import affinet as an, tempfile, pathlib
    >>> net = an.Sequential(an.Affine.init(4, 8, rng=0), an.ReLU(), an.Affine.init(8, 3, rng=0))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> an.onnx.export(net, path)
    >>> an.onnx.load(path)
    Sequential(Affine(4 -> 8), ReLU(), Affine(8 -> 3))

    A table's model, and the inputs of its graph:

    >>> from affinet.tables import Encoding, Table
    >>> table = Table("t", {"size": ["4", "30", "?"], "fur": ["grey", "brown", "grey"],
    ...                     "kind": ["cat", "dog", "cat"]})
    >>> encoding = Encoding.fit(table, "kind", missing="indicator", one_hot=9)
    >>> net = an.Sequential(
    ...     an.Affine.init(encoding.width, 2, rng=0), loss=an.SoftmaxWithLoss()
    ... )
    >>> net.metadata["table"] = encoding.to_json()
    >>> an.onnx.export(net, path)
    >>> import onnx
    >>> [given.name for given in onnx.load(path).graph.input]
    ['size', 'fur']
    >>> Encoding.from_json(an.onnx.load(path).metadata["table"]) == encoding
    True
    """
    require_onnx()
    from affinet.export.models import network_of
    from affinet.onnx import sources, table_writer, writer

    target = writer.onnx_path(path)
    table = sources.table_parts(net) if encoding else None
    if opset is None:
        opset = writer.OPSET if table is None else table.opset
    options = writer.Options(opset, probabilities, input_dtype, input_name, output_name)
    if table is not None:
        model = table_writer.model_of_table(table, options)
    else:
        network = network_of(net)
        model = writer.model_of(network, options, sources.ensemble_in(network))
        missing = None if encoding else sources.left_out(net, network)
        if missing is not None:
            model.doc_string = f"Without {missing}."
    writer.save(model, target, check)


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read an ONNX file that holds a multilayer perceptron, such as other libraries write.

    It is tested on files of PyTorch (both exporters), skl2onnx, Keras with tf2onnx, and JAX with
    jax2onnx or with jax2tf and tf2onnx.

    It reads Gemm, MatMul and Add, affinet's activations, also if they are written as products or
    quotients, BatchNormalization, LayerNormalization, Dropout, Flatten and Reshape to rows,
    Identity, Cast to floats, a product with a vector, which becomes a :class:`~affinet.Scale`, or
    with a sum behind it a :class:`~affinet.BatchNorm`, ``x + a (f(x) - x)`` with an activation f, a
    :class:`~affinet.Parametric`, and a positive factor at the input, which becomes ``input_scale``.
    Embeddings and the layers of ensembles are read from files of affinet's: their nodes must be
    those that :func:`export` writes. The label branch of an skl2onnx classifier is ignored.

    A final Softmax or LogSoftmax becomes ``loss=SoftmaxWithLoss()`` and a final Sigmoid
    ``loss=SigmoidWithLoss()``, unless :func:`export` recorded that it is a layer: ``predict`` then
    returns logits, ``predict_proba`` probabilities. Otherwise the network has no loss; assign
    ``net.loss`` to train it.

    From the graph of a table that :func:`export` wrote, it reads the network with its loss, and in
    its ``metadata["table"]`` the record of the encoding, for ``Encoding.from_json``; ``recipe`` and
    ``temperature`` stand beside it. The nodes around the network must be those of this encoding:
    a file whose nodes were changed, also by a tool that optimizes graphs, is refused.

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
    from affinet.onnx import files

    return files.read(path)


def register_skl2onnx() -> None:
    """Make skl2onnx convert pipelines that end in one of affinet's estimators.

    Afterwards ``skl2onnx.to_onnx`` and ``convert_sklearn`` convert all of
    :mod:`affinet.estimators` as they do scikit-learn's own, alone or at the end of a ``Pipeline``,
    with the options ``zipmap``, ``output_class_labels`` and ``nocl``. Numbers are returned in
    double precision if an input is, and in single precision otherwise; the network computes in its
    own dtype. Labels are int64 or texts.

    Estimators for tables take the columns of the training in their order, as one input or as
    several, with texts where texts were. For a row that ``predict`` refuses, the label is empty or
    the smallest int64, and numbers are NaN. Calling it again changes nothing.

    Raises
    ------
    ImportError
        If skl2onnx, onnx or scikit-learn is not installed.

    Examples
    --------
    >>> import affinet as an, skl2onnx  # doctest: +SKIP
    >>> an.onnx.register_skl2onnx()  # doctest: +SKIP
    >>> pipeline = make_pipeline(StandardScaler(), MLPClassifier()).fit(X, y)  # doctest: +SKIP
    >>> model = skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False})  # doctest: +SKIP
    """
    require_onnx()
    try:
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'affinet.onnx.register_skl2onnx needs skl2onnx: pip install "affinet[skl2onnx]"'
        ) from error
    from affinet.onnx import pipelines

    pipelines.register()


def require_onnx() -> None:
    """Raise ImportError, with the install command, if onnx is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError('affinet.onnx needs onnx: pip install "affinet[onnx]"') from error
