"""Cluster-robust covariances beside clubSandwich and beside dense matrices."""

from __future__ import annotations

import itertools
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dense_robust import DenseRobust
from numpy.testing import assert_allclose
from robust_references import CASES, case_cluster, case_fit

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    LmformsWarning,
    MemoryLimitError,
    ModelError,
    NumericalError,
)
from lmforms.inference.degrees_of_freedom.connected_rows import random_rows
from lmforms.inference.robust.cluster_blocks import ClusterBlocks
from lmforms.inference.robust.cluster_scores import ROBUST_TYPES
from lmforms.inference.robust.compressed_rows import compressed_rows
from lmforms.inference.terms.term_contrasts import term_contrasts

pytestmark = pytest.mark.one_in(4)

# -- clubSandwich ---------------------------------------------------------------------------------


AGAIN = (  # the kinds of models that others have, with other data
    "slopes_ml",
    "unbalanced",
    "nested_treatment",
    "machines",
    "no_random",
    "subjects",
    "ar1_intercepts",
    "symmetric",
    "dropped",
    "coarser",
    "variances",
)


def slower(names: Any, again: Any) -> list[Any]:
    """Cases for parametrize, of which some are slow."""
    return [
        pytest.param(*np.atleast_1d(name), marks=[pytest.mark.slow] * again(name)) for name in names
    ]


@pytest.mark.parametrize("name", slower(CASES, AGAIN.__contains__))
def test_clubsandwich(name):
    case, fit = CASES[name], case_fit(name)
    tested, eye = case["tested"], np.eye(len(fit.params))
    for kind, figures in case["types"].items():
        if kind == "CR1p" and name == "aliased":  # k = p: clubSandwich divides by zero
            continue
        found = fit.robust(kind, cluster=case_cluster(name))
        expected = np.array(figures["vcov"])
        scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
        covariance = found.cov_params().to_numpy()[np.ix_(tested, tested)]
        assert_allclose(covariance / scale, expected / scale, atol=1e-7)
        if "df" not in figures:
            continue
        table = found.table.iloc[tested]
        assert_allclose(table["std_error"], figures["std_error"], rtol=1e-7)
        assert_allclose(table["df"], figures["df"], rtol=1e-6)
        assert_allclose(table["p_value"], figures["p_value"], rtol=1e-5)
        for joint in figures.get("joint", []):
            if joint["den_df"] <= 0:  # as clubSandwich has it; it gives no p-value
                with pytest.raises(ModelError, match="clusters of group say too little"):
                    found.contrast(eye[joint["rows"]], joint=True)
                advised = fit.contrast(eye[joint["rows"]], joint=True)
                assert advised["p_value"].between(0, 1).all()
                continue
            test = found.contrast(eye[joint["rows"]], joint=True).iloc[0]
            assert test["num_df"] == joint["num_df"]
            assert_allclose(test["statistic"], joint["statistic"], rtol=1e-6)
            assert_allclose(test["den_df"], joint["den_df"], rtol=1e-6)
            assert_allclose(test["p_value"], joint["p_value"], rtol=1e-5)


def test_clubsandwich_covers_kinds_of_models():
    assert len(CASES) >= 15
    assert {"CR0", "CR2", "CR3"} <= set(CASES["ar1_intercepts"]["types"])


# -- dense matrices -------------------------------------------------------------------------------


@cache
def data() -> pd.DataFrame:
    """12 families of 1 to 3 persons with 1 to 4 rows each, in mixed order."""
    rng = np.random.default_rng(5)
    rows = [
        (f, f"{f}{person}", visit)
        for f in range(12)
        for person in "abc"[: 1 + f % 3]
        for visit in range(1 + (f + ord(person)) % 4)
    ]
    table = pd.DataFrame(rows, columns=["family", "person", "visit"])
    n = len(table)
    table["x"], table["z"] = rng.normal(size=(2, n))
    table["w"], table["o"] = rng.uniform(0.5, 2.0, n), rng.normal(size=n)
    table["arm"] = np.where(table["family"] % 2, "new", "old")
    person = pd.factorize(table["person"])[0]
    table["y"] = (
        table["x"]
        + table["o"]
        + rng.normal(size=12)[table["family"]]
        + (1 + table["z"]) * rng.normal(size=60)[person]
        + rng.normal(size=n) * (1 + table["visit"])
    )
    return table.sample(frac=1.0, random_state=1)


