"""The gradient check: analytic and numerical derivatives compared, including their signs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import generator, real_number, whole_number
from affinet.gradcheck.compare import ArrayCheck, Plan
from affinet.gradcheck.derivative import rounding_noise
from affinet.gradcheck.promises import broken_promises
from affinet.gradcheck.report import GradientReport, ParameterCheck
from affinet.gradcheck.subjects import INPUT, Subject, make_subject

STREAM = 0x67726164  # "grad"
NUDGE = 1e-3


def gradient_check(
    net_or_layer: Any,
    x: ArrayLike,
    t: Any = None,
    *,
    tolerance: float = 1e-6,
    h: float = 2.0**-7,
    samples: int = 32,
    directions: int = 3,
    rng: int | np.random.Generator | None = 0,
) -> GradientReport:
    """Compare the gradients of a backward with numerical ones.

    The check runs on a deep copy in float64, in training mode; the object itself is not changed,
    whatever its dtype. Every parameter and the input x are checked at sampled elements (all of
    them, if there are no more than ``samples``) and along random directions u, where the derivative
    is ``u . gradient``: a direction covers every element at once.

    Parameters
    ----------
    net_or_layer : Sequential, layer or loss
        A network with its loss; a layer, for which the function is ``sum(R * forward(x))`` with
        a fixed random R; or a loss. Custom objects work if they have ``forward`` and
        ``backward`` like affinet's: their parameters are those named in ``parameters``, or else
        the arrays ``W`` that forward does not replace and that have a ``dW``.
    x : array
        Input. Integers have no derivative: dx is then not checked, and the report says so.
    t : array, optional
        Targets, for a network and for a loss.
    tolerance : float
        Largest relative error that passes, above 0.
    h : float
        First step of the differences. It is halved, up to 23 times, until three in a row agree.
    samples, directions : int
        How many elements, and how many random directions, of each array to compare.
    rng : int, numpy.random.Generator or None
        Source of R, the elements and the directions.

    Returns
    -------
    GradientReport
        True if all passed; ``print`` shows a table and the worst comparison.

    Raises
    ------
    TypeError, ValueError
        If the object is of another kind, t is missing or superfluous, or x is not numeric. Errors
        of forward and backward propagate.

    Notes
    -----
    *Error.* ``|a - n| / max(|a|, |n|, floor)`` for a the analytic and n the numerical derivative,
    with their signs. ``floor * tolerance`` is the error that rounding alone can cause: ten standard
    deviations of the loss's measured rounding error, divided by the step; or 64 eps of the largest
    numerical derivative of the array. It does not depend on the analytic gradient. So an exact zero
    passes, and only errors as small as the noise can go undetected. If an array's derivatives are
    not zero within the noise, but none exceeds the noise by the factor ``1 / (100 * tolerance)``
    (1000 at least), they cannot be compared and the array does not pass.

    *Differences.* Central differences with Richardson extrapolation, whose error is of order h^4.

    *Kinks*, such as ReLU's at 0, are detected from function values alone: successive steps
    disagree. A smaller step avoids a kink at some distance. An element closer to a kink than any
    useful step (about 1e-9 for values and slopes around 1) is counted in ``kinks`` and not
    compared. An array with kinks that does not pass, perhaps because every element has one, is
    compared again with slightly moved parameters, and the report says so; only the second
    comparison counts.

    *Also failures:* a loss or gradient with NaN or an infinity, a forward or backward that
    changes its argument or a parameter, a gradient left over from an earlier backward or added to
    it, a forward that returns two values for one state or float32 for float64. Counters and random
    generators are reset before every forward, so dropout keeps its mask.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> rng = np.random.default_rng(0)
    >>> net = an.Sequential(
    ...     an.Affine.init(4, 5, rng=1), an.Tanh(), an.Affine.init(5, 3, rng=2),
    ...     loss=an.SoftmaxWithLoss(),
    ... )
    >>> report = an.gradient_check(net, rng.standard_normal((6, 4)), rng.integers(0, 3, 6))
    >>> report.passed
    True
    >>> [check.name for check in report.checks]
    ['0.W', '0.b', '2.W', '2.b', 'x']

    The check finds the error in a custom backward:

    >>> class Square:
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x**2
    ...     def backward(self, dout):
    ...         return dout * self.x
    >>> bool(an.gradient_check(Square(), rng.standard_normal((2, 3))))
    False
    """
    plan = Plan(
        tolerance=real_number("tolerance", tolerance, np.finfo(np.float64).tiny),
        h=real_number("h", h, np.finfo(np.float64).tiny),
        samples=whole_number("samples", samples, 1),
        directions=whole_number("directions", directions, 0),
        rng=_stream(rng),
    )
    subject = make_subject(net_or_layer, x, t, plan.rng)
    try:
        subject.find_parameters()
        return _check(subject, plan)
    finally:
        subject.states.put_back()  # restore NumPy's global generator for the caller


def _check(subject: Subject, plan: Plan) -> GradientReport:
    notes: tuple[str, ...]
    notes = () if subject.moves_input else ("x holds integers, so dx was not checked",)
    value, again = subject.value(), subject.value()
    if not math.isfinite(value):
        return GradientReport((), (f"the loss is {value}",), notes, plan.tolerance)
    problems = broken_promises(subject)
    if not math.isclose(value, again, rel_tol=1e-9):
        problems.append(
            f"forward is not repeatable: it gave {value!r} and then {again!r} for one state"
        )
        return GradientReport((), tuple(problems), notes, plan.tolerance)
    checks = _compare(subject, plan, [name for name, a in subject.arrays().items() if a.size])
    stuck = [name for name, check in checks.items() if _suffers_from_kinks(check, plan)]
    if stuck and _nudge(subject, plan):
        checks |= _compare(subject, plan, stuck)
        notes += (
            f"{', '.join(stuck)}: among kinks, so compared again after the copy's parameters "
            f"were moved by about {NUDGE:g}",
        )
    return GradientReport(tuple(checks.values()), tuple(problems), notes, plan.tolerance)


def _compare(subject: Subject, plan: Plan, names: list[str]) -> dict[str, ParameterCheck]:
    gradients, arrays, value = subject.gradients(), subject.arrays(), subject.value()
    noise = rounding_noise(subject.value, arrays.values(), plan.rng)
    return {
        name: ArrayCheck(subject, plan, name, arrays[name], value, noise).run(gradients.get(name))
        for name in names
    }


def _suffers_from_kinks(check: ParameterCheck, plan: Plan) -> bool:
    """True if an array did not pass and has kinks, which may be why.

    Either nothing could be compared, or kinks cancel at the point, such as those of
    relu(b) - relu(-b) at 0: the function is smooth, but backpropagation through it is wrong there.
    """
    return not check.passed(plan.tolerance) and check.kinks + check.direction_kinks > 0


def _nudge(subject: Subject, plan: Plan) -> bool:
    """Move the parameters a little; False if there are none.

    A bias of exactly 0 is at ReLU's kink in every row whose inputs are all 0, which is common after
    dropout and another ReLU.
    """
    parameters = [array for name, array in subject.arrays().items() if name != INPUT]
    for array in parameters:
        array += NUDGE * plan.rng.standard_normal(array.shape)
    return bool(parameters) and math.isfinite(subject.value())


def _stream(rng: int | np.random.Generator | None) -> np.random.Generator:
    """A generator whose stream differs from data that the caller drew from the same seed.

    If the random dout were equal to x, a transposed x^T dout would pass.
    """
    if rng is None or isinstance(rng, np.random.Generator):
        return generator(rng)
    return np.random.default_rng((whole_number("rng", rng, 0), STREAM))
