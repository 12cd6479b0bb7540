"""The models that a fit can be reduced to by taking out one effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...data.changed_formula import ModelChanges
from ...data.design import Design
from ...engine.linalg.independent_columns import independent_columns
from ...formula.formula_terms import FormulaTerm, FormulaTerms, RandomTermText, formula_terms
from ...results.state import FitState
from ...support.arrays import FloatArray


@dataclass(frozen=True)
class Reduction:
    """A model with one effect less.

    Attributes
    ----------
    label : str
        What is taken out: ``x:f``, ``(1 | g)`` or ``x in (x | g)``.
    term : str
        The term that it belongs to, as it is written.
    changes : ModelChanges
    is_whole : bool
        Whether nothing is left of the term.
    """

    label: str
    term: str
    changes: ModelChanges
    is_whole: bool = True


# --- fixed effects ---------------------------------------------------------------------------


def fixed_reductions(design: Design) -> list[Reduction]:
    """Models without one fixed term, of those that no other term contains.

    Examples
    --------
    >>> import lmforms as lf
    >>> cake = lf.datasets.load("cake")
    >>> design = lf.MixedModel("angle ~ recipe * temp + (1 | recipe:replicate)", cake).design
    >>> [r.changes.formula for r in fixed_reductions(design)]
    ['angle ~ recipe + temp + (1 | recipe:replicate)']
    """
    terms = formula_terms(design.bound)
    return [
        Reduction(
            term.label,
            term.label,
            ModelChanges(formula=str(terms.without_fixed(term.label))),
        )
        for term in terms.fixed
        if not term.is_within(terms.fixed)
    ]


# --- random effects --------------------------------------------------------------------------


def random_reductions(state: FitState) -> list[Reduction]:
    """Models with one random effect less.

    ``(1 | g)`` is taken out; ``(x | g)`` becomes ``(1 | g)``, and of several effects left of the
    bar those are taken out, one at a time, that no other contains. An intercept stays, also where
    it was implied by a factor as in ``(0 + f | g)``; effects without covariances, as in
    ``(x || g)``, are taken out each by itself, the intercept too. A structure of several columns or
    of places is taken out as a whole; one of the levels of a factor becomes ``(1 | g)``.

    Examples
    --------
    >>> import lmforms as lf
    >>> sleep = lf.datasets.load("sleepstudy")
    >>> fit = lf.lmer("Reaction ~ Days + (Days || Subject)", sleep)
    >>> [r.label for r in random_reductions(fit.state)]
    ['Intercept in (Days || Subject)', 'Days in (Days || Subject)']
    >>> [r.changes.formula for r in random_reductions(fit.state)]
    ['Reaction ~ Days + (0 + Days || Subject)', 'Reaction ~ Days + (1 | Subject)']
    """
    design = state.design
    terms = formula_terms(design.bound)
    found = []
    for i, term in enumerate(design.terms):
        for effect, reduced in _reduced_terms(design, terms, i):
            label = f"{effect} in {term.written}" if effect else term.written
            changes = _with_term(state, terms, i, reduced)
            found.append(Reduction(label, term.written, changes, reduced is None))
    return found


def _reduced_terms(
    design: Design, terms: FormulaTerms, place: int
) -> list[tuple[str, RandomTermText | None]]:
    """The effects of a random term that can be taken out, with what is left of the term."""
    text, term = terms.random[place], design.terms[place]
    if not text.effects:
        return [("", None)]
    if term.covariance.parameters() and (
        text.intercept or len(text.effects) > 1 or term.places is not None
    ):
        return [("", None)]
    separate = term.covariance.independent and not term.matrix.is_categorical
    out: list[tuple[str, RandomTermText | None]] = []
    if separate and text.intercept:
        out.append(("Intercept", text.with_effects(False, text.effects)))
    for effect in text.effects:
        if effect.is_within(text.effects) and not separate:
            continue
        rest = [other for other in text.effects if other != effect]
        intercept = text.intercept or (
            not term.covariance.independent and _implied_intercept(design, place, effect, rest)
        )
        reduced = text.with_effects(intercept, rest) if intercept or rest else None
        taken = {other.key for i, other in enumerate(terms.random) if i != place}
        if reduced is not None and reduced.key in taken and not text.intercept:
            reduced = text.with_effects(False, rest) if rest else None
        out.append((effect.label, reduced))
    return out


def _implied_intercept(
    design: Design, place: int, effect: FormulaTerm, rest: Sequence[FormulaTerm]
) -> bool:
    """Whether a constant is lost among the effects of a term when one of them is taken out."""
    matrix = design.terms[place].matrix
    columns = matrix.columns_by_term
    kept = np.concatenate([np.empty(0, dtype=np.intp), *(columns[t.label] for t in rest)])
    return _spans_constant(matrix.values) and not _spans_constant(matrix.values[:, kept])


def _spans_constant(columns: FloatArray) -> bool:
    ones = np.ones((len(columns), 1))
    found = independent_columns(np.hstack([columns, ones]))
    return columns.shape[1] not in found


def _with_term(
    state: FitState, terms: FormulaTerms, place: int, reduced: RandomTermText | None
) -> ModelChanges:
    """The model with another term at a place, or none; known covariances stay with their terms."""
    groups = [state.design.groups[term.group] for term in state.design.terms]
    # the name of a known covariance that is one term's, not its grouping factor's
    own = [g.name if g.name != g.factor and g.name in state.relationship else "" for g in groups]
    texts: list[RandomTermText | None] = list(terms.random)
    texts[place] = reduced
    pairs = [(text, name) for text, name in zip(texts, own, strict=True) if text is not None]
    if not any(own):
        return ModelChanges(formula=str(replace(terms, random=tuple(t for t, _ in pairs))))
    keys = [text.key for text, _ in pairs]
    if len(set(keys)) < len(keys):  # of equal terms the first has the covariance
        pairs.sort(key=lambda pair: not pair[1])
    left = {group.name for group, text in zip(groups, texts, strict=True) if text is not None}
    known = {name: K for name, K in state.relationship.items() if name in left and name not in own}
    known |= {str(text): state.relationship[name] for text, name in pairs if name}
    formula = str(replace(terms, random=tuple(text for text, _ in pairs)))
    return ModelChanges(formula=formula, relationship=known)
