"""`GeneralizedResults`: the result of a fit of a generalised linear mixed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...data.align import in_row_order
from ...data.frame import real_array
from ...errors import DataError
from ...support.arguments import flag, generator, named_arguments, one_of, proportion, whole_number
from ..prediction_intervals import INTERVALS
from ..unknown_names import UnknownNames
from . import rows
from .comparison_methods import GeneralizedComparisons
from .diagnostic_methods import GeneralizedDiagnostics
from .inference_methods import GeneralizedInference
from .interval_methods import GeneralizedIntervals
from .missing_errors import warn_without_errors
from .plot_methods import GeneralizedPlots
from .rows import RESIDUAL_KINDS, estimate_of
from .table_methods import GeneralizedTables

if TYPE_CHECKING:
    from ...data.observed_response import ObservedResponse
    from ...tables.result_table import ResultTable
    from ..summary_tables import ModelSummary


class GeneralizedResults(
    GeneralizedTables,
    GeneralizedInference,
    GeneralizedIntervals,
    GeneralizedComparisons,
    GeneralizedDiagnostics,
    GeneralizedPlots,
    UnknownNames,
):
    """A fitted generalised linear mixed model.

    Made by :func:`lmforms.glmer` or :meth:`lmforms.GeneralizedMixedModel.fit`. Tests and limits
    are by the normal distribution; standard errors hold the uncertainty of all parameters.

    Attributes
    ----------
    model : GeneralizedMixedModel
    state : FitState
        Design, estimate and options, which every result is computed from.

    Examples
    --------
    >>> import lmforms as lf
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
    >>> fit.vcomp.round(4)
      group      name1 name2  variance   sdcor
    0  herd  Intercept          0.4125  0.6423
    """

    # --- fixed effects --------------------------------------------------------------------

    @property
    def zvalues(self) -> pd.Series:
        """Fixed effects divided by their standard errors."""
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of each coefficient, by the normal distribution."""
        return self._tests["p_value"].rename("pvalues")

    @cached_property
    def _tests(self) -> ResultTable:
        from ...inference.coefficients import coefficient_table

        return coefficient_table(self.state, "none")

    @named_arguments
    def cov_params(self) -> pd.DataFrame:
        """Covariance matrix of the fixed effects.

        From the second derivatives of the log-likelihood in all parameters, so that it holds the
        uncertainty of the variances too; with ``nagq=0`` at the estimated variances.
        """
        names = self.state.design.x_names
        return pd.DataFrame(self.state.estimate.cov_beta, index=names, columns=names)

    @named_arguments
    def contrast(self, L: Any, *, joint: bool = False, level: float | None = None) -> ResultTable:
        """Tests of linear functions of the fixed effects, Lβ, on the scale of the link.

        Parameters
        ----------
        L : str, sequence of str, mapping, DataFrame or array
            As for :meth:`lmforms.MixedModelResults.contrast`.
        joint : bool
            All together: a χ² test divided by its degrees of freedom, as an F with infinitely
            many.
        level : float, optional
            Of the limits.

        Raises
        ------
        ArgumentError, ColumnError
        """
        from ...inference.coefficients import contrast_table

        return contrast_table(self.state, L, "none", None, joint=joint, level=level)

    # --- the family -----------------------------------------------------------------------

    @property
    def family(self) -> str:
        """Name of the family."""
        return str(estimate_of(self.state).family.name)

    @property
    def link(self) -> str:
        """Name of the link."""
        return str(estimate_of(self.state).likelihood.link.name)

    @property
    def nagq(self) -> int:
        """Nodes of the quadrature; 1 for the Laplace approximation."""
        return estimate_of(self.state).nagq

    @cached_property
    def family_params(self) -> ResultTable:
        """Parameters of the family beside the mean: dispersions, powers, zero inflation.

        ``parameter, name, estimate, std_error``: natural values, or coefficients on the logarithmic
        or logit scale where the parameter has a formula.
        """
        from .family_tables import family_table

        return family_table(self.state)

    # --- rows -----------------------------------------------------------------------------

    @property
    def fittedvalues(self) -> pd.Series:
        """Means at the modes of the random effects, on the index of the data."""
        values = rows.fitted_means(self.state)
        return pd.Series(values, index=self.state.design.index, name="fitted")

    @property
    def linear_predictor(self) -> pd.Series:
        """η = Xβ̂ + Zb̂ + offset, on the index of the data."""
        eta = estimate_of(self.state).eta
        return pd.Series(eta, index=self.state.design.index, name="eta")

    @property
    def resid(self) -> pd.Series:
        """Response less fitted mean; of binomial families of the proportions."""
        return self.residuals("response")

    @named_arguments
    def residuals(
        self,
        kind: Literal["response", "pearson", "deviance", "working", "quantile"] = "deviance",
        *,
        seed: int | np.random.Generator | None = None,
    ) -> pd.Series:
        """Residuals given the random effects.

        Parameters
        ----------
        kind : {"response", "pearson", "deviance", "working", "quantile"}
            y − μ̂; divided by the standard deviation of y; the signed root of the deviance that the
            row contributes; ℓ'/(−ℓ''), on the scale of the link; or Φ⁻¹ of the distribution
            function at y, drawn uniformly between both sides of its jump there, which is
            normal under the model.
        seed : int or numpy.random.Generator, optional
            For ``"quantile"``.

        References
        ----------
        Dunn, Smyth (1996), *Randomized quantile residuals*, J. Comput. Graph. Stat. 5(3).
        """
        chosen = one_of("kind", kind, RESIDUAL_KINDS)
        values = rows.residuals(self.state, chosen, generator("seed", seed))
        return pd.Series(values, index=self.state.design.index, name="residual")

    @named_arguments
    def predict(
        self,
        data: Any = None,
        *,
        random: Literal["all", "none"] | Sequence[str] = "all",
        new_levels: Literal["raise", "zero"] = "raise",
        kind: Literal["response", "link"] = "response",
        interval: Literal["confidence", "prediction"] | None = None,
        level: float = 0.95,
        average: bool = False,
        offset: npt.ArrayLike | None = None,
        trials: npt.ArrayLike | None = None,
    ) -> Any:
        """Predict means or linear predictors, with intervals if asked for.

        Parameters
        ----------
        data, random, new_levels, offset
            As for :meth:`lmforms.MixedModelResults.predict`.
        kind : {"response", "link"}
            Means (of one trial if binomial), or linear predictors.
        interval : {"confidence", "prediction"}, optional
            Limits of the mean or linear predictor given the random effects chosen, or of a new
            response (a proportion if binomial), whose other random effects are those of new levels.
        level : float
            Of the intervals.
        average : bool
            Whether means are averages over the random effects that `random` leaves out or that new
            levels have, which is the mean of the population for ``random="none"``. Otherwise these
            random effects are zero, and the mean is that of a group in the middle.
        offset : array, optional
            As for :meth:`lmforms.MixedModelResults.predict`.
        trials : int or array, optional
            For prediction intervals of new proportions: their numbers of trials.

        Returns
        -------
        Series or DataFrame
            Predictions, or with `interval` the columns ``estimate, std_error, lower, upper``.

        Raises
        ------
        ColumnError, DataError, ArgumentError
            New rows lack a column, or arguments contradict each other.
        ModelError
            The population has no mean, as normal random effects with the inverse link; or ordered
            classes, which have none either.
        NumericalError
            There are no standard errors.

        Notes
        -----
        The variance of the error of η̂ = x'β̂ + z'b̂ is that of b given the data and the
        parameters, and that of the estimates of all parameters, upon which b̂ depends too; as
        glmmTMB's ``predict(se.fit = TRUE)``. With ``nagq=0`` variances and parameters of the family
        count as known. Random effects of new levels add z'Var(b)z. Standard errors of means are by
        the delta method; limits are made on the link and transformed, by the normal distribution.

        Limits of a new response are quantiles of the family's distribution, averaged over the
        normal distribution of η̂ with this variance, and parameters of the family are held. Its
        ``std_error`` is the standard deviation of the new response.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> new = {"period": ["1", "4"]}
        >>> fit.predict(new, random="none", interval="confidence").round(2)
           estimate  std_error  lower  upper
        0      0.20       0.04   0.14   0.28
        1      0.05       0.02   0.02   0.11
        >>> fit.predict(new, random="none", average=True).round(2).tolist()
        [0.22, 0.06]
        """
        from .predictions import predicted

        one_of("kind", kind, ("response", "link"))
        if interval is not None:
            one_of("interval", interval, INTERVALS)
        return predicted(
            self.state,
            data,
            random=random,
            new_levels=new_levels,
            kind=kind,
            interval=interval,
            level=proportion("level", level),
            average=flag("average", average),
            offset=offset,
            trials=trials,
        )

    @named_arguments
    def simulate(
        self,
        n: int = 1,
        *,
        seed: int | np.random.Generator | None = None,
        random: Literal["new", "fitted"] = "new",
    ) -> pd.DataFrame:
        """Draw responses from the model at its estimates.

        Parameters
        ----------
        n : int
            Number of draws.
        seed : int or numpy.random.Generator, optional
            The same seed gives the same draws, and the first of them whatever `n` is.
        random : {"new", "fitted"}
            Random effects are drawn anew, or are the fitted ones.

        Returns
        -------
        DataFrame
            Columns ``sim_1``, ``sim_2``, …, on the index of the rows used; numbers of successes of
            binomial families, as :meth:`refit` takes them.
        """
        count = whole_number("n", n, least=1)
        chosen = one_of("random", random, ("new", "fitted"))
        values = rows.simulated(
            self.state, count, generator("seed", seed), new_effects=chosen == "new"
        )
        columns = [f"sim_{i}" for i in range(1, count + 1)]
        return pd.DataFrame(values, index=self.state.design.index, columns=columns)

    @named_arguments
    def refit(
        self, y: npt.ArrayLike | None = None, *, nagq: int | None = None
    ) -> GeneralizedResults:
        """Fit the same model again, to another response or with another number of nodes.

        Parameters
        ----------
        y : array, optional
            New response: one value for each row used, numbers of successes of binomial families;
            or a Series with their labels, in whatever order.
        nagq : int, optional
            As before by default.
        """
        state = self.state
        kept = estimate_of(state).likelihood.response.y
        refit: Any = state.refit
        return refit(
            self._observed(kept if y is None else y),
            nagq=self.nagq if nagq is None else nagq,
            start=None if self.is_singular else self.theta,
            control=state.control,
        )

    def _observed(self, y: npt.ArrayLike) -> ObservedResponse:
        index, seen = self.state.design.index, self.state.design.observed
        assert seen is not None
        values = real_array("refit: y", in_row_order("refit: y", y, index, allow_more=True))
        if values.shape != (self.nobs,):
            raise DataError(f"refit: y has shape {values.shape}; the model uses {self.nobs} rows.")
        if not np.isfinite(values).all():
            raise DataError("refit: y has missing or infinite values.")
        observed = replace(seen, y=values)
        observed.check(f"`{self.state.design.bound.formula.response.label}`")
        return observed

    # --- how it is shown --------------------------------------------------------------------

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors of the fixed effects; NaN, with a warning, where there are none.

        Warns
        -----
        ConvergenceWarning
        """
        warn_without_errors(self.state)
        return super().bse

    @named_arguments
    def summary(self, *, level: float | None = None) -> ModelSummary:
        """Tables of the fit: text, HTML, LaTeX, Markdown, Typst and DataFrames.

        Parameters
        ----------
        level : float, optional
            Of confidence limits of the fixed effects; none are shown by default.
        """
        from .summary import summarize_generalized

        level = None if level is None else proportion("level", level)
        return summarize_generalized(self.state, level)

    def __str__(self) -> str:
        return str(self.summary())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
