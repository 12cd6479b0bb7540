"""Large models beside an earlier revision of lmforms, in one run.

    python benchmarks/before_after.py --before 8f66f91              # before_after.json and .md
    python benchmarks/before_after.py --before 8f66f91 --jobs nested   # merged into the rest
    python benchmarks/before_after.py --only-tables

Both wait in processes of their own, and fit the same data in turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import exchange
import machine
import revision
import round_tables
import store
from asks import NOISE, THAN_BEFORE, before_asks
from jobs import JOBS
from peers import HERE
from processes import leave_nothing_running
from rounds import in_rounds
from workers import Runner, Task

NAMES = [name for name, _ in THAN_BEFORE]
ABOUT = """\
Both revisions, and the checkout once more, wait in processes of their own and fit the same data in
turn. Times are medians over the rounds, ratios the medians of the quotients within a round (more
than 1: the checkout is faster than before), limits for 95 %. Where `lmforms (again)`, the same
code, is off 1 by more than {noise:.0%}, the run cannot tell, and what is asked is not measured.
*Stored* is the time of the earlier revision in RESULTS.md, on another day.
"""
STORED = {
    "nested": 2.487,
    "nested-slopes": 3.143,
    "three-levels": 1.479,
    "insteval": 0.274,
    "factorial": 0.0706,
    "ratings": 5.865,
    "crossed-50k": 2.023,
}
"""Seconds of lmforms in results.json at revision 8f66f91."""


def main() -> None:
    args = arguments()
    leave_nothing_running()
    path = HERE / "before_after.json"
    found = store.load(path)
    if not args.only_tables:
        with revision.checkout(args.before) as before:
            assert before is not None
            measure(args, before, found, path)
    path.with_suffix(".md").write_text(as_markdown(found), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--before", help="a git revision")
    what.add_argument("--only-tables", action="store_true")
    parser.add_argument("--jobs", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--threads", nargs="+", type=int, default=[2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a revision in a round")
    return parser.parse_args()


def measure(args: argparse.Namespace, before: Path, found: dict[str, Any], path: Path) -> None:
    """Each job, stored when it is done."""
    about = machine.about(["lmforms"], sys.executable, args.threads)
    found["about"] = {**about, "before": revision.name_of(args.before)}
    runners = [
        Runner("lmforms", "lmforms"),
        Runner("lmforms (again)", "lmforms"),
        Runner("lmforms (before)", "lmforms", root=before),
    ]
    for name in args.jobs:
        job = JOBS[name]
        data = job.data()
        one: dict[str, Any] = {"formula": job.formula, "rows": len(data), "about": job.about}
        one.update(date=date.today().isoformat(), rounds=args.rounds, threads={})
        with tempfile.TemporaryDirectory() as folder:
            exchange.write(data, Path(folder))
            del data
            for threads in args.threads:
                task = Task(Path(folder), job.formula, job.reml, threads, sys.executable, job.limit)
                one["threads"][str(threads)] = in_rounds(runners, task, args.rounds, args.seconds)
        found.setdefault("jobs", {})[name] = one
        store.save(path, found)
        sys.stderr.write(round_tables.job(name, one) + "\n")


def as_markdown(found: dict[str, Any]) -> str:
    jobs = {name: found["jobs"][name] for name in NAMES if name in found["jobs"]}
    parts = [
        "# Large models beside an earlier revision",
        round_tables.header(found["about"]) + ABOUT.format(noise=NOISE),
        round_tables.busy(jobs),
        round_tables.asked(before_asks(found)),
        round_tables.ratios(jobs),
        "## Stored",
        round_tables.stored(jobs, STORED, "lmforms (before)"),
    ]
    parts += [round_tables.job(name, job) for name, job in jobs.items()]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


if __name__ == "__main__":
    main()
