"""Exact fits and fits with residuals of some roundings, by every engine: counts wrong decisions.

A response computed from predictors and levels has no residual and must be refused; the same with
noise of `NOISE` units in the last place, or more, must be fitted to about that noise, or said to
be lost beside the random effects.

Run as ``python tests/fuzz/exact_fits.py --tries 200 --seed 0``.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.errors import ConvergenceWarning, LmformsError, ModelError, NumericalError

NOISE = 400.0
METHODS = ("auto", "ai", "newton", "fisher", "em", "quasi-newton", "emma", "many", "reversed")

Case = tuple[str, pd.DataFrame, str]


def case(rng: np.random.Generator) -> Case:
    """A formula, a table with an exact response, and what explains it."""
    n, q, r = int(rng.integers(40, 120)), int(rng.integers(4, 9)), int(rng.integers(3, 7))
    g, h = rng.integers(0, q, n), rng.integers(0, r, n)
    x = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4)
    b, c = rng.normal(size=q), rng.normal(size=r)
    slope = rng.normal() / np.abs(x).max()
    kind = str(rng.choice(["x", "g", "x + g", "g + h", "x:g"]))
    y = {
        "x": 1.5 + slope * x,
        "g": b[g],
        "x + g": slope * x + b[g],
        "g + h": b[g] + c[h],
        "x:g": slope * x * b[g] + c[0],
    }[kind]
    formula = {
        "g + h": "y ~ x + (1 | g) + (1 | h)",
        "x:g": "y ~ x + (x || g)",
    }.get(kind, "y ~ x + (1 | g)")
    y = y * 10.0 ** rng.integers(-6, 7) * rng.uniform(1, 10)
    y = y + np.abs(y).max() * float(rng.choice([0.0, 0.0, 1.0, 1e3]))
    return formula, pd.DataFrame({"y": y, "x": x, "g": g, "h": h}), kind


def fitted(method: str) -> Callable[[str, pd.DataFrame, bool], float]:
    """A function that gives σ, NaN for "explained exactly"."""

    def run(formula: str, data: pd.DataFrame, reml: bool) -> float:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            if method == "many":
                right = formula.partition("~")[2]
                found: Any = lf.lmer_many(f"~{right}", data, data[["y"]], reml=reml)
                if not np.isnan(sigma := float(found.fits["sigma"].iloc[0])):
                    return sigma
            if method == "reversed":
                data = data.iloc[::-1]
            options = {} if method in ("auto", "reversed", "many") else {"method": method}
            try:
                sigma = float(lf.lmer(formula, data, reml=reml, **options).sigma)
            except ModelError as exc:
                if "explain" in str(exc):
                    return float("nan")
                raise
            if any(issubclass(w.category, ConvergenceWarning) for w in told):
                raise NumericalError("not converged: digits are lost")
            return sigma

    return run


def fault(method: str, formula: str, data: pd.DataFrame, reml: bool, noise: float) -> str:
    """What is wrong with the decision of a method, if anything."""
    try:
        sigma = fitted(method)(formula, data, reml)
    except LmformsError as exc:
        lost = noise > 0 and "lost" in str(exc)
        return "" if lost else type(exc).__name__
    if noise == 0.0:
        return "" if np.isnan(sigma) else "an exact fit is not refused"
    if np.isnan(sigma):
        return "noise is taken for rounding"
    return "" if 0.5 < sigma / noise < 2.0 else "another residual variance"


def main(tries: int, seed: int) -> Counter[str]:
    """Count what goes wrong."""
    rng = np.random.default_rng(seed)
    found: Counter[str] = Counter()
    for _ in range(tries):
        formula, data, kind = case(rng)
        unit = np.finfo(float).eps * float(np.abs(data["y"]).max())
        sigma = max(NOISE * unit, float(data["y"].std()) * 10.0 ** -rng.uniform(1, 20))
        noisy = data.assign(y=data["y"] + sigma * rng.normal(size=len(data)))
        for method in METHODS:
            if method == "emma" and formula != "y ~ x + (1 | g)":
                continue
            reml = bool(rng.random() < 0.5)
            for table, noise in ((data, 0.0), (noisy, sigma)):
                found["tries"] += 1
                if wrong := fault(method, formula, table, reml, noise):
                    found[f"{wrong}: {method}, {kind}"] += 1
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for what, count in main(options.tries, options.seed).most_common():
        sys.stdout.write(f"{count:6}  {what}\n")
