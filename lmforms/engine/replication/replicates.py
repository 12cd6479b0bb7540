"""Estimates of many replicates as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...support.arrays import BoolArray, FloatArray, IndexArray
from ..user_units import Estimate


@dataclass(frozen=True, eq=False)
class Replicates:
    """Estimates of c replicates in the user's units; NaN for refits that failed.

    Attributes
    ----------
    beta : ndarray (c, p)
    sigma, criterion : ndarray (c,)
    lams : tuple of ndarray (c, k, k)
        Relative factors λ of each grouping factor.
    theta : tuple of ndarray (c, m)
        θ of each grouping factor.
    phi : ndarray (c, s)
        Parameters of the residuals.
    singular, failed : ndarray of bool (c,)
    """

    beta: FloatArray
    sigma: FloatArray
    criterion: FloatArray
    lams: tuple[FloatArray, ...]
    theta: tuple[FloatArray, ...]
    phi: FloatArray
    singular: BoolArray
    failed: BoolArray

    def __len__(self) -> int:
        return len(self.sigma)

    @classmethod
    def empty(
        cls, count: int, p: int, shapes: Sequence[tuple[int, int]], n_phi: int = 0
    ) -> Replicates:
        """Failed ones, to be filled in.

        Parameters
        ----------
        count, p : int
        shapes : sequence of (int, int)
            k and the number of θ of each grouping factor.
        n_phi : int
        """
        return cls(
            beta=np.full((count, p), np.nan),
            sigma=np.full(count, np.nan),
            criterion=np.full(count, np.nan),
            lams=tuple(np.full((count, k, k), np.nan) for k, _ in shapes),
            theta=tuple(np.full((count, m), np.nan) for _, m in shapes),
            phi=np.full((count, n_phi), np.nan),
            singular=np.zeros(count, dtype=bool),
            failed=np.ones(count, dtype=bool),
        )

    @classmethod
    def like(cls, count: int, estimate: Estimate) -> Replicates:
        """Failed ones of the model of an estimate."""
        pairs = zip(estimate.lams, estimate.theta, strict=True)
        shapes = [(len(lam), len(theta)) for lam, theta in pairs]
        return cls.empty(count, len(estimate.beta), shapes, len(estimate.phi))

    def put(self, j: int, estimate: Estimate) -> None:
        """Fill in one refit, unless it did not converge.

        Parameters
        ----------
        j : int
        estimate : Estimate
        """
        if not estimate.converged:
            return
        self.beta[j], self.sigma[j] = estimate.beta, estimate.sigma
        self.criterion[j] = estimate.criterion
        for own, lam in zip(self.lams, estimate.lams, strict=True):
            own[j] = lam
        for own, theta in zip(self.theta, estimate.theta, strict=True):
            own[j] = theta
        self.phi[j] = estimate.phi
        self.singular[j] = bool(estimate.singular)
        self.failed[j] = False

    def put_factors(self, i: int, where: IndexArray, lams: FloatArray, slopes: FloatArray) -> None:
        """Fill in λ (s, k, k) of a grouping factor, linear in θ, and θ.

        Parameters
        ----------
        i : int
            The grouping factor.
        where : ndarray of int (s,)
        lams : ndarray (s, k, k)
        slopes : ndarray (m, k, k)
            ∂λ/∂θ.
        """
        self.lams[i][where] = lams
        inverse = np.linalg.pinv(slopes.reshape(len(slopes), -1))
        self.theta[i][where] = lams.reshape(len(lams), inverse.shape[0]) @ inverse

    @classmethod
    def joined(cls, parts: Sequence[Replicates]) -> Replicates:
        """Parts one after the other."""
        if len(parts) == 1:
            return parts[0]
        out: dict[str, Any] = {}
        for name in cls.__dataclass_fields__:
            values = [getattr(part, name) for part in parts]
            if isinstance(values[0], tuple):
                out[name] = tuple(np.concatenate(own) for own in zip(*values, strict=True))
            else:
                out[name] = np.concatenate(values)
        return cls(**out)
