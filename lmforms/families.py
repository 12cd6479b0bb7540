"""Families of responses as objects: with given parameters, with more zeros, without zeros.

``family="poisson"`` of :func:`lmforms.glmer` is ``family=lmforms.families.Poisson()``.

>>> import lmforms as lf
>>> lf.families.NegativeBinomial(size=2.0), lf.families.ZeroInflated(lf.families.Poisson())
(NegativeBinomial(size=2), ZeroInflated(Poisson()))
"""

from __future__ import annotations

from .glmm.families.base import Family
from .glmm.families.beta import Beta
from .glmm.families.binomial import BetaBinomial, Binomial
from .glmm.families.counts import NegativeBinomial, NegativeBinomial1, Poisson
from .glmm.families.gaussian import Gaussian
from .glmm.families.ordinal import Ordinal
from .glmm.families.positive import Gamma, InverseGaussian
from .glmm.families.student_t import StudentT
from .glmm.families.truncation import Truncated
from .glmm.families.tweedie import Tweedie
from .glmm.families.zeros import Hurdle, ZeroInflated

__all__ = [
    "Beta",
    "BetaBinomial",
    "Binomial",
    "Family",
    "Gamma",
    "Gaussian",
    "Hurdle",
    "InverseGaussian",
    "NegativeBinomial",
    "NegativeBinomial1",
    "Ordinal",
    "Poisson",
    "StudentT",
    "Truncated",
    "Tweedie",
    "ZeroInflated",
]
