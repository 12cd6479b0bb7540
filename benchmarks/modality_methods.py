"""Linear ways from some modalities to another: each with its choices and its predictions.

A method gives predictions of new rows for several of its choices at once, so that what they
share (one decomposition, one fit of a form) is computed once. All rows are centred. Forms are
in `modality_forms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
from modality_data import Samples
from sklearn.cross_decomposition import CCA, PLSRegression

CHOICES = 72  # the most that a method has
PENALTIES = tuple(float(a) for a in np.geomspace(1e-3, 1e3, 12))

Choice = tuple[Any, ...]


class Method(Protocol):
    """What the study asks of a method."""

    name: str

    def choices(self, seen: Samples) -> list[Choice]: ...

    def predictions(
        self, choices: Sequence[Choice], seen: Samples, new: Samples
    ) -> list[np.ndarray]: ...


def spread(most: int, count: int) -> list[int]:
    """Up to `count` whole numbers from 1 to `most`, evenly on the scale of square roots.

    Examples
    --------
    >>> spread(3, 5), spread(30, 5)
    ([1, 2, 3], [1, 4, 10, 19, 30])
    """
    if most <= count:
        return list(range(1, most + 1))
    for points in range(count, 4 * count):
        found = np.unique((np.linspace(1, np.sqrt(most), points) ** 2).round().astype(int))
        if len(found) >= count:
            break
    return [int(x) for x in found[:1]] + [int(x) for x in found[1 - count :]]


def beside(samples: Samples) -> np.ndarray:
    """All given modalities, side by side."""
    return np.hstack([samples.blocks[name] for name in samples.given])


def ridge(X: np.ndarray, Y: np.ndarray, penalty: float) -> np.ndarray:
    """Coefficients (p, m) that minimise ‖Y − XB‖² + penalty·‖B‖²; the shortest if penalty = 0.

    Examples
    --------
    >>> ridge(np.eye(2), np.eye(2), 1.0)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    if not penalty:
        return np.linalg.lstsq(X, Y, rcond=1e-10)[0]
    return np.linalg.solve(X.T @ X + penalty * np.eye(X.shape[1]), X.T @ Y)


def reduced_rank(X: np.ndarray, Y: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Ridge coefficients B, and V: those of rank k are B V_k V_k' with the first k columns of V.

    V are right singular vectors of the fitted values, for ridge of those with √penalty·B below.

    Examples
    --------
    >>> X, Y = np.diag([3.0, 2.0, 1.0]), np.eye(3)
    >>> B, V = reduced_rank(X, Y, 0.0)
    >>> bool(np.allclose(B @ V @ V.T, np.linalg.inv(X)))
    True
    """
    B = ridge(X, Y, penalty)
    fitted = np.vstack([X @ B, np.sqrt(penalty) * B])
    return B, np.linalg.svd(fitted, full_matrices=False)[2].T


@dataclass(frozen=True)
class LeastSquares:
    name: str = "least squares"

    def choices(self, seen: Samples) -> list[Choice]:
        return [()]

    def predictions(self, choices, seen, new):
        return [beside(new) @ ridge(beside(seen), seen.blocks[seen.target], 0.0)]


@dataclass(frozen=True)
class Ridge:
    name: str = "ridge"

    def choices(self, seen: Samples) -> list[Choice]:
        return [(float(a),) for a in np.geomspace(1e-3, 1e4, CHOICES)]

    def predictions(self, choices, seen, new):
        W, T = beside(seen), seen.blocks[seen.target]
        return [beside(new) @ ridge(W, T, penalty) for (penalty,) in choices]


@dataclass(frozen=True)
class PLS:
    """scikit-learn's PLSRegression; lower ranks are leading parts of the highest."""

    name: str = "PLS"

    def choices(self, seen: Samples) -> list[Choice]:
        return [(k,) for k in spread(np.linalg.matrix_rank(beside(seen)), CHOICES)]

    def predictions(self, choices, seen, new):
        W, T = beside(seen), seen.blocks[seen.target]
        most = min(max(k for (k,) in choices), np.linalg.matrix_rank(W))
        model = PLSRegression(most, scale=False).fit(W, T)
        turned, loadings = beside(new) @ model.x_rotations_, model.y_loadings_
        return [turned[:, :k] @ loadings[:, :k].T for (k,) in choices]


@dataclass(frozen=True)
class Canonical:
    """scikit-learn's CCA on leading principal components; its own prediction, or regression.

    Its prediction takes canonical variates of the response as if they were those of the
    predictors; with `regressed`, the response is regressed on the predictors' variates.
    """

    name: str
    regressed: bool

    def choices(self, seen: Samples) -> list[Choice]:
        kept = spread(np.linalg.matrix_rank(beside(seen)), CHOICES // 6)
        return list(product(kept, (0.1, 0.25, 0.4, 0.6, 0.8, 1.0)))

    def predictions(self, choices, seen, new):
        W, T = beside(seen), seen.blocks[seen.target]
        axes = np.linalg.svd(W, full_matrices=False)[2].T
        limit, most = np.linalg.matrix_rank(W), np.linalg.matrix_rank(T)
        models: dict[int, CCA] = {}
        found = []
        for c, share in choices:
            c = min(c, limit)
            top = min(c, most)
            if c not in models:
                models[c] = CCA(top, scale=False, max_iter=2000).fit(W @ axes[:, :c], T)
            k = max(1, round(share * top))
            old, turned = (
                A @ axes[:, :c] @ models[c].x_rotations_[:, :k] for A in (W, beside(new))
            )
            loadings = ridge(old, T, 0.0) if self.regressed else models[c].y_loadings_[:, :k].T
            found.append(turned @ loadings)
        return found


@dataclass(frozen=True)
class ReducedRank:
    name: str = "reduced-rank regression"

    def choices(self, seen: Samples) -> list[Choice]:
        ranks = spread(np.linalg.matrix_rank(seen.blocks[seen.target]), CHOICES // len(PENALTIES))
        return list(product(PENALTIES, ranks))

    def predictions(self, choices, seen, new):
        W, T = beside(seen), seen.blocks[seen.target]
        bases = {a: reduced_rank(W, T, a) for a in {a for a, _ in choices}}
        guesses = {a: (beside(new) @ B, V) for a, (B, V) in bases.items()}
        return [guesses[a][0] @ guesses[a][1][:, :k] @ guesses[a][1][:, :k].T for a, k in choices]


PEERS: tuple[Method, ...] = (
    PLS(),
    Canonical("CCA, predict", regressed=False),
    Canonical("CCA, variates", regressed=True),
    ReducedRank(),
)
LINES: tuple[Method, ...] = (LeastSquares(), Ridge())
