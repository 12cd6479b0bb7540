"""From a bound formula and a frame to y, X and the codes and bases of Z, labels kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..covariance import STRUCTURES, Covariance, Stacked
from ..engine.linalg.column_sizes import constant_columns, root_mean_squares, triangular_root
from ..engine.rows import FactorRows, ModelRows
from ..errors import DataError, ModelError
from ..formula.evaluator import Evaluator, Scope, TermMatrix
from ..formula.terms import BoundFormula, BoundRandomTerm
from ..residual import Independent, Residual, Weighted
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .frame import Frame, Missing, group_codes, report_dropped
from .table import Table

RANK_TOLERANCE = 1e-7
"""A column whose part outside the earlier ones is smaller than this share is dropped (as R)."""

ROUNDING_TOLERANCE = 1e-12
"""… and one whose part is rounding against its size before centring."""


@dataclass(frozen=True, eq=False)
class RandomTerm:
    """A random term with its columns.

    Attributes
    ----------
    label : str
        Such as ``Days | Subject``.
    group : int
        Index of its grouping factor in the design.
    columns : tuple of str
        Names of its random effects.
    matrix : TermMatrix
        The basis (n, k) and how it was made.
    covariance : Covariance
        Its structure.
    structure : str
        Name of the structure.
    """

    label: str
    group: int
    columns: tuple[str, ...]
    matrix: TermMatrix
    covariance: Covariance
    structure: str


@dataclass(frozen=True, eq=False)
class GroupingFactor:
    """A grouping factor, with all random terms on it.

    Attributes
    ----------
    name : str
        Such as ``batch:cask``.
    levels : pandas.Index
        Labels of the levels (a MultiIndex for an interaction).
    codes : ndarray of int (n,)
    terms : tuple of int
        Indices of its random terms, in the order of the formula.
    covariance : Stacked
        Their structures, stacked.
    columns : tuple of str
        Names of all its random effects.
    """

    name: str
    levels: pd.Index
    codes: IndexArray
    terms: tuple[int, ...]
    covariance: Stacked
    columns: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Design:
    """Everything numeric about a model, with its labels.

    Attributes
    ----------
    bound : BoundFormula
    frame : Frame
        Complete rows of the columns used.
    used : ndarray of bool
        Rows of `frame` that are in the model: all but those a transformation made NaN.
    y : ndarray (n,)
        The response as evaluated.
    offset : ndarray (n,)
        Sum of all offsets.
    residual : Residual
    fixed : TermMatrix
        All columns of X, before the rank check.
    x_kept : ndarray of int
        Columns of `fixed` that are independent of earlier ones.
    offsets : tuple of TermMatrix
        One for each ``offset()`` of the formula.
    terms : tuple of RandomTerm
    groups : tuple of GroupingFactor
    """

    bound: BoundFormula
    frame: Frame
    used: BoolArray
    y: FloatArray
    offset: FloatArray
    residual: Residual
    fixed: TermMatrix
    x_kept: IndexArray
    offsets: tuple[TermMatrix, ...]
    terms: tuple[RandomTerm, ...]
    groups: tuple[GroupingFactor, ...]

    @property
    def n(self) -> int:
        """Number of rows used."""
        return len(self.y)

    @property
    def index(self) -> pd.Index:
        """Labels of the rows used."""
        return self.frame.table.index[self.used]

    @property
    def x_names(self) -> list[str]:
        """Names of the columns of X."""
        return [self.fixed.names[j] for j in self.x_kept]

    @property
    def x_dropped(self) -> list[str]:
        """Names of the columns left out because they depend on earlier ones."""
        kept = set(self.x_kept.tolist())
        return [name for j, name in enumerate(self.fixed.names) if j not in kept]

    @property
    def X(self) -> FloatArray:
        """Fixed-effects columns, (n, p)."""
        if len(self.x_kept) == self.fixed.values.shape[1]:
            return self.fixed.values
        return self.fixed.values[:, self.x_kept]

    def basis(self, group: GroupingFactor) -> FloatArray:
        """Basis columns of all terms on a grouping factor, (n, k)."""
        parts = [self.terms[t].matrix.values for t in group.terms]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def rows(self, y: FloatArray | None = None) -> ModelRows:
        """The rows as the engine wants them, with another response if given."""
        response = self.y if y is None else y
        return ModelRows(
            y=response - self.offset,
            X=self.X,
            factors=tuple(FactorRows(g.codes, len(g.levels), self.basis(g)) for g in self.groups),
            residual=self.residual,
            size=self.response_size(response),
        )

    def response_size(self, y: FloatArray) -> float:
        """Largest absolute value among a response and the offset."""
        return float(max(np.abs(y).max(initial=0.0), np.abs(self.offset).max(initial=0.0)))


def build_design(
    bound: BoundFormula,
    frame: Frame,
    scope: Scope,
    *,
    contrasts: Mapping[str, Any] | None = None,
    missing: Missing = "drop",
    related: Collection[str] = (),
) -> Design:
    """Evaluate every piece of the formula on the frame.

    Parameters
    ----------
    bound : BoundFormula
    frame : Frame
        ``frame.extra`` may hold ``weights`` and ``offset``.
    scope : Scope
        The caller's names.
    contrasts : mapping, optional
        Coding of factors by column name.
    missing : {"drop", "raise"}
        What to do when a transformation gives NaN.
    related : collection of str
        Grouping factors whose levels have a known covariance: one row for each will do.

    Raises
    ------
    DataError, ModelError
        With the culprit's name.
    """
    pieces = _evaluate(bound, frame.table, scope, contrasts)
    used = np.ones(frame.table.n, dtype=bool)
    absent = _undefined(pieces)
    if absent:
        used = ~np.logical_or.reduce(list(absent.values()))
        report_dropped(~used, absent, missing)
        settled = frame.with_categories_of(used)
        if settled is not frame:  # a level that only these rows had has no column
            pieces = _evaluate(bound, settled.table, scope, contrasts)
        pieces = pieces.subset(used)
    offset = frame.extra.get("offset", np.zeros(len(used)))[used]
    if not np.isfinite(offset).all():
        raise DataError("offset is infinite in some rows: mend or drop them.")
    for matrix in pieces.offsets:
        offset = offset + matrix.values[:, 0]
    weights = frame.extra.get("weights")
    weights = None if weights is None else weights[used]
    y = _check_response(pieces.response, bound)
    groups, terms = _random_parts(bound, pieces.random, pieces.labels)
    _check_sizes(groups, terms, bound.random, len(y), related)
    return Design(
        bound=bound,
        frame=frame,
        used=used,
        y=y,
        offset=offset,
        residual=Weighted(weights) if weights is not None else Independent(),
        fixed=pieces.fixed,
        x_kept=independent_columns(pieces.fixed.values),
        offsets=pieces.offsets,
        terms=terms,
        groups=groups,
    )


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Everything that the formula gives on a frame."""

    response: TermMatrix
    fixed: TermMatrix
    random: tuple[TermMatrix, ...]
    offsets: tuple[TermMatrix, ...]
    labels: tuple[tuple[pd.Series, ...], ...]

    def subset(self, rows: BoolArray) -> _Pieces:
        return _Pieces(
            response=self.response.subset(rows),
            fixed=self.fixed.subset(rows),
            random=tuple(m.subset(rows) for m in self.random),
            offsets=tuple(m.subset(rows) for m in self.offsets),
            labels=tuple(tuple(s.loc[rows] for s in parts) for parts in self.labels),
        )