def relationship() -> Any:
    """Persons of a family are related, families are not."""
    persons = np.array(sorted(set(data()["person"])))
    family = np.array([p[:-1] for p in persons])
    K = 0.5 * (family[:, None] == family) + 0.5 * np.eye(len(persons))
    return pd.DataFrame(K, index=persons, columns=persons)


DENSE: dict[str, dict[str, Any]] = {
    "slopes": {"formula": "y ~ x + z + (z | person)", "cluster": "person"},
    "weights and offset": {
        "formula": "y ~ x * arm + offset(o) + (1 | family / person)",
        "weights": "w",
    },
    "ML": {"formula": "y ~ x + arm + (1 | family)", "reml": False},
    "related": {
        "formula": "y ~ x + arm + (1 | person)",
        "relationship": relationship,
        "cluster": "family",
    },
    "structured effects": {"formula": "y ~ x + cs(0 + arm | person)", "cluster": "family"},
    "series": {
        "formula": "y ~ x + arm + (1 | family)",
        "residual": "ar1(visit | person) * idh(arm)",
    },
    "no random effects": {"formula": "y ~ x + arm", "cluster": "family"},
    "dropped column": {"formula": "y ~ x + I(2 * x) + z + (1 | family)"},
    "singular": {"formula": "z ~ x + arm + (1 + x | family)"},
    # families as columns: CR2 and CR3 are singular, and coefficients of families undefined
    "dummies": {"formula": "y ~ 0 + C(family) + x + z + (1 | family:person)", "cluster": "family"},
}


