"""A structure of four random effects of each kind, for tests of all of them."""

from __future__ import annotations

import numpy as np

from lmforms.correlation import (
    CompoundSymmetry,
    Exponential,
    FirstOrder,
    Gaussian,
    Matern,
    MovingAverage,
    Product,
    Toeplitz,
    UnstructuredCorrelation,
)
from lmforms.covariance import FactorAnalytic, ReducedRank, Structured
from lmforms.covariance.structure_kinds import Independent

K = 4
STEPS = np.arange(float(K))[:, None]
TIMES = np.array([0.0, 1.0, 2.5, 4.0])[:, None]
PLACES = np.array([[0.0, 0.0], [1.0, 0.5], [2.0, 2.0], [0.3, 1.7]])
GRID = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
EACH = np.arange(K), tuple("abcd")

STRUCTURES = {
    "homdiag": Structured.of(None, STEPS),
    "cs": Structured.of(CompoundSymmetry(K), STEPS),
    "hcs": Structured.of(CompoundSymmetry(K), STEPS, *EACH),
    "ar1": Structured.of(FirstOrder(), STEPS),
    "har1": Structured.of(FirstOrder(), STEPS, *EACH),
    "toep": Structured.of(Toeplitz(K), STEPS),
    "htoep": Structured.of(Toeplitz(K), STEPS, *EACH),
    "ma": Structured.of(MovingAverage(2), STEPS),
    "exp": Structured.of(Exponential.of_points(TIMES), TIMES),
    "gau": Structured.of(Gaussian.of_points(PLACES, axes=("x", "y")), PLACES),
    "mat": Structured.of(Matern.of_points(PLACES, axes=("x", "y")), PLACES),
    "us:ar1": Structured.of(
        Product(UnstructuredCorrelation(2), FirstOrder(), 1),
        GRID,
        np.array([0, 0, 1, 1]),
        ("a", "b"),
    ),
    "diag:exp": Structured.of(
        Product(Independent(), Exponential.of_points(TIMES[:2]), 1),
        GRID,
        np.array([0, 0, 1, 1]),
        ("a", "b"),
    ),
    "rr": ReducedRank(K, 2),
    "fa": FactorAnalytic(K, 1),
    "fa2": FactorAnalytic(K, 2),
}
