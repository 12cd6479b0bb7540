"""`PlotMethods`: the figure that checks a fit; the pictures are in :mod:`lmforms.plot`."""

from __future__ import annotations

from typing import Any

from ..support.arguments import named_arguments
from .estimates import ModelEstimates


class PlotMethods(ModelEstimates):
    """A figure of a fit at a call."""

    @named_arguments
    def plot(self, ax: Any = None) -> Any:
        """Four panels that check the fit.

        Residuals by fitted value, the size of residuals by fitted value, residuals beside normal
        quantiles, and random effects beside normal quantiles, each over the standard deviation of
        its levels. Without random effects the fourth has Cook's distances. They are
        :func:`lmforms.plot.residuals_fitted`, :func:`lmforms.plot.scale_location`,
        :func:`lmforms.plot.residuals_qq`, and for each effect by itself
        :func:`lmforms.plot.random_effects_qq`.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            One for each panel. Default: of a new figure.

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
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> [ax.get_ylabel() for ax in fit.plot()]  # doctest: +NORMALIZE_WHITESPACE
        ['scaled residual', '√|scaled residual|', 'scaled residual', 'random effect / its sd']
        """
        from ..plot.check_panels import four_panels

        return four_panels(self, ax)
