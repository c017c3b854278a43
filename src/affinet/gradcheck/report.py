"""The report of a gradient check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """One analytic derivative and its numerical value.

    Attributes
    ----------
    name : str
        The array: ``"x"`` for the input, otherwise a parameter.
    index : tuple of int, or None
        The element; None for a derivative along a random direction.
    analytic, numerical : float
    error : float
        ``|analytic - numerical| / max(|analytic|, |numerical|, floor)``, signs kept; see
        :func:`~affinet.gradient_check` for the floor.
    """

    name: str
    index: tuple[int, ...] | None
    analytic: float
    numerical: float
    error: float

    def __str__(self) -> str:
        place = " along a random direction" if self.index is None else f"{list(self.index)}"
        return (
            f"{self.name}{place}: analytic {self.analytic:.9g}, "
            f"numerical {self.numerical:.9g}, error {self.error:.1e}"
        )


@dataclass(frozen=True)
class ParameterCheck:
    """The comparisons of one array.

    Attributes
    ----------
    name : str
    size : int
        Elements of the array.
    compared, kinks : int
        Number of sampled elements compared, and skipped because the function has a kink.
    max_error : float
        Largest error of a compared element.
    direction_errors : tuple of float
        Errors of the derivatives along random directions, without those at kinks.
    direction_kinks : int
        Number of directions skipped because of kinks.
    worst : Comparison or None
        The comparison with the largest error; the worst element if any element is wrong.
    problem : str
        Any other reason why the array does not pass; empty if there is none.
    """

    name: str
    size: int
    compared: int = 0
    kinks: int = 0
    max_error: float = 0.0
    direction_errors: tuple[float, ...] = ()
    direction_kinks: int = 0
    worst: Comparison | None = None
    problem: str = ""

    def passed(self, tolerance: float) -> bool:
        """True if this array's gradient has no problem and no error above the tolerance."""
        return not self.problem and max((self.max_error, *self.direction_errors)) <= tolerance


@dataclass(frozen=True)
class GradientReport:
    """The outcome of :func:`~affinet.gradient_check`: true if passed, readable if printed.

    Attributes
    ----------
    checks : tuple of ParameterCheck
        One for each array that was checked.
    problems : tuple of str
        Other problems: a loss that is not finite or not repeatable, a backward that changes its
        arguments.
    notes : tuple of str
        What was not checked, and why.
    tolerance : float
    passed : bool
    worst : Comparison or None
        The comparison to look at first, chosen in the same way over all arrays.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> report = an.gradient_check(an.Tanh(), np.array([[0.5, -1.0]]))
    >>> report.passed, len(report.checks), report.checks[0].compared
    (True, 1, 2)
    """

    checks: tuple[ParameterCheck, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tolerance: float = 1e-6

    @property
    def passed(self) -> bool:
        """True if every array passed and there is no problem; False if nothing was checked."""
        return (
            bool(self.checks)
            and not self.problems
            and all(check.passed(self.tolerance) for check in self.checks)
        )

    @property
    def worst(self) -> Comparison | None:
        """The comparison to look at first, None if nothing was compared."""
        found = [check.worst for check in self.checks if check.worst is not None]
        return most_telling(found, self.tolerance)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"gradient check {verdict} (tolerance {self.tolerance:g})"]
        lines += _table(self.checks, self.tolerance)
        if self.worst is not None:
            lines.append(f"worst: {self.worst}")
        lines += [
            f"problem: {check.name}: {check.problem}" for check in self.checks if check.problem
        ]
        lines += [f"problem: {problem}" for problem in self.problems]
        if not self.checks and not self.problems:
            lines.append("problem: there was nothing to check")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def most_telling(comparisons: Sequence[Comparison], tolerance: float) -> Comparison | None:
    """The largest error; wrong elements, which have an index, take precedence over directions."""
    return max(
        comparisons,
        key=lambda c: (c.index is not None and c.error > tolerance, c.error),
        default=None,
    )


def _table(checks: tuple[ParameterCheck, ...], tolerance: float) -> list[str]:
    rows = [("array", "compared", "kinks", "max error", "directions", "kinks", "")]
    for check in checks:
        errors = check.direction_errors
        rows.append(
            (
                check.name,
                f"{check.compared} of {check.size}",
                str(check.kinks),
                f"{check.max_error:.1e}" if check.compared or check.problem else "-",
                f"{max(errors):.1e}" if errors else "-",
                str(check.direction_kinks),
                "ok" if check.passed(tolerance) else "WRONG",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, len(widths) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
