"""`VarianceMethods`: shares of variance, components of random effects, variance inflation."""

from __future__ import annotations

import pandas as pd

from ..support.arguments import named_arguments
from ..tables.result_table import ResultTable
from . import variance_tables
from .estimates import ModelEstimates


class VarianceMethods(ModelEstimates):
    """What variances say; the numbers are in :mod:`lmforms.inference.diagnostics`."""

    @named_arguments
    def r2(self) -> pd.Series:
        r"""Shares of the variance of the response that the model accounts for.

        Returns
        -------
        Series
            ``marginal``, by the fixed effects, and ``conditional``, by fixed and random effects.
            Without random effects both are the same.

        Notes
        -----
        :math:`R^2_m = \sigma^2_f/(\sigma^2_f + \sigma^2_r + \sigma^2_e)` and
        :math:`R^2_c = (\sigma^2_f + \sigma^2_r)/(\sigma^2_f + \sigma^2_r + \sigma^2_e)`:
        :math:`\sigma^2_f` is the variance of Xβ̂ over the rows (divisor n − 1); :math:`\sigma^2_r`
        the mean over the rows of :math:`K_{ll} z_i'\hat G z_i`, the variance of their random
        effects; :math:`\sigma^2_e` the mean variance :math:`\hat\sigma^2 R_{ii}` of their
        residuals: σ²/w with weights, and that of each stratum with a residual structure, whose
        correlations do not count. Offsets are left out. A grouping factor with a level for each
        row counts as residuals.

        References
        ----------
        Nakagawa, Schielzeth (2013), *A general and simple method for obtaining R² from
        generalized linear mixed-effects models*, Methods in Ecology and Evolution 4(2), equations
        29 and 30; Johnson (2014), ibid. 5(9), equation 10, for random slopes.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.r2().round(4)
        marginal       0.2787
        conditional    0.7992
        Name: r2, dtype: float64
        """
        return variance_tables.r_squared(self.state)

    @named_arguments
    def icc(self) -> ResultTable:
        """Intraclass correlations: shares of the variance that random effects have.

        Returns
        -------
        ResultTable
            For each grouping factor, and for ``all``: the ``variance`` of its random effects, and
            its share of the variance of random effects and residuals (``adjusted``) or of the
            fixed effects too (``unadjusted``).

        Raises
        ------
        ModelError
            No rows share random effects.

        Notes
        -----
        Variances are those of :meth:`r2`. With random intercepts alone the adjusted share of a
        grouping factor is the correlation of two responses that have its level in common and no
        other, given the fixed effects. With random slopes that correlation depends on the
        predictors, and the share is of mean variances (Johnson 2014).

        References
        ----------
        Nakagawa, Johnson, Schielzeth (2017), *The coefficient of determination R² and intra-class
        correlation coefficient from generalized linear mixed-effects models revisited and
        expanded*, J. R. Soc. Interface 14(134).

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
        >>> lf.lmer(formula, lf.datasets.load("Penicillin")).icc()["adjusted"].round(4)
        plate     0.1509
        sample    0.7854
        all       0.9363
        Name: adjusted, dtype: float64
        """
        return variance_tables.intraclass_correlations(self.state)

    @named_arguments
    def random_effects_pca(self) -> ResultTable:
        """Principal components of the random effects of each grouping factor.

        A component of almost no variance tells that the random effects have more parameters than
        the data support.

        Returns
        -------
        ResultTable
            By ``group`` and ``component``: the standard deviation ``sd`` and that relative to σ,
            the ``share`` of the grouping factor's variance, the ``cumulative`` share, and the
            direction, a ``loading[…]`` for each effect. All random terms of a grouping factor
            count together.

        Raises
        ------
        ModelError
            There are no random effects.

        Notes
        -----
        Of the covariance σ²λλ' of the effects of one level, in the units of the formula: a
        predictor in other units changes the shares. As lme4's ``rePCA``.

        References
        ----------
        Bates, Kliegl, Vasishth, Baayen (2015), *Parsimonious mixed models*, arXiv:1506.04967.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.random_effects_pca()["share"].round(3).tolist()
        [0.946, 0.054]
        """
        return variance_tables.random_pca(self.state)

    @named_arguments
    def vif(self) -> ResultTable:
        """Variance inflation of the fixed effects, term by term.

        Returns
        -------
        ResultTable
            For each term: ``gvif``, the number of its coefficients ``df``, and ``gvif_root``, which
            is gvif^(1/(2 df)). For a term of one coefficient, gvif is the usual variance inflation
            factor. As car's ``vif``.

        Raises
        ------
        ModelError
            There are no fixed effects but the intercept.

        Notes
        -----
        From the correlations of the estimated coefficients, so that weights, random effects and
        residual structures count. Beside an interaction the inflation of a main effect depends on
        how it is coded.

        References
        ----------
        Fox, Monette (1992), *Generalized collinearity diagnostics*, J. American Statistical
        Association 87(417).

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
        >>> fit.vif()["gvif"].round(6).tolist()
        [1.0]
        """
        return variance_tables.vif_table(self.state)
