"""What a fit answers, against dense algebra and against itself."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError

SLEEP = lf.datasets.load("sleepstudy")
FIT = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
CROSSED = lf.lmer(
    "diameter ~ 1 + (1 | plate) + (1 | sample)", lf.datasets.load("Penicillin"), reml=False
)


def quiet(formula, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


def test_fixed_effects_by_generalised_least_squares():
    m = FIT.matrices
    Z, X = m.Z.toarray(), m.X.to_numpy()
    G = (m.Lambda @ m.Lambda.T).toarray() * FIT.scale
    V = Z @ G @ Z.T + FIT.scale * np.eye(180)
    cov = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    assert_allclose(FIT.cov_params(), cov, rtol=1e-8)
    assert_allclose(FIT.bse, np.sqrt(np.diag(cov)), rtol=1e-8)
    assert_allclose(FIT.params, cov @ X.T @ np.linalg.solve(V, m.y), rtol=1e-9)
    b = G @ Z.T @ np.linalg.solve(V, m.y - X @ FIT.params)
    assert_allclose(FIT.random_effects["Subject"].to_numpy().ravel(), b, rtol=1e-7)


def test_wald_intervals():
    half = stats.t.ppf(0.95, 17) * FIT.bse
    interval = FIT.conf_int(0.9)
    assert_allclose(interval["lower"], FIT.params - half)
    half = stats.norm.ppf(0.95) * FIT.bse
    interval = FIT.conf_int(0.9, ddf="none")
    assert_allclose(interval["lower"], FIT.params - half)
    assert_allclose(interval["upper"], FIT.params + half)
    assert list(interval.index) == ["Intercept", "Days"]


def test_t_values():
    assert_allclose(FIT.tvalues, [36.838, 6.771], atol=5e-4)  # lme4's print


def test_vcomp_of_lme4():
    table = FIT.vcomp
    assert table["group"].tolist() == ["Subject", "Subject", "Subject", "Residual"]
    assert table["name1"].tolist() == ["Intercept", "Days", "Intercept", ""]
    assert_allclose(table["sdcor"], [24.74045, 5.92213, 0.06555, 25.59182], atol=6e-6)
    lam = FIT.matrices.relative_factors[0]
    cov = FIT.scale * lam @ lam.T
    assert_allclose(table["variance"][:3], [cov[0, 0], cov[1, 1], cov[0, 1]], rtol=1e-12)


def test_theta_and_vcomp_are_in_formula_order():
    data = lf.datasets.load("Penicillin")
    turned = lf.lmer("diameter ~ 1 + (1 | sample) + (1 | plate)", data, reml=False)
    assert_allclose(turned.theta, CROSSED.theta[::-1], rtol=1e-6)
    assert turned.vcomp["group"].tolist() == ["sample", "plate", "Residual"]
    assert list(turned.random_effects) == ["sample", "plate"]


def test_theta_is_column_major_with_a_non_negative_diagonal():
    data = lf.datasets.load("Machines")
    fit = quiet("score ~ Machine + (Machine | Worker)", data)
    lam = fit.matrices.relative_factors[0]
    assert_allclose(fit.theta, [lam[i, j] for j in range(3) for i in range(j, 3)])
    assert (np.diag(lam) >= 0).all()


def test_terms_of_one_group_apart_in_the_formula():
    rng = np.random.default_rng(0)
    data = SLEEP.assign(k=rng.integers(0, 5, 180))
    fit = quiet("Reaction ~ Days + (1 | Subject) + (1 | k) + (0 + Days | Subject)", data)
    assert fit.vcomp["group"].tolist() == ["Subject", "k", "Subject", "Residual"]
    assert fit.random_effects["Subject"].columns.tolist() == ["Intercept", "Days"]
    other = quiet("Reaction ~ Days + (1 | k) + (Days || Subject)", data)
    assert_allclose(fit.criterion, other.criterion, rtol=1e-11)
    assert_allclose(fit.theta, other.theta[[1, 0, 2]], rtol=1e-4, atol=1e-6)


def test_rows_add_up():
    assert_allclose(FIT.fittedvalues + FIT.resid, SLEEP["Reaction"], rtol=1e-13)
    weighted = quiet(
        "Reaction ~ Days + (1 | Subject)", SLEEP.assign(w=1 + SLEEP["Days"]), weights="w"
    )
    root = np.sqrt(1 + SLEEP["Days"])
    assert_allclose(weighted.residuals("pearson"), root * weighted.resid, rtol=1e-12)
    assert_allclose(
        weighted.residuals("scaled"), root * weighted.resid / weighted.sigma, rtol=1e-12
    )


@pytest.mark.parametrize("fit", [FIT, CROSSED], ids=["slopes", "crossed"])
def test_matrices_are_those_of_the_paper(fit):
    m = fit.matrices
    assert_allclose(m.y, m.X.to_numpy() @ m.beta + m.Z @ m.b.to_numpy() + m.e, rtol=1e-10)
    assert_allclose(m.b, m.Lambda @ m.u, rtol=1e-6, atol=1e-9)
    A = (m.Lambda.T @ m.Z.T @ m.Z @ m.Lambda).toarray() + np.eye(m.Z.shape[1])
    P, L = m.P.toarray(), m.L.toarray()
    assert_allclose(L @ L.T, P @ A @ P.T, atol=1e-9)
    assert_allclose(L, np.tril(L))


def test_information_criteria():
    n, k = FIT.nobs, FIT.npar
    assert_allclose(FIT.llf, -FIT.criterion / 2)
    assert_allclose(FIT.aic, FIT.criterion + 2 * k)
    assert_allclose(FIT.bic, FIT.criterion + k * np.log(n))
    assert FIT.df_resid == n - k


def test_ordinary_linear_model():
    sm = pytest.importorskip("statsmodels.api")
    fit = lf.lmer("Reaction ~ Days", SLEEP, reml=False)
    ols = sm.OLS(SLEEP["Reaction"], sm.add_constant(SLEEP["Days"])).fit()
    assert_allclose(fit.llf, ols.llf, rtol=1e-12)
    assert_allclose(fit.params, ols.params, rtol=1e-10)
    reml = lf.lmer("Reaction ~ Days", SLEEP)
    assert_allclose(reml.bse, ols.bse, rtol=1e-10)
    assert_allclose(reml.scale, ols.scale, rtol=1e-10)


def test_refit_to_another_response():
    y = np.sqrt(SLEEP["Reaction"])
    again = FIT.refit(y)
    anew = lf.lmer("y ~ Days + (Days | Subject)", SLEEP.assign(y=y))
    assert_allclose(again.criterion, anew.criterion, rtol=1e-11)
    assert_allclose(again.params, anew.params, rtol=1e-7)
    assert_allclose(FIT.criterion, 1743.6282719585, rtol=1e-11)


def test_refit_by_the_other_criterion():
    assert_allclose(FIT.refit(reml=False).criterion, 1751.9393444637, rtol=1e-11)


def test_refit_matches_rows_by_index():
    shuffled = SLEEP["Reaction"].sample(frac=1, random_state=1)
    assert_allclose(FIT.refit(shuffled).criterion, FIT.criterion, rtol=1e-11)


def test_refit_of_a_singular_fit_can_leave_the_boundary():
    data = lf.datasets.load("Dyestuff2")
    singular = quiet("Yield ~ 1 + (1 | Batch)", data)
    y = data["Yield"] + 3.0 * data["Batch"].cat.codes
    again = singular.refit(y)
    anew = lf.lmer("y ~ 1 + (1 | Batch)", data.assign(y=y))
    assert_allclose(again.criterion, anew.criterion, rtol=1e-10)


def test_start_from_a_fit():
    again = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP, start=FIT)
    assert again.optimizer.n_evaluations <= 3
    assert_allclose(again.theta, FIT.theta, rtol=1e-6)


def test_two_steps_equal_one():
    model = lf.MixedModel("Reaction ~ Days + (Days | Subject)", SLEEP)
    assert model.fit().criterion == FIT.criterion
    assert model.fit(reml=False).reml is False


def test_optimizer_report():
    report = FIT.optimizer
    assert report.converged
    assert report.n_evaluations == len(report.trace)
    assert_allclose(min(report.trace), FIT.criterion, rtol=1e-12)
    assert report.gradient_norm < 1e-4
    assert "Subject" in str(report)


def test_singular_message_has_a_remedy():
    fit = quiet("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"))
    assert "1 | Batch" in fit.singular_message
    assert "drop" in fit.singular_message
    assert FIT.singular_message == ""


def test_random_effects_are_labelled():
    effects = FIT.random_effects["Subject"]
    assert effects.index.tolist() == list(SLEEP["Subject"].cat.categories)
    blocks = FIT.random_effects_cov["Subject"]
    assert blocks.shape == (36, 2)
    assert blocks.index.names == ["Subject", "effect"]
    assert blocks.columns.tolist() == ["Intercept", "Days"]
    one = blocks.loc["308"]
    assert one.index.tolist() == one.columns.tolist() == ["Intercept", "Days"]
    assert isinstance(FIT.params, pd.Series)


def test_dung_flies():
    fit = lf.lmer("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
    assert_allclose(fit.params, [0.1662317, -3.466743e-05], rtol=3e-7)
    assert_allclose(fit.criterion, -89.4292250456, rtol=1e-11)
    assert_allclose(fit.sigma, 0.0079512877, rtol=1e-8)
    assert_allclose(fit.vcomp["sdcor"][0], 0.0144838717, rtol=1e-7)
    effects = fit.random_effects["oven_block"].to_numpy().ravel()
    assert_allclose(effects, [-0.0162079, 0.0071587, 0.0090492], atol=6e-8)


def test_frozen_in_effect():
    params = FIT.params.copy()
    changed = FIT.predict() + 1.0
    assert changed is not None
    pd.testing.assert_series_equal(FIT.params, params)
    with pytest.raises(AttributeError):
        FIT.sigma = 1.0


# --- at a given θ -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machines() -> lf.MixedModelResults:
    return lf.lmer("score ~ Machine + (1 | Worker/Machine)", lf.datasets.load("Machines"))


def test_the_criterion_of_machines_term_by_term(machines):
    value = machines.deviance_terms()["value"]
    wanted = {
        "ln|L|²": 79.53742,
        "ln|R_X|²": -4.58512,
        "‖e‖²": 33.50432,
        "‖u‖²": 13.65179,
        "r²": 47.15611,
    }
    for name, number in wanted.items():
        assert value[name] == pytest.approx(number, abs=6e-6)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("weights", [None, "w"])
def test_terms_of_the_criterion(reml, weights):
    rng = np.random.default_rng(0)
    data = SLEEP.assign(w=rng.uniform(0.5, 2.0, len(SLEEP)))
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", data, reml=reml, weights=weights)
    terms, m = fit.deviance_terms(), fit.matrices
    assert terms["contribution"].iloc[:-1].sum() == pytest.approx(fit.criterion, rel=1e-12)
    assert terms.loc["ln|L|²", "value"] == pytest.approx(
        np.linalg.slogdet(m.A.toarray())[1], rel=1e-9
    )
    assert terms.loc["‖u‖²", "value"] == pytest.approx(float(m.u @ m.u), rel=1e-6)
    w = 1.0 if weights is None else data["w"].to_numpy()
    V0 = (m.Z @ m.Lambda @ m.Lambda.T @ m.Z.T).toarray() + np.diag(np.ones(len(data)) / w)
    wanted = np.linalg.slogdet(m.X.T @ np.linalg.solve(V0, m.X))[1]
    assert terms.loc["ln|R_X|²", "value"] == pytest.approx(wanted, rel=1e-9)


def test_machines_at_a_given_theta(machines):
    at = machines.refit(reml=False).at((1, 1))
    assert at.criterion == pytest.approx(264.7862717784, abs=1e-9)
    np.testing.assert_allclose(at.params, [52.35556, 7.96667, 13.91667], atol=6e-6)
    assert at.sigma == pytest.approx(2.0881037, abs=6e-8)
    assert at.converged is None
    assert "θ was given" in str(at.summary())
    assert "not converged" not in str(at.summary())


def test_a_fit_at_its_own_theta_is_the_fit(machines):
    again = machines.at(machines.theta)
    assert again.criterion == pytest.approx(machines.criterion, abs=1e-10)
    np.testing.assert_allclose(again.params, machines.params, rtol=1e-9)
    assert again.refit().converged is True


def test_theta_of_another_length_is_refused(machines, tmp_path):
    with pytest.raises(ArgumentError, match="this model has 2 parameters"):
        machines.at([1.0])
    with pytest.raises(ModelError, match="save the fit itself"):
        machines.at((1, 1)).save(tmp_path / "at.lmf")


def test_matrices_of_machines(machines):
    m = machines.matrices
    wanted = [[0.448356, 0.149452, 0.149452], [0, 0.510035, -0.255017], [0, 0, 0.441703]]
    signs = np.sign(np.diag(m.R_X))[:, None]
    np.testing.assert_allclose(signs * m.R_X, wanted, atol=6e-7)
    np.testing.assert_allclose(
        m.L @ m.R_ZX, m.P @ (m.Lambda.T @ (m.Z.T @ m.X.to_numpy())), rtol=1e-9, atol=1e-9
    )
    assert set(m.template.data) == {1, 2}
    np.testing.assert_allclose(m.Lambda.data, machines.theta[m.template.data - 1], rtol=1e-12)
    np.testing.assert_allclose(m.K, np.eye(len(m.b)))


def test_the_template_of_a_matrix_has_its_lower_triangle():
    m = FIT.matrices
    theta = np.append(0.0, FIT.theta)
    np.testing.assert_allclose(theta[m.template.toarray()], m.Lambda.toarray(), rtol=1e-12)


def double(x):
    return 2.0 * x


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("Reaction ~ np.sqrt(Days) + double(Days) + poly(Days, 2) + (Days | Subject)", {}),
        ("Reaction ~ Days + (Days | Subject) + (1 | week)", {}),
        ("Reaction ~ Days + (1 | Subject) + (1 | week)", {"control": lf.Control(factor="superlu")}),
        ("Reaction ~ Days + (1 | Subject) + (1 | week)", {"control": lf.Control(factor="cg")}),
        ("Reaction ~ Days + (Days | Subject)", {"relationship": True}),
        ("Reaction ~ Days + (Days || Subject)", {"relationship": True}),
    ],
)
def test_a_pickled_fit_is_the_fit(formula, options):
    data = SLEEP.assign(week=SLEEP["Days"] % 4)
    if "relationship" in options:
        labels = list(SLEEP["Subject"].cat.categories)
        K = 0.5 * (np.eye(len(labels)) + 1.0)
        options = {"relationship": {"Subject": (K, labels)}}
    fit = quiet(formula, data, **options)
    fit.deviance_terms()
    copied = pickle.loads(pickle.dumps(fit))
    assert copied.criterion == fit.criterion
    assert_allclose(copied.predict(data.head()), fit.predict(data.head()))
    assert_allclose(copied.at(1.1 * fit.theta).criterion, fit.at(1.1 * fit.theta).criterion)
    if fit.criterion_se == 0.0:
        for name, frame in fit.random_effects_cov.items():
            assert_allclose(copied.random_effects_cov[name], frame, rtol=1e-9, atol=1e-9)
