"""Influence without refits beside the fit itself: times of both, and their ratio.

    python benchmarks/influence.py

writes influence.json and influence.md. Medians of five in one process. A fit here is the search
alone, of a model whose formula and data have been read; influence is everything from the fit to a
table of measures.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf

HERE = Path(__file__).parent
REPEATS = 5


def groups(q: int, m: int) -> pd.DataFrame:
    """q groups of m rows with levels and slopes of their own."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(q), m)
    x = np.tile(np.arange(float(m)), q)
    y = rng.normal(size=q)[g] + (1.0 + 0.3 * rng.normal(size=q)[g]) * x + rng.normal(size=q * m)
    z = rng.normal(size=q * m)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g, "item": np.arange(q * m) % 37})


def median_time(job: Callable[[], Any]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    sleep = lf.datasets.load("sleepstudy")
    models = [
        ("sleepstudy, slopes", "Reaction ~ Days + (Days | Subject)", sleep, "Subject"),
        ("1,000 groups × 10, slopes", "y ~ x + z + (x | g)", groups(1_000, 10), "g"),
        ("20,000 groups × 5, slopes", "y ~ x + z + (x | g)", groups(20_000, 5), "g"),
        ("300 groups × 37, crossed", "y ~ x + z + (1 | g) + (1 | item)", groups(300, 37), "g"),
    ]
    found = {}
    for name, formula, data, by in models:
        model = lf.MixedModel(formula, data)
        fit = model.fit()

        def measured(by: str, fit: Any = fit) -> Any:
            return fit.influence(by).table

        jobs = {
            "fit": model.fit,
            "group": partial(measured, by),
            "row": partial(measured, "observation"),
        }
        found[name] = {job: median_time(call) for job, call in jobs.items()}
    (HERE / "influence.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    (HERE / "influence.md").write_text(as_markdown(found))
    print(as_markdown(found))


def as_markdown(found: dict[str, dict[str, float]]) -> str:
    lines = [
        "Milliseconds of a fit, and of influence without refits: all measures, by group and row.",
        "",
        "| model | fit | by group | times the fit | by row |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, seconds in found.items():
        fit, group, row = (1e3 * seconds[job] for job in ("fit", "group", "row"))
        lines.append(f"| {name} | {fit:.1f} | {group:.1f} | {group / fit:.2f} | {row:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
