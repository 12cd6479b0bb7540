"""Parameters of a family beside the mean, under the names that intervals and profiles have.

``size`` is a number in its natural units; ``zero_inflation[x]`` a coefficient of a formula, on the
unbounded scale; thresholds of ordered classes are as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..glmm.families.ordinal import Ordinal
from ..glmm.families.scales import natural, unbounded
from ..glmm.fit import parameter_of
from ..results.state import FitState
from .generalized import generalized_estimate


@dataclass(frozen=True)
class FamilyParameter:
    """One coefficient of ω.

    Attributes
    ----------
    name : str
    entry : int
        Among the coefficients of all ω.
    scale : str
        The parameter whose unbounded scale ω is on; empty where the coefficient itself is meant.
    """

    name: str
    entry: int
    scale: str

    def value(self, omega: float) -> float:
        """The parameter at ω.

        Examples
        --------
        >>> FamilyParameter("zero_inflation", 0, "zero_inflation").value(0.0)
        0.5
        """
        if not self.scale:
            return float(omega)
        with np.errstate(all="ignore"):
            return float(natural(self.scale, omega))

    def omega(self, value: float) -> float:
        """ω at which the parameter has a value."""
        if not self.scale:
            return float(value)
        with np.errstate(all="ignore"):
            return float(unbounded(self.scale, value))

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.value(-np.inf), self.value(np.inf)


def family_parameters(state: FitState) -> list[FamilyParameter]:
    """Parameters of the family of a generalised fit, in the order of their coefficients.

    Parameters
    ----------
    state : FitState

    Examples
    --------
    >>> import lmforms as lf
    >>> formula = "Reaction ~ Days + (1 | Subject)"
    >>> fit = lf.glmer(formula, lf.datasets.load("sleepstudy"), family="gamma", link="log")
    >>> [p.name for p in family_parameters(fit.state)]
    ['dispersion']
    """
    estimate = generalized_estimate(state)
    family, auxiliary = estimate.family, state.design.auxiliary
    of_formula = {parameter_of(family, name): part.names for name, part in auxiliary.items()}
    out = []
    for name, span in zip(family.parameter_names, estimate.likelihood.slices, strict=True):
        if name in of_formula:
            names = [f"{name}[{column}]" for column in of_formula[name]]
            out += [FamilyParameter(n, span.start + i, "") for i, n in enumerate(names)]
        else:
            scale = "" if isinstance(family, Ordinal) else name
            out.append(FamilyParameter(name, span.start, scale))
    return out
