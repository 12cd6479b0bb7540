"""`Influence`: estimates without parts of the data, and how far they differ from those of all."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ...engine.linalg.threads import limited_blas_threads
from ...results.state import FitState
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from ..model_parameters import parameter_values
from .cases import Cases, cases_of, check_cases
from .deletions import Deletions
from .held_theta import held_deletions
from .information_left import keeps_rank, warn_of_lost
from .orthonormal_coefficients import coefficients_from_coordinates
from .refits import Refits, refits


class Influence:
    """What deletions do to a fit: made by :meth:`lmforms.MixedModelResults.influence`.

    Attributes
    ----------
    by : str
        What was deleted together.
    refit : bool
        Whether all parameters were estimated again; else the variances relative to σ² (θ, and φ of
        the residuals) are those of the fit, and β and σ are exact for them.
    rows : Series of int (m,)
        Rows of each case.
    params : DataFrame (m, p)
        Fixed effects without each case.
    sigma : Series (m,)
        Residual standard deviation without each case.
    vcomp : DataFrame (m, parameters) or None
        Parameters of the random effects and the residuals without each case, under the names of
        profiles and bootstraps; None without refits.
    converged : Series of bool (m,)
        Whether each search ended at an optimum; True at held θ.
    """

    def __init__(
        self, state: FitState, cases: Cases, deletions: Deletions, fitted: Refits | None
    ) -> None:
        self._state = state
        self._deletions = deletions
        self.by = cases.by
        self.refit = fitted is not None
        self._labels = cases.labels
        self.rows = self._series(cases.counts, "rows")
        self.sigma = self._series(deletions.sigma, "sigma")
        done = np.ones(len(cases), dtype=bool) if fitted is None else fitted.converged
        self.converged = self._series(done, "converged")
        self.vcomp = None if fitted is None else fitted.vcomp

    def _series(self, values: Any, name: str) -> pd.Series:
        return pd.Series(values, index=self._labels, name=name)

    def _frame(self, values: FloatArray) -> pd.DataFrame:
        return pd.DataFrame(values, index=self._labels, columns=self._names)

    @property
    def _names(self) -> list[str]:
        return self._state.design.x_names

    @property
    def _sigma_of_fit(self) -> float:
        return self._state.estimate.sigma

    @cached_property
    def _root(self) -> FloatArray:
        """Coefficients of the user's columns are this times those of the deletions."""
        return coefficients_from_coordinates(self._state.estimate)

    @cached_property
    def params(self) -> pd.DataFrame:
        """β₍S₎: the fixed effects without each case."""
        return self._frame(self._state.estimate.beta - self.dfbeta.to_numpy())

    @cached_property
    def bse(self) -> pd.DataFrame:
        """Standard errors of the fixed effects without each case."""
        half = np.einsum("ij,mjk->mik", self._root, self._deletions.covariances)
        variances = np.einsum("mik,ik->mi", half, self._root)
        return self._frame(self._sigma_of_fit * np.sqrt(variances))

    @cached_property
    def dfbeta(self) -> pd.DataFrame:
        """β̂ − β₍S₎."""
        return self._frame(-self._deletions.shifts @ self._root.T)

    @cached_property
    def dfbetas(self) -> pd.DataFrame:
        """β̂ − β₍S₎ over the standard errors of β₍S₎.

        The sign is that of Belsley, Kuh and Welsch, R's ``dfbetas`` of linear models, influence.ME
        and statsmodels. lme4's, of its own ``influence()``, is the opposite.
        """
        return self.dfbeta / self.bse

    @cached_property
    def cooks_distance(self) -> pd.Series:
        """(β̂ − β₍S₎)' Var(β̂)⁻¹ (β̂ − β₍S₎) / p, p the number of fixed effects.

        Var(β̂) is that of the fit to all rows.
        """
        values = self._deletions.cooks_distance(self._sigma_of_fit)
        return self._series(values, "cooks_distance")

    @cached_property
    def mdffits(self) -> pd.Series:
        """(β̂ − β₍S₎)' Var(β₍S₎)⁻¹ (β̂ − β₍S₎) / p."""
        return self._series(self._deletions.mdffits(self._sigma_of_fit), "mdffits")

    @cached_property
    def covratio(self) -> pd.Series:
        """det Var(β₍S₎) / det Var(β̂): below 1 where the estimates are more precise without."""
        return self._series(self._deletions.covratio, "covratio")

    @cached_property
    def covtrace(self) -> pd.Series:
        """Absolute value of tr(Var(β̂)⁻¹ Var(β₍S₎)) − p: 0 where the precision does not change."""
        return self._series(self._deletions.covtrace, "covtrace")

    @property
    def vcomp_change(self) -> pd.DataFrame | None:
        """`vcomp` less the estimates of the fit; None without refits."""
        if self.vcomp is None:
            return None
        return self.vcomp - parameter_values(self._state)[len(self._names) :]

    @cached_property
    def table(self) -> ResultTable:
        """Measures of each case.

        Columns ``rows, cooks_distance, mdffits, covratio, covtrace, sigma``.
        """
        columns = [
            *(self.rows, self.cooks_distance, self.mdffits),
            *(self.covratio, self.covtrace, self.sigma),
        ]
        how = "all parameters refitted" if self.refit else "θ held, β and σ estimated again"
        return ResultTable(
            {column.name: column.to_numpy() for column in columns},
            index=self._labels,
            title=f"Influence by {self.by}",
            notes=[f"without each case: {how}"],
        )

    def __repr__(self) -> str:
        how = "refitted" if self.refit else "θ held"
        largest = self.cooks_distance.max()
        return (
            f"<Influence by {self.by}: {len(self._labels)} cases, {how}, "
            f"largest Cook's distance {largest:.4g}>"
        )

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def influence(state: FitState, by: Any, *, refit: bool, progress: bool) -> Influence:
    """See :meth:`lmforms.MixedModelResults.influence`."""
    cases = cases_of(state, by)
    check_cases(state, cases)
    with limited_blas_threads(1):  # many small matrices
        estimable = keeps_rank(state.estimate.scaling.units.x(state.design.X), cases)
        way = "Delete smaller parts, or leave these effects out of the model."
        warn_of_lost(cases, estimable, "fixed effects", way)
        if refit:
            fitted = refits(state, cases, estimable, progress)
            return Influence(state, cases, fitted.deletions, fitted)
        return Influence(state, cases, held_deletions(state, cases, estimable), None)
