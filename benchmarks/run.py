"""Run every job with every installed peer, one after the other, and write RESULTS.md.

python benchmarks/run.py                     # everything: hours
python benchmarks/run.py --jobs insteval     # these jobs again, merged into the rest
python benchmarks/run.py --only-tables       # RESULTS.md from the stored figures
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import exchange
import machine
import store
import tables
from jobs import JOBS, Job
from peers import HERE, PEERS, Peer
from processes import cell, environment, leave_nothing_running


def main() -> None:
    args = arguments()
    leave_nothing_running()
    path = args.folder / "results.json"
    results = store.load(path)
    results.setdefault("jobs", {})
    if not args.only_tables:
        old = results.get("about", {}).get("versions", {})
        about = machine.about(args.peers, args.python, args.threads)
        results["about"] = {**about, "versions": {**old, **about["versions"]}}
        args.there = about["versions"]
        for part in args.parts:
            PART[part](args, results)
            store.save(path, results)
    tables.write(args.folder, results, store.load(args.folder / "growth.json"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, help="only these jobs")
    parser.add_argument("--parts", nargs="+", choices=PART, help="only these parts")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--python", default=sys.executable, help="interpreter of Python peers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=float, help="seconds per call, whatever the job says")
    parser.add_argument("--repeats", type=int, help="timed calls, whatever the job says")
    parser.add_argument("--memory", type=float, default=0.0, help="GiB a peer may have")
    parser.add_argument("--only-tables", action="store_true")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the results are")
    args = parser.parse_args()
    args.parts = args.parts or (["jobs"] if args.jobs else list(PART))
    args.jobs = args.jobs or list(JOBS)
    return args


def run_jobs(args: argparse.Namespace, results: dict[str, Any]) -> None:
    peers = [PEERS[p] for p in args.peers]
    absent = {p.name: {"without": "not installed"} for p in peers if not p.is_installed(args.there)}
    peers = [p for p in peers if p.name not in absent]
    for name in args.jobs:
        changes = {"limit": args.limit, "repeats": args.repeats}
        job = replace(JOBS[name], **{k: v for k, v in changes.items() if v is not None})
        old = results["jobs"].get(name, {}).get("cells", {})
        missing = {p: why for p, why in absent.items() if PEERS[p].runs(job)}
        found = run_job(job, peers, args)
        found["machine"] = results["about"]["machine"]
        found["cells"] = {**missing, **old, **found["cells"]}
        results["jobs"][name] = found
        store.save(args.folder / "results.json", results)
        sys.stderr.write(tables.job(name, found, found["machine"]) + "\n")


def run_job(job: Job, peers: list[Peer], args: argparse.Namespace) -> dict[str, Any]:
    """Make the data once, and let the peers have them in turn."""
    cells: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = job.data()
        rows = len(data)
        exchange.write(data, folder)
        del data
        for peer in peers:
            if not peer.runs(job):
                continue
            why = peer.refuses(job)
            cells[peer.name] = (
                {"without": why}
                if why
                else cell(
                    peer,
                    job,
                    folder,
                    python=args.python,
                    threads=args.threads,
                    memory=int(args.memory * 2**30),
                )
            )
    return {
        "formula": job.formula,
        "reml": job.reml,
        "rows": rows,
        "about": job.about,
        "cells": cells,
    }


def run_startup(args: argparse.Namespace, results: dict[str, Any]) -> None:
    results["startup"] = machine.startup(args.threads)


def run_script(
    name: str, args: argparse.Namespace, results: dict[str, Any], threads: int | None = None
) -> None:
    """Keep what a script of ours prints; in a process of its own, whose threads are the jobs'."""
    done = script(f"{name}.py", [], args, capture=True, threads=threads)
    if done.returncode == 0:
        results[name] = json.loads(done.stdout)
    else:
        results[name] = {"error": (done.stderr.strip().splitlines() or ["failed"])[-1]}


def run_growth(args: argparse.Namespace, results: dict[str, Any]) -> None:
    options = ["--python", args.python, "--threads", str(args.threads)]
    options += ["--memory", str(args.memory), "--folder", str(args.folder)]
    script("growth.py", [*options, "--peers", *args.peers], args)


def script(
    name: str,
    options: list[str],
    args: argparse.Namespace,
    capture: bool = False,
    threads: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Another of our scripts, whose failure is not ours."""
    command = [sys.executable, str(HERE / name), *options]
    environ = environment(threads or args.threads)
    pipe = subprocess.PIPE if capture else None
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environ) as process:
        try:
            out, errors = process.communicate()
        except BaseException:
            process.terminate()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


PART: dict[str, Callable[[argparse.Namespace, dict[str, Any]], None]] = {
    "startup": run_startup,
    "jobs": run_jobs,
    "floor": partial(run_script, "floor"),
    "seeds": partial(run_script, "seeds"),
    "many": partial(run_script, "many"),
    "growth": run_growth,
    # not timed: one thread is best for many small models
    "stress": partial(run_script, "stress", threads=1),
}

if __name__ == "__main__":
    main()
