"""`GeneralizedIntervals`: confidence intervals, profiles and bootstraps of a generalised fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ...support.arguments import flag, named_arguments, one_of, proportion, whole_number
from ..estimates import CommonEstimates

if TYPE_CHECKING:
    from ...inference.bootstrap.replicate_table import Bootstrap
    from ...inference.profile.profile import Profile
    from ...tables.result_table import ResultTable


class GeneralizedIntervals(CommonEstimates):
    """Intervals of all parameters; the numbers are in :mod:`lmforms.inference`."""

    @named_arguments
    def conf_int(
        self,
        level: float = 0.95,
        method: Literal["wald", "profile", "bootstrap"] = "wald",
        *,
        which: Literal["fixed", "all"] = "fixed",
        n: int | None = None,
        seed: Any = None,
    ) -> ResultTable:
        """Confidence intervals of the fixed effects, or of all parameters.

        Parameters
        ----------
        level : float
        method : {"wald", "profile", "bootstrap"}
            Estimate ± normal quantile × standard error; where twice the log-likelihood, maximised
            over all other parameters, has fallen by the quantile of χ²; or percentiles of
            parametric bootstrap replicates.
        which : {"fixed", "all"}
            ``"all"`` also has standard deviations and correlations of the random effects, and the
            parameters of the family.
        n, seed
            Of the bootstrap: number of replicates (1000 by default) and random numbers.

        Returns
        -------
        ResultTable
            Columns ``lower`` and ``upper``.

        Raises
        ------
        ArgumentError
            Options of another method, or too few replicates for the level.
        ModelError
            The fit has no such intervals, as profiles of one with ``nagq=0``.

        Notes
        -----
        Wald intervals of standard deviations are made on the scale of their logarithm, those of
        correlations on that of the inverse hyperbolic tangent, and those of parameters of the
        family on that of the logarithm or logit. What is at its bound has none, and the notes name
        it.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.conf_int(which="all").round(3)
                              lower  upper
        Intercept            -1.854 -0.943
        period[T.2]          -1.593 -0.391
        period[T.3]          -1.769 -0.488
        period[T.4]          -2.418 -0.743
        sd(Intercept | herd)  0.372  1.108
        """
        from ...inference.intervals import INTERVALS, IntervalOptions

        chosen = one_of("method", method, tuple(INTERVALS))
        options = IntervalOptions(
            level=proportion("level", level),
            which=one_of("which", which, ("fixed", "all")),
            n=n,
            seed=seed,
        )
        return INTERVALS[chosen](self.state, options)

    @named_arguments
    def profile(
        self,
        which: str | Sequence[str] = "all",
        *,
        limit: float | None = None,
        progress: bool = False,
    ) -> Profile:
        """Profile likelihood: the criterion minimised over all other parameters.

        Parameters
        ----------
        which : {"all", "fixed", "random"} or names
            ``"random"`` are all but the fixed effects: standard deviations and correlations of the
            random effects, parameters of their structures and of the family. Names are those of
            ``fit.profile().names``, such as ``"sd(Intercept | herd)"``.
        limit, progress
            As for :meth:`lmforms.MixedModelResults.profile`.

        Returns
        -------
        Profile
            With ``conf_int``, ``table``, ``variances``, ``zeta`` and ``density``. If interrupted
            from the keyboard, of the parameters that were done.

        Raises
        ------
        ArgumentError
            `which` names what is no parameter.
        ModelError
            There is no profile: a fit with ``nagq=0``, or a likelihood that cannot be evaluated as
            far out as `limit`.

        Warns
        -----
        ConvergenceWarning
            A profile found a lower criterion than the fit; the profiles are of the lower optimum.

        Notes
        -----
        The criterion is that of the fit: the Laplace approximation, or quadrature with its nodes.
        Each point is a search of its own by exact gradients, and limits of intervals are roots of
        ζ = ±z on the criterion. The profile of a standard deviation ends at zero.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> profile = fit.profile("sd(Intercept | herd)")
        >>> profile.conf_int().round(3)
                              lower  upper
        sd(Intercept | herd)  0.346    1.1
        """
        from ...inference.profile.profiles_of_fit import profile_of

        return profile_of(self.state, which, limit, progress=flag("progress", progress))

    @named_arguments
    def bootstrap(
        self,
        n: int = 1000,
        *,
        seed: Any = None,
        statistic: Callable[[Any], Any] | None = None,
        kind: Literal["parametric"] = "parametric",
        progress: bool = False,
    ) -> Bootstrap:
        """Draw responses under the fitted model and refit the model to each.

        Parameters
        ----------
        n : int
            Number of replicates.
        seed : int or anything else :func:`numpy.random.default_rng` takes
            The same seed gives the same replicates, which are fits to the responses of
            :meth:`simulate` with this seed, and the first of any larger `n`.
        statistic : callable, optional
            A function of a fit that gives a number, an array, a Series or a mapping of numbers,
            always the same ones. Without it, replicates are those of all parameters.
        kind : {"parametric"}
            Random effects and responses are drawn anew. There are no other kinds for families.
        progress : bool
            Whether tqdm shows a bar.

        Returns
        -------
        Bootstrap

        Raises
        ------
        ArgumentError
            The `statistic` fails or gives other numbers than for this fit.
        ModelError
            The fit did not converge, or no replicate could be refitted.

        Warns
        -----
        InterruptedWarning
            Interrupted from the keyboard: the replicates made so far are returned.

        Notes
        -----
        Refits begin from the estimates of this fit and the curvature there, by the criterion of the
        fit (``nagq``). Refits that fail or do not converge are rows of NaN and are counted;
        singular ones are counted too.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> found = fit.bootstrap(50, seed=1)
        >>> found.table.shape, found.n_failed
        ((50, 5), 0)
        """
        from ...inference.bootstrap.run import bootstrap
        from ...inference.bootstrap.statistics import Statistic

        return bootstrap(
            self.state,
            whole_number("n", n, least=1),
            seed=seed,
            statistic=None if statistic is None else Statistic(statistic, self),
            kind=one_of("kind", kind, ("parametric",)),
            progress=flag("progress", progress),
        )
