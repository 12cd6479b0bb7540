"""`PooledFits`: what the fits of multiply imputed data say together."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from ...data.design import Design
from ...support.arguments import named_arguments, one_of, proportion
from ...tables.result_table import ResultTable
from ..degrees_of_freedom.linear_functions import LinearFunctions, linear_functions_by
from ..method_tables import (
    table_of_hypotheses,
    table_of_limits,
    table_of_tests,
)
from ..terms.term_tests import term_table
from .pooled_method import PooledDf
from .rubin import fraction_missing

Part = Literal["total", "within", "between"]


class PooledFits:
    """Fits of multiply imputed data, pooled by Rubin's rules.

    Made by :func:`lmforms.pool`.

    Attributes
    ----------
    formula : str
    n_fits : int
    nobs : int
        Rows of each fit.
    level : float
        Of the limits in `table`.
    vcomp : DataFrame
        Means over the fits of the variances and covariances of the random effects and of the
        residuals: ``group, name1, name2, variance, sdcor``, where ``sdcor`` is computed from them.
    """

    def __init__(self, method: PooledDf, design: Design, level: float, vcomp: pd.DataFrame) -> None:
        self._method, self._design, self._names = method, design, design.x_names
        self._beta = method.estimates.mean(axis=0)
        self.formula = str(design.bound.formula)
        self.n_fits, self.nobs = method.m, design.n
        self.level = level
        self.vcomp = vcomp

    @property
    def params(self) -> pd.Series:
        """Pooled fixed effects: means over the fits."""
        return pd.Series(self._beta, index=self._names)

    @property
    def bse(self) -> pd.Series:
        """Their standard errors: roots of the total variance."""
        return pd.Series(self._tests().std_error, index=self._names)

    @property
    def table(self) -> ResultTable:
        """``estimate, std_error, df, statistic, p_value, lower, upper`` of each coefficient."""
        return table_of_tests(self._tests(), self._names, "Pooled coefficients", self.level)

    @property
    def missing_information(self) -> ResultTable:
        """What the missing data cost, for each coefficient.

        Columns: ``within``, ``between``, ``total`` (variances); ``relative_increase`` of the
        variance by the missing data; ``share``, the proportion of the total variance that is due to
        them; and ``fraction_missing``, the fraction of missing information.
        """
        eye = np.eye(len(self._beta))
        within, added = self._method.within_and_between(eye)
        increase = added / within
        return ResultTable(
            {
                "within": within,
                "between": np.diag(self._method.between),
                "total": within + added,
                "relative_increase": increase,
                "share": added / (within + added),
                "fraction_missing": fraction_missing(increase, self._method.df(eye)),
            },
            index=pd.Index(self._names),
            title="Missing information",
            notes=self._method.remarks,
        )

    @named_arguments
    def cov_params(self, part: Part = "total") -> pd.DataFrame:
        """Covariance of the pooled fixed effects.

        Parameters
        ----------
        part : {"total", "within", "between"}
            T = Ū + (1 + 1/m)B, the mean Ū of the fits' covariances, or the covariance B of the
            fits' estimates.
        """
        one_of("part", part, ("total", "within", "between"))
        found = {
            "total": self._method.covariance,
            "within": self._method.within,
            "between": self._method.between,
        }[part]
        return pd.DataFrame(found, index=self._names, columns=self._names)

    @named_arguments
    def conf_int(self, level: float | None = None) -> ResultTable:
        """Estimate ± t quantile × standard error.

        Parameters
        ----------
        level : float, optional
            Between 0 and 1; that of :func:`lmforms.pool` by default.

        Returns
        -------
        ResultTable
            Columns ``lower`` and ``upper``.
        """
        level = self.level if level is None else proportion("level", level)
        return table_of_limits(self._tests(), self._names, level)

    @named_arguments
    def contrast(self, L: Any, *, joint: bool = False, level: float | None = None) -> ResultTable:
        """Tests of linear functions of the pooled fixed effects, Lβ.

        Parameters
        ----------
        L : str, sequence of str, mapping, DataFrame or array (r, p)
            As for :meth:`lmforms.MixedModelResults.contrast`.
        joint : bool
            One F test of all rows together, D₁ of Li, Raghunathan and Rubin with Reiter's degrees
            of freedom, in the place of a t test for each.
        level : float, optional
            Of the limits; that of :func:`lmforms.pool` by default. A joint test has none.

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
            Too few degrees of freedom for so many hypotheses at once.
        """
        return table_of_hypotheses(
            self._method, self._beta, self._names, L, joint=joint, level=level, default=self.level
        )

    @named_arguments
    def anova(self) -> ResultTable:
        """The test D₁ of each term of the fixed part, of Type III hypotheses.

        Returns
        -------
        ResultTable
            One row a term: ``num_df, den_df, statistic, p_value``.

        Raises
        ------
        ModelError
            Too few degrees of freedom for the hypotheses of a term.

        Notes
        -----
        There are no tests of Types I and II: their hypotheses depend on the imputed values.
        """
        return term_table(self._design, self._method, self._beta, 3)

    def _tests(self) -> LinearFunctions:
        return linear_functions_by(self._method, self._beta, np.eye(len(self._beta)))

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()
