#!/usr/bin/env python3
"""From `import lmforms` to the first HTML summary of sleepstudy, each time in a new process.

    python benchmarks/first_summary.py [--runs 9]

writes first_summary.md. Bytecode is there after the first run, which does not count; give the
environment without extras, as packages that pandas looks for (pyarrow) are imported too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

STEPS = """
import time
started = time.perf_counter()
import numpy, pandas, scipy.linalg, scipy.special, scipy.sparse.linalg
libraries = time.perf_counter()
import formulaic
formulas = time.perf_counter()
import lmforms as lf
sleep = lf.datasets.load("sleepstudy")
fit = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep)
fitted = time.perf_counter()
fit._repr_html_()
shown = time.perf_counter()
print(libraries - started, formulas - libraries, fitted - formulas, shown - fitted, shown - started)
"""
NAMES = ("NumPy, pandas, SciPy", "formulaic", "lmforms: import, data, fit", "HTML summary", "all")


def measured(runs: int) -> list[tuple[float, ...]]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for _ in range(runs + 1):
        command = [sys.executable, "-c", STEPS]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(tuple(map(float, done.stdout.split())))
    return found[1:]


def page(found: list[tuple[float, ...]]) -> str:
    lines = [
        "# From import to the first HTML summary",
        "",
        f"Seconds by the clock in a new process, {len(found)} runs (`first_summary.py`): "
        "`import lmforms`, sleepstudy, a fit with slopes, its HTML with Satterthwaite's tests.",
        "",
        "| step | median | least |",
        "| --- | ---: | ---: |",
    ]
    for name, seconds in zip(NAMES, zip(*found, strict=True), strict=True):
        lines.append(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    text = page(measured(parser.parse_args().runs))
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
