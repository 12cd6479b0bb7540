"""Correlations that decay with distance: what they have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import ModelError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .base import Correlation
from .distances import Distances, axis_distances, distances
from .parameter_maps import bounded, unbounded

FLAT_CORRELATION = 1e-3
"""A range is at its bound if all correlations are within this of 0, or all within this of 1."""


@dataclass(frozen=True)
class Decay(Correlation):
    """ρ(distance / range) for points with real coordinates, with a nugget and several ranges.

    Parameters
    ----------
    axes : tuple of str
        Names of the coordinates.
    nugget : bool
        Whether a share c of the variance is that of a point alone: different points have the
        correlation (1 − c) ρ, however close they are.
    per_axis : bool
        Whether every coordinate has a range of its own: the distance over the range is
        √Σ (Δ_j / range_j)². This is geometric anisotropy along the axes.
    scale : tuple of Distances
        Distances between points, one or with ``per_axis`` one for each coordinate. Starts and
        bounds of the ranges follow from them.
    """

    axes: tuple[str, ...] = ("x",)
    nugget: bool = False
    per_axis: bool = False
    scale: tuple[Distances, ...] = (Distances(),)

    def __post_init__(self) -> None:
        if len(self.scale) != self.n_ranges:
            raise ModelError(
                f"There are {self.n_ranges} ranges, but the distances of {len(self.scale)}."
            )

    @classmethod
    def of_points(
        cls,
        points: FloatArray,
        series: IndexArray | None = None,
        *,
        axes: Sequence[str] = ("x",),
        per_axis: bool = False,
        **options: Any,
    ) -> Self:
        """The class for some points, with the scale measured from them.

        Parameters
        ----------
        points : ndarray (n, d)
        series : ndarray (n,) of int, optional
            Codes 0, 1, … of the series.
        axes, per_axis, **options
            As for the class.

        Raises
        ------
        DataError
            If no two points differ, or with `per_axis` not in one of the coordinates.
        """
        block = options.get("metric") == "l1"
        scale = (
            axis_distances(points, series)
            if per_axis
            else (distances(points, series, city_block=block),)
        )
        return cls(axes=tuple(axes), per_axis=per_axis, scale=scale, **options)

    # --- what a kernel must define ----------------------------------------------------------

    @abstractmethod
    def decay(self, squares: Any, shape: Any) -> Any:
        """ρ from the squared distance over the range; `shape` are the kernel's own parameters φ."""

    @property
    def shape_names(self) -> tuple[str, ...]:
        """Names of the kernel's own parameters."""
        return ()

    def shape_natural(self, shape: Any) -> Any:
        """Natural values of the kernel's own parameters from φ."""
        return shape

    def shape_parameters(self, natural: FloatArray) -> FloatArray:
        """The inverse of :meth:`shape_natural`."""
        return natural

    def shape_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of the kernel's own parameters."""
        return np.empty(0), np.empty(0)

    def shape_starts(self) -> list[FloatArray]:
        """Natural values of the kernel's own parameters from which searches start."""
        return [np.empty(0)]

    def middle_range(self, shape: FloatArray) -> float:
        """Range whose correlation at distance one is middling, for natural values `shape`."""
        return 1.0

    # --- parameters: ranges, the kernel's own, the nugget ------------------------------------

    @property
    def n_ranges(self) -> int:
        """Number of ranges."""
        return len(self.axes) if self.per_axis else 1

    @property
    def names(self) -> tuple[str, ...]:
        ranges = tuple(f"range[{axis}]" for axis in self.axes) if self.per_axis else ("range",)
        return ranges + self.shape_names + (("nugget",) if self.nugget else ())

    @property
    def n_parameters(self) -> int:
        return self.n_ranges + len(self.shape_names) + int(self.nugget)

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        ranges, shape, nugget = self._parts(np.asarray(phi))
        # ranges may be without end, or zero
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            rho = self.decay(self.scaled_squares(np.exp(ranges), a, b), shape)
        return rho * np.square(np.cos(0.5 * nugget[0] + 0.25 * np.pi)) if self.nugget else rho

    def scaled_squares(self, ranges: Any, a: FloatArray, b: FloatArray) -> Any:
        """Squared distance over the range, between points a and b (…, d)."""
        difference = a - b
        if self.per_axis:
            return np.square(difference / ranges).sum(axis=-1)
        return np.square(difference).sum(axis=-1) / ranges[0] ** 2

    def natural(self, phi: Any) -> Any:
        ranges, shape, nugget = self._parts(np.asarray(phi))
        return np.concatenate(
            [np.exp(ranges), self.shape_natural(shape), bounded(nugget, 0.0, 1.0)]
        )

    def parameters(self, natural: FloatArray) -> FloatArray:
        ranges, shape, nugget = self._parts(np.asarray(natural, dtype=np.float64))
        return np.concatenate(
            [np.log(ranges), self.shape_parameters(shape), unbounded(nugget, 0.0, 1.0)]
        )

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = self.shape_bounds()
        share = np.ones(int(self.nugget))
        return (
            np.concatenate([np.zeros(self.n_ranges), low, 0.0 * share]),
            np.concatenate([np.full(self.n_ranges, np.inf), high, share]),
        )

    def starts(self) -> list[FloatArray]:
        typical = np.array([scale.typical for scale in self.scale])
        shortest = np.array([scale.shortest for scale in self.scale])
        share = np.full(int(self.nugget), 0.2)
        return [
            self.parameters(
                np.concatenate(
                    [
                        # not below all distances, where the likelihood is flat
                        self.middle_range(shape) * np.maximum(factor * typical, 0.5 * shortest),
                        shape,
                        share,
                    ]
                )
            )
            for shape in self.shape_starts()
            for factor in (1.0, 0.3, 3.0)
        ]

    def at_bound(self, phi: FloatArray) -> BoolArray:
        """Ranges by the correlations of the closest and the farthest points, others by bounds."""
        out = super().at_bound(phi)
        ranges, shape, _ = self._parts(np.asarray(phi, dtype=np.float64))
        for i, scale in enumerate(self.scale):
            apart = np.array([scale.shortest, scale.longest]) * np.exp(-ranges[i])
            near, far = self.decay(np.square(apart), shape)
            out[i] = near < FLAT_CORRELATION or 1.0 - far < FLAT_CORRELATION
        return out

    def _parts(self, values: Any) -> list[Any]:
        """Ranges, the kernel's own parameters, the nugget."""
        return np.split(values, [self.n_ranges, self.n_ranges + len(self.shape_names)])
