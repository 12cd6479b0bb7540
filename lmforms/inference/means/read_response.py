"""The transformation of the response, read off the formula, such as ``2 * sqrt(y + 1)``."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...data.design import Design
from ...errors import ModelError
from ...formula.expression import Expression, parse_code
from ...formula.formulaic_factors import factors_of
from ...support.arrays import FloatArray
from .response_scale import (
    ResponseScale,
    Step,
    affine,
    exponential,
    exponential_less_one,
    logarithm,
    power,
    sine,
)

BASES = {"log": math.e, "log2": 2.0, "log10": 10.0}
"""Logarithms by their names in formulas."""

AGREES = 1e-6
"""Largest relative difference between the responses and those found back by the inverse."""

Function = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of the expression: an increasing or decreasing function of the column.

    Attributes
    ----------
    column : str
    values : ndarray (n,)
        Of the rows of the fit.
    steps : tuple of callable
        Back to the column.
    low, high : float
        Range.
    base, factor : float
        As of a `ResponseScale`.
    linear : bool
        Whether it is a multiple of the column.
    """

    column: str
    values: FloatArray
    steps: tuple[Step, ...] = ()
    low: float = -np.inf
    high: float = np.inf
    base: float = 0.0
    factor: float = 1.0
    linear: bool = True

    def scaled(self, scale: float, shift: float) -> _Part:
        """``scale * part + shift``."""
        if scale == 0.0 or not np.isfinite([scale, shift]).all():
            raise _UnknownError("a factor of zero")
        ends = sorted(scale * end + shift for end in (self.low, self.high))
        return replace(
            self,
            values=scale * self.values + shift,
            steps=(affine(1.0 / scale, -shift / scale), *self.steps),
            low=ends[0],
            high=ends[1],
            factor=self.factor * scale,
            linear=self.linear and shift == 0.0,
        )

    def mapped(
        self, function: Function, inverse: Step, domain: tuple[float, float], base: float = 0.0
    ) -> _Part:
        """A monotone function of the part."""
        with np.errstate(all="ignore"):
            ends = np.clip([self.low, self.high], *domain)
            low, high = sorted(function(ends).tolist())
            values = function(self.values)
        return replace(
            self,
            values=values,
            steps=(inverse, *self.steps),
            low=low,
            high=high,
            base=base if self.linear else 0.0,
            factor=1.0,
            linear=False,
        )


class _UnknownError(Exception):
    """A part of the expression that is not known to be invertible."""


def response_scale(design: Design, what: str) -> ResponseScale:
    """The inverse of the transformation in the response of the formula.

    Logarithms, roots, powers, ``exp``, ``asin``, and sums, differences, products and quotients
    with constants, one within the other, of one column.

    Raises
    ------
    ModelError
        The response is not transformed, its transformation is not among these, or it does not
        determine the column.
    """
    part = design.bound.formula.response
    factors = list(factors_of(design.bound.response))
    if len(factors) != 1 or factors[0].eval_method.value != "python":
        raise ModelError(
            f"{what}: kind='response' is for a transformed response such as log(y), and "
            f"`{part.label}` is not transformed: leave `kind` out."
        )
    try:
        made = _read(parse_code(factors[0].expr), design)
    except _UnknownError as exc:
        raise ModelError(
            f"{what}: kind='response': `{part.label}` cannot be inverted ({exc}). Known are "
            "logarithms, roots and powers of one column, with constants."
        ) from None
    scale = ResponseScale(
        label=part.label,
        response=made.column,
        steps=made.steps,
        least=made.low,
        most=made.high,
        base=made.base,
        factor=made.factor,
    )
    y = design.frame.table[made.column].to_numpy(dtype=np.float64)[design.in_model]
    size = max(float(np.abs(y).max()), np.finfo(float).tiny)
    if not (np.abs(scale.inverse(design.y)[0] - y) <= AGREES * size).all():
        raise ModelError(
            f"{what}: kind='response': `{scale.label}` does not determine `{scale.response}`: "
            "other values of it would give the same."
        )
    return scale


def _read(expression: Expression, design: Design) -> _Part:
    return _part(expression.tree.body, expression, design)


