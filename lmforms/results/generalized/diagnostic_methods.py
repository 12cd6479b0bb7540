"""`GeneralizedDiagnostics`: shares of variance, simulated residuals, a report of what to check."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ...support.arguments import generator, named_arguments, one_of, whole_number
from ...tables.result_table import ResultTable
from .. import variance_tables
from ..estimates import CommonEstimates

if TYPE_CHECKING:
    from ..fit_report import FitReport
    from ..simulated_residuals import SimulatedResiduals

SCALES = ("latent", "observation")


class GeneralizedDiagnostics(CommonEstimates):
    """Diagnostics; the numbers are in :mod:`lmforms.inference.diagnostics`."""

    @named_arguments
    def r2(self, scale: Literal["latent", "observation"] = "latent") -> pd.Series:
        r"""Shares of the variance of the response that the model accounts for.

        Parameters
        ----------
        scale : {"latent", "observation"}
            On the link, with a variance for the distribution of a response there; or of the
            responses themselves, of single trials if binomial.

        Returns
        -------
        Series
            ``marginal``, by the fixed effects, and ``conditional``, by fixed and random effects.
            How the variance of the distribution was taken is in ``attrs["distribution"]``.

        Raises
        ------
        ModelError
            The family has no variance on this scale, or the population no mean.

        Notes
        -----
        Latent variances of a distribution are π²/3, 1 and π²/6 for successes with the logit,
        probit and cloglog links; ψ₁(λ²/V(λ)), the trigamma function, for counts and gamma
        responses with the logarithmic link; ln(1 + V(λ)/λ²) for others with this link; and
        g'(λ)²V(λ), by the delta method, otherwise. λ is the mean of the population in the rows of
        the fit. R's ``performance`` agrees for successes; for counts it takes λ from a model
        without predictors, and the lognormal formula.

        On the scale of the observations the variance of the population's means, the mean variance
        of the conditional means and the mean conditional variance are the three parts, by
        integration over the random effects. A grouping factor of single rows counts as part of
        the distribution. An offset is held at its mean.

        References
        ----------
        Nakagawa, Johnson, Schielzeth (2017), *The coefficient of determination R² and intra-class
        correlation coefficient from generalized linear mixed-effects models revisited and
        expanded*, J. R. Soc. Interface 14(134); de Villemereuil et al. (2016), Genetics 204(3).

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.r2().round(3).tolist(), fit.r2("observation").round(3).tolist()
        ([0.085, 0.187], [0.037, 0.083])
        """
        from .variance_shares import generalized_r2

        return generalized_r2(self.state, one_of("scale", scale, SCALES))

    @named_arguments
    def icc(self, scale: Literal["latent", "observation"] = "latent") -> ResultTable:
        """Intraclass correlations: shares of the variance that random effects have.

        Parameters
        ----------
        scale : {"latent", "observation"}
            See :meth:`r2`.

        Returns
        -------
        ResultTable
            For each grouping factor, and for ``all``: the ``variance`` of its random effects, and
            its share of the variance that the fixed effects leave (``adjusted``) or of all
            (``unadjusted``).

        Raises
        ------
        ModelError
            No rows share random effects, or as for :meth:`r2`.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.icc()["adjusted"].round(3).tolist()
        [0.111, 0.111]
        """
        from .variance_shares import generalized_icc

        return generalized_icc(self.state, one_of("scale", scale, SCALES))

    @named_arguments
    def vif(self) -> ResultTable:
        """Variance inflation of the fixed effects, term by term.

        As for :meth:`lmforms.MixedModelResults.vif`, from the correlations of the estimates.

        Raises
        ------
        ModelError
            There are no fixed effects but the intercept.
        """
        return variance_tables.vif_table(self.state)

    @named_arguments
    def simulated_residuals(
        self,
        n: int = 250,
        *,
        seed: int | np.random.Generator | None = None,
        random: Literal["new", "fitted"] = "new",
    ) -> SimulatedResiduals:
        """Where each response lies among simulated ones: quantile residuals, as R's DHARMa.

        Parameters
        ----------
        n : int
            Responses to simulate.
        seed : int or numpy.random.Generator, optional
        random : {"new", "fitted"}
            Random effects of the simulated responses, see :meth:`simulate`.

        Returns
        -------
        SimulatedResiduals
            ``scaled`` residuals, uniform under the model: among equal simulated values the place
            is drawn. With ``tests`` of uniformity, dispersion and outliers, and ``level_tests``.

        References
        ----------
        Dunn, Smyth (1996), *Randomized quantile residuals*, J. Computational and Graphical
        Statistics 5(3); Hartig, *DHARMa: residual diagnostics for hierarchical regression models*.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> found = fit.simulated_residuals(seed=1)
        >>> bool(found.scaled.between(0, 1).all()), list(found.tests.index)
        (True, ['uniformity', 'dispersion', 'outliers'])
        """
        from .simulations import generalized_residuals

        return generalized_residuals(
            self.state,
            whole_number("n", n, least=1),
            generator("seed", seed),
            one_of("random", random, ("new", "fitted")),
        )

    @named_arguments
    def check(self, n: int = 250, *, seed: int | np.random.Generator | None = 0) -> FitReport:
        """What to know before the results are used: a report in words, with what to do.

        Convergence, singularity, separation, parameters at bounds, whether the Laplace
        approximation is good enough, dispersion, zeros, simulated residuals, collinearity, levels,
        and the distribution of the random effects; with R² and intraclass correlations.

        Parameters
        ----------
        n : int
            Responses to simulate.
        seed : int or numpy.random.Generator, optional
            Of the simulations; the same report each time by default.

        Returns
        -------
        FitReport

        Notes
        -----
        The dispersion is the sum of squared Pearson residuals given the random effects. In each
        simulated response fixed and random effects are fitted anew, the variances and parameters
        of the family held, so that sums compare; and so do the distributions of the modes of the
        random effects, which are not normal where levels have few responses. Of more than
        4,000,000 numbers in all fewer responses are simulated. With fewer than 199, p-values are
        by the t distribution.

        Whether the Laplace approximation is good enough is judged for one grouping factor, by the
        gradient of the criterion by quadrature at the same estimates: a step by the inverse of
        their information tells how far the estimates would move.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> report = fit.check(n=100)
        >>> report.ok, report.table.loc["Laplace approximation", "status"]
        (True, 'ok')
        """
        from .checks import checked_generalized

        found = checked_generalized(
            self.state, whole_number("n", n, least=1), generator("seed", seed)
        )
        return replace(found, fit=self)
