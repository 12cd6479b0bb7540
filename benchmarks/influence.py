"""Influence without refits beside the fit itself: times of both, and their ratio.

    python benchmarks/influence.py

Best of five in one process. A fit here is the search alone, of a model whose formula and data have
been read; influence is everything from the fit to a table of measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf

REPEATS = 5


def groups(q: int, m: int) -> pd.DataFrame:
    """q groups of m rows with levels and slopes of their own."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(q), m)
    x = np.tile(np.arange(float(m)), q)
    y = rng.normal(size=q)[g] + (1.0 + 0.3 * rng.normal(size=q)[g]) * x + rng.normal(size=q * m)
    z = rng.normal(size=q * m)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g, "item": np.arange(q * m) % 37})


def best(job: Callable[[], Any]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    sleep = lf.datasets.load("sleepstudy")
    models = [
        ("sleepstudy, slopes", "Reaction ~ Days + (Days | Subject)", sleep, "Subject"),
        ("1,000 groups × 10, slopes", "y ~ x + z + (x | g)", groups(1_000, 10), "g"),
        ("20,000 groups × 5, slopes", "y ~ x + z + (x | g)", groups(20_000, 5), "g"),
        ("300 groups × 37, crossed", "y ~ x + z + (1 | g) + (1 | item)", groups(300, 37), "g"),
    ]
    print("| model | fit | by group | ratio | by observation |")
    print("|---|---|---|---|---|")
    for name, formula, data, by in models:
        model = lf.MixedModel(formula, data)
        fit = model.fit()

        def measured(by: str, fit: Any = fit) -> Any:
            return fit.influence(by).table

        times = [best(model.fit), *(best(lambda b=b: measured(b)) for b in (by, "observation"))]
        fitting, of_groups, of_rows = (1e3 * t for t in times)
        ratio = of_groups / fitting
        print(
            f"| {name} | {fitting:.1f} ms | {of_groups:.1f} ms | {ratio:.2f} | {of_rows:.1f} ms |"
        )


if __name__ == "__main__":
    main()
