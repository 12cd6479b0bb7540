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

from dataclasses import dataclass

from ...data.design import Design
from ...support.arrays import FloatArray
from .estimable_spaces import estimable_functions
from .fixed_terms import fixed_terms_of
from .parameter_blocks import OverParametrised
from .term_hypotheses import (
    ModelColumns,
    adjusted_for,
    from_columns,
    type_one,
    type_three,
    type_two,
    without_rounding,
)

TYPES = (1, 2, 3)


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
    >>> model = lf.MixedModel(
    ...     "angle ~ recipe + temp + (1 | recipe:replicate)",
    ...     lf.datasets.load("cake"),
    ...     contrasts={"recipe": "contr.sum"},
    ... )
    >>> term_contrasts(model.design, 3)["recipe"]  # B - A and C - A, of A + B + C = 0
    array([[ 0., -1.,  1.,  0.],
           [ 0., -2., -1.,  0.]])
    """
    return contrasts_of(design, type).L


def contrasts_of(design: Design, type: int) -> TermContrasts:
    """As :func:`term_contrasts`, with what a table must say about the data."""
    terms = fixed_terms_of(design)
    tested = [term for term in terms if not term.is_intercept]
    if not tested:
        return TermContrasts({}, {})
    over = OverParametrised(design, terms)
    estimable = estimable_functions(over, len(design.x_kept))
    columns = ModelColumns(design.fixed.values, design.x_kept, design.fixed.columns_by_term)
    one = type == 1 or len(tested) == 1
    if not one and type == 3:
        found = type_three(columns, estimable, tested)
    elif not estimable.complete:
        found = from_columns(columns, terms, 1 if one else 2)
    elif one:
        found = type_one(columns, estimable, tested)
    else:
        found = type_two(columns, estimable, tested)
    kept = design.fixed_terms
    L = {
        term.label: without_rounding(
            found[term.label],
            columns.sizes,
            [kept[other.label] for other in adjusted_for(term, terms, 1 if one else type)],
        )
        for term in tested
    }
    empty = {
        p.term.label: (p.combinations.possible - p.combinations.count, p.combinations.possible)
        for p in over.parameters
        if p.combinations.count < p.combinations.possible
        and any(p.term.contains(term) for term in tested)
    }
    return TermContrasts(L, empty)
