"""`DiagnosticMethods`: simulated residuals, a report of what to check, fits in other ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..support.arguments import (
    flag,
    generator,
    named_arguments,
    one_of,
    sequence,
    whole_number,
)
from ..tables.result_table import ResultTable
from .variance_methods import VarianceMethods

if TYPE_CHECKING:
    from .fit_report import FitReport
    from .simulated_residuals import SimulatedResiduals


class DiagnosticMethods(VarianceMethods):
    """Diagnostics; the numbers are in :mod:`lmforms.inference.diagnostics`."""

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
            Multiply y less its mean by the inverse Cholesky factor of its covariance: residuals
            are then independent, and each is of a row given the earlier ones that it depends on.

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
            A row for each way: ``loglik``, the ``difference`` of −2 log-likelihood from the lowest
            (to 8 decimals), whether its own test of convergence was met, ``evaluations``
            (iterations of estimators), ``seconds``, and the parameters of random effects and
            residuals by their names. Notes say whether all agree. Ways that do not suit the model
            are named there.

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
        collinear columns, few levels, outliers, the distribution of simulated residuals, means by
        predictor, variances by factor and by prediction, the distribution of random effects,
        influence on the fixed effects, and as facts R² and intraclass correlations.

        Parameters
        ----------
        n, seed
            Of the simulated residuals, see :meth:`simulated_residuals`.

        Returns
        -------
        FitReport
            Its text names each check, what was found, and a way out that can be followed;
            ``table`` is a DataFrame, ``problems`` and ``notes`` are lists, ``ok`` says whether
            there are no problems, and ``plot()`` draws a panel for each assumption.

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

        n = whole_number("n", n, least=1)
        return replace(checked_fit(self.state, n, generator("seed", seed)), fit=self)
