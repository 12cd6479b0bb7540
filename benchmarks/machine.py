"""On what the figures were taken, and how long a process of ours takes to start."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from peers import HERE, installed
from processes import environment, total_memory


def about(peers: list[str], python: str, threads: int) -> dict[str, Any]:
    """Machine, versions, threads, and the day."""
    return {
        "machine": describe(),
        "threads": threads,
        "versions": {"Python": platform.python_version(), **installed(peers, python)},
        "date": date.today().isoformat(),
    }


def describe() -> str:
    """Processor, cores, memory, system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    memory = total_memory() / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


FIT = ["fit", "pr_dung ~ flies + (1 | oven_block)", str(HERE.parent / "datasets" / "dung.csv")]


def startup(threads: int, runs: int = 7, before: Path | None = None) -> dict[str, Any]:
    """Whole processes, in turn: what a user waits for before the first fit.

    Parameters
    ----------
    before : Path, optional
        Root of an earlier revision, whose processes come in the same turns.

    Returns
    -------
    dict
        Medians of the runs after the first, `seconds` by the clock and `cpu`; with those of the
        earlier revision as `before`: `seconds` and `cpu`.
    """
    script = "import pandas, formulaic, scipy.sparse"
    others = {"`import pandas`": ["-c", "import pandas"], f"`{script}`": ["-c", script]}
    roots = {"": HERE.parent, **({"before": before} if before else {})}
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        jobs = {}
        for where, root in roots.items():
            saved = str(Path(folder) / f"dung{where}.lmf")
            process_seconds(["-m", "lmforms.cli", *FIT, "--save", saved], threads, root)
            ours = {
                "`import lmforms`": ["-c", "import lmforms"],
                "`from lmforms import lmer`": ["-c", "from lmforms import lmer"],
                "`lmforms versions`": ["-m", "lmforms.cli", "versions"],
                "`lmforms fit … dung.csv`": ["-m", "lmforms.cli", *FIT],
                "`lmforms summary dung.lmf`": ["-m", "lmforms.cli", "summary", saved],
            }
            mine = ours if where else {**others, **ours}
            jobs.update({(where, name): (command, root) for name, command in mine.items()})
        for i in range(runs + 1):
            for key, (command, root) in jobs.items():
                took = process_seconds(command, threads, root)
                if i:
                    times.setdefault(key, []).append(took)
    found: dict[str, Any] = {"date": date.today().isoformat(), **medians(times, "")}
    return {**found, "before": medians(times, "before")} if before else found


def process_seconds(arguments: list[str], threads: int, root: Path) -> tuple[float, float]:
    """By the clock, and of the processor."""
    used = processor_of_children()
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=True,
        env=environment(threads, root),
    )
    return time.perf_counter() - start, processor_of_children() - used


def processor_of_children() -> float:
    """Seconds of processor time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def medians(times: dict[tuple[str, str], list[tuple[float, float]]], where: str) -> dict[str, Any]:
    """Of one root, by the clock and of the processor."""
    mine = {name: runs for (root, name), runs in times.items() if root == where}
    return {
        measure: {name: statistics.median(run[i] for run in runs) for name, runs in mine.items()}
        for i, measure in enumerate(("seconds", "cpu"))
    }
