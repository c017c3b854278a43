"""A network's attributes: an assignment either takes effect or raises."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from affinet._attributes import KnownAttributes
from affinet._foreign_names import SEQUENTIAL_NAMES, require_known_names
from affinet._validation import positive_number
from affinet.layers.chain import Chain
from affinet.network.parts import require_loss_object
from affinet.network.usage import Usage
from affinet.parameters import Parameters

if TYPE_CHECKING:
    from affinet.training import History


class NetworkAttributes(KnownAttributes):
    """The attributes of :class:`affinet.Sequential`, and the effect of assigning to each."""

    _chain: Chain
    _usage: Usage
    _loss: Any
    _params: Parameters
    _grads: Parameters
    _dtype: np.dtype[Any]
    _input_scale: float | None
    _check_finite: bool
    _precision: str | None = None
    _history: History | None
    _metadata: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Create the object; an argument name from another library raises with affinet's name."""
        if kwargs:
            known = inspect.signature(cls.__init__).parameters
            require_known_names(cls.__name__, kwargs, known, SEQUENTIAL_NAMES)
        return super().__new__(cls)

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layers. They are fixed: build a new Sequential to use other layers."""
        return self._chain.layers

    @layers.setter
    def layers(self, value: Any) -> NoReturn:
        raise AttributeError(
            "the layers of a network are fixed: build another one, Sequential(*layers, loss=...)"
        )

    @property
    def loss(self) -> Any:
        """The loss that the next ``forward``, ``evaluate`` or ``fit`` minimises or reports.

        After assigning another loss, ``backward`` needs a new ``forward``. While ``fit`` runs, the
        loss is fixed and assigning raises RuntimeError.
        """
        return self._loss

    @loss.setter
    def loss(self, value: Any) -> None:
        require_loss_object(value)
        if self._usage.writer is not None:
            raise RuntimeError(
                "the loss of a network is fixed while fit runs: end the training with StopTraining "
                "and call fit again, or change the loss's own numbers, as in net.loss.delta = 2"
            )
        self._loss = value
        self._forget_forward()

    @property
    def params(self) -> Parameters:
        """The parameters, as a dict of views into one flat buffer."""
        return self._params

    @params.setter
    def params(self, value: Any) -> None:
        if value is not self._params:  # params |= arrays ends here, after it has copied them
            raise AttributeError(
                "the params of a network are views of one buffer and cannot be replaced: copy the "
                "values with net.params.update(arrays) or net.params.flat = values"
            )

    @property
    def grads(self) -> Parameters:
        """The gradients of the last ``backward``, in the same layout as ``params``."""
        return self._grads

    @grads.setter
    def grads(self, value: Any) -> None:
        if value is not self._grads:
            raise AttributeError(
                "the grads of a network are views of one buffer and cannot be replaced: copy the "
                "values with net.grads.update(arrays) or net.grads.flat = values"
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the parameters, float32 or float64."""
        return self._dtype

    @dtype.setter
    def dtype(self, value: Any) -> NoReturn:
        raise AttributeError(
            f"the dtype of a network is that of its parameters, here {self._dtype}: build the "
            "layers with another one, as in Affine.init(..., dtype='float64')"
        )

    @property
    def input_scale(self) -> float | None:
        """The factor that multiplies every input; None for no scaling."""
        return self._input_scale

    @input_scale.setter
    def input_scale(self, value: float | None) -> None:
        self._input_scale = None if value is None else usable_scale(value, self._dtype)

    @property
    def check_finite(self) -> bool:
        """True refuses inputs that contain NaN or an infinity."""
        return self._check_finite

    @check_finite.setter
    def check_finite(self, value: bool) -> None:
        if not isinstance(value, bool | np.bool_ | int):
            raise TypeError(f"check_finite is {value!r}, wanted True or False")
        self._check_finite = bool(value)

    @property
    def precision(self) -> str | None:
        """The precision of the matrix products; None for that of the parameters."""
        return self._precision

    @precision.setter
    def precision(self, value: Any) -> NoReturn:
        raise AttributeError(
            f"the precision of a network is fixed, here {self._precision!r}: build another one "
            "with copies of its layers, Sequential(*copy.deepcopy(net.layers), loss=net.loss, "
            f"precision={value!r})"
        )

    @property
    def history(self) -> History | None:
        """The record of the last ``fit``."""
        return self._history

    @history.setter
    def history(self, value: History | None) -> None:
        if value is not None:
            from affinet.training import History

            if not isinstance(value, History):
                raise TypeError(f"history is {value!r:.50}, wanted a History or None")
        self._history = value

    @property
    def metadata(self) -> dict[str, Any]:
        """Anything that JSON can hold; written to a model file and read back."""
        return self._metadata

    @metadata.setter
    def metadata(self, value: dict[str, Any]) -> None:
        if not isinstance(value, dict):
            raise TypeError(f"metadata is {value!r:.50}, wanted a dict")
        self._metadata = value

    def _forget_forward(self) -> None:
        """Refuse a backward until the next forward."""
        raise NotImplementedError


def usable_scale(value: float, dtype: np.dtype[Any]) -> float:
    """Return ``input_scale`` if it is finite and above 0 in the network's dtype."""
    scale = positive_number("input_scale", value)
    with np.errstate(over="ignore", under="ignore"):
        held = dtype.type(scale)
    if not 0 < held < np.inf:
        raise ValueError(
            f"input_scale is {value!r}, which is {held} in the network's dtype {dtype}; wanted a "
            "number that it can hold, or parameters of float64"
        )
    return scale
