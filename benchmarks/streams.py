"""Fits of rows that are never all in memory: rows per second, and memory.

Each job is a process of its own, which is timed from the call to the fit, with its peak of resident
memory less that after the imports. Parquet files are made before, in chunks.

    python benchmarks/streams.py                       # all jobs: half an hour and 5 GB of disk
    python benchmarks/streams.py --jobs parquet text   # some of them
    python benchmarks/streams.py --only-tables         # streams.md from streams.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import machine
import store
import stream_tables
from peers import HERE
from stream_rows import Rows

STORED = HERE / "streams.json"
SLOPES = "y ~ x + (x | g)"
RATINGS = "y ~ 1 + (1 | user) + (1 | film)"
GROUPS = 100_000


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes
    ----------
    about : str
    rows : Rows
        What is in the files.
    source : str
        How a worker reads them, see `stream_worker`.
    formula : str
    processors : int
    """

    about: str
    rows: Rows
    source: str = "parquet"
    formula: str = SLOPES
    processors: int = 2


def slopes(count: float, **more: Any) -> Rows:
    """Groups with slopes."""
    return Rows("slopes", int(count), (GROUPS,), **more)


RATED = Rows("ratings", 21_000_000, (140_000, 15_000))
SOURCES = ("parquet", "dataset", "arrow", "csv", "duckdb", "polars", "pandas", "dask")
JOBS = {
    "parquet": Job("10⁸ rows, one pass", slopes(1e8)),
    "one processor": Job("the same on one processor", slopes(1e8), processors=1),
    "text": Job("ids are text", slopes(2e7, text=True)),
    "factor": Job(
        "a factor of 6 levels, text, among the predictors: two passes",
        slopes(2e7, factor=True),
        formula="y ~ x + f + (x | g)",
    ),
    "far apart": Job("groups far apart: a pass with pilot effects", slopes(2e7, spread=1e4)),
    "memory": Job("rows in memory, read by pandas and fitted", slopes(2e7), "memory"),
    **{f"{name} (5·10⁶)": Job("5·10⁶ rows", slopes(5e6), name) for name in SOURCES},
    "one dask worker": Job("a cluster of processes", slopes(2e7), "cluster 1"),
    "two dask workers": Job("a cluster of processes", slopes(2e7), "cluster 2"),
    "ratings": Job("140,000 users × 15,000 films, crossed", RATED, formula=RATINGS),
}


def measured(job: Job, folder: Path) -> dict[str, Any]:
    """What a worker says of a job."""
    path = job.rows.written(folder)
    command = [sys.executable, str(HERE / "stream_worker.py"), str(path), job.source, job.formula]
    if job.processors == 1 and shutil.which("taskset"):
        command = ["taskset", "-c", "0", *command]
    found = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    if found.returncode:
        raise SystemExit(f"{job.about}: {found.stderr[-2000:]}")
    made: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    size = sum(f.stat().st_size for f in path.parent.glob(path.name))
    return {"about": job.about, "source": job.source, "formula": job.formula, "bytes": size, **made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-tables", action="store_true")
    args = parser.parse_args()
    found = store.load(STORED)
    if not args.only_tables:
        packages = ("numpy", "numba", "pyarrow", "polars", "duckdb", "dask")
        versions = {name: metadata.version(name) for name in packages}
        about = machine.about([], sys.executable, 2)
        found["about"] = {**about, "versions": {**about["versions"], **versions}}
        jobs = found.setdefault("jobs", {})
        with tempfile.TemporaryDirectory() as name:
            for job in args.jobs:
                runs = [measured(JOBS[job], Path(name)) for _ in range(args.rounds)]
                runs.sort(key=lambda run: run["seconds"])
                jobs[job] = {**runs[len(runs) // 2], "runs": [r["seconds"] for r in runs]}
                sys.stderr.write(f"{job}: {jobs[job]['seconds']:.1f} s\n")
                found["jobs"] = {name: jobs[name] for name in JOBS if name in jobs}
                store.save(STORED, found)
    (HERE / "streams.md").write_text(stream_tables.page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
