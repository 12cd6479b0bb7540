"""Plots: each function takes the object and ``ax=``, and returns the matplotlib Axes.

matplotlib is imported when something is drawn: ``pip install 'lmforms[plot]'``.
"""

from __future__ import annotations

from .form_comparison import companion
from .form_plots import codes, covariance, loadings
from .rank_and_objective import objective, rank

__all__ = ["codes", "companion", "covariance", "loadings", "objective", "rank"]
