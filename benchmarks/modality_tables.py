"""modalities.md from modalities.json: text only, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from modality_forms import FORMS, PAIRED
from modality_methods import PEERS
from modality_text import HEAD, RANKS, READING, THREE, TWO
from tables import table

Outcomes = Mapping[str, Sequence[Mapping[str, Any]]]
EVEN = 5e-5  # differences below what four digits show count as none


def document(results: Mapping[str, Any]) -> str:
    """The whole page."""
    about, three, two = (results[name] for name in ("about", "three", "two"))
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    parts = [HEAD.format(**{**about, "versions": versions, "minutes": round(about["minutes"])})]
    parts += [summary("Three modalities", three, [m.name for m in FORMS], THREE)]
    parts += [summary("Two modalities", two, [m.name for m in PAIRED], TWO), READING]
    parts += [ranks(results["ranks"])] if results["ranks"] else []
    parts += ["## Every method\n"]
    parts += [each(name, found) for part in (three, two) for name, found in part.items()]
    return "\n".join(parts)


def ranks(found: Mapping[str, Any]) -> str:
    """Mean shares at equal ranks: one table per study, with what ML is ahead of PLS by."""
    parts = []
    for name, study in found.items():
        shares = {method: np.array(lines) for method, lines in study["shares"].items()}
        lines = [[m, *(f"{x:.4f}" for x in A.mean(axis=0))] for m, A in shares.items()]
        gaps = (shares["form, ML"] - shares["PLS"]).T
        lines.append(["form, ML minus PLS", *(differences(gap) for gap in gaps)])
        heads = ["", *(f"k = {k}" for k in study["ranks"])]
        parts.append(f"{name}:\n\n{table(heads, lines)}")
    return "\n".join(["## At equal ranks\n", RANKS, *parts])


def shares(outcomes: Sequence[Mapping[str, Any]]) -> np.ndarray:
    return np.array([outcome["share"] for outcome in outcomes])


def best_peer(out: Outcomes) -> str:
    """The peer with the greatest mean on the held-out rows themselves: a hard rival."""
    return max((m.name for m in PEERS), key=lambda name: shares(out[name]).mean())


def against(out: Outcomes, name: str) -> str:
    """Paired difference from the best peer; splits won and lost."""
    gap = shares(out[name]) - shares(out[best_peer(out)])
    won, lost = int((gap > EVEN).sum()), int((gap < -EVEN).sum())
    return f"{differences(gap)} ({won}:{lost})"


def differences(gap: np.ndarray) -> str:
    """Mean and its standard error over splits."""
    error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else 0.0
    return f"{signed(gap.mean())} ± {error:.4f}"


def signed(x: float) -> str:
    return f"{x:+.4f}".replace("-", "−")


def mean_of(outcomes: Sequence[Mapping[str, Any]]) -> str:
    found = shares(outcomes)
    spread = found.std(ddof=1) if len(found) > 1 else 0.0
    return f"{found.mean():.4f} ± {spread:.4f}".replace("-", "−")


def summary(title: str, studies: Mapping[str, Any], forms: list[str], text: str) -> str:
    """One line a study: the best peer, and every way to use a form against it."""
    lines = []
    for name, found in studies.items():
        out = found["outcomes"]
        peer = best_peer(out)
        cells = [peer, f"{shares(out[peer]).mean():.4f}", against(out, "ridge")]
        lines.append([name, *cells, *(against(out, form) for form in forms)])
    head = ["study", "best of PLS, CCA, RRR", "share", "ridge", *forms]
    return f"## {title}\n\n{text}\n{table(head, lines, left=2)}"


def each(name: str, found: Mapping[str, Any]) -> str:
    """One study, all methods."""
    out = found["outcomes"]
    shown = ", ".join(f"{block} {n} × {c}" for block, (n, c) in found["sizes"].items())
    lines = [
        [
            method,
            mean_of(ones),
            "–" if method == best_peer(out) else against(out, method),
            f"{1e3 * np.median([one['seconds'] for one in ones]):.1f}",
            usual(ones),
        ]
        for method, ones in out.items()
    ]
    head = ["method", "share", f"minus {best_peer(out)}", "ms a fit", "choice"]
    return f"### {name}\n\n{shown}\n\n{table(head, lines)}"


def usual(outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Median of each number that was chosen."""
    choices = np.array([one["choice"] for one in outcomes], dtype=float)
    return ", ".join(f"{x:.3g}" for x in np.median(choices, axis=0)) or "–"
