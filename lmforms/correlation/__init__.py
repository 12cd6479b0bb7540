"""Correlation functions of residuals and of random effects: one class each.

A class says how two points are correlated, which parameters that takes, how they are reported and
where a search starts. Points are times, numbered visits, or coordinates.
"""

from __future__ import annotations

from .base import Correlation
from .series import FirstOrder
from .visits import CompoundSymmetry, UnstructuredCorrelation

__all__ = ["CompoundSymmetry", "Correlation", "FirstOrder", "UnstructuredCorrelation"]