def _part(node: ast.expr, expression: Expression, design: Design) -> _Part:
    if isinstance(node, ast.Name):
        name = expression.name(node.id)
        table = design.frame.table
        if name not in table or table[name].dtype.kind not in "iuf":
            raise _UnknownError(f"`{name}` is no column of numbers")
        return _Part(name, table[name].to_numpy(dtype=np.float64)[design.in_model])
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        return _called(_function_name(node.func, expression), node.args[0], expression, design)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _part(node.operand, expression, design).scaled(-1.0, 0.0)
    if isinstance(node, ast.BinOp):
        return _combined(node, expression, design)
    raise _UnknownError(f"`{expression.written(ast.unparse(node))}`")


def _function_name(node: ast.expr, expression: Expression) -> str:
    """``log`` of ``log`` and of ``np.log``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return expression.name(node.id) if isinstance(node, ast.Name) else ""


def _called(name: str, argument: ast.expr, expression: Expression, design: Design) -> _Part:
    inner = _part(argument, expression, design)
    positive = (0.0, np.inf)
    if name == "I":
        return inner
    if name in BASES:
        base = BASES[name]
        rate = np.log(base)
        return inner.mapped(lambda x: np.log(x) / rate, exponential(base), positive, base)
    if name == "log1p":
        return inner.mapped(np.log1p, exponential_less_one, (-1.0, np.inf))
    if name == "sqrt":
        return inner.mapped(np.sqrt, power(2.0), positive)
    if name == "exp":
        return inner.mapped(np.exp, logarithm, (-np.inf, np.inf))
    if name in ("asin", "arcsin"):
        return inner.mapped(np.arcsin, sine, (-1.0, 1.0))
    raise _UnknownError(f"the function `{name}`")


def _combined(node: ast.BinOp, expression: Expression, design: Design) -> _Part:
    """A sum, difference, product, quotient or power of a part and a constant."""
    left, right = _constant(node.left), _constant(node.right)
    if (left is None) == (right is None):
        raise _UnknownError(f"`{expression.written(ast.unparse(node))}`")
    inner = _part(node.left if left is None else node.right, expression, design)
    c = right if left is None else left
    assert c is not None
    if isinstance(node.op, ast.Add):
        return inner.scaled(1.0, c)
    if isinstance(node.op, ast.Sub):
        return inner.scaled(1.0, -c) if left is None else inner.scaled(-1.0, c)
    if isinstance(node.op, ast.Mult):
        return inner.scaled(c, 0.0)
    if isinstance(node.op, ast.Div) and left is None and c != 0.0:
        return inner.scaled(1.0 / c, 0.0)
    if isinstance(node.op, ast.Div) and left is not None:
        return _powered(inner, -1.0).scaled(c, 0.0)
    if isinstance(node.op, ast.Pow) and left is None and c != 0.0:
        return inner if c == 1.0 else _powered(inner, c)
    raise _UnknownError(f"`{expression.written(ast.unparse(node))}`")


def _powered(inner: _Part, p: float) -> _Part:
    """A power, increasing or decreasing on the side of zero where the data are."""
    if p == -1.0 and (inner.values < 0.0).all():
        return inner.mapped(lambda x: 1.0 / x, power(-1.0), (-np.inf, -0.0))
    return inner.mapped(lambda x: x**p, power(1.0 / p), (0.0, np.inf))


def _constant(node: ast.expr) -> float | None:
    """The value of numbers and what is computed from them; None for anything else."""
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        return None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _constant(node.operand)
        return None if operand is None else -operand
    if isinstance(node, ast.BinOp):
        left, right = _constant(node.left), _constant(node.right)
        if left is None or right is None:
            return None
        operators: dict[type, Callable[[float, float], float]] = {
            ast.Add: lambda a, b: a + b,
            ast.Sub: lambda a, b: a - b,
            ast.Mult: lambda a, b: a * b,
            ast.Div: lambda a, b: a / b if b else np.nan,
            ast.Pow: lambda a, b: a**b,
        }
        operator = operators.get(type(node.op))
        return None if operator is None else operator(left, right)
    return None
