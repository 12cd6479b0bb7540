"""`Coefficients`: the fixed effects of many fits, with tests that are computed when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..inference.degrees_of_freedom.f_statistic import t_p_values
from ..inference.multiple_tests import NAMES, adjusted_p_values
from ..support.arrays import BoolArray, FloatArray
from ..tables.result_table import ResultTable
from .degrees_of_freedom import DfPart, ResponseDf, all_degrees_of_freedom


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Fixed effects of c responses; NaN where there are none.

    Attributes
    ----------
    responses : Index (c,)
    terms : sequence of str (p,)
    estimate, std_error : ndarray (c, p)
    singular : ndarray of bool (c,)
    df_parts : tuple of DfPart
        What degrees of freedom are computed from.
    """

    responses: pd.Index
    terms: Sequence[str]
    estimate: FloatArray
    std_error: FloatArray
    singular: BoolArray
    df_parts: tuple[DfPart, ...]

    @classmethod
    def joined(cls, parts: Sequence[Coefficients]) -> Coefficients:
        """Those of one model and several chunks of responses."""
        names = [name for part in parts for name in part.responses]
        starts = np.cumsum([0, *(len(part.responses) for part in parts)])
        return cls(
            pd.Index(names, tupleize_cols=False),
            parts[0].terms,
            np.concatenate([part.estimate for part in parts]),
            np.concatenate([part.std_error for part in parts]),
            np.concatenate([part.singular for part in parts]),
            tuple(
                df.moved(int(start))
                for part, start in zip(parts, starts, strict=False)
                for df in part.df_parts
            ),
        )

    @cached_property
    def found(self) -> ResponseDf:
        """Degrees of freedom, computed once."""
        return all_degrees_of_freedom(self.df_parts, *self.estimate.shape)

    @cached_property
    def statistic(self) -> FloatArray:
        """Estimate over standard error, (c, p)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.estimate / self.std_error)

    @cached_property
    def p_value(self) -> FloatArray:
        """Two-sided, (c, p)."""
        return t_p_values(self.statistic, self.found.df)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """How the degrees of freedom were computed."""
        count, found = len(self.responses), self.found
        average = int(found.average.sum())
        kind = "average" if average and average == count else "observed"
        notes = [f"Degrees of freedom: Satterthwaite, {kind} information."]
        if 0 < average < count:
            notes.append(f"{_responses(average)}: average information.")
        if self.singular.any():
            singular = _responses(int(self.singular.sum()))
            notes.append(f"Singular fits of {singular}: variances of zero count as known.")
        if found.incomplete.any():
            notes.append(
                f"{_responses(int(found.incomplete.sum()))}: directions of the variance "
                "parameters without information left out."
            )
        return tuple(notes)

    def table(self) -> ResultTable:
        """One row for each response and coefficient."""
        count, p = self.estimate.shape
        columns = {
            "response": self.responses.repeat(p),
            "term": np.tile(np.array(self.terms, dtype=object), count),
            "estimate": self.estimate.ravel(),
            "std_error": self.std_error.ravel(),
            "df": self.found.df.ravel(),
            "statistic": self.statistic.ravel(),
            "p_value": self.p_value.ravel(),
        }
        return ResultTable(columns, title="Coefficients", notes=self.notes)

    def frame(self, values: FloatArray, title: str, notes: Sequence[str] = ()) -> ResultTable:
        """Numbers (c, p) with a row for each response and a column for each coefficient."""
        return ResultTable(
            values,
            index=self.responses.rename("response"),
            columns=pd.Index(self.terms, dtype=object, name="term"),
            title=title,
            notes=[*self.notes, *notes],
        )

    def adjusted(self, adjust: str) -> ResultTable:
        """p-values adjusted for the number of responses, each coefficient by itself."""
        tests = int(np.isfinite(self.p_value).all(axis=1).sum())
        values = np.empty_like(self.p_value)
        for j, p_values in enumerate(self.p_value.T):
            values[:, j] = adjusted_p_values(p_values, adjust)
        note = f"p-values: adjusted for {_responses(tests)} by {NAMES[adjust]}"
        return self.frame(values, "Adjusted p-values", [f"{note}, each coefficient by itself."])


def _responses(count: int) -> str:
    return f"{count:,} response" + "s" * (count != 1)
