"""The mixed-model equations at given variances: for teaching, and for checking other code.

Nothing is estimated here. For y = Xb + ΣZᵢuᵢ + e with uᵢ ~ N(0, Kᵢσᵢ²), e ~ N(0, Iσ²) and
variances that are known, :class:`MixedModelEquations` has every matrix of the textbooks, the
solution by three methods, its accuracy, and a table of the textbook identities that hold.

*The cheat sheet* of these docstrings is alenxav's *Mixed Model Cheat Sheet*; ``docs/mme.md`` goes
through its sections and names its errors.

>>> import lmforms as lf
>>> mme = lf.mme.equations("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"),
...                        variances={"Batch": 1764, "Residual": 2451})
>>> mme.solve().random_effects["Batch"].round(2).to_list()
[-17.61, 0.39, 28.56, -23.08, 56.73, -45.0]
"""

from __future__ import annotations

from .from_formula import equations
from .iterations import Iterations
from .mixed_model_equations import MixedModelEquations
from .solution import Solution

__all__ = ["Iterations", "MixedModelEquations", "Solution", "equations"]
