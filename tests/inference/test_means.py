"""Marginal means and averages against slow twins, and what must not change them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import lmforms as lf
from lmforms.errors import ModelError
from lmforms.inference.means import studentized_range
from lmforms.inference.means.adjustments import STEPWISE, Family, critical_values, p_values
from lmforms.inference.means.contrasts import polynomials
from lmforms.inference.means.letters import compact_letters
from lmforms.inference.means.multivariate_t import largest_t

pytestmark = pytest.mark.one_in(4)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    n = 120
    frame = pd.DataFrame(
        {
            "f": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
            "g": rng.choice(["u", "v"], n),
            "x": rng.normal(5, 1, n).round(3),
            "block": rng.integers(0, 9, n).astype(str),
        }
    )
    effect = rng.normal(size=9)[frame["block"].astype(int)]
    frame["y"] = np.exp(
        1 + (frame["f"] == "b") + frame["x"] / 5 + effect / 3 + rng.normal(scale=0.4, size=n)
    )
    return frame


@pytest.fixture(scope="module")
def fit(data):
    return lf.lmer("y ~ f * g + poly(x, 2) + (1 | block)", data)


# --- means and slopes -----------------------------------------------------------------------


def test_means_are_averages_of_predictions(data, fit):
    """Over all combinations of levels, by predict and by the covariance of β̂."""
    grid = pd.MultiIndex.from_product([["a", "b", "c"], ["u", "v"]], names=["f", "g"]).to_frame(
        index=False
    )
    grid["x"] = data["x"].mean()
    rows = fit.design(grid.assign(block="0"), random="none").X
    table = fit.emmeans("f")
    covariance = fit.cov_params()
    for level, estimate, std_error in zip(
        table["f"], table["estimate"], table["std_error"], strict=True
    ):
        ell = rows[(grid["f"] == level).to_numpy()].mean().to_numpy()
        assert estimate == pytest.approx(ell @ fit.params.to_numpy(), rel=1e-12)
        assert std_error == pytest.approx(np.sqrt(ell @ covariance.to_numpy() @ ell), rel=1e-12)
        assert fit.contrast(ell)["df"].iloc[0] == pytest.approx(
            table.set_index("f").loc[level, "df"]
        )


def test_limits_without_adjustment(fit):
    table = fit.emmeans("f", level=0.9)
    half = stats.t.ppf(0.95, table["df"]) * table["std_error"]
    np.testing.assert_allclose(table["upper"], table["estimate"] + half, rtol=1e-12)


@pytest.mark.parametrize("where", [2.9, 5.0, "least", "most", 20.0])
@pytest.mark.parametrize(
    ("formula", "slope"),
    [
        ("y ~ x + I(x**2) + (1 | block)", lambda x: [0, 1, 2 * x]),
        ("y ~ log(x) + (1 | block)", lambda x: [0, 1 / x]),
        (
            "y ~ exp(x / 10) + sqrt(x) + (1 | block)",
            lambda x: [0, np.exp(x / 10) / 10, 0.5 / x**0.5],
        ),
    ],
)
def test_slopes_of_curves(data, formula, slope, where):
    fit = lf.lmer(formula, data)
    x = {"least": data["x"].min(), "most": data["x"].max()}.get(where, where)
    ell = np.array(slope(x))
    row = fit.emtrends([], "x", at={"x": x}).iloc[0]
    covariance = fit.cov_params().to_numpy()
    assert row["estimate"] == pytest.approx(ell @ fit.params.to_numpy(), rel=1e-9)
    assert row["std_error"] == pytest.approx(np.sqrt(ell @ covariance @ ell), rel=1e-9)


def test_slopes_of_splines_at_the_ends(data):
    """Splines have no values beyond the data, so that steps are inwards."""
    fit = lf.lmer("y ~ bs(x, df=4) + (1 | block)", data)
    ends = [data["x"].min(), data["x"].max()]
    table = fit.emtrends("x", "x", at={"x": ends})
    h = 1e-6 * (ends[1] - ends[0])
    near = {"x": [ends[0], ends[0] + h, ends[1] - h, ends[1]], "block": ["0"] * 4}
    predicted = fit.predict(near, random="none").to_numpy()
    np.testing.assert_allclose(
        table["estimate"],
        [(predicted[1] - predicted[0]) / h, (predicted[3] - predicted[2]) / h],
        rtol=1e-3,
    )
    assert np.isfinite(fit.average(slope="x")["estimate"]).all()


def test_a_far_origin_changes_no_slope(data):
    near = lf.lmer("y ~ f * x + (1 | block)", data)
    far = lf.lmer("y ~ f * x + (1 | block)", data.assign(x=data["x"] + 1e4))
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(
            far.emtrends("f", "x")[column], near.emtrends("f", "x")[column], rtol=1e-6
        )


def test_numbers_with_two_values_stay_numbers(data):
    fit = lf.lmer("y ~ f + z + (1 | block)", data.assign(z=(data["g"] == "u").astype(float)))
    table = fit.emmeans("f")
    assert any("two values" in note for note in table.notes)
    both = fit.emmeans("f", at={"z": [0, 1]})  # as the note says
    assert not any("two values" in note for note in both.notes)
    assert not np.allclose(both["estimate"], table["estimate"])


# --- averages over rows ------------------------------------------------------------------------


def test_average_predictions(data, fit):
    rows = fit.design(random="none").X
    for level, row in fit.average("f").set_index("f").iterrows():
        chosen = (data["f"] == level).to_numpy()
        ell = rows[chosen].mean().to_numpy()
        expected = fit.contrast(ell).iloc[0]
        for column in ("estimate", "std_error", "df", "lower", "upper"):
            assert row[column] == pytest.approx(expected[column], rel=1e-10)


@pytest.mark.parametrize("by", [None, "g", ["g", "block"]])
def test_average_comparisons(data, fit, by):
    """Differences of predictions of all rows with one level and the other."""
    table = fit.average(by, comparison={"f": ("a", "c")})
    high, low = (
        fit.predict(data.assign(f=level), random="none").to_numpy() for level in ("c", "a")
    )
    found = pd.Series(high - low)
    keys = [] if by is None else [by] if isinstance(by, str) else by
    expected = (
        [found.mean()]
        if by is None
        else found.groupby([data[k] for k in reversed(keys)], observed=True).mean().to_numpy()
    )
    np.testing.assert_allclose(table["estimate"], expected, rtol=1e-10)
    assert list(table.columns[:2]) == ["term", "contrast"]
    assert set(table["contrast"]) == {"c - a"}


def test_steps_and_slopes_agree_for_lines(data):
    fit = lf.lmer("y ~ f * x + (1 | block)", data)
    steps, slopes = fit.average("f", comparison={"x": 2.0}), fit.average("f", slope="x")
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(steps[column], 2.0 * slopes[column], rtol=1e-9)
    np.testing.assert_allclose(steps["df"], slopes["df"], rtol=1e-8)


def test_counterfactual_values(data, fit):
    table = fit.average(at={"f": ["a", "b"], "x": [4.0, 5.0]})
    assert list(zip(table["f"], table["x"], strict=True)) == [
        ("a", 4.0),
        ("a", 5.0),
        ("b", 4.0),
        ("b", 5.0),
    ]
    given = fit.predict(data.assign(f="b", x=5.0), random="none").mean()
    assert table["estimate"].iloc[3] == pytest.approx(given, rel=1e-10)


def test_rows_of_another_table(data, fit):
    other = data.head(20).drop(columns=["y", "block"])
    table = fit.average("g", data=other)
    expected = fit.predict(other, random="none").groupby(other["g"]).mean()
    np.testing.assert_allclose(table["estimate"], expected, rtol=1e-10)
    sequential = fit.average(data=other, comparison={"f": "sequential"})
    assert list(sequential["contrast"]) == ["b - a", "c - b"]


def test_offsets_are_averaged(data):
    offset = lf.lmer("y ~ f + offset(2 * x) + (1 | block)", data)
    table = offset.average("f")
    expected = offset.predict(random="none").groupby(data["f"]).mean()
    np.testing.assert_allclose(table["estimate"], expected, rtol=1e-10)
    at = offset.emmeans("f", at={"x": 3.0})
    held = offset.emmeans("f")
    np.testing.assert_allclose(
        held["estimate"] - at["estimate"], 2 * (data["x"].mean() - 3.0), rtol=1e-10
    )


# --- estimability and nesting --------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::lmforms.errors.RankWarning")
def test_empty_cells(data):
    some = data[~((data["f"] == "c") & (data["g"] == "v"))]
    fit = lf.lmer("y ~ f * g + (1 | block)", some)
    table = fit.emmeans("f")
    assert table["estimate"].isna().tolist() == [False, False, True]
    assert any("not estimable" in note for note in table.notes)
    cells = fit.emmeans(["f", "g"])
    assert cells["estimate"].isna().sum() == 1
    # estimable, though neither mean is
    ratio = fit.emmeans(["f", "g"], contrast={"c, u less a, u": {"c u": 1, "a u": -1}})
    assert np.isfinite(ratio["estimate"]).all()
    by_cells = fit.emmeans("f", weights="cells")
    assert np.isfinite(by_cells["estimate"]).all()


@pytest.mark.filterwarnings("ignore::lmforms.errors.RankWarning")
def test_estimability_does_not_depend_on_units(data):
    some = data[~((data["f"] == "c") & (data["g"] == "v"))]
    near = lf.lmer("y ~ f * g + x + (1 | block)", some)
    far = lf.lmer("y ~ f * g + x + (1 | block)", some.assign(x=some["x"] * 1e9))
    for spec in ("f", "g", ["f", "g"]):
        a, b = near.emmeans(spec)["estimate"], far.emmeans(spec)["estimate"]
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::lmforms.errors.RankWarning")
def test_nested_levels_without_fictitious_cells(data):
    inner = data["g"] + data["f"].replace({"c": "a"})
    fit = lf.lmer("y ~ g + inner + (1 | block)", data.assign(inner=inner))
    table = fit.emmeans("inner")
    assert list(table.columns[:2]) == ["inner", "g"]
    assert len(table) == 4
    assert any("nested" in note for note in table.notes)
    means = table.groupby("g", observed=True)["estimate"].mean()
    np.testing.assert_allclose(fit.emmeans("g")["estimate"], means, rtol=1e-10)


# --- invariances ------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["sum", "helmert", "poly"])
def test_coding_does_not_matter(data, fit, coding):
    other = lf.lmer(
        "y ~ f * g + poly(x, 2) + (1 | block)", data, contrasts={"f": coding, "g": coding}
    )
    for call in (
        lambda m: m.emmeans("f", contrast="pairwise"),
        lambda m: m.emmeans(["g", "f"], weights="outer"),
        lambda m: m.joint_tests(),
        lambda m: m.average(slope="x"),
    ):
        ours, theirs = call(fit), call(other)
        for column in ours.columns[1:]:
            if ours[column].dtype.kind == "f":
                np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-5, atol=1e-8)


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_and_names_of_levels_do_not_matter(data, fit, seed):
    rng = np.random.default_rng(seed)
    names = dict(zip("abc", rng.permutation(["r", "s", "t"]), strict=True))
    shuffled = data.sample(frac=1.0, random_state=seed)
    other = lf.lmer(
        "y ~ f * g + poly(x, 2) + (1 | block)", shuffled.assign(f=shuffled["f"].map(names))
    )
    ours = fit.emmeans("f").set_index("f")
    theirs = other.emmeans("f").set_index("f")
    for level, name in names.items():
        np.testing.assert_allclose(
            ours.loc[level].to_numpy(dtype=float), theirs.loc[name].to_numpy(dtype=float), rtol=1e-5
        )


def test_own_units_of_the_response(data, fit):
    other = lf.lmer("y ~ f * g + poly(x, 2) + (1 | block)", data.assign(y=1e6 * data["y"]))
    ours, theirs = (m.emmeans("f", contrast="pairwise") for m in (fit, other))
    np.testing.assert_allclose(1e6 * ours["estimate"], theirs["estimate"], rtol=1e-6)
    np.testing.assert_allclose(ours["p_value"], theirs["p_value"], rtol=1e-5)


# --- adjustments --------------------------------------------------------------------------------


def family(t, df, means=4, covariance=None):
    r = len(t)
    covariance = np.eye(r) if covariance is None else covariance
    return Family(np.eye(r), covariance, np.array(t), np.broadcast_to(float(df), r).copy(), means)


@pytest.mark.parametrize("means", [2, 2.6, 3, 7, 60])
@pytest.mark.parametrize("df", [1.5, 4.0, 11.3, 200.0, np.inf])
def test_studentized_range(means, df):
    q = np.array([0.3, 1.5, 3.0, 4.5, 8.0])
    ours = studentized_range.survival(q, means, np.full(5, df))
    theirs = stats.studentized_range.sf(q, means, df)
    np.testing.assert_allclose(ours, theirs, atol=2e-5 if df < 2 else 1e-8)


def test_quantiles_are_interpolated_in_degrees_of_freedom():
    df = np.append(np.linspace(2.1, 80.0, 60), np.inf)
    found = studentized_range.quantile(0.95, 5, df)
    np.testing.assert_allclose(studentized_range.survival(found, 5, df), 0.05, atol=1e-8)


@pytest.mark.parametrize("means", [3, 5])
def test_multivariate_t_is_tukey_for_equal_variances(means):
    pairs = [(i, j) for i in range(means) for j in range(i + 1, means)]
    C = np.array([np.eye(means)[i] - np.eye(means)[j] for i, j in pairs]) / np.sqrt(2)
    t = np.array([0.5, 1.5, 2.5, 4.0])
    df = np.array([7.0, 22.5, 60.0, np.inf])
    ours, error = largest_t(C @ C.T).survival(t, df)
    np.testing.assert_allclose(
        ours, studentized_range.survival(np.sqrt(2) * t, means, df), atol=5e-5
    )
    assert error < 5e-5


def test_multivariate_t_of_independent_normal_statistics_is_sidak():
    t = np.array([1.0, 2.0, 3.0])
    ours, _ = largest_t(np.eye(3)).survival(t, np.full(3, np.inf))
    np.testing.assert_allclose(ours, 1 - (1 - 2 * stats.norm.sf(t)) ** 3, atol=2e-5)


def test_multivariate_t_of_one_statistic_is_t():
    ours, error = largest_t(np.array([[1.0]])).survival(np.array([2.0]), np.array([9.5]))
    assert ours[0] == pytest.approx(2 * stats.t.sf(2.0, 9.5), rel=1e-12)
    assert error == 0.0


def test_dunnett_is_close_to_the_approximation():
    """Four treatments against a control, equal correlations of one half."""
    correlation = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    known = family([2.0, 2.5, 3.0, 0.4], 20, covariance=correlation)
    exact, approximate = p_values(known, "mvt"), p_values(known, "dunnettx")
    scipy = [
        1
        - stats.multivariate_t(shape=correlation, df=20).cdf(
            np.full(4, t), lower_limit=np.full(4, -t), random_state=1
        )
        for t in known.statistic
    ]
    np.testing.assert_allclose(exact, scipy, atol=5e-4)
    np.testing.assert_allclose(approximate[:3], exact[:3], atol=0.006)
    np.testing.assert_allclose(approximate[3], exact[3], atol=0.03)


@pytest.mark.parametrize("adjust", ["tukey", "dunnettx", "mvt", "scheffe", "sidak", "bonferroni"])
@pytest.mark.parametrize("df", [6.3, np.inf])
def test_limits_and_p_values_agree(adjust, df):
    """The p-value of a statistic at its critical value is 1 − level."""
    known = family([0.5, 1.0, 2.0], df)
    critical = critical_values(known, adjust, 0.9)
    there = p_values(family(critical, df), adjust)
    np.testing.assert_allclose(there, 0.1, atol=1e-9)


@pytest.mark.parametrize("adjust", STEPWISE)
def test_stepwise_adjustments_are_never_below_the_single_p_values(adjust):
    known = family([0.5, 2.4, 2.0, 3.0], 12.0)
    single = p_values(known, "none")
    assert (p_values(known, adjust) >= single - 1e-15).all()
    np.testing.assert_allclose(
        critical_values(known, adjust, 0.95), critical_values(known, "bonferroni", 0.95)
    )


@pytest.mark.parametrize("m", range(2, 15))
def test_polynomials_are_orthogonal_whole_numbers(m):
    rows = np.array(polynomials(m))
    assert len(rows) == min(m - 1, 6)
    gram = rows @ rows.T
    assert (gram == np.diag(np.diagonal(gram))).all()
    assert (rows.sum(axis=1) == 0).all()
    assert (np.gcd.reduce(rows, axis=1) == 1).all()
    assert (rows[:, -1] > 0).all()


# --- letters ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    m=st.integers(1, 9),
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20),
)
def test_letters_say_what_differs(m, pairs):
    different = {(min(p), max(p)) for p in pairs if p[0] != p[1] and max(p) < m}
    letters = compact_letters(np.arange(m) * 1.5, sorted(different))
    for i in range(m):
        assert letters[i]
        for j in range(i + 1, m):
            assert ((i, j) in different) == (not set(letters[i]) & set(letters[j]))
    used = set("".join(letters))
    assert used == set("abcdefghijklmnopqrstuvwxyz"[: len(used)])


def test_letters_of_means_agree_with_the_comparisons(data):
    fit = lf.lmer("y ~ block + f", data)
    table = fit.emmeans("block", letters=True, level=0.9)
    letters = dict(zip(map(str, table["block"]), table["letters"], strict=True))
    for _, row in fit.emmeans("block", contrast="pairwise").iterrows():
        a, b = (name.replace("block", "") for name in row["contrast"].split(" - "))
        assert (row["p_value"] < 0.1) == (not set(letters[a]) & set(letters[b]))


# --- scale of the response ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "inverse"),
    [
        ("log(y)", np.exp),
        ("np.log(y)", np.exp),
        ("log10(y)", lambda e: 10**e),
        ("log(3 * y)", lambda e: np.exp(e) / 3),
        ("log1p(y)", np.expm1),
        ("sqrt(y)", np.square),
        ("2 * sqrt(y + 1) - 3", lambda e: ((e + 3) / 2) ** 2 - 1),
        ("I(1 / y)", lambda e: 1 / e),
        ("I(y ** 0.25)", lambda e: e**4),
        ("I(y^2)", np.sqrt),
        ("log(log(y + 2))", lambda e: np.exp(np.exp(e)) - 2),
        ("exp(-y / 50)", lambda e: -50 * np.log(e)),
        ("asin(sqrt(y / 100))", lambda e: 100 * np.sin(e) ** 2),
    ],
)
def test_back_transformed_means(data, response, inverse):
    """Standard errors by a difference quotient of the inverse."""
    fit = lf.lmer(f"{response} ~ f + (1 | block)", data)
    link, shown = fit.emmeans("f"), fit.emmeans("f", kind="response")
    eta, h = link["estimate"].to_numpy(), 1e-6
    np.testing.assert_allclose(shown["estimate"], inverse(eta), rtol=1e-9)
    slope = (inverse(eta + h) - inverse(eta - h)) / (2 * h)
    np.testing.assert_allclose(shown["std_error"], np.abs(slope) * link["std_error"], rtol=1e-5)
    with np.errstate(invalid="ignore"):
        ends = [inverse(link[end].to_numpy()) for end in ("lower", "upper")]
    if not np.isnan(ends).any():
        np.testing.assert_allclose(
            shown[["lower", "upper"]].to_numpy().T, np.sort(ends, axis=0), rtol=1e-9
        )
    second = (inverse(eta + 1e-3) - 2 * inverse(eta) + inverse(eta - 1e-3)) / 1e-6
    adjusted = fit.emmeans("f", kind="response", bias_adjust=0.5)
    np.testing.assert_allclose(
        adjusted["estimate"], inverse(eta) + 0.125 * second, rtol=1e-3, atol=1e-6
    )


def test_limits_beyond_the_range_end_there(data):
    fit = lf.lmer("sqrt(y) ~ f * poly(x, 2) + (1 | block)", data)
    link = fit.emmeans("f", at={"x": 12.0})
    table = fit.emmeans("f", at={"x": 12.0}, kind="response")
    crossing = (link["lower"] < 0) & (link["estimate"] > 0)
    assert crossing.any()
    assert (table["lower"][crossing] == 0).all()
    assert (table["lower"] <= table["upper"])[link["estimate"] > 0].all()
    negative = link["estimate"] < 0
    assert table.loc[negative, ["estimate", "std_error", "lower", "upper"]].isna().all(axis=None)


def test_differences_of_logarithms_are_ratios(data):
    fit = lf.lmer("log(y) ~ f + (1 | block)", data)
    link = fit.emmeans("f", contrast="pairwise")
    table = fit.emmeans("f", contrast="pairwise", kind="response")
    assert list(table["contrast"]) == ["a / b", "a / c", "b / c"]
    np.testing.assert_allclose(table["estimate"], np.exp(link["estimate"]))
    np.testing.assert_allclose(table["upper"], np.exp(link["upper"]))
    np.testing.assert_array_equal(table["p_value"], link["p_value"])
    sums = {"sum": [1, 1, 0]}
    assert fit.emmeans("f", contrast=sums, kind="response")["estimate"].iloc[0] == pytest.approx(
        fit.emmeans("f", contrast=sums)["estimate"].iloc[0]
    )
    shifted = lf.lmer("log(y + 1) ~ f + (1 | block)", data)
    table = shifted.emmeans("f", contrast="pairwise", kind="response")
    assert "a - b" in set(table["contrast"])  # a ratio of y + 1 is none of y
    assert any("scale of log(y + 1)" in note for note in table.notes)


# --- what a table says ---------------------------------------------------------------------------


def test_notes(fit):
    notes = " ".join(fit.emmeans("f", contrast="pairwise", adjust="mvt").notes)
    for part in ("Satterthwaite", "Averaged over `g`", "`x` is held at its mean", "interacts"):
        assert part in notes
    assert "computed to about" in notes
    switched = fit.emmeans("f", contrast="eff", adjust="tukey")
    assert any("Šidák's is used" in note for note in switched.notes)
    assert any(
        "95 %, simultaneous by Bonferroni" in n for n in fit.emmeans("f", contrast="eff").notes
    )


def test_columns(fit):
    means = ["estimate", "std_error", "df", "lower", "upper"]
    tests = ["contrast", "estimate", "std_error", "df", "statistic", "p_value", "lower", "upper"]
    assert list(fit.emmeans(["f", "g"])) == ["f", "g", *means]
    assert list(fit.emmeans("f", "g", contrast="poly")) == ["g", *tests]
    assert list(fit.emmeans([])) == means
    assert list(fit.emmeans("f", letters=True)) == ["f", *means, "letters"]
    assert list(fit.joint_tests("g")) == ["g", "term", "num_df", "den_df", "statistic", "p_value"]
    assert list(fit.average(slope="x")) == ["term", *tests[1:]]


def test_given_contrasts(fit):
    by_order = fit.emmeans("f", contrast={"a less c": [1, 0, -1]})
    by_label = fit.emmeans("f", contrast={"a less c": {"a": 1, "c": -1}})
    as_matrix = fit.emmeans("f", contrast=[[1, 0, -1]])
    pair = fit.emmeans("f", contrast="pairwise", adjust="none").iloc[[1]]
    for table in (by_order, by_label, as_matrix):
        np.testing.assert_allclose(table["p_value"], pair["p_value"])
    control = fit.emmeans("f", contrast="trt.vs.ctrl", reference="c", adjust="none")
    assert list(control["contrast"]) == ["a - c", "b - c"]
    last = fit.emmeans("f", contrast="trt.vs.ctrlk", adjust="none")
    np.testing.assert_array_equal(control["p_value"], last["p_value"])


def test_models_without_random_terms_and_saved_fits(data, tmp_path):
    plain = lf.lmer("y ~ f * x", data)
    np.testing.assert_allclose(plain.emmeans("f")["df"], 120 - 6)
    plain.save(tmp_path / "fit")
    pd.testing.assert_frame_equal(
        pd.DataFrame(lf.load(tmp_path / "fit").emmeans("f")), pd.DataFrame(plain.emmeans("f"))
    )


def test_models_without_predictors(data):
    fit = lf.lmer("y ~ 1 + (1 | block)", data)
    for table in (fit.emmeans([]), fit.emmeans("1"), fit.average()):
        np.testing.assert_allclose(table["estimate"], fit.params)
        np.testing.assert_allclose(table["std_error"], fit.bse)
    assert len(fit.joint_tests()) == 0
    empty = lf.lmer("y ~ 0 + (1 | block)", data)
    for call in (lambda: empty.emmeans([]), empty.average, empty.joint_tests):
        with pytest.raises(ModelError, match="no fixed effects"):
            call()
