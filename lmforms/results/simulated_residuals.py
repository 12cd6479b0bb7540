"""`SimulatedResiduals`: quantile residuals of a fit by simulation, and tests of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..data.align import in_row_order
from ..data.group_codes import group_codes
from ..errors import ArgumentError, DataError, near_matches
from ..inference.diagnostics.quantile_residuals import (
    QuantileResiduals,
    quantile_residuals,
    rotated,
)
from ..inference.diagnostics.residual_tests import residual_tests, uniformity_by_level
from ..inference.diagnostics.variance_parts import random_variances, residual_variances
from ..support.arguments import named_arguments
from ..support.arrays import FloatArray, IndexArray
from ..support.label_texts import joined_label
from ..tables.number_format import p_phrase
from ..tables.result_table import ResultTable
from .quantities import fitted_values
from .simulate import simulated
from .state import FitState

APPROXIMATE = (
    "Residuals of rows that share random effects or a series are correlated, so that p-values are "
    "approximate"
)
ROTATE = "; rotate=True makes them independent"
SHRUNK = (
    "The random effects were fitted to the same data, so that residuals lie closer to the middle "
    "than uniform ones, the more so the fewer rows a level has."
)

GROUPING = (
    "Rows of a level share its random effects, so that the levels differ under the model too: use "
    "random='fitted'"
)


@dataclass(frozen=True, eq=False)
class SimulatedResiduals:
    """What :meth:`lmforms.MixedModelResults.simulated_residuals` returns.

    Attributes
    ----------
    scaled : Series
        Quantile residuals, in (0, 1) and uniform under the model, on the index of the data.
    outside : Series of bool
        Rows whose response is below or above all simulated ones.
    predicted : Series
        The mean that responses were simulated about.
    n : int
        Number of simulated responses.
    random : {"new", "fitted"}
    rotated : bool
    """

    scaled: pd.Series
    outside: pd.Series
    predicted: pd.Series
    n: int
    random: str
    rotated: bool
    _state: FitState
    _residuals: QuantileResiduals

    @cached_property
    def tests(self) -> ResultTable:
        """Uniformity (Kolmogorov–Smirnov), dispersion (Monte Carlo) and outliers (binomial)."""
        found = residual_tests(self._residuals)
        columns = {
            "statistic": [test.statistic for test in found],
            "p_value": [test.p_value for test in found],
        }
        return ResultTable(
            columns,
            index=[test.name for test in found],
            title=f"Tests of residuals from {self.n} simulated responses",
            notes=[
                "Statistics: largest distance of the distributions; ratio of the observed sum of "
                "squares to the mean of the simulated; rows outside all simulated.",
                *self._notes,
            ],
        )

    @property
    def test_texts(self) -> list[str]:
        """Each test and its p-value, in words."""
        p_values = self.tests["p_value"]
        return [f"{name}: {p_phrase(p)}" for name, p in p_values.items()]

    @named_arguments
    def level_tests(self, by: Any) -> ResultTable:
        """Uniformity within each level of a factor, and equality of their variances.

        Parameters
        ----------
        by : str, array or Series
            A column that the model uses, a grouping factor of it, or one label for each row.

        Returns
        -------
        ResultTable
            A row for each level: its rows ``n``, Kolmogorov and Smirnov's ``statistic`` and
            ``p_value``, adjusted by Holm's method. The last row is Levene's test with medians.

        Raises
        ------
        ArgumentError, DataError
            There is no such column, or labels are missing or of another number.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("score ~ Machine + (1 | Worker)", lf.datasets.load("Machines"))
        >>> found = fit.simulated_residuals(seed=1).level_tests("Machine")
        >>> list(found.index)
        ['A', 'B', 'C', 'equal variances (Levene)']
        """
        codes, names, what = self.levels(by)
        tests, counts, spread = uniformity_by_level(self.scaled.to_numpy(), codes, names)
        columns = {
            "n": [*counts.tolist(), len(codes)],
            "statistic": [*(test.statistic for test in tests), spread.statistic],
            "p_value": [*(test.p_value for test in tests), spread.p_value],
        }
        notes = ["p-values of the levels: Holm's adjustment.", *self._notes]
        if self.random == "new" and not self.rotated and _is_grouping(self._state, codes):
            way = " or rotate=True" if self._state.family is None else ""
            notes.append(f"{GROUPING}{way}.")
        title = f"Tests of residuals by {what}"
        return ResultTable(columns, index=[*names, spread.name], title=title, notes=notes)

    def levels(self, by: Any) -> tuple[IndexArray, list[str], str]:
        """Level of each row, names of the levels, and that of the factor; see `level_tests`."""
        return factor_of(self._state, by)

    @property
    def _notes(self) -> list[str]:
        state = self._state
        notes = [SHRUNK] if self.random == "fitted" and state.design.groups else []
        has_shared = self.random == "new" and bool(state.design.groups)
        correlated = has_shared or getattr(state.residual, "correlation", None) is not None
        if correlated and not self.rotated:
            way = ROTATE if state.family is None else ""  # which only linear models have
            notes.append(f"{APPROXIMATE}{way}.")
        return notes

    def __repr__(self) -> str:
        how = ", rotated" if self.rotated else ""
        return (
            f"<SimulatedResiduals of {len(self.scaled)} rows: {self.n} simulated responses, "
            f"{self.random} random effects{how}>"
        )

    def __str__(self) -> str:
        return str(self.tests)

    def _repr_html_(self) -> str:
        return str(self.tests._repr_html_())


def simulated_residuals(
    state: FitState, n: int, generator: np.random.Generator, random: str, rotate: bool
) -> SimulatedResiduals:
    """Quantile residuals of a fit.

    Parameters
    ----------
    state : FitState
    n : int
        Responses to simulate.
    generator : numpy.random.Generator
    random : {"new", "fitted"}
        See :func:`.simulate.simulated`.
    rotate : bool
        Whether residuals are made independent.

    Raises
    ------
    ModelError, NumericalError
        They cannot be.
    """
    design, new = state.design, random == "new"
    mean = design.X @ state.estimate.beta + design.offset if new else fitted_values(state)
    errors = state.response - mean
    if rotate:
        observed = rotated(state, errors[:, None], new_effects=new)[:, 0]
    else:
        sd = np.sqrt(row_variances(state, new_effects=new))
        observed = errors / sd

    def draw(count: int) -> FloatArray:
        if rotate:
            return generator.standard_normal((count, design.n)).T
        responses = simulated(state, count, generator, new_effects=new)
        return (responses - mean[:, None]) / sd[:, None]

    found = quantile_residuals(observed, draw, n, generator)
    return SimulatedResiduals(
        scaled=pd.Series(found.scaled, index=design.index, name="scaled"),
        outside=pd.Series(found.outside, index=design.index, name="outside"),
        predicted=pd.Series(mean, index=design.index, name="predicted"),
        n=n,
        random=random,
        rotated=rotate,
        _state=state,
        _residuals=found,
    )


def row_variances(state: FitState, *, new_effects: bool) -> FloatArray:
    """Variance of the response of each row, or of its residual given the random effects, (n,)."""
    total = residual_variances(state)
    return sum(random_variances(state).values(), start=total) if new_effects else total


def _is_grouping(state: FitState, codes: IndexArray) -> bool:
    """Whether rows of a level always share a level of a grouping factor."""
    return any(
        len(np.unique(np.column_stack([codes, group.codes]), axis=0)) == len(np.unique(codes))
        for group in state.design.groups
    )


def factor_of(state: FitState, by: Any) -> tuple[IndexArray, list[str], str]:
    """Level of each row, names of the levels, and what a title calls the factor.

    Raises
    ------
    ArgumentError, DataError
    """
    design = state.design
    table, groups = design.frame.table, {group.name: group for group in design.groups}
    if isinstance(by, str) and by in table.columns:
        codes, levels = group_codes(table[by][design.in_model])
    elif isinstance(by, str):
        if by not in groups:
            known = [*map(str, table.columns), *groups]
            raise ArgumentError(
                f"by={by!r} is no column that the model uses.{near_matches(by, known)} Give its "
                "values: one for each row used."
            )
        present, codes = np.unique(groups[by].codes, return_inverse=True)
        levels = groups[by].levels[present]
    else:
        given = in_row_order("by", by, design.index, allow_more=True)
        if np.ndim(given) != 1 or len(given) != design.n:
            raise DataError(f"by must have one value for each of the {design.n} rows used.")
        values = given if isinstance(given, pd.Series) else pd.Series(given, name="by")
        if values.isna().any():
            raise DataError("by has missing values: give these rows a label of their own.")
        codes, levels = group_codes(values)
    names = [joined_label(level) for level in levels]
    return codes, names, by if isinstance(by, str) else str(getattr(by, "name", None) or "by")
