"""Estimation of variance components by the textbook methods.

*The cheat sheet* of these docstrings is alenxav's *Mixed Model Cheat Sheet*; ``docs/mme.md`` goes
through its sections and names its errors.
"""

from __future__ import annotations

from .emma import emma
from .estimate_components import estimate
from .fit import VarCompFit
from .gibbs import gibbs
from .model import Component, ComponentModel
from .posterior import GibbsFit
from .priors import InverseChiSquared

__all__ = [
    "Component",
    "ComponentModel",
    "GibbsFit",
    "InverseChiSquared",
    "VarCompFit",
    "emma",
    "estimate",
    "gibbs",
]
