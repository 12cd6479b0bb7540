"""Gibbs sampling of variance components: random effects and variances in turn.

The full conditionals are in :mod:`.samplers`, the priors in :mod:`.priors` (sheet, section 7).

With the flat prior, p(σ_1², …, σ²) ∝ 1 and p(β) ∝ 1, the posterior of all variances together is
proportional to the restricted likelihood: its joint mode is the REML estimate. The modes of
the single variances are of other functions, and are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.factor import calm_threads
from ..errors import MemoryLimitError, MissingPackageError, ModelError
from ..support.arguments import flag, generator, named_arguments, whole
from ..support.arrays import FloatArray
from .explained import refuse_lost
from .fit import RESIDUAL
from .model import ComponentModel, component_model_of
from .posterior import GibbsFit, all_draws
from .priors import Priors, check_proper, priors_of, tails_of
from .samplers import Sampler, sampler_of
from .sums import sums_of

MOST = 10**9
"""Iterations that nobody waits for."""

MEMORY = 8 * 2**30
"""Bytes that draws may take."""


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
        They start far apart, at random shares of the variance of y.
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
    The chain moves a variance by about √(2/q) of itself, for q effects: where effects are many
    and say little each (an animal model), draws are correlated over long stretches and more of
    them are needed. :meth:`GibbsFit.diagnostics` tells.

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
    draws, chains = whole("draws", draws, least=1), whole("chains", chains, least=1)
    warmup, thin = whole("warmup", warmup, most=MOST), whole("thin", thin, least=1, most=MOST)
    progress, rng = flag("progress", progress), generator("seed", seed)
    if not model.components:
        raise ModelError("the model has no component: its residual variance needs no sampling.")
    sums = sums_of(model)
    names = [*model.names, RESIDUAL]
    priors = priors_of(prior, names)
    check_proper(sums, priors, names)
    if not priors[-1].nu * priors[-1].scale > 0:  # else the prior holds the residual up
        refuse_lost(model, sums)
    sampler = sampler_of(model, sums)
    nu = np.array([p.nu for p in priors])
    added = nu * np.array([p.scale for p in priors]) / sums.scale**2

    kept = 8.0 * draws * chains * (2 * len(names) + sums.p)
    if kept > MEMORY:
        raise MemoryLimitError(
            f"draws={draws:,} in chains={chains:,} take {kept / 2**30:.1f} GiB, more than the "
            f"{MEMORY / 2**30:.0f} GiB that they may: `thin` keeps one iteration of several."
        )
    rngs = rng.spawn(chains)
    run = _Run(sampler, rngs, sampler.degrees + nu, added, (draws, sums.p))
    iterations: Iterable[int] = range(warmup + draws * thin)
    if progress:
        iterations = _bar(iterations)
    try:
        with calm_threads(len(sums.zr)):
            for i in iterations:
                run.step(keep=i >= warmup and (i - warmup + 1) % thin == 0)
    except KeyboardInterrupt:
        if not run.kept:
            raise
    kept = run.kept
    done = kept == draws
    mean = sampler.expanded(run.total / (kept * chains)) * sums.scale
    return GibbsFit(
        model=model,
        priors=priors,
        sampler=sampler.name,
        variance_draws=run.variances[:, :kept] * sums.scale**2,
        beta_draws=_betas(run.betas[:, :kept], sums),
        squares=run.squares[:, :kept] * sums.scale**2,
        degrees=run.degrees,
        tails=tails_of(sums, priors),
        effects=tuple(
            c.effects(mean[s]) for c, s in zip(model.components, sums.spans, strict=True)
        ),
        converged=done,
        message=f"{chains} chains of {kept} draws"
        + ("" if done else f" of {draws}: interrupted; more draws would be better"),
    )


class _Run:
    """All chains, one iteration at a time, so that an interruption leaves them equally long."""

    def __init__(
        self,
        sampler: Sampler,
        rngs: list[np.random.Generator],
        degrees: FloatArray,
        added: FloatArray,
        sizes: tuple[int, int],
    ) -> None:
        self.sampler, self.rngs, self.degrees, self.added = sampler, rngs, degrees, added
        shape = (len(rngs), sizes[0])
        self.variances = np.empty((*shape, len(degrees)))
        self.squares = np.empty((*shape, len(degrees)))
        self.betas = np.empty((*shape, sizes[1]))
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


def _start(sampler: Sampler, rng: np.random.Generator) -> FloatArray:
    """Variances that share that of y, which is 1, at random."""
    sizes = sampler.sums.sizes
    shares = rng.dirichlet(np.ones(len(sizes) + 1))
    return np.asarray(np.append(shares[:-1] / sizes, shares[-1]))


def _betas(inner: FloatArray, sums: Any) -> FloatArray:
    """Coefficients of X from those of X̃."""
    flat = all_draws(inner).T
    return np.asarray(sums.beta(flat).T.reshape(inner.shape))


def _bar(iterations: Iterable[int]) -> Iterable[int]:
    try:
        from tqdm import tqdm
    except ImportError:
        raise MissingPackageError(
            "progress=True needs tqdm: pip install 'lmforms[bayes]', or leave `progress` out."
        ) from None
    return tqdm(iterations, desc="gibbs")  # type: ignore[no-any-return]
