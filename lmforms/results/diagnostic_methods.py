"""`DiagnosticMethods`: shares of variance, simulated residuals, checks, and fits in other ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ..support.arguments import (
    flag,
    generator,
    named_arguments,
    one_of,
    sequence,
    whole_number,
)
from . import variance_tables
from .estimates import ModelEstimates
from .result_table import ResultTable

if TYPE_CHECKING:
    from .fit_report import FitReport
    from .simulated_residuals import SimulatedResiduals


class DiagnosticMethods(ModelEstimates):
    """Diagnostics; numbers are in :mod:`lmforms.inference.diagnostics`."""

    @named_arguments
    def r2(self) -> pd.Series:
        r"""Shares of the variance of the response that the model accounts for.

        Returns
        -------
        Series
            ``marginal``, by the fixed effects, and ``conditional``, by fixed and random effects.
            Without random effects both are the same.

        Raises
        ------
        MemoryLimitError
            The variances of related levels need the inverse of too large a matrix.

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
        MemoryLimitError
            As for :meth:`r2`.

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
            direction, a column for each effect. All random terms of a grouping factor count
            together.

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

    @named_arguments
    def simulated_residuals(
        self,
        n: int = 250,
        *,
        seed: int | np.random.Generator | None = None,
        random: Literal["new", "fitted"] = "new",
        rotate: bool = False,
    ) -> SimulatedResiduals:
        """Where each response lies among simulated ones: quantile residuals, as R's DHARMa.

        Parameters
        ----------
        n : int
            Responses to simulate.
        seed : int or numpy.random.Generator, optional
        random : {"new", "fitted"}
            Random effects of the simulated responses, see :meth:`simulate`. With new ones all of
            the model is checked, with the fitted ones the residuals alone.
        rotate : bool
            Multiply y less its mean, and simulated ones, by the inverse Cholesky factor of their
            covariance: residuals are then independent, and each is of a row given the earlier ones
            that it depends on.

        Returns
        -------
        SimulatedResiduals
            ``scaled`` residuals, ``tests`` of uniformity, dispersion and outliers,
            ``level_tests(by)``; drawn by :func:`lmforms.plot.simulated_residuals`.

        Raises
        ------
        ArgumentError
        ModelError
            `rotate` with more than 3,000 rows that depend on each other.

        References
        ----------
        Dunn, Smyth (1996), *Randomized quantile residuals*, J. Computational and Graphical
        Statistics 5(3); Hartig, *DHARMa: residual diagnostics for hierarchical regression models*.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> found = fit.simulated_residuals(seed=1, rotate=True)
        >>> bool(found.scaled.between(0, 1).all()), list(found.tests.index)
        (True, ['uniformity', 'dispersion', 'outliers'])
        """
        from .simulated_residuals import simulated_residuals

        return simulated_residuals(
            self.state,
            whole_number("n", n, least=1),
            generator("seed", seed),
            one_of("random", random, ("new", "fitted")),
            flag("rotate", rotate),
        )

    @named_arguments
    def all_fit(
        self,
        kinds: Sequence[str] = ("starts", "optimizers", "factors", "methods"),
        *,
        starts: int = 4,
        seed: int | np.random.Generator | None = 0,
        progress: bool = False,
    ) -> ResultTable:
        """The same model fitted in other ways, to see whether all find one optimum.

        Parameters
        ----------
        kinds : sequence of str
            Which ways: ``"starts"`` are local searches by the package's own optimiser from random
            starts; ``"optimizers"`` are SciPy's L-BFGS-B, Nelder–Mead and COBYQA (Powell before
            SciPy 1.14) on the same criterion, from unit variances; ``"factors"`` are the values of
            :class:`lmforms.Control`'s `factor`, for several grouping factors; ``"methods"`` the
            estimators of :mod:`lmforms.varcomp`, for terms of single variances.
        starts : int
            Number of random starts.
        seed : int or numpy.random.Generator, optional
            Of the random starts.
        progress : bool
            Whether tqdm shows a bar.

        Returns
        -------
        ResultTable
            A row for each way: ``loglik``, the ``difference`` of −2 log-likelihood from the lowest,
            whether its own test of convergence was met, ``evaluations`` (iterations of estimators),
            ``seconds``, and the parameters of random effects and residuals by their names. Notes
            say whether all agree. Ways that do not suit the model are named there.

        Raises
        ------
        ArgumentError
        ModelError
            There are no variance parameters, or the fit is by conjugate gradients.
        MissingPackageError
            `progress` without tqdm.

        Notes
        -----
        Where an interrupt ends the work, the table has the ways done until then. As lme4's
        ``allFit``. Variances of the fitted values, ``power(fitted)``, are held as they were.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> table = fit.all_fit(["starts", "optimizers"])
        >>> bool((table["difference"] < 1e-4).all())
        True
        """
        from .all_fits import KINDS, all_fits

        given = [kinds] if isinstance(kinds, str) else sequence("kinds", kinds, "texts")
        return all_fits(
            self.state,
            [one_of("kinds", kind, KINDS) for kind in given],
            whole_number("starts", starts),
            generator("seed", seed),
            flag("progress", progress),
        )

    @named_arguments
    def check(self, n: int = 250, *, seed: int | np.random.Generator | None = 0) -> FitReport:
        """What to look at before this fit is used, and what to do about it.

        Convergence, singular and unidentified variances, parameters at bounds, dropped and
        collinear columns, few levels, outliers, the distribution of simulated residuals, variances
        by factor and by prediction, and the distribution of random effects.

        Parameters
        ----------
        n, seed
            Of the simulated residuals, see :meth:`simulated_residuals`.

        Returns
        -------
        FitReport
            Its text names each check, what was found, and a way out that can be followed;
            ``table`` is a DataFrame, ``problems`` and ``notes`` are lists, ``ok`` says whether
            there are no problems.

        Notes
        -----
        Tests are at a level of 1 %. They are a guide to what to look at, and no proof that a model
        is right: with few rows much goes unnoticed, with many rows what does not matter is noticed.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("strength ~ 1 + (1 | batch) + (1 | sample)", lf.datasets.load("Pastes"))
        >>> report = fit.check()
        >>> report.ok, report.table.loc["convergence", "status"]
        (True, 'ok')
        """
        from .fit_checks import checked_fit

        return checked_fit(self.state, whole_number("n", n, least=1), generator("seed", seed))
