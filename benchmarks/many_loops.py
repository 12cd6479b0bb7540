"""Many responses at once, beside loops over them in R, in one run.

    python benchmarks/many_loops.py                     # many_loops.json and many_loops.md
    python benchmarks/many_loops.py --jobs penicillin   # this job again, merged into the rest
    python benchmarks/many_loops.py --before 8f66f91    # with that revision in the same rounds
    python benchmarks/many_loops.py --only-tables

variancePartition is not needed: its dream() is a loop of lmer over the genes, with a control of its
own and lmerTest's tests, and that loop is run as such. Loops fit some of the responses, and their
time is multiplied. R with lme4, lmerTest and jsonlite is used where it is installed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import exchange
import machine
import numpy as np
import pandas as pd
import revision
import round_tables
import store
import tables
from asks import many_asks
from peers import HERE
from processes import leave_nothing_running
from rounds import MEASURES, in_rounds
from workers import Runner, Task

import lmforms as lf

Responses = tuple[pd.DataFrame, np.ndarray]
LOOP = 25
"""Responses that R's loops fit."""

LIMIT = 600.0
"""Seconds for a worker to answer."""

RUNNERS = (
    Runner("lmer_many", "lmer_many"),
    Runner("lmer_many (p-values)", "lmer_many (p-values)"),
    Runner("lmer loop", "lmer loop", "R"),
    Runner("lmer loop (dream's control)", "lmer loop (dream's control)", "R"),
    Runner("lmer loop (dream's control, tests)", "lmer loop (dream's control, tests)", "R"),
    Runner("refit loop", "refit loop", "R"),
    Runner("refit loop (dream's control)", "refit loop (dream's control)", "R"),
)
BEFORE = "lmer_many (before)"
ABOUT = """\
Every program waits in a process of its own, and all programs of a job call in turn: {rounds}
rounds. `lmer_many` fits all responses; `(p-values)` adds Satterthwaite's tests of all. The loops
are R's over the first {loop} responses: `lmer` anew for each, or `refit()` of the first fit.

variancePartition is not installed. By its source, its `dream()` fits each gene anew by `lmer`, with
a control that does not check derivatives, and has lmerTest test the coefficients (from 20 samples
on by Satterthwaite's method): `lmer loop (dream's control, tests)` is that without its weights and
summaries, in one process. `refit()` is what the package's other functions may take.

*Criterion* is the sum of −2 log-likelihood (REML) of those {loop} where each fit ended.
`refit()` of lme4 1.1-31 ends a little higher than `lmer` where there are several coefficients: it
takes n − 1 for n − p in REML, so what it minimises, its σ and its `logLik` are not `lmer`'s.
Times are those of a call, *per second* is responses per second of the clock, and *times slower* the
time of a response in units of `lmer_many`'s in the same round.
"""


@dataclass(frozen=True)
class Many:
    """A model without its left side, its data, and what it is there for."""

    formula: str
    data: Callable[[int], Responses]
    count: int
    about: str
    rounds: int = 7


def textbook(name: str, column: str, noise: float) -> Callable[[int], Responses]:
    """A textbook's response with noise of its own for each."""

    def draw(count: int) -> Responses:
        frame = lf.datasets.load(name)
        rng = np.random.default_rng(3)
        drawn = noise * rng.normal(size=(len(frame), count))
        return frame, frame[column].to_numpy()[:, None] + drawn

    return draw


def genes(count: int, subjects: int = 15, times: int = 4) -> Responses:
    """Expression in 60 samples: subjects of two groups at four times, with levels and slopes.

    Standard deviations differ between genes; one in ten answers to the treatment.
    """
    rng = np.random.default_rng(11)
    subject = np.repeat(np.arange(subjects), times)
    time = np.tile(np.arange(float(times)), subjects)
    treated = subject % 2
    level, slope = rng.uniform(0.2, 1.5, count), rng.uniform(0.1, 0.5, count)
    effect = np.where(rng.random(count) < 0.1, rng.normal(0.0, 1.0, count), 0.0)
    expression = rng.normal(size=(len(subject), count)) + treated[:, None] * effect
    expression += (
        rng.uniform(4.0, 12.0, count) + (level * rng.normal(size=(subjects, count)))[subject]
    )
    expression += (slope * rng.normal(size=(subjects, count)))[subject] * time[:, None]
    frame = pd.DataFrame(
        {
            "time": time,
            "treatment": pd.Categorical.from_codes(treated, ["control", "treated"]),
            "subject": pd.Categorical.from_codes(subject, [f"s{i}" for i in range(subjects)]),
        }
    )
    return frame, expression


