"""Many responses, many markers, many animals: time, speed-up over refitting, peak memory.

Each measurement runs in a process of its own; what is printed is one object of all.

    python benchmarks/many.py                       # all
    python benchmarks/many.py responses null each   # some
    python benchmarks/many.py --small               # a tenth of the size
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from alone import held, main, peak, seconds

import lmforms as lf
from lmforms.engine.linalg.cholmod import have_cholmod
from lmforms.engine.linalg.sparse_cholesky import SparseCholesky


def grouped(n: int, levels: int, r: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows in levels, and responses with variances from zero to twice the residual one."""
    rng = np.random.default_rng(1)
    g = rng.permutation(np.arange(n) % levels)
    data = pd.DataFrame({"g": g, "h": rng.integers(0, 10, n), "x": rng.normal(size=n)})
    Y = rng.normal(size=(n, r))
    effects = rng.normal(size=(levels, r)) * np.sqrt(rng.uniform(0, 2, r))
    Y += effects[g]
    return data, Y


def load(formula: str, data: pd.DataFrame, Y: np.ndarray) -> pd.DataFrame:
    """Fit and test a few, so that what they need is loaded."""
    return lf.lmer_many(formula, data, Y).pvalues


def responses(share: float) -> dict[str, Any]:
    """10⁵ responses × 500 rows, 50 levels."""
    r = int(100_000 * share)
    data, Y = grouped(500, 50, r)
    load("~ x + (1 | g)", data, Y[:, :10])
    before = held()
    time_all, many = seconds(lambda: lf.lmer_many("~ x + (1 | g)", data, Y))
    most = peak()
    time_tests, _ = seconds(lambda: many.pvalues)
    one = data.assign(y=Y[:, 0])
    time_one, _ = seconds(lambda: lf.lmer("y ~ x + (1 | g)", one), 5)
    return {
        "responses": r,
        "seconds": time_all,
        "p_value_seconds": time_tests,
        "fits_per_second": r / time_all,
        "single_fit_ms": 1e3 * time_one,
        "times_faster": time_one * r / time_all,
        "converged": float(many.fits["converged"].mean()),
        "singular": float(many.fits["singular"].mean()),
        "peak_mb": most,
        "held_before_mb": before,
    }


LOOP = 50
"""Responses of which `lmer` fits each, one after the other, for comparison."""


def against_loop(formula: str, data: pd.DataFrame, Y: np.ndarray) -> dict[str, Any]:
    """All responses at once, and some of them in a loop of `lmer`."""
    warnings.simplefilter("ignore")
    load(formula, data, Y[:, :10])
    time_all, many = seconds(lambda: lf.lmer_many(formula, data, Y), 3)
    most, r = peak(), Y.shape[1]
    time_tests, _ = seconds(lambda: many.pvalues)
    tables = [data.assign(y=Y[:, j]) for j in range(min(LOOP, r))]
    lf.lmer("y" + formula, tables[0])
    time_loop, fits = seconds(lambda: [lf.lmer("y" + formula, table) for table in tables], 3)
    each = time_loop / len(tables)
    gaps = [many.fits["criterion"][j] - fit.criterion for j, fit in enumerate(fits)]
    return {
        "responses": r,
        "seconds": time_all,
        "p_value_seconds": time_tests,
        "fits_per_second": r / time_all,
        "single_fit_ms": 1e3 * each,
        "times_faster": each * r / time_all,
        "largest_gap_of_criterion": float(np.abs(gaps).max()),
        "singular": float(many.fits["singular"].mean()),
        "peak_mb": most,
    }


def with_effects(data: pd.DataFrame, groups: list[np.ndarray], r: int, seed: int = 5) -> np.ndarray:
    """Responses with variances from 0.1 to twice the residual one in every group."""
    rng = np.random.default_rng(seed)
    Y = rng.normal(size=(len(data), r))
    for codes in groups:
        sizes = np.sqrt(rng.uniform(0.1, 2, r))
        Y += sizes * rng.normal(size=(codes.max() + 1, r))[codes]
    return Y


def general(share: float) -> dict[str, Any]:
    """Responses × 500 rows, crossed intercepts of 50 and 10 levels."""
    data, Y = grouped(500, 50, int(2_000 * share))
    return against_loop("~ x + (1 | g) + (1 | h)", data, Y)


def nested(share: float) -> dict[str, Any]:
    """Responses of the 60 rows of Pastes: casks in batches."""
    data = lf.datasets.load("Pastes")
    batch = pd.factorize(data["batch"])[0]
    casks = pd.factorize(data["batch"].astype(str) + data["cask"].astype(str))[0]
    Y = with_effects(data, [batch, casks], int(2_000 * share))
    return against_loop("~ 1 + (1 | batch / cask)", data, Y)


def crossed(share: float) -> dict[str, Any]:
    """Responses × 1,000 rows, crossed intercepts of 100 and 40 levels, unbalanced."""
    rng = np.random.default_rng(1)
    g, h = rng.integers(0, 100, 1_000), rng.integers(0, 40, 1_000)
    data = pd.DataFrame({"g": g, "h": h, "x": rng.normal(size=1_000)})
    Y = with_effects(data, [g, h], int(2_000 * share))
    return against_loop("~ x + (1 | g) + (1 | h)", data, Y)


