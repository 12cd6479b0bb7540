"""Fits of random models against the best of many random restarts.

Four kinds of models: ``single`` (one random term), ``harsh`` (up to three terms; few and
uneven levels, weights over orders of magnitude, heavy tails), ``benign`` (ordinary designs) and
``saturated`` (as many columns of X and Z as rows, or more). Fits above the best restart by more
than `GAP` that came without a warning of the optimiser count as faults.

    python tests/fuzz/optima.py --kind single --tries 1000 --seed 1
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature

import numpy as np

from lmforms.control import Control
from lmforms.covariance import Covariance, Diagonal, Stacked, Unstructured
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.estimate import Estimate, estimate
from lmforms.engine.optimize.minimize import minimize
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.errors import LmformsError
from lmforms.residual import Independent, Weighted

KINDS = ["", "single", "harsh", "benign", "saturated"]

GAP = 1e-4
"""A criterion that ends above the best restart by more than this is a fault."""

RESTARTS = 30


@dataclass(frozen=True, eq=False)
class RandomModel:
    """A model with everything drawn from one seed."""

    rows: ModelRows
    covariances: tuple[Covariance, ...]
    reml: bool


def _factor(rng: np.random.Generator, n: int, q: int, uneven: bool) -> np.ndarray:
    share = rng.dirichlet(np.full(q, 0.7)) if uneven else np.full(q, 1.0 / q)
    codes = rng.choice(q, n, p=share)
    return np.unique(codes, return_inverse=True)[1].astype(np.intp)


def _structure(rng: np.random.Generator, k: int) -> Covariance:
    if k == 1 or rng.random() < 0.6:
        return Unstructured(k)
    if rng.random() < 0.5:
        return Stacked.of([Diagonal(k)])
    return Stacked.of([Unstructured(1), Unstructured(k - 1)])


def random_model(seed: int, kind: str) -> RandomModel:
    """The model of a seed."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    harsh = kind != "benign"
    saturated = kind == "saturated"
    n = int(rng.integers(*{"benign": (60, 300), "saturated": (9, 22)}.get(kind, (12, 60))))
    terms = 1 if kind == "single" else int(rng.integers(1, 3 if saturated else 4))
    most = max(3, n // 2 if saturated else n // 4) if harsh else n // 6
    uneven = harsh and rng.random() < 0.5
    p = int(rng.integers(0, 3))
    heavy = harsh and rng.random() < 0.4

    def noise(size: object) -> np.ndarray:
        return rng.standard_t(1.5, size) if heavy else rng.normal(size=size)

    columns = noise((n, 3))
    X = np.column_stack([np.ones(n), columns[:, :p]])
    y = noise(n) * 10 ** rng.uniform(-1, 1)
    factors, covariances = [], []
    for _ in range(terms):
        codes = _factor(rng, n, int(rng.integers(3, most + 1)), uneven)
        q = int(codes.max()) + 1
        k = int(rng.choice([1, 1, 2, 3] if kind != "single" else [1, 1, 1, 2]))
        if saturated:
            k = max(2, min(3, 1 + (n - X.shape[1]) // q))
        while q * k + X.shape[1] >= n - 1 and not saturated:
            k -= 1
        if k < 1:
            continue
        basis = np.column_stack([np.ones(n), columns[:, : k - 1]])
        if k > 1 and rng.random() < 0.3:
            basis = columns[:, :k]
        size = rng.choice([0.0, 0.3, 1.0, 3.0])
        y = y + size * np.einsum("ij,ij->i", basis, noise((q, k))[codes])
        factors.append(FactorRows(codes, q, basis))
        covariances.append(_structure(rng, k))
    residual = Independent()
    if harsh and rng.random() < 0.5:
        residual = Weighted(10.0 ** rng.uniform(-3, 3, n))
    elif rng.random() < 0.2:
        residual = Weighted(rng.uniform(0.3, 3.0, n))
    return RandomModel(
        ModelRows(y, X, tuple(factors), residual), tuple(covariances), bool(rng.random() < 0.5)
    )


def fitted(model: RandomModel) -> Estimate:
    """The fit of a random model."""
    return estimate(model.rows, model.covariances, reml=model.reml, control=Control())


def best_restart(found: Estimate, seed: int, restarts: int = RESTARTS) -> float:
    """The lowest criterion (engine's units) of fits from random θ."""
    rng = np.random.default_rng([seed, 99])
    problem, best = found.problem, np.inf
    for _ in range(restarts):
        scale = np.exp(rng.normal(0.0, 2.5, problem.n_theta))
        start = rng.normal(size=problem.n_theta) * scale
        try:
            best = min(best, _minimum(problem, start))
        except LmformsError:
            continue
    return best


def _minimum(problem: Problem, start: np.ndarray) -> float:
    """By one local search (older versions have no other)."""
    options = {"globally": False} if "globally" in signature(minimize).parameters else {}
    return minimize(problem, Control(), start, **options).evaluation.value


def gaps(
    kind: str, tries: int, seed: int, restarts: int = RESTARTS
) -> Iterator[tuple[int, str, float]]:
    """(seed, outcome, gap) of each model."""
    for s in range(seed, seed + tries):
        model = random_model(s, kind)
        if not model.covariances:
            continue
        try:
            found = fitted(model)
        except LmformsError as error:
            yield s, f"{type(error).__name__}: {error}", 0.0
            continue
        gap = found.optimum.evaluation.value - best_restart(found, s, restarts)
        yield s, "fitted" if found.converged and not found.unidentified else "warned", gap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=KINDS[1:], default="single")
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--restarts", type=int, default=RESTARTS)
    args = parser.parse_args()
    begun, faults, count, others = time.process_time(), 0, 0, 0
    for s, outcome, gap in gaps(args.kind, args.tries, args.seed, args.restarts):
        count += 1
        if outcome not in ("fitted", "warned"):
            others += 1
            print(f"{s}: {outcome}")
        elif gap > GAP:
            print(f"{s}: {gap:.6g} too high, {outcome}", flush=True)
            faults += outcome == "fitted"
    print(
        f"{args.kind}: {count} models, {faults} too high without a warning, {others} refused, "
        f"{time.process_time() - begun:.0f} s"
    )


if __name__ == "__main__":
    main()
