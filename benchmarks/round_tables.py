"""Markdown of what `rounds` found: jobs with their numbers of threads, cells and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

import tables
from asks import Ask
from rounds import MEASURES

Found = dict[str, Any]
TITLES = {"wall": "by the clock", "cpu": "of the processor"}


def header(about: Found) -> str:
    """Where and with what, in a paragraph."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    before = f"; before: revision {about['before']}" if about.get("before") else ""
    return f"{about['machine']}; {versions}{before}; {about['date']}.\n\n"


BUSY = 1.2
"""Time by the clock over processor time from which others had the processor meanwhile."""


def busy(jobs: Found) -> str:
    """A warning of jobs while which the machine had other work, or nothing.

    A call of one process takes no longer by the clock than of the processor, unless it waits for
    one. Long calls are interrupted more often than short ones, so that rounds do not help.
    """
    found = {}
    for name, job in jobs.items():
        few = job["threads"][min(job["threads"], key=int)]
        waits = [cell["wall"] / cell["cpu"] for cell in few["cells"].values() if "wall" in cell]
        if waits and statistics.median(waits) > BUSY:
            found[name] = statistics.median(waits)
    if not found:
        return ""
    names = ", ".join(f"{name} ({factor:.1f})" for name, factor in found.items())
    text = (
        f"**The machine was busy**: time by the clock over processor time was {names}. Other work"
    )
    return text + (
        " stretches long calls more than short ones, in rounds too: here time by the clock, its "
        "ratios and what is asked of it say little. Run these jobs again on a machine at rest.\n"
    )


def asked(found: Iterable[Ask]) -> str:
    """Bounds, and what was measured."""
    return tables.asked(list(found)).replace("### ", "## ", 1)


def names_of(cells: Iterable[Found]) -> list[str]:
    """Names of all cells, in the order in which they first come."""
    return list(dict.fromkeys(name for some in cells for name in some))


def ratios(jobs: Found, own: str = "lmforms") -> str:
    """Jobs by runners in units of ours: a table for each number of threads and each measure."""
    parts = []
    for threads in names_of(job["threads"] for job in jobs.values()):
        found = {name: job["threads"][threads] for name, job in jobs.items()}
        peers = [n for n in names_of(f["cells"] for f in found.values()) if n != own]
        for measure in MEASURES:
            lines = [
                [
                    f"[{name}](#{name})",
                    time_of(one["cells"].get(own), measure),
                    *(ratio_of(one, own, peer, measure) for peer in peers),
                ]
                for name, one in found.items()
            ]
            threads_text = f"{threads} thread" + "s" * (threads != "1")
            parts.append(f"## Time {TITLES[measure]}, {threads_text}\n")
            parts.append(tables.table(["job", own, *(f"{peer} ×" for peer in peers)], lines))
    return "\n".join(parts)


def time_of(cell: Found | None, measure: str) -> str:
    """A time, or why there is none."""
    if cell is None:
        return "–"
    if "wall" not in cell:
        return f"> {cell['over']:g} s" if "over" in cell else "failed"
    return tables.time(cell[measure])


def ratio_of(found: Found, own: str, peer: str, measure: str) -> str:
    """A ratio, or why there is none."""
    got = found["ratios"].get(own, {}).get(peer)
    if got is None:
        return time_of(found["cells"].get(peer), measure)
    low, high = got["limits"][measure]
    return f"{number(got[measure])} ({number(low)}–{number(high)})"


def number(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def calls(jobs: Found) -> str:
    """Calls of a fit by part: parts by jobs."""
    found = {name: job["calls"] for name, job in jobs.items() if "calls" in job}
    parts = names_of(found.values())
    lines = [[part, *(f"{counts[part]:,}" for counts in found.values())] for part in parts]
    return tables.table(["calls", *found], lines) if found else ""


def first(jobs: Found) -> str:
    """First calls: runners by jobs."""
    found = {name: job["first"] for name, job in jobs.items() if "first" in job}
    parts = []
    for measure in MEASURES:
        lines = [
            [runner, *(time_of(cells.get(runner), measure) for cells in found.values())]
            for runner in names_of(found.values())
        ]
        parts.append(f"Time {TITLES[measure]}:\n\n" + tables.table(["first call", *found], lines))
    return "\n".join(parts)


def stored(jobs: Found, seconds: dict[str, float], earlier: str) -> str:
    """What an earlier revision took on another day, beside its time in this run."""
    lines = []
    for name, found in jobs.items():
        cells = [one["cells"].get(earlier) for one in found["threads"].values()]
        now = ", ".join(time_of(cell, "wall") for cell in cells)
        lines.append([name, tables.time(seconds[name]), now])
    return tables.table(["job", "stored", "in this run"], lines)


def startup(found: Found, before: str | None) -> str:
    """Whole processes, and those of the earlier revision."""
    head = ["process", *TITLES.values()]
    head += [f"{before}, {title}" for title in TITLES.values()] if "before" in found else []
    lines = []
    for name in found["seconds"]:
        line = [name, tables.time(found["seconds"][name]), tables.time(found["cpu"][name])]
        for measure in ("seconds", "cpu") if "before" in found else ():
            earlier = found["before"][measure].get(name)
            line.append("–" if earlier is None else tables.time(earlier))
        lines.append(line)
    text = f"## Start-up\n\nWhole processes, in turn, {found['date']}.\n\n"
    return text + tables.table(head, lines)


def job(name: str, found: Found) -> str:
    """Everything of one job: a line for each runner."""
    per_threads = found["threads"]
    runners = names_of(one["cells"] for one in per_threads.values())
    reached = [
        cell["criterion"]
        for one in per_threads.values()
        for cell in one["cells"].values()
        if "wall" in cell
    ]
    lowest = min(reached, default=0.0)
    head = ["runner"]
    head += [f"{what}, {t} thr." for t in per_threads for what in ("clock", "CPU")]
    head += ["peak memory", "fit memory", "evaluations", "criterion", "above the lowest"]
    lines = []
    for runner in runners:
        cells = [one["cells"].get(runner) for one in per_threads.values()]
        times = [time_of(cell, measure) for cell in cells for measure in MEASURES]
        lines.append([runner, *times, *outcome(cells, lowest)])
    about = f"`{found['formula']}`, {found['rows']:,} rows: {found['about']}. "
    about += f"Run on {found['date']}, {found['rounds']} rounds.\n\n"
    return f"## {name}\n\n{about}" + tables.table(head, lines)


def outcome(cells: list[Found | None], lowest: float) -> list[str]:
    """Memory, evaluations and criterion of the first numbers of threads that were measured."""
    done = next((cell for cell in cells if cell and "wall" in cell), None)
    if done is None:
        errors = [cell["error"] for cell in cells if cell and "error" in cell]
        why = errors[0].replace("|", "\\|")[:100] if errors else "–"
        return ["–", "–", "–", why, "–"]
    return [
        f"{done['memory'] / tables.MIB:,.0f} MiB",
        f"{max(done['memory'] - done['baseline'], 0) / tables.MIB:,.0f} MiB",
        str(done["evaluations"] or "–"),
        f"{done['criterion']:.7f}",
        f"{done['criterion'] - lowest:.1e}",
    ]
