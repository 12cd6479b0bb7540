"""How a fit ended, in words: converged, singular, not identified, each with its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .factor import BlockInfo


@dataclass(frozen=True)
class OptimizerReport:
    """How the optimiser ended.

    Attributes
    ----------
    converged : bool
    message : str
        Why it stopped, with the remedy if it should not have.
    n_evaluations : int
        Evaluations of the criterion, trial starts and rejected steps included.
    gradient_norm : float
        Largest entry of the gradient at the end, in the engine's units.
    decrement : float
        Decrease of the criterion that one more Newton step promises.
    trace : tuple of float
        The criterion at every evaluation.
    blocks : tuple of BlockInfo
        What was done with each part of Λ'Z'ZΛ + I, and its size.
    """

    converged: bool
    message: str
    n_evaluations: int
    gradient_norm: float
    decrement: float
    trace: tuple[float, ...]
    blocks: tuple[BlockInfo, ...]

    def __str__(self) -> str:
        lines = [f"{self.message} ({self.n_evaluations} evaluations)"]
        table = [(b.name, b.kind, f"{b.size:,} columns", _memory(b.bytes)) for b in self.blocks]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for name, kind, size, memory in table:
            left = f"{name:<{widths[0]}}  {kind:<{widths[1]}}"
            lines.append(f"  {left}  {size:>{widths[2]}}  {memory:>{widths[3]}}")
        return "\n".join(lines)


def _memory(size: float) -> str:
    """Bytes in a unit that suits them."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def exhausted_message(evaluations: int) -> str:
    """The iteration limit was met, and what to do about it."""
    return (
        f"stopped after {evaluations} evaluations; raise Control(max_evaluations=…), "
        "rescale the predictors or simplify the random terms"
    )


NEARLY_AS_LIKELY = 2.0
"""Optima of −2 log-likelihood this close are hardly less likely than the lowest."""


def other_optima_message(higher: Sequence[float]) -> str:
    """That another optimum is close (empty for none).

    Parameters
    ----------
    higher : sequence of float
        How much higher the criterion is at the other optima that were met.
    """
    close = [value for value in higher if value < NEARLY_AS_LIKELY]
    if not close:
        return ""
    return (
        f"; another local optimum of −2 log-likelihood is only {min(close):.2g} higher, with other "
        "variances: the data hardly tell them apart"
    )


def unidentified_message(labels: Sequence[str]) -> str:
    """Which variances the data cannot tell, of terms as they are written (empty for none)."""
    if not labels:
        return ""
    return (
        f"the data do not determine the variances of {', '.join(labels)}: the criterion is flat "
        "along them, and their estimates are arbitrary. Is the same grouping among the fixed "
        "effects or in another term? Leave one out."
    )
