"""What a report says of shares of variance: facts, neither good nor bad."""

from __future__ import annotations

from ..errors import ModelError
from .fit_report import Check
from .state import FitState
from .variance_tables import intraclass_correlations, r_squared


def variance_facts(state: FitState) -> list[Check]:
    """R² and intraclass correlations."""
    shares = r_squared(state)
    said = f"{shares['marginal']:.3f} by the fixed effects (marginal)"
    if state.design.groups:
        said += f", {shares['conditional']:.3f} with the random effects (conditional)"
    facts = [Check("R²", "fact", f"{said}.")]
    try:
        adjusted = intraclass_correlations(state)["adjusted"]
    except ModelError:  # no rows share random effects
        return facts
    names = adjusted.index if len(adjusted) > 2 else adjusted.index[:1]  # one factor is all
    shown = ", ".join(f"{name} {adjusted[name]:.3f}" for name in names)
    said = f"{shown}, of the variance that the fixed effects leave."
    return [*facts, Check("intraclass correlation", "fact", said)]
