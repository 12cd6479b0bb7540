"""RESULTS.md from results.json and growth.json: text only, nothing is run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from asks import TEXTBOOK, Ask, asks, base
from jobs import JOBS
from peers import LONG, PEERS

Results = dict[str, Any]
MIB = 2**20
RULES = """\
Every peer fits every job in a process of its own, one after the other on the same machine. Times
are medians of whole calls (formula and frame in memory to fitted model); the first call is a
warm-up and does not count. A call of more than {long:.0f} s is not repeated: if it is the first it
counts, marked ¹. A cell `> 100 s` was stopped at that limit. Ratios are against lmforms in the same
run. *Peak memory* is that of the process, *fit memory* what it adds to the peer's import and the
data. *Evaluations* are the peer's own count (gpboost: iterations). The *criterion* is −2
log-likelihood, restricted or not as the job says; gpboost has no REML, so its criterion is ML's.
² marks models without the correlations of the random effects, which gpboost does not have.
README.md says how to run all this. What else is compared has [pages of its own](#other-pages).
"""
OTHER_PAGES = {
    "small_models.md": "small models and many levels in warm loops, beside glmm and mixedlm",
    "many_loops.md": "many responses at once, beside R's loops over them",
    "generalized.md": "generalised models beside glmer, glmmTMB and glmm",
    "streams.md": "rows that are never all in memory: files, databases, chunks, dask",
    "before_after.md": "every model before and after compiled loops for small models",
    "residual_structures.md": "residual covariance structures beside nlme, glmmTMB and statsmodels",
    "inference.md": "degrees of freedom after a fit, beside lmerTest and pbkrtest",
    "type1_error.md": "how often each test rejects a true hypothesis",
    "interval_coverage.md": "how often intervals of each kind hold the truth",
    "first_summary.md": "from import to the first HTML summary, in a new process",
    "prediction_coverage.md": "how often intervals of predictions hold the truth",
    "intervals.md": "profiles and their limits, beside lme4",
    "influence.md": "influence without refits, beside the fit",
    "bootstrap_jobs.md": "bootstraps and bootstrap tests, beside lme4 and pbkrtest",
    "forms.md": "linear mixed forms on tall data, beside partial least squares",
    "modalities.md": "one modality from others, held out: linear mixed forms beside PLS and CCA",
    "network.md": "the PyTorch layer behind a convolutional front end",
}
OF_CALLS = (
    "the time of a small fit is that of its calls of Python, which a fit in one call of compiled "
    "code does not have; [small_models.md](small_models.md) counts them part by part, and has "
    "warm loops with compiled kernels beside glmm's and mixedlm's"
)
WHY_FASTER = {
    **dict.fromkeys(TEXTBOOK, OF_CALLS),
    "ratings": "an exact fit beside approximate ones: lmforms (cg) is the fit of the same kind",
}
"""Of jobs in which a peer is faster than lmforms."""

UNITS = {"n": "rows", "q": "levels", "theta": "parameters"}


def document(results: Results, growth: Results) -> str:
    """The whole page."""
    parts = [header(results), summary(results), asked(list(asks(results)))]
    parts += [floor(results["floor"])] if "floor" in results else []
    parts += [seeds(results["seeds"])] if "seeds" in results else []
    parts += [startup(results["startup"])] if "startup" in results else []
    machine = results["about"]["machine"]
    parts += [job(name, results["jobs"][name], machine) for name in in_order(results)]
    parts += [growth_section(growth)] if growth.get("curves") else []
    parts += [stress(results["stress"])] if "stress" in results else []
    parts += [many(results["many"])] if "many" in results else []
    parts += [other_pages()]
    return "\n".join(parts)


def in_order(results: Results) -> list[str]:
    """Jobs that were run, in the order of the list of jobs."""
    return [name for name in JOBS if name in results["jobs"]]


def table(head: Sequence[str], lines: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table, the first columns to the left and the others to the right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines)) + "\n"


def header(results: Results) -> str:
    about = results["about"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    rules = RULES.format(long=LONG)
    return f"# Results\n\n{about['machine']}; {about['threads']} threads; {versions}.\n\n{rules}"


def summary(results: Results) -> str:
    """Jobs by peers, in units of lmforms' time."""
    done = in_order(results)
    cells = {name: results["jobs"][name]["cells"] for name in done}
    peers = [p for p in PEERS if p != "lmforms"]
    lines = []
    for name in JOBS:
        if name not in done:
            lines.append([name, "not run", *("–" for _ in peers)])
            continue
        own = base(cells[name])
        lines.append(
            [
                f"[{name}](#{name})",
                time_of(cells[name].get("lmforms")),
                *(ratio_of(cells[name], p, own) for p in peers),
            ]
        )
    text = (
        "## Summary\n\nTime in units of lmforms' (more than 1: lmforms is faster). Where lmforms "
    )
    text += "fails with its defaults, its variant is the unit. Why a peer has no figure (–) stands "
    text += "in the job's own table.\n\n"
    text += table(["job", "lmforms", *(f"{p} ×" for p in peers)], lines)
    return text + faster_peers({name: cells[name] for name in done})


def faster_peers(cells: dict[str, Results]) -> str:
    """Who is faster than lmforms, and why."""
    reasons: dict[str, list[str]] = {}
    for name, found in cells.items():
        own = base(found)
        if own is None:
            continue
        seconds = found[own]["seconds"]
        others = {p: c for p, c in found.items() if PEERS[p].package != "lmforms"}
        quicker = [p for p, c in others.items() if c.get("seconds", seconds) < seconds]
        if quicker:
            reason = WHY_FASTER.get(name, "not known")
            reasons.setdefault(reason, []).append(f"{name} ({', '.join(quicker)})")
    if not reasons:
        return "\nNo peer is faster than lmforms.\n"
    lines = [f"- {', '.join(who)}: {reason}" for reason, who in reasons.items()]
    return "\n### Where a peer is faster\n\n" + "\n".join(lines) + "\n"


def asked(found: list[Ask]) -> str:
    """Bounds, and what was measured."""
    met = sum(ask.met for ask in found)
    lines = [
        [
            ask.text,
            "–" if ask.measured is None else f"{ask.measured:.3g}",
            f"{'≥' if ask.at_least else '≤'} {ask.bound:.2g}",
            "not measured" if ask.measured is None else "yes" if ask.met else "**no**",
        ]
        for ask in found
    ]
    head = ["asked", "measured", "bound", "met"]
    return f"### What was asked: {met} of {len(found)} met\n\n" + table(head, lines)


def floor(found: Results) -> str:
    text = "## One evaluation and its floor\n\n"
    if "error" in found:
        return text + f"Failed: {found['error']}\n"
    text += f"`{found['job']}`, Schur complement of {found['size']:,} columns, {found['date']}: "
    text += f"{found['ratio']:.2f} times the sum of its parts.\n\n"
    lines = [[name, time(value)] for name, value in found["seconds"].items()]
    return text + table(["what", "median"], lines)


def seeds(found: Results) -> str:
    text = "## θ between seeds of the conjugate gradients\n\n"
    if "error" in found:
        return text + f"Failed: {found['error']}\n"
    text += (
        f'`{found["job"]}` with `Control(factor="cg", seed=…)`, {found["date"]}: any two differ '
    )
    text += f"by at most {found['difference']:.4f} standard errors.\n\n"
    names = [f"θ{i}" for i in range(1, len(found["standard errors"]) + 1)]
    lines = [[f"seed {i}", *(f"{x:.7f}" for x in theta)] for i, theta in enumerate(found["theta"])]
    lines.append(["standard error", *(f"{x:.7f}" for x in found["standard errors"])])
    return text + table(["", *names], lines)


def startup(found: Results) -> str:
    lines = [[name, time(value)] for name, value in found["seconds"].items()]
    text = f"## Start-up\n\nWhole processes, in turn, {found['date']}.\n\n"
    return text + table(["process", "median"], lines)


def job(name: str, found: Results, machine: str = "") -> str:
    """One line per peer, and the machine where it is not the header's."""
    elsewhere = f", {found['machine']}" if found["machine"] != machine else ""
    cells = {
        who: found["cells"].get(who, {"without": peer.refuses(JOBS[name]) or "not run"})
        for who, peer in PEERS.items()
        if who in found["cells"] or peer.runs(JOBS[name])
    }
    own = base(cells)
    dates = sorted({c["date"] for c in cells.values() if "date" in c})
    lines = [job_line(p, cells, own) for p in cells]
    head = ["peer", "time", "× lmforms", "peak memory", "fit memory", "evaluations", "criterion"]
    method = "REML" if found["reml"] else "ML"
    return (
        f"## {name}\n\n`{found['formula']}`, {found['rows']:,} rows, {method}: {found['about']}. "
        f"Run on {' and '.join(dates)}{elsewhere}.\n\n" + table(head, lines)
    )


def job_line(peer: str, cells: Results, own: str | None) -> list[str]:
    cell = cells[peer]
    if "seconds" not in cell:
        why = cell.get("without") or ("failed: " + cell["error"] if "error" in cell else "–")
        return [peer, time_of(cell), "–", "–", "–", "–", why.replace("|", "\\|")[:100]]
    criterion = cell["criterion"]
    reached = "not a number" if criterion is None else f"{criterion:.7f}"
    marks = f" ({', '.join(cell['remarks'])})" if cell["remarks"] else ""
    return [
        peer,
        time_of(cell),
        ratio_of(cells, peer, own) if own else "–",
        f"{cell['memory'] / MIB:,.0f} MiB",
        f"{max(cell['memory'] - cell['baseline'], 0) / MIB:,.0f} MiB",
        str(cell["evaluations"] or "–"),
        reached + marks,
    ]


def time(seconds: float) -> str:
    """Three digits or so, in the unit that suits."""
    if seconds < 1e-2:
        return f"{seconds * 1e3:.2f} ms"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"


def time_of(cell: Results | None) -> str:
    if cell is None or "without" in cell:
        return "–"
    if "over" in cell:
        return f"> {cell['over']:g} s"
    if "error" in cell:
        return "failed"
    return time(cell["seconds"]) + ("" if cell["counted"] else "¹")


def ratio_of(cells: Results, peer: str, own: str | None) -> str:
    cell = cells.get(peer)
    if cell is None or "seconds" not in cell or own is None:
        return time_of(cell)
    ratio = cell["seconds"] / cells[own]["seconds"]
    mark = "²" if "no correlations" in cell["remarks"] else ""
    return (f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}") + mark


def growth_section(growth: Results) -> str:
    """The plots, each with its points."""
    parts = [
        "## Growth\n\nTime of a whole call. A peer whose call exceeds its limit, which then stands "
        "in the cell, or that fails, is not run at larger sizes.\n"
    ]
    for name, curve in growth["curves"].items():
        parts.append(f"### Against {curve['title']}\n\n{curve['about']}\n")
        parts.append(f"![{curve['title']}](growth-{name}.svg)\n")
        cells = curve["points"]
        sizes = sorted({p["x"] for points in cells.values() for p in points})
        lines = []
        for x in sizes:
            at = {q: next((p for p in points if p["x"] == x), None) for q, points in cells.items()}
            lines.append([f"{x:,}", *(time_of(at[q]) for q in cells)])
        parts.append(table([UNITS.get(name, name), *cells], lines, left=0))
    return "\n".join(parts)


STRESS = """\
## {models} random models against their restarts

`python benchmarks/stress.py --models {models} --restarts {restarts}`, {date}: one to four grouping
factors with one to four effects each, unbalanced, nested or crossed, near-singular and singular,
predictors scaled by 10⁻³ to 10³ and shifted by up to 10³. The gap is how much lower than the
reported criterion the best of {restarts} random restarts ends. Saturated models have at least as
many effects as rows; their optimum may lie at infinity.

"""


def stress(found: Results) -> str:
    """Does the optimiser find the optimum, and how fast?"""
    if "error" in found:
        return f"## Random models\n\nFailed: {found['error']}\n"
    head = ["models", "count", "converged", "evaluations: median, 90 %, most", "gap > 1e-5"]
    lines = [
        [
            kind,
            str(got["count"]),
            str(got["converged"]),
            ", ".join(f"{count:.0f}" for count in got["evaluations"]),
            str(got["gaps"]),
            f"{got['largest']:.1e}",
        ]
        for kind, got in found["kinds"].items()
    ]
    text = STRESS.format(**found) + table([*head, "largest"], lines)
    remarks = [
        f"- seed {o['seed']}, {o['parameters']} parameters: "
        + (f"a restart ends {o['gap']:.1e} lower" if o["converged"] else "not converged")
        for o in found["remarkable"]
    ]
    return text + "".join(f"\n{line}" for line in remarks) + "\n" * bool(remarks)


MANY = {
    "responses": "responses × 500 rows, 50 levels",
    "general": "responses × 500 rows, two crossed factors",
    "nested": "responses of Pastes (60 rows), casks in batches",
    "crossed": "responses × 1,000 rows, crossed factors of 100 and 40 levels",
    "slopes": "responses of the sleep study, correlated slopes",
    "each": "markers × 2,000 individuals, variances anew for each",
    "null": "markers × 2,000 individuals, variances of the null model",
    "pedigree": "animals, 20 generations, 50 sires and 1,000 dams in each",
    "pedigree, cholmod": "animals, 50 sires and 1,000 dams, by CHOLMOD",
    "pedigree, wide": "animals, 20 generations, 250 sires and 2,500 dams in each",
    "pedigree, wide, cholmod": "animals, 250 sires and 2,500 dams, by CHOLMOD",
}


def many(found: Results) -> str:
    """Many responses, markers and animals."""
    text = "## Many responses, markers, animals\n\n"
    if "error" in found:
        return text + f"Failed: {found['error']}\n"
    done = [found[name] for name in MANY if name in found]
    dates = " and ".join(sorted({got.get("date", found["date"]) for got in done}))
    text += (
        f"`python benchmarks/many.py`, {dates}. *Times faster* is against `lmer` on one "
        "of them (of two factors on 50), times their number; for markers `lmer(relationship=)` "
        "decomposes K each time. *p-values*: of all responses, after the fit (–: not measured).\n\n"
    )
    lines = []
    for name, what in MANY.items():
        if name not in found:
            continue
        got = found[name]
        count = got.get("responses") or got.get("markers") or got.get("animals")
        took = got.get("seconds") or count / got["fits_per_second"]
        faster = f"{got['times_faster']:,.0f}" if "times_faster" in got else "–"
        tests = time(got["p_value_seconds"]) if "p_value_seconds" in got else "–"
        lines.append(
            [
                f"{count:,} {what}",
                time(took),
                f"{count / took:,.0f}",
                faster,
                tests,
                f"{got['peak_mb']:,.0f} MB",
            ]
        )
    heads = ["job", "time", "per second", "times faster", "p-values", "peak memory"]
    return text + table(heads, lines)


def other_pages() -> str:
    """Where the comparisons are that scripts of their own make."""
    lines = [f"- [{page}]({page}): {what}\n" for page, what in OTHER_PAGES.items()]
    return "## Other pages\n\n" + "".join(lines)


def write(folder: Path, results: Results, growth: Results) -> None:
    """Write RESULTS.md beside the figures it is made from."""
    (folder / "RESULTS.md").write_text(document(results, growth), encoding="utf-8")
