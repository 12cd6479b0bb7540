"""`GeneralizedPlots`: the figure that checks a generalised fit; see :mod:`lmforms.plot`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...support.arguments import named_arguments
from ..estimates import CommonEstimates


class GeneralizedPlots(CommonEstimates):
    """A figure of a fit at a call."""

    @named_arguments
    def plot(self, ax: Any = None, *, seed: int | np.random.Generator | None = 0) -> Any:
        """Four panels that check the fit.

        Quantile residuals by the fixed part of the linear predictor, and beside normal quantiles;
        for counts a rootogram, and otherwise mean residuals in bins of the fitted value; and random
        effects beside normal quantiles, each over the standard deviation of its levels. Without
        random effects the fourth has the size of quantile residuals. They are
        :func:`lmforms.plot.residuals_fitted`, :func:`lmforms.plot.residuals_qq`,
        :func:`lmforms.plot.rootogram`, :func:`lmforms.plot.binned_residuals`, and for each effect
        by itself :func:`lmforms.plot.random_effects_qq`.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            One for each panel. Default: of a new figure.
        seed : int or numpy.random.Generator, optional
            Of the random part of quantile residuals; the same figure each time by default.

        Returns
        -------
        ndarray of Axes

        Raises
        ------
        ArgumentError
            Another number of Axes.
        MissingPackageError
            matplotlib is not there.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> [ax.get_ylabel() for ax in fit.plot()]  # doctest: +NORMALIZE_WHITESPACE
        ['quantile residual', 'quantile residual', 'mean residual', 'random effect / its sd']
        """
        from ...plot.check_panels import generalized_panels

        return generalized_panels(self, ax, seed)
