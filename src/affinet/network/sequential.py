"""Sequential: a sequence of layers with one flat buffer each for parameters and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._foreign_names import EVALUATE_NAMES, FIT_NAMES, explains
from affinet._validation import (
    Array,
    require_shape,
    require_some_weight,
    row_weights,
    rows_array,
)
from affinet.layers.base import ParameterLayer
from affinet.layers.chain import Chain
from affinet.layers.tree import buffer_names, parameter_names, walk
from affinet.metrics import Metrics, named_metrics
from affinet.network.explanation import Explanation
from affinet.network.figures import figures, require_loss
from affinet.network.kept import Kept
from affinet.network.parts import (
    common_dtype,
    named_arrays,
    penalized_names,
    remember,
    require_layers,
)
from affinet.network.propagation import Propagation
from affinet.network.summary import summary_of
from affinet.network.usage import Usage
from affinet.optimizers import Optimizer
from affinet.parameters import Parameters
from affinet.precision import usable_precision, warn_if_slow

if TYPE_CHECKING:
    from affinet.training import History
    from affinet.training.averaging import WeightAverage

# Attributes of networks pickled by versions in which these were not properties.
RENAMED = {
    name: f"_{name}"
    for name in (
        "loss",
        "params",
        "grads",
        "dtype",
        "input_scale",
        "check_finite",
        "history",
        "metadata",
    )
}


class Sequential(Propagation, Explanation):
    """A sequence of layers with an optional loss.

    The network copies every layer's parameters into one flat buffer and makes ``layer.W`` and
    ``layer.b`` views of it, so the layers see every update of the buffer.

    Parameters
    ----------
    *layers : Layer, or any object with ``forward(x)`` and ``backward(dout)``
        A custom layer names its parameters in an attribute ``parameters``, such as ``("W",)``,
        and stores the gradient of ``W`` as ``dW`` in its backward. It names arrays that it
        updates in training but that are not parameters, such as running averages, in
        ``buffers``; they are saved with the parameters. A layer made of layers lists them in a
        tuple ``children``. A ``forward`` with a second positional argument receives True in
        training and False otherwise.
    loss : loss object, optional
        Anything with ``forward(x, t) -> float`` and ``backward(dout)``; without one the network
        only predicts. A forward receives the weights of rows as a third argument, ``weights``.
    input_scale : float, optional
        Multiplies every input, in ``fit``, ``forward``, ``predict`` and ``evaluate`` alike;
        1/255 for images stored as uint8. Saved with the model.
    check_finite : bool
        True refuses inputs that contain NaN or an infinity; the error names the position.
    precision : {None, "bfloat16", "bfloat16x3", "bfloat16x6"}
        How affine layers multiply matrices, in ``fit``, ``forward``, ``backward`` and ``predict``.
        None is the dtype of the parameters. The others, for float32 parameters only, split each
        factor into 1, 2 or 3 bfloat16 parts and sum 1, 3 or 6 products of them in float32. A norm
        of the result is off by about 2e-3, 5e-6 or float32's own 5e-7, an element by at most 8e-3,
        5e-5 or 2e-6 of ``|A| |B|``. Parts and products below 2^-126 count as zero; an
        element that is not finite is computed again in float32. Parameters, sums, updates, losses
        and everything elementwise stay float32, and so do layers with fewer than 16 inputs or
        outputs. All levels of kernels give the same bits. They are made for matrix units; where
        :func:`affinet.runtime_info` calls one emulated, it is slower than None. Fixed, and saved
        with the model. See :doc:`/guides/precision`.

    Attributes
    ----------
    layers : tuple
        They are fixed: build a new Sequential to use other layers.
    loss : loss object or None
    params, grads : Parameters
        Dicts of views into one flat buffer each (``params.flat``), with keys ``"0.W"``,
        ``"0.b"``, ...: the layer's path and the parameter's name. The layers inside layer 2, such
        as a :class:`Residual`, have the paths 2.0, 2.1, ...; so ``"2.0.W"``.
    dtype : numpy.dtype
        The dtype of the parameters, float32 or float64 (float16 is stored as float32). Inputs are
        converted to it.
    precision : str or None
    history : History or None
        Record of the last ``fit``, up to its last epoch if it was interrupted.
    metadata : dict
        Anything that JSON can hold; written to a model file and read back.

    Raises
    ------
    ValueError
        If parameters have different dtypes, a layer is used twice or belongs to another network,
        the widths of neighbouring layers do not fit, or parameters of float64 come with a
        ``precision``.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> net = an.Sequential(
    ...     an.Affine.init(2, 8, rng=0), an.ReLU(), an.Affine.init(8, 2, rng=1),
    ...     loss=an.SoftmaxWithLoss(),
    ... )
    >>> x, t = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    >>> history = net.fit(x, t, epochs=300, batch_size=4, optimizer=an.Adam(0.05))
    >>> net.predict(x).argmax(axis=1)
    array([0, 1, 1, 0])
    """

    def __init__(
        self,
        *layers: Any,
        loss: Any = None,
        input_scale: float | None = None,
        check_finite: bool = False,
        precision: str | None = None,
    ) -> None:
        require_layers(layers)
        self._chain = Chain(layers)
        self._usage = Usage()
        self._kept = Kept(layers)
        arrays = named_arrays(layers)
        self._dtype = common_dtype(arrays)
        self.loss = loss
        self.input_scale = input_scale
        self.check_finite = check_finite
        self._precision = usable_precision(precision, self._dtype)
        warn_if_slow(precision, stacklevel=2)
        self.history = None
        self.metadata = {}
        shapes = {name: array.shape for name, array in arrays.items()}
        self._params = Parameters(shapes, self._dtype, penalized=penalized_names(layers))
        self._params.update(arrays)
        self._grads = self._params.like()
        self._bind()

    def predict(
        self,
        x: ArrayLike,
        out: Array | None = None,
        samples: int | None = None,
        seed: int | None = None,
    ) -> Array:
        """The last layer's output in evaluation mode: logits or values.

        Several threads may predict on one network at once.

        With ``samples``, every :class:`Dropout` drops elements as in training, while all other
        layers stay in evaluation mode; where the results differ, the network is unsure. Gal and
        Ghahramani, "Dropout as a Bayesian approximation", ICML 2016. Layers then run one by one.

        Parameters
        ----------
        x : array of shape (B, ...), or (I,) for one row
            Or :class:`affinet.datasets.Shards`, which are read block by block.
        out : array of the result's shape and of the network's dtype, optional
            Where to write the result.
        samples : int, optional
            Number of predictions with random masks, 1 or more.
        seed : int, optional
            The masks are a function of (seed, sample, row) alone, so a row's results depend neither
            on the number of samples nor on threads; 0 by default. Only with ``samples``.

        Returns
        -------
        array of shape (B, O), or (O,) for one row
            ``out`` if given. With ``samples`` of shape (samples, B, O) or (samples, O).
        """
        usage = self._usage
        readers = usage.readers  # a fork puts another list in its place
        readers.append(None)
        try:
            if usage.writer is not None:
                usage.require_own_thread()
            if samples is not None or seed is not None:
                return self._predict_samples(x, out, samples, seed)
            if type(x) is np.ndarray and x.dtype is self._dtype and x.ndim == 2:
                result = self._predict_directly(x, out)
                if result is not None:
                    return result
            return self._predict(x, out)
        finally:
            readers.pop()

    def __call__(self, x: ArrayLike) -> Array:
        """The outputs for x in evaluation mode; the same as :meth:`predict`."""
        return self.predict(x)

    def predict_proba(self, x: ArrayLike) -> Array:
        """Class probabilities, which the loss computes from :meth:`predict`'s logits.

        Raises
        ------
        TypeError
            If the loss has no probabilities.
        """
        if not hasattr(self.loss, "probabilities"):
            raise TypeError(f"predict_proba: the loss {self.loss!r} gives no probabilities")
        result: Array = self.loss.probabilities(self.predict(x))
        return result

    @explains(EVALUATE_NAMES)
    def evaluate(
        self,
        x: ArrayLike,
        t: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        metrics: Metrics = (),
    ) -> dict[str, float]:
        """The loss on x and t in evaluation mode and, for classes, the accuracy.

        Parameters
        ----------
        x : array of shape (B, ...), B >= 1
        t : array
            Targets, in the form that the loss takes.
        sample_weight : array of shape (B,), optional
            Weights of the rows, each 0 or more and not all of them 0.
        metrics : list of names and functions, or dict of them, optional
            Additional figures: names of :mod:`affinet.metrics` (``"f1"``, ``"mae"``, ``"rmse"`` and
            ``"r2"`` for short) and functions of (outputs, t) that return a number.

        Returns
        -------
        dict
            ``"loss"``, and for classes ``"accuracy"``, the (weighted) fraction of correct rows:
            with :class:`SoftmaxWithLoss` rows whose highest output is the target's, with
            :class:`SigmoidWithLoss` rows whose outputs all have the right sign; then the metrics.
        """
        wanted = named_metrics(metrics)
        require_loss(self)
        x = rows_array("x", x)
        self._require_rows(x)
        weights = None
        if sample_weight is not None:
            weights = row_weights("sample_weight", sample_weight, 1 if x.ndim < 2 else len(x))
            require_some_weight("sample_weight", weights)
        return figures(self, self.predict(x), t, weights, wanted, x.ndim < 2)

    @explains(FIT_NAMES)
    def fit(
        self,
        x: ArrayLike,
        t: ArrayLike,
        *,
        epochs: int | None = None,
        steps: int | None = None,
        batch_size: int = 32,
        optimizer: Optimizer | None = None,
        validation_data: tuple[ArrayLike, ...] | None = None,
        callbacks: Iterable[Callable[[Any], None]] = (),
        metrics: Metrics = (),
        schedule: Callable[[Any], float] | None = None,
        decay_schedule: Callable[[Any], float] | None = None,
        dropout_schedule: Callable[[Any], float] | None = None,
        seed: int = 0,
        verbose: int | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | str | None = None,
        l2: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        reducer: Any = None,
        resume: str | PathLike[str] | None = None,
        shuffle: bool = True,
        sampler: Callable[[int, int, np.random.Generator], ArrayLike] | None = None,
        average: WeightAverage | None = None,
        stop_if_not_finite: bool = True,
    ) -> History:
        # affinet.training sets its docstring to that of affinet.training.fit.
        from affinet.training import fit

        return fit(
            self, x, t, epochs=epochs, steps=steps, batch_size=batch_size, optimizer=optimizer,
            validation_data=validation_data, callbacks=callbacks, metrics=metrics,
            schedule=schedule, decay_schedule=decay_schedule,
            dropout_schedule=dropout_schedule, seed=seed, verbose=verbose,
            sample_weight=sample_weight,
            class_weight=class_weight, l2=l2, clip_norm=clip_norm, clip_value=clip_value,
            reducer=reducer, resume=resume, shuffle=shuffle, sampler=sampler,
            average=average, stop_if_not_finite=stop_if_not_finite,
        )  # fmt: skip

    def save(self, path: str | PathLike[str]) -> None:
        """Write the whole model to a file; see ``affinet.model_file.save``."""
        from affinet.model_file import save

        save(self, path)

    def summary(self, plan: bool = False, batch_size: int = 32) -> str:
        """A table of the layers and their parameters.

        Parameters
        ----------
        plan : bool
            True adds how many threads would share a training step of ``batch_size`` rows, up to
            :func:`affinet.get_num_threads`, with the cost model's expectation and each thread's
            part. The model counts arithmetic and the cache lines that cross between processors;
            it depends on sizes alone. Muon's updates cost more than those that it counts here, so
            :meth:`fit` may use more threads with it: ``history.threads`` says how many.
        batch_size : int

        Examples
        --------
        >>> import affinet as an
        >>> print(an.Sequential(an.Affine.init(2, 3, rng=0), an.ReLU()).summary())
        0  Affine(2 -> 3)  9 parameters
        1  ReLU()
        9 parameters, float32
        """
        if not plan:
            return summary_of(self)
        from affinet.network.team_plan import plan_lines

        return "\n".join([summary_of(self), *plan_lines(self, batch_size)])

    def __repr__(self) -> str:
        inside = [repr(layer) for layer in self.layers]
        if self.loss is not None:
            inside.append(f"loss={self.loss!r}")
        if self.precision is not None:
            inside.append(f"precision={self.precision!r}")
        return f"Sequential({', '.join(inside)})"

    def _arrays(self) -> dict[str, Array]:
        """All arrays that training changes: the parameters, then the buffers.

        They are not copies; buffers are named like parameters, ``"<path>.<name>"``.
        """
        arrays = dict(self.params)
        for path, layer in walk(self.layers):
            for name in buffer_names(layer):
                array = getattr(layer, name)
                if not isinstance(array, np.ndarray):
                    raise TypeError(f"layer {path}: {name} is {array!r:.50}, wanted an array")
                arrays[f"{path}.{name}"] = array
        return arrays

    def _set_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Copy values into the parameters and buffers; nothing changes if one is refused."""
        own = self._arrays()
        if arrays.keys() != own.keys():
            raise ValueError(f"arrays of {', '.join(arrays)}, wanted {', '.join(own)}")
        for name, array in own.items():
            require_shape(name, arrays[name], array.shape)
        for name, array in own.items():
            array[...] = arrays[name]

    def _bind(self) -> None:
        remember(self)
        self._elsewhere = [[] for _ in self.layers]
        for path, layer in walk(self.layers):
            keys = {name: f"{path}.{name}" for name in parameter_names(layer)}
            if isinstance(layer, ParameterLayer):
                layer.bind(
                    self.params,
                    {name: self.params[key] for name, key in keys.items()},
                    {name: self.grads[key] for name, key in keys.items()},
                )
                layer.multiply_in(self._precision)
                continue
            for name, key in keys.items():
                setattr(layer, name, self.params[key])
            place = int(path.partition(".")[0])
            self._elsewhere[place] += [(key, layer, f"d{name}") for name, key in keys.items()]
        self._params.set_buffers(
            {
                f"{path}.{name}": (layer, name)
                for path, layer in walk(self.layers)
                for name in buffer_names(layer)
            }
        )
        self._compile()

    def __copy__(self) -> Sequential:
        """A shallow copy that shares layers, buffers and usage."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        remember(twin)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        saved = self.__dict__ | {"layers": self.layers, "_kept": self._kept.state()}
        for name in ("_chain", "_usage", "_operations", "_elsewhere"):  # rebuilt on load
            del saved[name]
        return saved

    def __setstate__(self, saved: dict[str, Any]) -> None:
        saved = {RENAMED.get(name, name): value for name, value in saved.items()}
        self._chain = Chain(saved.pop("layers"))
        saved.pop("_takes_train", None)  # in networks pickled before layers could nest
        with_loss, out = saved.pop("_kept", (False, None))
        if saved.pop("_forward_done", False):
            with_loss, out = True, ()
        # Another machine's order of bytes comes with a pickled dtype.
        saved["_dtype"] = saved["_dtype"].newbyteorder("=")
        self.__dict__.update(saved, _usage=Usage(), _kept=Kept(self.layers))
        self._bind()
        if out is not None:
            self._kept.enter(self._loss if with_loss else None)
            self._kept.note(out)
