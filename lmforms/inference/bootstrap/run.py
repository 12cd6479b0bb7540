"""`bootstrap`: replicates of a fit, and intervals from them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from ...engine.replication.replicates import Replicates
from ...errors import ArgumentError, ModelError
from ...results.state import FitState
from ...support.arguments import generator, one_of, whole_number
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from ..model_parameters import model_parameters, parameter_values
from .batches import Source, collected
from .case_resampling import CasePlan
from .deletions import Deletions
from .fits_refused import check_fit
from .generalized_replicates import GeneralizedSource
from .intervals import fewest_replicates
from .parameter_columns import parameter_columns
from .refitters import RowRefitter, batch_refitter
from .replicate_sources import (
    Case,
    FitSource,
    MatchingCasesSource,
    ResidualSumsSource,
    RowsSource,
    SumsSource,
    parametric_cases,
    resampled_cases,
    residual_cases,
)
from .replicate_table import Bootstrap
from .residual_resampling import ResidualDraws
from .row_sums import RowSums
from .statistics import Statistic

KINDS = ("parametric", "residual", "case")


def bootstrap(
    state: FitState,
    n: int,
    *,
    seed: Any,
    statistic: Statistic | None = None,
    kind: str = "parametric",
    by: Any = None,
    progress: bool = False,
) -> Bootstrap:
    """Replicates of a fit (see :meth:`MixedModelResults.bootstrap`).

    Those of a generalised fit are parametric.
    """
    kind = one_of("kind", kind, KINDS)
    if by is not None and kind != "case":
        raise ArgumentError(
            f"by= names the levels that a case bootstrap draws; this is kind={kind!r}."
        )
    rng = generator("seed", seed)
    check_fit(state)
    if state.family is not None:
        return _of_generalized(state, n, rng, statistic, progress)
    plan = CasePlan.of(state, by) if kind == "case" else None
    spec = state.design.residual_spec
    if statistic is None and spec is not None and spec.depends_on_fitted:
        # φ of a refit is in units of its own fitted values: its parameters are read from itself
        statistic = Statistic(_parameters, SimpleNamespace(state=state))
    if statistic is not None:
        return _of_statistic(statistic, state, kind, n, rng, plan, progress)
    source = replicate_source(state, kind, n, rng, plan)
    found = Replicates.joined(collected(source, n, progress))
    names = [parameter.name for parameter in model_parameters(state)]
    return _made(
        kind,
        pd.Series(parameter_values(state), index=names, name="estimate"),
        parameter_columns(state, found),
        found.failed,
        found.singular,
        None if plan is None else Deletions(plan),
    )


def _of_generalized(
    state: FitState,
    n: int,
    rng: np.random.Generator,
    statistic: Statistic | None,
    progress: bool,
) -> Bootstrap:
    if statistic is None:
        names = [parameter.name for parameter in model_parameters(state)]
        of_fit = parameter_values(state)
    else:
        names, of_fit = statistic.of_fit
    parts = collected(GeneralizedSource(state, rng, statistic), n, progress)
    return _made(
        "parametric",
        pd.Series(of_fit, index=names, name="estimate"),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.failed for part in parts]),
        np.concatenate([part.singular for part in parts]),
        None,
    )


def _parameters(fit: Any) -> pd.Series:
    """All parameters of a fit."""
    names = [parameter.name for parameter in model_parameters(fit.state)]
    return pd.Series(parameter_values(fit.state), index=names)


def replicate_source(
    state: FitState,
    kind: str,
    n: int,
    rng: np.random.Generator,
    plan: CasePlan | None = None,
) -> Source[Replicates]:
    """Refits of replicates, by the quickest way that the model allows."""
    together = batch_refitter(state)
    if together is None:
        return RowsSource(_cases(state, kind, n, rng, plan), RowRefitter(state))
    if plan is None:
        if kind == "parametric":
            return SumsSource(together, rng)
        return ResidualSumsSource(state, together, rng)
    rows, sums = plan.matching_rows(), RowSums(state, together)
    if rows is not None and sums.is_accurate:
        return MatchingCasesSource(plan, rows, sums, rng)
    return RowsSource(_cases(state, kind, n, rng, plan), RowRefitter(state))


def _cases(
    state: FitState, kind: str, n: int, rng: np.random.Generator, plan: CasePlan | None
) -> Iterator[Case | None]:
    if plan is not None:
        return resampled_cases(plan, rng)
    if kind == "parametric":
        return parametric_cases(state, n, rng)
    return residual_cases(state, ResidualDraws(state, rng))


def _of_statistic(
    statistic: Statistic,
    state: FitState,
    kind: str,
    n: int,
    rng: np.random.Generator,
    plan: CasePlan | None,
    progress: bool,
) -> Bootstrap:
    fits = FitSource(_cases(state, kind, n, rng, plan), RowRefitter(state))
    names, of_fit = statistic.of_fit  # tried before any replicate is made
    parts = collected(StatisticSource(fits, statistic), n, progress)
    return _made(
        kind,
        pd.Series(of_fit, index=names, name="estimate"),
        np.concatenate([values for values, _, _ in parts]),
        np.concatenate([failed for _, failed, _ in parts]),
        np.concatenate([singular for _, _, singular in parts]),
        None if plan is None else Deletions(plan, statistic),
    )


class StatisticSource:
    """Values of a statistic of fits, with what failed and what is singular."""

    step = 1

    def __init__(self, fits: FitSource, statistic: Statistic) -> None:
        self._fits, self._statistic, self._done = fits, statistic, 0

    def next(self, count: int) -> tuple[FloatArray, Any, Any]:
        """The next ones."""
        fits = self._fits.next(count)
        values = np.full((count, len(self._statistic.of_fit[0])), np.nan)
        for j, fit in enumerate(fits):
            if fit is not None:
                values[j] = self._statistic(fit, f"replicate {self._done + j}")
        self._done += count
        failed = np.array([fit is None for fit in fits])
        singular = np.array([fit is not None and bool(fit.is_singular) for fit in fits])
        return values, failed, singular


def _made(
    kind: str,
    estimate: pd.Series,
    values: FloatArray,
    failed: Any,
    singular: Any,
    deletions: Deletions | None,
) -> Bootstrap:
    if failed.all():
        raise ModelError(
            f"bootstrap: none of {len(failed)} replicates could be refitted. The model has too "
            "many parameters for data of this size: fit it with fewer random effects."
        )
    index = pd.RangeIndex(len(values), name="replicate")
    return Bootstrap(
        kind=kind,
        estimate=estimate,
        table=pd.DataFrame(values, index=index, columns=estimate.index),
        failed=failed,
        singular=singular,
        by=None if deletions is None else deletions.plan.by,
        _deletions=deletions,
    )


def bootstrap_intervals(
    state: FitState, level: float, which: str, n: int, seed: Any
) -> ResultTable:
    """Percentile intervals of the parametric bootstrap, for `conf_int(method="bootstrap")`.

    Parameters
    ----------
    state : FitState
    level : float
    which : {"fixed", "all"}
        Rows of the table.
    n : int
        Number of replicates.
    seed : int or anything else :func:`numpy.random.default_rng` takes

    Raises
    ------
    ArgumentError
        Too few replicates for the level.
    ModelError
        The fit cannot be bootstrapped.
    """
    n = whole_number("n", n, least=fewest_replicates(level))
    table = bootstrap(state, n, seed=seed).conf_int(level)
    if which == "all":
        return table
    fixed = np.array([p.kind == "fixed" for p in model_parameters(state)])
    return ResultTable(table[fixed], title=table.title, notes=table.notes)
