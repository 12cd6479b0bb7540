"""Jobs that each run in a process of their own: time, memory, and one object of all figures."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any


def seconds(call: Any, repeats: int = 1) -> tuple[float, Any]:
    """The shortest time of some calls, and the last result."""
    times, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def status(field: str) -> float:
    """A line of Linux' table of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def held() -> float:
    """What is resident now, in MB; the peak starts again from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def peak() -> float:
    """Largest resident set since :func:`held`, in MB."""
    return status("VmHWM")


def main(jobs: dict[str, Callable[[float], dict[str, Any]]], script: str, about: str) -> None:
    """Run jobs of a script, each in its own process, and print an object of their figures."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("jobs", nargs="*", help=", ".join(jobs))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(jobs[options.jobs[0]](0.1 if options.small else 1.0)))
        return
    found: dict[str, Any] = {"date": date.today().isoformat()}
    for name in options.jobs or list(jobs):
        command = [sys.executable, script, name, "--here"] + ["--small"] * options.small
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = {**json.loads(done.stdout.splitlines()[-1]), "date": found["date"]}
    print(json.dumps(found, indent=1))
