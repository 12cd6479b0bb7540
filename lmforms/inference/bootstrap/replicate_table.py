"""`Bootstrap`: the replicates of a fit, their spread and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from ...errors import ArgumentError
from ...support.arguments import named_arguments, one_of, proportion
from ...support.arrays import BoolArray, FloatArray
from ...tables.result_table import ResultTable
from .deletions import Deletions
from .intervals import (
    acceleration,
    basic_limits,
    bca_limits,
    fewest_replicates,
    percentile_limits,
)

IntervalKind = Literal["percentile", "basic", "bca"]
INTERVAL_KINDS = ("percentile", "basic", "bca")


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap:
    """Replicates of a fit, made by :meth:`MixedModelResults.bootstrap`.

    Attributes
    ----------
    kind : {"parametric", "residual", "case"}
    estimate : Series
        Of the fit itself.
    table : DataFrame
        A row for each replicate, a column for each parameter (or number of the `statistic`); NaN
        where the refit failed, and for a correlation beside a variance of zero.
    failed : ndarray of bool (n,)
        Whether the refit could not be made or did not converge.
    singular : ndarray of bool (n,)
        Whether it is singular: a variance of zero or a correlation of ±1.
    by : str or None
        The grouping factor whose levels a case bootstrap draws.
    """

    kind: str
    estimate: pd.Series
    table: pd.DataFrame
    failed: BoolArray
    singular: BoolArray
    by: str | None = None
    _deletions: Deletions | None = None

    @property
    def n_replicates(self) -> int:
        """Number of replicates, failed ones included."""
        return len(self.table)

    @property
    def n_failed(self) -> int:
        """Number of failed refits."""
        return int(self.failed.sum())

    @property
    def singular_share(self) -> float:
        """Share of singular fits among those that did not fail."""
        there = self.n_replicates - self.n_failed
        return float(self.singular.sum() / there) if there else float("nan")

    @property
    def bias(self) -> pd.Series:
        """Mean of the replicates less the estimate."""
        return (self._finite.mean() - self.estimate).rename("bias")

    @property
    def std_error(self) -> pd.Series:
        """Standard deviation of the replicates."""
        return self._finite.std().rename("std_error")

    @property
    def _finite(self) -> pd.DataFrame:
        return self.table.where(np.isfinite(self.table))

    def summary(self) -> ResultTable:
        """Estimate, bias and standard error of each parameter.

        Returns
        -------
        ResultTable
            Columns ``estimate, bias, std_error``.
        """
        return ResultTable(
            {"estimate": self.estimate, "bias": self.bias, "std_error": self.std_error},
            title=self._title("bootstrap"),
            notes=self._notes(),
        )

    @named_arguments
    def conf_int(self, level: float = 0.95, kind: IntervalKind = "percentile") -> ResultTable:
        """Confidence intervals.

        Parameters
        ----------
        level : float
            Between 0 and 1.
        kind : {"percentile", "basic", "bca"}
            Quantiles of the replicates; twice the estimate less these; or quantiles corrected for
            bias and acceleration, for case bootstraps, which refits the model once without each
            level drawn.

        Returns
        -------
        ResultTable
            Columns ``lower, upper``; NaN where fewer replicates are defined than the level needs,
            or a BCa limit lies beyond all of them.

        Raises
        ------
        ArgumentError
            Too few replicates for the level, or BCa of another bootstrap.
        ModelError
            The model cannot be fitted without one of the levels.

        Notes
        -----
        Quantiles as those of R's ``boot.ci``: see
        :mod:`lmforms.inference.bootstrap.intervals`.
        """
        level, chosen = proportion("level", level), one_of("kind", kind, INTERVAL_KINDS)
        fewest = fewest_replicates(level)
        usable = self.n_replicates - self.n_failed
        if usable < fewest:
            raise ArgumentError(
                f"level={level:g}: its limits lie beyond {usable} replicates. "
                f"Use n={fewest} or more."
            )
        if chosen == "bca" and self._deletions is None:
            raise ArgumentError(
                f"kind='bca' is for case bootstraps: without a group the {self.kind} bootstrap has "
                "no acceleration. Use kind='percentile' or 'basic', or bootstrap(kind='case')."
            )
        limits = np.array([self._limits(j, level, chosen) for j in range(self.table.shape[1])])
        return ResultTable(
            {"lower": limits[:, 0], "upper": limits[:, 1]},
            index=self.table.columns,
            title=self._title(f"bootstrap, {'BCa' if chosen == 'bca' else chosen} intervals"),
            notes=[f"Limits: {100 * level:g} %.", *self._notes(), *_absent(limits)],
        )

    def _limits(self, j: int, level: float, kind: str) -> FloatArray:
        values = self.table.iloc[:, j].to_numpy()
        values, estimate = values[np.isfinite(values)], float(self.estimate.iloc[j])
        if len(values) < fewest_replicates(level):
            return np.full(2, np.nan)
        if kind == "percentile":
            return percentile_limits(values, level)
        if kind == "basic":
            return basic_limits(values, level, estimate)
        return bca_limits(values, level, estimate, float(self.acceleration.iloc[j]))

    @cached_property
    def acceleration(self) -> pd.Series:
        """Acceleration of each parameter, from refits without one level each (case bootstraps)."""
        if self._deletions is None:
            raise ArgumentError("acceleration: only case bootstraps have one.")
        values = acceleration(self._deletions.values())
        return pd.Series(values, index=self.table.columns, name="acceleration")

    def _title(self, what: str) -> str:
        by = "" if self.by is None else f" by {self.by}"
        return f"{self.kind.capitalize()} {what}{by}"

    def _notes(self) -> list[str]:
        notes = [f"Replicates: {self.n_replicates}."]
        if self.n_failed:
            notes.append(f"Refits that failed: {self.n_failed}.")
        if self.singular.any():
            notes.append(f"Singular refits: {100 * self.singular_share:.3g} %.")
        undefined = self._finite[~self.failed].isna().sum()
        notes += [
            f"{name} is undefined in {count} replicates, which are left out."
            for name, count in undefined[undefined > 0].items()
        ]
        return notes

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _absent(limits: FloatArray) -> list[str]:
    """What a missing limit means."""
    if not np.isnan(limits).any():
        return []
    return ["A limit that is missing lies beyond all defined replicates: it needs more of them."]
