"""Products w'A⁻¹w of rows by elimination of the leading factor, against A written out."""

from __future__ import annotations

import numpy as np
from dense import dense_z
from hypothesis import given, settings
from models import problem_of, small_models

from lmforms.engine.factor import Factorization


@settings(max_examples=25)
@given(small_models())
def test_products_of_rows(model):
    problem, rows = problem_of(model, "dense")
    system, lams = problem.system, problem.lams(model.theta)
    factor = Factorization(system, lams)
    found = factor.eliminated_rows()
    if len(lams) == 1:
        assert found is None
        return
    ZL = [
        dense_z(f, rows.n) @ np.kron(np.eye(f.n_levels), lam)
        for f, lam in zip(rows.factors, lams, strict=True)
    ]
    scaled = np.hstack(ZL)
    A = scaled.T @ rows.residual.solve(scaled) + np.eye(scaled.shape[1])
    lead = rows.factors[system.lead]
    rest = np.hstack([ZL[i] for i in system.rest])
    c, t = found.reduced(lead.codes, lead.basis @ lams[system.lead], rest)
    same = lead.codes[:, None] == lead.codes
    products = np.where(same, c @ c.T, 0.0) + t @ found.solve(t).T
    wanted = scaled @ np.linalg.solve(A, scaled.T)
    np.testing.assert_allclose(products, wanted, atol=1e-8 * max(1.0, np.abs(wanted).max()))
