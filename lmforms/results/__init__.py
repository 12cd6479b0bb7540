"""What a fit says: parameters, tables, predictions, matrices."""

from __future__ import annotations

from .model_results import MixedModelResults

__all__ = ["MixedModelResults"]
