"""What a covariance structure reports besides variances and correlations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NaturalParameter:
    """A parameter as users read it.

    Attributes
    ----------
    name : str
        Such as ``sd`` or ``rho``.
    low, high : float
        Its bounds.
    relative : bool
        Whether it is in units of σ.
    """

    name: str
    low: float
    high: float
    relative: bool


@dataclass(frozen=True)
class RelativeCoordinate:
    """How a parameter in units of σ depends on θ: unit × θ_entry^power, up to its sign.

    Attributes
    ----------
    entry : int
        Of θ.
    effect : int
        Place of the effect in whose units it is.
    power : int
        1 or 2.
    is_signed : bool
        Whether it may be negative.
    positive : tuple of int
        Other entries of θ that fix its sign: they are positive by convention.
    """

    entry: int
    effect: int
    power: int = 1
    is_signed: bool = False
    positive: tuple[int, ...] = ()