def _evaluate(
    bound: BoundFormula, table: Table, scope: Scope, contrasts: Mapping[str, Any] | None
) -> _Pieces:
    evaluator = Evaluator(table, scope, contrasts)
    formula = bound.formula
    offsets = [
        evaluator.matrix(parsed, piece, "the offset")
        for parsed, piece in zip(bound.offsets, formula.offsets, strict=True)
    ]
    for matrix, piece in zip(offsets, formula.offsets, strict=True):
        if matrix.is_categorical or len(matrix.names) != 1:
            raise piece.error(f"offset({piece.label}) is not one column of numbers.")
    return _Pieces(
        response=evaluator.matrix(bound.response, formula.response, "the response"),
        fixed=evaluator.matrix(bound.fixed, formula.fixed, "the fixed part"),
        random=tuple(
            evaluator.matrix(t.expression, t.piece, f"the random term {t.written}")
            for t in bound.random
        ),
        offsets=tuple(offsets),
        labels=tuple(
            tuple(evaluator.factor(f, t.group_piece) for f in t.group) for t in bound.random
        ),
    )


def _undefined(pieces: _Pieces) -> dict[str, BoolArray]:
    """Rows where a transformation gave NaN, by what gave it; infinities are refused."""
    absent: dict[str, BoolArray] = {}
    for matrix in (pieces.response, pieces.fixed, *pieces.random, *pieces.offsets):
        if np.isfinite(matrix.values).all():
            continue
        infinite = np.isinf(matrix.values)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise DataError(
                f"`{matrix.names[column]}` is infinite in {int(infinite.sum())} rows "
                f"(the first is row {row} of those used): mend or drop them."
            )
        for j in np.flatnonzero(np.isnan(matrix.values).any(axis=0)):
            absent[matrix.names[j]] = np.isnan(matrix.values[:, j])
    return absent


