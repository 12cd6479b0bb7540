"""Crossed grouping factors too large for a Cholesky factor, by conjugate gradients."""

from __future__ import annotations

from .criterion import IterativeEvaluation, IterativeProblem
from .rough_search import RoughOptimum, rough_optimum
from .score_search import IterativeOptimum, evaluate_at, minimize
from .system import IterativeSystem

__all__ = [
    "IterativeEvaluation",
    "IterativeOptimum",
    "IterativeProblem",
    "IterativeSystem",
    "RoughOptimum",
    "evaluate_at",
    "minimize",
    "rough_optimum",
]
