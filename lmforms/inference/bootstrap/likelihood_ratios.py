"""Likelihood-ratio tests whose distribution is that of responses drawn under the smaller model.

References
----------
Halekoh, Højsgaard (2014), *A Kenward–Roger Approximation and Parametric Bootstrap Methods for Tests
in Linear Mixed Models – The R Package pbkrtest*, J. Stat. Software 59(9), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...engine.replication.replicates import Replicates
from ...errors import ModelError
from ...results.simulate import simulated
from ...support.arrays import FloatArray
from ..generalized_draws import ResponseDraws
from ..model_comparison.fits_compared import ComparedFit
from ..model_comparison.likelihood_ratio import LEAST_STATISTIC, LikelihoodRatio
from .batches import collected
from .fits_refused import check_fit
from .generalized_replicates import GeneralizedRefits
from .refitters import RowRefitter, batch_refitter
from .row_sums import MOST_DRAWN_NUMBERS, RowSums


def bootstrap_p_values(
    fits: Sequence[ComparedFit],
    tests: Sequence[LikelihoodRatio],
    n: int,
    generator: np.random.Generator,
    progress: bool,
) -> tuple[FloatArray, list[str]]:
    """p-values of tests against the fit before, and what is to be said of them.

    Parameters
    ----------
    fits : sequence of ComparedFit
        By the number of parameters.
    tests : sequence of LikelihoodRatio
        One for each fit; those without a p-value are not made.
    n : int
        Number of responses drawn for each test.
    generator : numpy.random.Generator
    progress : bool
    """
    tested = [j for j in range(1, len(fits)) if np.isfinite(tests[j].p_value)]
    for j in sorted({i for k in tested for i in (k - 1, k)}):
        check_fit(fits[j].state, f"anova, bootstrap of {fits[j].name!r}")
    out, notes = np.full(len(fits), np.nan), []
    for j in tested:
        statistics = drawn_statistics(fits[j - 1], fits[j], n, generator, progress)
        made = statistics[np.isfinite(statistics)]
        name = fits[j].name
        if not len(made):
            raise ModelError(
                f"anova: none of {len(statistics)} responses drawn under {fits[j - 1].name!r} "
                f"could be fitted by {name!r}. Leave bootstrap= out."
            )
        extreme = int((made >= tests[j].statistic).sum())
        out[j] = (1 + extreme) / (1 + len(made))
        if len(made) < n:
            notes.append(f"{name}: {len(made)} of {n} statistics drawn could be used.")
    if tested:
        notes.insert(
            0,
            f"p_value_bootstrap: (1 + m)/(1 + {n}), m statistics of responses drawn under the "
            "model above being at least as large.",
        )
    return out, notes


def drawn_statistics(
    small: ComparedFit,
    large: ComparedFit,
    n: int,
    generator: np.random.Generator,
    progress: bool = False,
) -> FloatArray:
    """Statistics of responses drawn under the smaller model, NaN where a refit failed, (n,)."""
    source = StatisticsSource(small, large, generator)
    return np.concatenate(collected(source, n, progress))


class StatisticsSource:
    """Differences of the criteria of two models, of responses drawn under the first."""

    def __init__(
        self, small: ComparedFit, large: ComparedFit, generator: np.random.Generator
    ) -> None:
        self._small, self._large, self._generator = small, large, generator
        self._refitters = [responses_refitter(fit) for fit in (small, large)]
        self._draws: ResponseDraws | None = None
        if small.state.family is not None:
            self._draws = ResponseDraws(small.state, new_effects=True)

    @property
    def step(self) -> int:
        """As many as either model is fitted to side by side."""
        return min(refitter.step for refitter in self._refitters)

    def next(self, count: int) -> FloatArray:
        """The next ones."""
        small, large = self._small, self._large
        drawn = self._drawn(count)
        other = np.empty_like(drawn)
        other[large.order] = drawn[small.order]
        first, second = (
            refitter.fit(Y).criterion
            for refitter, Y in zip(self._refitters, (drawn, other), strict=True)
        )
        difference = first - second
        return np.where(difference <= LEAST_STATISTIC, 0.0, difference)

    def _drawn(self, count: int) -> FloatArray:
        """Responses under the smaller model, (n, count)."""
        if self._draws is None:
            return simulated(self._small.state, count, self._generator, new_effects=True)
        return np.stack([self._draws.draw(rng) for rng in self._generator.spawn(count)], axis=1)


def responses_refitter(fit: ComparedFit) -> RowSums | OneByOne | GeneralizedRefits:
    """What refits responses given as rows, by the quickest way that the model allows."""
    if fit.state.family is not None:
        return GeneralizedRefits(fit.state)
    together = batch_refitter(fit.state)
    if together is not None:
        sums = RowSums(fit.state, together)
        if sums.is_accurate:
            return sums
    return OneByOne(fit)


class OneByOne:
    """Fits of a model to responses as rows, one after the other."""

    def __init__(self, fit: ComparedFit) -> None:
        self._refitter = RowRefitter(fit.state, nearby=False)
        self.step = max(1, min(100, MOST_DRAWN_NUMBERS // fit.state.design.n))

    def fit(self, Y: FloatArray) -> Replicates:
        """Refit responses (n, c)."""
        out = Replicates.like(Y.shape[1], self._refitter.state.estimate)
        for j, y in enumerate(Y.T):
            found = self._refitter.estimate(np.ascontiguousarray(y))
            if found is not None:
                out.put(j, found)
        return out
