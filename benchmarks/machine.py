"""On what the figures were taken, and how long a process of ours takes to start."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
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


def startup(threads: int, runs: int = 7) -> dict[str, Any]:
    """Whole processes, in turn: what a user waits for before the first fit."""
    script = "import pandas, formulaic, scipy.sparse"
    data = str(HERE.parent / "datasets" / "dung.csv")
    formula = "pr_dung ~ flies + (1 | oven_block)"
    commands = {
        "`import pandas`": ["-c", "import pandas"],
        f"`{script}`": ["-c", script],
        "`import lmforms`": ["-c", "import lmforms"],
        "`from lmforms import lmer`": ["-c", "from lmforms import lmer"],
        "`lmforms fit … dung.csv`": ["-m", "lmforms.cli", "fit", formula, data],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, *command],
                capture_output=True,
                check=True,
                env=environment(threads),
            )
            times[name].append(time.perf_counter() - start)
    return {
        "date": date.today().isoformat(),
        "seconds": {name: statistics.median(t) for name, t in times.items()},
    }
