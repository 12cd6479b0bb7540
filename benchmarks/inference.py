"""Tests after a fit: degrees of freedom beside lmerTest and pbkrtest, in one run.

    python benchmarks/inference.py                    # inference.json and inference.md
    python benchmarks/inference.py --jobs sleepstudy  # some

What is timed is the tests alone: the fit is there, and nothing of an earlier test is kept. Every
package has one thread. R with lmerTest, pbkrtest and jsonlite is used where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import exchange
import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.inference.coefficients import coefficient_tests
from lmforms.inference.degrees_of_freedom import methods as df_methods

HERE = Path(__file__).resolve().parent
LIMIT = 60.0
LONG = 20.0


def crossed(rows: int, levels: tuple[int, int]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    g, h = (rng.integers(0, q, rows) for q in levels)
    x = rng.normal(size=rows)
    y = x + rng.normal(size=levels[0])[g] + rng.normal(size=levels[1])[h] + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "g": pd.Categorical(g), "h": pd.Categorical(h)})


JOBS: dict[str, tuple[str, Callable[[], pd.DataFrame]]] = {
    "sleepstudy": (
        "Reaction ~ Days + (Days | Subject)",
        lambda: lf.datasets.load("sleepstudy"),
    ),
    "cake": (
        "angle ~ recipe * temperature + (1 | recipe:replicate)",
        lambda: lf.datasets.load("cake"),
    ),
    "machines": ("score ~ Machine + (Machine | Worker)", lambda: lf.datasets.load("Machines")),
    "penicillin": (
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        lambda: lf.datasets.load("Penicillin"),
    ),
    "crossed-2000": ("y ~ x + (1 | g) + (1 | h)", lambda: crossed(2000, (100, 40))),
    "crossed-10000": ("y ~ x + (1 | g) + (1 | h)", lambda: crossed(10_000, (500, 200))),
    "insteval": (
        "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
        lambda: lf.datasets.load("InstEval"),
    ),
}


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Median, without the first call unless it is long."""
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
        if taken[-1] > LONG:
            break
    return statistics.median(taken[1:] or taken)


def ours(formula: str, data: pd.DataFrame, repeats: int) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    fit = lf.lmer(formula, data)

    def tests(ddf: str) -> Any:
        df_methods._cached.clear()
        return coefficient_tests(fit.state, ddf)

    out: dict[str, Any] = {"fit": seconds(lambda: lf.lmer(formula, data), repeats)}
    for ddf in ("satterthwaite", "kenward-roger"):
        key = ddf.replace("-", "_")
        out[key] = seconds(lambda ddf=ddf: tests(ddf), repeats)
        out[f"{key}_df"] = tests(ddf).df.tolist()
    return out


def of_r(formula: str, data: pd.DataFrame, repeats: int) -> dict[str, Any]:
    if shutil.which("Rscript") is None:
        return {"remark": "R is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        exchange.write(data, Path(folder))
        command = ["Rscript", str(HERE / "inference.R"), folder, formula, str(repeats), str(LIMIT)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=3 * LIMIT, check=False
            )
            text, remark = done.stdout, done.stderr.strip().splitlines()[-1:]
        except subprocess.TimeoutExpired as stopped:
            text, remark = (stopped.stdout or b"").decode(), [f"stopped after {3 * LIMIT:g} s"]
    lines = [line for line in text.splitlines() if line.startswith("{")]
    found = {k: v if k.endswith("_df") else v[0] for k, v in json.loads(lines[-1]).items()}
    if "kenward_roger" not in found:
        found["remark"] = " ".join(remark) or "failed"
    return found


def as_markdown(results: dict[str, Any]) -> str:
    lines = [
        "Seconds: the fit, and the tests of all coefficients after it.",
        "",
        "| job | rows | fit | Satterthwaite | Kenward–Roger | lme4 fit | lmerTest | pbkrtest | "
        "largest relative difference of df |",
        "| --- |" + " ---: |" * 8,
    ]
    for name, found in results.items():
        mine, other = found["lmforms"], found["R"]
        cells = [f"{mine[k]:.4g}" for k in ("fit", "satterthwaite", "kenward_roger")]
        cells += [
            f"{other[k]:.4g}" if k in other else f"— ({other.get('remark', '')})"
            for k in ("fit", "satterthwaite", "kenward_roger")
        ]
        gaps = [
            f"{np.max(np.abs(np.divide(mine[k], other[k]) - 1)):.1e}"
            for k in ("satterthwaite_df", "kenward_roger_df")
            if k in other
        ]
        lines.append(f"| {name} | {found['rows']} | {' | '.join(cells)} | {', '.join(gaps)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", nargs="*", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    store = HERE / "inference.json"
    results = json.loads(store.read_text()) if store.exists() else {}
    for name in options.jobs:
        formula, load = JOBS[name]
        data = load()
        results[name] = {
            "rows": len(data),
            "lmforms": ours(formula, data, options.repeats),
            "R": of_r(formula, data, options.repeats),
        }
        print(as_markdown({name: results[name]}).splitlines()[-1])
    results = {name: results[name] for name in JOBS if name in results}
    store.write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "inference.md").write_text(as_markdown(results))


if __name__ == "__main__":
    main()
