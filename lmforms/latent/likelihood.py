"""Maximum likelihood: what a form implies for the covariance of a row, taken as the model.

A row of all modalities side by side is a = Lc + e with c = (K, H) ~ N(0, Σ), e ~ N(0, D) and D
diagonal, L the loadings where their side puts them: [α α], [β 0], [0 u]. Its covariance is
V = LΣL' + D, the Cov(Y) = D + ZGZ' of a mixed model in latent form. EM (Rubin & Thayer 1982, for
factor analysis) needs products with the data only:

    E:  P = Σ⁻¹ + L'D⁻¹L,  E[c | a] = P⁻¹L'D⁻¹a,  M = Σ_i E[cc' | a_i]
    M:  Σ = M/n; the loadings of each modality by regression on its own part of M; D what is left

and −2 log-likelihood never rises. A noisy column counts little here whatever its modality, and a
weak component does not make its code large: what least squares lacks in prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .als import Walk
from .canonical import canonical
from .data import FloatArray, Modalities
from .descent import descend
from .objective import Codes, Loadings, Weights
from .solves import solve_symmetric
from .status import FormStatus, exhausted, reached_likelihood

# D of a column is not below this share of its mean square: the likelihood of data without noise
# has no bound.
LEAST_NOISE = 1e-8
# EM is slow on plateaus that it leaves again: so many small falls in a row are an end.
PATIENCE = 5


@dataclass(frozen=True, eq=False)
class Law:
    """The parameters.

    Attributes
    ----------
    loadings : tuple of ndarray (c_j, k)
    variances : tuple of ndarray (c_j,)
        D.
    moments : ndarray (2k, 2k)
        Σ.
    """

    loadings: Loadings
    variances: tuple[FloatArray, ...]
    moments: FloatArray

    def flat(self) -> tuple[FloatArray, ...]:
        """As Anderson's rule sees it: unconstrained but for Σ."""
        return (*self.loadings, *(np.log(D) for D in self.variances), self.moments)

    def like(self, flat: tuple[FloatArray, ...]) -> Law | None:
        """The inverse; None where Σ is no covariance."""
        j = len(self.loadings)
        moments = (flat[-1] + flat[-1].T) / 2
        if np.linalg.eigvalsh(moments)[0] <= 0:
            return None
        return Law(flat[:j], tuple(np.exp(f) for f in flat[j:-1]), moments)


@dataclass(frozen=True, eq=False)
class Expectation:
    """E[c | a] of the rows at hand, Var(c | a), and −2 log-likelihood."""

    codes: FloatArray
    variance: FloatArray
    deviance: float


def expectation(data: Modalities, law: Law, n: int) -> Expectation:
    """The E step.

    Parameters
    ----------
    data : Modalities
        Complete; R will do in place of the data.
    law : Law
    n : int
        Number of rows of the data themselves.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> data = Modalities.of(one, one, one)
    >>> law = Law((one,) * 3, (np.ones(1),) * 3, np.eye(2))
    >>> V = np.array([[3.0, 1.0, 1.0], [1.0, 2.0, 0.0], [1.0, 0.0, 2.0]])
    >>> a = np.ones(3)
    >>> dense = np.linalg.slogdet(2 * np.pi * V)[1] + a @ np.linalg.solve(V, a)
    >>> bool(np.isclose(expectation(data, law, 1).deviance, dense))
    True
    """
    values, vectors = np.linalg.eigh(law.moments)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    gram = np.zeros_like(law.moments)
    right = np.zeros((data.n, len(gram)))
    deviance = 0.0
    for part, L, D in zip(data, law.loadings, law.variances):
        design = part.side.design(L)
        scaled = design / D[:, None]
        gram += design.T @ scaled
        right += part.values @ scaled
        deviance += n * float(np.log(2 * np.pi * D).sum()) + float((part.squares / D).sum())
    inner = np.eye(len(gram)) + root.T @ gram @ root
    variance = root @ solve_symmetric(inner, root.T)
    codes = right @ variance
    deviance += n * float(np.linalg.slogdet(inner)[1]) - float(np.vdot(right, codes))
    return Expectation(codes, variance, deviance)


def maximisation(data: Modalities, found: Expectation, n: int) -> Law:
    """The M step."""
    k = found.codes.shape[1] // 2
    moments = found.codes.T @ found.codes + n * found.variance
    loadings, variances = [], []
    for part in data:
        behind = part.side.design(np.eye(k)).T  # (2k, k): the code of this side
        cross = part.values.T @ (found.codes @ behind)
        L = solve_symmetric(behind.T @ moments @ behind, cross.T).T
        left = (part.squares - np.einsum("jk,jk->j", cross, L)) / n
        loadings.append(L)
        variances.append(np.maximum(left, _floor(part.squares / n)))
    return Law(tuple(loadings), tuple(variances), moments / n)


def maximise(
    data: Modalities,
    core: Modalities,
    walk: Walk,
    weights: Weights,
    tol: float,
    max_iter: int,
) -> Walk:
    """EM with Anderson's acceleration from a least-squares fit.

    Parameters
    ----------
    data, core : Modalities
        The data, and R or the data again.
    walk : Walk
        Where to begin, on `core`.
    weights : Weights
        For the canonical form.
    tol : float
        Stop once a step lowers −2 log-likelihood by less than this for each entry of the data.
    max_iter : int
    """
    n = data.n
    entries = n * sum(part.shape[1] for part in data)
    both = np.hstack(walk.codes)
    law = maximisation(core, Expectation(both, np.zeros((both.shape[1],) * 2), np.inf), n)

    def evaluate(given: Law) -> tuple[float, Expectation]:
        found = expectation(core, given, n)
        return found.deviance, found

    end = descend(
        law,
        evaluate,
        lambda found: maximisation(core, found, n),
        _scales(data, law),
        lambda value, fall: fall <= tol * entries,
        max_iter,
        PATIENCE,
        flat=Law.flat,
        restored=law.like,
    )
    message = reached_likelihood(tol) if end.enough else exhausted(max_iter, "The likelihood")
    status = FormStatus(end.enough, message, len(end.trace) - 1, end.accelerated, end.rejected)
    return _balanced(data, end.point, weights, tuple(end.trace), status)


def _balanced(
    data: Modalities, law: Law, weights: Weights, trace: tuple[float, ...], status: FormStatus
) -> Walk:
    """The codes of all rows, in canonical form."""
    both = expectation(data, law, data.n).codes
    k = both.shape[1] // 2
    codes = Codes(np.ascontiguousarray(both[:, :k]), np.ascontiguousarray(both[:, k:]))
    balanced, loadings = canonical(codes, law.loadings, weights)
    T = np.kron(np.eye(2), np.linalg.lstsq(np.vstack(codes), np.vstack(balanced), rcond=None)[0])
    return Walk(balanced, loadings, trace, status, T.T @ law.moments @ T, law.variances)


def _scales(data: Modalities, law: Law) -> list[float]:
    """Units in which Anderson's rule compares loadings, log D and Σ."""
    k = len(law.moments) // 2
    size = float(np.trace(law.moments)) / (2 * k)
    loading = [np.sqrt(size / float(D.mean())) for D in law.variances]
    return [*loading, *(1.0 for _ in data), 1.0 / size]


def _floor(mean_squares: FloatArray) -> FloatArray:
    return LEAST_NOISE * np.maximum(mean_squares, LEAST_NOISE * mean_squares.max())
