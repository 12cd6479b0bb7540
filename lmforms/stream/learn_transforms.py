"""What the transforms of a formula learn from all rows, by passes over their arguments.

``scale`` and ``center`` take moments, which add up; ``poly`` one pass for each degree, as its
polynomials follow from each other; splines with knots the range. What takes quantiles, or whatever
else of all values together, is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, LmformsError, ModelError
from ..formula.aliases import unaliased
from ..formula.evaluator import Evaluator
from ..formula.expression import parse_code
from ..formula.formulaic_factors import called_names, factor_columns, factors_of
from ..formula.operators import HELPERS
from ..formula.terms import BoundFormula
from ..sources.source import Partition, Source
from ..support.arrays import FloatArray
from ..support.column_table import Table
from .chunk_columns import complete_rows
from .plan import Plan

SPLINES = ("bs", "cr", "cs", "cc", "ns")

STAND_IN = "stream_values"
"""Name of a column that stands for the argument of a transform."""


@dataclass(frozen=True)
class Moments:
    """Number, mean, sum of squares about it, and range of values.

    Examples
    --------
    >>> both = Moments.of(np.array([1.0, 2.0])) + Moments.of(np.array([6.0]))
    >>> both.n, both.mean, both.squares, both.low, both.high
    (3, 3.0, 14.0, 1.0, 6.0)
    """

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, values: FloatArray) -> Moments:
        """Of some values."""
        if not len(values):
            return cls()
        mean = float(values.mean())
        squares = float(np.square(values - mean).sum())
        return cls(len(values), mean, squares, float(values.min()), float(values.max()))

    def __add__(self, other: Moments) -> Moments:
        n = self.n + other.n
        if not n:
            return self
        apart = other.mean - self.mean
        return Moments(
            n,
            self.mean + apart * other.n / n,
            self.squares + other.squares + apart * apart * self.n * other.n / n,
            min(self.low, other.low),
            max(self.high, other.high),
        )


def learn_ranges(
    bound: BoundFormula, source: Source, columns: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """The least and the largest number of each column that a spline takes.

    Knots must lie between them, also in the few rows that a plan is made from.

    Parameters
    ----------
    bound : BoundFormula
    source : Source
    columns : sequence of str
        Those that are numbers.
    """
    parts = [bound.response, bound.fixed, *bound.offsets, *(t.expression for t in bound.random)]
    factors = [factor for part in parts for factor in factors_of(part)]
    used = [factor_columns(f) for f in factors if called_names(f) & set(SPLINES)]
    names = [name for name in columns if any(name in own for own in used)]
    if not names:
        return {}
    if not source.repeatable:
        raise read_once(source, names[0])
    found = source.reduced(partial(_ranges, tuple(names)), _both)
    return {name: (own.low, own.high) for name, own in found.items() if own.n}


def _ranges(names: tuple[str, ...], partitions: Sequence[Partition]) -> dict[str, Moments]:
    found = {name: Moments() for name in names}
    for partition in partitions:
        for batch in partition.read(names):
            for name in names:
                values = batch.column(name).drop_null().to_numpy(zero_copy_only=False)
                values = values.astype(np.float64)
                found[name] += Moments.of(values[np.isfinite(values)])
    return found


def _both(a: dict[str, Moments], b: dict[str, Moments]) -> dict[str, Moments]:
    return {name: own + b[name] for name, own in a.items()}


def read_once(source: Source, what: str) -> DataError:
    """The error for a source that cannot be read as often as a formula needs it."""
    return DataError(
        f"{source.name} can be read once, and `{what}` has to be known from all rows before: give "
        "a function that makes the chunks, or compute the column."
    )


def learn_transforms(plan: Plan, source: Source) -> None:
    """Let the transforms of a plan learn from all rows of a source.

    Parameters
    ----------
    plan : Plan
        Whose transforms have learnt from a sample: what they learnt is replaced.
    source : Source

    Raises
    ------
    ModelError
        A transform that cannot learn from chunks.
    DataError
        The source can be read only once.
    """
    states = _states(plan)
    if not states:
        return
    if not source.repeatable:
        raise read_once(source, unaliased(next(iter(states))))
    for text, own in states.items():
        learnt = _learnt(plan, source, text, own[0])
        for state in own:
            state.clear()
            state.update(learnt)


def _states(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """What each call has learnt, wherever it stands in the formula."""
    if plan.bound.plain is not None:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for matrix in plan.matrices:
        for text, state in matrix.spec.transform_state.items():
            if state and not any(state is known for known in found.get(text, [])):
                found.setdefault(text, []).append(state)
    return found


def _learnt(plan: Plan, source: Source, text: str, state: dict[str, Any]) -> dict[str, Any]:
    """What a call learns from all rows."""
    call = _AsWritten().visit(ast.parse(text, mode="eval").body)
    assert isinstance(call, ast.Call)
    name = unaliased(ast.unparse(call.func))
    given = {keyword.arg for keyword in call.keywords}
    if not call.args or "df" in given or (name in SPLINES and len(call.args) > 1):
        raise ModelError(
            f"`{unaliased(text)}` takes quantiles of all values, which chunks do not have: give "
            f"knots=, as in {name}(x, knots=[…])."
        )
    argument = _quoted(plan, ast.unparse(call.args[0]))
    if any(isinstance(node, ast.Call) and _is_known(node) for node in ast.walk(call.args[0])):
        raise ModelError(
            f"`{unaliased(text)}` is a transform of another one: compute the inner one as a column."
        )
    if name in ("scale", "center", "standardize"):
        return _scaling(_moments(plan, source, argument), state, call)
    if name == "poly":
        return _polynomials(plan, source, argument, len(state["alpha"]))
    if name in SPLINES and "constraints" not in given:
        found = _moments(plan, source, argument)
        return _spline(plan, call, found)
    raise ModelError(
        f"`{unaliased(text)}` learns from all values together, which chunks do not have: compute "
        "it as a column."
    )


def _quoted(plan: Plan, text: str) -> str:
    """Code with the names of columns as the user wrote them, for the parser."""
    bound = plan.bound
    parts = [bound.response, bound.fixed, *bound.offsets, *(t.expression for t in bound.random)]
    for part in parts:
        for factor in factors_of(part):
            if factor.eval_method.value != "python":
                continue
            for identifier, name in parse_code(factor.expr).quoted.items():
                text = re.sub(rf"\b{re.escape(identifier)}\b", f"`{name}`", text)
    return text


class _AsWritten(ast.NodeTransformer):
    """Arithmetic as it was before formulas gave it R's meaning, which evaluation gives again."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "__number":
            return node.args[0]
        if name == "__power":
            return ast.BinOp(node.args[0], ast.Pow(), node.args[1])
        if name in HELPERS:
            raise ModelError(
                "the argument of a transform that learns from all rows has a comparison or an "
                "operator of R: compute it as a column."
            )
        return node


