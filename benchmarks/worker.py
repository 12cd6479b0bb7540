"""One Python peer on one job, in a process of its own.

Prints a line of JSON once the data are in memory, and one after every call, so that whoever
waits can stop it at any call and keep the others.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any, TextIO

import exchange
import fits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=fits.PROGRAMS)
    parser.add_argument("folder", type=Path, help="data, as exchange.write left them")
    parser.add_argument("formula")
    parser.add_argument("--ml", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--long", type=float, default=20.0, help="a longer call is not repeated")
    parser.add_argument("--evaluation", action="store_true", help="time one evaluation, too")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    out = own_stdout()
    program = fits.PROGRAMS[args.peer]
    importlib.import_module(program.module)
    data = exchange.read(args.folder)
    forget_peak()
    tell(out, {"ready": resident("VmRSS")})
    for _ in range(1 + args.repeats):
        start = time.perf_counter()
        criterion, evaluations = program.fit(args.formula, data, not args.ml)
        seconds = time.perf_counter() - start
        tell(
            out,
            {
                "seconds": seconds,
                "memory": resident("VmHWM"),
                "evaluations": evaluations,
                "criterion": criterion,
            },
        )
        if seconds > args.long:
            break
    if args.evaluation:
        at = fits.optimum(args.formula, data, not args.ml)
        tell(out, {"evaluation": fits.evaluation_seconds(at)})


def own_stdout() -> TextIO:
    """Standard output for our lines alone: whatever a library prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def tell(out: TextIO, event: dict[str, Any]) -> None:
    out.write(json.dumps(event) + "\n")
    out.flush()


def forget_peak() -> None:
    """Let the peak start from what is held now, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def resident(field: str) -> int:
    """VmRSS or VmHWM in bytes; elsewhere than on Linux the peak for both.

    The peak that getrusage tells would include the parent's at the time of its fork.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


if __name__ == "__main__":
    main()
