"""Networks as C for microcontrollers: float32, int8 or int16, without a library.

``affinet export MODEL --to c`` is the same in the shell. ONNX is written by :mod:`affinet.onnx`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array
from affinet.atomic import write_atomically

__all__ = ["c", "emulate"]

TYPES = ("float32", "int8", "int16")


def c(
    model: Any,
    folder: str | os.PathLike[str],
    *,
    name: str = "model",
    type: str = "float32",
    calibrate: ArrayLike | None = None,
    test: ArrayLike | None = None,
    report: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    single_header: bool = False,
    arduino: bool = False,
    libm: bool = False,
) -> dict[str, Any]:
    """Write a model as C99, which also compiles as C++, for machines of any size.

    The code allocates no memory and calls no library; every array is ``static const``, on AVR in
    flash (``PROGMEM``). ``<name>_predict(x, y)`` returns what :meth:`~affinet.Sequential.predict`
    does, ``<name>_predict_proba`` the probabilities and ``<name>_classify`` the class's place,
    whose name is in ``<name>_classes`` if the model has names. Layers are in evaluation mode.
    The number of loop iterations depends on no value.

    **float32**: every sum has the order of affinet's kernels, and the activations are their
    formulas: exp and tanh are good to 1 ulp, the logistic function to 1.5, SiLU, GELU, Mish, SELU
    and Softplus to 4. So with ``-ffp-contract=off`` a single network's outputs have the bits of
    ``predict`` at a level without fused multiply-adds (``AFFINET_ISA=baseline`` on x86-64).
    Weights in double precision are rounded.

    **int8, int16**: ``<name>_run`` takes and returns integers and computes with nothing else;
    ``<name>_predict`` is the same with numbers at both ends. Weights have one scale for each
    output, activations one scale and zero for each layer, taken from the least and the greatest
    value over ``calibrate``; inputs that embeddings read have their own scales. int8 sums in
    int32, int16 in int64. All layers and ensembles have this form. Functions other than relu are
    tables: of all values for int8, of 1025 for int16, with lines between them. So are piecewise
    embeddings, with the ends of their bins rounded to the input's integers. Waves are within 1.7
    of 32767 of cosines for int16, and 0.52 of 127 for int8; an ensemble's answer is within one
    integer of that of its members' integers, except that a probability below 2^-30 counts as 2^-30.

    **Models of tables**: ``<name>_encode(row, x)`` turns a row of numbers and categories, whose
    places ``<name>_find_<column>(text)`` finds, into the network's inputs, and
    ``<name>_answer(row, y)`` returns calibrated probabilities or the number in its unit. Dates are
    days since 1970-01-01, which ``<name>_days_<column>(text)`` reads from a text.

    Parameters
    ----------
    model : Sequential, Ensemble, or a fitted affinet estimator
        Made of affinet's own layers.
    folder : path
        Where the files go; it is made if it does not exist. Each file is written under a
        temporary name and then renamed.
    name : str
        Prefix of all names in C and of the files.
    type : str
        ``"float32"``, ``"int8"`` or ``"int16"``.
    calibrate : array of shape (N, I), optional
        Rows that are like those to come, as the network takes them; needed for integers.
    test : array of shape (N, I), optional
        Rows for ``<name>_test.c``, whose ``main`` returns 0 only if all outputs agree: integers to
        the bit, float32 to 1e-5 of the largest output (of 1 if that is less) and, if
        ``<NAME>_EXACT`` is defined, to the bit, which only a single network can, and only if it
        was written on a machine whose baseline level does not fuse (x86-64).
    report : array of shape (N, I), or tuple with targets, optional
        Rows on which the C is compared with ``predict``; see Returns.
    single_header : bool
        True writes one header. In one file, define ``<NAME>_IMPLEMENTATION`` before including it.
    arduino : bool
        True writes a library for Arduino and PlatformIO.
    libm : bool
        True calls math.h instead of affinet's own functions; then no bits are promised.

    Returns
    -------
    dict
        ``files``; bytes of constant arrays (``flash``, code comes on top) and of local arrays
        (``scratch``, on the stack); ``multiply_adds`` and ``iterations`` of loops for a row. With
        ``report`` also ``rows``, ``largest_difference`` of an output and, for classes,
        ``same_class``, the share of rows with the same one; with targets ``accuracy`` and
        ``accuracy_float32``, or ``rms_error`` and ``rms_error_float32``. In float32 the figures
        of ``report`` are those of ``predict``.

    Raises
    ------
    TypeError
        If ``model`` is any other object, or a layer or loss has no such form; the message names
        it. In integers these are an Embedding behind other layers than embeddings, or of more than
        254 categories in int8, and ensembles of which only some networks begin with an embedding.
    ValueError
        If an argument cannot be used. Nothing is written then.

    Notes
    -----
    The C checks no input. In float32, NaN gives NaN, and so does a code that an
    :class:`~affinet.Embedding` does not have; in integers NaN is the least value, and such a code
    has a vector of zeros. Its weights in
    flash on AVR must lie in the first 64 KB. Files are replaced one by one, so an interruption can
    leave some of the old ones. The integer form follows Jacob et al., "Quantization and training of
    neural networks for efficient integer-arithmetic-only inference", CVPR 2018.

    Examples
    --------
    >>> import affinet as an, tempfile
    >>> (x, t), (x_test, t_test) = an.datasets.load_digits()
    >>> net = an.Sequential(an.Affine.init(64, 32, rng=0), an.ReLU(), an.Affine.init(32, 10, rng=1),
    ...                     loss=an.SoftmaxWithLoss())
    >>> history = net.fit(x, t, epochs=5, optimizer=an.Adam(0.005))
    >>> found = an.export.c(net, tempfile.mkdtemp(), name="digits", type="int8", calibrate=x,
    ...                     report=(x_test, t_test))
    >>> found["files"], found["flash"], found["scratch"]
    (['digits.c', 'digits.h'], 2746, 32)
    >>> abs(found["accuracy"] - found["accuracy_float32"]) < 0.02
    True
    """
    from affinet.export.files import files_of
    from affinet.export.program import compared, program_of

    require_name(name)
    require_type(type)
    pair = report if isinstance(report, tuple) else (report, None)
    if len(pair) != 2:
        raise ValueError(f"report has {len(pair)} parts, wanted rows, or rows and their targets")
    program = program_of(model, type, rows_of("calibrate", calibrate), libm)
    width = program.chains[0].n_inputs
    texts = files_of(program, name, rows_of("test", test, width), single_header, arduino)
    found = dict[str, Any](program.figures)
    measured = rows_of("report", pair[0], width)
    if measured is not None:
        found |= compared(program, measured, pair[1])
    target = Path(folder)
    for path in {(target / relative).parent for relative in texts}:
        path.mkdir(parents=True, exist_ok=True)
    for relative, text in texts.items():
        write_text(target / relative, text)
    return found | {"files": sorted(texts)}


def emulate(
    model: Any,
    x: ArrayLike,
    *,
    type: str,
    calibrate: ArrayLike,
    quantized: bool = False,
) -> Array:
    """The outputs of the integer network that :func:`c` writes, by the same integers in NumPy.

    Parameters
    ----------
    model, type, calibrate
        As for :func:`c`, with type ``"int8"`` or ``"int16"``.
    x : array of shape (B, I)
    quantized : bool
        True returns the integers that ``<name>_run`` does, otherwise what ``<name>_predict`` does.

    Returns
    -------
    array of shape (B, O)
        float32, or of the type.

    Raises
    ------
    TypeError, ValueError
        As :func:`c`.

    Examples
    --------
    >>> import affinet as an, numpy as np
    >>> net = an.Sequential(an.Affine([[1.0], [2.0]], [0.5]))
    >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])
    >>> an.export.emulate(net, x, type="int8", calibrate=x).round(1).ravel().tolist()
    [2.5, 1.5, -2.5]
    >>> an.export.emulate(net, x, type="int8", calibrate=x, quantized=True).dtype
    dtype('int8')
    """
    from affinet.export.program import program_of

    require_type(type)
    if type == "float32":
        raise ValueError("type is 'float32', wanted int8 or int16; predict computes in float32")
    network = program_of(model, type, rows_of("calibrate", calibrate), False).integers
    assert network is not None
    rows = rows_of("x", x, network.chains[0].n_inputs)
    assert rows is not None
    out = network.outputs(network.quantize(rows))
    return out.astype(type) if quantized else network.dequantize(out)


def require_name(name: Any) -> None:
    """Raise unless ``name`` can begin C identifiers."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,40}", name):
        raise ValueError(
            f"name is {name!r}, wanted a letter, then letters, digits and underscores, at most 41"
        )


def require_type(kind: Any) -> None:
    """Raise unless it is a known type."""
    if kind not in TYPES:
        raise ValueError(f"type is {kind!r}, wanted one of {', '.join(TYPES)}")


def rows_of(name: str, rows: ArrayLike | None, width: int | None = None) -> Array | None:
    """Rows of finite numbers as float32 (N, I)."""
    if rows is None:
        return None
    array = np.asarray(rows)
    if array.dtype.kind not in "buif" or array.ndim < 2 or not len(array):
        raise ValueError(f"{name} has shape {array.shape}, wanted rows of numbers (N, I)")
    with np.errstate(over="ignore"):
        array = array.reshape(len(array), -1).astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN, infinity, or more than single precision does")
    if width is not None and array.shape[1] != width:
        raise ValueError(f"{name} has rows of {array.shape[1]} numbers, wanted {width}")
    return array


def write_text(path: Path, text: str) -> None:
    """Replace a file by this text, at once."""

    def write(file: IO[bytes]) -> None:
        file.write(text.encode("ascii"))

    write_atomically(path, write)
