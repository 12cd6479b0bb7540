"""Every correlation function once, with points it is for."""

from __future__ import annotations

import numpy as np

from lmforms.correlation import (
    ARMA,
    Antedependence,
    CompoundSymmetry,
    Distances,
    Exponential,
    FirstOrder,
    Gaussian,
    Matern,
    MovingAverage,
    Product,
    Spherical,
    Toeplitz,
    UnstructuredCorrelation,
)

VISITS = np.arange(5.0)[:, None]
TIMES = np.array([[0.0], [1.0], [2.0], [4.0], [9.0]])
REAL = np.array([[0.3], [0.9], [1.0], [2.7], [9.1]])
PLACES = np.array([[0.0, 0.0], [1.0, 0.5], [2.2, -1.0], [2.2, 3.0], [0.0, 1.5], [4.0, 0.1]])
GRID = np.array([[i, j] for i in range(3) for j in range(4)], dtype=float)
XY = ("x", "y")
TWO = (Distances(), Distances())

CASES = {
    "cs": (CompoundSymmetry(5), VISITS),
    "corsymm": (UnstructuredCorrelation(5), VISITS),
    "toep": (Toeplitz(5), VISITS),
    "ante": (Antedependence(5), VISITS),
    "ar1": (FirstOrder(), TIMES),
    "ma1": (MovingAverage(1), TIMES),
    "ma3": (MovingAverage(3), TIMES),
    "arma11": (ARMA(1, 1, span=9), TIMES),
    "arma23": (ARMA(2, 3, span=9), TIMES),
    "arma20": (ARMA(2, 0, span=9), TIMES),
    "arma02": (ARMA(0, 2, span=9), TIMES),
    "exp time": (Exponential(), REAL),
    "exp time nugget": (Exponential(nugget=True), REAL),
    "exp": (Exponential(XY, nugget=True), PLACES),
    "exp axes": (Exponential(XY, per_axis=True, scale=TWO), PLACES),
    "exp l1": (Exponential(XY, metric="l1"), PLACES),
    "exp l1 axes": (
        Exponential(XY, per_axis=True, metric="l1", scale=TWO, nugget=True),
        PLACES,
    ),
    "gau": (Gaussian(XY, nugget=True), PLACES),
    "gau axes": (Gaussian(XY, per_axis=True, scale=TWO), PLACES),
    "sph": (Spherical(XY), PLACES),
    "sph axes": (Spherical(XY, per_axis=True, nugget=True, scale=TWO), PLACES),
    "mat": (Matern(XY, nugget=True), PLACES),
    "mat axes": (Matern(XY, per_axis=True, scale=TWO), PLACES),
    "mat 1.5": (Matern(XY, nu=1.5), PLACES),
    "mat 0.8": (Matern(XY, nu=0.8, nugget=True), PLACES),
    "ar1:ar1": (Product(FirstOrder(), FirstOrder(), 1, ("row", "column")), GRID),
    "us:ma": (Product(UnstructuredCorrelation(3), MovingAverage(2), 1), GRID),
    "cs:mat": (Product(CompoundSymmetry(3), Matern(), 1), GRID),
    "three": (
        Product(Product(FirstOrder(), Toeplitz(4), 1), CompoundSymmetry(2), 2),
        np.array([[i, j, k] for i in range(2) for j in range(4) for k in range(2)], dtype=float),
    ),
}
