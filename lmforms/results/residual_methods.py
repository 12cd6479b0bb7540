"""`ResidualMethods`: what a fit says of the structure of its residuals."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pandas as pd

from ..inference.residual_estimates import names_at_bound
from ..support.arguments import flag, named_arguments, proportion
from ..tables.result_table import ResultTable
from . import residual_tables
from .estimates import ModelEstimates


class ResidualMethods(ModelEstimates):
    """Parameters and covariance of the residuals; the numbers are in :mod:`.residual_tables`."""

    @property
    def residual(self) -> str:
        """The structure of the residuals as text, ``"iid"`` for independent ones."""
        return residual_tables.residual_text(self.state)

    @cached_property
    def residual_params(self) -> pd.Series:
        """Natural parameters of the residuals' structure by name; empty for independent ones.

        Correlations, ranges, powers; standard deviations of visits or strata, all of them. See
        :meth:`residual_table` for standard errors and limits.

        Examples
        --------
        >>> import lmforms as lf
        >>> data = lf.datasets.load("Orthodont")
        >>> fit = lf.lmer("distance ~ age * Sex", data, residual="ar1(age | Subject)")
        >>> fit.residual_params.round(5)
        rho    0.62449
        Name: residual_params, dtype: float64
        """
        return residual_tables.residual_params(self.state)

    @property
    def parameters_at_bound(self) -> list[str]:
        """Names of the parameters of the residuals that are at one of their bounds."""
        return list(names_at_bound(self.state))

    @property
    def bound_message(self) -> str:
        """Which parameters of the residuals are at a bound, and what it means; else empty."""
        return residual_tables.bound_message(self.state)

    @named_arguments
    def residual_table(self, level: float = 0.95) -> ResultTable:
        """Parameters of the residuals' structure with standard errors and limits.

        Parameters
        ----------
        level : float
            Of the limits.

        Returns
        -------
        ResultTable
            ``name, estimate, std_error, lower, upper``: correlations, ranges or powers; then the
            standard deviation of every visit or stratum, ``sd[…]``, or ``sigma`` where there is
            one. Standard errors come by the delta method from the observed information; a
            parameter at its bound has none. No rows for independent residuals of one variance.

        Examples
        --------
        >>> import lmforms as lf
        >>> data = lf.datasets.load("Orthodont")
        >>> fit = lf.lmer("distance ~ age * Sex", data, residual="ar1(age | Subject)")
        >>> fit.residual_table()[["name", "estimate"]].round(4)
            name  estimate
        0    rho    0.6245
        1  sigma    2.2835
        """
        return residual_tables.residual_table(self.state, proportion("level", level))

    @named_arguments
    def residual_covariance(self, series: Any = None, *, correlation: bool = False) -> ResultTable:
        """Covariance matrix of the residuals of one series, in the units of the response.

        Parameters
        ----------
        series : label or tuple of labels, optional
            Which series, by its label, or labels if several columns name it. By default all
            visits, where variances depend on the visit alone; otherwise the series with most rows.
        correlation : bool
            Correlations instead.

        Returns
        -------
        ResultTable
            A square table, rows and columns called by visits, times or places in their order.

        Raises
        ------
        ModelError
            Residuals are independent, or the series has more than 5000 rows.
        ArgumentError
            There is no such series.

        Examples
        --------
        >>> import lmforms as lf
        >>> data = lf.datasets.load("Orthodont")
        >>> fit = lf.lmer("distance ~ age * Sex", data, residual="us(age | Subject)")
        >>> fit.residual_covariance()
        Covariances of the residuals, all visits
                8     10     12     14
        ------------------------------
        8   5.425  2.709  3.841  2.715
        10  2.709  4.191  2.975  3.314
        12  3.841  2.975  6.263  4.133
        14  2.715  3.314  4.133  4.986
        """
        return residual_tables.residual_covariance(
            self.state, series, flag("correlation", correlation)
        )
