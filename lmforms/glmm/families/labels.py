"""Names of families as they are written in a sentence."""

from __future__ import annotations

from .base import Family
from .truncation import Adapted

LABELS = {
    "poisson": "Poisson",
    "negative_binomial": "negative binomial",
    "negative_binomial1": "negative binomial with linear variance",
    "gaussian": "Gaussian",
    "inverse_gaussian": "inverse Gaussian",
    "beta_binomial": "beta-binomial",
    "tweedie": "Tweedie",
    "student_t": "Student t",
}
"""Of families whose names are no words, by name."""

PREFIXES = {"zero_inflated": "zero-inflated", "truncated": "zero-truncated", "hurdle": "hurdle"}
"""Of families around another one."""


def family_label(family: Family) -> str:
    """What a family is called, with the parameters that are given.

    Examples
    --------
    >>> from lmforms.glmm.families.counts import NegativeBinomial, Poisson
    >>> from lmforms.glmm.families.zeros import ZeroInflated
    >>> family_label(ZeroInflated(Poisson())), family_label(NegativeBinomial(size=2.5))
    ('zero-inflated Poisson', 'negative binomial (size 2.5)')
    """
    given = {name.replace("_", " "): value for name, value in family.given.items()}
    if isinstance(family, Adapted):
        inner = family_label(family.family)
        label = f"{PREFIXES.get(family.prefix, _words(family.prefix))} {inner}"
    else:
        label = LABELS.get(family.name, _words(family.name))
    if not given:
        return label
    return f"{label} ({', '.join(f'{name} {value:g}' for name, value in given.items())})"


def _words(name: str) -> str:
    return name.replace("_", " ")
