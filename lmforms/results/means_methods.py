"""`MeansMethods`: marginal means, slopes, joint tests and averages of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..support.arguments import named_arguments
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..inference.degrees_of_freedom.methods import DfName, Information
    from ..tables.result_table import ResultTable

Weights = Literal["equal", "proportional", "cells", "outer", "flat"]

Names = str | Sequence[str]


class MeansMethods(ModelEstimates):
    """What fitted values say on average; the numbers are in :mod:`lmforms.inference.means`."""

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
        ddf: DfName = "satterthwaite",
        information: Information | None = None,
        level: float = 0.95,
        kind: Literal["link", "response"] = "link",
        bias_adjust: bool | float = False,
    ) -> ResultTable:
        """Estimated marginal means of factors, and contrasts among them.

        The model is evaluated on a reference grid: all levels of its factors, its numbers at their
        mean over the rows used. The means are averages over the grid.

        Parameters
        ----------
        spec : str or list of str
            Predictors of the fixed part that the means are of; an empty list is the overall mean.
        by : str or list of str, optional
            More of them: contrasts and adjustments are within each combination of their values.
        at : mapping, optional
            Predictors to a value or values that replace those of the grid.
        weights : {"equal", "proportional", "cells", "outer", "flat"}
            Of the levels averaged over: all alike; by their frequencies in the data, jointly;
            within each mean by its own frequencies; by products of the frequencies of each
            factor; all with rows alike.
        contrast : str, mapping or matrix, optional
            ``"pairwise"``, ``"revpairwise"``, ``"trt.vs.ctrl"`` (``"trt.vs.ctrlk"``: with the
            last), ``"poly"``, ``"eff"``, ``"del.eff"``, ``"consec"`` or ``"mean_chg"``; names to
            coefficients, in the order of the means (the first of `spec` varies fastest) or by
            their labels; or a matrix with a row for each contrast.
        reference : str, optional
            Label of the mean that ``"trt.vs.ctrl"`` compares with; the first by default.
        adjust : str, optional
            Of p-values and limits, for their number in each combination of `by`: ``"tukey"``,
            ``"dunnettx"``, ``"mvt"``, ``"scheffe"``, ``"sidak"``, ``"bonferroni"``, ``"holm"``,
            ``"hochberg"``, ``"hommel"``, ``"fdr"``, ``"by"`` or ``"none"``. By default Tukey's for
            pairwise comparisons, ``"dunnettx"`` for those with a control, ``"fdr"`` for effects,
            ``"mvt"`` for consecutive ones, and none for the rest and for the limits of means.
        letters : bool
            A column of letters: means of one combination of `by` without a common letter differ
            at 1 − `level`, by pairwise comparisons with `adjust`.
        ddf, information
            Degrees of freedom, see :meth:`contrast`.
        level : float
            Of the limits.
        kind : {"link", "response"}
            The scale of the model, or that of the response where the formula transforms it, as
            ``log(y)``; differences of logarithms become ratios.
        bias_adjust : bool or float
            With ``kind="response"``, add half the second derivative of the back-transformation
            times a variance: the residual one for True, or the square of the number given, which
            may have the random effects' variance too.

        Returns
        -------
        ResultTable
            The predictors, then ``estimate, std_error, df, lower, upper``; or with `contrast`
            those of `by`, then ``contrast, estimate, std_error, df, statistic, p_value, lower,
            upper``. NaN where the data do not determine it.

        Raises
        ------
        ArgumentError, ColumnError, DataError, ModelError
            The message names what is wrong.

        References
        ----------
        Searle, Speed, Milliken (1980), *Population Marginal Means in the Linear Model*, The
        American Statistician 34; Lenth, *emmeans: Estimated Marginal Means*, R package.

        Examples
        --------
        >>> import lmforms as lf
        >>> cake = lf.datasets.load("cake")
        >>> fit = lf.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", cake)
        >>> fit.emmeans("recipe")
        Marginal means of recipe
        recipe  estimate  std_error  df   lower   upper
        -----------------------------------------------
        A         33.122      1.737  42  29.617  36.627
        B         31.644      1.737  42  28.139  35.150
        C         31.600      1.737  42  28.095  35.105
        Degrees of freedom: Satterthwaite, observed information.
        `temp` is held at its mean, 200.
        Limits: 95 %.
        >>> fit.emmeans("recipe", contrast="pairwise")
        Contrasts (pairwise) of marginal means of recipe
        contrast  estimate  std_error  df  statistic  p_value   lower  upper
        --------------------------------------------------------------------
        A - B        1.478      2.456  42      0.602   0.8200  −4.490  7.445
        A - C        1.522      2.456  42      0.620   0.8102  −4.445  7.490
        B - C        0.044      2.456  42      0.018   0.9998  −5.923  6.012
        Degrees of freedom: Satterthwaite, observed information.
        `temp` is held at its mean, 200.
        p-values: adjusted by Tukey.
        Limits: 95 %, simultaneous by Tukey.
        """
        from ..inference.means.emmeans import emmeans

        return emmeans(
            self.state,
            spec,
            by,
            at=at,
            weights=weights,
            contrast=contrast,
            reference=reference,
            adjust=adjust,
            letters=letters,
            ddf=ddf,
            information=information,
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
        ddf: DfName = "satterthwaite",
        information: Information | None = None,
        level: float = 0.95,
    ) -> ResultTable:
        """Slopes of a number for the levels of factors, and contrasts among them.

        Parameters
        ----------
        spec, by, at, weights, contrast, reference, adjust, letters, ddf, information, level
            As of :meth:`emmeans`.
        var : str
            The number. Its slope is the derivative of the fixed part at the number's value in the
            grid, its mean unless `at` says otherwise; an error next to a jump.

        Returns
        -------
        ResultTable
            As of :meth:`emmeans`, with slopes in the place of means.

        Raises
        ------
        ArgumentError, ColumnError, DataError, ModelError

        Examples
        --------
        >>> import lmforms as lf
        >>> cake = lf.datasets.load("cake")
        >>> fit = lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
        >>> fit.emtrends("recipe", "temp")
        Slopes of temp for recipe
        recipe  estimate  std_error   df    lower    upper
        --------------------------------------------------
        A        0.15371    0.02821  222  0.09813  0.20930
        B        0.16457    0.02821  222  0.10898  0.22016
        C        0.15581    0.02821  222  0.10022  0.21140
        Degrees of freedom: Satterthwaite, observed information.
        `temp` is held at its mean, 200.
        Limits: 95 %.
        """
        from ..inference.means.emmeans import emtrends

        return emtrends(
            self.state,
            spec,
            var,
            by,
            at=at,
            weights=weights,
            contrast=contrast,
            reference=reference,
            adjust=adjust,
            letters=letters,
            ddf=ddf,
            information=information,
            level=level,
        )

    @named_arguments
    def joint_tests(
        self,
        by: Names | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
        ddf: DfName = "satterthwaite",
        information: Information | None = None,
    ) -> ResultTable:
        """F tests of the terms by their marginal means: all their interaction contrasts are zero.

        With factors alone these are Type III tests. A number is at its mean less and plus 1, so
        that its slope is tested, and factors at its mean. Where one of the two is beyond the data,
        both are nearer, and a note says so.

        Parameters
        ----------
        by : str or list of str, optional
            Tests within each combination of their values.
        at, weights, ddf, information
            As of :meth:`emmeans`.

        Returns
        -------
        ResultTable
            Those of `by`, then ``term, num_df, den_df, statistic, p_value``. Contrasts that are
            not estimable are left out.

        Raises
        ------
        ArgumentError, ColumnError, DataError, ModelError

        Examples
        --------
        >>> import lmforms as lf
        >>> cake = lf.datasets.load("cake")
        >>> fit = lf.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", cake)
        >>> fit.joint_tests()
        Joint tests
        term                num_df  den_df  statistic  p_value
        ------------------------------------------------------
        recipe                   2      42      0.249   0.7809
        temperature              5     210     20.520  <0.0001
        recipe:temperature      10     210      1.006   0.4393
        Degrees of freedom: Satterthwaite, observed information.
        """
        from ..inference.means.emmeans import joint_tests

        return joint_tests(self.state, by, at=at, weights=weights, ddf=ddf, information=information)

    @named_arguments
    def average(
        self,
        by: Names | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        slope: Names | None = None,
        comparison: Names | Mapping[str, Any] | None = None,
        data: Any = None,
        ddf: DfName = "satterthwaite",
        information: Information | None = None,
        level: float = 0.95,
    ) -> ResultTable:
        """Predictions, slopes or comparisons averaged over rows of data.

        Random effects are zero. All are linear in β̂, so that standard errors and degrees of freedom
        are those of linear functions.

        Parameters
        ----------
        by : str or list of str, optional
            Columns of the model, or of `data`: averages within each combination of their values
            that there is.
        at : mapping, optional
            Predictors to a value or values that all rows get, one combination after the other.
        slope : str or list of str, optional
            Numbers: averages of the derivative at each row. Next to a jump, as of ``I(x > 0)``,
            there is none: an error, use `comparison`.
        comparison : str, list of str or mapping, optional
            Predictors: averages of differences of predictions, all else as it is in the row. A
            mapping says what is compared: two values (low, high); a step for a number (1 by
            default); ``"reference"`` (default), ``"pairwise"`` or ``"sequential"`` for a factor.
        data : table, optional
            Rows to average over; those of the fit by default.
        ddf, information
            Degrees of freedom, see :meth:`contrast`.
        level : float
            Of the limits.

        Returns
        -------
        ResultTable
            Columns of `by` and `at`, then ``estimate, std_error, df, lower, upper``; slopes have
            ``term`` in front, comparisons ``term`` and ``contrast``, and both ``statistic,
            p_value``, not adjusted for their number.

        Raises
        ------
        ArgumentError, ColumnError, DataError

        References
        ----------
        Arel-Bundock, Greifer, Heiss (2024), *How to Interpret Statistical Models Using
        marginaleffects for R and Python*, Journal of Statistical Software 111.

        Examples
        --------
        >>> import lmforms as lf
        >>> cake = lf.datasets.load("cake")
        >>> fit = lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
        >>> fit.average(slope="temp")
        Average slopes
        term  estimate  std_error   df  statistic  p_value    lower    upper
        --------------------------------------------------------------------
        temp   0.15803    0.01629  222      9.704  <0.0001  0.12594  0.19013
        Degrees of freedom: Satterthwaite, observed information.
        Averaged over the 270 rows used in the fit.
        p-values: not adjusted for their number.
        Limits: 95 %.
        >>> fit.average(comparison={"recipe": ("A", "C")})
        Average comparisons
        term    contrast  estimate  std_error  df  statistic  p_value   lower  upper
        ----------------------------------------------------------------------------
        recipe  C - A       −1.522      2.456  42     −0.620   0.5388  −6.479  3.435
        Degrees of freedom: Satterthwaite, observed information.
        Averaged over the 270 rows used in the fit.
        p-values: not adjusted for their number.
        Limits: 95 %.
        """
        from ..inference.means.emmeans import average

        return average(
            self.state,
            by,
            at=at,
            slope=slope,
            comparison=comparison,
            data=data,
            ddf=ddf,
            information=information,
            level=level,
        )
