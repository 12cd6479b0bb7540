"""Structures of random effects in results: parameters, storage, prediction, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from slow_cases import slow

import lmforms as lf
from lmforms.errors import DataError, FormulaError, LmformsError, ModelError

REFERENCE = Path(__file__).parent.parent / "reference"
MACHINES = lf.datasets.load("Machines")
SERIES = pd.read_csv(REFERENCE / "random_structures.csv")
PLACES = pd.read_csv(REFERENCE / "random_places.csv")
PLAIN = "score ~ Machine + (0 + Machine | Worker)"


@pytest.fixture(scope="module")
def ar1():
    return lf.lmer("score ~ Machine + ar1(0 + Machine | Worker)", MACHINES)


@pytest.fixture(scope="module")
def spatial():
    return lf.lmer("y ~ x + exp(east + north | field)", PLACES)


@pytest.fixture(scope="module")
def product():
    return lf.lmer("y ~ item + time + (cs(item):exp(factor(time)) | group)", SERIES)


def restricted_loglik(fit) -> float:
    """From the covariance matrix of the response itself."""
    m = fit.matrices
    X, e = m.X.to_numpy(), (m.y - m.X @ m.beta).to_numpy()
    XVX = X.T @ np.linalg.solve(m.V, X)
    value = np.linalg.slogdet(m.V)[1] + np.linalg.slogdet(XVX)[1] + e @ np.linalg.solve(m.V, e)
    return float(-0.5 * (value + (len(e) - X.shape[1]) * np.log(2 * np.pi)))


# --- parameters ------------------------------------------------------------------------------


def test_standard_errors_are_those_of_the_profile(ar1):
    """Differences of the log-likelihood in (ln sd, ρ, ln σ), all on the natural scale."""
    sd, rho = ar1.random_params["estimate"]
    sigma = ar1.sigma
    m = ar1.matrices
    Z, X, y = m.Z.toarray(), m.X.to_numpy(), m.y.to_numpy()

    def minus_two(p: np.ndarray) -> float:
        C = p[1] ** np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
        V = Z @ np.kron(np.eye(6), p[0] ** 2 * C) @ Z.T + p[2] ** 2 * np.eye(len(y))
        Vi = np.linalg.inv(V)
        XVX = X.T @ Vi @ X
        e = y - X @ np.linalg.solve(XVX, X.T @ Vi @ y)
        return np.linalg.slogdet(V)[1] + np.linalg.slogdet(XVX)[1] + e @ Vi @ e

    at, H = np.array([sd, rho, sigma]), np.empty((3, 3))
    steps = np.diag(1e-3 * at)
    for i, a in enumerate(steps):
        for j, b in enumerate(steps):
            H[i, j] = minus_two(at + a + b) - minus_two(at + a - b)
            H[i, j] += minus_two(at - a - b) - minus_two(at - a + b)
            H[i, j] /= 4.0 * a[i] * b[j]
    wanted = np.sqrt(2.0 * np.diag(np.linalg.inv(H)))[:2]
    np.testing.assert_allclose(ar1.random_params["std_error"], wanted, rtol=1e-4)


def test_limits_stay_within_the_bounds(ar1):
    table = ar1.random_params
    assert (table["lower"] < table["estimate"]).all()
    assert (table["estimate"] < table["upper"]).all()
    assert table["lower"][0] > 0
    assert table["upper"][1] < 1
    assert "delta method" in table.notes[0]


def test_plain_terms_have_no_parameters_and_the_same_tables():
    fit = lf.lmer(PLAIN, MACHINES)
    assert len(fit.random_params) == 0
    assert list(fit.summary().tables) == ["random", "fixed"]


def test_the_summary_has_a_table_of_structures(ar1, spatial):
    summary = ar1.summary()
    assert list(summary.tables) == ["random", "structures", "fixed"]
    text = str(summary)
    assert "Structures of the random effects" in text
    assert "3 effects of 0 + Machine" in text
    assert "rho" in text
    assert "30 effects of east + north" in str(spatial.summary())
    for shown in (summary.to_latex(), summary.to_markdown(), summary._repr_html_()):
        assert "ar1(0 + Machine" in shown


def test_vcomp_has_every_variance_and_correlation(ar1):
    own = ar1.vcomp[ar1.vcomp["group"] == "Worker"]
    sd, rho = ar1.random_params["estimate"]
    np.testing.assert_allclose(own["sdcor"], [sd, sd, sd, rho, rho**2, rho], rtol=1e-12)


def test_a_parameter_at_its_bound_is_said():
    growth = lf.datasets.load("Orthodont")
    with pytest.warns(lf.errors.SingularWarning, match="rho of hcs.* is at its bound"):
        fit = lf.lmer("distance ~ age*Sex + hcs(0 + factor(age) | Subject)", growth)
    table = fit.random_params
    assert table["name"].iloc[-1] == "rho"
    assert table["estimate"].iloc[-1] == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(table["std_error"].iloc[-1])
    assert "At its bound: rho" in table.notes[1]


def test_a_negative_correlation_is_found():
    rng = np.random.default_rng(5)
    root = np.linalg.cholesky((-0.6) ** np.abs(np.subtract.outer(np.arange(4), np.arange(4))))
    b = rng.normal(size=(60, 4)) @ root.T
    g, t = np.repeat(np.arange(60), 8), np.tile(np.arange(4), 120)
    data = pd.DataFrame({"g": g, "t": t, "y": 1.0 + b[g, t] + 0.5 * rng.normal(size=480)})
    fit = lf.lmer("y ~ 1 + ar1(0 + factor(t) | g)", data)
    assert fit.random_params["estimate"][1] == pytest.approx(-0.6, abs=0.15)
    moving = lf.lmer("y ~ 1 + ma(0 + factor(t) | g, 1)", data)
    assert moving.random_params["estimate"][1] < -0.3


def test_satterthwaite_is_finite(ar1, spatial, product):
    for fit in (ar1, spatial, product):
        df = fit.summary().tables["fixed"]["df"]
        assert np.isfinite(df).all()
        assert (df > 0.5).all()


# --- the likelihood itself -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ar1", "spatial", "product"])
def test_the_likelihood_is_that_of_the_matrices(name, request):
    fit = request.getfixturevalue(name)
    assert restricted_loglik(fit) == pytest.approx(fit.llf, abs=1e-8)


def test_a_product_is_a_kronecker_product(product):
    sd, rho, reach = product.random_params["estimate"]
    times = np.array([0.0, 1.0, 2.5, 4.0, 7.0])
    decay = np.exp(-np.abs(np.subtract.outer(times, times)) / reach)
    items = rho + (1.0 - rho) * np.eye(6)
    (lam,) = product.matrices.relative_factors
    # the first factor changes fastest
    wanted = sd**2 * np.kron(decay, items)
    np.testing.assert_allclose(product.scale * lam @ lam.T, wanted, rtol=1e-9, atol=1e-12)


def test_an_unstructured_factor_of_a_product_carries_the_variances():
    items = SERIES[SERIES["item"].isin(["a", "b", "c"])]
    fit = lf.lmer("y ~ item + time + (diag(item):cs(factor(time)) | group)", SERIES)
    names = fit.random_params["name"].tolist()
    assert names[0] == "sd[item[a]]"
    assert names[-1] == "rho[factor(time)]"
    assert restricted_loglik(fit) == pytest.approx(fit.llf, abs=1e-8)
    with pytest.raises(FormulaError, match="both have a variance"):
        lf.lmer("y ~ item + (us(item):har1(factor(time)) | group)", items)


@pytest.mark.slow
def test_a_known_covariance_of_the_levels():
    groups = sorted(SERIES["group"].unique())
    A = np.random.default_rng(1).normal(size=(30, 60))
    K = pd.DataFrame(3.0 * (A @ A.T / 60 + 0.1 * np.eye(30)), index=groups, columns=groups)
    for term in ("exp(time | group)", "hcs(0 + item | group)", "fa(0 + item | group, 1)"):
        formula = f"y ~ item + time + {term}"
        fit = lf.lmer(formula, SERIES, relationship={"group": K}, control=lf.Control(singular=0.0))
        assert restricted_loglik(fit) == pytest.approx(fit.llf, abs=1e-7)
        by_term = lf.lmer(formula, SERIES, relationship={term: K}, control=lf.Control(singular=0.0))
        assert by_term.llf == pytest.approx(fit.llf, abs=1e-9)
        sd = fit.vcomp.loc[0, "sdcor"]
        assert sd == pytest.approx(fit.sigma * np.linalg.norm(fit.matrices.relative_factors[0][0]))


# --- what is done with a fit -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["ar1", "spatial", slow("product")])
def test_saved_updated_and_evaluated_again(name, request, tmp_path):
    fit = request.getfixturevalue(name)
    fit.save(tmp_path / "fit.lmf")
    again = lf.load(tmp_path / "fit.lmf")
    assert again.llf == pytest.approx(fit.llf, abs=1e-9)
    pd.testing.assert_frame_equal(again.random_params, fit.random_params)
    assert fit.at(fit.theta).llf == pytest.approx(fit.llf, abs=1e-9)
    assert fit.update(". ~ .").llf == pytest.approx(fit.llf, abs=1e-9)
    assert fit.update(". ~ .").formula.count("|") == 1
    assert fit.refit(reml=False).reml is False


def test_a_structure_is_taken_out_by_update(ar1):
    changed = ar1.update(". ~ . - ar1(0 + Machine | Worker) + rr(0 + Machine | Worker, 1)")
    assert "rr(0 + Machine | Worker, 1)" in changed.formula
    assert "ar1" not in changed.formula


def test_prediction(ar1, spatial):
    np.testing.assert_allclose(ar1.predict(MACHINES), ar1.fittedvalues)
    np.testing.assert_allclose(spatial.predict(PLACES), spatial.fittedvalues)
    elsewhere = PLACES.iloc[:2].assign(east=99.0)
    with pytest.raises(DataError, match="no random effect at east = 99"):
        spatial.predict(elsewhere)
    np.testing.assert_allclose(
        spatial.predict(elsewhere, new_levels="zero"), spatial.predict(elsewhere, random="none")
    )


def test_a_level_without_rows_is_predicted_by_its_neighbours():
    times = SERIES["time"].map({0: 0, 1: 1, 2.5: 2, 4: 3, 7: 4})
    fit = lf.lmer("y ~ item + ar1(0 + factor(t) | group)", SERIES.assign(t=times))
    rho = fit.random_params["estimate"][1]
    early = SERIES.assign(t=times)[~((SERIES["group"] == "g01") & (times == 4))]
    without = lf.lmer("y ~ item + ar1(0 + factor(t) | group)", early).at(fit.theta)
    effects = without.random_effects["group"].loc["g01"]
    assert effects.iloc[4] == pytest.approx(rho * effects.iloc[3], rel=1e-9)


def test_taken_out_as_a_whole(spatial, ar1):
    (only,) = [i for i in spatial.ranova().index if i != "<none>"]
    assert only == "exp(east + north | field)"
    assert spatial.ranova()["df"].iloc[1] == 2
    assert ar1.ranova()["npar"].tolist() == [6, 5]  # (1 | Worker) is left


# --- one level -------------------------------------------------------------------------------


def test_one_field_is_enough_for_distances():
    north = PLACES[PLACES["field"] == "north"]
    fit = lf.lmer("y ~ x + exp(east + north | field)", north)
    assert fit.converged
    assert restricted_loglik(fit) == pytest.approx(fit.llf, abs=1e-8)
    with pytest.raises(ModelError, match="one level"):
        lf.lmer("y ~ x + (1 | field) + exp(east + north | field)", north)


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("ar1(time | group)", "levels of one factor in their order"),
        ("ma(0 + item:factor(time) | group)", "levels of one factor in their order"),
        ("har1(item | group)", "without the intercept"),
        ("ar1(0 + factor(time) | group)", "equally spaced, and they are 0, 1, 2.5, 4, 7"),
        ("exp(0 + item | group)", "needs levels that are numbers"),
        ("exp(item | group)", "one factor without the intercept"),
        ("rr(0 + item | group, 6)", "rank 6 of `rr` has to be less"),
        ("rr(0 + item | group)", "needs its number d"),
        ("fa(0 + item | group, 4)", "more parameters than the covariances"),
        ("ma(0 + item | group, q=6)", "needs 7 levels"),
        ("ar1(0 + item | group, 2)", "takes no number"),
        ("rr(0 + item | group, d=x)", "one whole number d"),
        ("rr(0 + item || group, 2)", "has one bar"),
        ("hcs(1 | group)", "structure of several random effects"),
        ("ar1(0 + item | group) + cs(0 + item | group)", "is there twice"),
        ("toep1(0 + item | group)", "Did you mean `toep`"),
        ("(us(item):time | group)", "every factor of a product"),
        ("(us(item):arr1(factor(time)) | group)", "Did you mean `ar1`"),
        ("(rr(item):ar1(factor(time)) | group)", "cannot be a factor of a product"),
        ("(us(item):ar1(time) | group)", "each structure of a product has one factor"),
        ("(us(item):ar1(factor(time)):cs(group) | group)", "two structures"),
        ("- ar1(0 + item | group)", "cannot be subtracted"),
    ],
)
def test_refused_before_fitting(term, message):
    with pytest.raises(LmformsError, match=message):
        lf.MixedModel(f"y ~ item + {term}".replace("+ -", "-"), SERIES)


def test_many_responses_have_plain_terms():
    Y = np.random.default_rng(0).normal(size=(len(MACHINES), 3))
    with pytest.raises(ModelError, match="fit them one by one"):
        lf.lmer_many("~ Machine + ar1(0 + Machine | Worker)", MACHINES, Y)


def test_named_estimators_have_single_variances():
    with pytest.raises(ModelError, match="no structure"):
        lf.lmer("score ~ 1 + homdiag(0 + Machine | Worker)", MACHINES, method="ai")
