"""Intervals after a fit, beside lme4, in one run.

    python benchmarks/intervals.py                            # intervals.json and intervals.md
    python benchmarks/intervals.py --jobs profile:sleepstudy  # some

What is timed is the profile of all parameters with the limits of its intervals: the fit is there.
Processor seconds of one thread, the median of some repeats after a first one. R with lme4 and
jsonlite is used where it is installed.
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
R_REPEATS = 3

MODELS: dict[str, str] = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "Dyestuff": "Yield ~ 1 + (1 | Batch)",
    "Penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "Machines": "score ~ Machine + (0 + Machine | Worker)",
    "cake": "angle ~ recipe + temp + (1 | recipe:replicate)",
}


def processor_seconds(call: Callable[[], Any], repeats: int) -> float:
    """Median, without the first call."""
    taken = []
    for _ in range(repeats + 1):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return statistics.median(taken[1:])


def of_r(formula: str, data: pd.DataFrame, repeats: int) -> dict[str, Any]:
    """What intervals.R prints; a remark without R."""
    if shutil.which("Rscript") is None:
        return {"remark": "R is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        exchange.write(data, Path(folder))
        command = ["Rscript", str(HERE / "intervals.R"), folder, formula, str(repeats)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"remark": " ".join(done.stderr.strip().splitlines()[-1:]) or "failed"}
    found = json.loads(lines[-1])
    return {"profile": found["profile"][0], "limits": found["limits"]}


def profile_job(name: str, repeats: int) -> dict[str, Any]:
    """Seconds of all profiles and their intervals, here and in lme4."""
    formula, data = MODELS[name], lf.datasets.load(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer(formula, data, reml=False)
        ours = processor_seconds(lambda: fit.profile().conf_int(), repeats)
    other = of_r(formula, data, R_REPEATS)
    out = {"rows": len(data), "parameters": len(fit.profile().names), "lmforms": ours}
    if "profile" not in other:
        return {**out, "remark": other["remark"]}
    return {**out, "lme4": other["profile"], "ratio": other["profile"] / ours}


JOBS: dict[str, Callable[[int], dict[str, Any]]] = {
    f"profile:{name}": lambda repeats, name=name: profile_job(name, repeats) for name in MODELS
}


def as_markdown(results: dict[str, Any]) -> str:
    lines = [
        "Processor seconds of all profiles and their 95 % intervals, the fit being there.",
        "",
        "| job | rows | parameters | lmforms | lme4 | ratio |",
        "| --- |" + " ---: |" * 5,
    ]
    for name, found in results.items():
        numbers = [f"{found[k]:.3g}" if k in found else "—" for k in ("lmforms", "lme4", "ratio")]
        lines.append(
            f"| {name} | {found['rows']} | {found['parameters']} | {' | '.join(numbers)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", nargs="*", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    store = HERE / "intervals.json"
    results = json.loads(store.read_text()) if store.exists() else {}
    for name in options.jobs:
        results[name] = JOBS[name](options.repeats)
        print(as_markdown({name: results[name]}).splitlines()[-1])
    results = {name: results[name] for name in JOBS if name in results}
    store.write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "intervals.md").write_text(as_markdown(results))


if __name__ == "__main__":
    main()
