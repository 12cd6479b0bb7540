"""`FitInputs`: the inputs of many fits, kept for computations on rows after the fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..control import Control
from ..formula.scope import Scope
from ..support.arrays import FloatArray
from .column_chunks import is_stream, read_chunks, rows_like
from .shared_inputs import DesignSource

if TYPE_CHECKING:
    from ..data.design import Design


@dataclass(frozen=True, eq=False)
class FitInputs:
    """The inputs of many fits; the responses are the caller's own object, not a copy.

    Attributes
    ----------
    source : DesignSource
    responses : array or table
    reml : bool
    control : Control
    """

    source: DesignSource
    responses: Any
    reml: bool
    control: Control

    @classmethod
    def of(
        cls, source: DesignSource, design: Design, responses: Any, reml: bool, control: Control
    ) -> FitInputs | None:
        """None for a stream of responses, which cannot be read again.

        Of the caller's variables only those that the formula uses are kept.
        """
        if is_stream(responses):
            return None
        used = Scope.implicit(source.scope, design.bound.free_names).given
        return cls(replace(source, scope=used), responses, reml, control)

    def columns(self) -> tuple[list[Any], FloatArray]:
        """Names and values of the responses, (rows of the data, m)."""
        rows = rows_like(self.source.data.index)
        parts = list(read_chunks(self.responses, "responses", self.source.n, 1 << 62, rows))
        return [name for p in parts for name in p.names], np.hstack([p.values for p in parts])
