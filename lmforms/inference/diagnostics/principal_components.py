"""Principal components of the random effects of each grouping factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...results.state import FitState
from ...support.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class RandomComponents:
    """Principal components of the covariance σ²λλ' of one level's random effects.

    Attributes
    ----------
    group : str
    effects : tuple of str (k,)
    relative_sd : ndarray (k,)
        Singular values of λ, descending: standard deviations in units of σ.
    directions : ndarray (k, k)
        Their directions, as columns; the largest entry of each is positive.
    """

    group: str
    effects: tuple[str, ...]
    relative_sd: FloatArray
    directions: FloatArray

    @property
    def shares(self) -> FloatArray:
        """Share of each in the variance, (k,); NaN where there is none."""
        variances = np.square(self.relative_sd)
        total = variances.sum()
        return variances / total if total > 0 else np.full(len(variances), np.nan)


def random_components(state: FitState) -> list[RandomComponents]:
    """Components of each grouping factor of a fit.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> random_components(fit.state)[0].relative_sd.round(4)
    array([0.9669, 0.2309])
    """
    out = []
    for group, lam in zip(state.design.groups, state.estimate.lams, strict=True):
        left, sizes, _ = np.linalg.svd(lam)
        largest = left[np.abs(left).argmax(axis=0), np.arange(len(left))]
        directions = left * np.where(largest < 0, -1.0, 1.0)
        out.append(RandomComponents(group.name, group.columns, sizes, directions))
    return out
