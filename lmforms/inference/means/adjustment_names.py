"""Which adjustment tables use, and what they say of it."""

from __future__ import annotations

from typing import Any

from ...support.arguments import one_of
from .. import multiple_tests
from .adjustments import ADJUSTMENTS, STEPWISE
from .contrasts import FAMILIES

NAMES = {
    "tukey": "Tukey",
    "dunnettx": "Dunnett (approximation for correlations of 1/2)",
    "mvt": "multivariate t",
    "scheffe": "Scheffé",
    **multiple_tests.NAMES,
}

PAIRWISE = ("pairwise", "revpairwise")

NOT_TUKEY = "Tukey's adjustment is for pairwise comparisons: Šidák's is used."


def for_means(adjust: str | None, what: str) -> tuple[str, list[str]]:
    """The adjustment of the limits of means, and a note if it is another than asked for."""
    if adjust is None:
        return "none", []
    adjust = one_of(f"{what}: adjust", adjust, ADJUSTMENTS)
    if adjust == "tukey":
        return "sidak", [NOT_TUKEY]
    return of_limits(adjust), []


def for_contrasts(adjust: str | None, kind: Any, what: str) -> tuple[str, list[str]]:
    """The adjustment of contrasts: that of their family, or what is asked for; with a note."""
    if adjust is None:
        return (FAMILIES[kind] if isinstance(kind, str) else "none"), []
    adjust = one_of(f"{what}: adjust", adjust, ADJUSTMENTS)
    if adjust == "tukey" and not (isinstance(kind, str) and kind in PAIRWISE):
        return "sidak", [NOT_TUKEY]
    return adjust, []


def of_limits(adjust: str) -> str:
    """The adjustment of limits that goes with one of p-values."""
    return "bonferroni" if adjust in STEPWISE else adjust


def limits_note(level: float, adjust: str) -> str:
    """What tables say of their limits."""
    how = "" if adjust == "none" else f", simultaneous by {NAMES[adjust]}"
    return f"Limits: {100 * level:g} %{how}."


def p_value_note(adjust: str, by_groups: bool, error: float) -> str:
    """What tables say of their p-values; `error` is the standard error of computed ones."""
    if adjust == "none":
        return "p-values: not adjusted for their number."
    within = ", for each combination of `by` by itself" if by_groups else ""
    accuracy = f", computed to about {2.0 * error:.0e}" if error > 0.0 else ""
    return f"p-values: adjusted by {NAMES[adjust]}{within}{accuracy}."


def letters_note(spec: tuple[str, ...], level: float, adjust: str) -> str:
    """What tables say of their letters."""
    how = "not adjusted" if adjust == "none" else NAMES[adjust]
    names = ", ".join(f"`{name}`" for name in spec)
    return f"Means of {names} without a common letter differ at {1 - level:.3g} (pairwise, {how})."
