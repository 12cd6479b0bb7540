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

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from ..support.arrays import FloatArray
from .als import FormEstimate
from .canonical import canonical
from .data import Modalities, Modality
from .descent import Descent, descend
from .objective import Codes, Loadings, Weights
from .solves import SINGULAR, solve_symmetric
from .status import FormStatus, exhausted, reached_likelihood

# D of a column is not below this share of its mean square: the likelihood of data without noise
# has no bound.
LEAST_NOISE = 1e-4
# A column whose D ended below so many times that floor has no noise that the fit could find.
NEAR_FLOOR = 2.0
# EM leaves a small D slowly, and least squares may explain a column exactly: D begins at no less
# than this share.
FIRST_NOISE = 0.1
# EM is slow on plateaus that it leaves again: so many small falls in a row are an end.
PATIENCE = 5
FAR = 20.0  # of log D: no step that is worth trying goes there


@dataclass(frozen=True, eq=False)
class FactorModel:
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

    def scaled(self, scales: tuple[FloatArray, ...]) -> FactorModel:
        """The law of columns times `scales`."""
        return FactorModel(
            tuple(s[:, None] * L for s, L in zip(scales, self.loadings)),
            tuple(s**2 * D for s, D in zip(scales, self.variances)),
            self.moments,
        )

    def with_noise(self, data: Modalities, n: int, share: float) -> FactorModel:
        """D no less than a share of the mean squares of its columns."""
        floors = (share * part.squares / n for part in data)
        variances = tuple(np.maximum(D, least) for D, least in zip(self.variances, floors))
        return replace(self, variances=variances)

    def in_units(self) -> FactorModel:
        """The same law in a basis in which K and H together have unit moments.

        Any basis says the same; in this one rounding hurts least, and a walk cannot drift along
        bases.
        """
        k = len(self.moments) // 2
        total = self.moments[:k, :k] + self.moments[k:, k:]
        values = np.linalg.eigvalsh(total)
        if not values[0] > SINGULAR * values[-1]:
            return self
        root = np.linalg.cholesky(total)  # eigenvectors would jump from step to step
        T = np.kron(np.eye(2), np.linalg.inv(root).T)
        return FactorModel(
            tuple(L @ root for L in self.loadings), self.variances, T.T @ self.moments @ T
        )

    def flat(self) -> tuple[FloatArray, ...]:
        """As Anderson's rule sees it: unconstrained but for Σ."""
        return (*self.loadings, *(np.log(D) for D in self.variances), self.moments)

    @staticmethod
    def restored(
        flat: tuple[FloatArray, ...], plain: FactorModel, floors: tuple[FloatArray, ...]
    ) -> FactorModel | None:
        """The inverse, D no less than its floor; None where Σ is no covariance, or D far from
        that of a plain step.
        """
        j = len(plain.loadings)
        moments = (flat[-1] + flat[-1].T) / 2
        far = any(np.abs(f - np.log(D)).max() > FAR for f, D in zip(flat[j:-1], plain.variances))
        if far or not np.linalg.eigvalsh(moments)[0] > 0:
            return None
        variances = (np.maximum(np.exp(f), least) for f, least in zip(flat[j:-1], floors))
        return FactorModel(flat[:j], tuple(variances), moments)


@dataclass(frozen=True, eq=False)
class Expectation:
    """E[c | a] of the rows at hand, Var(c | a), and −2 log-likelihood."""

    codes: FloatArray
    variance: FloatArray
    deviance: float


