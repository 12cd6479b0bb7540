"""What a Gibbs sampler returns: draws, their summary, and modes of densities.

Modes of variances are of Rao–Blackwell's estimate of their posterior density (Gelfand and Smith
1990, JASA 85, 398–409): the mean over the draws k of the conditional densities that the sampler
drew from,

    p(v | y) ≈ 1/N Σ_k Π_i p(v_i | a_k, y),    v_i | a_k ~ s_ik/χ²(ν_i),

smooth and without a bandwidth. Those of β are of a Gaussian kernel density.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MissingPackageError
from ..support.arguments import named_arguments, number, sequence
from ..support.arrays import FloatArray
from .fit import RESIDUAL
from .model import ComponentModel
from .priors import InverseChiSquared

if TYPE_CHECKING:
    import pandas as pd


TRIED = 200
"""Draws at which the density is evaluated to start the search for its mode."""

GRID = 200
"""Places at which the kernel density of a coefficient is evaluated."""

QUANTILES = (0.025, 0.5, 0.975)


@dataclass(frozen=True, eq=False)
class GibbsFit:
    """Draws from the posterior, in the user's units.

    Attributes
    ----------
    model : ComponentModel
    priors : tuple of InverseChiSquared
        Of σ_1², …, σ_r², σ².
    sampler : str
        How the random effects were drawn.
    variance_draws : ndarray (chains, draws, r + 1)
    beta_draws : ndarray (chains, draws, p)
    squares : ndarray (chains, draws, r + 1)
        s: variance i of draw k is from s_ik/χ²(ν_i).
    degrees : ndarray (r + 1,)
        These ν.
    tails : ndarray (r,)
        The posterior density of a component's variance falls like v^(−1−t/2) or slower: for
        t ≤ 2 it has no mean, for t ≤ 4 no standard deviation.
    effects : tuple of ndarray
        Posterior means of the random effects.
    converged : bool
        Whether all draws were made. Whether there are enough, see :meth:`diagnostics`.
    message : str
    """

    model: ComponentModel
    priors: tuple[InverseChiSquared, ...]
    sampler: str
    variance_draws: FloatArray
    beta_draws: FloatArray
    squares: FloatArray
    degrees: FloatArray
    tails: FloatArray
    effects: tuple[FloatArray, ...]
    converged: bool
    message: str

    @property
    def names(self) -> list[str]:
        """Of the variances; the last is the residual's."""
        return [*self.model.names, RESIDUAL]

    @property
    def variances(self) -> pd.DataFrame:
        """Draws of the variances, a column each, by chain and draw."""
        return self._frame(self.variance_draws, self.names)

    @property
    def betas(self) -> pd.DataFrame:
        """Draws of β, a column each, by chain and draw."""
        return self._frame(self.beta_draws, list(self.model.x_names))

    @property
    def random_effects(self) -> dict[str, pd.Series]:
        """Posterior means of u by component and label."""
        import pandas as pd

        return {
            c.name: pd.Series(u, index=pd.Index(c.labels), name=c.name)
            for c, u in zip(self.model.components, self.effects, strict=True)
        }

    @cached_property
    def joint_mode(self) -> pd.Series:
        """Mode of all variances together: with flat priors an estimate of REML's."""
        import pandas as pd

        return pd.Series(_mode(self._squares, self.degrees), index=self.names, name="mode")

    @cached_property
    def modes(self) -> pd.Series:
        """Modes of each variance, and of each coefficient."""
        import pandas as pd

        s = self._squares
        found = [_mode(s[:, [i]], self.degrees[[i]])[0] for i in range(len(self.names))]
        flat = all_draws(self.beta_draws)
        return pd.Series([*found, *(_kernel_mode(x) for x in flat.T)], index=self._index())

    @named_arguments
    def summary(self, quantiles: Sequence[float] = QUANTILES) -> pd.DataFrame:
        """Mean, sd, mode and quantiles of each variance and coefficient.

        Parameters
        ----------
        quantiles : sequence of float
            Between 0 and 1.

        Returns
        -------
        DataFrame
            Indexed by kind (``"variance"``, ``"fixed"``) and parameter. A mean or sd that the
            posterior does not have (`tails`) is infinite; its quantiles are what to report.
        """
        import pandas as pd

        quantiles = sequence("quantiles", quantiles, "numbers from 0 to 1")
        quantiles = [number("quantiles", q, least=0.0, most=1.0) for q in quantiles]
        x = all_draws(np.concatenate([self.variance_draws, self.beta_draws], axis=2))
        mean = x.mean(axis=0)
        sd = x.std(axis=0, ddof=1) if len(x) > 1 else np.full(x.shape[1], np.nan)
        mean[: len(self.tails)][self.tails <= 2] = np.inf
        sd[: len(self.tails)][self.tails <= 4] = np.inf
        columns = {"mean": mean, "sd": sd, "mode": self.modes.to_numpy()}
        for q in quantiles:
            columns[f"{100 * q:g}%"] = np.quantile(x, q, axis=0)
        return pd.DataFrame(columns, index=self._index())

    @named_arguments
    def to_inferencedata(self) -> Any:
        """The draws as an ArviZ InferenceData with ``variance`` and ``beta``.

        Raises
        ------
        MissingPackageError
            ArviZ is not installed.
        """
        return _arviz().from_dict(
            posterior={"variance": self.variance_draws, "beta": self.beta_draws},
            coords={"component": self.names, "coefficient": list(self.model.x_names)},
            dims={"variance": ["component"], "beta": ["coefficient"]},
        )

    @named_arguments
    def diagnostics(self) -> pd.DataFrame:
        """R-hat, effective sample sizes and Monte-Carlo errors, by ArviZ.

        Raises
        ------
        MissingPackageError
            ArviZ is not installed.
        """
        # unrounded: ArviZ rounds to a few decimals, whatever the units
        out = _arviz().summary(self.to_inferencedata(), kind="diagnostics", round_to="none")
        return out.set_index(self._index())

    def _index(self) -> pd.MultiIndex:
        import pandas as pd

        pairs = [("variance", name) for name in self.names]
        pairs += [("fixed", name) for name in self.model.x_names]
        return pd.MultiIndex.from_tuples(pairs, names=["kind", "parameter"])

    @property
    def _squares(self) -> FloatArray:
        return all_draws(self.squares)

    def _frame(self, x: FloatArray, names: list[str]) -> pd.DataFrame:
        import pandas as pd

        index = pd.MultiIndex.from_product(
            [range(x.shape[0]), range(x.shape[1])], names=["chain", "draw"]
        )
        return pd.DataFrame(all_draws(x), index=index, columns=names)

    def __repr__(self) -> str:
        return f"GibbsFit: {self.message} ({self.sampler})\n{self.summary().to_string()}"


