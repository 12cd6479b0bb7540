"""Markdown of what `streams` found."""

from __future__ import annotations

from typing import Any

Found = dict[str, Any]
MIB = 2**20

ON_PAPER = 64
"""Workers of the calculation for rows that this machine has no room for."""


def page(found: Found) -> str:
    """All tables."""
    about, jobs = found["about"], found["jobs"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        "# Rows that are never all in memory",
        "",
        "`python benchmarks/streams.py`; "
        f"{about['machine']}; {versions}; {about['date']}. Each job is a process of its own; the "
        "median of its runs, from the call to the fit. Memory is the peak of resident memory, and "
        "what of it comes after the imports. Loading compiled loops is part of the time.",
        "",
        "| job | rows | s | of it the fit | million rows/s | peak MiB | after the imports |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(name, job) for name, job in jobs.items()),
        "",
        *_asked(jobs),
        "",
        *_on_paper(jobs),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(name: str, job: Found) -> str:
    about = name if name.startswith(job["source"]) else f"{name}: {job['about']}"
    more = (job["peak"] - job["before"]) / MIB
    return (
        f"| {about} | {job['rows']:,} | {job['seconds']:.1f} | "
        f"{job['seconds'] - job['summed']:.1f} | {job['rows'] / job['seconds'] / 1e6:.1f} | "
        f"{job['peak'] / MIB:,.0f} | {more:,.0f} |"
    )


def _asked(jobs: Found) -> list[str]:
    lines = ["| asked | reached |", "| --- | --- |"]
    if "parquet" in jobs:
        job = jobs["parquet"]
        rate = job["rows"] / job["seconds"] / 1e6
        more = (job["peak"] - job["before"]) / MIB
        lines.append(f"| ≥ 5 million rows a second from Parquet | {rate:.1f} million |")
        lines.append(f"| ≤ 1 GiB above the chunks, 10⁸ rows | {more:,.0f} MiB with the chunks |")
    if "ratings" in jobs:
        job = jobs["ratings"]
        kind = "exact" if not job["criterion_se"] else "by conjugate gradients"
        lines.append(
            f"| ratings in ≤ 60 s after reading, ≤ 6 GiB | {job['seconds']:.0f} s with reading, "
            f"{kind}, the criterion ± {job['criterion_se']:.1g}; {job['peak'] / 2**30:.1f} GiB |"
        )
    if {"memory", "parquet (5·10⁶)"} <= jobs.keys():
        lines.append(
            f"| rows in memory, for comparison | {jobs['memory']['rows']:,} rows take "
            f"{jobs['memory']['peak'] / 2**30:.1f} GiB |"
        )
    return lines


def _on_paper(jobs: Found) -> list[str]:
    """10⁹ rows on many workers, from the rate of one."""
    if "one processor" not in jobs:
        return []
    job = jobs["one processor"]
    rate, levels, k, m = job["rows"] / job["summed"], 100_000, 2, 3
    size = 8 * levels * (k * k + k * m + 1)
    depth = (ON_PAPER - 1).bit_length()
    seconds = 1e9 / ON_PAPER / rate
    return [
        "## On paper",
        "",
        f"10⁹ rows of this model on {ON_PAPER} workers of one processor each: {seconds:.1f} s of "
        f"summing, {size / MIB:.0f} MiB of sums from each worker (8 bytes × {levels:,} levels × "
        f"({k}·{k} + {k}·{m} products and a count)), added in a tree of depth {depth}. With "
        "crossed factors the sums are as large as the pairs of levels that meet: 24 bytes and 8 "
        "for each product of their effects.",
    ]
