"""500 random models, each against restarts: does the optimiser find the optimum, and how fast?

One to four grouping factors with one to four effects each, unbalanced, nested or crossed,
near-singular and singular, badly scaled. A model is saturated when its effects and fixed
effects are at least as many as the rows: its optimum may lie at infinity, and it is counted apart.

    python benchmarks/stress.py [--models 500] [--restarts 6]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from lmforms import Control
from lmforms.covariance import Diagonal, Stacked, Unstructured
from lmforms.engine.criterion.evaluate import Problem
from lmforms.engine.factor import System
from lmforms.engine.optimize.minimize import minimize
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums.cross_products import cross_products
from lmforms.engine.sums.sums_of_rows import choose_scaling
from lmforms.errors import LmformsError
from lmforms.residual import Independent

GAP = 1e-5
"""A restart that ends lower by more than this has found what the fit did not."""

KINDS = ("regular", "saturated")


@dataclass(frozen=True)
class Outcome:
    """What became of one model."""

    seed: int
    saturated: bool
    n_theta: int
    evaluations: int
    converged: bool
    gap: float


def random_problem(seed: int) -> tuple[Problem, bool]:
    """A model drawn from `seed`, and whether it is saturated."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 5))
    n = int(rng.integers(60, 400))
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    y = rng.normal(size=n) + X @ rng.normal(size=3)
    factors: list[FactorRows] = []
    covariances: list[Stacked] = []
    effects = 0
    for i in range(count):
        k = int(rng.integers(1, 5))
        q = min(int(rng.integers(4, 20)), (n - 1) // (k + 1))
        shares = rng.dirichlet(np.full(q, rng.choice([0.5, 5.0])))
        codes = rng.choice(q, n, p=shares)
        codes[:q] = np.arange(q)
        if i and rng.random() < 0.3:  # nested in the first
            codes = factors[0].codes % max(2, factors[0].n_levels // 2)
            q = int(codes.max()) + 1
        scales = 10.0 ** rng.integers(-3, 4, k - 1)
        shifts = rng.choice([0.0, 3.0, 1e3], k - 1)
        basis = np.column_stack([np.ones(n), (rng.normal(size=(n, k - 1)) + shifts) * scales])
        root = np.tril(rng.normal(size=(k, k))) * rng.choice([0.0, 0.05, 1.0, 3.0], size=(k, 1))
        b = rng.normal(size=(q, k)) @ root.T
        y = y + np.einsum("ij,ij->i", basis / np.sqrt((basis**2).mean(axis=0)), b[codes])
        factors.append(FactorRows(codes.astype(np.intp), q, basis))
        part = Unstructured(k) if rng.random() < 0.7 else Diagonal(k)
        covariances.append(Stacked.of([part]))
        effects += q * k
    rows = ModelRows(y, X, tuple(factors), Independent())
    structures = tuple(covariances)
    system = System(cross_products(rows, choose_scaling(rows, structures)))
    return Problem(system, structures, bool(seed % 2)), effects + X.shape[1] >= n


def examine(seed: int, restarts: int) -> Outcome:
    """Fit one model, then again from random starts of several sizes."""
    problem, saturated = random_problem(seed)
    found = minimize(problem, Control())
    best = found.evaluation.value
    rng = np.random.default_rng(seed)
    for _ in range(restarts):
        start = rng.normal(size=problem.n_theta) * rng.choice([0.1, 1.0, 3.0])
        try:
            best = min(best, minimize(problem, Control(), start).evaluation.value)
        except LmformsError:
            continue
    gap = found.evaluation.value - best
    return Outcome(seed, saturated, problem.n_theta, found.n_evaluations, found.converged, gap)


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Counts of some models, and how much lower restarts ended where the fit converged."""
    counts = np.array([o.evaluations for o in outcomes])
    gaps = np.array([o.gap for o in outcomes if o.converged])
    return {
        "count": len(outcomes),
        "converged": len(gaps),
        "evaluations": [float(np.quantile(counts, share)) for share in (0.5, 0.9, 1.0)],
        "gaps": int((gaps > GAP).sum()),
        "largest": float(gaps.max(initial=0.0)),
    }


def measure(models: int, restarts: int) -> dict[str, Any]:
    """Models that can be told and saturated ones; those of the first to look at."""
    outcomes = [examine(seed, restarts) for seed in range(models)]
    kinds = {kind: [o for o in outcomes if o.saturated == (kind == "saturated")] for kind in KINDS}
    return {
        "date": date.today().isoformat(),
        "models": models,
        "restarts": restarts,
        "kinds": {kind: summary(chosen) for kind, chosen in kinds.items() if chosen},
        "remarkable": [
            {"seed": o.seed, "parameters": o.n_theta, "converged": o.converged, "gap": o.gap}
            for o in kinds["regular"]
            if not o.converged or o.gap > GAP
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--restarts", type=int, default=6)
    args = parser.parse_args()
    sys.stdout.write(json.dumps(measure(args.models, args.restarts), indent=1) + "\n")


if __name__ == "__main__":
    main()
