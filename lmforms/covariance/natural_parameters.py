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
