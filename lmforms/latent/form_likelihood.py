"""Maximum likelihood of the factor model whose covariance of a row is the one that a form implies.

A row of all modalities side by side is a = Lc + e with c = (K, H) ~ N(0, Σ), e ~ N(0, D) and D
diagonal, L the loadings where their side puts them: [α α], [β 0], [0 u]. Its covariance is
V = LΣL' + D, the Cov(Y) = D + ZGZ' of a mixed model in latent form. EM (Rubin & Thayer 1982, for
factor analysis) needs products with the data only:

    E:  P = Σ⁻¹ + L'D⁻¹L,  E[c | a] = P⁻¹L'D⁻¹a,  M = Σ_i E[cc' | a_i]
    M:  Σ = M/n; the loadings of each modality by regression on its own part of M; D what is left

and −2 log-likelihood never rises. A noisy column counts little whatever its modality, and a weak
component does not make its code large. Predictions are therefore better than by least squares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from ..support.arrays import FloatArray
from .accelerated_descent import Descent, descend
from .als import FormEstimate
from .canonical import canonical
from .form_status import FormStatus, likelihood_converged_message, limit_message
from .modalities import Modalities, Modality
from .normal_equations import SINGULAR_PIVOT, solve_symmetric
from .objective import Codes, Loadings, Weights

LEAST_NOISE = 1e-4
"""D of a column is not below this share of its mean square: the likelihood of data without noise
has no bound."""

NEAR_FLOOR = 2.0
"""A column whose D ended below this multiple of its floor is reported as having no noise."""

FIRST_NOISE = 0.1
"""EM increases a small D slowly, and least squares may explain a column exactly: D starts at no
less than this share."""

SMALL_DECREASES_TO_STOP = 5
"""EM can be slow for a while and then speed up: it has converged after this many small decreases in
a row."""

LARGEST_LOG_STEP = 20.0
"""Accelerated steps in ln D that are larger than this are refused."""


@dataclass(frozen=True, eq=False)
class FactorModel:
    """The parameters of the factor model.

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
        """The model of columns times `scales`."""
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

    def in_unit_basis(self) -> FactorModel:
        """The same model in a basis in which K and H together have unit moments.

        The model is the same in any basis; in this one rounding errors are least, and an
        iteration cannot drift from one basis to another.
        """
        k = len(self.moments) // 2
        total = self.moments[:k, :k] + self.moments[k:, k:]
        values = np.linalg.eigvalsh(total)
        if not values[0] > SINGULAR_PIVOT * values[-1]:
            return self
        root = np.linalg.cholesky(total)  # eigenvectors would jump from step to step
        T = np.kron(np.eye(2), np.linalg.inv(root).T)
        return FactorModel(
            tuple(L @ root for L in self.loadings), self.variances, T.T @ self.moments @ T
        )

    def as_arrays(self) -> tuple[FloatArray, ...]:
        """Loadings, log D and Σ, as Anderson acceleration combines them."""
        return (*self.loadings, *(np.log(D) for D in self.variances), self.moments)

    @staticmethod
    def from_arrays(
        arrays: tuple[FloatArray, ...], plain: FactorModel, floors: tuple[FloatArray, ...]
    ) -> FactorModel | None:
        """The inverse, with D no less than its floor.

        None where Σ is no covariance, or D is far from that of the plain sweep.
        """
        j = len(plain.loadings)
        moments = (arrays[-1] + arrays[-1].T) / 2
        steps = [np.abs(f - np.log(D)).max() for f, D in zip(arrays[j:-1], plain.variances)]
        if max(steps) > LARGEST_LOG_STEP or not np.linalg.eigvalsh(moments)[0] > 0:
            return None
        variances = (np.maximum(np.exp(f), least) for f, least in zip(arrays[j:-1], floors))
        return FactorModel(arrays[:j], tuple(variances), moments)


@dataclass(frozen=True, eq=False)
class Expectation:
    """E[c | a] of each row, Var(c | a), and −2 log-likelihood."""

    codes: FloatArray
    variance: FloatArray
    deviance: float


