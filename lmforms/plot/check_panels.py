"""Figures of several panels that check a fit, made of the pictures of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.arguments import generator
from .axes import several_axes
from .binned_plots import binned_residuals
from .collinearity_plot import collinearity
from .diagnostic_plots import random_effects_together
from .influence_plot import influence
from .residual_arrays import fixed_part
from .residual_plots import residuals_fitted, residuals_qq, scale_location
from .rootogram_arrays import has_counts
from .rootogram_plot import rootogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (4.8, 3.7)
"""Width and height of a panel."""

Panel = tuple[str, Callable[[Any], Any]]


def four_panels(fit: Any, ax: Any) -> np.ndarray:
    """Residuals by fitted value, their size, their quantiles, and those of random effects.

    Without random effects the fourth has Cook's distances, if there are fixed effects. Those of a
    generalised fit are in :func:`generalized_panels`.
    """
    panels: list[Panel] = [
        ("Residuals and fitted values", lambda axes: residuals_fitted(fit, ax=axes)),
        ("Size of residuals", lambda axes: scale_location(fit, ax=axes)),
        ("Quantiles of residuals", lambda axes: residuals_qq(fit, ax=axes)),
    ]
    if fit.random_effects:
        draw = lambda axes: random_effects_together(fit, axes)  # noqa: E731
        panels.append(("Quantiles of random effects", draw))
    elif len(fit.params):
        panels.append(("Influence on the fixed effects", lambda axes: influence(fit, ax=axes)))
    return _drawn(panels, ax, 2)


def assumption_panels(fit: Any, found: Any, ax: Any) -> np.ndarray:
    """A panel for each assumption, with what should be seen if it holds.

    Parameters
    ----------
    fit : MixedModelResults
    found : Influence or None
        Without it there is no panel of influence.
    ax : sequence of matplotlib Axes, optional
    """
    panels: list[Panel] = [
        ("Linearity: the curve should be flat", lambda axes: residuals_fitted(fit, ax=axes)),
        ("Equal variances: the curve should be flat", lambda axes: scale_location(fit, ax=axes)),
    ]
    if found is not None:
        title = "Influence: no row should stand out"
        panels.append((title, lambda axes: influence(found, ax=axes)))
    if _terms(fit) > 1:
        title = "Collinearity: all should be left of the line"
        panels.append((title, lambda axes: collinearity(fit, axes)))
    title = "Normal residuals: points should be in the band"
    panels.append((title, lambda axes: residuals_qq(fit, ax=axes)))
    if fit.random_effects:
        title = "Normal random effects: should be on the line"
        panels.append((title, lambda axes: random_effects_together(fit, axes)))
    return _drawn(panels, ax, 3 if len(panels) > 4 else 2)


def generalized_panels(fit: Any, ax: Any, seed: Any) -> np.ndarray:
    """Quantile residuals and their quantiles, counts or mean residuals, and random effects.

    Without random effects the fourth has the size of residuals.
    """
    residuals = _quantile_panels(fit, seed)
    panels: list[Panel] = [
        ("Quantile residuals and predictors", residuals[0]),
        ("Quantiles of quantile residuals", residuals[1]),
        ("Counts, hanging from the expected", lambda axes: rootogram(fit, ax=axes))
        if has_counts(fit)
        else ("Mean residuals in bins", _binned(fit, seed)),
    ]
    if fit.random_effects:
        draw = lambda axes: random_effects_together(fit, axes)  # noqa: E731
        panels.append(("Quantiles of random effects", draw))
    else:
        panels.append(("Size of residuals", residuals[2]))
    return _drawn(panels, ax, 2)


def generalized_assumptions(fit: Any, ax: Any, seed: Any) -> np.ndarray:
    """A panel for each assumption of a generalised fit, with what is seen if it holds."""
    residuals = _quantile_panels(fit, seed)
    panels: list[Panel] = [
        ("Linear predictor: the curve should be flat", residuals[0]),
        ("Distribution: points should be in the band", residuals[1]),
        ("Means: few points should be outside", _binned(fit, seed)),
    ]
    if has_counts(fit):
        title = "Counts: bars should end between the lines"
        panels.append((title, lambda axes: rootogram(fit, ax=axes)))
    if _terms(fit) > 1:
        title = "Collinearity: all should be left of the line"
        panels.append((title, lambda axes: collinearity(fit, axes)))
    if fit.random_effects:
        title = "Normal random effects: should be near the line"
        panels.append((title, lambda axes: random_effects_together(fit, axes)))
    return _drawn(panels, ax, 3 if len(panels) > 4 else 2)


def _quantile_panels(fit: Any, seed: Any) -> list[Callable[[Any], Any]]:
    """Pictures of the same quantile residuals: by the fixed part, if it varies."""
    first = int(generator("seed", seed).integers(2**32))
    fixed = bool(np.ptp(fixed_part(fit)) > 0.0)
    return [
        lambda axes: residuals_fitted(fit, ax=axes, fixed=fixed, seed=first),
        lambda axes: residuals_qq(fit, ax=axes, seed=first),
        lambda axes: scale_location(fit, ax=axes, fixed=fixed, seed=first),
    ]


def _binned(fit: Any, seed: Any) -> Callable[[Any], Any]:
    """Mean residuals; of ordered classes those of quantile residuals."""
    return lambda axes: binned_residuals(fit, ax=axes, seed=seed)


def _terms(fit: Any) -> int:
    """Terms of the fixed effects beside the intercept."""
    return sum(name != "Intercept" for name in fit.state.design.fixed_terms)


def _drawn(panels: list[Panel], ax: Any, across: int) -> np.ndarray:
    count = len(panels)
    size = (PANEL_INCHES[0] * count, PANEL_INCHES[1])
    axes: list[Axes] = several_axes(ax, count, size, across)
    for panel, (title, draw) in zip(axes, panels, strict=True):
        draw(panel)
        panel.set_title(title, loc="left", fontsize="medium")
    return np.array(axes, dtype=object)
