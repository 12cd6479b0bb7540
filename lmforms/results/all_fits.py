"""The same model fitted in other ways: starts, optimisers, factorisations, estimators."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from ..control import METHODS_WITH_START, Control, Solver
from ..data.theta_order import theta_in_formula_order
from ..engine.criterion.problem import Problem
from ..engine.linalg.threads import limited_blas_threads
from ..errors import (
    ArgumentError,
    LmformsError,
    LmformsWarning,
    ModelError,
)
from ..inference.diagnostics.alternative_searches import (
    Found,
    newton_from_random_start,
    scipy_optimizers,
    scipy_search,
)
from ..relationship.priors import priors_of
from ..support.progress import with_bar
from ..tables.result_table import ResultTable
from .all_fit_table import OtherFit, table_of_fits
from .state import FitState

KINDS = ("starts", "optimizers", "factors", "methods")

FACTORS: tuple[Solver, ...] = ("dense", "sparse", "superlu", "cg")
"""Values of ``Control(factor=…)`` that need no other package."""


def all_fits(
    state: FitState, kinds: Sequence[str], starts: int, seed: np.random.Generator, progress: bool
) -> ResultTable:
    """See :meth:`lmforms.MixedModelResults.all_fit`.

    Raises
    ------
    ModelError
        There is nothing to optimise, or the fit has no exact criterion.
    MissingPackageError
        `progress` without tqdm.
    """
    problem = state.estimate.problem
    if not isinstance(problem, Problem):
        raise ModelError(
            "all_fit compares likelihoods, and after conjugate gradients there are estimates of "
            "them only: fit with Control(factor='sparse')."
        )
    if problem.n_parameters == 0:
        raise ModelError("all_fit: the model has no variance parameters to search for.")
    most = max(state.control.max_evaluations, Control().max_evaluations)
    searched = replace(state, control=replace(state.control, max_evaluations=most))
    ways = list(_ways(searched, problem, kinds, starts, seed))
    found: list[OtherFit] = []
    refused: list[_Way] = []
    if state.optimized:
        report = state.estimate.optimum
        found.append(
            OtherFit("this fit", "fit", state, report.n_evaluations, report.converged, np.nan)
        )
    interrupted = False
    try:
        for way in with_bar(ways, progress, "all_fit"):
            one = way.run()
            refused += [way] if one is None else []
            found += [] if one is None else [one]
    except KeyboardInterrupt:
        if not found:
            raise
        interrupted = True
    return table_of_fits(state, found, [(way.label, way.kind) for way in refused], interrupted)


@dataclass(frozen=True, eq=False)
class _Way:
    """A way that has not been gone yet; `fit` raises ArgumentError where it does not apply."""

    label: str
    kind: str
    fit: Callable[[], tuple[FitState, int, bool]]

    def run(self) -> OtherFit | None:
        """What it finds; None where it does not suit the model."""
        start = perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LmformsWarning)
            try:
                found, evaluations, converged = self.fit()
            except (ArgumentError, ModelError):
                return None
            except LmformsError:
                return OtherFit(self.label, self.kind, None, 0, False, perf_counter() - start)
        seconds = perf_counter() - start
        return OtherFit(self.label, self.kind, found, evaluations, converged, seconds)


def _ways(
    state: FitState,
    problem: Problem,
    kinds: Sequence[str],
    starts: int,
    generator: np.random.Generator,
) -> Iterator[_Way]:
    if "starts" in kinds:
        for i in range(starts):
            yield _Way(f"start {i + 1}", "start", _newton(state, problem, generator, i))
    if "optimizers" in kinds:
        for name in scipy_optimizers():
            yield _Way(name, "optimizer", _scipy(state, problem, name))
    if "factors" in kinds and len(state.design.groups) > 1:
        for factor in FACTORS:
            yield _Way(f"factor={factor}", "factor", _refitted(state, factor=factor))
    if "methods" in kinds:
        for method in (*METHODS_WITH_START, "emma"):
            yield _Way(f"method={method}", "method", _refitted(state, method=method))


def _newton(state: FitState, problem: Problem, generator: np.random.Generator, i: int) -> Any:
    def fit() -> tuple[FitState, int, bool]:
        with limited_blas_threads(problem.largest):
            found = newton_from_random_start(problem, state.control, generator, i)
        return _at(state, problem, found), found.evaluations, found.converged

    return fit


def _scipy(state: FitState, problem: Problem, name: str) -> Any:
    def fit() -> tuple[FitState, int, bool]:
        with limited_blas_threads(problem.largest):
            found = scipy_search(problem, name)
        return _at(state, problem, found), found.evaluations, found.converged

    return fit


def _refitted(state: FitState, *, factor: Solver | None = None, method: str = "auto") -> Any:
    control = state.control if factor is None else replace(state.control, factor=factor)

    def fit() -> tuple[FitState, int, bool]:
        options: dict[str, Any] = {"reml": state.estimate.reml, "method": method}
        found = state.refit(state.response, start=None, control=control, **options)
        optimum = found.state.estimate.optimum
        end: FitState = found.state
        if not end.estimate.is_factored:  # the exact criterion where it ended
            options["method"] = "auto"
            end = state.refit(
                state.response,
                start=found.theta,
                control=state.control,
                optimize=False,
                **options,
            ).state
        return end, optimum.n_evaluations, optimum.converged

    return fit


def _at(state: FitState, problem: Problem, found: Found) -> FitState:
    """The model at the parameters that a search found, in the user's units."""
    theta = problem.canonical(found.parameters, problem)
    priors = priors_of(state.design, state.relationship)
    sizes = [1.0 / np.sqrt(prior.size) for prior in priors] or [1.0] * len(problem.covariances)
    by_group = [
        covariance.scaled(covariance.transform(theta[own], basis.linear), size)
        for covariance, own, basis, size in zip(
            problem.covariances,
            problem.theta_slices(),
            problem.system.cp.scaling.units.bases,
            sizes,
            strict=True,
        )
    ]
    at: FitState = state.refit(
        state.response,
        reml=state.estimate.reml,
        start=theta_in_formula_order(state.design, by_group),
        control=state.control,
        method="auto",
        phi=theta[problem.n_theta :] if problem.n_phi else None,
        optimize=False,
    ).state
    return at
