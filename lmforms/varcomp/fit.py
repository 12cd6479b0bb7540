"""`VarCompFit`: the result of every estimator of variance components."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..support.arguments import named_arguments, one_of
from ..support.arrays import BoolArray, FloatArray
from . import estimator_steps
from .likelihood import Likelihood
from .model import ComponentModel

if TYPE_CHECKING:
    import pandas as pd


FLAT_EIGENVALUE = 1e-9
"""Variances with an eigenvalue of the scaled information below this are not identified."""

RESIDUAL = "Residual"
"""Name of the last variance."""


@dataclass(frozen=True, eq=False)
class VarCompFit:
    """Estimated variance components, in the user's units.

    Attributes
    ----------
    model : ComponentModel
    method : str
    reml : bool
    steps : ndarray (t, r + 1)
        The variances at every iteration, start and end included.
    criteria : ndarray (t,)
        −2 × (restricted) log-likelihood at each.
    kinds : tuple of str
        The kind of each step: ``"start"``, ``"ai"``, ``"em"`` …
    converged : bool
    message : str
        Why it stopped, and the remedy if it should not have.
    likelihood : Likelihood
        At the estimate.
    """

    model: ComponentModel
    method: str
    reml: bool
    steps: FloatArray
    criteria: FloatArray
    kinds: tuple[str, ...]
    converged: bool
    message: str
    likelihood: Likelihood

    @property
    def names(self) -> list[str]:
        """Of the variances; the last is the residual's."""
        return [*self.model.names, RESIDUAL]

    @property
    def n_iterations(self) -> int:
        """Steps taken."""
        return len(self.steps) - 1

    @property
    def variances(self) -> pd.Series:
        """σ_1², …, σ²."""
        import pandas as pd

        return pd.Series(self.steps[-1], index=self.names, name="variance")

    @property
    def ratios(self) -> pd.Series:
        """σ_i²/σ² of the components."""
        return (self.variances[:-1] / self.variances.iloc[-1]).rename("ratio")

    @property
    def criterion(self) -> float:
        """−2 × (restricted) log-likelihood."""
        return float(self.criteria[-1])

    @property
    def llf(self) -> float:
        """The (restricted) log-likelihood."""
        return -0.5 * self.criterion

    @property
    def trace(self) -> pd.DataFrame:
        """Every iteration: its kind, criterion and variances."""
        import pandas as pd

        out = pd.DataFrame(self.steps, columns=self.names)
        out.insert(0, "criterion", self.criteria)
        out.insert(0, "step", list(self.kinds))
        return out

    @named_arguments
    def information(self, kind: str = "average") -> pd.DataFrame:
        """Of the variances: ``"average"``, ``"observed"`` or ``"expected"``.

        The last two need the inverse of the equations, dense.
        """
        import pandas as pd

        kind = one_of("kind", kind, ("average", "observed", "expected"))
        return pd.DataFrame(self.likelihood.information(kind), index=self.names, columns=self.names)

    @cached_property
    def flat(self) -> BoolArray:
        """Variances that are not identified, (r + 1,): the likelihood is flat along them.

        If X explains a component, its variance is not identified by REML.
        """
        at = self.likelihood
        known = np.append(~at.problem.explained, True) | (not self.reml)
        chosen = np.flatnonzero(estimator_steps.free(at) & known)
        inner = at.of_variances(at.average)[np.ix_(chosen, chosen)]
        scale = np.sqrt(np.diag(inner))
        values, vectors = np.linalg.eigh(inner / np.outer(scale, scale))
        out = ~known
        out[chosen] = (np.abs(vectors[:, values < FLAT_EIGENVALUE]) > 0.1).any(axis=1)
        return out

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors of the variances, from the average information.

        NaN for a variance of zero, where the likelihood is not quadratic; the others are
        conditional on it. NaN too for variances that are not identified.
        """
        import pandas as pd

        free = (self.steps[-1] > 0) & ~self.flat
        out = np.full(len(free), np.nan)
        inner = self.information().to_numpy()[np.ix_(free, free)]
        out[free] = np.sqrt(np.diag(np.linalg.inv(inner)))
        return pd.Series(out, index=self.names, name="se")

    @property
    def params(self) -> pd.Series:
        """β̂."""
        import pandas as pd

        return pd.Series(self.likelihood.beta, index=list(self.model.x_names))

    @named_arguments
    def cov_params(self) -> pd.DataFrame:
        """Covariance of β̂."""
        import pandas as pd

        names = list(self.model.x_names)
        return pd.DataFrame(self.likelihood.cov_beta, index=names, columns=names)

    @property
    def random_effects(self) -> dict[str, pd.Series]:
        """û of each component by its labels."""
        import pandas as pd

        return {
            c.name: pd.Series(u, index=pd.Index(c.labels), name=c.name)
            for c, u in zip(self.model.components, self.likelihood.effects, strict=True)
        }

    def __repr__(self) -> str:
        lines = [f"VarCompFit by {self.method!r} ({'REML' if self.reml else 'ML'})"]
        for name, value, se in zip(self.names, self.variances, self.bse, strict=True):
            lines.append(f"  {name:<20} {value:12.6g}  (se {se:.4g})")
        lines.append(f"  criterion {self.criterion:.6f}, {self.n_iterations} steps: {self.message}")
        return "\n".join(lines)


def fit_at(at: Likelihood, method: str, message: str) -> VarCompFit:
    """A fit at given variances, without iterations."""
    return VarCompFit(
        model=at.problem.model,
        method=method,
        reml=at.reml,
        steps=at.variances[None] * at.problem.variance_units,
        criteria=np.array([at.criterion]),
        kinds=("given",),
        converged=True,
        message=message,
        likelihood=at,
    )
