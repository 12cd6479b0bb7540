"""What is given in the place of being estimated: σ², or a linear function of β."""

from __future__ import annotations

from dataclasses import dataclass

from ...support.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Constraint:
    """c'β = d, for maximum likelihood.

    Attributes
    ----------
    row : ndarray (p,)
        c.
    value : float
        d.
    """

    row: FloatArray
    value: float


@dataclass(frozen=True, eq=False)
class Given:
    """What the criterion is not minimised over, beside θ and φ, in the engine's units.

    Attributes
    ----------
    sigma2 : float or None
        σ², profiled out if None.
    constraint : Constraint or None
        Of β, which is profiled out without one.
    """

    sigma2: float | None = None
    constraint: Constraint | None = None


NOTHING = Given()
"""σ and β are profiled out."""
