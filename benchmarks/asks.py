"""What the figures are asked to show, each as a number beside its bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

EXCESS = 1e-5
"""How far lmforms' criterion may lie above the lowest that any peer reached."""

FLOOR = 1.5
"""An InstEval evaluation with gradient and information, in units of its linear algebra."""

FASTER = [
    ("sleepstudy", "lmforms", "mixedlm", 1.0),
    ("sleepstudy", "lmforms", "lme4", 5.0),
    ("small-groups", "lmforms", "mixedlm", 1.5),
    ("small-groups", "lmforms", "lme4", 10.0),
    ("factorial", "lmforms", "mixedlm", 20.0),
    ("factorial", "lmforms", "lme4", 20.0),
    ("insteval", "lmforms", "mixedlm", 4.0),
    ("insteval", "lmforms", "lme4", 10.0),
    ("insteval", "lmforms", "gpboost", 5.0),
    ("ratings", "lmforms", "mixedlm", 5.0),
    ("ratings", "lmforms", "lme4", 5.0),
    ("ratings", "lmforms (cg)", "gpboost", 2.0),
]
"""Job, who, than whom, how many times."""

LIMITS = [
    ("crossed-50k", "lmforms (cg)", "seconds", 10.0),
    ("crossed-50k", "lmforms (cg)", "memory", 2.0),
]
"""Job, who, what (memory in GiB), at most."""

SEEDS = 0.01
"""How far θ may move between seeds of the conjugate gradients, in standard errors."""

TEXTBOOK = ("dung", "sleepstudy", "penicillin", "machines", "oats", "pastes")
"""Jobs that take as long as glmm at most, and are faster than mixedlm."""

AS_GLMM, THAN_MIXEDLM = 1.0, 3.0
"""Time in units of glmm's without degrees of freedom, at most; times faster than mixedlm."""

MANY_LEVELS = [("slopes-20k", "glmm", 1.5), ("small-groups", "glmm", 2.0)]
"""Job, than whom, how many times."""

MANY_RESPONSES = [("sleepstudy", 1_000, 0.15), ("penicillin", 1_000, 0.3)]
"""Job of `many_loops.py`, how many responses, seconds at most."""

NOISE = 0.05
"""How far the same code in a second process may be off in a run that can tell revisions apart."""

THAN_BEFORE = [
    *((name, 1.3) for name in ("nested", "nested-slopes", "three-levels")),
    *((name, 1.0 - NOISE) for name in ("insteval", "factorial", "ratings", "crossed-50k")),
]
"""Job of `before_after.py`, times faster than the earlier revision, or not slower but for noise."""

GENERALIZED_FASTER = ("verbagg", "contraception", "grouseticks")
"""Jobs of `generalized.py` that are asked to be fast."""

THAN_R = [("glmer", 20.0), ("glmmTMB", 10.0)]
"""Than whom by the clock, how many times."""

AS_GENERALIZED_GLMM = 1.1
"""Processor time in units of the package glmm's, at most: both with standard errors."""

CROSSED_SECONDS = 10.0
"""For 10⁵ rows with three crossed factors, at most."""

REPLICATES_FASTER = 20.0
"""A bootstrap of 200 replicates of cbpp than lme4's, times."""

