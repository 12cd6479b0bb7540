"""Families with responses, parameters and predictors well inside their ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmforms.glmm.families.base import Family, Response
from lmforms.glmm.families.beta import Beta
from lmforms.glmm.families.binomial import BetaBinomial, Binomial
from lmforms.glmm.families.counts import NegativeBinomial, NegativeBinomial1, Poisson
from lmforms.glmm.families.gaussian import Gaussian
from lmforms.glmm.families.positive import Gamma, InverseGaussian
from lmforms.glmm.families.student_t import StudentT
from lmforms.glmm.families.truncation import Truncated
from lmforms.glmm.families.tweedie import Tweedie
from lmforms.glmm.families.zeros import Hurdle, ZeroInflated

ROWS = 24


@dataclass(frozen=True)
class Case:
    family: Family
    y: np.ndarray
    omega: tuple[float, ...]
    trials: np.ndarray | None = None

    @property
    def response(self) -> Response:
        return Response(self.y, self.trials)

    def rows_of_omega(self, n: int = ROWS) -> list[np.ndarray]:
        """ω that differ between rows."""
        return [w + np.linspace(-0.3, 0.3, n) for w in self.omega]


def _cycled(values) -> np.ndarray:
    return np.resize(np.asarray(values, dtype=float), ROWS)


COUNTS = _cycled([0, 1, 2, 5, 12, 0, 60])
POSITIVE = _cycled([0.2, 0.9, 1.0, 3.5, 12.0])
REAL = _cycled([-2.0, 0.3, 1.0, 4.0, 9.0])
AMOUNTS = _cycled([0.0, 0.2, 1.0, 0.0, 7.0])
TRIALS = _cycled([1, 4, 10, 4, 1, 30])
SUCCESSES = np.minimum(_cycled([0, 4, 3, 1, 1]), TRIALS)
POSITIVE_SUCCESSES = np.maximum(SUCCESSES, 1.0)

CASES = {
    str(case.family): case
    for case in (
        Case(Gaussian(), REAL, (0.4,)),
        Case(StudentT(), REAL, (-0.2, 1.2)),
        Case(StudentT(df=5), REAL, (0.3,)),
        Case(Binomial(), SUCCESSES, (), TRIALS),
        Case(BetaBinomial(), SUCCESSES, (1.1,), TRIALS),
        Case(Beta(), _cycled([0.05, 0.3, 0.5, 0.99]), (1.5,)),
        Case(Poisson(), COUNTS, ()),
        Case(NegativeBinomial(), COUNTS, (0.7,)),
        Case(NegativeBinomial(size=2), COUNTS, ()),
        Case(NegativeBinomial1(), COUNTS, (0.3,)),
        Case(Gamma(), POSITIVE, (-0.6,)),
        Case(InverseGaussian(), POSITIVE, (-0.6,)),
        Case(Tweedie(), AMOUNTS, (0.2, 0.3)),
        Case(Tweedie(power=1.6), AMOUNTS, (0.2,)),
        Case(ZeroInflated(Poisson()), COUNTS, (-0.5,)),
        Case(ZeroInflated(NegativeBinomial()), COUNTS, (0.7, -0.5)),
        Case(ZeroInflated(NegativeBinomial1(), zero_inflation=0.3), COUNTS, (0.3,)),
        Case(ZeroInflated(Binomial()), SUCCESSES, (-0.5,), TRIALS),
        Case(ZeroInflated(Tweedie()), AMOUNTS, (0.2, 0.3, -1.0)),
        Case(Hurdle(Poisson()), COUNTS, (-0.5,)),
        Case(Hurdle(NegativeBinomial()), COUNTS, (0.7, -0.5)),
        Case(Hurdle(Gamma()), AMOUNTS, (-0.6, -0.5)),
        Case(Truncated(Poisson()), np.maximum(COUNTS, 1.0), ()),
        Case(Truncated(NegativeBinomial1()), np.maximum(COUNTS, 1.0), (0.3,)),
        Case(Truncated(Binomial()), POSITIVE_SUCCESSES, (), TRIALS),
    )
}

# η of each link, inside the range that every family can use
ETA = {
    "logit": (-3.0, 3.0),
    "probit": (-2.0, 2.0),
    "cloglog": (-3.0, 1.0),
    "cauchit": (-4.0, 4.0),
    "log": (-2.0, 2.0),
    "identity": (0.5, 6.0),
    "sqrt": (0.5, 3.0),
    "inverse": (0.3, 2.0),
    "inverse_squared": (0.3, 2.0),
}
ETA_OF_PROBABILITIES = ETA | {"log": (-3.0, -0.3), "identity": (0.2, 0.8)}


def eta_of(family: Family, link: str, n: int = ROWS) -> np.ndarray:
    """Predictors in a mixed order, so that small ones meet small and large responses."""
    table = ETA_OF_PROBABILITIES if family.inner == "logit" else ETA
    return np.random.default_rng(5).permutation(np.linspace(*table[link], n))


def means_of(family: Family) -> np.ndarray:
    """Means of every size that suits a family."""
    if family.inner == "logit":
        return np.linspace(0.1, 0.9, ROWS)
    return np.linspace(0.4, 5.0, ROWS)
