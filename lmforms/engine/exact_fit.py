"""Is any residual left? One definition of an exact fit, for every engine and estimator.

A response is known to half a unit in the last place of its largest values; what was computed
from predictors carries a few such roundings. Residuals of that size are no noise, and everything
larger is: it does not matter how small they are beside the response's own variation.

Where a response lies far from zero, a number is taken off before anything is computed
(:func:`~lmforms.engine.linalg.column_sizes.subtract_shift`). That is exact, and the
coefficients give it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import BoolArray, FloatArray, IndexArray
from .linalg.column_sizes import root_mean_squares, subtract_shift
from .rows import FactorRows, ModelRows

ROUNDINGS = 16.0
"""Residuals of so many units in the last place of the largest value are rounding. An exact fit
leaves 0.3, or 1 or 2 after some arithmetic; data with three decimals at 10¹² leave hundreds."""

DOUBTFUL = 1e9
"""Only residuals below so many times that are looked at row by row. No rounding, however enlarged
by columns that nearly depend on each other, makes an exact fit look larger."""

PASSES = 4
"""Least squares are repeated so often on what they leave, which mends their rounding …"""

NO_GAIN = 0.5
"""… unless more than this is left."""

GRADIENT = 1e-10
"""Least squares have ended when columns and rest are as uncorrelated as this. In poorly connected
crossed factors a rest that is still shrinking shows correlations of 10⁻⁴ and more."""

ITERATIONS = 2_000
"""Of one pass."""

CANCELLED = 1e6
"""Effects this many times larger than the response explain nothing by cancelling: they stand on
columns that X has already taken up, of which only rounding is left."""

GENERIC = 1e-6
"""Effects that leave less than this of random numbers leave nothing of anything. If there are
fewer than rows, at least 1/√n is left."""


def resolution(size: Any, root: FloatArray | None = None) -> Any:
    """Root mean square of whitened residuals that are rounding.

    Parameters
    ----------
    size : float or ndarray
        Largest absolute value of what the response was made of.
    root : ndarray (n,), optional
        Square roots of the weights.
    """
    heavy = 1.0 if root is None else float(root_mean_squares(root[:, None])[0])
    return ROUNDINGS * np.finfo(np.float64).eps * heavy * size


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

    def reach(self, a: FloatArray) -> FloatArray:
        """|Z||u|: what is added up in each row, whatever cancels."""
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
    """What leaves nothing of a response.

    Attributes
    ----------
    by_fixed, by_all : bool
        X does; X and the random effects do.
    any_response : bool
        X and the random effects leave nothing of any response: there are as many of them as
        rows. `by_all` is False then, for it says nothing about this one.
    sum_of_squares : float
        Of what X and the random effects leave, whitened.
    """

    by_fixed: bool
    by_all: bool
    any_response: bool
    sum_of_squares: float


def explained(rows: ModelRows) -> Explained:
    """Whether X, or X and Z, leave nothing of the response but rounding."""
    effects = [Effects(columns_of(f, rows.residual.whiten(f.basis))) for f in rows.factors]
    return explained_by(rows.y, rows.X, effects, rows.residual.whiten(np.ones(rows.n)), rows.size)


def columns_of(factor: FactorRows, basis: FloatArray) -> Any:
    """Z of a grouping factor with this basis (n, k), sparse (n, levels × k)."""
    from scipy.sparse import csr_matrix

    n, k = basis.shape
    columns = factor.codes[:, None] * k + np.arange(k)
    indptr = k * np.arange(n + 1)
    return csr_matrix((basis.ravel(), columns.ravel(), indptr), shape=(n, factor.n_levels * k))


def explained_by(
    y: FloatArray, X: FloatArray, effects: Sequence[Effects], root: FloatArray, size: float = 0.0
) -> Explained:
    """Whether X, or X and random effects, leave nothing of y (see :func:`explained`).

    Parameters
    ----------
    y, X : ndarray (n,), (n, p)
        Not whitened.
    effects : sequence of Effects
        Whitened.
    root : ndarray (n,)
        Square roots of the weights.
    size : float
        Largest absolute value of what y was made of, if that is larger than y.
    """
    c, _ = subtract_shift(y, X)
    space = _Space(root[:, None] * X, effects)
    size = max(size, float(np.abs(y).max(initial=0.0)))
    target = root * (y - c)
    left, reach = space.beside_fixed(target)
    if _is_rounding(left, size, reach, root):
        return Explained(True, True, False, float(left @ left))
    left, more = space.beside_all(left, lambda r: _is_rounding(r, size, reach, root))
    if not _is_rounding(left, size, reach + more, root):
        return Explained(False, False, False, float(left @ left))
    full = explain_any_response(root[:, None] * X, effects, len(y))
    return Explained(False, not full, full, float(left @ left))


def explain_any_response(X: FloatArray, effects: Sequence[Effects], n: int) -> bool:
    """Whether X (n, p) and random effects, both whitened, leave nothing of any response."""
    if X.shape[1] + sum(e.count for e in effects) < n:
        return False
    space = _Space(X, effects)
    noise, _ = space.beside_fixed(np.random.default_rng(0).normal(size=n))
    left, _ = space.beside_all(noise, lambda r: False)
    return bool(root_mean_squares(left[:, None])[0] < GENERIC)


def _is_rounding(left: FloatArray, size: float, reach: FloatArray, root: FloatArray) -> bool:
    largest = max(size, min(float((reach / root).max(initial=0.0)), CANCELLED * size))
    return bool(root_mean_squares(left[:, None])[0] <= resolution(largest, root))


@dataclass(frozen=True, eq=False)
class Checked:
    """Many responses of one model, each looked at only where there is doubt.

    Attributes
    ----------
    Y, X : ndarray (n, c), (n, p)
        Not whitened.
    effects : callable
        Gives the random effects, which may take a while.
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
            Root mean squares of what least squares left of them, with whatever rounding.
        which : ndarray of int (m,)
        """
        good = left > DOUBTFUL * resolution(self.size[which], self.root)
        for i in np.flatnonzero(~good):
            j = which[i]
            good[i] = not self.explained(j).by_all and left[i] > 0
        return np.asarray(good)

    def explained(self, j: int) -> Explained:
        """What leaves nothing of one response."""
        size = float(self.size[j])
        return explained_by(self.Y[:, j], self.X, self.effects(), self.root, size)


class _Space:
    """Whitened X and random effects, and what least squares on them leave."""

    def __init__(self, X: FloatArray, effects: Sequence[Effects]) -> None:
        sizes = root_mean_squares(X)
        self._X = X / np.where(sizes > 0, sizes, 1.0)
        self._q, self._r = np.linalg.qr(self._X)
        self._effects = effects
        self._sizes = [e.sizes() for e in effects]

    def beside_fixed(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What X leaves of y, and the absolute values that were added up in each row."""
        coefficients = np.linalg.lstsq(self._r, self._q.T @ y, rcond=None)[0]
        return self._projected(y), np.abs(self._X) @ np.abs(coefficients)

    def _projected(self, y: FloatArray) -> FloatArray:
        left = y - self._q @ (self._q.T @ y)
        return np.asarray(left - self._q @ (self._q.T @ left))

    def beside_all(self, left: FloatArray, enough: Any) -> tuple[FloatArray, FloatArray]:
        """The same for X and the random effects, of what X left."""
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
        options = {"atol": GRADIENT, "btol": 0.0, "conlim": 0.0, "maxiter": ITERATIONS}
        size = float(np.linalg.norm(left))
        for _ in range(PASSES):
            step = lsmr(operator, left / size, **options)[0] * size
            a += step
            left = self._projected(left - times(step))
            before, size = size, float(np.linalg.norm(left))
            if size == 0.0 or size > NO_GAIN * before or enough(left):
                break
        parts = zip(self._effects, self._sizes, ends[:-1], ends[1:], strict=True)
        return left, np.asarray(sum(e.reach(a[i:j] / s) for e, s, i, j in parts))
