"""What the figures are asked to show, each as a number beside its bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FLOOR = 1.5
"""An InstEval evaluation with gradient and information, in units of its linear algebra."""

EXCESS = 1e-5
"""How far lmforms' criterion may lie above the lowest that any peer reached."""

Results = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """A statement, the number that was measured, and the bound it should not exceed."""

    text: str
    measured: float
    bound: float

    @property
    def met(self) -> bool:
        return self.measured <= self.bound


def asks(results: Results) -> Iterator[Ask]:
    """All that can be told from these results."""
    if "ratio" in results.get("floor", {}):
        text = "one InstEval evaluation with gradient and information ÷ (dpotrf + dpotri + "
        yield Ask(text + "rank update)", results["floor"]["ratio"], FLOOR)
    jobs = results.get("jobs", {})
    gaps = [gap for job in jobs.values() if (gap := excess(job["cells"])) is not None]
    if gaps:
        yield Ask("−2 log-likelihood above the lowest of any peer, worst job", max(gaps), EXCESS)
    for name, job in jobs.items():
        fastest = fastest_peer(job["cells"])
        own = base(job["cells"])
        if fastest is not None:
            peer, seconds = fastest
            ratio = job["cells"][own]["seconds"] / seconds if own else float("inf")
            text = f"{name}: {own or 'lmforms'} ÷ the fastest peer ({peer})"
            yield Ask(text, ratio, 1.0)


def base(cells: dict[str, Any]) -> str | None:
    """The cell that the others are measured against: lmforms, or a variant if that failed."""
    own = [p for p in cells if p.split()[0] == "lmforms" and "seconds" in cells[p]]
    return min(own, key=len, default=None)


def excess(cells: dict[str, Any]) -> float | None:
    """lmforms' criterion minus the lowest of those who minimise the same."""
    own = base(cells)
    others = [c["criterion"] for p, c in cells.items() if p != own and _same_model(c)]
    others = [value for value in others if value is not None]
    if own is None or not others:
        return None
    return float(cells[own]["criterion"] - min(others))


def fastest_peer(cells: dict[str, Any]) -> tuple[str, float] | None:
    """The fastest other package among those that fit the same model, by REML or by ML."""
    others = [
        (p, c["seconds"])
        for p, c in cells.items()
        if "seconds" in c and p.split()[0] != "lmforms" and not set(c["remarks"]) - {"ML"}
    ]
    return min(others, key=lambda pair: pair[1], default=None)


def _same_model(cell: dict[str, Any]) -> bool:
    return "seconds" in cell and not cell["remarks"]
