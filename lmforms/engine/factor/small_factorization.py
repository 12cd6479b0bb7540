"""A of several grouping factors with few effects in all, as one dense matrix."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property, partial
from math import isfinite, nan
from typing import Any

import numpy as np

from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray, LinearMap
from .direct_factorization import DerivativeSums, DirectFactorization
from .system import System


@cache
def lapack() -> Any:
    """SciPy's LAPACK, imported when it is needed."""
    from scipy.linalg import lapack

    return lapack


class SmallFactorization(DirectFactorization):
    """As :class:`Factorization` with several grouping factors, for few effects.

    Columns are in the order of the grouping factors, level by level. For the derivatives Z'V₀⁻¹Z is
    written out: columns of a regular λ are Z'ZΛA⁻¹Λ⁻¹, which loses no digits where λ is small;
    columns of a singular λ are Z'Z(I − ΛA⁻¹Λ'Z'Z).
    """

    def __init__(self, system: System, lams: Sequence[FloatArray]) -> None:
        super().__init__(system, lams)
        a = self._times_lambda(self._times_lambda(system.whole_gram, transpose=True).T, True)
        self._root, self.log_det = factored_with_identity(a)
        if not isfinite(self.log_det):
            raise NumericalError("Λ'Z'ZΛ + I is not positive definite.")

    # --- Λ ----------------------------------------------------------------------------------

    @cached_property
    def _sizes(self) -> FloatArray | None:
        """The diagonal of Λ (m, 1), if every term has one effect per level."""
        system = self.system
        if not system.has_scalar_effects:
            return None
        return np.array([lam[0, 0] for lam in self.lams])[system.factor_of_column][:, None]

    def _times_lambda(self, x: FloatArray, transpose: bool = False) -> FloatArray:
        """Λx or Λ'x, for x (m, r)."""
        if self._sizes is not None:
            return self._sizes * x
        lams = [lam.T for lam in self.lams] if transpose else self.lams
        return self._by_level(lams, x)

    def _by_level(self, lams: Sequence[FloatArray], x: FloatArray) -> FloatArray:
        out = np.empty((len(x), x.shape[1]))
        for lam, span in zip(lams, self.system.column_spans, strict=True):
            k = len(lam)
            out[span] = (lam @ x[span].reshape(-1, k, x.shape[1])).reshape(-1, x.shape[1])
        return out

    # --- columns of the sums ----------------------------------------------------------------

    def response_products(self) -> tuple[Blocks, Blocks, FloatArray]:
        """See :meth:`DirectFactorization.response_products`."""
        system = self.system
        gram, (zr, b0) = system.whole_gram, system.whole_right
        if b0 is None:
            w, kept = self._times_lambda(zr, transpose=True), None
        else:
            w, kept = self._with_pilot(gram, zr, b0)
        times, back = self._times_lambda, partial(self._times_lambda, transpose=True)
        v, self._marginal, cross = marginal_responses(self._root, gram, zr, w, kept, times, back)
        return system.split(v), system.split(self._marginal), system.cp.rr + cross

    def _with_pilot(
        self, gram: FloatArray, zr: FloatArray, b0: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]:
        """Right sides with pilot effects, and those of the factors with a singular λ."""
        if self._sizes is not None and all(root is not None for root in self._lam_inverses):
            return self._sizes * zr - b0 / self._sizes, None
        kept = np.zeros_like(b0)
        for root, span in zip(self._lam_inverses, self.system.column_spans, strict=True):
            if root is None:
                kept[span] = b0[span]
        pairs = zip(self.lams, self._lam_inverses, strict=True)
        roots = [np.zeros_like(lam) if root is None else root for lam, root in pairs]
        w = self._times_lambda(zr + gram @ kept, transpose=True) - self._by_level(roots, b0)
        return w, kept

    # --- Z'V₀⁻¹Z ----------------------------------------------------------------------------

    @cached_property
    def matrix(self) -> FloatArray:
        """Z'V₀⁻¹Z, (m, m)."""
        gram, spans = self.system.whole_gram, self.system.column_spans
        roots = [root for root in self._lam_inverses if root is not None]
        if len(roots) == len(spans) and self._sizes is not None:
            return scalar_marginal_matrix(self._root, self._sizes, gram)
        lower, _ = lapack().dtrtri(self._root, lower=1)  # L⁻¹
        inverse = lower.T @ lower
        if len(roots) == len(spans):
            right = self._by_level([root.T for root in roots], inverse)
            inner = self._times_lambda(right.T)
        else:
            inner = np.empty_like(inverse)
            for root, span in zip(self._lam_inverses, spans, strict=True):
                if root is None:
                    column = inverse @ self._times_lambda(gram[:, span], transpose=True)
                    inner[:, span] = -self._times_lambda(column)
                    own = np.arange(span.start, span.stop)
                    inner[own, own] += 1.0
                else:
                    k = len(root)
                    right = inverse[:, span].reshape(len(inverse), -1, k) @ root
                    inner[:, span] = self._times_lambda(right.reshape(len(inverse), -1))
        m = gram @ inner
        return np.asarray(0.5 * (m + m.T))

    def marginal_of_effects(self, b: Blocks) -> Blocks:
        """Z'V₀⁻¹Zb."""
        flat = np.concatenate([x.reshape(len(x) * x.shape[1], x.shape[2]) for x in b])
        return self.system.split(self.matrix @ flat)

    def diagonal_sums(self) -> list[FloatArray]:
        """Σ over levels of the diagonal blocks of Z'V₀⁻¹Z."""
        return self._level_sums(self.matrix)

    def _level_sums(self, m: FloatArray) -> list[FloatArray]:
        out = []
        for span, (q, k) in zip(self.system.column_spans, self.system.shapes, strict=True):
            own = m[span, span]
            if k == 1:
                out.append(np.array([[own.trace()]]))
            else:
                blocks = own.reshape(q, k, q, k)
                out.append(np.einsum("lalb->ab", blocks))
        return out

    def derivative_sums(
        self,
        to_residual: FloatArray,
        root_x: FloatArray,
        changes: Blocks,
        *,
        reml: bool,
        exact: bool,
    ) -> DerivativeSums:
        """See :meth:`DirectFactorization.derivative_sums`."""
        m, system = self.matrix, self.system
        t = self._marginal @ to_residual
        v = self._marginal[:, :-1] @ root_x
        c = self._directions(changes, t)
        outer = [_outer_sum(t[span], k) for span, k in self._spans()]
        fixed = [_outer_sum(v[span], k) for span, k in self._spans()] if reml else None
        pairs = None
        if exact:
            pairs = self._pair_traces(m - v @ v.T if reml else m, changes)
        return DerivativeSums(
            traces=self._level_sums(m),
            residual=outer,
            fixed=fixed or [np.zeros((k, k)) for _, k in system.shapes],
            quadratic=c.T @ (m @ c),
            along_fixed=v.T @ c,
            along_residual=(t.T @ c)[0],
            pairs=pairs,
        )

    def linear_derivatives(
        self,
        to_residual: FloatArray,
        root_x: FloatArray,
        lams: Blocks,
        slopes: Blocks,
        s2: float,
        nu: float,
        *,
        reml: bool,
        exact: bool,
    ) -> tuple[Blocks, FloatArray] | None:
        """For one effect and one parameter per factor; D_i is a number, of one factor each."""
        if self._sizes is None or any(len(slope) != 1 for slope in slopes):
            return None
        indicators = self.system.factor_indicators
        sizes, units = (np.array([x.item() for x in each]) for each in (lams, slopes))
        g, out = scalar_derivatives(
            self.matrix,
            self._marginal,
            to_residual,
            root_x,
            indicators,
            sizes,
            units,
            s2,
            nu,
            reml=reml,
            exact=exact,
        )
        return list(g[:, None, None]), out

    def _spans(self) -> list[tuple[slice, int]]:
        shapes = self.system.shapes
        return [(s, k) for s, (_, k) in zip(self.system.column_spans, shapes, strict=True)]

    def _directions(self, changes: Blocks, t: FloatArray) -> FloatArray:
        """c_i = D_i t, (m, n_theta)."""
        out = np.zeros((len(t), sum(len(d) for d in changes)))
        start = 0
        for d, (span, k) in zip(changes, self._spans(), strict=True):
            own = (
                np.einsum("iab,lb->lai", d, t[span].reshape(-1, k))
                if k > 1
                else t[span] * d[:, 0, 0]
            )
            out[span, start : start + len(d)] = own.reshape(-1, len(d))
            start += len(d)
        return out

    def _pair_traces(self, m: FloatArray, changes: Blocks) -> FloatArray:
        """T from Z'V₀⁻¹Z, less VV' under REML."""
        ends = np.cumsum([0, *(len(d) for d in changes)])
        out = np.empty((ends[-1], ends[-1]))
        for a, (left, k) in enumerate(self._spans()):
            for b, (right, j) in list(enumerate(self._spans()))[a:]:
                block = m[left, right].reshape(-1, k, m[left, right].shape[1] // j, j)
                flat = block.transpose(1, 3, 0, 2).reshape(k * j, -1)
                square = (flat @ flat.T).reshape(k, j, k, j).transpose(0, 2, 1, 3)
                own = changes[a].reshape(-1, k * k) @ square.reshape(k * k, j * j)
                part = own @ changes[b].reshape(-1, j * j).T
                out[ends[a] : ends[a + 1], ends[b] : ends[b + 1]] = part
                out[ends[b] : ends[b + 1], ends[a] : ends[a + 1]] = part.T
        return out


def factored_with_identity(a: FloatArray) -> tuple[FloatArray, float]:
    """The Cholesky factor of A = a + I and ln|A|, NaN if it is not positive definite.

    Parameters
    ----------
    a : ndarray (m, m)
        Λ'Z'ZΛ, which is overwritten.
    """
    a.flat[:: len(a) + 1] += 1.0
    root, failed = lapack().dpotrf(a.T, lower=1, clean=1, overwrite_a=1)
    return root, nan if failed else 2.0 * float(np.log(root.diagonal()).sum())


def marginal_responses(
    root: FloatArray,
    gram: FloatArray,
    zr: FloatArray,
    w: FloatArray,
    kept: FloatArray | None,
    times: LinearMap,
    transposed_times: LinearMap,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """v with V₀⁻¹R = R* − Zv, Z'V₀⁻¹R, and R'V₀⁻¹R less R*'R*.

    Parameters
    ----------
    root, gram : ndarray (m, m)
        Cholesky factor of A, and Z'Z.
    zr, w : ndarray (m, r)
        Z'R*, and the right sides of A.
    kept : ndarray (m, r) or None
        Pilot effects of the factors with a singular λ.
    times, transposed_times : callable
        Λx and Λ'x.
    """
    v = times(lapack().dpotrs(root, w, lower=1)[0])
    if kept is not None:
        v -= kept
    marginal = zr - gram @ v
    qu = transposed_times(marginal)
    cross = qu.T @ qu - v.T @ (zr + marginal)
    return v, marginal, 0.5 * (cross + cross.T)


def scalar_marginal_matrix(root: FloatArray, scales: FloatArray, gram: FloatArray) -> FloatArray:
    """Z'V₀⁻¹Z = Z'ZΛA⁻¹Λ⁻¹ for a diagonal, regular Λ.

    Parameters
    ----------
    root : ndarray (m, m)
        Cholesky factor of A, from LAPACK.
    scales : ndarray (m, 1)
        The diagonal of Λ.
    gram : ndarray (m, m)
        Z'Z.
    """
    lower, _ = lapack().dtrtri(root, lower=1)  # L⁻¹
    m = (gram @ (lower * scales.T).T) @ (lower / scales.T)
    return np.asarray(0.5 * (m + m.T))


def scalar_derivatives(
    m: FloatArray,
    marginal: FloatArray,
    to_residual: FloatArray,
    root_x: FloatArray,
    indicators: FloatArray,
    sizes: FloatArray,
    units: FloatArray,
    s2: float,
    nu: float,
    *,
    reml: bool,
    exact: bool,
) -> tuple[FloatArray, FloatArray]:
    """G, and curvature, gradient, its scale and h in rows, of factors with one parameter each.

    See :meth:`DirectFactorization.linear_derivatives`. D_i is a number, of one factor each.

    Parameters
    ----------
    m, marginal : ndarray (m, m), (m, p + 1)
        Z'V₀⁻¹Z and Z'V₀⁻¹[X y].
    to_residual, root_x : ndarray (p + 1, 1), (p, c)
    indicators : ndarray (m, factors)
        Which columns belong to each factor.
    sizes, units : ndarray (factors,)
        λ and ∂λ/∂θ.
    s2, nu : float
    reml, exact : bool

    Returns
    -------
    ndarray (factors,), ndarray (factors + 3, factors)
    """
    t, v = marginal @ to_residual, marginal[:, :-1] @ root_x
    columns = np.empty((len(t), 3))
    columns[:, 0], columns[:, 1] = m.diagonal(), (t * t)[:, 0]
    columns[:, 2] = (v * v).sum(axis=1) if reml else 0.0
    traces, residual, fixed = columns.T @ indicators
    g = traces - residual / s2 - fixed
    along = t * indicators
    fixed_along = v.T @ along
    curvature = (along.T @ (m @ along) - fixed_along.T @ fixed_along) / s2
    if exact:
        less = m - v @ v.T if reml else m
        curvature = 2.0 * curvature - indicators.T @ ((less * less) @ indicators)
    curvature -= residual[:, None] * residual / (nu * s2 * s2)
    n, changes = len(g), 2.0 * sizes * units
    out = np.empty((n + 3, n))
    out[:n] = changes[:, None] * (0.5 * (curvature + curvature.T)) * changes
    out.flat[: n * n : n + 1] += 2.0 * g * units * units
    out[n] = g * changes
    out[n + 1] = np.sqrt(2.0 * np.abs(traces)) * np.abs(units)
    out[n + 2] = residual * changes / s2
    return g, out


def _outer_sum(x: FloatArray, k: int) -> FloatArray:
    """Σ over levels of x_l x_l' for rows (levels × k, r)."""
    if k == 1:
        return np.array([[np.vdot(x, x)]])
    rows = x.reshape(-1, k, x.shape[1])
    return np.tensordot(rows, rows, axes=((0, 2), (0, 2)))
