"""`GeneralizedInference`: tests of terms, marginal means and averages of a generalised fit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ...errors import ModelError
from ...support.arguments import named_arguments
from ..estimates import CommonEstimates
from ..means_methods import Names, Weights

if TYPE_CHECKING:
    from ...tables.result_table import ResultTable
    from ..state import FitState


class GeneralizedInference(CommonEstimates):
    """Tests by the normal and the χ² distribution; the numbers are in :mod:`lmforms.inference`."""

    @cached_property
    def _with_intercept(self) -> FitState:
        """What means are made of: of an ordinal fit with an intercept for its thresholds."""
        from ...inference.latent_scale import with_intercept

        return with_intercept(self.state)

    def _refuse_means_of_classes(self, kind: str) -> None:
        if kind == "response" and self.state.design.thresholds:
            raise ModelError(
                "ordered classes have probabilities, not a mean: kind='link' gives means of the "
                "latent variable, and predict() the probabilities of new rows."
            )

    @named_arguments
    def anova(self, type: Literal[3, 2, 1] = 3) -> ResultTable:
        """Wald χ² test of each term of the fixed part.

        Parameters
        ----------
        type : {3, 2, 1}
            Type I tests a term after those before it in the formula, Type II after all others but
            those that have its variables and more, as ``Anova`` of the R package car, Type III
            averaged over the levels of the terms that contain it, as SAS defines them and as
            ``Anova(type=3)`` has them with contrasts that add up to zero. None depends on the
            contrasts of the factors.

        Returns
        -------
        ResultTable
            One row a term: ``statistic, df, p_value``. A term without estimable hypotheses has
            ``df`` 0.

        Raises
        ------
        ArgumentError

        See Also
        --------
        drop1 : Likelihood-ratio tests, which are better where estimates are large.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.anova()
        Type III tests of terms
                statistic  df  p_value
        ------------------------------
        period     24.949   3  <0.0001
        Type III: each term averaged over the levels of the terms that contain it.
        Wald χ² tests, with the covariance of the fixed effects.
        """
        from ...inference.terms.wald_tests import wald_table

        return wald_table(self.state, type)

    @named_arguments
    def emmeans(
        self,
        spec: Names,
        by: Names | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
        contrast: Any = None,
        reference: str | None = None,
        adjust: str | None = None,
        letters: bool = False,
        level: float = 0.95,
        kind: Literal["link", "response"] = "link",
        bias_adjust: bool | float = False,
    ) -> ResultTable:
        """Estimated marginal means of factors, and contrasts among them.

        Averages of the linear predictor over a reference grid, with random effects of zero.

        Parameters
        ----------
        spec, by, at, weights, contrast, reference, adjust, letters, level
            As for :meth:`lmforms.MixedModelResults.emmeans`.
        kind : {"link", "response"}
            The linear predictor, or its means by the inverse link, where differences of logits
            become odds ratios and those of logarithms ratios. Differences under other links stay
            on the scale of the link, and a note says so.
        bias_adjust : bool or float
            With ``kind="response"``, add half the second derivative of the inverse link times a
            variance, which leads from a typical group to the mean of the population: the variance
            of the random effects (its mean over the rows) for True, or the square of the number
            given.

        Returns
        -------
        ResultTable
            As of :meth:`lmforms.MixedModelResults.emmeans`, with infinite ``df``; the statistic
            is z. Limits are back-transformed, tests those on the scale of the link.

        Raises
        ------
        ArgumentError, ColumnError, DataError, ModelError
            The message names what is wrong.

        References
        ----------
        Lenth, *emmeans: Estimated Marginal Means*, R package.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.emmeans("period", kind="response")[["period", "estimate", "std_error"]].round(4)
          period  estimate  std_error
        0      1    0.1980     0.0369
        1      2    0.0839     0.0238
        2      3    0.0740     0.0226
        3      4    0.0484     0.0198
        >>> table = fit.emmeans("period", contrast="trt.vs.ctrl", kind="response")
        >>> table.title
        'Odds ratios (trt.vs.ctrl) of marginal means of period'
        >>> table[["contrast", "estimate", "p_value"]].round(4)
                    contrast  estimate  p_value
        0  period2 / period1    0.3707   0.0035
        1  period3 / period1    0.3235   0.0016
        2  period4 / period1    0.2059   0.0006
        """
        from ...inference.means.emmeans import emmeans

        self._refuse_means_of_classes(kind)
        return emmeans(
            self._with_intercept,
            spec,
            by,
            at=at,
            weights=weights,
            contrast=contrast,
            reference=reference,
            adjust=adjust,
            letters=letters,
            ddf="none",
            information=None,
            level=level,
            kind=kind,
            bias_adjust=bias_adjust,
        )

    @named_arguments
    def emtrends(
        self,
        spec: Names,
        var: str,
        by: Names | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
        contrast: Any = None,
        reference: str | None = None,
        adjust: str | None = None,
        letters: bool = False,
        level: float = 0.95,
    ) -> ResultTable:
        """Slopes of the linear predictor in a number, for the levels of factors, and contrasts.

        Slopes of means are those of :meth:`average`.

        Parameters
        ----------
        spec, var, by, at, weights, contrast, reference, adjust, letters, level
            As for :meth:`lmforms.MixedModelResults.emtrends`.

        Returns
        -------
        ResultTable
            As of :meth:`emmeans`, on the scale of the link.

        Raises
        ------
        ArgumentError, ColumnError, DataError, ModelError
        """
        from ...inference.means.emmeans import emtrends

        return emtrends(
            self._with_intercept,
            spec,
            var,
            by,
            at=at,
            weights=weights,
            contrast=contrast,
            reference=reference,
            adjust=adjust,
            letters=letters,
            ddf="none",
            information=None,
            level=level,
        )

    @named_arguments
    def joint_tests(
        self,
        by: Names | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
    ) -> ResultTable:
        """Tests of the terms by their marginal means: all their interaction contrasts are zero.

        Parameters
        ----------
        by, at, weights
            As for :meth:`lmforms.MixedModelResults.joint_tests`.

        Returns
        -------
        ResultTable
            Those of `by`, then ``term, num_df, den_df, statistic, p_value``: χ² divided by
            ``num_df``, as an F with infinitely many denominator degrees of freedom.

        Raises
        ------
        ArgumentError, ColumnError, DataError, ModelError
        """
        from ...inference.means.emmeans import joint_tests

        return joint_tests(
            self._with_intercept, by, at=at, weights=weights, ddf="none", information=None
        )

    @named_arguments
    def average(
        self,
        by: Names | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        slope: Names | None = None,
        comparison: Names | Mapping[str, Any] | None = None,
        data: Any = None,
        level: float = 0.95,
        kind: Literal["response", "link"] = "response",
    ) -> ResultTable:
        """Predictions, slopes or comparisons averaged over rows of data, random effects zero.

        Parameters
        ----------
        by, at, slope, comparison, data, level
            As for :meth:`lmforms.MixedModelResults.average`.
        kind : {"response", "link"}
            Means with their derivatives and differences, with standard errors by the delta method;
            or linear predictors.

        Returns
        -------
        ResultTable
            As of :meth:`lmforms.MixedModelResults.average`, with infinite ``df``.

        Raises
        ------
        ModelError
            With ``kind="response"``: expected responses depend on parameters of added zeros, or
            an offset of the formula would change.
        ArgumentError, ColumnError, DataError

        References
        ----------
        Arel-Bundock, Greifer, Heiss (2024), *How to Interpret Statistical Models Using
        marginaleffects for R and Python*, Journal of Statistical Software 111.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> table = fit.average(comparison={"period": ("1", "2")})
        >>> table[["contrast", "estimate", "std_error"]].round(4)
          contrast  estimate  std_error
        0    2 - 1   -0.1142     0.0353
        """
        from ...inference.means.emmeans import average

        self._refuse_means_of_classes(kind)
        return average(
            self._with_intercept,
            by,
            at=at,
            slope=slope,
            comparison=comparison,
            data=data,
            ddf="none",
            information=None,
            level=level,
            kind=kind,
        )