def _check_response(response: TermMatrix, bound: BoundFormula) -> FloatArray:
    piece = bound.formula.response
    if response.is_categorical or len(response.names) != 1:
        kind = "is not numeric" if response.is_categorical else "has several columns"
        raise piece.error(f"the response `{piece.label}` {kind}; one numeric column is needed.")
    y = np.ascontiguousarray(response.values[:, 0])
    if len(y) > 1 and (y == y[0]).all():
        raise ModelError(f"the response `{piece.label}` is constant ({y[0]:g}): nothing to model.")
    return y


# --- random terms -------------------------------------------------------------------------


def _random_parts(
    bound: BoundFormula, matrices: Sequence[TermMatrix], labels: Sequence[Sequence[pd.Series]]
) -> tuple[tuple[GroupingFactor, ...], tuple[RandomTerm, ...]]:
    order: dict[frozenset[str], int] = {}
    members: list[list[int]] = []
    terms: list[RandomTerm] = []
    for i, (spec, matrix) in enumerate(zip(bound.random, matrices, strict=True)):
        key = frozenset(f.expr for f in spec.group)
        group = order.setdefault(key, len(order))
        if group == len(members):
            members.append([])
        members[group].append(i)
        dependent = set(range(len(matrix.names))) - set(independent_columns(matrix.values).tolist())
        zero = ~matrix.values.any(axis=0)
        if zero.any():
            name = matrix.names[int(np.flatnonzero(zero)[0])]
            raise ModelError(
                f"the random term {spec.written}: its column `{name}` is all zero. Leave it out."
            )
        if dependent:
            name = matrix.names[min(dependent)]
            raise ModelError(
                f"the random term {spec.written}: its column `{name}` depends linearly on the "
                "earlier ones, so their variances cannot be told apart. Leave it out."
            )
        terms.append(
            RandomTerm(
                label=spec.label,
                group=group,
                columns=matrix.names,
                matrix=matrix,
                covariance=STRUCTURES[spec.structure](k=len(matrix.names)),
                structure=spec.structure,
            )
        )
    groups = []
    for indices in members:
        spec = bound.random[indices[0]]
        codes, levels = _interaction(labels[indices[0]], spec.group_name)
        columns = [c for i in indices for c in terms[i].columns]
        twice = next((c for c in columns if columns.count(c) > 1), None)
        if twice is not None:
            both = [bound.random[i].written for i in indices if twice in terms[i].columns]
            raise ModelError(
                f"`{twice}` is a random effect of `{spec.group_name}` in {' and in '.join(both)}: "
                "their variances cannot be told apart. Leave it out of one, as in (0 + x | g)."
            )
        groups.append(
            GroupingFactor(
                name=spec.group_name,
                levels=levels,
                codes=codes,
                terms=tuple(indices),
                covariance=Stacked.of([terms[i].covariance for i in indices]),
                columns=tuple(columns),
            )
        )
    return tuple(groups), tuple(terms)


