"""`CommonEstimates` and `ModelEstimates`: the stored values of a fit, as labelled attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import pandas as pd

from ..data.theta_order import theta_in_formula_order
from ..engine.status import OptimizerReport
from ..inference.model_comparison import criteria
from ..inference.residual_estimates import names_at_bound
from ..support.arrays import FloatArray
from . import quantities
from .quantities import terms_of
from .random_parameters import random_parameters
from .state import FitState


class CommonEstimates:
    """What fits of linear and of generalised models have as attributes.

    Parameters
    ----------
    model : MixedModel
    state : FitState
    """

    def __init__(self, model: Any, state: FitState) -> None:
        self.model = model
        self.state = state

    @property
    def formula(self) -> str:
        """The formula."""
        return str(self.state.design.bound.formula)

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self.state.design.n

    @property
    def ngroups(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return {g.name: len(g.labels) for g in self.state.design.groups}

    @property
    def dropped(self) -> list[str]:
        """Fixed-effects columns left out because they depend on earlier ones."""
        return self.state.design.x_dropped

    # --- fixed effects --------------------------------------------------------------------

    @cached_property
    def params(self) -> pd.Series:
        """Fixed effects β̂ (dropped columns are absent)."""
        return quantities.params(self.state)

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors of the fixed effects."""
        return quantities.standard_errors(self.state)

    # --- variance components --------------------------------------------------------------

    @cached_property
    def theta(self) -> FloatArray:
        """Covariance parameters θ: per term in formula order, lower triangle by columns."""
        return theta_in_formula_order(self.state.design, self.state.estimate.theta)

    @cached_property
    def vcomp(self) -> pd.DataFrame:
        """Variances and covariances of the random effects and the residual.

        One row per variance (``name2`` empty; ``sdcor`` is the standard deviation) and per
        covariance (``sdcor`` is the correlation), in the order of the formula. The residual has a
        row for each stratum or visit with a variance of its own, called ``name1``; correlations of
        residuals are :attr:`residual_params`.
        """
        return quantities.variance_components(self.state)

    @cached_property
    def random_params(self) -> pd.DataFrame:
        """Parameters of structures of the random effects, ``ar1(0 + f | g)`` and others.

        Standard deviations, correlations, ranges and loadings, with standard errors by the delta
        method; no rows for terms ``(x | g)``, which :attr:`vcomp` describes.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "score ~ Machine + ar1(0 + Machine | Worker)"
        >>> fit = lf.lmer(formula, lf.datasets.load("Machines"))
        >>> fit.random_params[["name", "estimate"]].round(4)
          name  estimate
        0   sd    5.7322
        1  rho    0.5384
        """
        return random_parameters(self.state)

    @cached_property
    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Conditional modes (BLUPs) b̂: a frame (levels × effects) per grouping factor.

        Terms on one grouping factor stand side by side, but for those that `relationship` names
        themselves: they are under that name.
        """
        return quantities.random_effects(self.state)

    @cached_property
    def random_effects_cov(self) -> dict[str, pd.DataFrame]:
        """Var(b | y): a frame (levels · effects, effects) per grouping factor.

        Rows have the level and the effect, so that ``["g"].loc[level]`` is the covariance
        matrix of one level. Conditional on θ̂, σ̂ and β̂, as lme4's ``condVar``.
        """
        return quantities.random_effects_cov(self.state)

    # --- likelihood -----------------------------------------------------------------------

    @property
    def criterion(self) -> float:
        """−2 × log-likelihood (ML) or restricted log-likelihood (REML)."""
        return self.state.estimate.criterion

    @property
    def llf(self) -> float:
        """Log-likelihood, restricted under REML."""
        return -0.5 * self.criterion

    @property
    def npar(self) -> int:
        """Number of parameters: rank of X, θ of the random effects, φ of the residuals, and σ.

        Of a generalised model the coefficients of its family's parameters are in the place of φ
        and σ. As AIC counts them; the `df_model` of statsmodels counts columns of X alone.
        """
        return criteria.npar(self.state)

    @property
    def df_resid(self) -> int:
        """Rows less parameters, n − npar."""
        return self.nobs - self.npar

    @property
    def aic(self) -> float:
        """criterion + 2 npar."""
        return criteria.aic(self.state)

    @property
    def bic(self) -> float:
        """criterion + ln(n) npar, with n the number of rows also under REML (as lme4)."""
        return criteria.bic(self.state)

    # --- status ---------------------------------------------------------------------------

    @property
    def converged(self) -> bool | None:
        """Whether the optimiser's own test of convergence was met; None at a given θ."""
        return self.state.estimate.converged if self.state.optimized else None

    @property
    def is_singular(self) -> bool:
        """Whether the estimated covariance of a random term has a direction of no variance."""
        return bool(self.state.estimate.singular)

    @property
    def singular_terms(self) -> list[str]:
        """Labels of the random terms whose estimated covariance is singular."""
        return self._labels(self.state.estimate.singular)

    @property
    def unidentified_terms(self) -> list[str]:
        """Labels of the random terms whose variances the data cannot tell."""
        return self._labels(self.state.estimate.unidentified)

    def _labels(self, parts: Sequence[tuple[int, int]]) -> list[str]:
        return [self.state.design.terms[t].label for t in terms_of(self.state, parts)]

    @property
    def unidentified_message(self) -> str:
        """Which variances the data cannot tell; empty where they can."""
        return quantities.unidentified_text(self.state)

    @property
    def singular_message(self) -> str:
        """What is singular, and what to do about it; empty for a regular fit."""
        return quantities.singular_text(self.state)

    @cached_property
    def optimizer(self) -> OptimizerReport:
        """Status of the optimiser: message, evaluations, gradient, blocks of the factor.

        With parameters of the residuals also whether an evaluation costs the same for any number
        of rows or sums them, and which parameters are at a bound.
        """
        report = self.state.estimate.report([g.name for g in self.state.design.groups])
        return replace(
            report,
            sums=quantities.kind_of_sums(self.state),
            at_bound=tuple(names_at_bound(self.state)),
        )


class ModelEstimates(CommonEstimates):
    """What :class:`lmforms.MixedModelResults` has besides."""

    @property
    def reml(self) -> bool:
        """Whether the fit is by restricted maximum likelihood."""
        return self.state.estimate.reml

    @property
    def tvalues(self) -> pd.Series:
        """Fixed effects divided by their standard errors."""
        return self.params / self.bse

    @property
    def sigma(self) -> float:
        """Residual standard deviation σ."""
        return self.state.estimate.sigma

    @property
    def scale(self) -> float:
        """Residual variance σ²."""
        return self.state.estimate.sigma**2

    @property
    def criterion_se(self) -> float:
        """Standard error of `criterion`: 0 unless it was estimated (``factor="cg"``).

        θ, β and the random effects are not concerned, see the page on large models.
        """
        return self.state.estimate.criterion_se

    # --- rows -----------------------------------------------------------------------------

    @property
    def fittedvalues(self) -> pd.Series:
        """Xβ̂ + Zb̂ + offset, on the index of the data."""
        values = quantities.fitted_values(self.state)
        return pd.Series(values, index=self.state.design.index, name="fitted")
