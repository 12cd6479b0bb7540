"""Rubin's rules as a method of degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import ModelError
from ...support.arrays import FloatArray
from ..degrees_of_freedom.f_statistic import JointTest, f_p_value, principal_rows
from ..degrees_of_freedom.methods import DfMethod
from .rubin import joint_df, pooled_df


@dataclass(frozen=True, eq=False, kw_only=True)
class PooledDf(DfMethod):
    """The total variance of pooled estimates and the degrees of freedom that go with it.

    Attributes
    ----------
    estimates : ndarray (m, p)
        β̂ of each fit.
    within, between : ndarray (p, p)
        Ū and B.
    complete : tuple of DfMethod
        Of each fit, for the degrees of freedom that complete data would have.
    """

    estimates: FloatArray
    within: FloatArray
    between: FloatArray
    complete: tuple[DfMethod, ...]

    @classmethod
    def of(
        cls, estimates: FloatArray, complete: tuple[DfMethod, ...], remarks: tuple[str, ...]
    ) -> PooledDf:
        """Pool the estimates (m, p) of m fits, whose covariances are those of `complete`."""
        m = len(estimates)
        within = np.mean([method.covariance for method in complete], axis=0)
        from_first = estimates - estimates[0]  # exactly zero for equal fits
        deviations = from_first - from_first.mean(axis=0)
        between = deviations.T @ deviations / (m - 1)
        return cls(
            covariance=within + (1.0 + 1.0 / m) * between,
            label=f"Barnard–Rubin; of complete data: {complete[0].label}",
            remarks=remarks,
            estimates=estimates,
            within=within,
            between=between,
            complete=complete,
        )

    @property
    def m(self) -> int:
        """Number of fits."""
        return len(self.estimates)

    @property
    def joint_notes(self) -> tuple[str, ...]:
        """Notes for a table of joint tests."""
        return (
            "Test D1 with Reiter's degrees of freedom; one hypothesis: Barnard and Rubin's.",
            f"Degrees of freedom of complete data: {self.complete[0].label}.",
            *self.remarks,
        )

    def within_and_between(self, L: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Ū and (1 + 1/m)B of each row of L (r, p), (r,) each."""
        within = np.einsum("rp,pq,rq->r", L, self.within, L)
        between = np.einsum("rp,pq,rq->r", L, self.between, L)
        return within, (1.0 + 1.0 / self.m) * between

    def df(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom of each row of L (r, p) by itself, (r,)."""
        within, between = self.within_and_between(L)
        with np.errstate(invalid="ignore"):
            share = between / (within + between)
        complete = np.mean([method.df(L) for method in self.complete], axis=0)
        return pooled_df(share, self.m, complete)

    def joint(self, L: FloatArray, estimate: FloatArray) -> JointTest:
        """The test D₁ that all rows of L (r, p) are zero together."""
        rows, values, _ = principal_rows(L, estimate, self.within)
        k = len(rows)
        if k == 0:
            return JointTest(np.nan, 0, np.nan, np.nan)
        _, between = self.within_and_between(rows)
        increase = float(between.mean())
        den_df = float(self.df(rows)[0]) if k == 1 else self._joint_df(L, estimate, increase, k)
        statistic = float(values @ values) / (k * (1.0 + increase))
        return JointTest(statistic, k, den_df, f_p_value(statistic, k, den_df))

    def _joint_df(self, L: FloatArray, estimate: FloatArray, increase: float, k: int) -> float:
        """Denominator degrees of freedom of D₁ for several rows."""
        rhs = L @ self.estimates.mean(axis=0) - estimate
        tests = [
            method.joint(L, L @ beta - rhs)
            for method, beta in zip(self.complete, self.estimates, strict=True)
        ]
        complete = float(np.mean([test.den_df for test in tests]))
        den_df = joint_df(increase, k, self.m, complete)
        if np.isnan(den_df):
            raise ModelError(
                f"{complete:.3g} degrees of freedom of complete data are too few for a test of "
                f"{k} hypotheses at once from imputed data. Test fewer, or pool with ddf='none' "
                "for a test by large samples."
            )
        return den_df
