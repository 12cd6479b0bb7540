"""`forms()` of fitted models against arrays made by hand, and what it refuses."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import lmforms as lf
from lmforms.companion.comparison import compare_parts, parts_cancel, parts_exchanged
from lmforms.companion.form_inputs import RELATIVE_WEIGHTS, FormInputs, default_rank, fit_form
from lmforms.errors import (
    ArgumentError,
    ConvergenceWarning,
    DataError,
    MissingPackageError,
    ModelError,
    NotEstimableWarning,
)

SLOPES = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def sleep():
    return lf.datasets.load("sleepstudy")


@pytest.fixture(scope="module")
def fit(sleep):
    return lf.lmer(SLOPES, sleep)


def by_hand(sleep):
    """X and Z of SLOPES, dense, columns in the order of the model."""
    days = sleep["Days"].to_numpy(dtype=float)
    levels = sleep["Subject"].cat.categories
    inside = (sleep["Subject"].to_numpy()[:, None] == levels.to_numpy()).astype(float)
    X = np.column_stack([np.ones(len(days)), days])
    Z = np.stack([inside, inside * days[:, None]], axis=2).reshape(len(days), -1)
    return X, Z, levels


def apart(Z, X):
    """Z less its regression on X."""
    return Z - X @ np.linalg.lstsq(X, Z, rcond=None)[0]


def counted(Y, X, Z):
    return tuple(c / np.sum(A**2) for c, A in zip(RELATIVE_WEIGHTS, (Y, X, Z)))


def simulated(sleep, m=6, seed=0):
    rng = np.random.default_rng(seed)
    X, Z, levels = by_hand(sleep)
    noise = rng.normal(size=(len(X), m))
    Y = X @ rng.normal(size=(2, m)) + 2 * Z[:, ::2] @ rng.normal(size=(len(levels), m)) + noise
    return pd.DataFrame(Y, index=sleep.index, columns=[f"y{j}" for j in range(m)])


# --- one response ------------------------------------------------------------------------------


def test_the_form_is_that_of_y_x_and_z_made_by_hand(sleep, fit):
    X, Z, _ = by_hand(sleep)
    y = sleep["Reaction"].to_numpy()
    Z = apart(Z, X)
    own = lf.latent.LinearMixedForm(2, weights=counted(y, X, Z), start="regression", tol=1e-9)
    own.fit(y, X, Z)
    found = fit.forms(tol=1e-9)
    assert found.form.rank_ == 2
    np.testing.assert_allclose(found.form.weights_, own.weights_, rtol=1e-12)
    np.testing.assert_allclose(found.frame["fixed_form"], own.K_ @ own.alpha_[0], rtol=1e-8)
    np.testing.assert_allclose(found.frame["random_form"], own.H_ @ own.alpha_[0], atol=1e-6)
    # of the equal directions of Z only the one of y is determined, so not all of u is
    assert found.form.objective_ == pytest.approx(own.objective_, rel=1e-9)


def test_the_models_side_is_xb_and_zb(sleep, fit):
    X, Z, _ = by_hand(sleep)
    frame = fit.forms().frame
    fixed, random = X @ fit.params.to_numpy(), Z @ fit.random_effects["Subject"].to_numpy().ravel()
    np.testing.assert_allclose(frame["fixed"], fixed, rtol=1e-12)
    np.testing.assert_allclose(frame["random"], random, atol=1e-9)
    np.testing.assert_allclose(frame["residual"], fit.resid, atol=1e-9)
    whole = frame["fixed_form"] + frame["random_form"] + frame["residual_form"]
    np.testing.assert_allclose(whole, sleep["Reaction"], rtol=1e-12)


def test_the_table_is_plain_arithmetic(fit):
    found = fit.forms()
    rows, line = found.frame, found.table.loc["random"]
    a, b = rows["random"], rows["random_form"]
    assert line["correlation"] == pytest.approx(np.corrcoef(a, b)[0, 1], rel=1e-12)
    assert line["sd_form"] == pytest.approx(b.std(ddof=0), rel=1e-12)
    explained = 1 - (a - b).var(ddof=0) / a.var(ddof=0)
    assert line["explained"] == pytest.approx(explained, rel=1e-12)
    assert line["rms_difference"] == pytest.approx(np.sqrt(np.mean((a - b) ** 2)), rel=1e-12)
    assert found.table.index.tolist() == ["fixed", "random", "fitted", "residual"]
    fitted = rows["fixed_form"] + rows["random_form"]
    assert found.table.loc["fitted", "mean_form"] == pytest.approx(fitted.mean(), rel=1e-12)


def test_columns_are_labelled_by_coefficient_and_by_level(sleep, fit):
    form = fit.forms().form
    assert form.beta_.index.tolist() == ["Intercept", "Days"]
    assert form.alpha_.index.tolist() == ["Reaction"]
    assert form.u_.index.names == ["group", "level", "effect"]
    level = sleep["Subject"].cat.categories[0]
    assert form.u_.index[:2].tolist() == [
        ("Subject", level, "Intercept"),
        ("Subject", level, "Days"),
    ]
    assert form.K_.index.equals(sleep.index)


def test_weights_multiply_rows_and_offsets_come_off(sleep):
    rng = np.random.default_rng(1)
    w, offset = rng.uniform(0.5, 2.0, len(sleep)), rng.normal(scale=5.0, size=len(sleep))
    fit = lf.lmer(SLOPES, sleep, weights=w, offset=offset)
    found = fit.forms(tol=1e-9)
    X, Z, _ = by_hand(sleep)
    root, y = np.sqrt(w), sleep["Reaction"].to_numpy() - offset
    X, Z = X * root[:, None], Z * root[:, None]
    rows = y * root, X, apart(Z, X)
    own = lf.latent.LinearMixedForm(2, weights=counted(*rows), start="regression", tol=1e-9)
    own.fit(*rows)
    np.testing.assert_allclose(found.frame["y"], y, rtol=1e-12)
    np.testing.assert_allclose(found.frame["fixed_form"], own.K_ @ own.alpha_[0] / root, rtol=1e-6)
    np.testing.assert_allclose(found.frame["residual"], fit.resid, atol=1e-9)
    mean = np.average(found.frame["random_form"], weights=w)
    assert found.table.loc["random", "mean_form"] == pytest.approx(mean, rel=1e-12)


def test_an_intercept_alone_is_a_fixed_side(sleep):
    found = lf.lmer("Reaction ~ 1 + (1 | Subject)", sleep).forms()
    assert found.form.rank_ == 1
    assert np.isnan(found.table.loc["fixed", ["correlation", "explained"]]).all()
    assert found.table.loc["fixed", "sd_model"] == 0.0
    assert found.table.loc["random", "correlation"] > 0.99


def test_columns_that_depend_on_others_are_not_in_x(sleep):
    with pytest.warns(lf.errors.RankWarning):
        fit = lf.lmer("Reaction ~ Days + I(2 * Days) + (1 | Subject)", sleep)
    assert fit.forms().form.beta_.index.tolist() == ["Intercept", "Days"]


def test_weights_none_are_those_of_a_form_alone(sleep, fit):
    X, Z, _ = by_hand(sleep)
    form = fit.forms(weights=None, tol=1e-6).form
    squares = [np.sum(A**2) for A in (sleep["Reaction"], X, apart(Z, X))]
    np.testing.assert_allclose(np.array(form.weights_) * squares, 1.0, rtol=1e-12)


def test_parameters_reach_the_form(fit):
    found = fit.forms(rank=1, method="algorithm1", l2=0.01, max_iter=2000, tol=1e-4)
    assert found.form.get_params()["method"] == "algorithm1"
    assert found.form.rank_ == 1
    assert "below that of X" in found.notes[0]


def test_all_random_terms_stand_side_by_side():
    fit = lf.lmer(
        "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)", lf.datasets.load("Machines")
    )
    found = fit.forms()
    groups = found.form.u_.index.get_level_values("group")
    assert groups.value_counts().to_dict() == {"Worker": 6, "Worker:Machine": 18}
    np.testing.assert_allclose(
        found.frame["random"], fit.matrices.Z @ fit.matrices.b.to_numpy(), atol=1e-9
    )


@pytest.mark.parametrize("options", [{"reml": False}, {"method": "em"}])
def test_other_estimators_have_forms(sleep, options):
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", sleep, **options)
    frame = fit.forms().frame
    np.testing.assert_allclose(frame["fixed"] + frame["random"], fit.fittedvalues, rtol=1e-10)


def test_levels_without_rows_have_no_loading(sleep):
    levels = [*sleep["Subject"].cat.categories, "parent"]
    K = pd.DataFrame(np.eye(19) + 0.1, index=levels, columns=levels)
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", sleep, relationship={"Subject": K})
    found = fit.forms()
    assert np.all(found.form.u_.xs("parent", level="level") == 0.0)
    np.testing.assert_allclose(
        found.frame["fixed"] + found.frame["random"], fit.fittedvalues, rtol=1e-10
    )


def test_a_loaded_fit_has_the_same_form(fit, tmp_path):
    fit.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf").forms()
    np.testing.assert_allclose(loaded.frame, fit.forms().frame, rtol=1e-6, atol=1e-5)


def test_a_refit_uses_its_own_response(sleep, fit):
    y = sleep["Reaction"].to_numpy()[::-1].copy()
    np.testing.assert_array_equal(fit.refit(y).forms(tol=1e-6).frame["y"], y)


def test_the_default_rank_is_what_both_sides_carry():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 30))
    assert default_rank(X, np.eye(60)) == 20
    assert default_rank(X, rng.normal(size=(60, 2)) @ rng.normal(size=(2, 9))) == 2
    assert default_rank(X[:, :3] @ rng.normal(size=(3, 8)), sp.eye_array(60, format="csr")) == 3


# --- what stands in the way --------------------------------------------------------------------


def test_units_of_a_predictor_matter_with_equal_weights_only():
    dung = lf.datasets.load("dung")
    raw, scaled = (
        lf.lmer(f"pr_dung ~ {flies} + (1 | oven_block)", dung)
        for flies in ("flies", "scale(flies)")
    )
    assert any("centre and scale" in note for note in raw.forms(weights=None).notes)
    np.testing.assert_allclose(
        raw.forms().table.loc["fitted"], scaled.forms().table.loc["fitted"], rtol=1e-3
    )


def test_what_both_sides_could_explain_is_noted():
    dung = lf.datasets.load("dung")  # blocks differ in their flies
    found = lf.lmer("pr_dung ~ scale(flies) + (1 | oven_block)", dung).forms()
    assert any("could both explain" in note for note in found.notes)
    assert found.table.loc["fitted", "explained"] > 0.99
    fit = lf.lmer("angle ~ recipe + scale(temp) + (1 | recipe:replicate)", lf.datasets.load("cake"))
    assert fit.forms().notes == ()
    assert fit.forms().table.loc["fixed", "explained"] > 0.999


def test_random_effects_out_of_reach_are_noted():
    pastes = lf.datasets.load("Pastes")
    found = lf.lmer("strength ~ 1 + (1 | batch / cask)", pastes).forms()
    assert any("explains little" in note for note in found.notes)


def test_fixed_effects_that_span_z_are_refused_at_once():
    machines = lf.datasets.load("Machines")
    with pytest.warns(lf.errors.IdentificationWarning):
        fit = lf.lmer("score ~ Machine * Worker + (1 | Worker:Machine)", machines)
    with pytest.raises(ModelError, match="fixed effects span Z"):
        fit.forms()
    assert lf.lmer("score ~ Machine + (1 | Worker:Machine)", machines).forms().form.rank_ == 3


def test_a_large_z_stays_sparse_and_is_noted(fit, monkeypatch):
    monkeypatch.setattr("lmforms.companion.form_inputs.LARGEST_DENSE_RANDOM_PART", 1e3)
    found = fit.forms(tol=1e-6)
    assert any("was not subtracted" in note for note in found.notes)
    assert found.table.loc["fitted", "correlation"] > 0.9


def test_a_walk_that_ends_early_warns(fit):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        found = fit.forms(weights=None, max_iter=1)
    assert "not converged" in found.notes[-1]


def test_parts_that_cancel():
    assert parts_cancel(np.array([5.0, 5.0]), np.array([-4.0, -4.0]))
    assert not parts_cancel(np.array([5.0, 5.0]), np.array([1.0, -1.0]))
    apart = compare_parts(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]))
    same = compare_parts(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    assert parts_exchanged(apart, same)
    assert not parts_exchanged(same, same)
    assert not parts_exchanged(apart, apart)


# --- several responses -------------------------------------------------------------------------


def test_all_responses_share_one_form(sleep):
    Y = simulated(sleep)
    found = lf.lmer_many("~ Days + (1 | Subject)", sleep, Y).forms(tol=1e-7)
    X, Z, _ = by_hand(sleep)
    rows = Y.to_numpy(), X, apart(Z[:, ::2], X)
    own = lf.latent.LinearMixedForm(2, weights=counted(*rows), start="regression", tol=1e-7)
    own.fit(*rows)
    ours = found.frame["fixed_form"].unstack("response")[Y.columns]
    np.testing.assert_allclose(ours, own.K_ @ own.alpha_.T, rtol=1e-6)
    assert found.form.alpha_.index.tolist() == list(Y.columns)


@pytest.mark.filterwarnings("ignore::lmforms.errors.MissingDataWarning")
def test_each_response_is_beside_its_own_fit(sleep):
    Y = simulated(sleep)
    Y = Y.mask(np.random.default_rng(2).random(Y.shape) < 0.2)
    Y["y0"] = simulated(sleep)["y0"]
    many = lf.lmer_many("~ scale(Days) + (1 | Subject)", sleep, Y, missing="drop")
    found = many.forms(tol=1e-6)
    for name in ("y0", "y3"):
        known = Y[name].notna()
        data = sleep[known].assign(y=Y.loc[known, name])
        alone = lf.lmer("y ~ scale(Days) + (1 | Subject)", data)
        rows = found.rows(name)
        np.testing.assert_allclose(rows.loc[known, "residual"], alone.resid, atol=1e-5)
        assert rows.loc[~known, ["y", "fixed", "random"]].isna().all(axis=None)
        assert np.isfinite(rows["fixed_form"]).all()
        line = found.table.loc[(name, "random")]
        both = rows.loc[known, "random"], rows.loc[known, "random_form"]
        assert line["correlation"] == pytest.approx(np.corrcoef(*both)[0, 1], rel=1e-9)


def test_random_slopes_of_many_responses(sleep):
    Y = simulated(sleep, m=2)
    found = lf.lmer_many("~ Days + (Days | Subject)", sleep, Y).forms(tol=1e-6)
    alone = lf.lmer("y1 ~ Days + (Days | Subject)", sleep.assign(y1=Y["y1"]))
    rows = found.rows("y1")
    np.testing.assert_allclose(rows["fixed"] + rows["random"], alone.fittedvalues, atol=1e-4)


def test_weights_offsets_and_rows_dropped_for_all(sleep):
    Y, w = simulated(sleep, m=2), np.linspace(0.5, 2.0, len(sleep))
    data = sleep.assign(Days=sleep["Days"].astype(float).mask(sleep["Days"] == 4))
    with pytest.warns(lf.errors.MissingDataWarning):
        many = lf.lmer_many(
            "~ Days + offset(Days) + (1 | Subject)", data, Y, weights=w, missing="drop"
        )
    found = many.forms(tol=1e-6)
    kept = sleep["Days"] != 4
    alone = lf.lmer(
        "y1 ~ Days + offset(Days) + (1 | Subject)", sleep.assign(y1=Y["y1"])[kept], weights=w[kept]
    )
    rows = found.rows("y1")
    assert rows.index.equals(sleep.index[kept])
    np.testing.assert_allclose(rows["y"], (Y["y1"] - sleep["Days"])[kept])
    np.testing.assert_allclose(rows["residual"], alone.resid, atol=1e-5)


def test_a_response_without_a_fit_has_no_counterpart(sleep):
    Y = simulated(sleep, m=2).assign(flat=1.0)
    with pytest.warns(NotEstimableWarning):
        many = lf.lmer_many("~ Days + (1 | Subject)", sleep, Y)
    found = many.forms(tol=1e-6)
    assert found.table.loc["flat"].isna().all(axis=None)
    assert found.rows("flat")["fixed"].isna().all()
    assert found.table.loc["y0"].notna().all(axis=None)


def test_responses_named_or_numbered(sleep):
    Y = simulated(sleep, m=2)
    named = lf.lmer_many("~ Days + (1 | Subject)", sleep.join(Y), ["y0", "y1"]).forms(tol=1e-6)
    plain = lf.lmer_many("~ Days + (1 | Subject)", sleep, Y.to_numpy()).forms(tol=1e-6)
    assert (named.responses, plain.responses) == (("y0", "y1"), (0, 1))
    np.testing.assert_allclose(named.rows("y1"), plain.rows(1), rtol=1e-9, atol=1e-9)
    assert plain.rows().equals(plain.rows(0))


def test_many_fits_can_still_be_pickled(sleep):
    many = lf.lmer_many("~ Days + (1 | Subject)", sleep, simulated(sleep, m=2))
    again = pickle.loads(pickle.dumps(many))
    assert again.forms(tol=1e-6).table.equals(many.forms(tol=1e-6).table)


def test_responses_in_other_units_are_noted(sleep):
    Y = simulated(sleep, m=2).assign(large=lambda y: 1e4 * y["y1"])
    found = lf.lmer_many("~ Days + (1 | Subject)", sleep, Y).forms(tol=1e-6)
    assert any("one unit" in note for note in found.notes)


# --- errors ------------------------------------------------------------------------------------


def test_both_sides_are_needed(sleep):
    with pytest.raises(ModelError, match="no random terms"):
        lf.lmer("Reaction ~ Days", sleep).forms()
    with pytest.raises(ModelError, match="no fixed effects"):
        lf.lmer("Reaction ~ 0 + (1 | Subject)", sleep).forms()


def test_parameters_are_checked(fit):
    with pytest.raises(ModelError, match="above what X"):
        fit.forms(rank=3)
    with pytest.raises(ArgumentError, match="ridge"):
        fit.forms(rigde=0.1)
    with pytest.raises(ArgumentError, match=r"rank=2\.5"):
        fit.forms(rank=2.5)
    with pytest.raises(ArgumentError, match="rank='2': a whole number of at least 1"):
        fit.forms(rank="2")


def test_rows_that_are_gone_are_not_guessed(sleep):
    Y = simulated(sleep, m=2)
    with pytest.raises(DataError, match="kept no rows"):
        next(lf.lmer_many("~ Days + (1 | Subject)", sleep, Y, stream=True)).forms()
    with pytest.raises(DataError, match="kept no rows"):
        lf.lmer_many("~ Days + (1 | Subject)", sleep, iter([Y])).forms()
    values = Y.to_numpy().copy()
    many = lf.lmer_many("~ Days + (1 | Subject)", sleep, values)
    values[:, 1] *= 2.0
    with pytest.raises(DataError, match="changed"):
        many.forms()


def test_many_fits_with_a_relationship_point_to_lmer(sleep):
    levels = sleep["Subject"].cat.categories
    K = pd.DataFrame(np.eye(18), index=levels, columns=levels)
    many = lf.lmer_many("~ Days + (1 | Subject)", sleep, simulated(sleep, m=2), relationship=K)
    with pytest.raises(ModelError, match="fit each"):
        many.forms()


def test_a_response_that_was_never_measured_is_named(fit, sleep):
    Y = np.column_stack([sleep["Reaction"], np.full(len(sleep), np.nan)])
    with pytest.raises(DataError, match="lost"):
        fit_form(Y, pd.Index(["Reaction", "lost"]), FormInputs.of(fit.model.design), None, {})


def test_an_unknown_response(fit):
    with pytest.raises(ArgumentError, match="Reaction"):
        fit.forms().rows("Raection")


# --- text and pictures -------------------------------------------------------------------------


def test_text_and_html_say_the_same(sleep, fit):
    found = fit.forms()
    text, html = str(found), found._repr_html_()
    for piece in ("rank 2", "fixed: Xβ̂, Kα", f"{found.table.loc['random', 'correlation']:.3f}"):
        assert piece in text
        assert piece in html
    widths = {len(line) for line in text.splitlines() if "  " in line and "rms" in line}
    assert len(widths) == 1
    many = lf.lmer_many("~ Days + (1 | Subject)", sleep, simulated(sleep, m=22)).forms(tol=1e-5)
    assert "… and 2 more" in str(many)
    assert "y19" in many._repr_html_()


def test_the_picture_shows_every_row(fit):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = fit.forms()
    left, right = found.plot()
    points = np.asarray(right.collections[0].get_offsets())
    np.testing.assert_allclose(points, found.frame[["random", "random_form"]])
    assert left.get_xlim() == left.get_ylim()
    assert "correlation" in right.get_title(loc="left")
    axes = plt.subplots(1, 2)[1]
    assert lf.plot.companion(found, ax=axes)[0] is axes[0]
    with pytest.raises(ArgumentError, match="Axes"):
        found.plot(ax=axes[0])
    with pytest.raises(ArgumentError, match="no response"):
        found.plot("Days")
    plt.close("all")


def test_without_matplotlib_the_extra_is_named(fit, monkeypatch):
    found = fit.forms()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingPackageError, match=r"lmforms\[plot\]"):
        found.plot()


def test_nothing_draws_until_asked():
    code = (
        "import sys, lmforms as lf\n"
        "fit = lf.lmer('Yield ~ 1 + (1 | Batch)', lf.datasets.load('Dyestuff'))\n"
        "fit.forms(); lf.plot.companion\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