def all_draws(x: FloatArray) -> FloatArray:
    """Draws of all chains below each other, also of no parameters."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _arviz() -> Any:
    try:
        import arviz
    except ImportError:
        raise MissingPackageError(
            "R-hat, effective sample sizes and InferenceData are ArviZ's: "
            "pip install 'lmforms[bayes]'."
        ) from None
    return arviz


def _mode(squares: FloatArray, degrees: FloatArray) -> FloatArray:
    """Mode of the mean over k of Π_i of the densities of s_ki/χ²(ν_i)."""
    from scipy.optimize import minimize
    from scipy.special import gammaln

    unit = np.median(squares, axis=0)
    s, half = squares / unit, 0.5 * degrees
    own = (half * np.log(0.5 * s) - gammaln(half)).sum(axis=1)

    def negative(log_v: FloatArray) -> tuple[float, FloatArray]:
        shrunk = 0.5 * s * np.exp(-log_v)
        each = own - shrunk.sum(axis=1) - float((half + 1.0) @ log_v)
        top = each.max()
        weights = np.exp(each - top)
        total = weights.sum()
        return -float(top + np.log(total / len(s))), (half + 1.0) - weights @ shrunk / total

    tried = s[np.unique(np.linspace(0, len(s) - 1, TRIED).astype(int))]
    starts = np.log(tried / (2.0 * (half + 1.0)))  # the modes of the single densities
    start = min(starts, key=lambda x: negative(x)[0])
    found = minimize(negative, start, jac=True, method="BFGS")
    return np.asarray(np.exp(found.x) * unit)


def _kernel_mode(x: FloatArray) -> float:
    """Mode of a Gaussian kernel density (Scott's bandwidth)."""
    from scipy.stats import gaussian_kde

    low, high = np.quantile(x, [0.1, 0.9])
    if not high > low:
        return float(np.median(x))
    grid = np.linspace(low, high, GRID)
    return float(grid[np.argmax(gaussian_kde(x)(grid))])
