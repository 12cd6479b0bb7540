"""`RobustTests`: what a fit has for tests with a cluster-robust covariance."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from ...results.state import FitState
from ...support.arguments import named_arguments, proportion
from ...tables.result_table import ResultTable
from ..degrees_of_freedom.linear_functions import LinearFunctions, linear_functions_by
from ..method_tables import (
    table_of_hypotheses,
    table_of_limits,
    table_of_tests,
)
from ..terms.term_tests import term_table
from .cluster_robust import cluster_robust


class RobustTests:
    """Tests of the fixed effects with a cluster-robust covariance.

    Made by :meth:`lmforms.MixedModelResults.robust`.

    Attributes
    ----------
    type : str
        ``"CR2"``, for example.
    cluster : str
        Name of the clusters.
    n_clusters : int
    """

    def __init__(self, state: FitState, type: str, cluster: Any) -> None:
        self._method = cluster_robust(state, type, cluster)
        self._design, self._names = state.design, state.design.x_names
        self._beta = state.estimate.beta
        self.type = self._method.kind
        self.cluster = self._method.clusters.name
        self.n_clusters = self._method.clusters.count

    @named_arguments
    def cov_params(self) -> pd.DataFrame:
        """The cluster-robust covariance of the fixed effects.

        NaN for coefficients that one cluster alone determines.
        """
        found = pd.DataFrame(self._method.covariance, index=self._names, columns=self._names)
        defined = self._method.sandwich.is_defined(np.eye(len(found)))
        return found.where(np.outer(defined, defined))

    @property
    def table(self) -> ResultTable:
        """``estimate, std_error, df, statistic, p_value`` and 95 % limits of each coefficient."""
        return table_of_tests(self._tests(), self._names, "Coefficients", 0.95)

    @named_arguments
    def conf_int(self, level: float = 0.95) -> ResultTable:
        """Estimate ± t quantile × robust standard error.

        Parameters
        ----------
        level : float
            Between 0 and 1.

        Returns
        -------
        ResultTable
            Columns ``lower`` and ``upper``.
        """
        return table_of_limits(self._tests(), self._names, proportion("level", level))

    def _tests(self) -> LinearFunctions:
        return linear_functions_by(self._method, self._beta, np.eye(len(self._beta)))

    @named_arguments
    def contrast(self, L: Any, *, joint: bool = False, level: float | None = None) -> ResultTable:
        """Tests of linear functions of the fixed effects, Lβ.

        Parameters
        ----------
        L : str, sequence of str, mapping, DataFrame or array (r, p)
            As for :meth:`lmforms.MixedModelResults.contrast`.
        joint : bool
            One test of all rows together, in the place of a t test for each: the approximate
            Hotelling test (AHT) of Pustejovsky and Tipton.
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
            Too few clusters for so many hypotheses at once.

        Examples
        --------
        >>> import lmforms as lf
        >>> machines = lf.lmer("score ~ Machine + (1 | Worker)", lf.datasets.load("Machines"))
        >>> machines.robust("CR2").contrast("Machine[T.B], Machine[T.C]", joint=True)
        F test of Machine[T.B], Machine[T.C]
               statistic  num_df  den_df  p_value
        -----------------------------------------
        joint     32.803       2       4   0.0033
        Approximate Hotelling test, under the working model.
        Covariance: CR2, 6 clusters of Worker.
        """
        return table_of_hypotheses(
            self._method, self._beta, self._names, L, joint=joint, level=level
        )

    @named_arguments
    def anova(self, type: Literal[3, 2, 1] = 3) -> ResultTable:
        """The approximate Hotelling test of each term of the fixed part.

        Parameters
        ----------
        type : {3, 2, 1}
            Hypotheses as for :meth:`lmforms.MixedModelResults.anova`.

        Returns
        -------
        ResultTable
            One row a term: ``num_df, den_df, statistic, p_value``.

        Raises
        ------
        ArgumentError
        ModelError
            Too few clusters for the hypotheses of a term.

        Examples
        --------
        >>> import lmforms as lf
        >>> machines = lf.lmer("score ~ Machine + (1 | Worker)", lf.datasets.load("Machines"))
        >>> machines.robust("CR2").anova()
        Type III tests of terms
                 num_df  den_df  statistic  p_value
        -------------------------------------------
        Machine       2       4     32.803   0.0033
        Type III: each term averaged over the levels of the terms that contain it.
        Approximate Hotelling test, under the working model.
        Covariance: CR2, 6 clusters of Worker.
        """
        return term_table(self._design, self._method, self._beta, type)

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()
