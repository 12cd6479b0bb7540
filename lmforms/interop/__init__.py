"""Fits as other packages take them, none of which is a dependency of this one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from ..errors import ArgumentError, MissingPackageError
from ..results.model_results import MixedModelResults
from ..support.arguments import instance, named_arguments, one_of, short_repr

if TYPE_CHECKING:
    from .marginal_effects import FitModel

__all__ = ["marginaleffects_model"]


@named_arguments
def marginaleffects_model(
    fit: MixedModelResults, *, random: Literal["none", "all"] = "none", df: float = math.inf
) -> FitModel:
    """A fit as a model of the package ``marginaleffects``.

    Its functions take it in place of a fit of statsmodels: ``predictions``, ``comparisons``,
    ``slopes``, their averages, ``hypotheses``, ``datagrid`` and the plots. They know the classes of
    a few packages and refuse all others, so that a fit itself cannot be passed.

    Parameters
    ----------
    fit : MixedModelResults
    random : {"none", "all"}
        Predictions for the population, or with the fitted random effects of each group (levels
        that are new have none). Standard errors are those of the fixed effects in either case.
    df : float
        Degrees of freedom of all t tests and limits; those of the normal distribution by default.
        The package has one number for a model: Satterthwaite's, which differ from row to row, are
        in :meth:`lmforms.MixedModelResults.average` and ``emmeans``.

    Returns
    -------
    ModelAbstract
        Of ``marginaleffects``. Its ``vcov=`` takes True, False, a matrix, or a `type` of
        :meth:`lmforms.MixedModelResults.cov_params`: ``"CR2"``, ``"kenward-roger"`` and others.

    Raises
    ------
    ArgumentError
        `fit` is no fit, or `df` is not positive; later, an unknown `vcov`.
    MissingPackageError
        ``marginaleffects`` is not installed.

    Notes
    -----
    Pass ``eps_vcov=1.0``. ``marginaleffects`` differentiates by finite differences whose step is in
    proportion to each coefficient (or by jax where it can), and rounding then costs standard errors
    of slopes several per cent. Predictions are linear in the coefficients: any step is exact, and a
    step of 1 loses nothing to rounding.

    ``hypotheses(…, joint=…)`` is refused: it takes names of predictors for names of coefficients.
    :meth:`~.MixedModelResults.contrast` tests jointly.

    ``marginaleffects`` 0.6.0 was made for polars 1: with polars 2 it cannot compare the levels of
    factors, of whatever model.

    Factors are columns of text there, whatever their labels are.

    Examples
    --------
    >>> import lmforms as lf
    >>> from lmforms.interop import marginaleffects_model
    >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> marginaleffects_model("fit")
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: fit must be a MixedModelResults, not 'fit': lf.lmer(…) makes one.
    """
    instance("fit", fit, MixedModelResults, "lf.lmer(…) makes one")
    one_of("random", random, ("none", "all"))
    if isinstance(df, bool) or not isinstance(df, (int, float)) or not df > 0:
        raise ArgumentError(f"df={short_repr(df)}: a positive number is needed.")
    try:
        from .marginal_effects import FitModel
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("marginaleffects", "polars"):
            raise
        raise MissingPackageError(
            "marginaleffects_model() is for the package marginaleffects 0.6 or newer: "
            "pip install marginaleffects."
        ) from None
    return FitModel(fit, random, float(df))