def expectation(data: Modalities, model: FactorModel, n: int) -> Expectation:
    """The E step.

    Parameters
    ----------
    data : Modalities
        Complete; may be R in place of the data.
    model : FactorModel
    n : int
        Number of rows of the data.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> data = Modalities.of(one, one, one)
    >>> model = FactorModel((one,) * 3, (np.ones(1),) * 3, np.eye(2))
    >>> V = np.array([[3.0, 1.0, 1.0], [1.0, 2.0, 0.0], [1.0, 0.0, 2.0]])
    >>> a = np.ones(3)
    >>> dense = np.linalg.slogdet(2 * np.pi * V)[1] + a @ np.linalg.solve(V, a)
    >>> bool(np.isclose(expectation(data, model, 1).deviance, dense))
    True
    """
    values, vectors = np.linalg.eigh(model.moments)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    gram = np.zeros_like(model.moments)
    right = np.zeros((data.n, len(gram)))
    deviance = 0.0
    for part, L, D in zip(data, model.loadings, model.variances):
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
        of_code = part.side.design(np.eye(k)).T  # (2k, k): the code of this side
        cross = part.values.T @ (found.codes @ of_code)
        L = solve_symmetric(of_code.T @ moments @ of_code, cross.T).T
        left = (part.squares - np.einsum("jk,jk->j", cross, L)) / n
        loadings.append(L)
        variances.append(np.maximum(left, LEAST_NOISE * part.squares / n))
    return FactorModel(tuple(loadings), tuple(variances), moments / n).in_unit_basis()


def standardised(data: Modalities, n: int) -> tuple[Modalities, tuple[FloatArray, ...]]:
    """Columns divided by their root mean squares, and these.

    The likelihood does not depend on the units of columns; so neither should the least-squares
    fit that it starts from.

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
    """The model that codes of a least-squares fit imply: regressions on them, and D from these."""
    both = np.hstack(codes)
    model = maximisation(core, Expectation(both, np.zeros((both.shape[1],) * 2), np.inf), n)
    return model.with_noise(core, n, FIRST_NOISE)


def maximise(core: Modalities, model: FactorModel, n: int, tol: float, max_iter: int) -> Descent:
    """Accelerated EM.

    Parameters
    ----------
    core : Modalities
        The data, or R in their place.
    model : FactorModel
        The starting value.
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
        model,
        evaluate,
        lambda found: maximisation(core, found, n),
        _scales(model),
        lambda value, fall: fall <= tol * entries,
        max_iter,
        SMALL_DECREASES_TO_STOP,
        as_arrays=FactorModel.as_arrays,
        from_arrays=lambda arrays, plain: FactorModel.from_arrays(arrays, plain, floors),
    )


def balanced_fit(
    data: Modalities,
    model: FactorModel,
    weights: Weights,
    trace: tuple[float, ...],
    status: FormStatus,
) -> FormEstimate:
    """The codes of all rows, in canonical form, and the model in the same basis."""
    both = expectation(data, model, data.n).codes
    k = both.shape[1] // 2
    codes = Codes(np.ascontiguousarray(both[:, :k]), np.ascontiguousarray(both[:, k:]))
    balanced, loadings = canonical(codes, model.loadings, weights)
    T = np.kron(np.eye(2), np.linalg.lstsq(np.vstack(codes), np.vstack(balanced), rcond=None)[0])
    return FormEstimate(balanced, loadings, trace, status, T.T @ model.moments @ T, model.variances)


def fitted_by_likelihood(
    data: Modalities,
    core: Modalities,
    scales: tuple[FloatArray, ...],
    model: FactorModel,
    weights: Weights,
    tol: float,
    max_iter: int,
) -> FormEstimate:
    """Maximise the likelihood on the standardised core, and return the estimate for the data.

    Parameters
    ----------
    data : Modalities
    core, scales
        From :func:`standardised`.
    model : FactorModel
        The starting value, for the standardised columns.
    weights : Weights
        For the canonical form.
    tol, max_iter
        As for :func:`maximise`.
    """
    end = maximise(core, model, data.n, tol, max_iter)
    units = 2.0 * data.n * sum(float(np.log(scale).sum()) for scale in scales)
    message = (
        likelihood_converged_message(tol)
        if end.enough
        else limit_message(max_iter, "The likelihood")
    )
    status = FormStatus(end.enough, message, len(end.trace) - 1, end.accelerated, end.rejected)
    trace = tuple(value + units for value in end.trace)
    estimate = balanced_fit(data, end.point.scaled(scales), weights, trace, status)
    near = (NEAR_FLOOR * LEAST_NOISE * part.squares / data.n for part in core)
    return estimate._replace(at_floor=tuple(map(np.less, end.point.variances, near)))


def _scales(model: FactorModel) -> list[float]:
    """Factors that bring loadings, log D and Σ to common units for Anderson acceleration."""
    k = len(model.moments) // 2
    size = float(np.trace(model.moments)) / (2 * k)
    loading = [np.sqrt(size / float(D.mean())) for D in model.variances]
    return [*loading, *(1.0 for _ in loading), 1.0 / size]
