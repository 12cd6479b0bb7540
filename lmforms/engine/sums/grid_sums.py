"""Sums over full grids, from which the sums at any φ of two chains follow without the rows.

Along one direction, with equal steps between neighbours and their correlation a,

    R⁻¹ = [(1 − |a|) I + |a| E]/(1 + |a|) + |a|/(1 − a²) D'D,

E the first and last cells of the lines and D differences of neighbours for a ≥ 0, sums for a < 0.
The product of two directions has 4 × 4 such terms with fixed matrices. Products of the columns
[Z̃ X̃ ỹ] are stored for each, and of the indicators of cells without a row, which are eliminated as
effects without a prior: their information is Q_mm of :mod:`lmforms.residual.grid_whitening`.

References
----------
Martin (1979), *A subclass of lattice processes applied to a problem in planar sampling*,
Biometrika 66(2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise, product
from typing import Any

import numpy as np

from ...correlation.base import complex_derivative
from ...errors import NumericalError
from ...residual import Residual
from ...residual.grid_whitening import GridWhitening
from ...residual.parametric import ParametricResidual
from ...residual.whitening import ChainWhitening
from ...support.arrays import Blocks, FloatArray
from ..rows import ModelRows
from .cross_products import CrossProducts
from .matrix_products import blocks_of, own_blocks
from .moments import FactorMoments, PairMoments
from .units import Scaling

MOST_PRODUCT_NUMBERS = 1 << 25
"""Most numbers in all products together."""

MOST_DENSE_COLUMNS, SPARSE_SHARE = 60, 0.2
"""X with more columns is multiplied as a sparse matrix, if at most this share is not zero."""

TERMS_BY_DIRECTION = 4
"""I, E, and D'D of differences and of sums."""


