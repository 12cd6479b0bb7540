"""Tidy tables: broom.mixed's figures and columns, and our own attributes in them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from references import content, reference

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError, ModelError

SLEEP = lf.datasets.load("sleepstudy")
FIXED = ["effect", "term", "estimate", "std.error", "statistic", "df", "p.value"]
LIMITS = ["conf.low", "conf.high"]
ROWS_OF_FIT = [
    *(".fitted", ".resid", ".fixed", ".mu", ".offset"),
    *(".sqrtXwt", ".sqrtrwt", ".weights", ".wtres"),
]


def quiet(formula, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


@pytest.fixture(scope="module")
def fit():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)


@pytest.fixture(scope="module")
def nested():
    return lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes"))


@pytest.fixture(scope="module")
def weighted():
    rng = np.random.default_rng(0)
    data = SLEEP.assign(w=rng.uniform(0.5, 2, 180), o=rng.normal(size=180), other=range(180))
    data.loc[[3, 50], "Reaction"] = np.nan
    data.loc[7, "w"] = 1.0
    return data, quiet("Reaction ~ Days + (1 | Subject)", data, weights="w", offset="o")


# --- broom.mixed --------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=content()["tidy"], ids=lambda entry: entry["model"])
def broom(request):
    return request.param, reference(request.param["model"]).fit()


def our_group(name):
    """Parts of a grouping factor, which lme4 writes from the inside out."""
    return frozenset(name.split(":"))


def our_level(level):
    return frozenset(map(str, level)) if isinstance(level, tuple) else frozenset(level.split(":"))


def our_term(term):
    return term.replace("(Intercept)", "Intercept")


def close(found, wanted, rtol, atol=0.0):
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=rtol, atol=atol)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_fixed_effects_are_brooms(broom, ddf):
    entry, fit = broom
    wanted = entry["fixed" if ddf == "satterthwaite" else "fixed_kenward_roger"]
    if not wanted:  # an ML fit, or pbkrtest's error with weights
        return
    found = fit.tidy("fixed", ddf=ddf, conf_int=True)
    assert list(found.columns) == list(wanted) == FIXED + LIMITS
    for column in ("estimate", "std.error", "statistic"):
        close(found[column], wanted[column], 1e-6)
    close(found["df"], wanted["df"], 1e-4)
    close(found["p.value"], wanted["p.value"], 2e-3)  # a share of p as small as 1e-17
    size = np.abs(wanted["estimate"])
    for column in LIMITS:
        assert (np.abs(found[column] - wanted[column]) < 1e-5 * size).all()


def test_random_parameters_are_brooms(broom):
    entry, fit = broom
    wanted, found = entry["ran_pars"], fit.tidy("ran_pars")
    assert list(found.columns) == list(wanted)
    theirs = {
        (our_group(group), our_term(term)): value
        for group, term, value in zip(wanted["group"], wanted["term"], wanted["estimate"])
    }
    ours = {
        (our_group(group), term): value
        for group, term, value in zip(found["group"], found["term"], found["estimate"])
    }
    assert ours.keys() == theirs.keys()
    close([ours[key] for key in theirs], list(theirs.values()), 1e-5, atol=1e-7)


def test_random_effects_are_brooms(broom):
    entry, fit = broom
    wanted = pd.DataFrame(entry["ran_vals"])
    found = fit.tidy("ran_vals", conf_int=True)
    assert list(found.columns) == list(wanted.columns)

    def keys(table, term):
        groups, levels = map(our_group, table["group"]), map(our_level, table["level"])
        return list(zip(groups, levels, map(term, table["term"])))

    theirs = wanted.assign(key=keys(wanted, our_term)).set_index("key")
    ours = pd.DataFrame(found).assign(key=keys(found, str)).set_index("key").loc[theirs.index]
    assert len(ours) == len(theirs)
    for column in ("estimate", "std.error", *LIMITS):
        close(ours[column], theirs[column], 1e-5, atol=1e-6 * theirs["estimate"].abs().max())


def test_the_row_of_a_fit_is_brooms(broom):
    entry, fit = broom
    found = fit.glance()
    assert list(found.columns) == list(entry["glance"])
    close(found.iloc[0], list(entry["glance"].values()), 1e-8, atol=1e-6)


def test_rows_are_brooms(broom):
    entry, fit = broom
    wanted = {k: v for k, v in entry["augment"].items() if k in ROWS_OF_FIT}
    left_out = set(entry["augment"]) - set(wanted)
    assert left_out <= {".rownames", ".hat", ".cooksd"}
    found = fit.augment()
    assert [c for c in found.columns if c.startswith(".")] == list(wanted)
    scale = np.abs(entry["augment"][".fitted"]).max()
    for column, values in wanted.items():
        close(found[column], values, 1e-6, atol=1e-6 * scale)


# --- our own attributes ---------------------------------------------------------------------------


def test_rows_and_columns_of_each_kind(fit):
    usual = fit.tidy()
    assert list(usual["effect"]) == ["fixed"] * 2 + ["ran_pars"] * 4
    assert list(usual.columns) == ["effect", "group", *FIXED[1:]]
    assert list(usual["term"][2:]) == [
        *("sd__Intercept", "cor__Intercept.Days", "sd__Days", "sd__Observation")
    ]
    assert usual["group"].isna().tolist() == [True] * 2 + [False] * 4
    assert list(fit.tidy("fixed").columns) == FIXED
    assert list(fit.tidy("ran_pars").columns) == ["effect", "group", "term", "estimate"]
    by_level = ["effect", "group", "level", "term", "estimate"]
    assert list(fit.tidy("ran_vals").columns) == [*by_level, "std.error"]
    assert list(fit.tidy("ran_coefs").columns) == by_level
    everything = fit.tidy("all", conf_int=True)
    assert set(everything["effect"]) == {"fixed", "ran_pars", "ran_vals"}
    assert list(everything.columns) == [*by_level, *FIXED[3:], *LIMITS]
    pd.testing.assert_frame_equal(fit.tidy(["ran_vals", "ran_pars"]), fit.tidy("random"))
    assert fit.tidy(["ran_vals", "fixed"])["effect"].iloc[0] == "fixed"


def test_variances_are_those_of_vcomp():
    data = SLEEP.assign(phase=np.where(SLEEP["Days"] < 5, "early", "late"))
    fit = quiet("Reaction ~ Days + (Days + phase | Subject) + (0 + Days || phase)", data)
    found = fit.tidy("ran_pars").set_index(["group", "term"])["estimate"]
    for row in fit.vcomp.itertuples():
        name = row.name1 or "Observation"
        term = f"cor__{name}.{row.name2}" if row.name2 else f"sd__{name}"
        close(found[row.group, term], row.sdcor, 1e-14)
    assert len(found) == len(fit.vcomp)
    subject = [term for group, term in found.index if group == "Subject"]
    assert [t.partition("__")[0] for t in subject] == ["sd", "cor", "cor", "sd", "cor", "sd"]


@pytest.mark.parametrize("which", ["fit", "nested"])
def test_random_effects_are_those_of_the_attributes(which, request):
    fit = request.getfixturevalue(which)
    found = fit.tidy("ran_vals", conf_int=True, conf_level=0.9)
    count = 0
    for group, effects in fit.random_effects.items():
        own = found[found["group"] == group]
        for name, values in effects.items():
            rows = own[own["term"] == name]
            assert rows["level"].tolist() == values.index.tolist()
            close(rows["estimate"], values, 1e-15)
            cov = fit.random_effects_cov[group]
            variances = cov[cov.index.get_level_values("effect") == name][name]
            close(rows["std.error"], np.sqrt(variances), 1e-15)
            half = 1.6448536269514722 * rows["std.error"]
            close(rows["conf.low"], rows["estimate"] - half, 1e-12)
            close(rows["conf.high"], rows["estimate"] + half, 1e-12)
            count += len(rows)
    assert count == len(found)


def test_levels_keep_their_type(nested):
    whole = quiet("Reaction ~ 1 + (1 | Days)", SLEEP.astype({"Days": int}))
    assert whole.tidy("ran_vals")["level"].tolist() == list(range(10))
    assert whole.tidy("ran_vals")["level"].dtype == np.int64
    levels = nested.tidy("ran_vals").query("group == 'batch:cask'")["level"]
    assert levels.iloc[0] == ("A", "a")


def test_coefficients_by_level(fit):
    found = fit.tidy("ran_coefs").pivot(index="level", columns="term", values="estimate")
    wanted = fit.random_effects["Subject"] + fit.params
    close(found[["Intercept", "Days"]], wanted[["Intercept", "Days"]], 1e-14)
    data = SLEEP.assign(half=SLEEP["Days"] // 5)
    partly = quiet("Reaction ~ Days + (0 + half | Subject)", data)
    terms = partly.tidy("ran_coefs").groupby("term", sort=False)["estimate"]
    assert list(terms.groups) == ["Intercept", "Days", "half"]
    assert (terms.get_group("Days") == partly.params["Days"]).all()
    close(terms.get_group("half"), partly.random_effects["Subject"]["half"], 1e-15)


def test_related_levels_and_terms_of_their_own():
    levels = list(SLEEP["Subject"].cat.categories)
    K = 0.5 * (np.eye(18) + 1.0)
    fit = quiet(
        "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)",
        SLEEP,
        relationship={"1 | Subject": (K, levels)},
    )
    found = fit.tidy("random", conf_int=True)
    values = found[found["effect"] == "ran_vals"]
    for group, effects in fit.random_effects.items():
        rows = values[values["group"] == group]
        close(rows["estimate"], effects.to_numpy().T.ravel(), 1e-15)
        assert (rows["std.error"] > 0).all()
    assert "1 | Subject" in set(found["group"])


def test_conjugate_gradients_have_no_conditional_standard_deviations():
    data = lf.datasets.load("Penicillin")
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    fit = lf.lmer(formula, data, control=lf.Control(factor="cg"))
    found = fit.tidy("ran_vals", conf_int=True)
    assert found[["std.error", *LIMITS]].isna().all(axis=None)
    close(found["estimate"], lf.lmer(formula, data).tidy("ran_vals")["estimate"], 1e-3, atol=1e-3)
    assert any("conjugate gradients" in note for note in found.notes)
    assert any("0.00" in note for note in fit.glance().notes)


def test_degrees_of_freedom_and_their_note(fit):
    found = fit.tidy(ddf="kenward-roger", information="observed", conf_int=True, conf_level=0.8)
    assert "Degrees of freedom: Kenward–Roger, observed information." in found.notes
    assert "Limits: 80 %." in found.notes
    fixed = found[found["effect"] == "fixed"]
    wanted = fit.conf_int(0.8, ddf="kenward-roger", information="observed")
    close(fixed[LIMITS], wanted, 1e-14)
    covariance = fit.cov_params("kenward-roger", information="observed")
    close(fixed["std.error"], np.sqrt(np.diag(covariance)), 1e-14)
    z = fit.tidy("fixed", ddf="none")
    assert np.isinf(z["df"]).all()
    assert fit.tidy("ran_pars").notes == ()


def test_fits_without_random_or_without_fixed_effects():
    plain = lf.lmer("Reaction ~ Days", SLEEP)
    assert list(plain.tidy()["term"]) == ["Intercept", "Days", "sd__Observation"]
    assert list(plain.tidy("all").columns) == ["effect", "group", *FIXED[1:]]
    assert plain.glance()["nobs"].item() == 180
    with pytest.raises(ModelError, match="no random effects: use effects='fixed'"):
        plain.tidy("ran_vals")
    bare = quiet("Reaction ~ 0 + (1 | Subject)", SLEEP)
    assert list(bare.tidy()["term"]) == ["sd__Intercept", "sd__Observation"]
    assert list(bare.tidy("fixed").columns) == FIXED
    assert bare.tidy("fixed").empty


def test_ml_has_a_deviance(fit):
    ml = fit.refit(reml=False).glance()
    assert "REMLcrit" not in ml
    close(ml["deviance"], 1751.9393444637, 1e-10)
    text = str(fit.glance())
    assert "1743.63" in text
    assert "1755.63" in text


@pytest.mark.parametrize(
    "options, message",
    [
        ({"effects": "fxied"}, "effects='fxied'.*Did you mean `fixed`.*Or a sequence"),
        ({"effects": ["fixed", "ranvals"]}, "Did you mean `ran_vals`"),
        ({"effects": []}, "effects= is empty"),
        ({"effects": 3}, "effects must be a sequence of texts, not 3"),
        ({"ddf": "kr"}, "ddf='kr'"),
        ({"effects": "ran_pars", "ddf": "kenward-roger"}, "concern the fixed effects"),
        ({"effects": "ran_vals", "information": "expected"}, "concern the fixed effects"),
        ({"effects": "ran_pars", "conf_int": True}, "ran_pars have no limits here"),
        ({"effects": ["ran_pars", "ran_coefs"], "conf_int": True}, "fixed and ran_vals have"),
        ({"conf_level": 0.9}, "conf_level=0.9 needs conf_int=True"),
        ({"conf_int": True, "conf_level": 95}, "conf_level=95: a number between 0 and 1"),
        ({"conf_int": "yes"}, "conf_int='yes': True or False"),
        ({"effect": "fixed"}, "no argument `effect`.*effects"),
    ],
)
def test_bad_arguments_of_tidy(fit, options, message):
    with pytest.raises(ArgumentError, match=message):
        fit.tidy(**options)


# --- rows -----------------------------------------------------------------------------------------


def test_rows_of_a_weighted_fit(weighted):
    data, fit = weighted
    found = fit.augment()
    used = data.drop([3, 50])
    assert found.index.equals(used.index)
    assert list(found.columns) == ["Reaction", "Days", "Subject", *ROWS_OF_FIT]
    close(found[".fitted"], fit.fittedvalues, 1e-15)
    close(found[".fitted"] + found[".resid"], used["Reaction"], 1e-14)
    close(found[".fixed"], fit.predict(random="none"), 1e-14)
    close(found[".offset"], used["o"], 1e-15)
    close(found[".weights"], used["w"], 1e-15)
    close(found[".wtres"], fit.residuals("pearson"), 1e-15)
    close(found[".sqrtXwt"] ** 2, used["w"], 1e-14)


def test_rows_of_the_given_table(weighted, tmp_path):
    pl = pytest.importorskip("polars")
    data, fit = weighted
    own = fit.augment()
    shuffled = data.sample(frac=1.0, random_state=1)
    fit.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf")
    tables = [data, data.drop([3, 50]), shuffled, pl.from_pandas(data), data.to_dict("series")]
    for f in (fit, loaded):
        for table in tables:
            found = f.augment(table)
            if isinstance(table, pl.DataFrame):
                assert isinstance(found, pl.DataFrame)
                found = pd.DataFrame(found.to_dict(as_series=False), own.index)
            assert list(found.columns) == [*data.columns, *ROWS_OF_FIT]
            pd.testing.assert_frame_equal(found[ROWS_OF_FIT], own[ROWS_OF_FIT])
            close(found["other"], found.index, 0.0)


def test_rows_of_a_table_with_repeated_labels():
    data = SLEEP.assign(other=range(180)).set_index(np.arange(180) % 7)
    data.iloc[5, 0] = np.nan
    fit = quiet("Reaction ~ Days + (1 | Subject)", data)
    found = fit.augment(data)
    assert found["other"].tolist() == [i for i in range(180) if i != 5]
    close(found[".fitted"], fit.fittedvalues, 1e-15)


def test_transformed_rows_and_unused_categories():
    data = SLEEP.assign(Days=SLEEP["Days"] - 1.0)
    data["Subject"] = data["Subject"].cat.add_categories(["none"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer("np.log(Reaction) ~ np.sqrt(Days) + (1 | Subject)", data)
    found = fit.augment(data)
    assert len(found) == fit.nobs == 162
    close(found[".fitted"] + found[".resid"], np.log(found["Reaction"]), 1e-13)


def test_a_refitted_response_is_among_the_rows(fit):
    y = fit.state.response[::-1].copy()
    other = fit.refit(y)
    found = other.augment()
    close(found[".response"], y, 0.0)
    close(found[".fitted"] + found[".resid"], y, 1e-14)
    assert ".response" not in fit.refit(reml=False).augment()
    assert ".response" in other.augment(SLEEP)


@pytest.mark.parametrize(
    "change, error, message",
    [
        (lambda d: d.drop(columns="Days"), ColumnError, "lack `Days`"),
        (
            lambda d: d.head(20),
            DataError,
            "the 20 rows of the table are not those.*used 180 of 180.*predict",
        ),
        (lambda d: d.assign(Days=d["Days"] + (d.index == 9)), DataError, "`Days`.*the row 9"),
        (lambda d: d.iloc[::-1].reset_index(drop=True), DataError, "is not what the model"),
        (lambda d: d.assign(Subject=d["Subject"].astype(int)), DataError, "`Subject` is not"),
        (lambda d: d.assign(**{".fitted": 1.0}), DataError, r"columns \.fitted already"),
        (lambda d: 3, DataError, "data must be a pandas"),
    ],
)
def test_other_tables_are_refused(fit, change, error, message):
    with pytest.raises(error, match=message):
        fit.augment(change(SLEEP))
