"""Bootstraps beside lme4's bootMer and pbkrtest's PBmodcomp, in one run.

    python benchmarks/bootstrap_jobs.py                    # bootstrap_jobs.json and .md
    python benchmarks/bootstrap_jobs.py --jobs sleepstudy  # some

1,000 replicates of all parameters, and a test with 1,000 drawn statistics. Ours are warm medians
of five runs; R's run once. Every package has one thread.
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
import pandas as pd

import lmforms as lf

HERE = Path(__file__).resolve().parent
REPLICATES = 1000
REPEATS = 5

# formula, that of a smaller model, data
BOOTSTRAP_JOBS: dict[str, tuple[str, str, str]] = {
    "sleepstudy": (
        "Reaction ~ Days + (Days | Subject)",
        "Reaction ~ 1 + (Days | Subject)",
        "sleepstudy",
    ),
    "penicillin": (
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        "diameter ~ 1 + (1 | sample)",
        "Penicillin",
    ),
    "cake": (
        "angle ~ recipe + temp + (1 | recipe:replicate)",
        "angle ~ temp + (1 | recipe:replicate)",
        "cake",
    ),
}


def seconds(call: Callable[[], Any]) -> float:
    """Median, after a first call."""
    call()
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def ours(formula: str, smaller: str, data: pd.DataFrame) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    fit = lf.lmer(formula, data)
    pair = [lf.lmer(f, data, reml=False) for f in (smaller, formula)]
    test = lf.anova(*pair, bootstrap=REPLICATES, seed=1)
    return {
        "replicates": seconds(lambda: fit.bootstrap(REPLICATES, seed=1)),
        "std_error": fit.bootstrap(REPLICATES, seed=1).std_error.tolist(),
        "test": seconds(lambda: lf.anova(*pair, bootstrap=REPLICATES, seed=1)),
        "p_value": float(test["p_value_bootstrap"].iloc[1]),
    }


def of_r(formula: str, smaller: str, data: pd.DataFrame) -> dict[str, Any]:
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        exchange.write(data, Path(folder))
        command = ["Rscript", str(HERE / "bootstrap_jobs.R"), folder, formula]
        command += [str(REPLICATES), smaller]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return {k: v if k == "std_error" else v[0] for k, v in found.items()}


def bootstrap_job(name: str) -> dict[str, Any]:
    """Seconds and figures of one job, ours and R's."""
    formula, smaller, table = BOOTSTRAP_JOBS[name]
    data = lf.datasets.load(table)
    return {"lmforms": ours(formula, smaller, data), "R": of_r(formula, smaller, data)}


def as_markdown(results: dict[str, Any]) -> str:
    lines = [
        f"Seconds for {REPLICATES:,} replicates of all parameters, and for a test with as many "
        "drawn statistics.",
        "",
        "| job | lmforms | lme4 bootMer | times | lmforms test | PBmodcomp | times |",
        "| --- |" + " ---: |" * 6,
    ]
    for name, found in results.items():
        cells = []
        for key in ("replicates", "test"):
            own, other = found["lmforms"][key], found["R"].get(key)
            cells.append(f"{own:.3g}")
            cells += ["—", "—"] if other is None else [f"{other:.3g}", f"{other / own:.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", nargs="*", choices=list(BOOTSTRAP_JOBS), default=None)
    options = parser.parse_args()
    store = HERE / "bootstrap_jobs.json"
    results = json.loads(store.read_text()) if store.exists() else {}
    for name in options.jobs or BOOTSTRAP_JOBS:
        results[name] = bootstrap_job(name)
        print(as_markdown({name: results[name]}).splitlines()[-1])
    results = {name: results[name] for name in BOOTSTRAP_JOBS if name in results}
    store.write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "bootstrap_jobs.md").write_text(as_markdown(results))


if __name__ == "__main__":
    main()