@cache
def dense_case(name: str) -> Any:
    options = dict(DENSE[name])
    column = options.pop("cluster", None)
    if "relationship" in options:
        options["relationship"] = {"person": options["relationship"]()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        fit = lf.lmer(options.pop("formula"), data(), **options)
    return fit, None if column is None else data()[column]


@pytest.mark.parametrize(
    ("name", "kind"),
    slower(
        itertools.product(DENSE, ROBUST_TYPES),
        lambda case: (
            case[0] == "structured effects"
            or (case[0] not in ("ML", "dummies") and case[1].startswith("CR1"))
        ),
    ),
)
def test_dense_matrices(name, kind):
    fit, cluster = dense_case(name)
    codes = data()["family"] if cluster is None else cluster
    if kind == "CR1p" and codes.nunique() <= len(fit.params):
        with pytest.raises(ModelError, match=r"CR1p needs more clusters.*Use CR2"):
            fit.robust(kind, cluster=cluster)
        assert len(fit.robust("CR2", cluster=cluster).table)
        return
    twin, found = DenseRobust.of(fit, codes, kind), fit.robust(kind, cluster=cluster)
    shared = [name for name in fit.params.index if not name.startswith("C(")]
    size = np.sqrt(twin.M.diagonal())
    expected = pd.DataFrame(twin.covariance / np.outer(size, size), *[fit.params.index] * 2)
    covariance = found.cov_params() / np.outer(size, size)
    assert_allclose(covariance.loc[shared, shared], expected.loc[shared, shared], atol=1e-8)
    eye = pd.DataFrame(np.eye(len(fit.params)), fit.params.index, fit.params.index)
    for coefficient in shared:
        expected = twin.df(eye.loc[coefficient].to_numpy())
        assert_allclose(found.table.loc[coefficient, "df"], expected, rtol=1e-7)
    L = eye.loc[shared[-2:]]
    test = found.contrast(L, joint=True).iloc[0]
    assert_allclose(test[["statistic", "den_df"]], twin.hotelling(L.to_numpy()), rtol=1e-6)
    weights = pd.Series(np.linspace(1.0, 2.0, len(shared)), shared)
    row = weights.reindex(fit.params.index, fill_value=0.0).to_numpy()
    table = found.contrast({"all": row}).iloc[0]
    assert_allclose(table["std_error"] ** 2, row @ twin.covariance @ row, rtol=1e-7)
    assert_allclose(table["df"], twin.df(row), rtol=1e-7)


@cache
def large_clusters() -> pd.DataFrame:
    """Six clusters of 60 to 85 rows, two of a size, with four groups in each."""
    rng = np.random.default_rng(8)
    cluster = np.repeat(np.arange(6), [60, 60, 70, 75, 80, 85])
    n = len(cluster)
    group = 4 * cluster + rng.integers(0, 4, n)
    table = pd.DataFrame({"cluster": cluster, "group": group, "x": rng.normal(size=n)})
    table["w"] = rng.uniform(0.5, 2.0, n)
    table["y"] = table["x"] * rng.normal(1, 1, 24)[group] + rng.normal(size=n) + cluster
    return table.sample(frac=1.0, random_state=2)


LARGE: dict[str, dict[str, Any]] = {
    "plain": {},
    "weights": {"weights": "w"},
    "residual": {"residual": "idh(cluster)"},
    "relationship": {"relationship": {"group": None}},
}


@cache
def large_fit(name: str) -> Any:
    options = LARGE[name]
    if "relationship" in options:
        within = np.subtract.outer(np.arange(24) // 4, np.arange(24) // 4) == 0
        K = pd.DataFrame(0.4 * within + 0.6 * np.eye(24), index=range(24), columns=range(24))
        options = {"relationship": {"group": K}}
    table = large_clusters()
    return lf.lmer("y ~ x + (x | group)", table.astype({"cluster": str}), **options)


@pytest.mark.parametrize("kind", [pytest.param("CR0", marks=pytest.mark.slow), "CR2", "CR3"])
@pytest.mark.parametrize("name", LARGE)
def test_large_clusters_by_fewer_rows(name, kind):
    table, fit = large_clusters(), large_fit(name)
    found = fit.robust(kind, cluster=table["cluster"])
    twin = DenseRobust.of(fit, table["cluster"].to_numpy(), kind)
    assert_allclose(found.cov_params(), twin.covariance, rtol=1e-7)
    assert_allclose(found.table["df"], [twin.df(row) for row in np.eye(2)], rtol=1e-7)
    state = fit.state
    blocks = ClusterBlocks.of(state, random_rows(state))
    rows = np.flatnonzero(table["cluster"] == table["cluster"].iloc[0])
    fewer = compressed_rows(blocks, rows, state.design.X[rows], state.response[rows], kind)
    if kind == "CR2" and name == "weights":
        assert fewer is None
    else:
        assert len(fewer.V) == 2 + 4 * 2 + 1


def test_cr2_is_unbiased_under_the_model():
    """E(Σs_is_i') = M if the working model holds: Σ(F_i'V_iF_i − F_i'X_iX_i'F_i) = I for M = I."""
    fit, cluster = dense_case("slopes")
    clusters = fit.robust("CR2", cluster=cluster)._method.sandwich.clusters
    expected = clusters.spread - clusters.cross @ clusters.cross.swapaxes(1, 2)
    assert_allclose(expected.sum(axis=0), np.eye(3), atol=1e-9)


def test_cr3_is_nearly_the_jackknife():
    """With V held, s_i of CR3 gives β̂ without cluster i: β̂ − M(I − S_i)⁻¹s_i."""
    fit, cluster = dense_case("no random effects")
    sandwich = fit.robust("CR3", cluster=cluster)._method.sandwich
    moved = sandwich.clusters.scores @ sandwich.half.T
    for i, family in list(enumerate(sorted(set(data()["family"]))))[:4]:
        rest = lf.lmer("y ~ x + arm", data()[cluster != family])
        assert_allclose(fit.params - moved[i], rest.params, rtol=1e-8)


def test_what_one_cluster_determines_has_no_robust_error():
    fit, cluster = dense_case("dummies")
    is_family = fit.params.index.str.startswith("C(family)")
    for kind in ("CR0", "CR2", "CR3"):
        found = fit.robust(kind, cluster=cluster)
        for column in ("std_error", "df", "statistic", "p_value", "lower", "upper"):
            assert (found.table[column].isna() == is_family).all()
        covariance = found.cov_params().to_numpy()
        assert (np.isnan(covariance) == (is_family[:, None] | is_family)).all()


def test_a_coefficient_of_one_cluster():
    """A column that is 1 in one cluster only, with an intercept for the others."""
    table = data().assign(first=(data()["family"] == 2) * 1.0)
    fit = lf.lmer("y ~ first", table)
    found = fit.robust("CR2", cluster=table["family"])
    assert np.isnan(found.table.loc["first", "p_value"])
    assert found.table.loc["Intercept", "df"] > 2
    assert "Determined by one cluster alone: first." in str(found.table)
    with pytest.raises(ModelError, match="too little"):
        found.contrast("Intercept, first", joint=True)


# -- invariances ----------------------------------------------------------------------------------


def test_order_labels_and_scale_change_nothing():
    formula = "y ~ x + arm + (1 | family)"
    first = lf.lmer(formula, data()).robust("CR2").table
    other = data().sample(frac=1.0, random_state=9)
    other = other.assign(
        family=other["family"].map(lambda f: f"label {(7 * f) % 12}"),
        y=1e3 * other["y"],
        x=1e-4 * other["x"],
    )
    second = lf.lmer(formula, other).robust("CR2").table
    assert_allclose(second["df"], first["df"], rtol=1e-6)
    assert_allclose(second["statistic"], first["statistic"], rtol=1e-6)
    units = first.index.map({"x": 1e7}).fillna(1e3)
    assert_allclose(second["std_error"], first["std_error"] * units, rtol=1e-6)


def test_a_constant_weight_changes_nothing():
    formula = "y ~ x + arm + (1 | family)"
    first = lf.lmer(formula, data()).robust("CR3").table
    second = lf.lmer(formula, data(), weights=np.full(len(data()), 5.0)).robust("CR3").table
    for column in ("std_error", "df"):
        assert_allclose(second[column], first[column], rtol=1e-6)


def test_joint_test_of_one_row_is_the_square_of_t():
    fit, cluster = dense_case("slopes")
    found = fit.robust("CR2", cluster=cluster)
    single, joint = found.contrast("x - z").iloc[0], found.contrast("x - z", joint=True).iloc[0]
    assert_allclose(joint["statistic"], single["statistic"] ** 2)
    assert_allclose(joint[["den_df", "p_value"]], single[["df", "p_value"]])


@pytest.mark.parametrize("type", [pytest.param(1, marks=pytest.mark.slow), 2, 3])
def test_terms(type):
    fit, _ = dense_case("weights and offset")
    found = fit.robust("CR2")
    table = found.anova(type)
    assert list(table.index) == ["x", "arm", "x:arm"]
    for term, L in term_contrasts(fit.state.design, type).items():
        test = found.contrast(L, joint=True).iloc[0]
        assert_allclose(table.loc[term], test[list(table)], rtol=1e-9)
    assert "Approximate Hotelling test" in str(table)


def test_dependent_rows_are_counted_once():
    fit, cluster = dense_case("slopes")
    found = fit.robust("CR2", cluster=cluster)
    pair = found.contrast("x, z", joint=True).iloc[0]
    three = found.contrast("x, z, x - z", joint=True).iloc[0]
    assert three["num_df"] == 2
    assert_allclose(three[["statistic", "den_df"]], pair[["statistic", "den_df"]], rtol=1e-8)


# -- what clusters may be -------------------------------------------------------------------------


def test_clusters_by_name_column_and_labels():
    fit, _ = dense_case("weights and offset")
    default = fit.robust("CR2")
    assert (default.cluster, default.n_clusters, default.type) == ("family", 12, "CR2")
    for cluster in ("family", data()["family"], data()["family"].to_numpy()):
        table = fit.robust("CR2", cluster=cluster).table
        assert_allclose(table["std_error"], default.table["std_error"])
    shuffled = data()["family"].sample(frac=1.0, random_state=3)
    assert_allclose(fit.robust("CR2", cluster=shuffled).table["df"], default.table["df"])
    assert_allclose(fit.cov_params("CR2", cluster="family"), default.cov_params())


@pytest.mark.parametrize("make", [list, pd.Categorical, pd.Index, "Int64"])
def test_kinds_of_labels(make):
    fit, _ = dense_case("ML")
    family = data()["family"]
    labels = family.astype(make) if make == "Int64" else make(family.to_numpy())
    assert_allclose(fit.robust("CR2", cluster=labels).table, fit.robust("CR2").table)


def test_lists_keep_missing_values_and_types():
    """NumPy would make text of both: "nan", and "1" of 1."""
    fit, _ = dense_case("no random effects")
    person = data()["person"].tolist()
    with pytest.raises(DataError, match="cluster has 3 missing labels"):
        fit.robust("CR2", cluster=[np.nan] * 3 + person[3:])
    masked = np.ma.array(data()["family"].to_numpy(), mask=np.arange(len(person)) < 2)
    with pytest.raises(DataError, match="cluster has 2 missing labels"):
        fit.robust("CR2", cluster=masked)
    plain = lf.lmer("y ~ x", data())
    mixed = [1, "1", *person[2:]]
    expected = plain.robust("CR2", cluster=["one", "text", *person[2:]]).table
    assert_allclose(plain.robust("CR2", cluster=mixed).table, expected)
    pairs = [(p, p) for p in person]
    assert plain.robust("CR2", cluster=pairs).n_clusters == len(set(person))


def test_row_labels_that_are_there_twice():
    table = data().set_axis(np.arange(len(data())) // 2)
    table["x"] = table["x"].where(np.arange(len(table)) > 2)
    with pytest.warns(LmformsWarning):
        fit = lf.lmer("y ~ x + (1 | person)", table)
    with pytest.raises(DataError, match=r"labels are there twice: give .* `.to_numpy\(\)`"):
        fit.robust("CR2", cluster=table["family"])
    assert fit.robust("CR2", cluster=table["family"].to_numpy()).n_clusters == 12


def test_labels_for_all_rows_given_where_some_were_dropped():
    table = data().copy()
    table.loc[table.index[:4], "x"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        fit = lf.lmer("y ~ x + (1 | person)", table)
    expected = fit.robust("CR2", cluster=table["family"]).table
    for labels in (table["family"].to_numpy(), table["family"].to_numpy()[4:]):
        assert_allclose(fit.robust("CR2", cluster=labels).table["df"], expected["df"])


def test_the_series_of_residuals_are_clusters():
    fit = case_fit("ar1")
    assert fit.robust().cluster == "Subject"


def test_interactions_are_named_as_the_factor():
    fit = case_fit("split_plot")
    assert fit.robust().cluster == "recipe:replicate"


def test_correlated_clusters_are_refused_with_a_way_out():
    fit, _ = dense_case("weights and offset")
    with pytest.raises(ModelError, match=r"levels of `family` are in several.*cluster='family'"):
        fit.robust("CR2", cluster="family:person")
    assert fit.robust("CR2", cluster="family").n_clusters == 12
    fit, _ = dense_case("series")
    with pytest.raises(ModelError, match="Use cluster='family'"):
        fit.robust("CR2", cluster=np.arange(len(data())))
    assert fit.robust("CR2", cluster="family").n_clusters == 12
    fit, _ = dense_case("related")
    with pytest.raises(ModelError, match="relates levels of different ones"):
        fit.robust("CR2")


def test_crossed_factors_are_refused():
    penicillin = lf.datasets.load("Penicillin")
    fit = lf.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", penicillin)
    for cluster in (None, "plate", "sample"):
        with pytest.raises(ModelError, match="No factor of the model makes independent clusters"):
            fit.robust("CR2", cluster=cluster)


def test_residuals_that_are_all_correlated():
    """The rows of a grid have no series to take clusters from."""
    grid = pd.DataFrame({"a": np.repeat(range(4), 5), "b": np.tile(range(5), 4)})
    grid["y"] = np.random.default_rng(1).normal(size=20) + grid["a"]
    fit = lf.lmer("y ~ 1", grid, residual="ar1(a):ar1(b)")
    with pytest.raises(ModelError, match="has no grouping factor: use the model's own covariance"):
        fit.robust("CR2", cluster=grid["a"])


def test_digits_lost_to_rounding_are_no_result():
    """CR2 has the fourth powers of the standard deviations; the other types the squares."""
    wide = data()["family"].map(dict(enumerate(np.random.default_rng(3).normal(size=12))))
    fit = lf.lmer("y ~ x + (1 | family)", data().assign(y=data()["y"] + 1e6 * wide))
    with pytest.raises(NumericalError, match=r"CR2: digits are lost .* CR0 and CR3 need fewer"):
        fit.robust("CR2")
    less = lf.lmer("y ~ x + (1 | family)", data().assign(y=data()["y"] + 1e4 * wide))
    limit = lf.lmer("y ~ 0 + C(family) + x", data())  # infinitely wide
    expected = limit.robust("CR2", cluster=data()["family"]).table.loc["x"]
    assert_allclose(
        less.robust("CR2").table.loc["x", "std_error"], expected["std_error"], rtol=1e-4
    )


def test_extreme_units():
    """The fourth powers of 1e100 are no floats."""
    expected, _ = dense_case("ML")
    fit = lf.lmer("y ~ x + arm + (1 | family)", data().assign(x=1e100 * data()["x"]), reml=False)
    found, usual = fit.robust("CR2").table, expected.robust("CR2").table
    assert_allclose(found["df"], usual["df"], rtol=1e-6)
    assert_allclose(fit.df_denom, expected.df_denom, rtol=1e-6)


def test_refusals():
    fit, _ = dense_case("ML")
    with pytest.raises(ArgumentError, match="use one of"):
        fit.robust("HC3")
    with pytest.raises(ArgumentError, match="cluster= is for the cluster-robust types"):
        fit.cov_params(cluster="family")
    with pytest.raises(ArgumentError, match="information= is for"):
        fit.cov_params("CR2", information="observed")
    with pytest.raises(ColumnError, match=r"cluster=data\['person'\]"):
        fit.robust("CR2", cluster="person")
    plain = lf.lmer("y ~ x", data())
    assert plain.robust("CR2", cluster=data()["person"]).cluster == "person"
    with pytest.raises(DataError, match="one label for each of the"):
        fit.robust("CR2", cluster=np.arange(5))
    with pytest.raises(DataError, match="2 missing labels"):
        fit.robust("CR2", cluster=data()["family"].where(np.arange(len(data())) > 1))
    with pytest.raises(ModelError, match="all rows are one cluster"):
        fit.robust("CR2", cluster=np.zeros(len(data())))
    with pytest.raises(ModelError, match="name them by cluster="):
        plain.robust("CR2")
    small = lf.lmer("y ~ x", data(), control=lf.Control(memory=1000))
    with pytest.raises(MemoryLimitError, match="CR2 with 12 clusters and 2 coef"):
        small.robust("CR2", cluster=data()["family"])


def test_at_a_given_theta():
    fit = case_fit("nested")
    other = fit.at(2.0 * fit.theta)
    twin = DenseRobust.of(other, lf.datasets.load("Pastes")["batch"], "CR2")
    assert_allclose(other.robust("CR2").cov_params(), twin.covariance, rtol=1e-8)


@pytest.mark.slow
def test_conjugate_gradients():
    """Crossed factors within schools: the cluster is none of the model's factors."""
    rng = np.random.default_rng(1)
    n = 200
    school = rng.integers(0, 8, n)
    pupil, teacher = 20 * school + rng.integers(0, 20, n), 5 * school + rng.integers(0, 5, n)
    table = pd.DataFrame({"pupil": pupil, "teacher": teacher, "x": rng.normal(size=n)})
    table["y"] = table["x"] + rng.normal(size=160)[pupil] + rng.normal(size=(n, 40))[0][teacher]
    table["y"] += rng.normal(size=n)
    formula = "y ~ x + (1 | pupil) + (1 | teacher)"
    fit = lf.lmer(formula, table, control=lf.Control(factor="cg"))
    assert not fit.state.estimate.is_factored
    twin = DenseRobust.of(lf.lmer(formula, table).at(fit.theta), school, "CR2")
    found = fit.robust("CR2", cluster=school)
    assert_allclose(found.cov_params(), twin.covariance, rtol=1e-5)
    assert_allclose(found.table["df"], [twin.df(row) for row in np.eye(2)], rtol=1e-5)
    with pytest.raises(ModelError, match="Give a coarser factor as cluster="):
        fit.robust("CR2")


def test_saved_and_loaded(tmp_path):
    fit = case_fit("slopes")
    fit.save(tmp_path / "fit.lmf")
    again = lf.load(tmp_path / "fit.lmf")
    assert_allclose(again.robust("CR2").table, fit.robust("CR2").table)


def test_limits_and_html():
    found = case_fit("slopes").robust("CR2")
    limits = found.conf_int(0.9)
    assert list(limits) == ["lower", "upper"]
    assert (limits["lower"] > found.table["lower"]).all()
    assert "CR2, 18 clusters of Subject" in found._repr_html_()
    with pytest.raises(ArgumentError, match="no limits"):
        found.contrast("Days", joint=True, level=0.9)
