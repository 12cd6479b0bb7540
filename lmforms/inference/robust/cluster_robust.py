"""The cluster-robust covariance as a method of degrees of freedom, computed once for a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.linalg.threads import limited_blas_threads
from ...errors import ModelError
from ...results.state import FitState
from ...support.arguments import one_of
from ...support.arrays import FloatArray
from ..degrees_of_freedom.connected_rows import random_rows
from ..degrees_of_freedom.f_statistic import JointTest, f_p_value, principal_rows
from ..degrees_of_freedom.methods import DfMethod
from .cluster_scores import ROBUST_TYPES
from .clusters import Clusters, clusters_of
from .fit_sandwich import sandwich
from .sandwich import Sandwich

SINGULAR = 1e-8
"""Of an eigenvalue of the robust covariance of some rows, relative to its expectation."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ClusterRobust(DfMethod):
    """A cluster-robust covariance of β̂; degrees of freedom under the working model.

    Attributes
    ----------
    kind : str
        One of `ROBUST_TYPES`.
    clusters : Clusters
    sandwich : Sandwich
    """

    kind: str
    clusters: Clusters
    sandwich: Sandwich

    @property
    def joint_notes(self) -> tuple[str, ...]:
        """Notes for a table of joint tests."""
        return ("Approximate Hotelling test, under the working model.", *self.remarks)

    def variances(self, L: FloatArray) -> FloatArray:
        """Variance of each row of L (r, p), NaN where one cluster alone determines it, (r,)."""
        return np.where(self.sandwich.is_defined(L), super().variances(L), np.nan)

    def df(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom of each row of L (r, p), (r,)."""
        with limited_blas_threads(1):  # for many small products
            return self.sandwich.degrees_of_freedom(L)

    def joint(self, L: FloatArray, estimate: FloatArray) -> JointTest:
        """The approximate Hotelling test that all rows of L (r, p) are zero together."""
        half = self.sandwich.half
        rows, values, _ = principal_rows(L, estimate, half @ half.T)
        q = len(rows)
        if q == 0:
            return JointTest(np.nan, 0, np.nan, np.nan)
        robust = rows @ self.covariance @ rows.T
        if np.linalg.eigvalsh(robust)[0] <= SINGULAR or not self.sandwich.is_defined(rows).all():
            raise self._too_few(q)
        with limited_blas_threads(1):
            eta = self.sandwich.wishart_degrees_of_freedom(rows)
        den_df = eta - q + 1.0
        if not den_df > 0:
            raise self._too_few(q)
        wald = float(values @ np.linalg.solve(robust, values))
        statistic = den_df / (eta * q) * wald
        return JointTest(statistic, q, den_df, f_p_value(statistic, q, den_df))

    def _too_few(self, q: int) -> ModelError:
        count = self.clusters.count
        return ModelError(
            f"{self.kind}: {count} clusters of {self.clusters.name} say too little for a robust "
            f"test of {q} hypotheses at once. Test fewer, or use the model's own covariance: "
            "fit.contrast(L, joint=True)."
        )


def cluster_robust(state: FitState, kind: str, cluster: Any = None) -> ClusterRobust:
    """The cluster-robust covariance of a fit and the tests with it.

    Parameters
    ----------
    state : FitState
    kind : str
        One of `ROBUST_TYPES`.
    cluster : str, array or None
        See :func:`lmforms.inference.robust.clusters.clusters_of`.

    Raises
    ------
    ArgumentError, ColumnError, DataError, ModelError, MemoryLimitError
    """
    kind = one_of("type", kind, ROBUST_TYPES)
    random = random_rows(state)
    clusters = clusters_of(state, random, cluster)
    p = len(state.estimate.beta)
    if kind == "CR1p" and clusters.count <= p:
        raise ModelError(
            f"CR1p needs more clusters than coefficients; there are {clusters.count} clusters and "
            f"{p} coefficients. Use CR2."
        )
    with limited_blas_threads(1):
        found = sandwich(state, random, clusters.codes, clusters.count, kind)
    remarks = [f"Covariance: {kind}, {clusters.count} clusters of {clusters.name}."]
    defined = found.is_defined(np.eye(p))
    alone = [name for name, known in zip(state.design.x_names, defined, strict=True) if not known]
    if alone:
        remarks.append(f"Determined by one cluster alone: {', '.join(alone)}.")
    return ClusterRobust(
        covariance=found.covariance,
        label="Satterthwaite, under the working model",
        remarks=tuple(remarks),
        kind=kind,
        clusters=clusters,
        sandwich=found,
    )
