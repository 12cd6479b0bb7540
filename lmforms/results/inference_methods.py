"""`InferenceMethods`: what a fit has for tests of its fixed effects."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import named_arguments, one_of, proportion
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..inference.degrees_of_freedom.methods import DfName, Information
    from ..inference.robust.cluster_scores import RobustType
    from ..tables.result_table import ResultTable


class InferenceMethods(ModelEstimates):
    """Tests and intervals; the numbers are in :mod:`lmforms.inference`."""

    @cached_property
    def df_denom(self) -> pd.Series:
        """Denominator degrees of freedom of each coefficient, by Satterthwaite."""
        return self._tests["df"].rename("df_denom")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of each coefficient, by t with Satterthwaite's df."""
        return self._tests["p_value"].rename("pvalues")

    @cached_property
    def _tests(self) -> ResultTable:
        from ..inference.coefficients import coefficient_table

        return coefficient_table(self.state)

    @named_arguments
    def cov_params(
        self,
        type: Literal["kenward-roger"] | RobustType | None = None,
        *,
        information: Information | None = None,
        cluster: Any = None,
    ) -> pd.DataFrame:
        """Covariance matrix of the fixed effects.

        Parameters
        ----------
        type : {None, "kenward-roger", "CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"}
            σ̂²(X'V̂₀⁻¹X)⁻¹; Kenward and Roger's, which adds what the estimation of V costs; or a
            cluster-robust one, for which see :meth:`~lmforms.MixedModelResults.robust`.
        information : {None, "expected", "observed"}
            For Kenward and Roger; None is the expected one.
        cluster : str or array, optional
            For the cluster-robust types: a grouping factor, a column, or a label for each row;
            the outermost grouping factor by default.
        """
        from ..inference.coefficients import covariance_of_coefficients
        from ..inference.robust.cluster_scores import ROBUST_TYPES

        if type is not None:
            one_of("type", type, ("kenward-roger", *ROBUST_TYPES))
        if type != "kenward-roger" and information is not None:
            raise ArgumentError("information= is for type='kenward-roger'.")
        if type in ROBUST_TYPES:
            from ..inference.robust.robust_tests import RobustTests

            return RobustTests(self.state, type, cluster).cov_params()
        if cluster is not None:
            raise ArgumentError("cluster= is for the cluster-robust types, such as type='CR2'.")
        ddf = "none" if type is None else type
        return covariance_of_coefficients(self.state, ddf, information)

    @named_arguments
    def conf_int(
        self,
        level: float = 0.95,
        method: Literal["wald", "profile", "bootstrap"] = "wald",
        *,
        which: Literal["fixed", "all"] = "fixed",
        ddf: DfName | None = None,
        information: Information | None = None,
        n: int | None = None,
        seed: Any = None,
    ) -> ResultTable:
        """Confidence intervals of the fixed effects, or of all parameters.

        Parameters
        ----------
        level : float
            Between 0 and 1: the coverage, 1 − the alpha of statsmodels.
        method : {"wald", "profile", "bootstrap"}
            Estimate ± t quantile × standard error, for variance parameters by the normal
            distribution on the scale of the logarithm or the logit; by profile likelihood, see
            :meth:`profile`; or percentiles of a parametric bootstrap, see :meth:`bootstrap`.
        which : {"fixed", "all"}
            ``"all"`` has standard deviations, correlations, σ and the parameters of structures too.
        ddf, information
            Degrees of freedom of t for ``method="wald"``, see :meth:`contrast`: Satterthwaite's by
            default; ``ddf="none"`` takes normal quantiles, as ``confint(method="Wald")`` of lme4.
        n, seed
            For ``method="bootstrap"``: number of replicates, 1,000 by default, and what
            :func:`numpy.random.default_rng` takes.

        Returns
        -------
        ResultTable
            Columns ``lower`` and ``upper``.

        Raises
        ------
        ArgumentError
            An option of another method.
        ModelError
            The method is not defined for this fit; the message says which is.

        Examples
        --------
        >>> import lmforms as lf
        >>> sleep = lf.datasets.load("sleepstudy")
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep)
        >>> fit.conf_int(method="profile")
        95 % profile-likelihood intervals
                     lower    upper
        ---------------------------
        Intercept  237.681  265.130
        Days         7.359   13.576
        Profiles of the likelihood (ML), not of the restricted likelihood of the fit.
        """
        from ..inference.intervals import INTERVALS, IntervalOptions

        one_of("method", method, tuple(INTERVALS))
        one_of("which", which, ("fixed", "all"))
        options = IntervalOptions(proportion("level", level), which, ddf, information, n, seed)
        return INTERVALS[method](self.state, options)

    @named_arguments
    def contrast(
        self,
        L: Any,
        *,
        joint: bool = False,
        ddf: DfName = "satterthwaite",
        information: Information | None = None,
        level: float | None = None,
    ) -> ResultTable:
        """Tests of linear functions of the fixed effects, Lβ.

        Parameters
        ----------
        L : str, sequence of str, mapping, DataFrame or array (r, p)
            Text such as ``"Days = 10"`` or ``"a - b, c = 2"`` (without ``=`` against zero); a
            mapping of labels to rows, each an array or a mapping of coefficients to weights; a
            frame with coefficients as columns; or a matrix.
        joint : bool
            One F test of all rows together, in the place of a t test for each.
        ddf : str
            Denominator degrees of freedom: ``"satterthwaite"``, ``"kenward-roger"`` (with its
            standard errors), ``"kenward-roger-linear"``, ``"between-within"``, ``"residual"`` or
            ``"none"`` (normal distribution).
        information : {None, "observed", "expected"}
            Which information of the variance parameters. None is the observed one for
            Satterthwaite, as lmerTest, and the expected one for Kenward–Roger, as pbkrtest; SAS and
            JMP use the observed one.
        level : float, optional
            Of the limits, 0.95 by default; a joint test has none.

        Returns
        -------
        ResultTable
            ``estimate, std_error, df, statistic, p_value, lower, upper`` of each row, or
            ``statistic, num_df, den_df, p_value`` of the joint test.

        Raises
        ------
        ArgumentError, ColumnError
            L has the wrong width, or names what is no coefficient.
        ModelError
            The method is not defined for this fit; the message says which is.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.contrast("Days = 10")
        Contrasts
                   estimate  std_error  df  statistic  p_value  lower   upper
        ---------------------------------------------------------------------
        Days = 10    10.467      1.546  17      0.302   0.7661  7.206  13.729
        Degrees of freedom: Satterthwaite, observed information.
        Limits: 95 %.
        >>> fit.contrast("Days", joint=True, ddf="kenward-roger")
        F test of Days
               statistic  num_df  den_df  p_value
        -----------------------------------------
        joint     45.853       1      17  <0.0001
        Degrees of freedom: Kenward–Roger, expected information.
        """
        from ..inference.coefficients import contrast_table

        return contrast_table(self.state, L, ddf, information, joint=joint, level=level)

    @named_arguments
    def anova(
        self,
        type: Literal[3, 2, 1] = 3,
        *,
        ddf: DfName = "satterthwaite",
        information: Information | None = None,
    ) -> ResultTable:
        """F test of each term of the fixed part.

        Parameters
        ----------
        type : {3, 2, 1}
            Type I tests a term after those before it in the formula, Type II after all others that
            do not contain it, Type III averaged over the levels of those that contain it, as SAS
            defines them. None depends on the contrasts of the factors.
        ddf, information
            Denominator degrees of freedom, see :meth:`contrast`.

        Returns
        -------
        ResultTable
            One row a term: ``sum_sq, mean_sq, num_df, den_df, statistic, p_value``. The mean square
            is σ̂² times the F statistic (before Kenward and Roger's scale factor). A term without
            estimable hypotheses has ``num_df`` 0.

        Raises
        ------
        ArgumentError
        ModelError
            The method of degrees of freedom is not defined for this fit.

        Examples
        --------
        >>> import lmforms as lf
        >>> cake = lf.datasets.load("cake")
        >>> fit = lf.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", cake)
        >>> fit.anova()
        Type III tests of terms
                             sum_sq  mean_sq  num_df  den_df  statistic  p_value
        ------------------------------------------------------------------------
        recipe                10.19    5.093       2      42      0.249   0.7809
        temperature         2100.30  420.060       5     210     20.520  <0.0001
        recipe:temperature   205.98   20.598      10     210      1.006   0.4393
        Type III: each term averaged over the levels of the terms that contain it.
        Degrees of freedom: Satterthwaite, observed information.
        """
        from ..inference.terms.term_tests import anova_table

        return anova_table(self.state, type, ddf, information)
