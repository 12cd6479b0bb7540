"""What a fit consists of: the frozen value that every result is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from ..control import Control
from ..data.changed_formula import ModelChanges
from ..data.design import Design
from ..engine.estimate import Estimate
from ..residual import Residual
from ..support.arrays import FloatArray

if TYPE_CHECKING:
    from ..glmm.families.base import Family
    from ..relationship import Relationship


class Refit(Protocol):
    """Fits the same model again; the model hands it in."""

    def __call__(
        self,
        response: FloatArray,
        *,
        reml: bool,
        start: npt.ArrayLike | None,
        control: Control,
        method: str,
        phi: FloatArray | None = None,
        optimize: bool = True,
        design: Design | None = None,
    ) -> Any:
        """Results for another response or criterion, or at θ = `start` without optimising.

        `phi` are parameters of the residuals: those to start from, with `start`, or to hold.
        `design` has the same columns on other rows.
        """


class Update(Protocol):
    """Fits another model to the rows of a fit; the model hands it in."""

    def __call__(
        self,
        state: FitState,
        changes: ModelChanges,
        *,
        reml: bool,
        start: Any = None,
        control: Control | None = None,
        method: str | None = None,
    ) -> Any:
        """Results of the changed model; control and method are those of the fit by default."""


@dataclass(frozen=True, eq=False, repr=False)
class FitState:
    """A fitted model: design, estimate and options.

    Attributes
    ----------
    design : Design
        With the formula and the rows that it was evaluated on.
    relationship : mapping of str to Relationship
        Known covariances by the names of groups of the design.
    estimate : Estimate
    response : ndarray (n,)
        The response fitted, which is the design's own unless the model was refitted.
    control : Control
    method : str
    refit : Refit
    update : Update
    optimized : bool
        Whether θ was estimated, not given.
    """

    design: Design
    relationship: Mapping[str, Relationship]
    estimate: Estimate
    response: FloatArray
    control: Control
    method: str
    refit: Refit
    update: Update
    optimized: bool = True

    def __repr__(self) -> str:
        return f"<FitState of {self.design!r}, {self.estimate!r}>"

    @property
    def family(self) -> Family | None:
        """The family of a generalised model."""
        return self.estimate.family

    @property
    def residual(self) -> Residual:
        """The structure of the residuals at the estimated φ."""
        found = self.estimate.residual
        return self.design.residual if found is None else found
