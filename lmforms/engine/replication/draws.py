r"""Draws of the sums that a fit sees of its response, without drawing rows.

With y = Xβ + Zb + ε and rows whitened, a fit sees y through Z'y, X'y and y'y alone. Let C = [Z X],
C'C = R'R with r rows in R, and g ~ N(0, I). Then

    C'ε = σR'g,      ε'ε = σ²(‖g‖² + χ²_{n−r})

have the joint distribution of ε ~ N(0, σ²I). R is that of :mod:`lmforms.engine.batch.shared_sums`:
R_l of the levels of the leading grouping factor, and beside them a root of N, the products of the
other columns U = [Z₂ X] within these levels. Z spans the intercept, so that [Z X] never has full
rank: empty directions of each R_l, and eigenvectors of N with rounding for a value, are left out.

ρ = R_l⁻ᵀZ_l'ε is then g itself, and what is left within levels is drawn too: nothing is subtracted,
and r² does not cancel however large the effects are of which y consists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray
from ..batch.shared_sums import ResponseSums, SharedSums
from ..sums.cross_products import CrossProducts
from ..sums.units import Pilot

LEAST_SHARE = 1e-10
"""Eigenvalues of N below this share of the size of U'U are zero."""

SEED_WORDS = 4
"""Words of 32 bits that seed a stream: as many as NumPy's own seeds from entropy have."""


@dataclass(frozen=True, eq=False)
class NoiseRoot:
    """The root R of C'C but for the levels' own, and the rank of C.

    Attributes
    ----------
    within : ndarray (r, s)
        A root of N from the left: N = within · within'.
    kept : ndarray of float (q, k)
        1 for directions of a level that hold information, 0 for empty ones.
    free : int
        n − rank C.
    """

    within: FloatArray
    kept: FloatArray
    free: int

    @classmethod
    def of(cls, shared: SharedSums, n: int) -> NoiseRoot:
        """That of a design with n rows."""
        flat = shared.rotated.reshape(-1, shared.r)
        size = np.sqrt(np.diag(shared.within) + np.einsum("ij,ij->j", flat, flat))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(shared.within / np.outer(size, size))
        some = values > LEAST_SHARE
        within = size[:, None] * vectors[:, some] * np.sqrt(values[some])
        kept = (np.abs(shared.roots).max(axis=2) > 0)[shared.classes].astype(np.float64)
        return cls(within, kept, n - int(kept.sum()) - int(some.sum()))

    @property
    def width(self) -> int:
        """Normal numbers that a draw takes."""
        return int(self.kept.size + self.within.shape[1])


@dataclass(frozen=True, eq=False)
class Draws:
    """c responses less Xβ, in units of σ: their random effects, and the sums of their residuals.

    Attributes
    ----------
    effects : list of ndarray (c, q, k)
        b of each grouping factor, in the engine's basis.
    noise : ResponseSums
        Of ε.
    """

    effects: list[FloatArray]
    noise: ResponseSums

    def __len__(self) -> int:
        return len(self.noise)

    def sums(self, shared: SharedSums) -> ResponseSums:
        """Sums of Zb + ε."""
        c, noise = len(self), self.noise
        own = shared.roots[shared.classes]
        rotated = noise.rotated + np.einsum("qab,cqb->cqa", own, self.effects[shared.lead_index])
        if not shared.rest:
            return ResponseSums(rotated, noise.within, noise.within_y)
        b = np.concatenate([self.effects[i].reshape(c, -1) for i, _ in shared.rest], axis=1)
        m = shared.m
        columns = shared.rotated[..., :m].reshape(-1, m)
        rotated = rotated + (b @ columns.T).reshape(rotated.shape)
        within = b @ shared.within[:m]
        within_y = np.einsum("ci,ci->c", b, within[:, :m] + 2.0 * noise.within[:, :m])
        return ResponseSums(rotated, noise.within + within, noise.within_y + within_y)

    def single(self, j: int, shared: SharedSums, cp: CrossProducts, pilot: Pilot) -> CrossProducts:
        """Sums of one response with its effects as pilot effects.

        Parameters
        ----------
        j : int
        shared : SharedSums
        cp : CrossProducts
            Of the design, without pilot effects.
        pilot : Pilot
            With β as pilot fit and σ as unit.
        """
        rho = self.noise.rotated[j]
        lead = np.einsum("qba,qb->qa", shared.roots[shared.classes], rho)
        uy = self.noise.within[j] + np.einsum("qa,qar->r", rho, shared.rotated)
        zy = [np.empty(0)] * len(self.effects)
        zy[shared.lead_index] = lead
        for i, part in shared.rest:
            zy[i] = uy[part.columns].reshape(part.q, part.k)
        effects = []
        for known, b in zip(pilot.effects, self.effects, strict=True):
            effects.append(known.copy())
            effects[-1][..., -1] = b[j]
        own = Pilot(
            gamma=pilot.gamma,
            y_scale=pilot.y_scale,
            effects=tuple(effects),
            shift=pilot.shift,
            shift_beta=pilot.shift_beta,
            resolution=pilot.resolution,
        )
        yy = float(self.noise.within_y[j] + np.square(rho).sum())
        return cp.with_response(own, zy, uy[shared.m :], yy)


class Drawer:
    """Draws of responses; the first ones do not depend on how many are drawn at a time.

    Parameters
    ----------
    shared : SharedSums
    lams : sequence of ndarray (k, k)
        Relative factors of the random effects, in the engine's basis.
    n : int
        Number of rows.
    generator : numpy.random.Generator
    """

    def __init__(
        self,
        shared: SharedSums,
        lams: Sequence[FloatArray],
        n: int,
        generator: np.random.Generator,
    ) -> None:
        self.shared, self.lams = shared, list(lams)
        self.root = NoiseRoot.of(shared, n)
        # two streams, so that the first draws do not depend on how many are drawn at a time
        words = generator.integers(2**32, size=(2, SEED_WORDS))
        self._normal, self._square = (np.random.default_rng(own) for own in words)
        self._shapes = [(0, 0)] * len(self.lams)
        for i, part in shared.by_factor():
            self._shapes[i] = (part.q, part.k)

    def draw(self, count: int) -> Draws:
        """The next responses."""
        sizes = [q * k for q, k in self._shapes]
        numbers = self._normal.standard_normal((count, sum(sizes) + self.root.width))
        *effects, noise = np.split(numbers, np.cumsum(sizes), axis=1)
        square = self._square.chisquare(max(self.root.free, 1), count)
        return Draws(
            [
                numbers.reshape(count, *shape) @ lam.T
                for numbers, shape, lam in zip(effects, self._shapes, self.lams, strict=True)
            ],
            self.noise(noise, square if self.root.free > 0 else np.zeros(count)),
        )

    def noise(self, numbers: FloatArray, square: FloatArray) -> ResponseSums:
        """Sums of ε from normal numbers (c, width) and χ² (c,) of what C does not span."""
        root, c = self.root, len(numbers)
        g = numbers[:, : root.kept.size].reshape(c, *root.kept.shape) * root.kept
        h = numbers[:, root.kept.size :]
        return ResponseSums(g, h @ root.within.T, np.square(h).sum(axis=1) + square)