JOBS = {
    "sleepstudy": Many(
        "~ Days + (Days | Subject)",
        textbook("sleepstudy", "Reaction", 30.0),
        1_000,
        "correlated slopes",
    ),
    "penicillin": Many(
        "~ 1 + (1 | plate) + (1 | sample)",
        textbook("Penicillin", "diameter", 0.5),
        1_000,
        "two small crossed factors",
    ),
    "genes": Many(
        "~ treatment + time + (1 + time | subject)",
        genes,
        100_000,
        "genes in 60 samples of 15 subjects, a slope each",
        rounds=3,
    ),
}


def main() -> None:
    args = arguments()
    leave_nothing_running()
    path = HERE / "many_loops.json"
    found = store.load(path)
    if not args.only_tables:
        with revision.checkout(args.before) as before:
            measure(args, before, found, path)
    path.with_suffix(".md").write_text(as_markdown(found), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--before", help="a git revision to be measured in the same rounds")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--share", type=float, default=1.0, help="of the responses, for a trial")
    parser.add_argument("--only-tables", action="store_true")
    return parser.parse_args()


def measure(
    args: argparse.Namespace, before: Path | None, found: dict[str, Any], path: Path
) -> None:
    """Everything that was asked for, stored job by job."""
    about = machine.about(["lmforms", "lme4"], sys.executable, args.threads)
    found["about"] = {**about, "before": revision.name_of(args.before), "loop": LOOP}
    runners = [r for r in RUNNERS if r.is_ours or "lme4" in about["versions"]]
    if before:
        runners.append(Runner(BEFORE, "lmer_many", root=before))
    for name in args.jobs:
        found.setdefault("jobs", {})[name] = run_job(JOBS[name], runners, args)
        store.save(path, found)
        sys.stderr.write(section(name, found["jobs"][name]) + "\n")


def run_job(job: Many, runners: list[Runner], args: argparse.Namespace) -> dict[str, Any]:
    """All runners on the same responses, for each number of threads."""
    count = max(LOOP, round(job.count * args.share))
    frame, responses = job.data(count)
    out: dict[str, Any] = {"formula": job.formula, "rows": len(frame), "about": job.about}
    out.update(responses=count, rounds=job.rounds, date=date.today().isoformat(), threads={})
    with tempfile.TemporaryDirectory() as folder:
        exchange.write(frame, Path(folder))
        exchange.write_responses(responses, LOOP, Path(folder))
        for threads in args.threads:
            task = Task(Path(folder), job.formula, True, threads, sys.executable, LIMIT)
            out["threads"][str(threads)] = in_rounds(runners, task, job.rounds, 0.2)
    return out


def fitted(name: str, found: dict[str, Any]) -> int:
    """Responses that a runner fits in one call."""
    return LOOP if "loop" in name else int(found["responses"])


def as_markdown(found: dict[str, Any]) -> str:
    rounds = " or ".join(str(n) for n in sorted({job["rounds"] for job in found["jobs"].values()}))
    parts = [
        "# Many responses beside loops over them",
        round_tables.header(found["about"]) + ABOUT.format(rounds=rounds, **found["about"]),
        round_tables.busy(found["jobs"]),
        round_tables.asked(many_asks(found)),
    ]
    parts += [section(name, job) for name, job in found["jobs"].items()]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def section(name: str, found: dict[str, Any]) -> str:
    """One job: a line for each runner and number of threads."""
    head = ["runner", "threads", "responses", "by the clock", "of the processor", "per second"]
    head += ["times slower", "CPU, times", "peak memory", "criterion"]
    lines = []
    for threads, one in found["threads"].items():
        for runner, cell in one["cells"].items():
            count = fitted(runner, found)
            times = [round_tables.time_of(cell, measure) for measure in MEASURES]
            line = [runner, threads, f"{count:,}", *times]
            if "wall" not in cell:
                lines.append([*line, *("–" for _ in head[len(line) :])])
                continue
            ratio = one["ratios"].get("lmer_many", {}).get(runner)
            share = found["responses"] / count
            slower = (
                [round_tables.number(ratio[m] * share) for m in MEASURES] if ratio else ["–"] * 2
            )
            memory = f"{cell['memory'] / tables.MIB:,.0f} MiB"
            per_second = f"{count / cell['wall']:,.0f}"
            lines.append([*line, per_second, *slower, memory, f"{cell['criterion']:.6f}"])
    text = f"## {name}\n\n`{found['formula']}`, {found['responses']:,} responses of "
    text += f"{found['rows']:,} rows: {found['about']}. Run on {found['date']}.\n\n"
    return text + tables.table(head, lines)


if __name__ == "__main__":
    main()
