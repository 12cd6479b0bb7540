"""The check of influence on the fixed effects, in words, with what to do."""

from __future__ import annotations

from ..errors import listed
from ..inference.influence.cases import OBSERVATION
from ..tables.number_format import signed
from .affordable_influence import affordable_influence
from .fit_report import Check, label_text
from .state import FitState

MOST_SHOWN = 5
"""Cases that a report names."""


def influential(state: FitState) -> Check:
    """Rows and levels without which the fixed effects leave their 50 % confidence region.

    Cook (1977), *Detection of influential observation in linear regression*, Technometrics 19(1).
    """
    from scipy.stats import f

    topic, p = "influence", len(state.design.x_names)
    if not p:
        return Check(topic, "ok", "there are no fixed effects.")
    limit = float(f.ppf(0.5, p, max(state.design.n - p, 1)))
    largest: dict[str, float] = {}
    far: dict[str, list[str]] = {}
    reason = ""
    for by in dict.fromkeys([OBSERVATION, *(group.factor for group in state.design.groups)]):
        found = affordable_influence(state, by)
        if isinstance(found, str):
            reason = reason or found
            continue
        distances = found.cooks_distance.dropna()
        if distances.empty:
            continue
        largest[by] = float(distances.max())
        beyond = distances[distances > limit].sort_values(ascending=False)
        if len(beyond):
            far[by] = [f"{label_text(label)} ({signed(d, '.2g')})" for label, d in beyond.items()]
    if not largest:
        return Check(topic, "ok", f"not looked at: {reason.rstrip('.')}.")
    if not far:
        shown = ", ".join(f"{by} {signed(value, '.2g')}" for by, value in largest.items())
        return Check(
            topic, "ok", f"no case moves the fixed effects far; largest Cook's distance: {shown}."
        )
    shown = "; ".join(f"{by} {listed(cases, MOST_SHOWN)}" for by, cases in far.items())
    call = ", ".join(f'lf.plot.influence(fit.influence(by="{by}"))' for by in far)
    return Check(
        topic,
        "note",
        "cases without which the fixed effects leave their 50 % confidence region, with Cook's "
        f"distances: {shown}.",
        f"Look at {call}, and compare a fit without these rows.",
    )
