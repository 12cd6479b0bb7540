"""Terms of the fixed part: their factors and numbers, and which terms contain which."""

from __future__ import annotations

from dataclasses import dataclass

from ...data.design import Design
from ...formula.coded_factors import factors_with_levels


@dataclass(frozen=True)
class FixedTerm:
    """A term of the fixed part of a formula.

    Attributes
    ----------
    label : str
        Such as ``x:f``; ``Intercept`` for the intercept.
    factors : frozenset of str
        Its factors with levels, by their texts in formulaic.
    numbers : frozenset of str
        Its columns of numbers, likewise.
    """

    label: str
    factors: frozenset[str]
    numbers: frozenset[str]

    @property
    def is_intercept(self) -> bool:
        """Whether it is the constant."""
        return not self.factors and not self.numbers

    def contains(self, other: FixedTerm) -> bool:
        """Whether `other` has the same numbers and some of the factors of this term, not all.

        References
        ----------
        SAS Institute, *SAS/STAT User's Guide*, The Four Types of Estimable Functions, Type II SS.
        """
        return self.numbers == other.numbers and other.factors < self.factors

    def has_margin(self, other: FixedTerm) -> bool:
        """Whether all variables of `other` are among those of this term, which has more."""
        return other.factors | other.numbers < self.factors | self.numbers


def fixed_terms_of(design: Design) -> tuple[FixedTerm, ...]:
    """The terms of the fixed part in the order of the formula, with the intercept.

    Parameters
    ----------
    design : Design
    """
    spec = design.fixed.spec
    levels = factors_with_levels(spec)
    found = []
    for label, term in zip(design.fixed.columns_by_term, spec.formula, strict=True):
        texts = {f.expr for f in term.factors if f.eval_method.value != "literal"}
        found.append(FixedTerm(label, frozenset(texts & levels), frozenset(texts - levels)))
    return tuple(found)


def contained_terms(design: Design) -> dict[str, tuple[str, ...]]:
    """For each term of the fixed part, the terms whose variables include all of its own.

    A term with none can be left out of the model without breaking marginality: those that
    ``drop1`` of R drops. The intercept is left out.

    Parameters
    ----------
    design : Design

    Examples
    --------
    >>> import lmforms as lf
    >>> cake = lf.datasets.load("cake")
    >>> model = lf.MixedModel("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
    >>> contained_terms(model.design)
    {'recipe': ('recipe:temp',), 'temp': ('recipe:temp',), 'recipe:temp': ()}
    """
    terms = [term for term in fixed_terms_of(design) if not term.is_intercept]
    return {
        term.label: tuple(other.label for other in terms if other.has_margin(term))
        for term in terms
    }
