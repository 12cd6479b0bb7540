"""R-side structures: the covariance σ²R of the residuals, as a whitening of rows.

The engine only ever sees rows multiplied by R^(−1/2), so y = Xβ + Zb + e with
e ~ N(0, σ²R) becomes a model with independent residuals of variance σ².

The functions with capitals make the argument ``residual`` of :func:`lmforms.lmer`, as does text:

>>> import lmforms as lf
>>> lf.residual.AR1("time", "subject") == lf.residual.parse_residual("ar1(time | subject)")
True
"""

from __future__ import annotations

from .base import Residual
from .constructors import (
    AR1,
    ARMA,
    CS,
    HAR1,
    HCS,
    MA,
    US,
    Ante,
    ConstPower,
    CorSymm,
    Exp,
    ExpVar,
    Gau,
    HAnte,
    HToep,
    Idh,
    Kronecker,
    Mat,
    Power,
    Sph,
    Toep,
)
from .grammar import parse_residual
from .iid import Independent
from .known import Known
from .specification import FITTED, ResidualSpec
from .weights import Weighted

__all__ = [
    "AR1",
    "ARMA",
    "CS",
    "FITTED",
    "HAR1",
    "HCS",
    "MA",
    "US",
    "Ante",
    "ConstPower",
    "CorSymm",
    "Exp",
    "ExpVar",
    "Gau",
    "HAnte",
    "HToep",
    "Idh",
    "Independent",
    "Known",
    "Kronecker",
    "Mat",
    "Power",
    "Residual",
    "ResidualSpec",
    "Sph",
    "Toep",
    "Weighted",
    "parse_residual",
]
