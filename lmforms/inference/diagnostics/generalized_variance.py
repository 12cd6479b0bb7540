r"""Shares of variance of a generalised fit, on the latent scale and on that of the observations.

On the latent scale, that of the link, the random effects and Xβ̂ have the variances of
:mod:`.variance_parts`, and the distribution of a response given its mean counts with

* π²/3, 1 and π²/6 for successes with the logit, probit and cloglog links: variances of the
  thresholds of single trials;
* ψ₁(λ²/V(λ)) for counts and gamma responses with the logarithmic link, ψ₁ the trigamma function:
  the variance of the logarithm of a gamma variable with mean λ and variance V(λ);
* ln(1 + V(λ)/λ²) for other families with the logarithmic link;
* g'(λ)² V(λ), by the delta method, otherwise.

λ is the mean over the rows of the expected responses of the population. An offset is held at its
mean.

On the scale of the observations, with E and Var over the random effects of row i,

.. math::
    σ^2_f = \operatorname{var}_i(m_i), \quad m_i = E\,μ_i, \qquad
    σ^2_r = \overline{\operatorname{Var} μ_i}, \qquad σ^2_e = \overline{E\,V(μ_i)},

of single trials if binomial. A grouping factor alone has the variance of the mean given its own
effects, so that several have less together than their sum or more.

References
----------
Nakagawa, Johnson, Schielzeth (2017), J. R. Soc. Interface 14(134), table 1 and the appendix on
observation-level variances; de Villemereuil et al. (2016), Genetics 204(3), for the scale of the
observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

from ...errors import ModelError
from ...glmm.estimate import GeneralizedEstimate
from ...glmm.families.base import Family
from ...glmm.families.ordinal import Ordinal
from ...glmm.families.truncation import Adapted
from ...glmm.population import MeanFunction
from ...results.state import FitState
from ...support.arrays import FloatArray
from .variance_parts import random_variances, single_row_groups

THRESHOLDS = {"logit": np.pi**2 / 3.0, "probit": 1.0, "cloglog": np.pi**2 / 6.0}
"""Variances of the latent thresholds of single trials."""

GAMMA_LIKE = ("poisson", "negative_binomial", "negative_binomial1", "gamma")
"""Families whose latent variance is by the trigamma function."""

OUTER_NODES = np.arange(-10.0, 10.25, 0.5)
"""For the effects of one grouping factor, over which averages over the others are taken."""


@dataclass(frozen=True, eq=False)
class GeneralizedParts:
    """Parts of the variance of a response.

    Attributes
    ----------
    fixed : float
        Of the fixed effects.
    groups : dict of str to float
        Of the grouping factors whose levels have several rows.
    random : float
        Of all of these together.
    within : float
        Of the distribution of a response, and of random effects of single rows.
    rows : tuple of str
        Grouping factors of single rows.
    method : str
        How the variance of the distribution was taken.
    """

    fixed: float
    groups: dict[str, float]
    random: float
    within: float
    rows: tuple[str, ...]
    method: str

    @property
    def total(self) -> float:
        """Sum of the parts."""
        return self.fixed + self.random + self.within


def generalized_parts(
    state: FitState, estimate: GeneralizedEstimate, scale: str
) -> GeneralizedParts:
    """Parts of the variance on one of both scales.

    Parameters
    ----------
    state : FitState
    estimate : GeneralizedEstimate
        Of the state.
    scale : {"latent", "observation"}

    Raises
    ------
    ModelError
        They are not defined for the family and its link.
    """
    design, single = state.design, single_row_groups(state)
    by_row = random_variances(state)
    fixed = design.X @ estimate.beta
    eta = fixed + np.mean(design.offset)
    mean = MeanFunction(estimate.family, estimate.likelihood.link)
    omega = estimate.likelihood.omega(estimate.coefficients)
    shared = {name: values for name, values in by_row.items() if name not in single}
    if scale == "observation":
        if isinstance(estimate.family, Ordinal):
            raise ModelError("ordered classes have no variance: use scale='latent'.")
        return _observed_parts(mean, eta, by_row, shared, single, omega)
    total = sum(by_row.values(), start=np.zeros(design.n))
    variance, method = _latent_variance(mean, eta, total, omega)
    within = variance + float(sum(by_row[name].mean() for name in single))
    groups = {name: float(values.mean()) for name, values in shared.items()}
    own = float(np.var(fixed, ddof=1)) if len(estimate.beta) else 0.0
    return GeneralizedParts(own, groups, sum(groups.values()), within, single, method)


def _latent_variance(
    mean: MeanFunction, eta: FloatArray, variance: FloatArray, omega: Sequence[FloatArray]
) -> tuple[float, str]:
    """Variance of the distribution on the link, and what it is called."""
    family, link = mean.family, mean.link
    if isinstance(family, Adapted):
        raise ModelError(
            f"the {family.name} family has no variance on the latent scale: zeros that are added "
            "or left out are no part of the linear predictor. Use scale='observation'."
        )
    is_ordinal = isinstance(family, Ordinal)
    if (family.takes_trials or is_ordinal) and link.name in THRESHOLDS:
        what = "of the latent variable" if is_ordinal else "of single trials"
        return THRESHOLDS[link.name], f"{what} with the {link.name} link"
    if link.name == "cauchit":
        raise ModelError(
            "the latent thresholds of the cauchit link have no variance. Use scale='observation'."
        )
    usual = float(np.mean(mean.averaged(eta, variance, omega)))
    spread = float(np.mean(_variance_at(family, usual, omega)))
    if not np.isfinite(spread):
        raise ModelError(
            f"the {family.name} family has no finite variance at its parameters: shares of "
            "variance are not defined."
        )
    if link.name == "log" and family.name in GAMMA_LIKE:
        return float(polygamma(1, usual**2 / spread)), f"trigamma, at the mean {usual:.4g}"
    if link.name == "log" and not family.takes_trials:
        return float(np.log1p(spread / usual**2)), f"lognormal, at the mean {usual:.4g}"
    slope = link.inner("identity", link.of_mean(np.array([usual])), 1)[1, 0]
    return spread / float(slope) ** 2, f"delta method, at the mean {usual:.4g}"


def _variance_at(family: Family, usual: float, omega: Sequence[FloatArray]) -> FloatArray:
    size = max((len(o) for o in omega), default=1)
    return np.asarray(family.variance(np.full(size, usual), omega))


def _observed_parts(
    mean: MeanFunction,
    eta: FloatArray,
    by_row: dict[str, FloatArray],
    shared: dict[str, FloatArray],
    single: tuple[str, ...],
    omega: Sequence[FloatArray],
) -> GeneralizedParts:
    none = np.zeros(len(eta))
    total = sum(by_row.values(), start=none)
    moments = mean.moments(eta, total, omega)
    both = moments.between + moments.within
    if not np.isfinite(both).all():
        raise ModelError(
            f"the {mean.family.name} family has no finite variance at its parameters: shares of "
            "variance are not defined."
        )
    of_shared = sum(shared.values(), start=none)
    random = moments.between
    if single:
        random = _between(mean, eta, of_shared, total - of_shared, omega)
    groups = {
        name: float(
            np.mean(random if len(shared) == 1 else _between(mean, eta, v, total - v, omega))
        )
        for name, v in shared.items()
    }
    return GeneralizedParts(
        fixed=float(np.var(moments.mean, ddof=1)),
        groups=groups,
        random=float(random.mean()),
        within=float((both - random).mean()),
        rows=single,
        method="averages over the random effects",
    )


def _between(
    mean: MeanFunction,
    eta: FloatArray,
    own: FloatArray,
    others: FloatArray,
    omega: Sequence[FloatArray],
) -> FloatArray:
    """Variance of the mean given effects of variance `own`, the others averaged over, (n,)."""
    weights = np.exp(-0.5 * OUTER_NODES**2)
    weights /= weights.sum()
    others = np.maximum(others, 0.0)
    columns = [eta, own, others, *(o for o in omega if len(o) == len(eta) and mean.needs_omega)]
    kept, back = np.unique(np.stack(columns), axis=1, return_inverse=True)
    back = np.asarray(back).ravel()
    first_of = np.full(kept.shape[1], -1, dtype=np.intp)
    first_of[back[::-1]] = np.arange(len(eta))[::-1]
    eta, own, others = kept[:3]
    omega = [o if len(o) == 1 else o[first_of] for o in omega]
    centre = mean.averaged(eta, own + others, omega)
    first, second = np.zeros_like(eta), np.zeros_like(eta)
    for node, weight in zip(OUTER_NODES, weights, strict=True):
        away = mean.averaged(eta + node * np.sqrt(own), others, omega) - centre
        first += weight * away
        second += weight * away**2
    return np.asarray(np.maximum(second - first**2, 0.0)[back])
