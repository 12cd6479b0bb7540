"""Run every job with every installed peer, one after the other, and write the table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jobs import JOBS, Job

HERE = Path(__file__).resolve().parent
PYTHON_PEERS = ("lmforms", "mixedlm", "statsmodels")
PEERS = (*PYTHON_PEERS, "lme4")
THREADS = "2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--python", default=sys.executable, help="interpreter of Python peers")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    args = parser.parse_args()
    peers = [p for p in args.peers if installed(p, args.python)]
    sections = [header(peers, args.python), startup()]
    for name in args.jobs:
        sections.append(job_table(JOBS[name], peers, args.python))
        sys.stderr.write(sections[-1] + "\n")
    args.out.write_text("\n".join(sections), encoding="utf-8")


def installed(peer: str, python: str) -> bool:
    if peer == "lmforms":
        return True
    if peer == "lme4":
        if shutil.which("Rscript") is None:
            return False
        check = ["Rscript", "-e", "library(lme4); library(jsonlite)"]
    else:
        check = [python, "-c", f"import {peer}"]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


def environment() -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **dict.fromkeys(names, THREADS), "PYTHONPATH": path}


def run_peer(job: Job, peer: str, python: str, folder: Path) -> dict[str, Any]:
    data = job.data()
    source = folder / "data.csv"
    if not source.exists():
        data.to_csv(source, index=False)
    factors = ",".join(c for c in data if str(data[c].dtype) == "category")
    if peer == "lme4":
        command = ["Rscript", str(HERE / "worker.R"), str(source), factors, job.formula]
        command += [str(job.reml).upper(), str(job.repeats)]
    else:
        interpreter = sys.executable if peer == "lmforms" else python
        command = [interpreter, str(HERE / "worker.py"), peer, str(source), factors, job.formula]
        command += ["--repeats", str(job.repeats), *([] if job.reml else ["--ml"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["failed"])[-1]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def job_table(job: Job, peers: list[str], python: str) -> str:
    without = dict(job.without)
    lines = [
        f"## {job.name}",
        f"`{job.formula}`, {len(job.data()):,} rows, {'REML' if job.reml else 'ML'}",
        "",
        "| peer | time | × lmforms | peak memory | evaluations | criterion |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    base = None
    with tempfile.TemporaryDirectory() as folder:
        for peer in peers:
            if peer in without:
                lines.append(f"| {peer} | – | – | – | – | {without[peer]} |")
                continue
            got = run_peer(job, peer, python, Path(folder))
            if "error" in got:
                lines.append(f"| {peer} | – | – | – | – | failed: {got['error'][:80]} |")
                continue
            base = base or got["seconds"]
            lines.append(
                f"| {peer} | {seconds(got['seconds'])} | {got['seconds'] / base:.2f} | "
                f"{got['memory'] / 2**20:.0f} MiB | {got['evaluations'] or '–'} | "
                f"{got['criterion']:.7f} |"
            )
    return "\n".join([*lines, ""])


def startup(runs: int = 7) -> str:
    """Whole processes: what a user waits for before the first fit."""
    script = "import pandas, formulaic, scipy.sparse"
    data = str(HERE.parent / "datasets" / "dung.csv")
    formula = "pr_dung ~ flies + (1 | oven_block)"
    rows = {
        "`import pandas`": ["-c", "import pandas"],
        f"`{script}`": ["-c", script],
        "`import lmforms`": ["-c", "import lmforms"],
        "`from lmforms import lmer`": ["-c", "from lmforms import lmer"],
        "`lmforms fit … dung.csv`": ["-m", "lmforms.cli", "fit", formula, data],
    }
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(runs):
        for name, command in rows.items():
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, *command], capture_output=True, check=True, env=environment()
            )
            times[name].append(time.perf_counter() - start)
    lines = ["## start-up", "Whole processes, in turn.", "", "| process | median |", "|---|---:|"]
    lines += [f"| {name} | {seconds(statistics.median(t))} |" for name, t in times.items()]
    return "\n".join([*lines, ""])


def header(peers: list[str], python: str) -> str:
    versions = [f"Python {platform.python_version()}"]
    for peer in peers:
        if peer == "lme4":
            command = ["Rscript", "-e", "cat(as.character(packageVersion('lme4')))"]
        else:
            code = f"from importlib.metadata import version as v; print(v('{peer}'))"
            command = [sys.executable if peer == "lmforms" else python, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        versions.append(f"{peer} {done.stdout.strip() or '(checkout)'}")
    return "\n".join(
        [
            "# Results",
            "",
            f"{machine()}; {', '.join(versions)}; {THREADS} threads. Times are medians of whole "
            "calls (formula to fitted model), ratios against lmforms in the same run.",
            "",
        ]
    )


def machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


if __name__ == "__main__":
    main()
