"""Priors of variances, and whether the posterior is proper.

v ~ νS/χ²_ν has density ∝ v^(−ν/2−1) exp(−νS/(2v)); ν = −2 and S = 0 is flat (cheat sheet, section
7).
The posterior can be improper although every full conditional is a distribution, and a Gibbs
sampler does not notice (Hobert and Casella 1996, JASA 91, 1461–1473). The likelihood has the
tail v^(−t/2), t the rank of SZ_i, and at v = 0 it is positive:

- t + Σν > 0 for every set of components, t the rank of theirs together, as all of them → ∞;
- n − p + Σν > 0 over all, the residual included;
- ν < 0 or S > 0 for a component, as its v → 0; for the residual too if the effects explain every
  row.

For one component these are Hobert and Casella's conditions; for several they are necessary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..errors import ArgumentError, ModelError, listed, near_matches
from ..support.arguments import named_arguments, number
from ..support.arrays import FloatArray
from .component_problem import ComponentProblem

MOST_RANKED_EFFECTS = 500
"""Largest number of effects of which the rank is computed; for more it is their number minus p."""

LARGEST_SET = 4
"""Sets of up to this many components are checked."""


@named_arguments
@dataclass(frozen=True)
class InverseChiSquared:
    """The scaled inverse chi-squared prior of a variance: νS/χ²_ν.

    Attributes
    ----------
    nu : float
        Degrees of freedom ν: the weight of the prior in observations. −2 with scale 0 is flat.
    scale : float
        S, in the units of the variance: where the prior is centred.

    Examples
    --------
    >>> InverseChiSquared(4, 100.0)
    InverseChiSquared(nu=4.0, scale=100.0)
    """

    nu: float
    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "nu", number("nu", self.nu))
        object.__setattr__(self, "scale", number("scale", self.scale, least=0.0))
        if self.scale > 0 and self.nu <= 0:
            raise ArgumentError(
                f"nu = {self.nu} with scale = {self.scale}: a scale has a meaning for nu > 0 only; "
                "the flat prior is InverseChiSquared(-2, 0)."
            )


FLAT_PRIOR = InverseChiSquared(-2.0, 0.0)
"""p(v) ∝ 1."""

Priors = InverseChiSquared | Mapping[str, InverseChiSquared] | None


def priors_of(prior: Priors, names: list[str]) -> tuple[InverseChiSquared, ...]:
    """One prior for each variance, the residual's last; flat where none is given."""
    if prior is None or isinstance(prior, InverseChiSquared):
        return (prior or FLAT_PRIOR,) * len(names)
    if not isinstance(prior, Mapping) or not all(
        isinstance(value, InverseChiSquared) for value in prior.values()
    ):
        raise ArgumentError(
            "prior must be an InverseChiSquared, or a mapping of them by the names of variances: "
            f"{listed(names)}."
        )
    for name in prior:
        if name not in names:
            raise ArgumentError(
                f"prior: there is no variance `{name}`, but {listed(names)}."
                f"{near_matches(str(name), names)}"
            )
    return tuple(prior.get(name, FLAT_PRIOR) for name in names)


def check_proper(
    problem: ComponentProblem, priors: tuple[InverseChiSquared, ...], names: list[str]
) -> None:
    """Refuse priors with an improper posterior.

    Raises
    ------
    ModelError
    """
    count = len(names) - 1
    for name, prior in zip(names[:-1], priors[:-1], strict=True):
        if prior.nu >= 0 and prior.scale == 0:
            _refuse(f"its mass is at zero variance of {name} (nu ≥ 0 without a scale)", name)
    for size in range(1, min(count, LARGEST_SET) + 1):
        for chosen in combinations(range(count), size):
            nu = sum(priors[i].nu for i in chosen)
            rank = _rank(problem, chosen) if nu < 0 else np.inf
            if rank + nu <= 0:
                of = " and ".join(names[i] for i in chosen)
                _refuse(
                    f"{of} has {rank:g} effects that X does not explain, and nu = {nu:g} leaves "
                    f"{rank + nu:g} degrees of freedom",
                    names[chosen[0]],
                )
    left, nu = problem.n - problem.p, sum(p.nu for p in priors)
    if left + nu <= 0:
        _refuse(f"n − p = {left} and nu = {nu:g} leave {left + nu:g} degrees of freedom", names[-1])
    last, every = priors[-1], tuple(range(count))
    loose = last.nu >= 0 and last.scale == 0 and problem.counts.sum() <= MOST_RANKED_EFFECTS
    if loose and _rank(problem, every) >= left:
        _refuse("the effects explain every row, and its mass is at no residual", names[-1])


def posterior_tails(problem: ComponentProblem, priors: tuple[InverseChiSquared, ...]) -> FloatArray:
    """t of every component: the posterior of its variance has a tail of v^(−1−t/2) or heavier."""
    count = len(priors) - 1
    return np.array([_rank(problem, (i,)) + priors[i].nu for i in range(count)])


def _refuse(why: str, name: str) -> None:
    raise ModelError(
        f"the posterior is improper: {why}. Give a proper prior, such as "
        f"prior={{{name!r}: InverseChiSquared(4, s)}} with s the variance you would expect."
    )


def _rank(problem: ComponentProblem, chosen: tuple[int, ...]) -> float:
    """Rank of S[Z_i …], or a bound."""
    if not chosen:
        return 0.0
    at = np.concatenate([np.arange(s.start, s.stop) for s in (problem.spans[i] for i in chosen)])
    if len(at) > MOST_RANKED_EFFECTS:
        return float(len(at) - problem.p)
    block = problem.orthonormal.zz.tocsr()[at][:, at].toarray()
    zx = problem.orthonormal.zx[at]
    spread = np.sqrt(np.maximum(np.diag(block), np.finfo(float).tiny))
    inner = (block - zx @ zx.T) / spread[:, None] / spread
    return float(np.linalg.matrix_rank(inner, tol=1e-9 * len(at), hermitian=True))
