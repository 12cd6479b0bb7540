"""What a picture takes as a fit: of `lmer`, of `glmer`, or of either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError
from ..support.arguments import short_repr

NO_CORRELATION = "it shows correlations of residuals, which generalised models do not have"
"""Why pictures of the structure of residuals are of linear fits."""

INSTEAD = (
    "Of a generalised fit draw fit.plot(), or one of lf.plot.residuals_fitted, binned_residuals, "
    "simulated_residuals, random_effects and coefficients."
)
"""What there is for fits that a picture of linear models refuses."""


def is_generalized(fit: Any) -> bool:
    """Whether it is a fit of `glmer`."""
    found = getattr(getattr(fit, "state", None), "family", None)
    return found is not None and hasattr(fit, "linear_predictor")


def named_fits(fits: Any, argument: str = "fits") -> dict[str, Any]:
    """Fits of any kind by name, from one fit or a mapping.

    Raises
    ------
    ArgumentError
        It is something else.
    """
    given = dict(fits) if isinstance(fits, Mapping) else {"": fits}
    if not given:
        raise ArgumentError(f"{argument}: there are no fits in the mapping.")
    for fit in given.values():
        if not (_is_linear(fit) or is_generalized(fit)):
            several = ", or several as {'a name': fit, 'another': fit}" * (argument == "fits")
            raise ArgumentError(
                f"{argument}: a fit of lmer or glmer is needed{several}, not {short_repr(fit)}."
            )
    return {str(name): fit for name, fit in given.items()}


def any_fit(fit: Any) -> Any:
    """One fit of `lmer` or `glmer`.

    Raises
    ------
    ArgumentError
    """
    return next(iter(named_fits({"": fit}, "fit").values()))


def linear_fit(fit: Any, what: str, reason: str = NO_CORRELATION) -> Any:
    """One fit of `lmer`.

    Parameters
    ----------
    fit : object
    what : str
        Name of the picture.
    reason : str
        Why it is not one of a generalised fit: a clause.

    Raises
    ------
    ArgumentError
    """
    if is_generalized(fit):
        raise ArgumentError(f"{what} is for fits of lmer: {reason}. {INSTEAD}")
    if not _is_linear(fit):
        raise ArgumentError(f"fit: a fit of lmer is needed, not {short_repr(fit)}.")
    return fit


def generalized_fit(fit: Any, what: str, linear: str) -> Any:
    """One fit of `glmer`.

    Parameters
    ----------
    fit : object
    what : str
        Name of the picture.
    linear : str
        What there is for linear fits.

    Raises
    ------
    ArgumentError
    """
    if is_generalized(fit):
        return fit
    if _is_linear(fit):
        raise ArgumentError(f"{what} is for fits of glmer. Of a fit of lmer draw {linear}.")
    raise ArgumentError(f"fit: a fit of glmer is needed, not {short_repr(fit)}.")


def _is_linear(fit: Any) -> bool:
    return all(hasattr(fit, name) for name in ("tidy", "design"))
