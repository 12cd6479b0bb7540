"""Hypotheses Lβ = 0 of the terms of the fixed part: Type I, II and III.

- Type I: a term after those before it in the formula.
- Type II: a term after all others that do not contain it.
- Type III: the estimable functions that involve no parameters but those of the term and of terms
  that contain it, and that are orthogonal to those of the containing terms alone.

All are defined on the over-parametrised design X_o (:mod:`.parameter_blocks`), so they do not
depend on how factors are coded. Let V be an orthonormal basis of the estimable functions, and V_S
its rows of the terms S. For a term F, let Z be the terms that are neither F nor contain it, J a
basis of the columns of V_Z', and T one of the part of V_F' outside of J: there are as many
hypotheses as columns of T. With the coding K of the fit, X = X_o K, and M = V'K:

- Type III is T'V' of the parameters, which is T'M of the coefficients β.
- X_o = X M⁻¹V', so the columns of Z span X M⁻¹J. With R of X = QR, Type II is QᵢR where the columns
  Qᵢ of Q span the part of the columns of F outside of RM⁻¹J; Type I has the terms before F for Z.

Which of the matrices L that say the same is taken does not matter to F, but a little to the
denominator degrees of freedom of Satterthwaite's method. Here it is that of lmerTest for treatment
contrasts, whatever those of the fit: every row has coefficient 1 of one column of the term, and 0
of the other ones (Type III, and Type II of terms that no other contains) or of those before it
(Type I, and Type II of the others). With a single term all types are Type I.

References
----------
Goodnight (1980), *Tests of Hypotheses in Fixed Effects Linear Models*, Communications in
Statistics A9. SAS Institute, *SAS/STAT User's Guide*, The Four Types of Estimable Functions.
Kuznetsova, Brockhoff, Christensen (2017), *lmerTest Package: Tests in Linear Mixed Effects
Models*, J. Statistical Software 82(13).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ..data.design import Design
from ..engine.linalg.independent_columns import independent_columns
from ..engine.linalg.stable_columns import root_mean_squares, triangular_root
from ..support.arrays import FloatArray, IndexArray
from .estimable_spaces import (
    EstimableFunctions,
    EstimableSpace,
    column_space,
    estimable_functions,
)
from .fixed_terms import FixedTerm, fixed_terms_of
from .parameter_blocks import OverParametrised

TYPES = (1, 2, 3)

SAME_ROWS = 1e-8
"""Rows of hypotheses that agree up to this share are one hypothesis."""


@dataclass(frozen=True)
class TermContrasts:
    """Hypotheses of the terms of the fixed part.

    Attributes
    ----------
    L : dict of str to ndarray (r, p)
        For each term, in the order of the formula and without the intercept, the hypotheses Lβ = 0
        about the coefficients of the columns kept. No rows: it has no estimable hypothesis.
    empty : dict of str to tuple of int
        Terms that contain others and have combinations of levels that no row has: how many, of how
        many.
    """

    L: dict[str, FloatArray]
    empty: dict[str, tuple[int, int]]


def term_contrasts(design: Design, type: int) -> dict[str, FloatArray]:
    """L of the Type I, II or III test of each term of the fixed part.

    Parameters
    ----------
    design : Design
    type : {1, 2, 3}

    Returns
    -------
    dict of str to ndarray (r, p)
        As ``TermContrasts.L``.

    Examples
    --------
    >>> import lmforms as lf
    >>> sums = {"Machine": "contr.sum"}
    >>> machines = lf.datasets.load("Machines")
    >>> model = lf.MixedModel("score ~ Machine + (1 | Worker)", machines, contrasts=sums)
    >>> term_contrasts(model.design, 3)["Machine"].round(12)
    array([[ 0., -1.,  1.],
           [ 0., -2., -1.]])
    """
    return contrasts_of(design, type).L


def contrasts_of(design: Design, type: int) -> TermContrasts:
    """As :func:`term_contrasts`, with what a table must say about the data."""
    terms = fixed_terms_of(design)
    tested = [term for term in terms if not term.is_intercept]
    over = OverParametrised(design, terms)
    estimable = estimable_functions(over, len(design.x_kept))
    empty = {
        p.term.label: (p.combinations.possible - p.combinations.count, p.combinations.possible)
        for p in over.parameters
        if p.combinations.count < p.combinations.possible
        and any(p.term.contains(term) for term in tested)
    }
    type = 1 if len(tested) == 1 else type
    columns = _columns_by_term(over)
    if type == 3:
        found = _type_three(design, estimable, tested, columns)
    elif not estimable.complete:
        found = _from_columns(design, terms, type)
    elif type == 2:
        found = _type_two(design, estimable, tested, columns)
    else:
        found = _type_one(design, estimable, tested, columns)
    return TermContrasts(found, empty)


def _columns_by_term(over: OverParametrised) -> dict[str, IndexArray]:
    """Columns of each term under treatment contrasts."""
    return {
        p.term.label: np.flatnonzero((p.treatment != 0).any(axis=0)) for p in over.parameters
    }


def _type_three(
    design: Design,
    estimable: EstimableFunctions,
    tested: Sequence[FixedTerm],
    columns: Mapping[str, IndexArray],
) -> dict[str, FloatArray]:
    sizes = root_mean_squares(design.X)
    found = {}
    for term in tested:
        space = estimable.space_of(term)
        functions = np.kron(_functions(space, term)[1], np.eye(space.k)).T
        echelon = _one_column_each(functions @ space.treatment[:, columns[term.label]])
        rows = echelon @ functions @ space.coding[:, design.x_kept]
        found[term.label] = rows if estimable.complete else _independent_rows(rows, sizes)
    return found


def _functions(space: EstimableSpace, term: FixedTerm) -> tuple[FloatArray, FloatArray]:
    """J and T of a term, in coordinates of the basis of its space."""
    others = {t.label for t in space.terms if t != term and not t.contains(term)}
    outside = column_space(space.rows(others).T, space.tolerance)
    own = _outside(space.rows({term.label}).T, outside)
    return outside, column_space(own, space.tolerance)


def _outside(columns: FloatArray, basis: FloatArray) -> FloatArray:
    """The part of columns outside the span of an orthonormal basis, taken off twice."""
    columns = columns - basis @ (basis.T @ columns)
    return np.asarray(columns - basis @ (basis.T @ columns))


def _one_column_each(block: FloatArray) -> FloatArray:
    """A such that rows A @ block have 1 in one column each, where the other rows have 0.

    The first columns that are independent; the rows are left as they are if there are too few.
    """
    chosen = independent_columns(block)
    if len(chosen) < len(block):
        return np.eye(len(block))
    return np.asarray(np.linalg.inv(block[:, chosen]))


def _type_two(
    design: Design,
    estimable: EstimableFunctions,
    tested: Sequence[FixedTerm],
    columns: Mapping[str, IndexArray],
) -> dict[str, FloatArray]:
    root, sizes, moved = _moved(design, estimable)
    ends = np.cumsum([0, *(len(space.coding) for space in estimable.spaces)])
    found = {}
    for term in tested:
        space = estimable.space_of(term)
        place = estimable.spaces.index(space)
        start, end = ends[place], ends[place + 1]
        rest = np.delete(moved, np.s_[start:end], axis=1)
        outside, functions = (np.kron(f, np.eye(space.k)) for f in _functions(space, term))
        own = space.treatment[:, columns[term.label]]
        # in coordinates of T the columns of the term have no rounding to tell from zero
        own = own[:, independent_columns(functions.T @ own)]
        before = np.hstack([rest, moved[:, start:end] @ outside])
        free = not any(other.contains(term) for other in tested)
        rows = _after(before, moved[:, start:end] @ own, reduced=free)
        found[term.label] = rows @ root * sizes
    return found


def _type_one(
    design: Design,
    estimable: EstimableFunctions,
    tested: Sequence[FixedTerm],
    columns: Mapping[str, IndexArray],
) -> dict[str, FloatArray]:
    root, sizes, moved = _moved(design, estimable)
    treatment = np.vstack([space.treatment for space in estimable.spaces])
    kept = independent_columns(treatment)
    coded = moved @ treatment[:, kept]
    found = {}
    for term in tested:
        own = np.flatnonzero(np.isin(kept, columns[term.label]))
        before = np.arange(own[0] if len(own) else 0)
        found[term.label] = _after(coded[:, before], coded[:, own]) @ root * sizes
    return found


def _moved(
    design: Design, estimable: EstimableFunctions
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """R of X, the sizes of its columns (R is in units of them), and RM⁻¹."""
    scaled, sizes = _scaled(design.X)
    root = triangular_root(scaled)
    maps = [space.coding[:, design.x_kept] / sizes for space in estimable.spaces]
    if not maps:
        return root, sizes, root
    return root, sizes, scipy.linalg.solve(np.vstack(maps).T, root.T).T


def _from_columns(
    design: Design, terms: Sequence[FixedTerm], type: int
) -> dict[str, FloatArray]:
    """Types I and II from the columns of X, for contrasts that leave out some differences."""
    scaled, sizes = _scaled(design.fixed.values)
    root = triangular_root(scaled)
    columns = design.fixed.columns_by_term
    found = {}
    for i, term in enumerate(terms):
        if term.is_intercept:
            continue
        if type == 1:
            others = terms[:i]
        else:
            others = [t for t in terms if t != term and not t.contains(term)]
        before = np.concatenate(
            [np.empty(0, dtype=np.intp), *(columns[t.label] for t in others)]
        )
        order = np.concatenate([before, columns[term.label]])
        kept: IndexArray = order[independent_columns(design.fixed.values[:, order])]
        own = np.isin(kept, columns[term.label])
        free = type == 2 and not any(other.contains(term) for other in terms)
        rows = _after(root[:, kept[~own]], root[:, kept[own]] / sizes[kept[own]], reduced=free)
        found[term.label] = (rows @ root * sizes)[:, design.x_kept]
    return found


def _after(before: FloatArray, columns: FloatArray, *, reduced: bool = False) -> FloatArray:
    """Rows that take from others what is along the part of columns outside of those before.

    Row i has the coefficient 1 of column i and 0 of the earlier ones; the rows are orthogonal, or,
    if `reduced`, have 0 of the later ones too.
    """
    q, r = np.linalg.qr(np.hstack([before, columns]))
    start = before.shape[1]
    rows, own = q[:, start:].T, r[start:, start:]
    if reduced:
        return np.asarray(scipy.linalg.solve_triangular(own, rows))
    return np.asarray(rows / np.diagonal(own)[:, None])


def _independent_rows(rows: FloatArray, sizes: FloatArray) -> FloatArray:
    """As few rows as say the same: contrasts of few columns make some of them equal."""
    scaled = rows / sizes
    largest = np.abs(scaled).max(initial=0.0)
    if largest == 0.0:
        return rows[:0]
    return column_space((scaled / largest).T, SAME_ROWS).T * sizes


def _scaled(X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns of root mean square 1, and their sizes."""
    sizes = root_mean_squares(X)
    sizes = np.where(sizes > 0, sizes, 1.0)
    return X / sizes, sizes