def _is_known(call: ast.Call) -> bool:
    name = unaliased(ast.unparse(call.func))
    return name in ("scale", "center", "standardize", "poly", *SPLINES)


def _scaling(found: Moments, state: dict[str, Any], call: ast.Call) -> dict[str, Any]:
    """Centre and size; those that the call gives stay."""
    given = {k.arg: k.value for k in call.keywords}
    centre, size = state["center"], state["scale"]
    if centre is not None and _is_default(given.get("center")):
        centre = np.float64(found.mean)
    if size is not None and _is_default(given.get("scale")):
        about = 0.0 if centre is None else float(centre)
        squares = found.squares + found.n * (found.mean - about) ** 2
        size = np.float64(np.sqrt(squares / (found.n - state["ddof"])))
    return {**state, "center": centre, "scale": size}


def _is_default(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is True)


def _spline(plan: Plan, call: ast.Call, found: Moments) -> dict[str, Any]:
    """What the call learns from the range alone."""
    ends = pd.Series([found.low, found.high], name=STAND_IN)
    call = ast.Call(call.func, [ast.Name(STAND_IN, ast.Load()), *call.args[1:]], call.keywords)
    text = ast.unparse(call)
    learnt: dict[str, Any] = {}
    given = plan.formula_data
    evaluator = Evaluator(Table({STAND_IN: ends}, ends.index), given.scope, {})
    try:
        evaluator.value(_factor(text), learnt)
    except LmformsError:
        raise
    except Exception as error:  # calls in a formula can raise anything
        raise DataError(f"`{unaliased(ast.unparse(call))}`: {error}") from error
    (state,) = learnt.values()
    return dict(state)


def _polynomials(plan: Plan, source: Source, argument: str, degree: int) -> dict[str, Any]:
    """α and ‖P‖² of monic orthogonal polynomials, one pass for each."""
    alpha: dict[int, Any] = {}
    norms: dict[int, Any] = {}
    for k in range(degree + 1):
        work = partial(_polynomial_sums, alpha=dict(alpha), norms=dict(norms), k=k)
        squares, weighted = _over_values(plan, source, argument, work, _added)
        norms[k] = np.float64(squares)
        if k < degree:
            alpha[k] = np.float64(weighted / squares)
    return {"alpha": alpha, "norms2": norms}


def _polynomial_sums(
    values: FloatArray, alpha: dict[int, Any], norms: dict[int, Any], k: int
) -> tuple[float, float]:
    """Σ P_k² and Σ x P_k², of the polynomial of degree k."""
    before, now = np.zeros_like(values), np.ones_like(values)
    for i in range(1, k + 1):
        step = norms[i - 1] / norms[i - 2] if i > 1 else 0.0
        before, now = now, (values - alpha[i - 1]) * now - step * before
    squares = np.square(now)
    return float(squares.sum()), float(values @ squares)


def _added(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return a[0] + b[0], a[1] + b[1]


def _moments(plan: Plan, source: Source, argument: str) -> Moments:
    return _over_values(plan, source, argument, Moments.of, Moments.__add__)


def _over_values(
    plan: Plan,
    source: Source,
    argument: str,
    work: Callable[[FloatArray], Any],
    combine: Callable[[Any, Any], Any],
) -> Any:
    """What `work` makes of the values of an expression in complete rows, combined."""
    return source.reduced(partial(_of_partitions, plan, argument, work, combine), combine)


def _of_partitions(
    plan: Plan,
    argument: str,
    work: Callable[[FloatArray], Any],
    combine: Callable[[Any, Any], Any],
    partitions: Sequence[Partition],
) -> Any:
    total: Any = None
    for partition in partitions:
        for batch in partition.read(plan.columns):
            found = work(_values(plan, argument, batch))
            total = found if total is None else combine(total, found)
    return work(np.zeros(0)) if total is None else total


def _values(plan: Plan, argument: str, batch: Any) -> FloatArray:
    chunk = complete_rows(plan, batch)
    if not chunk.table.n:
        return np.zeros(0)
    value = Evaluator(chunk.table, plan.formula_data.scope, {}).value(_factor(argument))
    found = np.asarray(value, dtype=np.float64)
    if found.shape != (chunk.table.n,):
        raise ModelError(f"`{unaliased(argument)}` is not one column: compute it before.")
    return found


def _factor(text: str) -> Any:
    from formulaic.parser.types import Factor

    return Factor(text, eval_method="python")
