"""500 random models, each against restarts: does the optimiser find the optimum, and how fast?

One to four grouping factors with one to four effects each, unbalanced, nested or crossed,
near-singular and singular, badly scaled. A model is saturated when its effects and fixed
effects outnumber the rows: its optimum may lie at infinity, and it is counted apart.

    python benchmarks/stress.py [--models 500] [--restarts 6] [--out benchmarks/STRESS.md]
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmforms import Control
from lmforms.covariance import Diagonal, Stacked, Unstructured
from lmforms.criterion import Problem
from lmforms.crossproducts import cross_products
from lmforms.errors import LmformsError
from lmforms.factor import System
from lmforms.optimize import minimize
from lmforms.residual import Independent
from lmforms.rows import FactorRows, ModelRows
from lmforms.sums import choose_scaling


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
    factors, covariances, effects = [], [], 0
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


def table(outcomes: list[Outcome]) -> str:
    """One line for models that can be told, one for saturated ones."""
    lines = [
        "| models | count | converged | evaluations: median, 90 %, most | gap > 1e-5 | largest |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, saturated in (("regular", False), ("saturated", True)):
        chosen = [o for o in outcomes if o.saturated == saturated]
        if not chosen:
            continue
        counts = [o.evaluations for o in chosen]
        gaps = np.array([o.gap for o in chosen])
        told = np.array([o.converged for o in chosen])
        quantiles = f"{np.median(counts):.0f}, {np.quantile(counts, 0.9):.0f}, {max(counts)}"
        lines.append(
            f"| {name} | {len(chosen)} | {told.sum()} | {quantiles} | "
            f"{int((gaps[told] > 1e-5).sum())} | {gaps[told].max():.1e} |"
        )
    return "\n".join(lines)


ABOUT = """\
# {models} random models against their restarts

`python benchmarks/stress.py --models {models} --restarts {restarts}`: one to four grouping factors
with one to four effects each, unbalanced, nested or crossed, near-singular and singular, predictors
scaled by 10⁻³ to 10³ and shifted by up to 10³. The gap is how much lower than the reported
criterion the best of {restarts} random restarts ends. Saturated models have at least as many
effects as rows; their optimum may lie at infinity.

{table}
"""


def page(outcomes: list[Outcome], restarts: int) -> str:
    """STRESS.md: what was fitted, the table, and the models to look at."""
    text = ABOUT.format(models=len(outcomes), restarts=restarts, table=table(outcomes))
    return "\n".join([text, *(f"- {line}" for line in remarkable(outcomes))]).rstrip() + "\n"


def remarkable(outcomes: list[Outcome]) -> list[str]:
    """Regular models that did not converge, or whose restarts went lower."""
    return [
        f"seed {o.seed}, {o.n_theta} parameters: "
        + (f"a restart ends {o.gap:.1e} lower" if o.converged else "not converged")
        for o in outcomes
        if not o.saturated and (not o.converged or o.gap > 1e-5)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--restarts", type=int, default=6)
    parser.add_argument("--out", type=Path, help="write the page here")
    args = parser.parse_args()
    start = time.perf_counter()
    outcomes = [examine(seed, args.restarts) for seed in range(args.models)]
    text = page(outcomes, args.restarts)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    sys.stderr.write(f"{time.perf_counter() - start:.0f} s\n")


if __name__ == "__main__":
    main()
