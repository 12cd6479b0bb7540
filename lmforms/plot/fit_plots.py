"""Pictures of a fitted mixed model: its coefficients, its random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, proportion
from . import interval_arrays, interval_drawing
from .accepted_fits import is_generalized, named_fits

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@named_arguments
def coefficients(
    fits: Any,
    ax: Any = None,
    *,
    level: float = 0.95,
    inner_level: float | None = None,
    ddf: str = "satterthwaite",
    information: str | None = None,
    intercept: bool = False,
    standardize: bool = False,
    exponentiate: bool = False,
    labels: Any = None,
    sort: bool = False,
) -> Axes:
    """Fixed effects with confidence intervals, of one fit or of several side by side.

    Parameters
    ----------
    fits : MixedModelResults or GeneralizedResults, or mapping of str to these
        With several fits the names are in the legend.
    ax : matplotlib Axes, optional
        Default: of a new figure.
    level : float
        Of the intervals: estimate ± t quantile × standard error; of generalised fits ± normal
        quantile × standard error, on the scale of the link.
    inner_level : float, optional
        A lower level, whose interval is drawn as a thicker line.
    ddf, information
        Degrees of freedom of t, see :meth:`lmforms.MixedModelResults.contrast`. Generalised fits
        have none.
    intercept : bool
        Draw the intercept too.
    standardize : bool
        Multiply each coefficient by the standard deviation of its column of X: all are then in
        units of the response (of the link), where predictors have very different ones. The
        intercept has none.
    exponentiate : bool
        Draw ratios, on an axis of logarithms: of odds for the logit link, of means for the log
        link, of hazards for ``cloglog``.
    labels : mapping of str to str, optional
        Other texts for some of the coefficients.
    sort : bool
        Largest estimate first, in the place of the order of the formula.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        It is no fit, nothing is left to draw, or `labels` names what is no coefficient.
    ModelError
        The method of degrees of freedom is not defined for a fit.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> cake = lf.datasets.load("cake")
    >>> fit = lf.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", cake)
    >>> ax = lf.plot.coefficients(fit, labels={"temp": "temperature"})
    >>> [t.get_text() for t in ax.get_yticklabels()]
    ['recipe[T.B]', 'recipe[T.C]', 'temperature']
    """
    named = named_fits(fits)
    generalized = any(map(is_generalized, named.values()))
    if generalized and (ddf != "satterthwaite" or information is not None):
        raise ArgumentError(
            "ddf= and information= are for fits of lmer: intervals of generalised fits are by the "
            "normal distribution."
        )
    level = proportion("level", level)
    if inner_level is not None:
        inner_level = proportion("inner_level", inner_level)
        if inner_level >= level:
            raise ArgumentError(f"inner_level={inner_level:g} must be below level={level:g}.")
    with_intercept = flag("intercept", intercept)
    if flag("standardize", standardize) and with_intercept:
        raise ArgumentError(
            "the intercept's column has no standard deviation: leave out intercept=True or "
            "standardize=True."
        )
    found = interval_arrays.coefficient_intervals(named, level, inner_level, ddf, information)
    if not found.labels:
        raise ArgumentError("coefficients: the model has no fixed effects.")
    if not with_intercept:
        found = found.rows([i for i, name in enumerate(found.labels) if name != "Intercept"])
    if not found.labels:
        raise ArgumentError("there is no coefficient but the intercept: use intercept=True.")
    estimate, ratios = interval_arrays.scale_text(named, standardize), False
    if standardize:
        found = interval_arrays.scaled(found, interval_arrays.column_spreads(named, found.labels))
    if flag("exponentiate", exponentiate):
        estimate, ratios = interval_arrays.ratio_text(named), True
        estimate += " for one sd of the column" * standardize
        found = interval_arrays.exponentiated(found)
    if flag("sort", sort):
        found = found.descending()
    xlabel = f"{estimate}, {interval_arrays.level_text(level, inner_level)}"
    return interval_drawing.rows_of_intervals(found.labelled(labels), xlabel, ax, ratios=ratios)


@named_arguments
def random_effects(
    fit: Any,
    group: str | None = None,
    ax: Any = None,
    *,
    effects: Any = None,
    level: float = 0.95,
    sort: bool | str = True,
) -> Any:
    """Random effects of each level with their conditional intervals: a panel for each effect.

    The intervals are b̂ ± normal quantile × √Var(b | y), at the estimated variances and fixed
    effects, on the scale of the link. They are for a look at one level; two of them that overlap
    are no test.

    Parameters
    ----------
    fit : MixedModelResults or GeneralizedResults
    group : str, optional
        A name of ``fit.random_effects``; all by default.
    ax : matplotlib Axes or sequence of these, optional
        One for each panel. Default: of a new figure.
    effects : str or sequence of str, optional
        Only these, such as ``"Days"``.
    level : float
        Of the intervals.
    sort : bool or str
        True orders the levels of each panel by its effect. The name of an effect orders the panels
        of its grouping factor alike. False keeps the order of ``fit.random_effects``.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ArgumentError
        No such grouping factor or effect, or another number of Axes.
    ModelError
        The model has no random effects.
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    After conjugate gradients there are no conditional variances: the points are drawn alone.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> [ax.get_title(loc="left") for ax in lf.plot.random_effects(fit)]
    ['Subject: Intercept', 'Subject: Days']
    """
    panels = interval_arrays.random_effect_panels(
        fit, group, effects, proportion("level", level), sort
    )
    has_limits = any(np.isfinite(panel.lower).any() for panel in panels)
    said = interval_arrays.level_text(level) if has_limits else "no intervals"
    scale = ""
    if is_generalized(fit) and fit.link != "identity":
        scale = f" ({fit.link} link)"
    axes = interval_drawing.panels_of_levels(panels, f"random effect{scale}, {said}", ax)
    return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)
