"""Correlation functions of residuals and of random effects: one class each.

A class says how two points are correlated, which parameters that takes, how they are reported and
where a search starts. Points are times, numbered visits, or coordinates.
"""

from __future__ import annotations

from .autoregression import FirstOrder
from .base import Correlation
from .decay import Decay
from .distances import Distances, axis_distances, distances
from .matern import Matern
from .moving_average import ARMA, MovingAverage
from .product import Product
from .spatial import Exponential, Gaussian, Spherical
from .visits import Antedependence, CompoundSymmetry, Toeplitz, UnstructuredCorrelation

__all__ = [
    "ARMA",
    "Antedependence",
    "CompoundSymmetry",
    "Correlation",
    "Decay",
    "Distances",
    "Exponential",
    "FirstOrder",
    "Gaussian",
    "Matern",
    "MovingAverage",
    "Product",
    "Spherical",
    "Toeplitz",
    "UnstructuredCorrelation",
    "axis_distances",
    "distances",
]
