"""C(φ) = Σ c_j(φ)C_j, against n×n algebra at every φ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from dense import dense_fit
from models import SmallModel, make_model

from lmforms import Control
from lmforms.engine.estimate import estimate_sums
from lmforms.engine.sums.matrix_products import matrix_cross_products
from lmforms.engine.sums.residual_terms import ResidualTerms
from lmforms.engine.sums.scaling import choose_units
from lmforms.errors import ModelError
from lmforms.residual import Known, Residual


@dataclass(frozen=True, eq=False)
class Term(Residual):
    """T = root'root."""

    root: Any
    by_row = False

    def whiten(self, rows: Any) -> Any:
        return self.root @ rows

    def log_determinant(self) -> float:
        return float("nan")  # a single term has none

    def variances(self) -> None:
        raise NotImplementedError

    def subset(self, rows: Any) -> Term:
        return Term(self.root[:, rows])


def terms_of(model: SmallModel, roots: list[Any]) -> ResidualTerms:
    units = choose_units(model.rows, model.covariances)
    sums = [matrix_cross_products(replace(model.rows, residual=Term(r)), units) for r in roots]
    return ResidualTerms(model.rows.n, tuple(sums))


def by_factor(model: SmallModel) -> list[np.ndarray]:
    ends = np.cumsum([0, *(c.n_theta for c in model.covariances)])
    return [model.theta[a:b] for a, b in pairwise(ends)]


def assert_dense(model: SmallModel, terms: ResidualTerms, c: list[float], R: np.ndarray) -> None:
    cp = terms.at(c, float(np.linalg.slogdet(R)[1]))
    fast = estimate_sums(
        cp, model.covariances, reml=model.reml, control=Control(), at=by_factor(model)
    )
    rows = replace(model.rows, residual=Known(R))
    slow = dense_fit(rows, model.covariances, model.theta, model.reml)
    assert fast.criterion == pytest.approx(slow.value, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(fast.beta, slow.beta, rtol=1e-8, atol=1e-8)
    effects = np.concatenate([b.ravel() for b in fast.b])
    np.testing.assert_allclose(effects, slow.b, rtol=1e-8, atol=1e-8)


@pytest.fixture(params=[True, False])
def model(request) -> SmallModel:
    return make_model(7, (6, 5), (2, 1), ("us", "us"), n=48, reml=request.param)


@pytest.mark.parametrize("ratio", [0.2, 1.0, 7.0])
def test_unequal_variances_of_strata(model, ratio):
    n = model.rows.n
    stratum = np.arange(n) % 3 == 0
    roots = [sp.diags(1.0 * ~stratum).tocsr(), sp.diags(1.0 * stratum).tocsr()]
    R = np.diag(np.where(stratum, ratio, 1.0))
    assert_dense(model, terms_of(model, roots), [1.0, 1.0 / ratio], R)


@pytest.mark.parametrize("rho", [-0.2, 0.0, 0.6, 0.95])
def test_compound_symmetry_across_the_levels(model, rho):
    n, size = model.rows.n, 4
    group = np.random.default_rng(1).permutation(n) // size
    indicators = sp.csr_matrix((np.ones(n), (group, np.arange(n))))
    same = (indicators.T @ indicators).toarray()
    R = (1.0 - rho) * np.eye(n) + rho * same
    # (aI + bJ)⁻¹ = I/a − b/(a(a + kb)) J
    c = [1.0 / (1.0 - rho), -rho / ((1.0 - rho) * (1.0 + (size - 1) * rho))]
    assert_dense(model, terms_of(model, [sp.identity(n, format="csr"), indicators]), c, R)


def test_chunks_add_up_and_can_be_taken_out(model):
    n = model.rows.n
    units = choose_units(model.rows, model.covariances)

    def terms(rows: slice) -> ResidualTerms:
        chunk = model.rows.subset(rows)
        root = sp.identity(chunk.n, format="csr")
        sums = [
            matrix_cross_products(replace(chunk, residual=Term(c * root)), units) for c in (1, 2)
        ]
        return ResidualTerms(chunk.n, tuple(sums))

    first, second, whole = terms(slice(0, 20)), terms(slice(20, n)), terms(slice(0, n))
    for left, right in [(first + second, whole), (whole - second, first)]:
        a, b = (t.at([0.5, 0.25], 0.0) for t in (left, right))
        assert (a.n, a.log_det_residual) == (b.n, 0.0)
        np.testing.assert_allclose(a.rr, b.rr, rtol=1e-11, atol=1e-11)
        for f, g in zip(a.factors, b.factors, strict=True):
            np.testing.assert_allclose(f.zz, g.zz, rtol=1e-11, atol=1e-11)


def test_other_units_are_refused(model):
    n = model.rows.n
    one = terms_of(model, [sp.identity(n, format="csr")])
    other = terms_of(
        replace(model, rows=replace(model.rows, y=model.rows.y**2)), [sp.identity(n, format="csr")]
    )
    with pytest.raises(ModelError, match="different units"):
        one + other
