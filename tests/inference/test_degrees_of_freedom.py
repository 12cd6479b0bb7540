"""Satterthwaite and Kenward–Roger against n×n algebra, and invariances."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from dense import dense_criterion, dense_fit, second_differences
from dense_inference import dense_model
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from slow_cases import slow

import lmforms as lf
from lmforms.engine.criterion import curvature
from lmforms.errors import ArgumentError, LmformsError, ModelError
from lmforms.inference.degrees_of_freedom.linear_functions import linear_functions
from lmforms.inference.degrees_of_freedom.methods import df_method

pytestmark = pytest.mark.one_in(4)

SLEEP = lf.datasets.load("sleepstudy")
CAKE = lf.datasets.load("cake")


def quiet(formula, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


def simulated(seed: int, n: int = 72) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, h = np.arange(n) % 9, rng.integers(0, 6, n)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "f": pd.Categorical(rng.choice(list("abc"), n)),
            "w": rng.uniform(0.3, 3.0, n),
            "g": g,
            "h": h,
        }
    )
    slopes = (0.8 * rng.normal(size=9))[g] * data["x"]
    effects = 1.2 * rng.normal(size=9)[g] + 0.9 * rng.normal(size=6)[h]
    data["y"] = 1.0 + data["x"] + slopes + effects + rng.normal(size=n)
    return data


FORMULAS = [
    "y ~ x + f + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x * f + (1 | g) + (1 | h)",
    "y ~ x + z + (x | g) + (1 | h)",
    "y ~ f + (x + z || g)",
    "y ~ x + (1 | g) + (0 + x | g) + (1 | g:h)",
]


def against_twin(fit, kinds=("observed", "expected"), tolerance=1e-6):
    twin, p = dense_model(fit), len(fit.params)
    assert_allclose(fit.params, twin.beta, rtol=1e-7, atol=1e-9)
    for kind in kinds:
        ours = linear_functions(fit.state, np.eye(p), "satterthwaite", kind)
        slow = [twin.satterthwaite(row, kind) for row in np.eye(p)]
        assert_allclose(ours.df, slow, rtol=tolerance)
        if not fit.reml:
            continue
        method = df_method(fit.state, "kenward-roger", kind)
        assert_allclose(
            method.covariance,
            twin.adjusted_covariance(kind),
            rtol=tolerance,
            atol=tolerance * np.abs(twin.phi).max(),
        )
        for r in range(1, p + 1):
            L = np.eye(p)[-r:] + 0.1
            F, m = twin.kenward_roger(L, kind)
            if not m > 2:
                with pytest.raises(ModelError, match="too few data"):
                    method.joint(L, L @ fit.state.estimate.beta)
                continue
            test = method.joint(L, L @ fit.state.estimate.beta)
            assert test.num_df == r
            assert_allclose([test.statistic, test.den_df], [F, m], rtol=10 * tolerance)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("reml", [True, slow(False)])
@pytest.mark.parametrize("weighted", [True, False])
def test_twin(formula, reml, weighted):
    data = simulated(5)
    fit = quiet(formula, data, reml=reml, weights="w" if weighted else None)
    assert not fit.is_singular
    against_twin(fit)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), formula=st.sampled_from(FORMULAS))
def test_twin_of_random_data(seed, formula):
    """Expected information also where a fit is singular."""
    fit = quiet(formula, simulated(seed))
    twin = dense_model(fit)
    kinds = ["expected"]
    if not fit.is_singular and np.linalg.eigvalsh(twin.information("observed")).min() > 0:
        kinds.append("observed")
    against_twin(fit, kinds, 1e-5)


@pytest.mark.parametrize("formula", FORMULAS)
def test_many_levels_take_differences(formula, monkeypatch):
    fit = quiet(formula, simulated(5))
    p = len(fit.params)
    wanted = {
        (ddf, kind): linear_functions(fit.state, np.eye(p), ddf, kind)
        for ddf in ("satterthwaite", "kenward-roger")
        for kind in ("observed", "expected")
    }
    monkeypatch.setattr(curvature, "MOST_WRITTEN_OUT", 0)
    again = quiet(formula, simulated(5))
    for (ddf, kind), found in wanted.items():
        other = linear_functions(again.state, np.eye(p), ddf, kind)
        assert_allclose(other.df, found.df, rtol=1e-7)
        assert_allclose(other.std_error, found.std_error, rtol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 0.37, 1e5 / 7])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_variances_that_cannot_be_told_apart(scale, order, monkeypatch):
    """The direction without information is left out, whichever way the traces are computed."""
    data = simulated(5)
    one = linear_functions(quiet("y ~ x + (1 | g) + (1 | h)", data).state, np.eye(2))
    data = data.assign(k=data["g"], y=scale * data["y"])
    data = data.sample(frac=1.0, random_state=order) if order else data
    for most in (curvature.MOST_WRITTEN_OUT, 0):
        monkeypatch.setattr(curvature, "MOST_WRITTEN_OUT", most)
        fit = quiet("y ~ x + (1 | g) + (1 | k) + (1 | h)", data)
        for ddf in ("satterthwaite", "kenward-roger"):
            found = linear_functions(fit.state, np.eye(2), ddf)
            assert found.method.known.ignored == 1
            if ddf == "satterthwaite":
                assert_allclose(found.df, one.df, rtol=1e-3)
            assert_allclose(found.df, one.df, rtol=0.2)  # expected beside observed information


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x | g) + (1 | h)"])
@pytest.mark.parametrize("differenced", [False, True])
def test_related_levels(formula, differenced, monkeypatch):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(9, 12))
    K = pd.DataFrame(root @ root.T / 12, index=range(9), columns=range(9))
    if differenced:
        monkeypatch.setattr(curvature, "MOST_WRITTEN_OUT", 0)
    fit = quiet(formula, simulated(8), relationship={"g": K})
    assert not fit.is_singular
    against_twin(fit)


def test_related_levels_of_low_rank():
    rng = np.random.default_rng(2)
    root = rng.normal(size=(9, 4))
    K = pd.DataFrame(root @ root.T / 4, index=range(9), columns=range(9))
    fit = quiet("y ~ x + (1 | g) + (1 | h)", simulated(8), relationship={"g": K})
    assert not fit.is_singular
    against_twin(fit)


def test_other_estimators_have_the_same():
    data = simulated(5)
    fits = [quiet("y ~ x + (1 | g) + (1 | h)", data, method=m) for m in ("auto", "ai", "em")]
    for ddf in ("satterthwaite", "kenward-roger"):
        first, *others = (linear_functions(f.state, np.eye(2), ddf) for f in fits)
        for other in others:
            assert_allclose(other.df, first.df, rtol=1e-4)


# --- figures of other programs ----------------------------------------------------------


def test_sleepstudy_of_kenward_and_roger():
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    test = fit.contrast("Days", joint=True, ddf="kenward-roger")
    assert_allclose(test["statistic"], 45.8530, atol=5e-5)
    assert_allclose(test["den_df"], 17.0, atol=1e-8)


def test_first_47_rows_of_sleepstudy():
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP[:47])
    table = fit.summary(ddf="kenward-roger").tables["fixed"]
    assert_allclose(table["df"], [3.9965, 3.9605], atol=5e-5)
    assert_allclose(table.loc["Days", "std_error"], 3.8580, atol=5e-5)


def test_satterthwaite_of_a_maximum_likelihood_fit():
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP, reml=False)
    assert_allclose(fit.df_denom, 18.0, rtol=1e-8)


def test_linear_model_has_residual_degrees_of_freedom():
    fit = lf.lmer("Reaction ~ Days", SLEEP)
    for ddf in ("satterthwaite", "kenward-roger", "between-within", "residual"):
        found = linear_functions(fit.state, np.eye(2), ddf)
        assert_allclose(found.df, 178.0)
        assert_allclose(found.std_error, fit.bse)


# --- invariances ------------------------------------------------------------------------


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("information", ["observed", "expected"])
def test_a_constant_weight_changes_nothing(ddf, information):
    data = simulated(3)
    plain = quiet("y ~ x + f + (x | g)", data)
    weighted = quiet("y ~ x + f + (x | g)", data, weights=np.full(len(data), 4.0))
    a, b = (linear_functions(f.state, np.eye(4), ddf, information) for f in (plain, weighted))
    assert_allclose(a.df, b.df, rtol=1e-6)
    assert_allclose(a.std_error, b.std_error, rtol=1e-7)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("scale, shift", [(1e6, 0.0), (1e-6, 0.0), (1.0, 1e4), (3.7e5, -2e3)])
def test_units_of_a_predictor_do_not_matter(ddf, scale, shift):
    data = SLEEP.assign(Other=scale * (SLEEP["Days"] + shift))
    a = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP[:60])
    b = lf.lmer("Reaction ~ Other + (Other | Subject)", data[:60])
    one = linear_functions(a.state, np.eye(2)[1:], ddf)
    two = linear_functions(b.state, np.eye(2)[1:], ddf)
    assert_allclose(one.df, two.df, rtol=1e-5)
    assert_allclose(one.std_error, scale * two.std_error, rtol=1e-6)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_order_of_rows_and_names_of_levels_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    data = simulated(5)
    shuffled = data.sample(frac=1.0, random_state=seed)
    shuffled = shuffled.assign(g=rng.permutation(9)[shuffled["g"]], y=1e3 * shuffled["y"])
    a, b = (quiet("y ~ x + f + (x | g)", d) for d in (data, shuffled))
    for ddf in ("satterthwaite", "kenward-roger"):
        one, two = (linear_functions(f.state, np.eye(4), ddf) for f in (a, b))
        assert_allclose(one.df, two.df, rtol=1e-5)
        assert_allclose(1e3 * one.std_error, two.std_error, rtol=1e-6)


def test_rows_that_depend_on_each_other_count_once():
    fit = lf.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", CAKE)
    L = np.eye(4)[1:3]
    doubled = np.vstack([L, L[0] + L[1], 3.0 * L[0]])
    for ddf in ("satterthwaite", "kenward-roger", "residual"):
        method = df_method(fit.state, ddf)
        one = method.joint(L, L @ fit.state.estimate.beta)
        two = method.joint(doubled, doubled @ fit.state.estimate.beta)
        assert two.num_df == 2
        assert_allclose(
            [two.statistic, two.den_df, two.p_value], [one.statistic, one.den_df, one.p_value]
        )


def test_kenward_roger_of_one_row_is_the_square_of_t():
    fit = lf.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", CAKE[:150])
    for row in np.eye(4):
        single = linear_functions(fit.state, row[None], "kenward-roger")
        test = df_method(fit.state, "kenward-roger").joint(
            row[None], row[None] @ fit.state.estimate.beta
        )
        assert_allclose(test.statistic, single.statistic[0] ** 2)
        assert_allclose([test.den_df, test.p_value], [single.df[0], single.p_value[0]])


# --- singular fits and refusals ---------------------------------------------------------


def test_variance_of_zero():
    fit = quiet("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"))
    assert_allclose(fit.df_denom, 29.0)  # as without the random term
    assert "variances of zero" in str(fit.summary())


@pytest.mark.parametrize("seed", [0, 2, 4, 9])
def test_singular_slopes(seed):
    """Against the Hessian of the dense criterion in (θ, ln σ²), by differences."""
    rng = np.random.default_rng(seed)
    data = simulated(1)
    data["y"] = data["x"] + rng.normal(size=9)[data["g"]] + rng.normal(size=72)
    fit = quiet("y ~ x + (x | g)", data)
    assert fit.is_singular
    design = fit.state.design
    rows, covariances = design.rows(), [g.covariance for g in design.groups]

    def criterion(psi):
        return dense_criterion(rows, covariances, psi[:-1], np.exp(psi[-1]), True)

    def variances(psi):
        phi = dense_fit(rows, covariances, psi[:-1], True).cov_beta
        return np.exp(psi[-1]) * np.diag(phi)

    at = np.append(fit.theta, np.log(fit.scale))
    information = 0.5 * second_differences(criterion, at)
    values, vectors = np.linalg.eigh(information)
    kept = values > 1e-4
    W = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    steps = 1e-5 * np.eye(len(at))
    g = np.array([(variances(at + d) - variances(at - d)) / 2e-5 for d in steps])
    wanted = 2.0 * variances(at) ** 2 / np.einsum("ic,ij,jc->c", g, W, g)
    assert_allclose(fit.df_denom, wanted, rtol=1e-4)


def test_fit_at_given_theta_says_so():
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    text = str(fit.at(fit.theta * 1.1).summary())
    assert "θ was given" in text


def test_maximum_likelihood_has_no_kenward_roger_and_the_way_out_works():
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, reml=False)
    with pytest.raises(ModelError, match=r"fit.refit\(reml=True\)"):
        fit.summary(ddf="kenward-roger")
    assert "Kenward" in str(fit.refit(reml=True).summary(ddf="kenward-roger"))
    fit.summary(ddf="satterthwaite")


def test_conjugate_gradients():
    rng = np.random.default_rng(0)
    n = 3000
    data = pd.DataFrame({"g": rng.integers(0, 60, n), "h": rng.integers(0, 50, n)})
    data["x"] = rng.normal(size=n)
    data["y"] = rng.normal(size=60)[data["g"]] + rng.normal(size=50)[data["h"]]
    data["y"] += rng.normal(size=n)
    exact = lf.lmer("y ~ x + (1 | g) + (1 | h)", data)
    fit = lf.lmer("y ~ x + (1 | g) + (1 | h)", data, control=lf.Control(factor="cg"))
    assert_allclose(fit.df_denom, exact.df_denom, rtol=0.1)
    assert "average information" in str(fit.summary())
    with pytest.raises(ModelError, match="satterthwaite"):
        fit.summary(ddf="kenward-roger")
    with pytest.raises(ModelError, match="Leave `information` out"):
        fit.contrast("x", information="expected")


@pytest.mark.parametrize(
    "call",
    [
        lambda fit: fit.summary(ddf="kenward"),
        lambda fit: fit.summary(ddf="residual", information="observed"),
        lambda fit: fit.summary(information="average"),
        lambda fit: fit.conf_int(ddf=3),
        lambda fit: fit.cov_params("CR7"),
        lambda fit: fit.cov_params(information="observed"),
        lambda fit: fit.contrast([1.0, 2.0, 3.0]),
        lambda fit: fit.contrast("Days = 1 = 2"),
        lambda fit: fit.contrast("Days * Days"),
        lambda fit: fit.contrast([np.nan, 1.0]),
        lambda fit: fit.contrast({}),
        lambda fit: fit.contrast(1j * np.eye(2)),
        lambda fit: fit.contrast(pd.DataFrame([[1.0, 2.0]], columns=["Days", "Days"])),
        lambda fit: fit.contrast("Days/0 = 1"),
        lambda fit: fit.contrast("Days - Days = 1"),
        lambda fit: fit.contrast("Days = 1, 5"),
        lambda fit: fit.contrast("Days", joint=True, level=0.9),
        lambda fit: fit.contrast(["Days = 0", "Days = 5"], joint=True),
        lambda fit: fit.contrast("Days = 1, Intercept = 1, Days - Intercept = 7", joint=True),
        lambda fit: fit.contrast("Days", joint="yes"),
    ],
)
def test_bad_arguments(call):
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    with pytest.raises(ArgumentError):
        call(fit)


def test_no_contrast_is_told_from_missing_weights():
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    with pytest.raises(ArgumentError, match="not made of numbers"):
        fit.contrast(None)
    with pytest.raises(ArgumentError, match="missing or infinite"):
        fit.contrast([None, 1.0])


def test_unknown_coefficients_have_near_matches():
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    for L in ("Dys = 0", "2*`Dys`", {"a": {"Dys": 1.0}}, pd.DataFrame({"Dys": [1.0]})):
        with pytest.raises(LmformsError, match="Did you mean `Days`"):
            fit.contrast(L)
    cake = lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", CAKE)
    with pytest.raises(LmformsError, match=r"`temp:recipe\[T.B\]` is not a coefficient"):
        cake.contrast("temp:recipe[T.B] = 0")


def test_numbers_with_exponents():
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    for text, plain in [("Days = 1e1", "Days = 10"), ("2.5e-1*Days = 1E-3", "0.25*Days = 0.001")]:
        assert_allclose(fit.contrast(text).to_numpy(), fit.contrast(plain).to_numpy())


def test_models_without_fixed_effects():
    fit = lf.lmer("Reaction ~ 0 + (1 | Subject)", SLEEP)
    for ddf in ("satterthwaite", "kenward-roger", "between-within", "residual", "none"):
        assert fit.conf_int(ddf=ddf).shape == (0, 2)
        assert fit.anova(ddf=ddf).shape[0] == 0
    assert fit.cov_params("kenward-roger").shape == (0, 0)
    assert "<table" in fit.conf_int()._repr_html_()


def test_too_few_data_for_kenward_roger():
    data = pd.DataFrame({"g": list("aabbcc"), "f": list("xyxyxy"), "y": [1.0, 2, 4, 3, 5, 9]})
    data["h"] = ["u", "u", "u", "v", "v", "v"]
    fit = quiet("y ~ f + h + (1 | g)", data)
    with pytest.raises(ModelError, match="satterthwaite"):
        fit.contrast(np.eye(3), joint=True, ddf="kenward-roger")
    assert np.isfinite(fit.contrast(np.eye(3), joint=True)["p_value"]).all()


# --- contrasts --------------------------------------------------------------------------


def test_ways_to_write_a_contrast():
    fit = lf.lmer("score ~ Machine + (1 | Worker)", lf.datasets.load("Machines"))
    matrix = fit.contrast([[0.0, 1.0, -1.0]])
    for L in (
        "Machine[T.B] - Machine[T.C]",
        "`Machine[T.B]` = `Machine[T.C]`",
        {"B - C": {"Machine[T.B]": 1.0, "Machine[T.C]": -1.0}},
        {"B - C": [0, 1, -1]},
        pd.DataFrame({"Machine[T.C]": [-1.0], "Machine[T.B]": [1.0]}, index=["B - C"]),
    ):
        assert_allclose(fit.contrast(L).to_numpy(), matrix.to_numpy())
    assert matrix.index[0] == "Machine[T.B] - Machine[T.C]"
    moved = fit.contrast("Machine[T.B] = 2, Machine[T.C] = 3")
    assert_allclose(
        moved["statistic"],
        (fit.params[1:] - [2, 3]) / fit.bse[1:],
    )
    joint = fit.contrast("Machine[T.B] = 2, Machine[T.C] = 3", joint=True)
    assert_allclose(joint["num_df"], 2)


def test_what_is_computed_is_shared(monkeypatch):
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    assert df_method(fit.state) is df_method(fit.state, "satterthwaite")
    assert df_method(fit.state, "kenward-roger") is df_method(fit.state, "kenward-roger")


def test_degrees_of_freedom_of_a_saved_fit(tmp_path):
    fit = lf.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", CAKE)
    fit.save(tmp_path / "cake.lmf")
    again = lf.load(tmp_path / "cake.lmf")
    assert_allclose(again.df_denom, fit.df_denom, rtol=1e-7)
