"""What users see of a residual structure: tables, summary, covariance matrix, warnings."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from growth_fits import FORMULA, NLME, growth_fit

import lmforms as lf
from lmforms.cli import main
from lmforms.data.residual_names import correlation_names, own_strata, variance_names
from lmforms.errors import ArgumentError, BoundWarning, ModelError
from lmforms.results import residual_tables

pytestmark = pytest.mark.one_in(4)

SAS_ROW = [5.1192, 2.4409, 3.6105, 2.5222]
"""First row of R of the growth data of Potthoff and Roy, in SAS's page on PROC MIXED (ML, type=un,
model y = Gender Age Gender*Age), which also has −2 log L 419.477."""


@pytest.fixture(scope="module")
def data():
    return lf.datasets.load("Orthodont")


# --- parameters --------------------------------------------------------------------------------


def test_unstructured_variances_are_read_off():
    fit = growth_fit("us(age | Subject)")
    R = fit.residual_covariance()
    assert R.index.tolist() == R.columns.tolist() == [8, 10, 12, 14]
    assert R.index.name == "age"
    np.testing.assert_allclose(np.diag(R), [5.425, 4.191, 6.263, 4.986], atol=5e-4)
    deviations = fit.residual_params[[f"sd[{age}]" for age in (8, 10, 12, 14)]]
    np.testing.assert_allclose(deviations**2, np.diag(R), rtol=1e-12)
    own = fit.vcomp
    assert own["group"].tolist() == ["Residual"] * 4
    assert own["name1"].tolist() == ["8", "10", "12", "14"]
    np.testing.assert_allclose(own["variance"], np.diag(R), rtol=1e-12)
    correlations = fit.residual_covariance(correlation=True)
    assert correlations.loc[10, 14] == pytest.approx(fit.residual_params["rho[10,14]"], abs=1e-12)


def test_growth_data_as_sas_prints_them():
    fit = growth_fit("us(age | Subject)", reml=False)
    assert fit.criterion == pytest.approx(419.477, abs=5e-4)
    np.testing.assert_allclose(fit.residual_covariance().loc[8], SAS_ROW, atol=5e-5)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("residual", [name for name in NLME["REML"] if name != "iid"])
def test_intervals_of_nlme(method, residual):
    """nlme differentiates numerically, so that its limits have three digits or so."""
    theirs = NLME[method][residual]
    fit = growth_fit(residual, reml=method == "REML")
    assert fit.llf == pytest.approx(theirs["loglik"], abs=1e-6)
    assert fit.npar == theirs["npar"]
    assert fit.aic == pytest.approx(theirs["aic"], abs=1e-5)
    assert fit.sigma == pytest.approx(theirs["sigma"], rel=2e-5)
    table = fit.residual_table().set_index("name")
    parts = [] if theirs["correlation"] is None else [theirs["correlation"]]
    if residual in ("power(age)", "expvar(age)"):
        parts.append(theirs["variance"])
    found = table[~table.index.str.startswith(("sd[", "sigma"))]
    for part in parts:
        order = _order(part["names"])
        for column in ("estimate", "lower", "upper"):
            values = np.atleast_1d(part[column])[order]
            loose = column != "estimate"
            if loose and residual == "power(age)":
                continue  # differences of nlme are off: see the next test
            rel = 5e-3 if loose else 2e-4
            np.testing.assert_allclose(found[column], values, rtol=rel, atol=2e-4)
    first = next(name for name in table.index if name.startswith(("sd[", "sigma")))
    if residual != "power(age)":
        limits = table.loc[first, ["lower", "estimate", "upper"]]
        np.testing.assert_allclose(limits, theirs["sigma_limits"], rtol=3e-3)


def _order(names):
    """nlme lists correlations by the first visit, here they are by the second."""
    if not isinstance(names, list) or not names[0].startswith("cor("):
        return slice(None)
    pairs = [tuple(map(int, name[4:-1].split(","))) for name in names]
    return sorted(range(len(pairs)), key=lambda k: pairs[k][::-1])


def test_standard_error_is_that_of_the_profile(data):
    """Twice the inverse curvature of the criterion with δ held by known weights."""
    fit = growth_fit("power(age)")
    delta, h = fit.residual_params["power"], 0.02
    age = data["age"].to_numpy()
    values = [
        lf.lmer(FORMULA, data, weights=age ** (-2 * (delta + k * h))).criterion for k in (-1, 0, 1)
    ]
    curvature = (values[0] - 2 * values[1] + values[2]) / h**2
    error = fit.residual_table().set_index("name").loc["power", "std_error"]
    assert error == pytest.approx(np.sqrt(2 / curvature), rel=1e-3)


def test_strata_and_combinations():
    fit = growth_fit("ar1(age | Subject) * idh(Sex)", f"{FORMULA} + (1 | Subject)")
    assert fit.residual_params.index.tolist() == ["rho", "sd[Male]", "sd[Female]"]
    assert fit.vcomp["name1"].tolist() == ["Intercept", "Male", "Female"]
    assert fit.sigma == pytest.approx(fit.residual_params["sd[Male]"])
    own = fit.residual_covariance("F01")
    assert own.iloc[0, 0] == pytest.approx(fit.residual_params["sd[Female]"] ** 2)
    both = growth_fit("idh(Sex) * power(age)")
    assert both.residual_params.index.tolist() == ["ratio[Female]", "power"]
    assert any("sigma: standard deviation where" in note for note in both.residual_table().notes)
    iid = growth_fit("iid")
    assert iid.residual == "iid"
    assert not len(iid.residual_params)
    assert not len(iid.residual_table())


def test_names_have_the_labels_of_visits(data):
    visit = data["age"].map({8: "a", 10: "b", 12: "c", 14: "d"})
    named = data.assign(visit=pd.Categorical(visit, list("abcd"), ordered=True))
    ante = lf.lmer(FORMULA, named, residual="ante(visit | Subject)")
    assert ante.residual_params.index.tolist() == ["rho[a,b]", "rho[b,c]", "rho[c,d]"]
    assert ante.residual_covariance().columns.tolist() == list("abcd")
    # the covariance is that of the rows in `matrices`
    rows = np.flatnonzero((named["Subject"] == "M07").to_numpy())
    expected = ante.scale * ante.matrices.R.toarray()[np.ix_(rows, rows)]
    np.testing.assert_allclose(ante.residual_covariance("M07"), expected, rtol=1e-12)


def test_unit_of_time_is_said():
    fit = growth_fit("ar1(age | Subject)")
    assert "One step of time is 2 of age." in fit.residual_table().notes
    assert not any(
        "step of time" in note for note in growth_fit("us(age | Subject)").summary().notes
    )


def test_level_of_limits():
    fit = growth_fit("ar1(age | Subject)")
    wide, narrow = fit.residual_table(0.99), fit.residual_table(level=0.5)
    assert (wide["lower"] < narrow["lower"]).all()
    assert (wide["upper"] > narrow["upper"]).all()
    with pytest.raises(ArgumentError, match="level"):
        fit.residual_table(95)


def test_without_an_estimate_there_is_no_standard_error():
    fit = growth_fit("ar1(age | Subject)")
    held = fit.at(fit.theta)
    assert held.residual_table()["std_error"].isna().all()
    assert held.criterion == pytest.approx(fit.criterion, abs=1e-9)


# --- bounds ------------------------------------------------------------------------------------


def test_parameters_at_their_bound_are_said(data):
    with pytest.warns(BoundWarning, match="theta2") as caught:
        fit = lf.lmer(FORMULA, data, residual="ma(age | Subject, q=2)")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert fit.llf == pytest.approx(-219.4105037, abs=1e-6)
    assert "theta2" in fit.parameters_at_bound
    assert "theta2" in fit.optimizer.at_bound
    assert "at a bound" in str(fit.optimizer)
    assert any("at their bounds" in note for note in fit.summary().notes)
    row = fit.residual_table().set_index("name").loc["theta2"]
    assert np.isnan(row["std_error"])
    assert np.isnan(row["lower"])
    assert np.isfinite(fit.residual_table()["std_error"].iloc[-1])  # of sigma


def test_inside_nothing_is_said(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = lf.lmer(FORMULA, data, residual="ar1(age | Subject)")
    assert fit.parameters_at_bound == []
    assert fit.bound_message == ""


# --- summary, optimizer, tidy tables -------------------------------------------------------------


def test_summary_names_the_structure():
    fit = growth_fit("ar1(age | Subject)", f"{FORMULA} + (1 | Subject)")
    summary = fit.summary()
    assert ("Residuals", "ar1(age | Subject), 27 series") in summary.facts
    assert summary.tables["residual"]["name"].tolist() == ["rho", "sigma"]
    alone = growth_fit("us(age | Subject)").summary()
    assert ("Groups", "none: generalised least squares") in alone.facts
    for text in (str(alone), alone._repr_html_(), alone.to_latex(), alone.to_markdown()):
        assert "rho[8,10]" in text
        assert "sd[14]" in text
        assert "std. error" in text
    assert "us(age | Subject)" in repr(growth_fit("us(age | Subject)"))
    assert "ordinary least squares" in str(growth_fit("iid").summary())
    assert ("Residuals", "idh(Sex), 2 strata") in growth_fit("idh(Sex)").summary().facts


def test_optimizer_says_how_sums_are_made():
    alone = growth_fit("ar1(age | Subject)").optimizer
    assert "free of n" in alone.sums
    assert "free of n" in str(alone)
    chain = growth_fit("ar1(age | Subject)", f"{FORMULA} + (1 | Subject)").optimizer
    assert "free of n" in chain.sums
    mixed = growth_fit("gau(age | Subject)", f"{FORMULA} + (1 | Subject)").optimizer
    assert mixed.sums == "by rows"
    assert "by rows" in str(mixed)
    assert growth_fit("iid", f"{FORMULA} + (1 | Subject)").optimizer.sums == ""


def test_tidy_glance_augment(data):
    fit = growth_fit("har1(age | Subject)")
    table = fit.tidy("ran_pars").set_index("term")["estimate"]
    assert table.index.tolist() == ["sd__8", "sd__10", "sd__12", "sd__14", "rho"]
    assert table["sd__10"] == pytest.approx(fit.residual_params["sd[10]"])
    ar1 = growth_fit("ar1(age | Subject)")
    assert ar1.tidy("ran_pars")["term"].tolist() == ["sd__Observation", "rho"]
    assert ar1.glance()["AIC"].iloc[0] == pytest.approx(ar1.aic)
    assert ar1.glance()["df.residual"].iloc[0] == 108 - 6
    rows = fit.augment(data)
    np.testing.assert_allclose(rows[".wtres"], fit.residuals("pearson"))
    np.testing.assert_allclose(rows[".weights"], (fit.sigma / _deviations(data, fit)) ** 2)


def _deviations(data, fit):
    if "sd[Male]" in fit.residual_params:
        return np.array([fit.residual_params[f"sd[{sex}]"] for sex in data["Sex"]])
    return np.array([fit.residual_params[f"sd[{age:g}]"] for age in data["age"]])


# --- one model, densely --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "residual"),
    [
        ("", "har1(age | Subject)"),
        ("", "us(age | Subject)"),
        (" + (1 | Subject)", "ar1(age | Subject) * idh(Sex)"),
    ],
)
def test_everything_is_that_of_dense_algebra(data, more, residual):
    shuffled = data.sample(frac=1.0, random_state=1)
    fit = lf.lmer(FORMULA + more, shuffled, residual=residual)
    m = fit.matrices
    C = _dense_correlations(shuffled, fit)
    sd = _deviations(shuffled, fit)
    R = np.outer(sd, sd) * C / fit.scale
    np.testing.assert_allclose(m.R.toarray(), R, atol=1e-12)
    Z = m.Z.toarray()
    G = fit.vcomp["variance"].iloc[0] * Z @ Z.T if Z.shape[1] else 0.0
    V = fit.scale * R + G
    np.testing.assert_allclose(m.V, V, atol=1e-9)
    X, y = m.X.to_numpy(), m.y.to_numpy()
    Vi = np.linalg.inv(V)
    beta = np.linalg.solve(X.T @ Vi @ X, X.T @ Vi @ y)
    np.testing.assert_allclose(fit.params, beta, rtol=1e-9)
    np.testing.assert_allclose(fit.cov_params(), np.linalg.inv(X.T @ Vi @ X), rtol=1e-8)
    r = y - X @ beta
    terms = [np.linalg.slogdet(V)[1], np.linalg.slogdet(X.T @ Vi @ X)[1], r @ Vi @ r]
    criterion = sum(terms) + (108 - 4) * np.log(2 * np.pi)
    assert fit.criterion == pytest.approx(criterion, abs=1e-8)
    assert fit.deviance_terms()["contribution"].iloc[:-1].sum() == pytest.approx(fit.criterion)
    b = G @ Vi @ r if Z.shape[1] else 0.0
    e = r - b
    np.testing.assert_allclose(fit.residuals(), e, atol=1e-8)
    np.testing.assert_allclose(fit.residuals("scaled"), e / sd, atol=1e-8)
    assert np.square(fit.residuals("normalized")).sum() == pytest.approx(
        e @ np.linalg.solve(fit.scale * R, e)
    )
    again = fit.refit(fit.state.response)
    assert again.criterion == pytest.approx(fit.criterion, abs=1e-7)
    new = fit.state.response + 0.1 * np.arange(108) % 1.3
    other = fit.refit(new)
    direct = lf.lmer(fit.formula, shuffled.assign(distance=new), residual=residual)
    assert other.criterion == pytest.approx(direct.criterion, abs=1e-6)


def _dense_correlations(data, fit):
    """Of all rows, from the natural parameters."""
    params, subject, age = fit.residual_params, data["Subject"], data["age"].to_numpy()
    C = np.eye(len(data))
    for i in range(len(data)):
        for j in range(i):
            if subject.iloc[i] != subject.iloc[j]:
                continue
            low, high = sorted((age[i], age[j]))
            if "rho" in params:
                C[i, j] = params["rho"] ** ((high - low) / 2)
            else:
                C[i, j] = params[f"rho[{low:g},{high:g}]"]
            C[j, i] = C[i, j]
    return C


# --- covariance of a series: bad input and shapes ------------------------------------------------


def test_series_that_are_not_there():
    fit = growth_fit("ar1(age | Subject)")
    with pytest.raises(ArgumentError, match="Did you mean `M01`"):
        fit.residual_covariance("m01")
    with pytest.raises(ModelError, match="independent") as caught:
        growth_fit("iid").residual_covariance()
    assert "vcomp" in str(caught.value)
    with pytest.raises(ModelError, match="idh"):
        growth_fit("idh(Sex)").residual_covariance()


def test_series_of_two_columns_and_of_none(data):
    two = lf.lmer("distance ~ age", data, residual="cs(age | Subject:Sex)")
    assert two.residual_covariance(("M03", "Male")).shape == (4, 4)
    with pytest.raises(ArgumentError, match="tuple of 2 labels"):
        two.residual_covariance("M03")
    field = pd.DataFrame({"row": np.repeat(range(6), 5), "col": np.tile(range(5), 6)}).sample(
        frac=1.0, random_state=2
    )
    rng = np.random.default_rng(3)
    field["y"] = rng.normal(size=30) + 0.3 * field["row"]
    fit = lf.lmer("y ~ 1", field, residual="ar1(row):ar1(col)")
    R = fit.residual_covariance(correlation=True)
    assert R.index.names == ["row", "col"]
    assert R.index.is_monotonic_increasing
    rho = fit.residual_params
    expected = rho["rho[row]"] ** 2 * rho["rho[col]"]
    assert R.loc[(1, 2), (3, 3)] == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ArgumentError, match="leave series= out"):
        fit.residual_covariance(3)


def test_incomplete_series(data):
    """All visits are there, also if no series has them all."""
    position = data.groupby("Subject", observed=True).cumcount()
    some = data[(position + data["Subject"].cat.codes) % 4 != 0]
    fit = lf.lmer("distance ~ age", some, residual="us(age | Subject)")
    R = fit.residual_covariance()
    assert R.shape == (4, 4)
    subject = some["Subject"].iloc[0]
    own = fit.residual_covariance(subject)
    assert own.shape == (3, 3)
    np.testing.assert_allclose(own, R.loc[own.index, own.columns])
    exchangeable = lf.lmer("distance ~ age", some, residual="cs(1 | Subject)")
    labels = some.index[(some["Subject"] == subject).to_numpy()]
    assert exchangeable.residual_covariance(subject).index.tolist() == labels.tolist()


# --- what a structure does not go with ------------------------------------------------------------


def test_refused_with_advice_that_works(data):
    mixed = f"{FORMULA} + (1 | Subject)"
    fit = growth_fit("ar1(age | Subject)", mixed)
    with pytest.raises(ModelError, match="residual=None"):
        fit.forms(rank=2)
    plain = fit.update(residual=None)
    assert plain.residual == "iid"
    assert plain.forms(rank=2, max_iter=5000).form.status_.converged  # 574 sweeps
    with pytest.raises(ModelError, match="residual=None"):
        lf.mme.equations(fit)
    np.testing.assert_allclose(lf.mme.equations(plain).solve().beta, plain.params, rtol=1e-6)
    with pytest.raises(ArgumentError, match="independent residuals"):
        lf.mme.equations(mixed, data, variances=fit.vcomp)
    equations = lf.mme.equations(mixed, data, variances=plain.vcomp)
    np.testing.assert_allclose(equations.solve().beta, plain.params, rtol=1e-6)
    with pytest.raises(ArgumentError, match="method='auto'"):
        lf.lmer(mixed, data, residual="ar1(age | Subject)", method="ai")
    cg = lf.Control(factor="cg")
    with pytest.raises(ArgumentError, match="factor='auto'"):
        lf.lmer(mixed, data, residual="ar1(age | Subject)", control=cg)
    with pytest.raises(ArgumentError, match="residual"):
        lf.lmer_many("~ age + (1 | Subject)", data[["distance"]], data, residual="idh(Sex)")


def test_update_changes_the_structure(data):
    fit = growth_fit("cs(age | Subject)")
    other = fit.update(residual="toep(age | Subject)")
    assert other.llf == pytest.approx(-214.6957694, abs=1e-6)
    assert other.residual == "toep(age | Subject)"
    assert other.update(". ~ . - age:Sex").residual == "toep(age | Subject)"
    spec = lf.residual.AR1("age", "Subject")
    assert fit.update(residual=spec).llf == pytest.approx(-222.2937243, abs=1e-6)


# --- names, files, the command line -------------------------------------------------------------

NAMES = {
    "us(trait):ar1(time) | subject": ["rho[trait,a,b]", "rho[time]", "sd[a]", "sd[b]"],
    "corsymm(trait):ante(time) | subject": [
        *("rho[trait,a,b]", "rho[time,1,2]", "rho[time,2,3]"),
    ],
    "(cs(trait):ar1(time) | subject) + units": ["rho[trait]", "rho[time]", "nugget"],
    "ar1(time | subject:trait) * idh(trait) * idh(time)": [
        *("rho", "ratio[2]", "ratio[3]", "ratio[b]"),  # har1(…) * idh(trait)
    ],
    "mat(time + x | trait, per_axis=True) + units": [
        *("range[time]", "range[x]", "nu", "nugget"),
    ],
    "constpower(x)": ["const", "power"],
}


@pytest.mark.parametrize("residual", NAMES)
def test_names(residual):
    """Names beside values, without a fit: φ at its start."""
    rng = np.random.default_rng(5)
    subject, time, trait = (a.ravel() for a in np.mgrid[:9, 1:4, :2])
    table = {
        "subject": subject,
        "time": time,
        "trait": np.array(["a", "b"])[trait],
        "x": 1 + rng.uniform(size=54),
        "y": rng.normal(size=54),
    }
    bound = lf.MixedModel("y ~ 1", table, residual=residual).design.structure
    found = [*correlation_names(bound)]
    if own_strata(bound):
        found += [f"sd[{name}]" for name in own_strata(bound)]
        assert len(found) == bound.n_parameters + 1
    else:
        found += variance_names(bound)
        assert len(found) == bound.n_parameters
    assert found == NAMES[residual]


def test_saved_fits_say_the_same(tmp_path):
    fit = growth_fit("us(age | Subject)")
    fit.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf")
    pd.testing.assert_series_equal(loaded.residual_params, fit.residual_params)
    pd.testing.assert_frame_equal(
        pd.DataFrame(loaded.residual_table()), pd.DataFrame(fit.residual_table()), rtol=1e-5
    )
    assert loaded.summary().facts == fit.summary().facts


def test_command_line(data, tmp_path, capsys):
    file = tmp_path / "growth.csv"
    data.to_csv(file, index=False)
    status = main(["fit", FORMULA, str(file), "--residual", "cs(age | Subject)"])
    assert status == 0
    assert "cs(age | Subject), 27 series" in capsys.readouterr().out
    assert main(["fit", FORMULA, str(file), "--residual", "cs(agee | Subject)"]) != 0
    assert "Did you mean `age`" in capsys.readouterr().err
    assert main(["fit", FORMULA, str(file), "--residual", "sc(age | Subject)"]) != 0
    assert "cs" in capsys.readouterr().err


def test_long_series_are_not_made_dense(monkeypatch):
    monkeypatch.setattr(residual_tables, "MOST_ROWS", 3)
    fit = growth_fit("ar1(age | Subject)")
    with pytest.raises(ModelError, match=r"fit\.matrices\.R times fit\.scale"):
        fit.residual_covariance()
    assert (fit.matrices.R * fit.scale).shape == (108, 108)
