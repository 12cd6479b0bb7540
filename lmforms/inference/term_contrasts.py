"""Hypotheses Lβ = 0 of the terms of the fixed part: Type I, II and III.

- Type I: a term after those before it in the formula.
- Type II: a term after all others that do not contain it.
- Type III: the estimable functions that involve no parameters but those of the term and of terms
  that contain it, and that are orthogonal to those of the containing terms alone.

All are defined on the over-parametrised design (:mod:`.parameter_blocks`), so they do not depend on
how factors are coded. Let V be an orthonormal basis of the estimable functions, and V_S its rows of
the terms S. For a term F, let Z be the terms that are neither F nor contain it, J a basis of the
columns of V_Z', and T one of the part of V_F' outside of J: there are as many hypotheses as columns
of T. Type III is L_o = T'V'. For Type II, X_o = X M⁻¹V' with M = V'K: the columns of Z span
X M⁻¹J, and with R of X = QR the hypotheses are those of the part of RM⁻¹T outside of RM⁻¹J.

References
----------
Goodnight (1980), *Tests of Hypotheses in Fixed Effects Linear Models*, Communications in
Statistics A9. SAS Institute, *SAS/STAT User's Guide*, The Four Types of Estimable Functions.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        Terms of several factors with combinations of levels that no row has: how many, of how many.
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
    >>> term_contrasts(model.design, 3)["Machine"].shape
    (2, 3)
    """
    return contrasts_of(design, type).L


def contrasts_of(design: Design, type: int) -> TermContrasts:
    """As :func:`term_contrasts`, with what a table must say about the data."""
    terms = fixed_terms_of(design)
    tested = [term for term in terms if not term.is_intercept]
    if type == 1:
        return TermContrasts(_sequential(design, tested), {})
    over = OverParametrised(design, terms)
    estimable = estimable_functions(over, len(design.x_kept))
    if type == 2 and not estimable.complete:
        found = _partial_by_columns(design, terms)
    elif type == 2:
        found = _partial(design, estimable, tested)
    else:
        found = _type_three(design, estimable, tested)
    empty = {
        p.term.label: (p.combinations.possible - p.combinations.count, p.combinations.possible)
        for p in over.parameters
        if p.combinations.count < p.combinations.possible
        and any(p.term.contains(term) for term in tested)
    }
    return TermContrasts(found, empty)


def _sequential(design: Design, tested: Sequence[FixedTerm]) -> dict[str, FloatArray]:
    """Rows of R of X = QR: of each column, the part outside of those before it."""
    scaled, sizes = _scaled(design.X)
    rows = triangular_root(scaled) * sizes
    columns = design.fixed_terms
    return {term.label: rows[columns[term.label]] for term in tested}


def _type_three(
    design: Design, estimable: EstimableFunctions, tested: Sequence[FixedTerm]
) -> dict[str, FloatArray]:
    sizes = root_mean_squares(design.X)
    found = {}
    for term in tested:
        space = estimable.space_of(term)
        functions = _functions(space, term)[1]
        rows = space.times_coding(functions)[:, design.x_kept]
        found[term.label] = rows if estimable.complete else _independent_rows(rows, sizes)
    return found


def _functions(space: EstimableSpace, term: FixedTerm) -> tuple[FloatArray, FloatArray]:
    """J and T of a term, in coordinates of the basis of its space."""
    others = {t.label for t in space.terms if t != term and not t.contains(term)}
    outside = column_space(space.rows(others).T, space.tolerance)
    own = space.rows({term.label}).T
    for _ in range(2):  # once more for what rounding left
        own = own - outside @ (outside.T @ own)
    return outside, column_space(own, space.tolerance)


def _partial(
    design: Design, estimable: EstimableFunctions, tested: Sequence[FixedTerm]
) -> dict[str, FloatArray]:
    """Type II where X spans what X_o spans."""
    scaled, sizes = _scaled(design.X)
    root = triangular_root(scaled)
    maps = [
        space.times_coding(np.eye(space.basis.shape[1]))[:, design.x_kept] / sizes
        for space in estimable.spaces
    ]
    moved = scipy.linalg.solve(np.vstack(maps).T, root.T).T if maps else root  # R M⁻¹
    ends = np.cumsum([0, *(len(m) for m in maps)])
    found = {}
    for term in tested:
        space = estimable.space_of(term)
        place = estimable.spaces.index(space)
        own = moved[:, ends[place] : ends[place + 1]]
        rest = np.delete(moved, np.s_[ends[place] : ends[place + 1]], axis=1)
        outside, functions = (
            own @ np.kron(f, np.eye(space.k)) for f in _functions(space, term)
        )
        found[term.label] = _part_outside(np.hstack([rest, outside]), functions) @ root * sizes
    return found


def _partial_by_columns(design: Design, terms: Sequence[FixedTerm]) -> dict[str, FloatArray]:
    """Type II from the columns of X themselves, for contrasts that leave out some differences."""
    scaled, sizes = _scaled(design.fixed.values)
    root = triangular_root(scaled)
    columns = design.fixed.columns_by_term
    found = {}
    for term in (term for term in terms if not term.is_intercept):
        others = [columns[t.label] for t in terms if t != term and not t.contains(term)]
        before = np.concatenate([np.empty(0, dtype=np.intp), *others])
        order = np.concatenate([before, columns[term.label]])
        kept: IndexArray = order[independent_columns(design.fixed.values[:, order])]
        own = np.isin(kept, columns[term.label])
        rows = _part_outside(root[:, kept[~own]], root[:, kept[own]]) @ root * sizes
        found[term.label] = rows[:, design.x_kept]
    return found


def _part_outside(before: FloatArray, columns: FloatArray) -> FloatArray:
    """Orthonormal rows that span the part of independent columns outside of those before."""
    q = np.linalg.qr(np.hstack([before, columns]))[0]
    return np.asarray(q[:, before.shape[1] :].T)


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
