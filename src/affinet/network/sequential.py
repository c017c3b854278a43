"""Sequential: a sequence of layers with one flat buffer each for parameters and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from affinet._foreign_names import EVALUATE_NAMES, FIT_NAMES, explains
from affinet._validation import (
    Array,
    number_array,
    require_shape,
    require_some_weight,
    row_weights,
    rows_array,
    whole_number,
)
from affinet.layers.base import ParameterLayer
from affinet.layers.chain import Chain
from affinet.layers.tree import buffer_names, parameter_names, walk
from affinet.losses import loss_of
from affinet.metrics import Metrics, named_metrics
from affinet.network.figures import figures, require_loss
from affinet.network.kept import Kept
from affinet.network.parts import (
    common_dtype,
    named_arrays,
    penalized_names,
    remember,
    require_layers,
)
from affinet.network.prediction import Prediction
from affinet.network.summary import summary_of
from affinet.network.usage import Usage
from affinet.optimizers import Optimizer
from affinet.parameters import Parameters

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


class Sequential(Prediction):
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
    history : History or None
        Record of the last ``fit``, up to its last epoch if it was interrupted.
    metadata : dict
        Anything that JSON can hold; written to a model file and read back.

    Raises
    ------
    ValueError
        If parameters have different dtypes, a layer is used twice or belongs to another network,
        or the widths of neighbouring layers do not fit.

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
        self.history = None
        self.metadata = {}
        shapes = {name: array.shape for name, array in arrays.items()}
        self._params = Parameters(shapes, self._dtype, penalized=penalized_names(layers))
        self._params.update(arrays)
        self._grads = self._params.like()
        self._bind()

    @overload
    def forward(
        self, x: ArrayLike, t: None = None, train: bool = True, weights: None = None
    ) -> Array: ...

    @overload
    def forward(
        self, x: ArrayLike, t: ArrayLike, train: bool = True, weights: ArrayLike | None = None
    ) -> float: ...

    def forward(
        self,
        x: ArrayLike,
        t: ArrayLike | None = None,
        train: bool = True,
        weights: ArrayLike | None = None,
    ) -> float | Array:
        """The loss of the outputs for x against the targets t, or without t the outputs.

        Parameters
        ----------
        x : array of shape (B, ...)
            B >= 1 rows. With targets the layers store x itself, which must not change before the
            backward; without targets they store a copy.
        t : array, optional
            Targets, in the form that the loss takes. Without them no loss is needed, and
            :meth:`backward` takes the gradient with respect to the outputs.
        train : bool
            True for training, False for evaluation.
        weights : array of shape (B,), optional
            Weights of the rows, each 0 or more; see :class:`Loss`.

        Returns
        -------
        float, or without t an array of shape (B, O)
            The array is a copy, which the caller may change.

        Examples
        --------
        >>> import numpy as np, affinet as an
        >>> net = an.Sequential(an.Affine(np.array([[2.0]]), np.zeros(1)))
        >>> y = net.forward([[3.0]])
        >>> net.backward(np.ones_like(y), need_dx=True)
        array([[2.]])
        """
        if t is None and weights is not None:
            raise ValueError("weights came without targets t: weigh the rows of dout instead")
        loss = None if t is None else require_loss(self)
        self._kept.enter(loss)
        rows = self._input(x)
        self._require_rows(rows)
        out = self._chain.forward(rows.copy() if t is None else rows, bool(train))
        value = np.array(out) if t is None else loss_of(loss, out, t, weights)
        self._kept.note(out)
        return value

    def backward(self, dout: ArrayLike = 1.0, need_dx: bool = False) -> Array | None:
        """Write the gradients of the last forward's result to ``grads``; no parameter changes.

        Parameters
        ----------
        dout : float, or array of the shape of the outputs
            Gradient of the objective with respect to the result of forward: one number for the
            loss; after a forward without targets an array of the shape of the outputs. It is not
            modified.
        need_dx : bool
            True also computes the gradient with respect to x, which costs one more product.

        Returns
        -------
        array of the shape of x, or None
            The gradient with respect to x after multiplication by ``input_scale``.

        Raises
        ------
        RuntimeError
            If there was no forward, or a custom layer or loss was used elsewhere since.
        ValueError
            If dout has another shape.
        """
        gradient = self._chain.backward(self._gradient_of_outputs(dout), need_dx)
        for places in filter(None, self._elsewhere):
            for key, layer, name in places:
                self._grads[key] = getattr(layer, name)
        self._kept.note_again()
        return gradient if need_dx else None

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

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Hold the network for reading, as a prediction does."""
        readers = self._usage.readers
        readers.append(None)
        try:
            if self._usage.writer is not None:
                self._usage.require_own_thread()
            yield
        finally:
            readers.pop()

    def __call__(self, x: ArrayLike) -> Array:
        """The outputs for x in evaluation mode; the same as :meth:`predict`."""
        return self.predict(x)

    def gradient(self, x: ArrayLike, output: int | None = None) -> Array:
        """Gradients of outputs with respect to x, row by row, in evaluation mode.

        Rows are taken in blocks. The network stays as it is, also its ``grads`` and the last
        forward. ``loss``, and so softmax, is not part of it: outputs are logits or values.

        Parameters
        ----------
        x : array of shape (B, ...), or (...) of one axis for one row
        output : int, optional
            The output whose gradient to compute; all of them by default.

        Returns
        -------
        array of the shape of x
            The gradient of that output, before ``input_scale`` multiplies x; without ``output``
            the Jacobian, (B, O, ...), or (O, I) for one row.

        Raises
        ------
        ValueError
            If there is no such output, or the first layer takes codes.

        Examples
        --------
        >>> import numpy as np, affinet as an
        >>> net = an.Sequential(an.Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2)))
        >>> net.gradient([[5.0, 6.0]], output=1)
        array([[2., 4.]])
        >>> net.gradient([5.0, 6.0])
        array([[1., 3.],
               [2., 4.]])
        """
        with self._reading():
            return self._input_gradients(x, output)

    def integrated_gradients(
        self, x: ArrayLike, output: int, baseline: ArrayLike = 0.0, steps: int = 64
    ) -> Array:
        """How much each input contributes to an output: integrated gradients.

        ``(x - b) times the mean gradient on the straight line from b to x``, at the middles of
        ``steps`` equal parts. Contributions of a row add up to the output's difference between x
        and b, up to the error of that sum. Sundararajan, Taly, Yan, "Axiomatic attribution for deep
        networks", ICML 2017, section 3.

        Parameters
        ----------
        x : array of shape (B, ...), or (...) of one axis for one row
        output : int
            The output to explain.
        baseline : float, or array that broadcasts to the shape of x
            The input b without information, such as the mean of the training rows.
        steps : int
            Number of gradients for each row.

        Returns
        -------
        array of the shape of x

        Examples
        --------
        >>> import numpy as np, affinet as an
        >>> net = an.Sequential(an.Affine(np.array([[2.0], [3.0]]), np.ones(1)), an.Softplus())
        >>> shares = net.integrated_gradients([[1.0, -1.0]], output=0)
        >>> shares.round(3)
        array([[ 1.24, -1.86]])
        >>> net.predict([[1.0, -1.0]]) - net.predict([[0.0, 0.0]]) - shares.sum() < 1e-5
        array([[ True]])
        """
        steps = whole_number("steps", steps, 1)
        rows = number_array("x", x).astype(self._dtype, copy=False)
        start = number_array("baseline", baseline).astype(self._dtype)
        shape = start.shape
        fits = all(n in (1, m) for n, m in zip(shape[::-1], rows.shape[::-1], strict=False))
        if len(shape) > rows.ndim or not fits:
            raise ValueError(f"baseline has shape {shape}, wanted one that fits {rows.shape}")
        total = np.zeros(rows.shape, np.float64)
        with self._reading():
            for step in range(steps):
                share = self._dtype.type((step + 0.5) / steps)
                total += self._input_gradients(start + share * (rows - start), output)
        return np.asarray(((rows - start) * total / steps).astype(self._dtype))

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
            it depends on sizes alone.
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
        # Per layer, the gradients that its backward stores elsewhere: key, owner, attribute.
        self._elsewhere: list[list[tuple[str, Any, str]]] = [[] for _ in self.layers]
        for path, layer in walk(self.layers):
            keys = {name: f"{path}.{name}" for name in parameter_names(layer)}
            if isinstance(layer, ParameterLayer):
                layer.bind(
                    self.params,
                    {name: self.params[key] for name, key in keys.items()},
                    {name: self.grads[key] for name, key in keys.items()},
                )
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

    def _gradient_of_outputs(self, dout: ArrayLike) -> Any:
        """The gradient with respect to the last forward's outputs."""
        kept = self._kept
        kept.put_back()
        if kept.loss is not None:
            if type(dout) is not float and np.size(dout) != 1:
                raise ValueError(
                    f"dout has shape {np.shape(dout)}, wanted one number, for the last forward had "
                    "targets and returned the loss; forward(x) without targets takes the gradient "
                    "of the outputs"
                )
            return kept.loss.backward(dout)
        gradient = number_array("dout", dout)
        if gradient.shape != kept.shape:
            raise ValueError(
                f"dout has shape {gradient.shape}, wanted {kept.shape}, that of the outputs which "
                "the last forward returned; forward(x, t) with targets needs no dout"
            )
        return gradient.astype(self._dtype)  # a copy: a custom layer may write into it

    def _gradients(self, dout: Any, need_dx: bool = True) -> Iterator[Any]:
        """The gradient of the input of each layer, the last layer first; collects ``grads``."""
        for place, dx in self._chain.gradients(dout, need_dx):
            for key, layer, name in self._elsewhere[place]:
                self._grads[key] = getattr(layer, name)
            yield dx
        self._kept.note_again()

    def _outputs(self, x: ArrayLike, train: bool) -> Iterator[Any]:
        """The output of each layer for x, as in a forward without targets."""
        self._kept.enter()
        out: Any = None
        for out in self._chain.outputs(self._input(x), train):
            yield out
        self._kept.note(out)

    def _forget_forward(self) -> None:
        self._kept.forget()

    def _require_rows(self, x: Array) -> None:
        if x.ndim > 0 and x.shape[0] == 0:
            raise ValueError(f"x has shape {x.shape}, wanted at least one row")

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
        self.__dict__.update(saved, _usage=Usage(), _kept=Kept(self.layers))
        self._bind()
        if out is not None:
            self._kept.enter(self._loss if with_loss else None)
            self._kept.note(out)
