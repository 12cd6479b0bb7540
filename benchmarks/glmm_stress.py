"""300 random small generalised models, each against restarts: does the search find the maximum?

One to three grouping factors with one to three effects each, nested or crossed, of several
families, with variances that are zero or large, predictors of odd scales, and few rows.

    python benchmarks/glmm_stress.py [--models 300] [--restarts 6]     # glmm_stress.json
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import store
from peers import HERE

from lmforms import Control
from lmforms.covariance import Diagonal, Stacked, Unstructured
from lmforms.engine.linalg.threads import limited_blas_threads
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.errors import LmformsError
from lmforms.glmm.conditional_mode import ConditionalModel
from lmforms.glmm.families.lookup import family_of
from lmforms.glmm.families.response import Response
from lmforms.glmm.likelihood import ConditionalLikelihood
from lmforms.glmm.problem import GeneralizedProblem, laplace_point
from lmforms.glmm.search import GeneralizedOptimum, search
from lmforms.glmm.weighted_rows import WeightedRows
from lmforms.residual import Independent

GAP = 1e-5
"""A restart that ends lower by more than this has found what the fit did not."""

FAMILIES = (
    ("binomial", "logit", ()),
    ("binomial", "probit", ()),
    ("poisson", "log", ()),
    ("negative_binomial", "log", (0.7,)),
    ("gamma", "log", (-0.7,)),
)


@dataclass(frozen=True)
class Outcome:
    """What became of one model; no gap where it could not be fitted."""

    seed: int
    family: str
    parameters: int
    evaluations: int
    converged: bool
    gap: float | None
    error: str = ""


def random_problem(seed: int) -> tuple[str, GeneralizedProblem]:
    """A model and its data."""
    rng = np.random.default_rng(seed)
    name, link_name, omega = FAMILIES[seed % len(FAMILIES)]
    family, link = family_of(name, link_name)
    n = int(rng.integers(30, 200))
    x = rng.normal(size=n) * 10.0 ** rng.integers(-2, 3)
    X = np.column_stack([np.ones(n), x])
    eta = rng.normal() * 0.5 + 0.5 * x / x.std()
    factors, covariances = [], []
    for i in range(int(rng.integers(1, 4))):
        k, q = int(rng.integers(1, 4)), int(rng.integers(3, 15))
        codes = rng.integers(0, q, n)
        codes[:q] = np.arange(q)
        if i and rng.random() < 0.3:  # nested in the first
            codes = factors[0].codes % max(2, factors[0].n_levels // 2)
            q = int(codes.max()) + 1
        basis = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
        basis[:, 1:] *= 10.0 ** rng.integers(-2, 3, k - 1)
        root = np.tril(rng.normal(size=(k, k))) * rng.choice([0.0, 0.1, 0.7, 1.5], size=(k, 1))
        b = rng.normal(size=(q, k)) @ root.T
        eta = eta + np.einsum("ij,ij->i", basis / np.sqrt((basis**2).mean(axis=0)), b[codes])
        factors.append(FactorRows(codes.astype(np.intp), q, basis))
        covariances.append(Stacked.of([Unstructured(k) if rng.random() < 0.7 else Diagonal(k)]))
    own = [np.array([w]) for w in omega]
    trials = rng.integers(1, 8, n).astype(float) if family.takes_trials else None
    eta = np.clip(eta, -4.0, 4.0)
    response = Response(family.simulate(rng, link.mean(eta), own, trials), trials)
    likelihood = ConditionalLikelihood(family, link, response, (None,) * len(omega))
    rows = ModelRows(response.y, X, tuple(factors), Independent())
    weighted = WeightedRows.of(rows, covariances, (), Control())
    model = ConditionalModel(weighted, likelihood, np.zeros(n))
    return name, GeneralizedProblem(weighted.system, tuple(covariances), False, model)


def examine(seed: int, restarts: int) -> Outcome:
    """Fit one model, then again from random starts of several sizes."""
    name, problem = random_problem(seed)
    size = problem.n_theta + problem.p + problem.n_coefficients

    def found_from(start: Any = None) -> GeneralizedOptimum:
        return search(problem, laplace_point, Control(), start)

    try:
        found = found_from()
    except LmformsError as error:
        return Outcome(seed, name, size, 0, False, None, str(error))
    best, rng = found.value, np.random.default_rng(seed)
    for _ in range(restarts):
        start = rng.normal(size=problem.n_theta) * rng.choice([0.1, 1.0, 3.0])
        try:
            best = min(best, found_from(start).value)
        except LmformsError:
            continue
    return Outcome(seed, name, size, found.n_evaluations, found.converged, found.value - best)


def measure(models: int, restarts: int) -> dict[str, Any]:
    """All models: how many converged, how many evaluations, and those that a restart beat."""
    with limited_blas_threads(1):
        outcomes = [examine(seed, restarts) for seed in range(models)]
    counts = np.array([o.evaluations for o in outcomes])
    beaten = [o for o in outcomes if o.converged and o.gap is not None and o.gap > GAP]
    return {
        "date": date.today().isoformat(),
        "models": models,
        "restarts": restarts,
        "converged": sum(o.converged for o in outcomes),
        "by_family": dict(Counter(o.family for o in outcomes if o.converged)),
        "evaluations": [float(np.quantile(counts, share)) for share in (0.5, 0.9, 1.0)],
        "beaten": [asdict(o) for o in beaten],
        "not_converged": [asdict(o) for o in outcomes if not o.converged],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--restarts", type=int, default=6)
    args = parser.parse_args()
    found = measure(args.models, args.restarts)
    store.save(HERE / "glmm_stress.json", found)
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    main()
