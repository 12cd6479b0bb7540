"""`BootstrapMethods`: what a fit has for replicates of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ..support.arguments import flag, named_arguments, whole_number
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..inference.bootstrap.replicate_table import Bootstrap


class BootstrapMethods(ModelEstimates):
    """Bootstraps; the numbers are in :mod:`lmforms.inference.bootstrap`."""

    @named_arguments
    def bootstrap(
        self,
        n: int = 1000,
        *,
        seed: Any = None,
        statistic: Callable[[Any], Any] | None = None,
        kind: Literal["parametric", "residual", "case"] = "parametric",
        by: str | None = None,
        progress: bool = False,
    ) -> Bootstrap:
        """Draw replicates of the data and refit the model to each.

        Parameters
        ----------
        n : int
            Number of replicates.
        seed : int or anything else :func:`numpy.random.default_rng` takes
            The same seed gives the same replicates, to rounding, and the first of any larger `n`.
        statistic : callable, optional
            A function of a fit that gives a number, an array, a Series or a mapping of numbers,
            always the same ones; it is tried on this fit first. Without it, replicates are those
            of all parameters: fixed effects, standard deviations and correlations of the random
            effects, parameters of the residuals, and ``sigma``.
        kind : {"parametric", "residual", "case"}
            ``"parametric"`` draws responses under the fitted model: new random effects and
            residuals. ``"residual"`` draws the predicted random effects of levels, and the
            residuals of rows, with replacement, after both were given their estimated covariance
            (Carpenter, Goldstein and Rasbash). ``"case"`` draws levels of a grouping factor with
            all their rows, each as a new level.
        by : str, optional
            The grouping factor of a case bootstrap: by default the one within whose levels those
            of all others lie. Factors that cross it keep their levels.
        progress : bool
            Whether tqdm shows a bar.

        Returns
        -------
        Bootstrap
            Replicates and their intervals. REML fits are refitted by REML, ML fits by ML.

        Raises
        ------
        ArgumentError
            The `statistic` fails or gives other numbers than for this fit; `by` is needed or no
            grouping factor.
        ModelError
            θ of the fit was given, it did not converge, or was made by conjugate gradients; the
            kind of bootstrap is not defined for the model; no replicate could be refitted.

        Warns
        -----
        InterruptedWarning
            Interrupted from the keyboard: the replicates made so far are returned.

        Notes
        -----
        Without a `statistic`, parametric replicates of models that are fitted through sums of
        products are drawn as these sums, not as rows, and refitted side by side: their cost does
        not depend on the number of rows. A `statistic` needs a fit with rows for each replicate, so
        that parametric replicates with one are others than those without, of one distribution;
        those of the other kinds are the same. Case bootstraps are refitted side by side if levels
        of a single factor differ in the response (and offset) alone, and one by one otherwise.
        Structures with parameters of their own (``ar1(…)``, residual structures) are searched from
        the estimates of this fit alone; other models are searched for other optima as any fit is.
        Refits that fail or do not converge are rows of NaN and are counted; singular ones are
        counted too.

        References
        ----------
        Davison, Hinkley (1997), *Bootstrap Methods and their Application*.

        Carpenter, Goldstein, Rasbash (2003), *A novel bootstrap procedure for assessing the
        relationship between class size and achievement*, Applied Statistics 52(4).

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> found = fit.bootstrap(500, seed=1)
        >>> found.table.shape
        (500, 6)
        >>> found.conf_int(0.9).loc["Days"].round(1).tolist()
        [8.0, 13.1]
        >>> by_subject = fit.bootstrap(20, seed=1, kind="case", statistic=lambda f: f.params)
        >>> list(by_subject.table.columns), by_subject.by
        (['Intercept', 'Days'], 'Subject')
        """
        from ..inference.bootstrap.run import bootstrap
        from ..inference.bootstrap.statistics import Statistic

        n, progress = whole_number("n", n, least=1), flag("progress", progress)
        return bootstrap(
            self.state,
            n,
            seed=seed,
            statistic=None if statistic is None else Statistic(statistic, self),
            kind=kind,
            by=by,
            progress=progress,
        )