def expectation(data: Modalities, law: FactorModel, n: int) -> Expectation:
    """The E step.

    Parameters
    ----------
    data : Modalities
        Complete; R will do in place of the data.
    law : FactorModel
    n : int
        Number of rows of the data themselves.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> data = Modalities.of(one, one, one)
    >>> law = FactorModel((one,) * 3, (np.ones(1),) * 3, np.eye(2))
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


def maximisation(data: Modalities, found: Expectation, n: int) -> FactorModel:
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
        variances.append(np.maximum(left, LEAST_NOISE * part.squares / n))
    return FactorModel(tuple(loadings), tuple(variances), moments / n).in_units()


def standardised(data: Modalities, n: int) -> tuple[Modalities, tuple[FloatArray, ...]]:
    """Columns over their root mean squares, and these: the likelihood knows no units, and neither
    should the least-squares fit that it begins with.

    Examples
    --------
    >>> data = Modalities.of(*(np.array([[c], [-c]]) for c in (1.0, 2.0, 3.0)))
    >>> same, scales = standardised(data, 2)
    >>> same.parts[2].values.ravel(), scales[2]
    (array([ 1., -1.]), array([3.]))
    """
    parts, scales = [], []
    for part in data:
        scale = np.sqrt(part.squares / n)
        values = part.values * (1.0 / scale)  # of a sparse matrix too
        parts.append(Modality(sp.csr_array(values) if sp.issparse(values) else values, part.side))
        scales.append(scale)
    return Modalities(tuple(parts)), tuple(scales)


def initial_model(core: Modalities, codes: Codes, n: int) -> FactorModel:
    """What codes of a least-squares fit imply: loadings by regression, and what these leave."""
    both = np.hstack(codes)
    law = maximisation(core, Expectation(both, np.zeros((both.shape[1],) * 2), np.inf), n)
    return law.with_noise(core, n, FIRST_NOISE)


def maximise(core: Modalities, law: FactorModel, n: int, tol: float, max_iter: int) -> Descent:
    """EM, its steps made longer.

    Parameters
    ----------
    core : Modalities
        The data, or R in their place.
    law : FactorModel
        Where to begin.
    n : int
        Number of rows of the data.
    tol : float
        Stop once steps lower −2 log-likelihood by less than this for each entry of the data.
    max_iter : int
    """
    entries = n * sum(part.shape[1] for part in core)
    floors = tuple(LEAST_NOISE * part.squares / n for part in core)

    def evaluate(given: FactorModel) -> tuple[float, Expectation]:
        found = expectation(core, given, n)
        return found.deviance, found

    return descend(
        law,
        evaluate,
        lambda found: maximisation(core, found, n),
        _scales(law),
        lambda value, fall: fall <= tol * entries,
        max_iter,
        PATIENCE,
        flat=FactorModel.flat,
        restored=lambda flat, plain: FactorModel.restored(flat, plain, floors),
    )


def balanced_fit(
    data: Modalities,
    law: FactorModel,
    weights: Weights,
    trace: tuple[float, ...],
    status: FormStatus,
) -> FormEstimate:
    """The codes of all rows, in canonical form, and the law in the same basis."""
    both = expectation(data, law, data.n).codes
    k = both.shape[1] // 2
    codes = Codes(np.ascontiguousarray(both[:, :k]), np.ascontiguousarray(both[:, k:]))
    balanced, loadings = canonical(codes, law.loadings, weights)
    T = np.kron(np.eye(2), np.linalg.lstsq(np.vstack(codes), np.vstack(balanced), rcond=None)[0])
    return FormEstimate(balanced, loadings, trace, status, T.T @ law.moments @ T, law.variances)


def fitted_by_likelihood(
    data: Modalities,
    core: Modalities,
    scales: tuple[FloatArray, ...],
    law: FactorModel,
    weights: Weights,
    tol: float,
    max_iter: int,
) -> FormEstimate:
    """From a law of the standardised core to the walk on the data.

    Parameters
    ----------
    data : Modalities
    core, scales
        From :func:`standardised`.
    law : FactorModel
        Where to begin, of the standardised columns.
    weights : Weights
        For the canonical form.
    tol, max_iter
        As for :func:`maximise`.
    """
    end = maximise(core, law, data.n, tol, max_iter)
    units = 2.0 * data.n * sum(float(np.log(scale).sum()) for scale in scales)
    message = reached_likelihood(tol) if end.enough else exhausted(max_iter, "The likelihood")
    status = FormStatus(end.enough, message, len(end.trace) - 1, end.accelerated, end.rejected)
    trace = tuple(value + units for value in end.trace)
    walk = balanced_fit(data, end.point.scaled(scales), weights, trace, status)
    near = (NEAR_FLOOR * LEAST_NOISE * part.squares / data.n for part in core)
    return walk._replace(at_floor=tuple(map(np.less, end.point.variances, near)))


def _scales(law: FactorModel) -> list[float]:
    """Units in which Anderson's rule compares loadings, log D and Σ."""
    k = len(law.moments) // 2
    size = float(np.trace(law.moments)) / (2 * k)
    loading = [np.sqrt(size / float(D.mean())) for D in law.variances]
    return [*loading, *(1.0 for _ in loading), 1.0 / size]
