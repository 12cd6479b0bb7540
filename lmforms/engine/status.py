"""Messages on how a fit ended: converged, singular, not identified, and what to do about it."""

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
        Why it stopped, and what to do if it did not converge.
    n_evaluations : int
        Evaluations of the criterion, trial starts and rejected steps included.
    gradient_norm : float
        Largest entry of the gradient at the end, in the engine's units.
    decrement : float
        Predicted decrease of the criterion by one more Newton step.
    trace : tuple of float
        The criterion at every evaluation.
    blocks : tuple of BlockInfo
        How each part of Λ'Z'ZΛ + I is stored, and its size.
    sums : str
        How sums are made at each value of the parameters of the residuals: from moments of the
        series, free of n, or by rows. Empty without such parameters.
    at_bound : tuple of str
        Parameters of the residuals at one of their bounds.
    """

    converged: bool
    message: str
    n_evaluations: int
    gradient_norm: float
    decrement: float
    trace: tuple[float, ...]
    blocks: tuple[BlockInfo, ...]
    sums: str = ""
    at_bound: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.message} ({self.n_evaluations} evaluations)"]
        if self.sums:
            lines.append(f"  sums at each value of the residual parameters: {self.sums}")
        if self.at_bound:
            lines.append(f"  at a bound: {', '.join(self.at_bound)}")
        if not self.blocks:
            return "\n".join(lines)
        table = [(b.name, b.kind, f"{b.size:,} columns", _memory(b.bytes)) for b in self.blocks]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for name, kind, size, memory in table:
            left = f"{name:<{widths[0]}}  {kind:<{widths[1]}}"
            lines.append(f"  {left}  {size:>{widths[2]}}  {memory:>{widths[3]}}")
        return "\n".join(lines)

    __repr__ = __str__


def _memory(size: float) -> str:
    """Bytes in a unit that suits them."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


SIMPLER_TERMS = "simplify the random terms"

SIMPLER_RESIDUALS = "take a residual structure of fewer parameters"


def exhausted_message(evaluations: int, way: str = SIMPLER_TERMS) -> str:
    """That the limit of evaluations was reached, and what to do about it."""
    return (
        f"stopped after {evaluations} evaluations; raise Control(max_evaluations=…), "
        f"rescale the predictors or {way}"
    )


def rough_start_message(evaluations: int) -> str:
    """That an exact search began at an estimate of its optimum.

    Parameters
    ----------
    evaluations : int
        Of the score, estimated by conjugate gradients; they are not in the trace.
    """
    return (
        f"; it began at the optimum that {evaluations} evaluations by conjugate gradients estimate"
    )


NEARLY_AS_LIKELY = 2.0
"""Another optimum is reported if −2 log-likelihood is less than this above the lowest."""


def other_optima_message(higher: Sequence[float]) -> str:
    """That another optimum is close (empty for none).

    Parameters
    ----------
    higher : sequence of float
        How much higher the criterion is at the other optima that were found.
    """
    close = [value for value in higher if value < NEARLY_AS_LIKELY]
    if not close:
        return ""
    return (
        f"; another local optimum of −2 log-likelihood is only {min(close):.2g} higher, with other "
        "variances: the data hardly tell them apart"
    )


def unidentified_message(labels: Sequence[str]) -> str:
    """Which variances the data do not determine, of terms as they are written (empty for none)."""
    if not labels:
        return ""
    return (
        f"the data do not determine the variances of {', '.join(labels)}: the criterion is flat "
        "along them, and their estimates are arbitrary. Is the same grouping among the fixed "
        "effects or in another term? Leave one out."
    )
