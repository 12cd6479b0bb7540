"""A Python program on one job, in a process that waits: every line it reads is a number of calls.

Prints a line of JSON once the data are in memory, and one after every number of calls.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import fits
from worker import forget_peak, own_stdout, resident, tell


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=fits.PROGRAMS)
    parser.add_argument("folder", type=Path, help="data, as exchange.write left them")
    parser.add_argument("formula")
    parser.add_argument("--ml", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    out = own_stdout()
    program = fits.PROGRAMS[args.program]
    importlib.import_module(program.module)
    data = program.read(args.folder)
    forget_peak()
    tell(out, {"ready": resident("VmRSS")})
    for line in sys.stdin:
        tell(out, calls(program, args.formula, data, not args.ml, int(line)))


def calls(program: fits.Program, formula: str, data: Any, reml: bool, count: int) -> dict[str, Any]:
    """Seconds of each call by the clock, and of the processor per call."""
    seconds = []
    processor = time.process_time()
    for _ in range(count):
        start = time.perf_counter()
        criterion, evaluations = program.fit(formula, data, reml)
        seconds.append(time.perf_counter() - start)
    processor = time.process_time() - processor
    return {
        "wall": seconds,
        "cpu": processor / count,
        "memory": resident("VmHWM"),
        "criterion": criterion,
        "evaluations": evaluations,
    }


if __name__ == "__main__":
    main()
