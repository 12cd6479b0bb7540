"""Whether a response is explained exactly: one definition, for every engine and estimator.

A response is known to half a unit in the last place of its largest values, and one that was
computed from predictors has a few such roundings. Residuals of that size are rounding, all larger
ones are noise, however small they are compared with the response's own variation.

Where a response is far from zero, a number is subtracted before anything is computed
(:func:`~lmforms.engine.linalg.stable_columns.subtract_shift`). That is exact, and it is added to
the coefficients in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import BoolArray, FloatArray, IndexArray, LinearMap
from .linalg.stable_columns import root_mean_squares, subtract_shift
from .rows import ModelRows

EPSILON = float(np.finfo(np.float64).eps)

ROUNDING_UNITS = 16.0
"""Residuals of so many units in the last place of the largest value are rounding. An exact fit
leaves 0.3, or 1 or 2 after some arithmetic; data with three decimals at 10¹² leave hundreds."""

CHECKED_RATIO = 1e9
"""Only residuals below so many times the rounding are checked by least squares on the rows. An
exact fit never leaves more, even with columns that nearly depend on each other."""

LEAST_SQUARES_PASSES = 4
"""Least squares are repeated on their residuals at most so often, which reduces rounding."""

SLOW_PASS = 0.5
"""A pass that leaves more than this share of the residuals is the last."""

LEAST_SQUARES_TOLERANCE = 1e-10
"""Correlation of columns and residuals at which least squares end. In poorly connected crossed
factors, residuals that still decrease have correlations of 10⁻⁴ and more."""

LEAST_SQUARES_ITERATIONS = 2_000
"""Iterations of one pass."""

LARGEST_CANCELLING = 1e6
"""Effects this many times larger than the response explain nothing: they cancel on columns that X
explains up to rounding."""

RANDOM_NUMBERS_LEFT = 1e-6
"""Columns that leave less than this share of random numbers explain any response. If there are
fewer than rows, at least 1/√n is left."""


def resolution(size: Any, root: FloatArray | None = None) -> Any:
    """Root mean square of whitened residuals that are rounding.

    Parameters
    ----------
    size : float or ndarray
        Largest absolute value of what the response was computed from.
    root : ndarray (n,), optional
        Square roots of the weights.
    """
    weight = 1.0 if root is None else float(root_mean_squares(root[:, None])[0])
    return ROUNDING_UNITS * EPSILON * weight * size


@dataclass(frozen=True, eq=False)
class Effects:
    """Random effects as columns: (root ∘ Z) L, which is never formed.

    Attributes
    ----------
    Z : sparse (n, q)
        Whitened.
    root : ndarray or sparse (q, r), optional
        L.
    """

    Z: Any
    root: Any = None

    @property
    def count(self) -> int:
        """Number of effects."""
        return int(self.Z.shape[1] if self.root is None else self.root.shape[1])

    def times(self, a: FloatArray) -> FloatArray:
        """(n,)."""
        return np.asarray(self.Z @ (a if self.root is None else self.root @ a))

    def transposed_times(self, x: FloatArray) -> FloatArray:
        """(r,)."""
        zx = self.Z.T @ x
        return np.asarray(zx if self.root is None else self.root.T @ zx)

    def absolute_sums(self, a: FloatArray) -> FloatArray:
        """|Z||u|: sums of absolute values in each row."""
        u = a if self.root is None else self.root @ a
        return np.asarray(abs(self.Z) @ np.abs(u))

    def sizes(self) -> FloatArray:
        """Length of each column, 1 if it is empty."""
        zz = np.asarray(self.Z.multiply(self.Z).sum(axis=0), dtype=np.float64).ravel()
        if self.root is not None:
            squares = self.root**2 if isinstance(self.root, np.ndarray) else self.root.power(2)
            zz = np.asarray(squares.T @ zz, dtype=np.float64).ravel()
        return np.where(zz > 0, np.sqrt(zz), 1.0)


@dataclass(frozen=True)
class Explained:
    """Whether a response is explained exactly.

    Attributes
    ----------
    by_fixed, by_all : bool
        By X; by X and the random effects.
    any_response : bool
        X and the random effects leave nothing of any response: there are as many of them as
        rows. `by_all` is False then, as this response is not special.
    sum_of_squares : float
        Of what X and the random effects leave, whitened.
    """

    by_fixed: bool
    by_all: bool
    any_response: bool
    sum_of_squares: float


def explained(rows: ModelRows, roots: Sequence[Any] = ()) -> Explained:
    """Whether X, or X and Z, leave nothing of the response but rounding.

    Parameters
    ----------
    rows : ModelRows
    roots : sequence of (ndarray or sparse (q, r)) or None
        Roots L of the covariances of each factor's levels, to which the effects are confined.
    """
    residual = rows.residual
    effects = [
        Effects(residual.whiten(f.matrix()), None if root is None else effect_root(root, f.k))
        for f, root in zip(rows.factors, roots or [None] * len(rows.factors), strict=True)
    ]
    variances = residual.variances()
    root = np.ones(rows.n) if variances is None else 1.0 / np.sqrt(variances)
    return explained_by(rows.y, rows.X, effects, root, rows.size, residual.whiten)


def effect_root(root: Any, k: int) -> Any:
    """L ⊗ I for k effects per level."""
    if k == 1:
        return root
    if isinstance(root, np.ndarray):
        return np.kron(root, np.eye(k))
    import scipy.sparse as sp

    return sp.kron(root, sp.identity(k), format="csr")


def explained_by(
    y: FloatArray,
    X: FloatArray,
    effects: Sequence[Effects],
    root: FloatArray,
    size: float = 0.0,
    whiten: LinearMap | None = None,
) -> Explained:
    """Whether X, or X and random effects, leave nothing of y (see :func:`explained`).

    Parameters
    ----------
    y, X : ndarray (n,), (n, p)
        Not whitened.
    effects : sequence of Effects
        Whitened.
    root : ndarray (n,)
        Inverse standard deviations of the residuals, relative to σ.
    size : float
        Largest absolute value of what y was computed from, if that is larger than y.
    whiten : callable, optional
        R^(−1/2) times rows; times `root` by default.
    """
    c, _ = subtract_shift(y, X)
    X, target = (
        (root[:, None] * X, root * (y - c)) if whiten is None else (whiten(X), whiten(y - c))
    )
    fit = _LeastSquares(X, effects)
    size = max(size, float(np.abs(y).max(initial=0.0)))
    left, absolute_sums = fit.residual_of_fixed(target)
    if _is_rounding(left, size, absolute_sums, root):
        return Explained(True, True, False, float(left @ left))
    left, more = fit.residual_of_all(left, lambda r: _is_rounding(r, size, absolute_sums, root))
    if not _is_rounding(left, size, absolute_sums + more, root):
        return Explained(False, False, False, float(left @ left))
    full = explain_any_response(X, effects, len(y))
    return Explained(False, not full, full, float(left @ left))


def explain_any_response(X: FloatArray, effects: Sequence[Effects], n: int) -> bool:
    """Whether X (n, p) and random effects, both whitened, leave nothing of any response."""
    if X.shape[1] + sum(e.count for e in effects) < n:
        return False
    fit = _LeastSquares(X, effects)
    noise, _ = fit.residual_of_fixed(np.random.default_rng(0).normal(size=n))
    left, _ = fit.residual_of_all(noise, lambda r: False)
    return bool(root_mean_squares(left[:, None])[0] < RANDOM_NUMBERS_LEFT)


def _is_rounding(
    left: FloatArray, size: float, absolute_sums: FloatArray, root: FloatArray
) -> bool:
    largest = max(
        size, min(float((absolute_sums / root).max(initial=0.0)), LARGEST_CANCELLING * size)
    )
    return bool(root_mean_squares(left[:, None])[0] <= resolution(largest, root))


@dataclass(frozen=True, eq=False)
class ExactFitCheck:
    """Many responses of one model, checked on the rows only where their residuals are small.

    Attributes
    ----------
    Y, X : ndarray (n, c), (n, p)
        Not whitened.
    effects : callable
        Returns the random effects, which may take a while.
    root : ndarray (n,)
    size : ndarray (c,)
        As for :func:`explained_by`.
    """

    Y: FloatArray
    X: FloatArray
    effects: Callable[[], Sequence[Effects]]
    root: FloatArray
    size: FloatArray

    def leave_a_residual(self, left: FloatArray, which: IndexArray) -> BoolArray:
        """Whether the responses `which` are not explained exactly.

        Parameters
        ----------
        left : ndarray (m,)
            Root mean squares of their least-squares residuals, with any rounding.
        which : ndarray of int (m,)
        """
        good = left > CHECKED_RATIO * resolution(self.size[which], self.root)
        for i in np.flatnonzero(~good):
            j = which[i]
            good[i] = not self.explained(j).by_all and left[i] > 0
        return np.asarray(good)

    def explained(self, j: int) -> Explained:
        """Whether one response is explained exactly."""
        size = float(self.size[j])
        return explained_by(self.Y[:, j], self.X, self.effects(), self.root, size)


class _LeastSquares:
    """Residuals of least squares on whitened X and random effects."""

    def __init__(self, X: FloatArray, effects: Sequence[Effects]) -> None:
        sizes = root_mean_squares(X)
        self._X = X / np.where(sizes > 0, sizes, 1.0)
        self._q, self._r = np.linalg.qr(self._X)
        self._effects = effects
        self._sizes = [e.sizes() for e in effects]

    def residual_of_fixed(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residuals of y on X, and the sums of absolute values in each row of the fit."""
        coefficients = np.linalg.lstsq(self._r, self._q.T @ y, rcond=None)[0]
        return self._projected(y), np.abs(self._X) @ np.abs(coefficients)

    def _projected(self, y: FloatArray) -> FloatArray:
        left = y - self._q @ (self._q.T @ y)
        return np.asarray(left - self._q @ (self._q.T @ left))

    def residual_of_all(
        self, left: FloatArray, is_small: Callable[[FloatArray], bool]
    ) -> tuple[FloatArray, FloatArray]:
        """The same on X and the random effects, from the residuals on X."""
        from scipy.sparse.linalg import LinearOperator, lsmr

        counts = [e.count for e in self._effects]
        ends = np.cumsum([0, *counts])
        a = np.zeros(ends[-1])
        if not len(a):
            return left, np.zeros(len(left))

        def times(d: FloatArray) -> FloatArray:
            d = d.ravel()
            parts = zip(self._effects, self._sizes, ends[:-1], ends[1:], strict=True)
            total = sum(e.times(d[i:j] / s) for e, s, i, j in parts)
            return self._projected(np.asarray(total))

        def transposed(x: FloatArray) -> FloatArray:
            x = self._projected(x.ravel())
            parts = zip(self._effects, self._sizes, strict=True)
            return np.concatenate([e.transposed_times(x) / s for e, s in parts])

        operator = LinearOperator((len(left), len(a)), times, transposed, dtype=np.float64)
        options = {
            "atol": LEAST_SQUARES_TOLERANCE,
            "btol": 0.0,
            "conlim": 0.0,
            "maxiter": LEAST_SQUARES_ITERATIONS,
        }
        size = float(np.linalg.norm(left))
        for _ in range(LEAST_SQUARES_PASSES):
            step = lsmr(operator, left / size, **options)[0] * size
            a += step
            left = self._projected(left - times(step))
            before, size = size, float(np.linalg.norm(left))
            if size == 0.0 or size > SLOW_PASS * before or is_small(left):
                break
        parts = zip(self._effects, self._sizes, ends[:-1], ends[1:], strict=True)
        return left, np.asarray(sum(e.absolute_sums(a[i:j] / s) for e, s, i, j in parts))
