"""Formulas given as text: sums, products, powers and a few functions, and nothing else."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from affinet._validation import Array

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "cos": np.cos,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}
CONSTANTS = {"pi": np.pi, "e": np.e}


class Formula:
    """A formula in named variables, parsed from text; it is never run as code.

    Parameters
    ----------
    text : str
        Numbers, ``+ - * / **``, parentheses, ``pi``, ``e``, the functions of FUNCTIONS.
    variables : tuple of str
        Names that it may contain.

    Attributes
    ----------
    names : tuple of str
        Those that it contains, in the order of ``variables``.

    Raises
    ------
    ValueError
        If it is not a valid formula; the message names the invalid part.

    Examples
    --------
    >>> f = Formula("x**2 - sin(0)", ("x", "y"))
    >>> f.names, float(f(x=3.0))
    (('x',), 9.0)
    """

    def __init__(self, text: str, variables: tuple[str, ...]) -> None:
        self.text = text
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            raise ValueError(f"{text!r} is not a formula such as '{variables[0]}**2 + 1'") from None
        found = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        unknown = sorted(found - {*variables, *CONSTANTS, *FUNCTIONS})
        if unknown:
            known = ", ".join((*variables, *CONSTANTS, *FUNCTIONS))
            raise ValueError(f"{text!r} has the unknown name {unknown[0]!r}, known are {known}")
        self.names = tuple(name for name in variables if name in found)
        # Evaluated once now, so that an invalid formula is refused before any work is done.
        with np.errstate(all="ignore"):
            self(**dict.fromkeys(self.names, 1.0))

    def __call__(self, **values: float | Array) -> Any:
        """Its value for these values of the variables."""
        return self._value(self.tree, values)

    def _value(self, node: ast.expr, values: dict[str, Any]) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return np.float64(number)
            case ast.Name(id=name) if name in values or name in CONSTANTS:
                return np.float64(values.get(name, CONSTANTS.get(name)))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return BINARY[type(op)](self._value(left, values), self._value(right, values))
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in UNARY:
                return UNARY[type(sign)](self._value(operand, values))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if (
                name in FUNCTIONS
            ):
                return FUNCTIONS[name](self._value(argument, values))
        raise ValueError(f"{self.text!r} has {ast.unparse(node)!r}, which a formula cannot contain")
