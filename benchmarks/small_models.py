"""Small models and many levels, beside the packages that are fast there, in one run.

    python benchmarks/small_models.py                    # small_models.json and .md, an hour
    python benchmarks/small_models.py --before 8f66f91   # with that revision as a peer
    python benchmarks/small_models.py --jobs dung oats   # these again, merged into the rest
    python benchmarks/small_models.py --only-tables

Whole calls in a warm loop, by the clock and of the processor, with one thread and with two; the
first call in a new process; processes as a whole. glmm, mixedlm, and R with lme4 and jsonlite are
used where they are installed.
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
from asks import small_asks
from calls import calls_by_part
from jobs import JOBS
from peers import HERE
from processes import leave_nothing_running
from rounds import first_calls, in_rounds
from workers import Runner, Task

import lmforms as lf

SMALL = (
    "dung",
    "sleepstudy",
    "penicillin",
    "machines",
    "oats",
    "pastes",
    "slopes-20k",
    "small-groups",
)
RUNNERS = (
    Runner("lmforms", "lmforms"),
    Runner("lmforms (again)", "lmforms"),
    Runner("lmforms (compiled)", "lmforms (compiled)"),
    Runner("lmforms (not compiled)", "lmforms (not compiled)"),
    Runner("lmforms (df)", "lmforms (df)"),
    Runner("glmm", "glmm"),
    Runner("glmm (df)", "glmm (df)"),
    Runner("mixedlm", "mixedlm"),
    Runner("lme4", "lme4", "R"),
)
BEFORE = "lmforms (before)"
PEERS = ["lmforms", "glmm", "mixedlm", "lme4"]
OPTION = "compiled"
"""The field of Control that the runners in brackets set; without it they are left out."""

EMPTY_CACHE = ("lmforms", "lmforms (compiled)")
"""Runners whose first call is also made with an empty cache of compiled loops."""

COUNTED = ("dung", "sleepstudy", "penicillin", "machines", "oats", "pastes")
"""Jobs whose calls are counted."""

LIMIT = 60.0
"""Seconds for a worker to answer."""

ABOUT = """\
Every program waits in a process of its own, and all programs of a job call in turn, in rounds of
about {seconds:g} s each: other work of the machine meets all alike. Times are medians over the
rounds, ratios the medians of the quotients within a round (more than 1: lmforms is faster). *CPU*
is processor time of all threads. `lmforms (compiled)` and `lmforms (not compiled)` are
`Control(compiled=True)` and `False`, measured where lmforms has that option; `(df)` is with
Satterthwaite's degrees of freedom; `lmforms (before)` is an earlier revision in the same rounds.
`lmforms (again)` is lmforms in a second process: as far as its ratio is from 1, and as wide as its
limits are, no other difference of this size means anything. Limits of ratios are for 95 %.
The formula, the data and REML are the same for all.
"""
CALLS = """\
Calls of Python and C functions in a fit by compiled kernels, after others of the same model. The
search is what is left of it without starting values and the look for other minima. A call takes
about a microsecond, and they are the time of a small fit: its arithmetic is a small part. So a
package whose whole fit is one call of compiled code is faster here.
"""
FIRST = """\
One call in a new process, the package imported and the data read; medians of {runs} runs in turn,
{threads} threads. Compiled loops are on disk from an earlier process, except where the cache is
empty: there they are compiled, if the call uses them.
"""


def main() -> None:
    args = arguments()
    leave_nothing_running()
    path = HERE / "small_models.json"
    found = store.load(path)
    if not args.only_tables:
        with revision.checkout(args.before) as before:
            measure(args, before, found, path)
    path.with_suffix(".md").write_text(as_markdown(found), encoding="utf-8")


def arguments() -> argparse.Namespace:
    names = [*(runner.name for runner in RUNNERS), BEFORE]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=SMALL, default=list(SMALL))
    parser.add_argument("--runners", nargs="+", choices=names, default=names)
    parser.add_argument("--before", help="a git revision to be measured in the same rounds")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.1, help="of a program in a round")
    parser.add_argument("--first", type=int, default=5, help="runs of first calls; 0: none")
    parser.add_argument("--startup", type=int, default=7, help="runs of whole processes; 0: none")
    parser.add_argument("--python", default=sys.executable, help="interpreter of Python peers")
    parser.add_argument("--only-tables", action="store_true")
    return parser.parse_args()


def measure(
    args: argparse.Namespace, before: Path | None, found: dict[str, Any], path: Path
) -> None:
    """Everything that was asked for, stored job by job."""
    found["about"] = {
        **machine.about(PEERS, args.python, args.threads),
        "before": revision.name_of(args.before),
        "seconds": args.seconds,
        "first": args.first,
    }
    runners = [r for r in available(before, found["about"]["versions"]) if r.name in args.runners]
    if args.startup:
        found["startup"] = machine.startup(max(args.threads), args.startup, before)
    for name in args.jobs:
        found.setdefault("jobs", {})[name] = run_job(name, args, runners)
        store.save(path, found)
        sys.stderr.write(round_tables.job(name, found["jobs"][name]) + "\n")


def run_job(name: str, args: argparse.Namespace, runners: list[Runner]) -> dict[str, Any]:
    """Warm loops for each number of threads, and first calls with the most."""
    job = JOBS[name]
    data = job.data()
    out: dict[str, Any] = {"formula": job.formula, "rows": len(data), "about": job.about}
    out.update(date=date.today().isoformat(), rounds=args.rounds)
    with tempfile.TemporaryDirectory() as folder:
        exchange.write(data, Path(folder))
        for threads in args.threads:
            task = Task(Path(folder), job.formula, job.reml, threads, args.python, LIMIT)
            out.setdefault("threads", {})[str(threads)] = in_rounds(
                runners, task, args.rounds, args.seconds
            )
        if name in COUNTED:
            out["calls"] = calls_by_part(job, data)
        if args.first:
            out["first"] = first_calls(with_empty_caches(runners), task, args.first)
    return out


def available(before: Path | None, versions: dict[str, str]) -> list[Runner]:
    """Those whose package and option there are, and the earlier revision."""
    has_option = OPTION in lf.Control.__dataclass_fields__
    there = [r for r in RUNNERS if r.program.split()[0] in versions]
    runners = [r for r in there if has_option or OPTION not in r.name]
    return [*runners, Runner(BEFORE, "lmforms", root=before)] if before else runners


def with_empty_caches(runners: list[Runner]) -> list[Runner]:
    """Each runner, and once more with an empty cache where that may differ."""
    out = []
    for runner in runners:
        out.append(runner)
        if runner.name in EMPTY_CACHE:
            out.append(Runner(f"{runner.name}, empty cache", runner.program, empty_cache=True))
    return out


def as_markdown(found: dict[str, Any]) -> str:
    about, jobs = found["about"], found["jobs"]
    parts = [
        "# Small models and many levels",
        round_tables.header(about) + ABOUT.format(**about),
        round_tables.busy(jobs),
        round_tables.asked(small_asks(found)),
        round_tables.ratios(jobs),
        "## Where the time of a small fit goes",
        CALLS,
        round_tables.calls(jobs),
        "## First call",
        FIRST.format(runs=about["first"], threads=max(about["threads"])),
        round_tables.first(jobs),
    ]
    parts += [round_tables.startup(found["startup"], about["before"])] if "startup" in found else []
    parts += [round_tables.job(name, job) for name, job in jobs.items()]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


if __name__ == "__main__":
    main()