def slopes(share: float) -> dict[str, Any]:
    """Responses of the sleep study with correlated slopes: Newton's method side by side."""
    r = int(1_000 * share)
    data = lf.datasets.load("sleepstudy")
    noise = np.random.default_rng(3).normal(size=(len(data), r))
    Y = data["Reaction"].to_numpy()[:, None] + 30 * noise
    formula = "~ Days + (Days | Subject)"
    warnings.simplefilter("ignore")
    load(formula, data, Y[:, :50])
    time_all, many = seconds(lambda: lf.lmer_many(formula, data, Y))
    time_tests, _ = seconds(lambda: many.pvalues)
    one = data.assign(y=Y[:, 0])
    time_one, _ = seconds(lambda: lf.lmer("y" + formula, one), 21)
    return {
        "responses": r,
        "seconds": time_all,
        "p_value_seconds": time_tests,
        "fits_per_second": r / time_all,
        "single_fit_ms": 1e3 * time_one,
        "times_faster": time_one * r / time_all,
        "peak_mb": peak(),
    }


def markers(share: float, refit: str) -> dict[str, Any]:
    """20,000 markers × 2,000 individuals; one refit with the single-model path for comparison.

    A refit is `lmer` with the marker in the formula. For scale, ten dense Cholesky factors
    per marker are extrapolated too.
    """
    n, m = int(2_000 * np.sqrt(share)), int(20_000 * share)
    rng = np.random.default_rng(2)
    counts = rng.binomial(2, rng.uniform(0.05, 0.5, m), (n, m)).astype(np.int8)
    ids = [f"i{k}" for k in range(n)]
    K = lf.relationship.vanraden(counts[:, : 5 * n], labels=ids)
    effects = rng.normal(size=200) / np.sqrt(100)
    y = counts[:, :200] @ effects + rng.normal(size=n)
    data = pd.DataFrame({"id": ids, "x": rng.normal(size=n), "y": y})
    formula, before = "y ~ x + (1 | id)", held()

    def scan(columns: int) -> pd.DataFrame:
        return lf.gwas(formula, data, counts[:, :columns], K, refit=refit)

    time_first, _ = seconds(lambda: scan(1))  # the decomposition
    time_all, found = seconds(lambda: scan(m))
    most = peak()
    with_marker = data.assign(marker=counts[:, 0].astype(float))
    time_one, _ = seconds(
        lambda: lf.lmer("y ~ x + marker + (1 | id)", with_marker, relationship={"id": K}),
    )
    V = 0.5 * K.dense() + np.eye(n)
    time_dense, _ = seconds(lambda: np.linalg.cholesky(V), 2)
    return {
        "markers": m,
        "individuals": n,
        "refit": refit,
        "seconds": time_all,
        "decomposition_seconds": time_first,
        "markers_per_second": m / time_all,
        "one_refit_seconds": time_one,
        "times_faster": time_one * m / time_all,
        "one_dense_cholesky_seconds": time_dense,
        "times_faster_than_ten_choleskys_each": 10 * time_dense * m / time_all,
        "converged": float(found["converged"].mean()),
        "peak_mb": most,
        "held_before_mb": before,
    }


def pedigree(
    share: float, sires: int, dams: int, generations: int, backend: str = "auto"
) -> dict[str, Any]:
    """10⁵ animals in generations bred from some sires and dams; 90 % have records in 200 herds."""
    SparseCholesky.__init__.__defaults__ = (backend, np.inf)  # no option of the fit names it
    n = int(100_000 * share)
    per = n // generations
    rng = np.random.default_rng(1)
    sire, dam, value = np.zeros(n, int), np.zeros(n, int), rng.normal(size=n)
    for g in range(1, generations):
        older, now = rng.permutation(per) + (g - 1) * per, slice(g * per, (g + 1) * per)
        fathers, mothers = older[:sires], older[sires : sires + dams]
        f, m = rng.choice(fathers, per), rng.choice(mothers, per)
        sire[now], dam[now] = f + 1, m + 1
        value[now] = 0.5 * (value[f] + value[m]) + np.sqrt(0.5) * rng.normal(size=per)
    animal, herd, x = np.arange(1, n + 1), rng.integers(0, 200, n), rng.normal(size=n)
    y = 3 + 0.5 * x + np.sqrt(0.3) * value + 0.3 * rng.normal(size=200)[herd]
    y += np.sqrt(0.7) * rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x": x, "animal": animal, "herd": herd}).iloc[n // 10 :]
    held()
    time_inverse, known = seconds(lambda: lf.relationship.Pedigree.of(animal, sire, dam))
    time_inverse += seconds(known.as_relationship)[0]
    K = known.as_relationship()
    time_fit, fit = seconds(
        lambda: lf.lmer("y ~ x + (1 | animal) + (1 | herd)", data, relationship={"animal": K})
    )
    return {
        "animals": n,
        "sires_dams_per_generation": f"{sires} and {dams} of {per}",
        "inverse_seconds": time_inverse,
        "seconds": time_fit,
        "evaluations": fit.optimizer.n_evaluations,
        "factor_entries": fit.optimizer.blocks[0].nonzeros,
        "heritability": float(fit.vcomp["variance"][0] / fit.vcomp["variance"].sum()),
        "peak_mb": peak(),
    }


JOBS = {
    "responses": responses,
    "general": general,
    "nested": nested,
    "crossed": crossed,
    "slopes": slopes,
    "each": lambda share: markers(share, "each"),
    "null": lambda share: markers(share, "null"),
    "pedigree": lambda share: pedigree(share, 50, 1000, 20),
    "pedigree, wide": lambda share: pedigree(share, 250, 2500, 20),
}
if have_cholmod():
    JOBS["pedigree, cholmod"] = lambda share: pedigree(share, 50, 1000, 20, "cholmod")
    JOBS["pedigree, wide, cholmod"] = lambda share: pedigree(share, 250, 2500, 20, "cholmod")


if __name__ == "__main__":
    main(JOBS, __file__, __doc__)
