"""Run a worker under limits of time and memory, and make one cell of what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path
from typing import Any

from jobs import Job
from peers import HERE, Peer

PATIENCE = 180.0
"""Seconds for a worker to import its peer and to read the data."""

NO_MEMORY = re.compile(
    r"out of memory|AllocError|bad_alloc|MemoryError|cannot allocate|memory allocation of", re.I
)
"""How programs say that they could not have what they asked for."""

NAMED_ERROR = re.compile(r"(\w+\.)*\w+(Error|Exception): ")
"""The line of a Python traceback that says what was raised."""

Cell = dict[str, Any]


THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")
"""Libraries that read their number of threads from a variable of this name and _NUM_THREADS."""


def environment(threads: int, root: Path = HERE.parent) -> dict[str, str]:
    """The same number of threads for every library, and the lmforms that is in `root`."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    numbers = {f"{name}_NUM_THREADS": str(threads) for name in THREADS}
    path = os.pathsep.join(p for p in (str(root), kept.get("PYTHONPATH")) if p)
    return {**kept, **numbers, "PYTHONPATH": path}


def leave_nothing_running() -> None:
    """Let a request to end us unwind, once, so that the worker of the moment ends, too."""

    def unwind(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, unwind)


def total_memory() -> int:
    """Bytes of memory in this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cell(
    peer: Peer,
    job: Job,
    folder: Path,
    *,
    python: str,
    threads: int = 2,
    memory: int = 0,
    evaluation: bool = False,
) -> Cell:
    """Let `peer` fit `job` to the data in `folder`.

    Parameters
    ----------
    memory : int
        Bytes of address space that the worker may have; 0 means three quarters of the
        machine's memory.
    evaluation : bool
        Ask for the time of one evaluation, too (lmforms).

    Returns
    -------
    dict
        `seconds`, `memory` … of the calls that ended in time, or `over` (the limit), or
        `error`; with `remarks` and the `date`.
    """
    if evaluation and peer.name != "lmforms":
        raise ValueError("only lmforms tells the time of one evaluation")
    command = peer.command(job, folder, python, evaluation)
    command = limited(command, memory)
    events, stderr, code, timed_out = _listen(command, job.limit, environment(threads))
    found = summary(events)
    if not found:
        if timed_out:
            found = {"over": job.limit if events else PATIENCE}
        else:
            found = {"error": last_words(stderr, code)}
    said = found.pop("remark", None)
    remarks = peer.remarks(job) + ([said] if said else [])
    return {**found, "remarks": remarks, "date": date.today().isoformat()}


def limited(command: list[str], memory: int = 0) -> list[str]:
    """The command with so many bytes of address space; 0: three quarters of the memory."""
    memory = memory or total_memory() * 3 // 4
    return ["sh", "-c", 'ulimit -v "$0" && exec "$@"', str(memory // 1024), *command]


def summary(events: list[dict[str, Any]]) -> Cell:
    """The cell of a worker's lines: medians over the calls after the first, if there are any."""
    calls = [e for e in events if "seconds" in e]
    if not calls:
        return {}
    times = [c["seconds"] for c in calls]
    counted = times[1:] or times
    out = {
        "seconds": statistics.median(counted),
        "first": times[0],
        "counted": len(counted) if len(times) > 1 else 0,
        "memory": calls[-1]["memory"],
        "baseline": next(e["ready"] for e in events if "ready" in e),
        "evaluations": calls[-1]["evaluations"],
        "criterion": calls[-1]["criterion"],
        "remark": calls[-1].get("remark") or None,
    }
    for event in events:
        out.update({k: v for k, v in event.items() if k == "evaluation"})
    return out


def _listen(
    command: list[str], limit: float, env: dict[str, str]
) -> tuple[list[dict[str, Any]], str, int, bool]:
    """A worker's lines, its standard error, its exit code, and whether it was stopped.

    It is stopped when a line takes longer than `limit` (the first: PATIENCE).
    """
    events: list[dict[str, Any]] = []
    stopped = threading.Event()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=env,
        )

        def stop() -> None:
            stopped.set()
            process.kill()  # sh and Rscript have become the worker itself

        def watch(seconds: float) -> threading.Timer:
            timer = threading.Timer(seconds, stop)
            timer.daemon = True
            timer.start()
            return timer

        timer = watch(PATIENCE)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                timer.cancel()
                if line.startswith("{"):
                    events.append(json.loads(line))
                timer = watch(limit)
            process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                stop()
                process.wait()
        errors.seek(0)
        return events, errors.read(), process.returncode, stopped.is_set()


def last_words(stderr: str, code: int) -> str:
    """The line that says what went wrong."""
    if NO_MEMORY.search(stderr):
        return "out of memory"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if code in (-signal.SIGSEGV, 128 + signal.SIGSEGV):
        return "crashed (segmentation fault)"
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "killed: out of memory?"
    lines = [x for x in lines if not x.startswith(("Calls:", "Execution halted"))]
    named = [x for x in lines if NAMED_ERROR.match(x)]  # an excerpt of a formula may follow it
    last = (named or lines or [f"exit code {code}"])[-1]
    return re.sub(r"^(\w+\.)+(?=\w+: )", "", last)