Results = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """A statement, the number that was measured (if it was), and its bound.

    Attributes
    ----------
    text : str
    measured : float or None
    bound : float
    at_least : bool
        Whether the bound is the least that is asked, or the most.
    """

    text: str
    measured: float | None
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is as asked; what was not measured is not."""
        if self.measured is None:
            return False
        if self.at_least:
            return self.measured >= self.bound
        return self.measured <= self.bound


def asks(results: Results) -> Iterator[Ask]:
    """All that is asked, whether it was measured or not."""
    jobs = results.get("jobs", {})
    for name, own, peer, bound in FASTER:
        cells = jobs.get(name, {}).get("cells", {})
        time, other = cells.get(own, {}).get("seconds"), seconds(cells.get(peer, {}))
        ratio = other / time if time and other else None
        yield Ask(f"{name}: {own} faster than {peer}, times", ratio, bound, at_least=True)
    for name, own, what, bound in LIMITS:
        measured = jobs.get(name, {}).get("cells", {}).get(own, {}).get(what)
        unit, scale = ("s", 1.0) if what == "seconds" else ("GiB", 2.0**30)
        measured = None if measured is None else measured / scale
        yield Ask(f"{name}: {own}, {what}, {unit}", measured, bound)
    text = "crossed-50k: lmforms (cg), largest difference of θ between seeds, standard errors"
    yield Ask(text, results.get("seeds", {}).get("difference"), SEEDS)
    text = "one InstEval evaluation with gradient and information ÷ (dpotrf + dpotri + rank update)"
    yield Ask(text, results.get("floor", {}).get("ratio"), FLOOR)
    gaps = [gap for job in jobs.values() if (gap := excess(job["cells"])) is not None]
    text = "−2 log-likelihood above the lowest of any peer, worst job"
    yield Ask(text, max(gaps, default=None), EXCESS)


def small_asks(found: Results) -> Iterator[Ask]:
    """What is asked of small models and of many levels: `small_models.json`."""
    for name in TEXTBOOK:
        own = loaded(found, name)
        for measure, what in (("wall", "by the clock"), ("cpu", "of the processor")):
            times = worst(found, name, own, "glmm", measure)
            text = f"{name}: {own}, in units of glmm's time, {what}"
            yield Ask(text, 1.0 / times if times else None, AS_GLMM)
        times = worst(found, name, own, "mixedlm", "wall")
        yield Ask(f"{name}: {own} faster than mixedlm, times", times, THAN_MIXEDLM, at_least=True)
    for name, peer, bound in MANY_LEVELS:
        own = loaded(found, name)
        times = worst(found, name, own, peer, "wall")
        yield Ask(f"{name}: {own} faster than {peer}, times", times, bound, at_least=True)


def many_asks(found: Results) -> Iterator[Ask]:
    """What is asked of many responses: `many_loops.json`."""
    for name, count, bound in MANY_RESPONSES:
        job = found["jobs"].get(name, {})
        whole = job.get("responses") == count  # a trial with fewer says nothing
        per_threads = job["threads"] if whole else {}
        cells = [one["cells"].get("lmer_many", {}) for one in per_threads.values()]
        times = [cell["wall"] for cell in cells if "wall" in cell]
        yield Ask(f"{name}: {count:,} responses, s", max(times, default=None), bound)


def before_asks(found: Results) -> Iterator[Ask]:
    """What is asked of large models: `before_after.json`."""
    for name, bound in THAN_BEFORE:
        again = worst(found, name, "lmforms", "lmforms (again)", "wall")
        times = worst(found, name, "lmforms", "lmforms (before)", "wall")
        if again is None or abs(again - 1.0) > NOISE:
            times = None
        yield Ask(f"{name}: times faster than before", times, bound, at_least=True)


WITH_BSE, BOOTSTRAP = "lmforms (bse)", "lmforms (bootstrap)"
"""Runners of `generalized.py` that are asked for."""


def generalized_asks(found: Results) -> Iterator[Ask]:
    """What is asked of generalised models: `generalized.json`."""
    for name in GENERALIZED_FASTER:
        for peer, bound in THAN_R:
            times = worst(found, name, WITH_BSE, peer, "wall")
            yield Ask(f"{name}: faster than {peer}, times", times, bound, at_least=True)
        times = worst(found, name, WITH_BSE, "glmm", "cpu")
        text = f"{name}: in units of glmm's time, of the processor"
        yield Ask(text, 1.0 / times if times else None, AS_GENERALIZED_GLMM)
    per_threads = found.get("jobs", {}).get("crossed", {}).get("threads", {})
    cells = [one["cells"].get(WITH_BSE, {}) for one in per_threads.values()]
    taken = [cell["wall"] for cell in cells if "wall" in cell]
    text = "crossed: 100,000 rows with three crossed factors, s"
    yield Ask(text, max(taken, default=None), CROSSED_SECONDS)
    times = worst(found, "bootstrap", BOOTSTRAP, "bootMer", "wall")
    text = "bootstrap: 200 replicates of cbpp faster than bootMer's, times"
    yield Ask(text, times, REPLICATES_FASTER, at_least=True)
    gaps = [gap for job in found.get("jobs", {}).values() for gap in below_best(job)]
    text = "log-likelihood below the highest of any program, worst job"
    yield Ask(text, max(gaps, default=None), EXCESS)


def below_best(job: Results) -> Iterator[float]:
    """How far our log-likelihood is below the highest of all that maximise the same."""
    for one in job["threads"].values():
        same = {who: cell for who, cell in one["cells"].items() if who not in job["others"]}
        values = {who: -cell["criterion"] / 2.0 for who, cell in same.items() if "wall" in cell}
        if WITH_BSE in values:
            yield max(values.values()) - values[WITH_BSE]


def loaded(found: Results, name: str) -> str:
    """The runner whose compiled loops are loaded for certain, where it was measured."""
    per_threads = found["jobs"].get(name, {}).get("threads", {})
    asked = "lmforms (compiled)"
    return asked if any(asked in one["ratios"] for one in per_threads.values()) else "lmforms"


def worst(found: Results, name: str, own: str, peer: str, measure: str) -> float | None:
    """How many times faster than a peer, with the number of threads that suits us least."""
    per_threads = found.get("jobs", {}).get(name, {}).get("threads", {})
    ratios = [one["ratios"].get(own, {}).get(peer) for one in per_threads.values()]
    return min((ratio[measure] for ratio in ratios if ratio), default=None)


def seconds(cell: dict[str, Any]) -> float | None:
    """The time of a cell; of a call that was stopped, the limit that it exceeded."""
    return cell.get("seconds", cell.get("over"))


def base(cells: dict[str, Any]) -> str | None:
    """The cell that the others are measured against: lmforms, or a variant if that failed."""
    own = [p for p in cells if p.split()[0] == "lmforms" and "seconds" in cells[p]]
    return min(own, key=len, default=None)


def excess(cells: dict[str, Any]) -> float | None:
    """lmforms' criterion minus the lowest of those who minimise the same."""
    own = base(cells)
    others = [
        c["criterion"] for p, c in cells.items() if p.split()[0] != "lmforms" and _same_model(c)
    ]
    others = [value for value in others if value is not None]
    if own is None or not others:
        return None
    return float(cells[own]["criterion"] - min(others))


def _same_model(cell: dict[str, Any]) -> bool:
    return "seconds" in cell and not cell["remarks"]
