"""Gibbs sampling of variance components: random effects and variances in turn.

The full conditionals are in :mod:`.samplers`, the priors in :mod:`.priors` (cheat sheet,
section 7).

With the flat prior, p(σ_1², …, σ²) ∝ 1 and p(β) ∝ 1, the posterior of all variances together is
proportional to the restricted likelihood: its joint mode is the REML estimate. The modes of the
marginal densities of single variances are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.linalg.threads import limited_blas_threads
from ..engine.residual_variance import explained_or_raise
from ..errors import MemoryLimitError, ModelError, NumericalError
from ..support.arguments import flag, generator, named_arguments, whole_number
from ..support.arrays import FloatArray
from ..support.progress import with_bar
from .component_problem import ComponentProblem, component_problem
from .fit import RESIDUAL
from .model import ComponentModel, component_model_of
from .posterior import GibbsFit
from .priors import InverseChiSquared, Priors, check_proper, posterior_tails, priors_of
from .samplers import Sampler, sampler_of

MOST_ITERATIONS = 10**9
"""Upper limit of `warmup` and `thin`."""

LOST_RESIDUAL = 1e-10
"""A residual variance below this share of that of y given X has at most five correct digits where
it is a difference of sums."""

MOST_DRAW_BYTES = 8 * 2**30
"""Bytes that the draws may take."""


@named_arguments
def gibbs(
    model: ComponentModel,
    *,
    draws: int = 2000,
    warmup: int = 500,
    chains: int = 4,
    thin: int = 1,
    prior: Priors = None,
    seed: Any = None,
    progress: bool = False,
) -> GibbsFit:
    """Draw from the posterior of variance components and of β.

    Parameters
    ----------
    model : ComponentModel
        With one component or more, of any covariances.
    draws : int
        Kept in each chain.
    warmup : int
        Iterations at the start of each chain that are not kept.
    chains : int
        They start at random shares of the variance of y, far apart.
    thin : int
        One of so many iterations is kept.
    prior : InverseChiSquared or mapping, optional
        For every variance, or by their names (``"Residual"`` is one of them). Flat where none
        is given. β has a flat prior.
    seed : int or anything else :func:`numpy.random.default_rng` takes
        The same seed gives the same draws.
    progress : bool
        Whether tqdm shows a bar.

    Returns
    -------
    GibbsFit
        If interrupted from the keyboard, with the draws made so far and ``converged`` False.

    Raises
    ------
    ModelError
        The posterior is improper; or there is no component.
    MissingPackageError
        `progress` without tqdm.

    Notes
    -----
    A step changes a variance by about √(2/q) of its value, for q effects. With many effects that
    each have little information (an animal model) draws are highly autocorrelated, and more of them
    are needed: see :meth:`GibbsFit.diagnostics`.

    Examples
    --------
    >>> import lmforms as lf
    >>> from lmforms.varcomp import ComponentModel, InverseChiSquared, gibbs
    >>> model = ComponentModel.of_formula("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> prior = {"Batch": InverseChiSquared(4, 1500.0)}
    >>> fit = gibbs(model, draws=500, chains=2, prior=prior, seed=1)
    >>> fit.variance_draws.shape
    (2, 500, 2)
    >>> bool(1000 < fit.summary().loc[("variance", "Batch"), "mean"] < 3000)
    True
    """
    model = component_model_of(model)
    draws, chains = whole_number("draws", draws, least=1), whole_number("chains", chains, least=1)
    warmup = whole_number("warmup", warmup, most=MOST_ITERATIONS)
    thin = whole_number("thin", thin, least=1, most=MOST_ITERATIONS)
    progress, rng = flag("progress", progress), generator("seed", seed)
    if not model.components:
        raise ModelError("the model has no component: its residual variance needs no sampling.")
    problem = component_problem(model)
    names = [*model.names, RESIDUAL]
    priors = priors_of(prior, names)
    check_proper(problem, priors, names)
    proper_residual = priors[-1].nu * priors[-1].scale > 0  # such a prior keeps σ² positive
    if not proper_residual:
        _refuse_lost_residual(problem)
    _check_memory(draws, chains, 2 * len(names) + problem.p)
    run = _Chains(sampler_of(problem), rng.spawn(chains), priors, draws)
    iterations = with_bar(range(warmup + draws * thin), progress, "gibbs")
    try:
        with limited_blas_threads(int(problem.counts.sum())):
            for i in iterations:
                run.step(keep=i >= warmup and (i - warmup + 1) % thin == 0)
    except KeyboardInterrupt:
        if not run.kept:
            raise
    return run.result()


def _refuse_lost_residual(problem: ComponentProblem) -> None:
    """Raise if components explain y exactly, or up to less than the rounding of sums of squares.

    Raises
    ------
    ModelError, NumericalError
    """
    found = explained_or_raise(problem.rows, problem.roots)
    share = found.sum_of_squares / (problem.n * problem.y_scale**2)
    if share < LOST_RESIDUAL and not found.any_response:
        raise NumericalError(
            f"{' and '.join(problem.model.names)} leave only {share:.0e} of what X leaves of the "
            "response: that is lost in rounding where draws are made from sums of squares. "
            "method='ai' sums up residuals."
        )


def _check_memory(draws: int, chains: int, numbers: int) -> None:
    """Refuse draws of so many numbers each that do not fit into `MOST_DRAW_BYTES`."""
    needed = 8.0 * draws * chains * numbers
    if needed > MOST_DRAW_BYTES:
        raise MemoryLimitError(
            f"draws={draws:,} in chains={chains:,} take {needed / 2**30:.1f} GiB, more than the "
            f"{MOST_DRAW_BYTES / 2**30:.0f} GiB that they may: `thin` keeps one iteration of "
            "several."
        )


class _Chains:
    """All chains, advanced together, so that they have equal length after an interruption."""

    def __init__(
        self,
        sampler: Sampler,
        rngs: list[np.random.Generator],
        priors: tuple[InverseChiSquared, ...],
        draws: int,
    ) -> None:
        self.sampler, self.rngs, self.priors, self.draws = sampler, rngs, priors, draws
        nu = np.array([p.nu for p in priors])
        self.degrees = sampler.degrees + nu
        units = sampler.problem.variance_units
        self.added = nu * np.array([p.scale for p in priors]) / units
        shape = (len(rngs), draws)
        self.variances = np.empty((*shape, len(priors)))
        self.squares = np.empty((*shape, len(priors)))
        self.betas = np.empty((*shape, sampler.problem.p))
        self.total: FloatArray = np.zeros(1)
        self.kept = 0
        self._state = [_start(sampler, rng) for rng in rngs]

    def step(self, keep: bool) -> None:
        """One iteration of every chain."""
        totals: FloatArray = np.zeros(1)
        for c, rng in enumerate(self.rngs):
            effects = self.sampler.effects(self._state[c], rng)
            squares = self.sampler.squares(effects) + self.added
            self._state[c] = squares / rng.chisquare(self.degrees)
            if keep:
                self.variances[c, self.kept] = self._state[c]
                self.squares[c, self.kept] = squares
                self.betas[c, self.kept] = self.sampler.beta(effects, self._state[c], rng)
                totals = totals + effects
        if keep:
            self.total, self.kept = self.total + totals, self.kept + 1

    def result(self) -> GibbsFit:
        """The draws that were kept, in the user's units."""
        sampler, problem = self.sampler, self.sampler.problem
        kept, chains = self.kept, len(self.rngs)
        done = kept == self.draws
        message = f"{chains} chains of {kept} draws"
        if not done:
            message += f" of {self.draws}: interrupted; more draws would be better"
        mean = sampler.expanded(self.total / (kept * chains))
        return GibbsFit(
            model=problem.model,
            priors=self.priors,
            sampler=sampler.name,
            variance_draws=self.variances[:, :kept] * problem.variance_units,
            beta_draws=problem.orthonormal.beta(self.betas[:, :kept]),
            squares=self.squares[:, :kept] * problem.variance_units,
            degrees=self.degrees,
            tails=posterior_tails(problem, self.priors),
            effects=tuple(problem.level_effects([mean[s][:, None] for s in problem.spans])),
            converged=done,
            message=message,
        )


def _start(sampler: Sampler, rng: np.random.Generator) -> FloatArray:
    """Random shares of the variance of y given X."""
    scales = sampler.problem.unit_variances
    shares = sampler.problem.given_x_variance * rng.dirichlet(np.ones(len(scales) + 1))
    return np.asarray(np.append(shares[:-1] / scales, shares[-1]))
