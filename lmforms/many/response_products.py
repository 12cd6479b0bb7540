"""Cross-products of many responses with one design, as arrays over the responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..engine.exact_fit import CHECKED_RATIO
from ..engine.linalg.stable_columns import root_mean_squares
from ..engine.sums.cross_products import CrossProducts
from ..engine.sums.units import Pilot
from ..support.arrays import BoolArray, FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class ResponseProducts:
    """Those of c responses, each less a pilot fit of X and divided by its residual size.

    Attributes
    ----------
    base : CrossProducts
        Of the design, without pilot effects; its response is not used.
    gamma : ndarray (c, p)
        The pilot fit.
    scale, resolution : ndarray (c,)
        The residual size, and the size of residuals that are rounding.
    zy : list of ndarray (c, q, k)
        Z'y of each grouping factor.
    xy, yy : ndarray (c, p), (c,)
    """

    base: CrossProducts
    gamma: FloatArray
    scale: FloatArray
    resolution: FloatArray
    zy: list[FloatArray]
    xy: FloatArray
    yy: FloatArray

    @classmethod
    def of(
        cls,
        base: CrossProducts,
        right: FloatArray,
        bases: Sequence[object],
        responses: FloatArray,
        resolution: FloatArray,
    ) -> ResponseProducts:
        """From whitened X (n, p), Z (n, q k) in the engine's units, and responses (n, c)."""
        gamma = np.asarray(np.linalg.lstsq(right, responses, rcond=None)[0], dtype=np.float64)
        left = responses - right @ gamma
        scale = root_mean_squares(left)
        left /= np.where(scale > 0, scale, 1.0)
        zy = [
            np.asarray(Z.T @ left).T.reshape(left.shape[1], *f.zr.shape[:2])  # type: ignore[attr-defined]
            for Z, f in zip(bases, base.factors, strict=True)
        ]
        yy = np.einsum("ij,ij->j", left, left)
        return cls(base, gamma.T, scale, resolution, zy, left.T @ right, yy)

    def __len__(self) -> int:
        return len(self.yy)

    def subset(self, chosen: BoolArray | IndexArray | slice) -> ResponseProducts:
        """Some of the responses."""
        return replace(
            self,
            gamma=self.gamma[chosen],
            scale=self.scale[chosen],
            resolution=self.resolution[chosen],
            zy=[z[chosen] for z in self.zy],
            xy=self.xy[chosen],
            yy=self.yy[chosen],
        )

    def single(self, j: int) -> CrossProducts:
        """Those of one response."""
        pilot = Pilot(
            gamma=self.gamma[j],
            y_scale=float(self.scale[j]),
            effects=self.base.scaling.pilot.effects,
            shift=0.0,
            shift_beta=np.zeros(self.base.p),
            resolution=float(self.resolution[j]),
        )
        return self.base.with_response(
            pilot, [z[j] for z in self.zy], self.xy[j], float(self.yy[j])
        )

    def right(self) -> list[FloatArray]:
        """Z'[X y] of each grouping factor, (q, k, p + c)."""
        p = self.base.p
        return [
            np.concatenate([f.zr[..., :p], z.transpose(1, 2, 0)], axis=-1)
            for f, z in zip(self.base.factors, self.zy, strict=True)
        ]

    def cancelled(self) -> FloatArray:
        """y'y over what X and all effects leave of it; +∞ where X may explain y, (c,)."""
        out = np.full(len(self), np.inf)
        some = np.flatnonzero(self.scale > CHECKED_RATIO * self.resolution)
        own = self.subset(some)
        left = self.base.unexplained_of(own.right(), own.xy.T, own.yy)
        with np.errstate(divide="ignore"):
            out[some] = own.yy / left
        return out
