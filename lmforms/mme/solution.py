"""`Solution`: a solution of the equations, with labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..support.arrays import FloatArray
from ..varcomp import ComponentModel
from .henderson_system import HendersonSystem
from .iterations import Iterations
from .labelled_arrays import one_term

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """BLUE and BLUP of one model at given variances.

    Attributes
    ----------
    beta : Series (p,)
        b, the best linear unbiased estimates.
    random_effects : dict of Series
        û of each term by its labels, best linear unbiased predictions; zero where the variance is.
    g : Series (p + m,)
        All coefficients of the equations. Those of a term with a root L are a, u = La.
    fixed, fitted, residuals : ndarray (n,)
        Xb, Xb + Zu and ê = y − Xb − Zu.
    iterations : Iterations
        The result of the solver.
    """

    beta: pd.Series
    random_effects: dict[str, pd.Series]
    g: pd.Series
    fixed: FloatArray
    fitted: FloatArray
    residuals: FloatArray
    iterations: Iterations

    @property
    def converged(self) -> bool:
        """Whether the solver converged."""
        return self.iterations.converged

    @property
    def trace(self) -> pd.Series:
        """Relative residual of the equations after each iteration."""
        import pandas as pd

        index = pd.RangeIndex(len(self.iterations.trace), name="iteration")
        return pd.Series(self.iterations.trace, index=index, name="residual")

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(u):,} of {name}" for name, u in self.random_effects.items())
        return (
            f"Solution by {self.iterations.method!r}: {len(self.beta)} fixed effects"
            f"{', ' + sizes if sizes else ''}\n  {self.iterations.message}"
        )


def labelled_solution(
    model: ComponentModel, system: HendersonSystem, index: pd.MultiIndex, found: Iterations
) -> Solution:
    """Coefficients with the model's names.

    Parameters
    ----------
    model : ComponentModel
    system : System
    index : MultiIndex (p + m,)
        Names of the coefficients.
    found : Iterations
    """
    import pandas as pd

    g, span_of = found.g, dict(zip(system.terms, system.spans[1:], strict=True))
    beta = g[system.spans[0]]
    effects: dict[str, pd.Series] = {}
    fixed = model.X @ beta
    fitted = fixed.copy()
    for i, c in enumerate(model.components):
        u = c.effects(g[span_of[i]]) if i in span_of else np.zeros(len(c.labels))
        effects[c.name] = one_term(c, u, "u")
        fitted += c.Z @ u
    return Solution(
        beta=pd.Series(beta, index=pd.Index(model.x_names), name="b"),
        random_effects=effects,
        g=pd.Series(g, index=index, name="g"),
        fixed=fixed,
        fitted=fitted,
        residuals=model.y - fitted,
        iterations=found,
    )
