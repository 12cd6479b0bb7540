"""Predictions of new rows of observed series against dense formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from slow_cases import one_in

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError

pytestmark = pytest.mark.one_in(4)

RNG = np.random.default_rng(12)
SERIES, VISITS = 20, 6
GRID = pd.DataFrame(
    [(f"s{i}", t) for i in range(SERIES) for t in range(VISITS)], columns=["subject", "visit"]
)
GRID["x"] = RNG.normal(size=len(GRID))
GRID["sex"] = np.where(GRID["subject"].str[1:].astype(int) % 2, "f", "m")
GRID["day"] = 3 * GRID["visit"] + RNG.uniform(0, 2, len(GRID))
GRID["size"] = RNG.uniform(1, 3, len(GRID))
GRID["w"] = RNG.uniform(0.5, 2, len(GRID))
GRID["batch"] = [f"b{i}" for i in RNG.integers(0, 6, len(GRID))]
STEPS = RNG.normal(size=(SERIES, VISITS))
for t in range(1, VISITS):
    STEPS[:, t] = 0.7 * STEPS[:, t - 1] + 0.7 * STEPS[:, t]
GRID["y"] = (
    1
    + GRID["x"]
    + STEPS.ravel()
    + 0.4 * RNG.normal(size=len(GRID))
    + RNG.normal(size=6)[GRID["batch"].str[1:].astype(int)]
)
OBSERVED = RNG.random(len(GRID)) < 0.75
OBSERVED[: 2 * VISITS] = True
OLD, NEW = GRID[OBSERVED].sample(frac=1, random_state=1), GRID[~OBSERVED]


def quiet(formula, data, phi=None, **options):
    """A model at parameters that are given: predictions follow from them, and no fit is needed."""
    model = lf.MixedModel(formula, data, **options)
    residual = model.design.residual
    if phi is None:
        phi = residual.starts()[0] + 0.05 * np.arange(1, 1 + len(residual.phi)) / len(residual.phi)
    theta = np.full(sum(g.covariance.n_theta for g in model.design.groups), 0.8)
    settled = {"reml": True, "control": lf.Control(), "method": "auto", "optimize": False}
    return model._refit(model.design.y, start=theta, phi=phi, **settled)


def dense_prediction(fit, old, new, both_places, group, sd=None):
    """Xβ + Zb of the new rows, and R_no R_oo⁻¹e with every matrix written out."""
    structure = fit.design
    residual = fit.state.residual
    correlation = residual.correlation
    phi = residual.phi[: correlation.n_parameters]
    n = len(old)
    C = np.empty((n + len(new), n))
    nugget = 0.0
    if "nugget" in correlation.names:
        nugget = correlation.natural(phi)[correlation.names.index("nugget")]
    for i in range(n + len(new)):
        for j in range(n):
            a, b = both_places[i], both_places[j]
            if group[i] != group[j]:
                C[i, j] = 0.0
            elif i == j:
                C[i, j] = 1.0
            elif (a == b).all():
                C[i, j] = 1.0 - nugget
            else:
                C[i, j] = correlation.between(phi, a, b)
    sd = np.ones(n + len(new)) if sd is None else sd
    R = sd[:, None] * C * sd[:n]
    e = old["y"].to_numpy() - fit.fittedvalues.to_numpy()
    assert structure is not None
    return fit.predict(new, residual="none") + R[n:] @ np.linalg.solve(R[:n], e)


STRUCTURES = {
    "ar1(visit | subject)": "visit",
    "ar1(visit | subject) + units": "visit",
    "ma(visit | subject, q=2)": "visit",
    "arma(visit | subject, p=1, q=1)": "visit",
    "toep(visit | subject)": "visit",
    "cs(visit | subject)": "visit",
    "corsymm(visit | subject)": "visit",
    "ante(visit | subject)": "visit",
    "exp(day | subject)": "day",
    "gau(day | subject) + units": "day",
    "ar1(visit | subject) * idh(sex)": "visit",
    "har1(visit | subject)": "visit",
    "us(visit | subject)": "visit",
    "exp(day | subject) * power(size)": "day",
    "ar1(visit | subject) * expvar(size) * idh(sex)": "visit",
}


@pytest.mark.parametrize("structure", one_in(2, STRUCTURES))
def test_new_rows_by_the_dense_formula(structure):
    fit = quiet("y ~ x + (1 | batch)", OLD, residual=structure)
    both = pd.concat([OLD, NEW])
    places = both[[STRUCTURES[structure]]].to_numpy(dtype=float)
    residual = fit.state.residual
    sd = np.ones(len(both))
    values = dict(zip(residual.names, residual.natural, strict=True))
    for name, value in values.items():
        if name.startswith("sd["):
            level = name[3:-1]
            column = "sex" if level == "f" or level == "m" else "visit"
            sd[(both[column].astype(str) == level).to_numpy()] *= value
        elif name == "power":
            sd *= both["size"].to_numpy() ** value
        elif name == "rate":
            sd *= np.exp(value * both["size"].to_numpy())
    expected = dense_prediction(fit, OLD, NEW, places, both["subject"].to_numpy(), sd)
    found = fit.predict(NEW)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert (found - fit.predict(NEW, residual="none")).abs().max() > 0.05


def test_what_is_left_out_by_default():
    fit = quiet("y ~ x + (1 | batch)", OLD, residual="ar1(visit | subject)")
    assert_allclose(fit.predict(), fit.fittedvalues, rtol=0, atol=1e-12)
    fixed = fit.design(NEW, random="none").X @ fit.params
    assert_allclose(fit.predict(NEW, random="none"), fixed, rtol=1e-12)
    assert_allclose(fit.predict(NEW, random=[]), fixed, rtol=1e-12)
    part = fit.predict(NEW) - fit.predict(NEW, residual="none")
    asked = fit.predict(NEW, random="none", residual="series")
    assert_allclose(asked, fixed + part, rtol=1e-10)
    only = fit.predict(NEW, random=["batch"])
    assert_allclose(only, fit.predict(NEW), rtol=1e-12)


@pytest.mark.parametrize("structure", ["ar1(visit | subject)", "corsymm(visit | subject)"])
def test_the_place_of_an_observed_row_is_that_row(structure):
    fit = quiet("y ~ x + (1 | batch)", OLD, residual=structure)
    assert_allclose(fit.predict(OLD), OLD["y"], rtol=0, atol=1e-10)
    assert_allclose(fit.predict(residual="series"), OLD["y"], rtol=0, atol=1e-10)
    elsewhere = OLD.assign(x=OLD["x"] + 1)  # the residual there stays, the mean moves
    assert_allclose(fit.predict(elsewhere), OLD["y"] + fit.params["x"], rtol=0, atol=1e-10)


def test_with_a_nugget_own_rows_are_smoothed():
    fit = quiet("y ~ x", OLD, residual="ar1(visit | subject) + units")
    assert 0.01 < fit.state.residual.natural[-1] < 0.99
    places = np.vstack([OLD[["visit"]]] * 2)
    group = np.concatenate([OLD["subject"]] * 2)
    expected = dense_prediction(fit, OLD, OLD, places, group)
    assert_allclose(fit.predict(OLD), expected, atol=1e-9)
    assert_allclose(fit.predict(residual="series"), expected, atol=1e-9)
    assert np.abs(expected - OLD["y"]).max() > 0.05


def test_weights_of_new_rows():
    fit = quiet("y ~ x", OLD, residual="ar1(visit | subject)", weights="w")
    both = pd.concat([OLD, NEW])
    places, group = both[["visit"]].to_numpy(dtype=float), both["subject"].to_numpy()
    expected = dense_prediction(fit, OLD, NEW, places, group, 1 / np.sqrt(both["w"].to_numpy()))
    assert_allclose(fit.predict(NEW), expected, atol=1e-9)
    with pytest.raises(ColumnError, match=r"weights='w'.*residual='none'"):
        fit.predict(NEW.drop(columns="w"))
    with pytest.raises(DataError, match="must be positive and finite"):
        fit.predict(NEW.assign(w=0.0))
    other = quiet("y ~ x", OLD, residual="ar1(visit | subject)", weights=OLD["w"].to_numpy())
    with pytest.raises(ArgumentError, match="give weights=1"):
        other.predict(NEW)
    assert len(other.predict(NEW, residual="none")) == len(NEW)


def test_offset_is_no_residual():
    fit = quiet("y ~ x + offset(size)", OLD, residual="ar1(visit | subject)")
    assert_allclose(fit.predict(OLD), OLD["y"], atol=1e-10)


def test_forecasts_decay_to_the_mean():
    fit = quiet("y ~ 1", OLD, residual="ar1(visit | subject)")
    rho = fit.state.residual.natural[0]
    last = OLD[OLD["subject"] == "s0"].sort_values("visit").iloc[-1]
    ahead = pd.DataFrame({"subject": "s0", "visit": [last["visit"] + h for h in (1, 2, 5)]})
    part = fit.predict(ahead) - fit.params["Intercept"]
    e = last["y"] - fit.params["Intercept"]
    assert_allclose(part, e * rho ** np.array([1, 2, 5]), rtol=1e-10)
    before = fit.predict({"subject": ["s0"], "visit": [-1]})[0] - fit.params["Intercept"]
    first = OLD[(OLD["subject"] == "s0") & (OLD["visit"] == 0)]["y"].iloc[0]
    assert before == pytest.approx(rho * (first - fit.params["Intercept"]), rel=1e-10)


def test_series_that_were_not_observed_have_no_part():
    fit = quiet("y ~ x", OLD, residual="us(visit | subject)")
    new = NEW.assign(subject="other")
    assert_allclose(fit.predict(new), fit.predict(new, residual="none"), rtol=1e-14)
    unknown = new.assign(visit=99)
    assert_allclose(fit.predict(unknown), fit.predict(unknown, residual="none"), rtol=1e-14)


def test_missing_values_and_empty_tables():
    fit = quiet("y ~ x", OLD, residual="ar1(visit | subject)")
    new = NEW.astype({"visit": float}).copy()
    new.iloc[0, new.columns.get_loc("visit")] = np.nan
    new.iloc[1, new.columns.get_loc("subject")] = None
    new.iloc[2, new.columns.get_loc("x")] = np.nan
    found = fit.predict(new)
    assert found.isna().tolist() == [True] * 3 + [False] * (len(NEW) - 3)
    assert_allclose(found[3:], fit.predict(NEW)[3:])
    assert fit.predict(new, residual="none").isna().sum() == 1
    assert len(fit.predict(NEW.iloc[:0])) == 0


def test_rows_in_any_order_and_other_tables():
    pl = pytest.importorskip("polars")
    fit = quiet("y ~ x", OLD, residual="toep(visit | subject)")
    mixed = NEW.sample(frac=1, random_state=3)
    assert_allclose(fit.predict(mixed).loc[NEW.index], fit.predict(NEW), rtol=1e-12)
    assert_allclose(fit.predict(pl.from_pandas(NEW)), fit.predict(NEW), rtol=1e-12)


def test_saved_fits_predict_alike(tmp_path):
    fit = lf.lmer("y ~ x", OLD, residual="ar1(visit | subject) * idh(sex)")
    fit.save(tmp_path / "fit.lmf")
    assert_allclose(lf.load(tmp_path / "fit.lmf").predict(NEW), fit.predict(NEW), rtol=1e-12)


def test_exchangeable_rows_without_visits():
    fit = quiet("y ~ x", OLD, residual="cs(1 | subject)")
    named = quiet("y ~ x", OLD, residual="cs(visit | subject)")
    assert_allclose(fit.predict(NEW), named.predict(NEW), rtol=1e-5)
    later = NEW.assign(visit=NEW["visit"] + 100)  # exchangeable visits may be new
    assert_allclose(named.predict(later), named.predict(NEW), rtol=1e-9)


# --- times ------------------------------------------------------------------------------------


def test_steps_of_time():
    doubled = OLD.assign(visit=2 * OLD["visit"] + 1)
    fit = quiet("y ~ x", doubled, residual="ar1(visit | subject)")
    plain = quiet("y ~ x", OLD, residual="ar1(visit | subject)")
    new = NEW.assign(visit=2 * NEW["visit"] + 1)
    assert_allclose(fit.predict(new), plain.predict(NEW), rtol=1e-9)
    with pytest.raises(DataError, match=r"between the steps of 2 .*exp\(visit\).*residual='none'"):
        fit.predict(NEW.assign(visit=2 * NEW["visit"]))


def test_labelled_times():
    weeks = [f"week {t}" for t in range(VISITS)]
    old = OLD.assign(visit=pd.Categorical(OLD["visit"].map(weeks.__getitem__), weeks, ordered=True))
    new = NEW.assign(visit=NEW["visit"].map(weeks.__getitem__))
    fit = quiet("y ~ x", old, residual="ar1(visit | subject)")
    plain = quiet("y ~ x", OLD, residual="ar1(visit | subject)")
    assert_allclose(fit.predict(new), plain.predict(NEW), rtol=1e-9)
    later = plain.predict(NEW.assign(visit=9))
    assert_allclose(fit.predict(new.assign(visit="week 9")), later, rtol=1e-9)
    with pytest.raises(DataError, match="times that the fit does not have: 'end'"):
        fit.predict(new.assign(visit="end"))


def test_named_times_are_those_of_the_fit():
    names = ["baseline", "early", "middle", "late", "end", "after"]
    old = OLD.assign(visit=pd.Categorical(OLD["visit"].map(names.__getitem__), names, ordered=True))
    fit = quiet("y ~ x", old, residual="toep(visit | subject)")
    plain = quiet("y ~ x", OLD, residual="toep(visit | subject)")
    new = NEW.assign(visit=NEW["visit"].map(names.__getitem__))
    assert_allclose(fit.predict(new), plain.predict(NEW), rtol=1e-9)
    with pytest.raises(DataError, match="'never'"):
        fit.predict(new.assign(visit="never"))


# --- bad input ----------------------------------------------------------------------------------


def test_what_new_rows_need():
    fit = quiet("y ~ x", OLD, residual="ar1(visit | subject)")
    without = NEW.drop(columns="visit")
    with pytest.raises(ColumnError, match=r"lack `visit`.*residual='none'"):
        fit.predict(without)
    assert_allclose(fit.predict(without, residual="none"), fit.predict(NEW, residual="none"))
    assert len(fit.predict(without, random="none")) == len(NEW)
    with pytest.raises(ColumnError, match="`visit`, by which"):
        fit.predict(NEW.rename(columns={"visit": "visits"}))
    with pytest.raises(ArgumentError, match="residual='all': use one of 'series', 'none'"):
        fit.predict(NEW, residual="all")
    with pytest.raises(DataError, match="whole times"):
        fit.predict(NEW.assign(visit=NEW["visit"] + 0.5))
    with pytest.raises(DataError, match="`visit` was numbers in the fit"):
        fit.predict(NEW.assign(visit=NEW["visit"].astype(str)))


def test_ids_of_another_type():
    numbered = OLD.assign(subject=OLD["subject"].str[1:].astype(int))
    fit = quiet("y ~ x", numbered, residual="ar1(visit | subject)")
    with pytest.raises(DataError, match=r"`subject` has labels.*same type"):
        fit.predict(NEW.assign(subject=NEW["subject"].str[1:]))


def test_visits_and_strata_of_no_fit():
    for structure in ("us(visit | subject)", "ante(visit | subject)"):
        fit = quiet("y ~ x", OLD, residual=structure)
        with pytest.raises(
            DataError, match=r"visits that the fit does not have: 17.*residual='none'"
        ):
            fit.predict(NEW.assign(visit=17))
    fit = quiet("y ~ x", OLD, residual="toep(visit | subject)")
    with pytest.raises(DataError, match=r"no correlations beyond 5.*ar1\(visit\)"):
        fit.predict(NEW.assign(visit=17))
    fit = quiet("y ~ x", OLD, residual="ar1(visit | subject) * idh(sex)")
    with pytest.raises(DataError, match="`sex` is x in a new row"):
        fit.predict(NEW.assign(sex="x"))
    fit = quiet("y ~ x", OLD, residual="ar1(visit | subject) * power(size)")
    with pytest.raises(DataError, match="positive"):
        fit.predict(NEW.assign(size=-1.0))


def test_longer_lags_of_an_arma():
    fit = quiet("y ~ 1", OLD, residual="arma(visit | subject, p=1, q=1)")
    phi = fit.state.residual.natural[0]
    ahead = pd.DataFrame({"subject": "s0", "visit": [10, 20]})
    ten, twenty = fit.predict(ahead) - fit.params["Intercept"]
    assert twenty == pytest.approx(ten * phi**10, rel=1e-9)


# --- fields -------------------------------------------------------------------------------------

ROWS, COLUMNS = 9, 8
FIELD = pd.DataFrame(
    [(r + 1, c + 1) for r in range(ROWS) for c in range(COLUMNS)], columns=["row", "col"]
)
FIELD["variety"] = [f"v{i}" for i in np.random.default_rng(3).integers(0, 4, len(FIELD))]
TREND = np.random.default_rng(4).normal(size=(ROWS, COLUMNS)).cumsum(axis=0).cumsum(axis=1) / 4
FIELD["y"] = TREND.ravel() + np.random.default_rng(5).normal(size=len(FIELD)) * 0.4
FIELD["east"] = FIELD["col"] * 1.5 + np.random.default_rng(6).uniform(size=len(FIELD))
FIELD["north"] = FIELD["row"] * 1.0
GAPS = np.random.default_rng(7).random(len(FIELD)) < 0.2


@pytest.mark.parametrize(
    ("structure", "columns"),
    [
        ("ar1(row):ar1(col)", ["row", "col"]),
        ("ar1(row):ar1(col) + units", ["row", "col"]),
        ("ma(row):ma(col)", ["row", "col"]),
        ("exp(east + north)", ["east", "north"]),
        ("exp(east + north, per_axis=True) + units", ["east", "north"]),
        ("gau(east + north) + units", ["east", "north"]),
        ("mat(east + north, nu=1.5) + units", ["east", "north"]),
        ("sph(east + north)", ["east", "north"]),
    ],
)
def test_kriging_of_missing_plots(structure, columns):
    old, new = FIELD[~GAPS], FIELD[GAPS]
    fit = quiet("y ~ variety", old, residual=structure)
    both = pd.concat([old, new])
    places = both[columns].to_numpy(dtype=float)
    expected = dense_prediction(fit, old, new, places, np.zeros(len(both)))
    assert_allclose(fit.predict(new), expected, rtol=1e-7, atol=1e-8)


def test_kriging_beats_the_mean_on_missing_plots():
    old, new = FIELD[~GAPS], FIELD[GAPS]
    fit = quiet("y ~ variety", old, residual="ar1(row):ar1(col) + units")
    without = ((fit.predict(new, residual="none") - new["y"]) ** 2).mean()
    assert ((fit.predict(new) - new["y"]) ** 2).mean() < 0.5 * without


def test_two_traits():
    data = pd.concat(
        [GRID.assign(trait="a"), GRID.assign(trait="b", y=GRID["y"] + STEPS.ravel())],
        ignore_index=True,
    )
    kept = np.random.default_rng(1).random(len(data)) < 0.8
    old, new = data[kept], data[~kept]
    fit = quiet("y ~ x + trait", old, residual="corsymm(trait):ar1(visit) | subject")
    both = pd.concat([old, new])
    places = np.column_stack([both["trait"] == "b", both["visit"]]).astype(float)
    expected = dense_prediction(fit, old, new, places, both["subject"].to_numpy())
    assert_allclose(fit.predict(new), expected, rtol=1e-8, atol=1e-8)


# --- errors ------------------------------------------------------------------------------------


def dense_errors(fit, old, new, both_places, group, interval, sd_of):
    """Standard deviations of prediction errors over σ, with every matrix written out."""
    residual = fit.state.residual
    correlation = residual.correlation
    phi = residual.phi[: correlation.n_parameters]
    n, total = len(old), len(old) + len(new)
    nugget = 0.0
    if "nugget" in correlation.names:
        nugget = correlation.natural(phi)[correlation.names.index("nugget")]
    C = np.zeros((total, n))
    for i in range(total):
        same = np.flatnonzero(group[:n] == group[i])
        for j in same:
            a, b = both_places[i], both_places[j]
            if i == j:
                C[i, j] = 1.0
            else:
                at_one = (a == b).all()
                C[i, j] = 1.0 - nugget if at_one else correlation.between(phi, a, b)
    R = sd_of[:, None] * C * sd_of[:n]
    design = fit.design(pd.concat([old, new]))
    X, Z = design.X.to_numpy(), design.Z.toarray()
    lam = fit.state.estimate.lams[0][0, 0] if fit.state.design.groups else 0.0
    V = R[:n] + lam**2 * Z[:n] @ Z[:n].T
    c = R[n:] + lam**2 * Z[n:] @ Z[:n].T
    own = lam**2 * np.square(Z[n:]).sum(axis=1)
    own = own + sd_of[n:] ** 2 * (1.0 if interval == "prediction" else 1.0 - nugget)
    Vi = np.linalg.inv(V)
    w = X[n:].T - X[:n].T @ Vi @ c.T
    h = own - np.einsum("in,nm,im->i", c, Vi, c)
    h += np.einsum("pi,pq,qi->i", w, np.linalg.inv(X[:n].T @ Vi @ X[:n]), w)
    return np.sqrt(h)


ERROR_STRUCTURES = {
    "ar1(visit | subject)": "visit",
    "ar1(visit | subject) + units": "visit",
    "toep(visit | subject)": "visit",
    "exp(day | subject) * power(size)": "day",
    "us(visit | subject)": "visit",
}


@pytest.mark.parametrize("structure", ERROR_STRUCTURES)
def test_errors_of_kriging_by_the_dense_formula(structure):
    fit = quiet("y ~ x + (1 | batch)", OLD, residual=structure)
    both = pd.concat([OLD, NEW])
    places = both[[ERROR_STRUCTURES[structure]]].to_numpy(dtype=float)
    residual = fit.state.residual
    sd = np.ones(len(both))
    for name, value in zip(residual.names, residual.natural, strict=True):
        if name.startswith("sd["):
            sd[(both["visit"].astype(str) == name[3:-1]).to_numpy()] *= value
        elif name == "power":
            sd *= both["size"].to_numpy() ** value
    group = both["subject"].to_numpy()
    for interval in ("confidence", "prediction"):
        found = fit.predict(NEW, interval=interval, ddf="none")
        expected = dense_errors(fit, OLD, NEW, places, group, interval, sd)
        assert_allclose(found["std_error"] / fit.sigma, expected, rtol=1e-7)
        assert_allclose(found["estimate"], fit.predict(NEW))


def test_errors_in_series():
    fit = lf.lmer("y ~ x", OLD, residual="ar1(visit | subject)")
    rho = fit.state.residual.natural[0]
    there = fit.predict(OLD, interval="prediction")
    assert_allclose(there[["lower", "upper"]], np.column_stack([OLD["y"]] * 2), atol=1e-6)
    last = {"subject": ["s0"] * 3, "visit": [6, 7, 400], "x": [0.0] * 3}
    ahead = fit.predict(last, interval="prediction")["std_error"]
    assert (np.diff(ahead) > 0).all()
    far = fit.predict(last, interval="prediction", residual="none")["std_error"]
    assert ahead[2] == pytest.approx(far[2], rel=1e-6)
    assert ahead[0] / fit.sigma == pytest.approx(np.sqrt(1 - rho**2), rel=0.02)
    unseen = fit.predict({**last, "subject": ["new"] * 3}, interval="prediction")["std_error"]
    assert_allclose(unseen, far, rtol=1e-12)
    with_nugget = quiet("y ~ x", OLD, residual="ar1(visit | subject) + units")
    own = with_nugget.predict(OLD, interval="prediction")["std_error"]
    assert (own > 0.1).all()
    assert (own > with_nugget.predict(OLD, interval="confidence")["std_error"]).all()
    assert_allclose(own, with_nugget.predict(interval="prediction", residual="series")["std_error"])


@pytest.mark.parametrize("structure", ["ar1(visit | subject)", "har1(visit | subject)", "power(x)"])
def test_columns_without_a_value_have_no_type(structure):
    old = OLD.assign(x=OLD["x"].abs() + 1.0)
    fit = quiet("y ~ x", old, residual=structure)
    names = ["x", "visit", "subject"]
    for interval in (None, "confidence", "prediction"):
        found = fit.predict(pd.DataFrame({name: [None, None] for name in names}), interval=interval)
        assert np.isnan(found.to_numpy()).all()
        assert len(fit.predict(pd.DataFrame(columns=names), interval=interval)) == 0


def test_intervals_say_what_they_lack():
    fit = quiet("y ~ x", OLD, residual="har1(visit | subject)")
    with pytest.raises(ColumnError, match=r"lack `visit`.*interval='confidence'"):
        fit.predict(NEW[["x"]], random="none", interval="prediction")
    assert len(fit.predict(NEW[["x"]], random="none", interval="confidence")) == len(NEW)
    with pytest.raises(DataError, match=r"a stratum.*interval='confidence'"):
        fit.predict(NEW.assign(visit=77), random="none", interval="prediction")
    for structure in ("har1", "us"):  # residual='none' alone would be refused too
        other = fit if structure == "har1" else quiet("y ~ x", OLD, residual="us(visit | subject)")
        far = NEW.assign(visit=77)
        with pytest.raises(DataError, match=r"no variance of\. .*interval='confidence', residual="):
            other.predict(far, interval="prediction")
        assert len(other.predict(far, interval="confidence", residual="none")) == len(NEW)
    gaps = NEW.assign(visit=NEW["visit"].where(NEW["x"] > 0))
    found = fit.predict(gaps, random="none", interval="prediction")
    assert found["estimate"].notna().all()
    assert found["upper"].notna().tolist() == (NEW["x"] > 0).tolist()
