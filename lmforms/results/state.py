"""What a fit consists of: the frozen value that every result is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from ..control import Control
from ..data.design import Design
from ..engine.estimate import Estimate
from ..support.arrays import FloatArray

if TYPE_CHECKING:
    from ..formula.evaluator import Scope
    from ..relationship import Relationship
    from ..varcomp.report import ComponentEstimate


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
        optimize: bool = True,
    ) -> Any:
        """Results for another response or criterion, or at θ = `start` without optimising."""


@dataclass(frozen=True, eq=False)
class FitState:
    """A fitted model: design, estimate and options.

    Attributes
    ----------
    design : Design
    relationship : mapping of str to Relationship
        Known covariances by grouping factor.
    scope : Scope
        Names that the formula may use.
    contrasts : mapping
        Coding of factors by column name.
    offset_column : str or None
        Column that was given as ``offset=``.
    estimate : Estimate or ComponentEstimate
    response : ndarray (n,)
        The response fitted, which is the design's own unless the model was refitted.
    control : Control
    method : str
    refit : Refit
    """

    design: Design
    relationship: Mapping[str, Relationship]
    scope: Scope
    contrasts: Mapping[str, Any]
    offset_column: str | None
    estimate: Estimate | ComponentEstimate
    response: FloatArray
    control: Control
    method: str
    refit: Refit