@dataclass(frozen=True, eq=False)
class GridSums:
    """Products of columns under each pair of terms.

    Attributes
    ----------
    n : int
        Number of rows.
    scaling : Scaling
    shapes : tuple of (int, int)
        Levels and effects of each grouping factor.
    lines : tuple of ((ndarray, ndarray), int)
        Points of two neighbours in each direction, and number of pairs of neighbours.
    log_det : float
        The part of ln|R| that comes from known weights.
    latent : int
        Number of cells without a row.
    products : ndarray (4, 4, c, c)
        Of the columns [Z̃ X̃ ỹ D], D the indicators of these cells.
    """

    n: int
    scaling: Scaling
    shapes: tuple[tuple[int, int], ...]
    lines: tuple[tuple[tuple[FloatArray, FloatArray], int], ...]
    log_det: float
    latent: int
    products: FloatArray

    kind = "from sums over the grid, free of n"
    """How the sums depend on φ, for reports."""

    def at(self, residual: Residual) -> CrossProducts:
        """Cross-products with the residual structure at its φ."""
        assert isinstance(residual, ParametricResidual)
        steps = self.steps(residual)
        inner = self.combined(*(coefficients(a, s2) for a, s2 in steps))
        kept, log_det_latent = self._eliminated(inner)
        counts = [count for _, count in self.lines]
        log_det = sum(m * np.log(s2) for (_, s2), m in zip(steps, counts, strict=True))
        return self._cross_products(kept, self.log_det + float(log_det) + log_det_latent)

    def steps(self, residual: ParametricResidual) -> list[tuple[float, float]]:
        """a and s² = 1 − a² of neighbours in both directions."""
        found = []
        for (correlation, phi), (pair, _) in zip(_directions(residual), self.lines, strict=True):
            a, s2 = _step(correlation, phi, pair)
            if not s2 > 0:
                raise NumericalError("the correlations of the residuals are singular at this φ.")
            found.append((float(a), float(s2)))
        return found

    def combined(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Products with these coefficients in both directions, (c, c)."""
        out = np.zeros(self.products.shape[2:])
        for i, j in np.argwhere(np.outer(left, right) != 0):
            out += left[i] * right[j] * self.products[i, j]
        return out

    def _parts(self, inner: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The blocks of the columns that are kept, of the latent cells by them, and of these."""
        kept = len(inner) - self.latent
        return inner[:kept, :kept], inner[kept:, :kept], inner[kept:, kept:]

    def _eliminated(self, inner: FloatArray) -> tuple[FloatArray, float]:
        """What is left without the latent cells, and ln|Q_mm|."""
        kept, across, own = self._parts(inner)
        if not self.latent:
            return inner, 0.0
        left = kept - across.T @ np.linalg.solve(own, across)
        return 0.5 * (left + left.T), float(np.linalg.slogdet(own)[1])

    @cached_property
    def spans(self) -> list[slice]:
        """Columns of each grouping factor."""
        ends = np.cumsum([0, *(q * k for q, k in self.shapes)])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    def _cross_products(self, C: FloatArray, log_det: float) -> CrossProducts:
        m = self.spans[-1].stop if self.spans else 0
        moments: list[FactorMoments] = []
        own: dict[int, PairMoments] = {}
        pairs: dict[tuple[int, int], PairMoments] = {}
        for i, (s, (q, k)) in enumerate(zip(self.spans, self.shapes, strict=True)):
            zz, below = own_blocks(C[s, s], k)
            moments.append(FactorMoments(zz, C[s, m:].reshape(q, k, -1)))
            if below is not None:
                own[i] = below
            for j in range(i + 1, len(self.spans)):
                pairs[i, j] = blocks_of(C[s, self.spans[j]], k, self.shapes[j][1])
        rr = C[m:, m:]
        if not np.isfinite(rr).all():
            raise NumericalError("the sums of squares are not finite at this φ.")
        return CrossProducts(self.scaling, self.n, log_det, rr, tuple(moments), pairs, own)

    def slopes(self, residual: ParametricResidual, effects: Blocks) -> GridSlopes:
        """Derivatives with respect to φ of squares of rows less effects B."""
        steps = self.steps(residual)
        own = [coefficients(a, s2) for a, s2 in steps]
        kept, across, latent = self._parts(self.combined(*own))
        inverse = np.linalg.inv(latent) if self.latent else latent
        predicted = inverse @ across  # less the best prediction of the latent cells
        changes, log_det = [], []
        directions = zip(_directions(residual), steps, self.lines, strict=True)
        for d, ((correlation, phi), (a, s2), (pair, count)) in enumerate(directions):
            step = partial(_step, correlation, pair=pair)
            for da, ds2 in complex_derivative(step, phi):
                both = list(own)
                both[d] = coefficient_slopes(a, s2, da, ds2)
                change, between, within = self._parts(self.combined(*both))
                if self.latent:
                    mixed = predicted.T @ between
                    change = change - mixed - mixed.T + predicted.T @ within @ predicted
                changes.append(change)
                log_det.append(count * ds2 / s2 + float(np.vdot(inverse, within)))
        more = [-b.reshape(-1, b.shape[-1]) for b in effects]
        width = len(kept) - sum(len(b) for b in more)
        return GridSlopes(
            self, np.stack(changes), np.array(log_det), np.vstack([*more, np.eye(width)])
        )

    def expected_information(self, residual: ParametricResidual) -> None:
        """There are two parameters: differences of the gradient are as cheap."""


@dataclass(frozen=True, eq=False)
class GridSlopes:
    """Derivatives with respect to φ, from those of the products (n_phi, c, c)."""

    sums: GridSums
    changes: FloatArray
    log_det: FloatArray
    less_effects: FloatArray

    def of_squares(self, columns: FloatArray) -> FloatArray:
        """∂tr(M'E'R⁻¹E M)/∂φ for E = [X̃ ỹ] − ZB and M (p + 1, c)."""
        rows = self.less_effects @ columns
        return self._inner(rows @ rows.T)

    def of_matrix(self, matrix: Any) -> FloatArray:
        """∂tr(Z'R⁻¹Z N)/∂φ for a sparse symmetric N (m, m)."""
        m = matrix.shape[0]
        return np.array([float(matrix.multiply(change[:m, :m]).sum()) for change in self.changes])

    def of_blocks(self, blocks: FloatArray) -> FloatArray:
        """The same for one grouping factor and a block-diagonal N (q, k, k)."""
        q, k, _ = blocks.shape
        own = self.changes[:, : q * k, : q * k].reshape(-1, q, k, q, k)
        return np.asarray(np.einsum("iqaqb,qab->i", own, blocks))

    def _inner(self, matrix: FloatArray) -> FloatArray:
        return np.asarray(self.changes.reshape(len(self.changes), -1) @ matrix.ravel())


def coefficients(a: float, s2: float) -> FloatArray:
    """Of I, E, D'D of differences and of sums, (4,)."""
    size = abs(a)
    across = size / s2
    return np.array([1.0 - size, size, 0.0, 0.0]) / (1.0 + size) + np.array(
        [0.0, 0.0, across if a >= 0 else 0.0, 0.0 if a >= 0 else across]
    )


def coefficient_slopes(a: float, s2: float, da: float, ds2: float) -> FloatArray:
    """Their derivatives from those of a and s²."""
    size, dsize = abs(a), da if a >= 0 else -da
    across = dsize / s2 - size * ds2 / s2**2
    ends = dsize / (1.0 + size) ** 2
    return np.array([-2.0 * ends, ends, across if a >= 0 else 0.0, 0.0 if a >= 0 else across])


def grid_sums(rows: ModelRows, scaling: Scaling) -> GridSums | None:
    """Sums over grids of equal steps, or None where rows do not stand on such or are too many.

    Parameters
    ----------
    rows : ModelRows
    scaling : Scaling
        Without pilot effects.
    """
    residual = rows.residual
    assert isinstance(residual, ParametricResidual)
    whitening = residual.whitening
    if not isinstance(whitening, GridWhitening) or residual.variance is not None:
        return None
    factors, cells = rows.level_factors, whitening.cells
    wide = sum(f.n_levels * f.k for f in factors) + rows.X.shape[1] + 1 + len(cells.latent)
    if TERMS_BY_DIRECTION**2 * wide**2 > MOST_PRODUCT_NUMBERS:
        return None
    X, to_units = _fixed_columns(rows, scaling)
    if X is None:
        return None
    lines = [_neighbours(line) for line in whitening.lines]
    if any(line is None for line in lines):
        return None
    import scipy.sparse as sp

    size, n = len(cells.points), rows.n
    bases = [scale(f.basis) for f, scale in zip(factors, scaling.units.bases, strict=True)]
    y = scaling.right(rows)[:, -1:]
    Z = [f.matrix(basis) for f, basis in zip(factors, bases, strict=True)]
    own = sp.diags_array(residual.inverse_sd) @ sp.hstack([*Z, X, sp.csr_matrix(y)], format="csr")
    place = sp.csr_matrix((np.ones(n), (cells.observed, np.arange(n))), shape=(size, n))
    latent = sp.csr_matrix(
        (np.ones(len(cells.latent)), (cells.latent, np.arange(len(cells.latent)))),
        shape=(size, len(cells.latent)),
    )
    F = sp.hstack([place @ own, latent], format="csr")
    terms = [_terms(line, size) for line in whitening.lines]
    products = np.zeros((TERMS_BY_DIRECTION, TERMS_BY_DIRECTION, wide, wide))
    for (i, left), (j, right) in product(enumerate(terms[0]), enumerate(terms[1])):
        for a, b in product(left, right):
            image = a @ (b @ F)
            products[i, j] += (image.T @ image).toarray()
    if to_units is not None:
        first = sum(z.shape[1] for z in Z)
        _transform(products, slice(first, first + len(to_units)), to_units)
    return GridSums(
        n=n,
        scaling=scaling,
        shapes=tuple((f.n_levels, f.k) for f in factors),
        lines=tuple(line for line in lines if line is not None),
        log_det=-2.0 * float(np.log(residual.inverse_sd).sum()),
        latent=len(cells.latent),
        products=products,
    )


def _directions(residual: ParametricResidual) -> list[tuple[Any, FloatArray]]:
    """The correlation of each direction with its φ."""
    whitening = residual.whitening
    assert isinstance(whitening, GridWhitening)
    return [(line.correlation, line.phi) for line in whitening.lines]


def _step(correlation: Any, phi: Any, pair: tuple[FloatArray, FloatArray]) -> Any:
    """a and s² of two points."""
    return np.stack([correlation.between(phi, *pair), correlation.innovation(phi, *pair)])


def _neighbours(line: ChainWhitening) -> tuple[tuple[FloatArray, FloatArray], int] | None:
    """Points of two neighbours and the number of pairs; None if steps differ or there are none."""
    later, before = line.pairs
    if not len(later) or not line.correlation.depends_on_gaps:
        return None
    gaps = line.order.points[later, 0] - line.order.points[before, 0]
    if (gaps != gaps[0]).any():
        return None
    points = line.order.points
    return (points[before[0]], points[later[0]]), len(later)


def _terms(line: ChainWhitening, size: int) -> list[list[Any]]:
    """Matrices L of each term, which is Σ L'L: I, first and last cells, differences, sums."""
    import scipy.sparse as sp

    later, before = line.pairs
    cells = np.arange(size)
    ends = [np.setdiff1d(cells, side, assume_unique=True) for side in (later, before)]

    def chosen(rows: Any, columns: Any, values: float = 1.0) -> Any:
        return sp.csr_matrix((np.full(len(rows), values), (rows, columns)), shape=(size, size))

    own = chosen(later, later)
    return [
        [sp.identity(size, format="csr")],
        [chosen(end, end) for end in ends],
        [own + chosen(later, before, -1.0)],
        [own + chosen(later, before)],
    ]


def _fixed_columns(rows: ModelRows, scaling: Scaling) -> tuple[Any, FloatArray | None]:
    """X̃, sparse; or a sparse X with the matrix that takes it to X̃; or None if it is neither."""
    import scipy.sparse as sp

    if rows.X.shape[1] <= MOST_DENSE_COLUMNS:
        return sp.csr_matrix(scaling.units.x(rows.X)), None
    to_units, X = scaling.units.x, rows.X
    if np.count_nonzero(X) > SPARSE_SHARE * X.size:
        return None, None
    if to_units.constant is None:
        return sp.csr_matrix(X), to_units.linear
    # columns that are no sparser for it are centred, so that their sums of squares do not cancel
    full = np.count_nonzero(X, axis=0) > 0.5 * len(X)
    full[to_units.constant] = False
    centred = np.where(full, to_units.center, 0.0)
    left = replace(to_units, center=to_units.center - centred)
    return sp.csr_matrix(X - centred), left.linear


def _transform(products: FloatArray, columns: slice, matrix: FloatArray) -> None:
    """Products of other columns, in place: X'X to A'X'XA."""
    for each in products.reshape(-1, *products.shape[2:]):
        each[:, columns] = each[:, columns] @ matrix
        each[columns] = matrix.T @ each[columns]