def _interaction(components: Sequence[pd.Series], name: str) -> tuple[IndexArray, pd.Index]:
    """Codes and labels of the combinations of levels that occur."""
    coded = [group_codes(c) for c in components]
    for (codes, _), part in zip(coded, name.split(":"), strict=False):
        if (codes < 0).any():
            raise DataError(f"the grouping factor `{part}` has missing labels after evaluation.")
    if len(coded) == 1:
        codes, levels = coded[0]
        return codes, levels.rename(name)
    where, present = coded[0][0], coded[0][1]
    for codes, levels in coded[1:]:  # counted anew each time, so that no product overflows
        present, where = np.unique(where * len(levels) + codes, return_inverse=True)
    first = np.empty(len(present), dtype=np.intp)
    first[where[::-1]] = np.arange(len(where))[::-1]
    labels = pd.MultiIndex.from_arrays(
        [levels[codes[first]] for codes, levels in coded],
        names=name.split(":") if name.count(":") == len(coded) - 1 else None,
    )
    return where.astype(np.intp), labels


def _check_sizes(
    groups: Sequence[GroupingFactor],
    terms: Sequence[RandomTerm],
    random: Sequence[BoundRandomTerm],
    n: int,
    related: Collection[str],
) -> None:
    for group in groups:
        q = len(group.levels)
        if q < 2:
            raise ModelError(
                f"the grouping factor `{group.name}` has one level; a variance between levels "
                "needs at least two. Leave the term out."
            )
    for term, written in zip(terms, (t.written for t in random), strict=True):
        q, k = len(groups[term.group].levels), len(term.columns)
        if q * k >= n and groups[term.group].name not in related:
            raise ModelError(
                f"the random term {written} has {q} × {k} = {q * k} random effects for "
                f"{n} rows: they cannot be told from the residuals. "
                "Use fewer columns or a coarser grouping factor."
            )


# --- rank ---------------------------------------------------------------------------------


def independent_columns(X: FloatArray) -> IndexArray:
    """Columns of X that do not depend linearly on earlier ones.

    Householder elimination in column order on the R factor of X, so the earlier of two
    dependent columns stays. Columns are centred first when one of them is constant, so a
    shifted predictor (a year, a time stamp) is not mistaken for an intercept.

    Parameters
    ----------
    X : ndarray (n, p)

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> independent_columns(np.array([[1.0, 2, 4, 1], [1, 3, 6, 2], [1, 5, 10, 9]]))
    array([0, 1, 3])
    """
    n, p = X.shape
    sizes = root_mean_squares(X)
    flat = constant_columns(X)
    work = X / np.where(sizes > 0, sizes, 1.0)
    if flat.any():
        keep = int(np.flatnonzero(flat)[0])
        center = work.mean(axis=0)
        center[keep] = 0.0
        before = np.arange(p) < keep  # columns before the constant cannot be centred by it
        center[before] = 0.0
        work = work - center
    r = triangular_root(work)
    norms = np.sqrt(np.einsum("ij,ij->j", r, r))
    pivots = np.abs(np.diagonal(r))
    if (
        len(pivots) == p
        and (pivots > np.maximum(RANK_TOLERANCE * norms, ROUNDING_TOLERANCE * np.sqrt(n))).all()
    ):
        return np.arange(p)
    kept: list[int] = []
    basis = np.empty((r.shape[0], 0))
    for j in range(p):
        left = r[:, j] - basis @ (basis.T @ r[:, j])
        left = left - basis @ (basis.T @ left)
        size = float(np.linalg.norm(left))
        if size > RANK_TOLERANCE * norms[j] and size > ROUNDING_TOLERANCE * np.sqrt(n):
            kept.append(j)
            basis = np.column_stack([basis, left / size])
    return np.asarray(kept, dtype=np.intp)
