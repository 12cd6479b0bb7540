"""Variance components by every textbook method, checked against each other."""

from __future__ import annotations

from .estimate import estimate
from .fit import VarCompFit
from .model import Component, ComponentModel

__all__ = ["Component", "ComponentModel", "VarCompFit", "estimate"]
