"""`FormStatus`: how a fit of a form ended, with its messages."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..support.arguments import named_arguments

ROUNDING_MESSAGE = "F can fall no further in floating point."
DIVERGENCE_MESSAGE = 'The codes grow without end, as Algorithm 1 lets them: use method="als".'


@dataclass(frozen=True)
class FormStatus:
    """How the iteration ended.

    Attributes
    ----------
    converged : bool
    message : str
        Why it stopped, with the remedy if it should not have.
    n_iter : int
        Sweeps that were kept.
    n_accelerated : int
        Sweeps that Anderson acceleration made longer.
    n_rejected : int
        Accelerated steps that would have raised F and were replaced by a plain sweep.
    """

    converged: bool
    message: str
    n_iter: int
    n_accelerated: int = 0
    n_rejected: int = 0

    @named_arguments
    def followed_by(self, other: FormStatus) -> FormStatus:
        """The status of two minimisations of which the second continued the first."""
        n_iter = self.n_iter + other.n_iter
        return replace(
            other,
            message=other.message if other.converged else limit_message(n_iter),
            n_iter=n_iter,
            n_accelerated=self.n_accelerated + other.n_accelerated,
            n_rejected=self.n_rejected + other.n_rejected,
        )

    def __str__(self) -> str:
        return f"{self.message} ({self.n_iter} sweep{'s' * (self.n_iter != 1)})"


def converged_message(tol: float) -> str:
    """The test of convergence was met."""
    return f"The last sweep changed F by less than {tol:.2g} of its value."


def likelihood_converged_message(tol: float) -> str:
    """The test of convergence of EM was met."""
    return f"The last steps changed the likelihood by less than {tol:g} for each entry."


def limit_message(max_iter: int, what: str = "F") -> str:
    """The iteration limit was met, and what to do about it."""
    return f"{what} still changes after {max_iter} sweeps: increase `max_iter` or `tol`."
