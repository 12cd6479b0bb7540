"""The equations of a fitted model, and derivatives of its likelihood in the variances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError

PENICILLIN = "diameter ~ 1 + (1 | plate) + (1 | sample)"


@pytest.fixture(scope="module")
def fit() -> lf.MixedModelResults:
    return lf.lmer(PENICILLIN, lf.datasets.load("Penicillin"))


def dense_loglik(mme, values, reml: bool = True) -> float:
    """ln L of single variances with explicit inverses."""
    model = mme.model
    X, y = model.X, model.y
    V = values[-1] * np.diag(1.0 / (np.ones(model.n) if model.weights is None else model.weights))
    for component, value in zip(model.components, values, strict=False):
        Z = component.Z.toarray()
        root = component.root
        K = np.eye(Z.shape[1])
        if root is not None:
            L = root if isinstance(root, np.ndarray) else root.toarray()
            K = L @ L.T
        elif component.precision is not None:
            K = np.linalg.inv(component.precision.toarray())
        V += value * Z @ K @ Z.T
    Vi = np.linalg.inv(V)
    XVX = X.T @ Vi @ X
    left = y - X @ np.linalg.solve(XVX, X.T @ Vi @ y)
    value = np.linalg.slogdet(V)[1] + left @ Vi @ left
    nu = len(y) - X.shape[1] if reml else len(y)
    if reml:
        value += np.linalg.slogdet(XVX)[1]
    return -0.5 * (value + nu * np.log(2 * np.pi))


def test_the_equations_of_a_fit(fit):
    mme = lf.mme.equations(fit)
    solution = mme.solve()
    np.testing.assert_allclose(solution.beta, fit.params, rtol=1e-9)
    for group in ("plate", "sample"):
        found = solution.random_effects[group]
        wanted = fit.random_effects[group]["Intercept"].loc[found.index]
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)
    assert -2.0 * mme.loglik().loc["ln L", "contribution"] == pytest.approx(fit.criterion)


def test_of_a_fit_to_another_response_with_offset_and_relationship():
    data = lf.datasets.load("Dyestuff").assign(o=np.linspace(0, 9, 30))
    K = pd.DataFrame(np.eye(6) + 0.3, index=list("ABCDEF"), columns=list("ABCDEF"))
    fit = lf.lmer("Yield ~ 1 + (1 | Batch)", data, offset="o", relationship={"Batch": K})
    again = fit.refit(data["Yield"] + 10.0 * data["o"])
    mme = lf.mme.equations(again)
    assert -2.0 * mme.loglik().loc["ln L", "contribution"] == pytest.approx(again.criterion)
    assert mme.score().abs().max() < 1e-7


def test_variances_of_a_fit_as_its_table(fit):
    data = lf.datasets.load("Penicillin")
    by_table = lf.mme.equations(PENICILLIN, data, variances=fit.vcomp)
    assert by_table.variances == pytest.approx(lf.mme.equations(fit).variances)
    slopes = lf.lmer("Reaction ~ Days + (Days || Subject)", lf.datasets.load("sleepstudy"))
    assert list(lf.mme.equations(slopes, variances=slopes.vcomp).variances) == [
        "Intercept | Subject",
        "Days | Subject",
        "Residual",
    ]


@pytest.mark.parametrize("reml", [True, False])
def test_score_and_information_against_differences(fit, reml):
    mme = lf.mme.equations(
        PENICILLIN,
        lf.datasets.load("Penicillin"),
        variances={"plate": 0.9, "sample": 2.5, "Residual": 0.4},
    )
    at = np.array([0.9, 2.5, 0.4])
    steps = 1e-4 * np.diag(at)
    score = [
        (dense_loglik(mme, at + s, reml) - dense_loglik(mme, at - s, reml)) / (2 * s.sum())
        for s in steps
    ]
    np.testing.assert_allclose(mme.score(reml), score, rtol=1e-6)
    hessian = np.empty((3, 3))
    for i, a in enumerate(steps):
        for j, b in enumerate(steps):
            corners = [
                dense_loglik(mme, at + p * a + q * b, reml) * p * q
                for p in (1, -1)
                for q in (1, -1)
            ]
            hessian[i, j] = sum(corners) / (4 * a.sum() * b.sum())
    observed = mme.information("observed", reml)
    np.testing.assert_allclose(observed, -hessian, rtol=1e-4, atol=1e-4 * np.abs(hessian).max())
    average, expected = mme.information(reml=reml), mme.information("expected", reml)
    np.testing.assert_allclose(observed, 2.0 * average - expected, rtol=1e-9)
    assert list(average.index) == list(average.columns) == ["plate", "sample", "Residual"]


def test_one_step_of_henderson():
    """σ² and σ_a² as document 004 prints them, from the equations' own matrices."""
    from lmforms.varcomp import ComponentModel, estimate

    data = lf.datasets.load("Dyestuff")
    model = ComponentModel.of_formula("Yield ~ 1 + (1 | Batch)", data)
    start = {"Batch": 1000.0, "Residual": 2000.0}
    mme = lf.mme.equations(model, variances=start)
    found = estimate(model, "em-henderson", start=start)
    solution = mme.solve()
    y, X, Z = model.y, model.X, model.components[0].Z.toarray()
    b, u = solution.beta.to_numpy(), solution.random_effects["Batch"].to_numpy()
    residual = (y @ y - b @ X.T @ y - u @ Z.T @ y) / (len(y) - 1)
    C = np.linalg.inv(mme.C().toarray())[1:, 1:]
    component = (u @ u + 2000.0 * np.trace(C)) / 6
    np.testing.assert_allclose(found.steps[1], [component, residual], rtol=1e-8)
    assert found.variances["Batch"] == pytest.approx(1764.05, abs=0.05)


def test_what_is_refused(fit):
    slopes = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    with pytest.raises(ModelError, match=r"correlated.*`\|\|`"):
        lf.mme.equations(slopes)
    with pytest.raises(ArgumentError, match=r"`Intercept` and `Days` of `Subject` are correlated"):
        lf.mme.equations(fit, variances=slopes.vcomp)
    with pytest.raises(ArgumentError, match="variances are missing"):
        lf.mme.equations(PENICILLIN, lf.datasets.load("Penicillin"))
    with pytest.raises(ArgumentError, match="must be `vcomp` of a fit"):
        lf.mme.equations(fit, variances=pd.DataFrame({"a": [1.0]}))
    with pytest.raises(ArgumentError, match="has its data"):
        lf.mme.equations(fit, lf.datasets.load("Penicillin"))
    with pytest.raises(ArgumentError, match="kind"):
        lf.mme.equations(fit).information("fisher")
