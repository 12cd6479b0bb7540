"""Estimates without each level of a grouping factor in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import ModelError
from ...support.arrays import BoolArray, FloatArray
from .case_resampling import CasePlan
from .parameter_columns import parameter_columns
from .refitters import RowRefitter
from .replicate_sources import Case, FitSource, RowsSource, case_of
from .statistics import Statistic


@dataclass(frozen=True, eq=False)
class Deletions:
    """What is refitted without each level, for the acceleration of a case bootstrap.

    Attributes
    ----------
    plan : CasePlan
    statistic : Statistic or None
        None for all parameters.
    """

    plan: CasePlan
    statistic: Statistic | None = None

    def values(self) -> FloatArray:
        """Estimates without each level, (levels, parameters).

        Raises
        ------
        ModelError
            The model cannot be fitted without one of the levels.
        """
        plan, state, q = self.plan, self.plan.state, self.plan.n_levels
        refitter = RowRefitter(state)
        if self.statistic is None:
            found = RowsSource(self._cases(), refitter).next(q)
            self._refuse_failed(found.failed)
            return parameter_columns(state, found)
        fits = FitSource(self._cases(), refitter).next(q)
        self._refuse_failed(np.array([fit is None for fit in fits]))
        return np.stack(
            [
                self.statistic(fit, f"the fit without level {plan.label(j)} of `{plan.by}`")
                for j, fit in enumerate(fits)
            ]
        )

    def _cases(self) -> Iterator[Case | None]:
        levels = np.arange(self.plan.n_levels)
        return (case_of(self.plan, np.delete(levels, j)) for j in levels)

    def _refuse_failed(self, failed: BoolArray) -> None:
        if failed.any():
            level = self.plan.label(int(np.flatnonzero(failed)[0]))
            raise ModelError(
                f"BCa: the model cannot be fitted without level {level} of `{self.plan.by}` (a "
                "factor is left with one level, columns of X depend on each other, or the fit does "
                "not converge). Use kind='percentile' or 'basic'."
            )
