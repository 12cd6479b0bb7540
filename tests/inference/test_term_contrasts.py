"""Hypotheses of terms: definitions, codings, missing cells, ranks, numerical robustness."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from dense_terms import Term, f_statistic, hypotheses
from slow_cases import one_in, slow
from term_models import data, fitted

import lmforms as lf
from lmforms.errors import ArgumentError, RankWarning
from lmforms.inference.terms.fixed_terms import contained_terms
from lmforms.inference.terms.term_contrasts import contrasts_of, term_contrasts

pytestmark = pytest.mark.one_in(4)

TYPES = [1, 2, 3]


@pytest.fixture(scope="module")
def frame():
    return data()


def design_of(formula, table, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        return lf.MixedModel(formula, table, **options).design


def same_span(first, second, tolerance=1e-9):
    """Whether two matrices have the same row space."""
    assert first.shape[1] == second.shape[1]
    if not len(first) or not len(second):
        return len(first) == len(second)
    bases = [np.linalg.qr((rows / np.abs(rows).max()).T)[0] for rows in (first, second)]
    return bases[0].shape == bases[1].shape and np.allclose(
        bases[0] @ bases[0].T, bases[1] @ bases[1].T, atol=tolerance
    )


def as_dense(design, type, table, terms, numbers=None):
    """Compare with the slow twin; `terms` without the intercept."""
    numbers = {"x": table["x"].to_numpy(float), **(numbers or {})}
    all_terms = [*([Term()] if "Intercept" in design.fixed_terms else []), *terms]
    slow = hypotheses(type, all_terms, table, numbers, design.X)
    fast = term_contrasts(design, type)
    rng = np.random.default_rng(3)
    beta = rng.normal(size=design.X.shape[1])
    covariance = np.linalg.inv(design.X.T @ design.X)
    for term, L, wanted in zip(terms, fast.values(), slow[-len(terms) :], strict=True):
        statistic, rank = f_statistic(wanted, beta, covariance)
        assert len(L) == rank, term
        if rank:
            np.testing.assert_allclose(f_statistic(L, beta, covariance)[0], statistic, rtol=1e-8)


A, B, C, X = Term(("a",)), Term(("b",)), Term(("c",)), Term((), ("x",))
AB, AX = Term(("a", "b")), Term(("a",), ("x",))


# -- what the hypotheses are ---------------------------------------------------


def test_type_three_averages_cells_alike(frame):
    """With all cells filled, a is compared by the unweighted means of its cells."""
    design = design_of("y ~ 0 + a:b + (1 | g)", frame)
    cells = {name: i for i, name in enumerate(design.x_names)}
    design = design_of("y ~ a * b + (1 | g)", frame)
    means = frame.groupby(["a", "b"])[["y"]].size().index
    new = pd.DataFrame(means.to_list(), columns=["a", "b"]).assign(g="g01")
    fit = fitted("y ~ a * b + (1 | g)", frame)
    rows = fit.design(new).X.to_numpy()
    averages = np.array([rows[new["a"] == level].mean(axis=0) for level in ("a1", "a2", "a3")])
    assert same_span(term_contrasts(design, 3)["a"], averages[1:] - averages[0])
    assert len(cells) == 9


def test_type_one_is_sequential(frame):
    """L of a term tests what a smaller model, fitted by least squares, says of its columns."""
    design = design_of("y ~ a + x + b + (1 | g)", frame)
    L = term_contrasts(design, 1)
    beta = np.linalg.lstsq(design.X, frame["y"], rcond=None)[0]
    smaller = design_of("y ~ a + x + (1 | g)", frame)
    expected = np.linalg.lstsq(smaller.X, frame["y"], rcond=None)[0]
    np.testing.assert_allclose(L["x"] @ beta, expected[smaller.x_names.index("x")])


def test_type_two_leaves_out_containing_terms(frame):
    design = design_of("y ~ a * b + (1 | g)", frame)
    additive = design_of("y ~ b + a + (1 | g)", frame)
    beta = np.linalg.lstsq(design.X, frame["y"], rcond=None)[0]
    expected = np.linalg.lstsq(additive.X, frame["y"], rcond=None)[0]
    L = term_contrasts(design, 2)["a"]
    own = additive.fixed_terms["a"]
    covariance = np.linalg.inv(design.X.T @ design.X)
    statistic, rank = f_statistic(L, beta, covariance)
    block = np.linalg.inv(additive.X.T @ additive.X)[np.ix_(own, own)]
    wanted = expected[own] @ np.linalg.solve(block, expected[own]) / 2
    assert rank == 2
    np.testing.assert_allclose(statistic, wanted)


def test_three_of_four_cells():
    """2 × 2 with an empty cell: a is compared where both levels of a have rows; a:b cannot be."""
    table = pd.DataFrame({"a": list("ppqpppqp"), "b": list("uvuuvvuu"), "g": list("kkkklmlm")})
    table["y"] = np.arange(8.0) ** 1.5
    contrasts = contrasts_of(design_of("y ~ a * b + (1 | g)", table), 3)
    np.testing.assert_allclose(contrasts.L["a"], [[0.0, 1.0, 0.0]], atol=1e-14)
    np.testing.assert_allclose(contrasts.L["b"], [[0.0, 0.0, 1.0]], atol=1e-14)
    assert contrasts.L["a:b"].shape == (0, 3)
    assert contrasts.empty == {"a:b": (1, 4)}


@pytest.mark.parametrize("type", TYPES)
def test_one_term_is_the_same_for_all_types(frame, type):
    design = design_of("y ~ a + (1 | g)", frame)
    np.testing.assert_array_equal(term_contrasts(design, type)["a"], term_contrasts(design, 1)["a"])


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("fixed", ["1", "0"])
def test_no_terms(type, fixed, frame):
    table = frame.assign(one=1.0)
    formula = f"y ~ {fixed} + (1 | g)"
    assert term_contrasts(design_of(formula, table), type) == {}


# -- codings -------------------------------------------------------------------

CODINGS = [
    {"a": "contr.sum", "b": "contr.sum"},
    {"a": "contr.helmert"},
    {"a": "contr.SAS", "b": "contr.poly"},
    {"a": "contr.diff", "b": "contr.treatment"},
    {"a": [[0.0, 1.0], [1.0, 1.0], [2.0, -3.0]]},
]


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("rows", [slow("all"), "one empty cell"])
@pytest.mark.parametrize("contrasts", CODINGS, ids=str)
def test_contrasts_do_not_matter(frame, contrasts, rows, type):
    table = frame if rows == "all" else frame[~((frame["a"] == "a3") & (frame["b"] == "b3"))]
    formula = "y ~ a * b + a * x + (1 | g)"
    plain, coded = fitted(formula, table), fitted(formula, table, contrasts=contrasts)
    pd.testing.assert_frame_equal(
        pd.DataFrame(coded.anova(type)), pd.DataFrame(plain.anova(type)), rtol=1e-7
    )


def test_contrasts_in_the_formula(frame):
    plain = fitted("y ~ a * b + (1 | g)", frame).anova()
    coded = fitted("y ~ C(a, contr.sum) * C(b, contr.treatment('b2')) + (1 | g)", frame).anova()
    np.testing.assert_allclose(coded.to_numpy(), plain.to_numpy(), rtol=1e-7)


def test_ordered_factors_and_booleans(frame):
    ordered = frame.assign(
        b=pd.Categorical(frame["b"], categories=["b1", "b2", "b3"], ordered=True),
        late=frame["late"].astype(str),
    )
    plain = fitted("y ~ late * b + (1 | g)", frame).anova()
    other = fitted("y ~ late * b + (1 | g)", ordered).anova()
    np.testing.assert_allclose(other.to_numpy(), plain.to_numpy(), rtol=1e-7)


@pytest.mark.parametrize("type", TYPES)
def test_names_in_backticks(frame, type):
    renamed = frame.rename(columns={"a": "dose (mg)", "x": "class", "b": "b.c"})
    ours = fitted("y ~ `dose (mg)` * `class` + b.c + (1 | g)", renamed).anova(type)
    plain = fitted("y ~ a * x + b + (1 | g)", frame).anova(type)
    np.testing.assert_allclose(ours.to_numpy(), plain.to_numpy(), rtol=1e-7)
    assert "dose (mg):class" in ours.index


@pytest.mark.parametrize("type", TYPES)
def test_contrasts_of_fewer_columns(frame, type):
    """A factor that is only allowed a linear trend: b's one column is what is tested."""
    linear = [[-1.0], [0.0], [1.0]]
    table = frame.assign(trend=frame["b"].map({"b1": -1.0, "b2": 0.0, "b3": 1.0}))
    coded = fitted("y ~ a + b + (1 | g)", table, contrasts={"b": linear}).anova(type)
    plain = fitted("y ~ a + trend + (1 | g)", table).anova(type)
    assert coded["num_df"].tolist() == [2, 1]
    np.testing.assert_allclose(coded["statistic"], plain["statistic"], rtol=1e-8)


def test_averages_under_contrasts_of_fewer_columns(frame):
    """Type III of a averages over the levels of b, not at the zero of b's column."""
    table = frame.assign(trend=frame["b"].map({"b1": 0.0, "b2": 1.0, "b3": 2.0}))
    coded = fitted("y ~ a * b + (1 | g)", frame, contrasts={"b": [[0.0], [1.0], [2.0]]})
    centred = fitted("y ~ a * I(trend - 1) + (1 | g)", table)
    np.testing.assert_allclose(coded.anova()["statistic"], centred.anova()["statistic"], rtol=1e-8)


# -- formulas ------------------------------------------------------------------

FORMULAS = {
    "a * b + x": [A, B, X, AB],
    "0 + a": [A],
    "0 + a * b": [A, B, AB],
    "0 + a + x:a": [A, AX],
    "a / b": [A, AB],
    "a:b": [AB],
    "0 + a:b + a:x": [AB, AX],
    "a:c + a:b": [Term(("a", "c")), AB],
    "0 + a:c + a:b": [Term(("a", "c")), AB],
    "x * a * c": [X, A, C, AX, Term(("c",), ("x",)), Term(("a", "c")), Term(("a", "c"), ("x",))],
    "a + x + x:z:b": [A, X, Term(("b",), ("x", "z"))],
    "(a + b + c)**2 - b:c": [A, B, C, AB, Term(("a", "c"))],
    "late * a": [Term(("late",)), A, Term(("late", "a"))],
}


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("missing", [slow("none"), "some cells"])
@pytest.mark.parametrize("fixed", FORMULAS)
def test_formulas_against_dense_matrices(frame, fixed, missing, type):
    table = frame
    if missing != "none":
        cell = frame["a"] + frame["b"] + frame["c"]
        table = frame[~cell.isin(["a1b2c1", "a1b2c2", "a3b3c2", "a2b1c1"])].reset_index(drop=True)
    design = design_of(f"y ~ {fixed} + (1 | g)", table)
    numbers = {"z": table["z"].to_numpy(float)}
    as_dense(design, type, table, FORMULAS[fixed], numbers)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize(
    "fixed", ["poly(x, 2) * a", "bs(x, df=4) + a", "bs(x, df=5, include_intercept=True) + a"]
)
def test_transforms_of_several_columns(frame, fixed, type):
    design = design_of(f"y ~ {fixed} + (1 | g)", frame)
    transform = fixed.split(" * ")[0].split(" + ")[0]
    alone = design_of(f"y ~ {transform} + (1 | g)", frame).X[:, 1:]
    t = Term((), ("t",))
    terms = [t, A, Term(("a",), ("t",))] if "*" in fixed else [t, A]
    as_dense(design, type, frame, terms, {"t": alone})


def test_transforms_have_one_test_each(frame):
    table = fitted("y ~ poly(x, 2) * a + np.exp(z) + I(z**2) + (1 | g)", frame).anova()
    assert table["num_df"].tolist() == [2, 2, 1, 1, 4]
    assert table.index.tolist()[0] == "poly(x, 2)"


# -- ranks ---------------------------------------------------------------------


@pytest.mark.parametrize("type", TYPES)
def test_covariate_that_a_factor_spans(frame, type):
    """dose is a function of a: a after dose has one df left, dose after a none."""
    table = fitted("y ~ dose + a + (1 | g)", frame).anova(type)
    assert table["num_df"].tolist() == [1 if type == 1 else 0, 1]
    assert table.loc["a", "statistic"] > 0
    if type > 1:
        assert table.loc["dose", ["statistic", "p_value", "den_df"]].isna().all()
        assert any("dose" in note for note in table.notes)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("fixed", ["a + x + x:a + b", "a * b + x"])
def test_numbers_that_are_constant_in_a_level(frame, fixed, type):
    """x does not vary among the rows of a3: its slope there is part of that level."""
    table = frame.assign(x=np.where(frame["a"] == "a3", 2.0, frame["x"]))
    terms = {"a + x + x:a + b": [A, X, B, AX], "a * b + x": [A, B, X, AB]}[fixed]
    as_dense(design_of(f"y ~ {fixed} + (1 | g)", table), type, table, terms)


@pytest.mark.parametrize("type", TYPES)
def test_three_way_with_one_row_cells(type):
    rng = np.random.default_rng(8)
    n = 40
    table = pd.DataFrame({k: rng.choice(list(v), n) for k, v in {"a": "pqr", "b": "uvw"}.items()})
    table["c"], table["g"] = rng.choice(list("st"), n), rng.choice(list("klmno"), n)
    table["x"], table["y"] = rng.normal(size=n), rng.normal(size=n)
    abc = [A, B, C, AB, Term(("a", "c")), Term(("b", "c")), Term(("a", "b", "c"))]
    as_dense(design_of("y ~ a * b * c + (1 | g)", table), type, table, abc)


@pytest.mark.parametrize("seed", one_in(4, range(16)))
def test_random_designs(seed):
    """Few rows, empty cells, nested levels, covariates that are constant in a level, any terms."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(10, 45))
    table = pd.DataFrame(
        {f: rng.choice([f"{f}{i}" for i in range(rng.integers(2, 5))], n) for f in "abc"}
    )
    table["x"], table["z"] = rng.integers(-2, 3, n).astype(float), rng.normal(size=n).round(1)
    table["g"], table["y"] = rng.choice(list("klmno"), n), rng.normal(size=n)
    if seed % 3 == 0:
        table["x"] = table["x"].where(table["a"] != "a0", 1.0)
    if seed % 4 == 1:
        table["c"] = table["a"] + table["c"]
    possible = [t for size in (1, 2, 3) for t in combinations("abcxz", size)]
    chosen = {possible[i] for i in rng.choice(len(possible), int(rng.integers(1, 5)))}
    if seed % 2:  # with all margins
        chosen = {m for t in chosen for k in range(len(t)) for m in combinations(t, k + 1)}
    ordered = sorted(chosen, key=lambda t: (len(t), t))
    fixed = " + ".join(["1" if seed % 5 else "0", *(":".join(t) for t in ordered)])
    used = sorted({f for t in ordered for f in t} & set("abc"))
    contrasts = {f: str(rng.choice(["contr.sum", "contr.SAS", "contr.poly"])) for f in used[:1]}
    design = design_of(f"y ~ {fixed} + (1 | g)", table, contrasts=contrasts)
    terms = [
        Term(tuple(f for f in t if f in "abc"), tuple(x for x in t if x in "xz")) for t in ordered
    ]
    for type in TYPES:
        as_dense(design, type, table, terms, {"z": table["z"].to_numpy()})


# -- numerical robustness ------------------------------------------------------


def same_tables(ours, wanted, *, rtol, columns=("num_df", "statistic", "p_value")):
    for name in columns:
        np.testing.assert_allclose(ours[name], wanted[name], rtol=rtol, err_msg=name)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("factor", [1e6, 1e-6, -3.0])
def test_units_of_covariates(frame, factor, type):
    formula = "y ~ x * a * b + poly(z, 2) + I(x * z) + (1 | g)"
    plain = fitted(formula, frame).anova(type)
    scaled = fitted(formula, frame.assign(x=frame["x"] * factor)).anova(type)
    same_tables(scaled, plain, rtol=1e-8, columns=("num_df", "statistic", "den_df", "sum_sq"))


@pytest.mark.parametrize("type", TYPES)
def test_origin_of_covariates(frame, type):
    """A slope and its interactions do not know the origin, though X is nearly singular for it."""
    formula = "y ~ x * a + x * b + (1 | g)"
    plain = fitted(formula, frame).anova(type)
    shifted = fitted(formula, frame.assign(x=frame["x"] + 1e4)).anova(type)
    terms = plain.index if type == 1 else ["x", "x:a", "x:b"]
    same_tables(shifted.loc[terms], plain.loc[terms], rtol=1e-6)


def test_effect_at_the_origin_of_a_covariate(frame):
    """a beside x:a is tested where x is zero (SAS): after a shift, at another place."""
    plain = fitted("y ~ x * a + (1 | g)", frame)
    shifted = fitted("y ~ x * a + (1 | g)", frame.assign(x=frame["x"] - 2.0))
    names = plain.params.index
    L = np.zeros((2, len(names)))
    for i, level in enumerate(("a2", "a3")):
        L[i, names.get_loc(f"a[T.{level}]")] = 1.0
        L[i, names.get_loc(f"x:a[T.{level}]")] = 2.0
    wanted = plain.contrast(L, joint=True)
    np.testing.assert_allclose(
        shifted.anova().loc["a", ["statistic", "den_df"]].to_numpy(dtype=float),
        wanted[["statistic", "den_df"]].to_numpy(dtype=float)[0],
        rtol=1e-7,
    )


@pytest.mark.parametrize("type", TYPES)
def test_order_of_rows_and_levels(frame, type):
    formula = "y ~ a * b + x + (1 | g)"
    table = frame[~((frame["a"] == "a1") & (frame["b"] == "b2"))]
    plain = fitted(formula, table).anova(type)
    same_tables(fitted(formula, table.sample(frac=1, random_state=4)).anova(type), plain, rtol=1e-8)
    other = table.assign(
        a=pd.Categorical(table["a"], categories=["a3", "a1", "a2"]),
        b=table["b"].map({"b1": "w", "b2": "u", "b3": "v"}),
    )
    same_tables(
        fitted(formula, other).anova(type), plain, rtol=1e-8, columns=("num_df", "statistic")
    )


def test_levels_without_rows_are_no_levels(frame):
    wide = frame.assign(a=pd.Categorical(frame["a"], categories=["a0", "a1", "a2", "a3"]))
    same_tables(
        fitted("y ~ a * b + (1 | g)", wide).anova(),
        fitted("y ~ a * b + (1 | g)", frame).anova(),
        rtol=1e-9,
    )


def test_rows_that_a_transformation_drops(frame):
    """Levels of rows that log(x) makes NaN have no cells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = fitted("y ~ np.log(x + 1) + a * b + (1 | g)", frame.assign(x=frame["x"])).anova()
    kept = frame[frame["x"] > -1]
    same_tables(whole, fitted("y ~ np.log(x + 1) + a * b + (1 | g)", kept).anova(), rtol=1e-9)


def test_hypotheses_do_not_involve_other_terms(frame):
    design = design_of("y ~ a * b + x + (1 | g)", frame)
    for type in (2, 3):
        L = term_contrasts(design, type)
        for others in ("Intercept", "b", "x"):
            assert (L["a"][:, design.fixed_terms[others]] == 0.0).all()
        assert (L["x"][:, design.fixed_terms["a:b"]] == 0.0).all()


# -- which terms contain which -------------------------------------------------


def test_contained_terms(frame):
    design = design_of("y ~ a * b + x:a + x + poly(z, 2) + (1 | g)", frame)
    assert contained_terms(design) == {
        "a": ("a:b", "x:a"),
        "b": ("a:b",),
        "x": ("x:a",),
        "poly(z, 2)": (),
        "a:b": (),
        "x:a": (),
    }


# -- the table -----------------------------------------------------------------


def test_table(frame):
    fit = fitted("y ~ a * b + (1 | g)", frame[~((frame["a"] == "a1") & (frame["b"] == "b2"))])
    table = fit.anova()
    assert table.columns.tolist() == [
        "sum_sq",
        "mean_sq",
        "num_df",
        "den_df",
        "statistic",
        "p_value",
    ]
    assert table.title == "Type III tests of terms"
    assert table.notes[0].startswith("Type III")
    assert "Satterthwaite" in table.notes[1]
    assert table.notes[-1].startswith("1 of the 9 combinations of levels of a:b has no rows")
    assert table.notes[-2] == "Hypotheses that are estimable, where not all are: a:b (3 of 4)."
    assert not any("combinations" in note for note in fit.anova(2).notes)
    np.testing.assert_allclose(table["mean_sq"], table["statistic"] * fit.scale, rtol=1e-12)
    np.testing.assert_allclose(table["sum_sq"], table["mean_sq"] * table["num_df"], rtol=1e-12)


@pytest.mark.parametrize("ddf", ["residual", "between-within", "none", "kenward-roger-linear"])
def test_other_degrees_of_freedom(frame, ddf):
    fit = fitted("y ~ a * b + (1 | g)", frame)
    table, plain = fit.anova(ddf=ddf), fit.anova()
    if ddf != "kenward-roger-linear":
        np.testing.assert_allclose(table["statistic"], plain["statistic"], rtol=1e-9)
    if ddf == "residual":
        assert (table["den_df"] == fit.nobs - len(fit.params)).all()
    if ddf == "none":
        assert np.isinf(table["den_df"]).all()
    assert (table["p_value"] > 0).all()


def test_between_within_by_level():
    """cake: recipes are compared between groups, temperatures within (nlme: 42 and 210)."""
    cake = lf.datasets.load("cake")
    fit = lf.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", cake)
    for type in TYPES:
        assert fit.anova(type, ddf="between-within")["den_df"].tolist() == [42.0, 210.0, 210.0]


def test_kenward_roger_of_one_hypothesis():
    """Two blocks by two varieties: F has one denominator df, and is the square of t."""
    oats = lf.datasets.load("Oats")
    few = oats[oats["Block"].isin(["I", "II"]) & oats["Variety"].isin(["Victory", "Marvellous"])]
    fit = lf.lmer("yield ~ Variety + nitro + (1 | Block/Variety)", few)
    row = fit.anova(ddf="kenward-roger").loc["Variety"]
    single = fit.contrast("Variety[T.Victory]", ddf="kenward-roger").iloc[0]
    np.testing.assert_allclose(row["den_df"], 1.0, rtol=1e-7)
    np.testing.assert_allclose(row["statistic"], single["statistic"] ** 2)
    np.testing.assert_allclose(row["p_value"], single["p_value"])


def test_cake():
    cake = lf.datasets.load("cake")
    fit = lf.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", cake)
    row = fit.anova().loc["temperature"]
    assert (row["num_df"], round(row["den_df"], 6), round(row["statistic"], 2)) == (5, 210, 20.52)


@pytest.mark.parametrize("type", TYPES)
def test_without_random_terms(frame, type):
    """A linear model: F of the sums of squares."""
    fit = lf.lmer("y ~ a * b + x", frame)
    table = fit.anova(type)
    smaller = lf.lmer("y ~ a + b + x", frame)
    rss = [float((f.resid**2).sum()) for f in (smaller, fit)]
    np.testing.assert_allclose(table.loc["a:b", "sum_sq"], rss[0] - rss[1], rtol=1e-9)


def test_after_loading(frame, tmp_path):
    fit = fitted("y ~ poly(x, 2) * a + C(b, contr.sum) + (1 | g)", frame)
    fit.save(tmp_path / "fit.lmf")
    pd.testing.assert_frame_equal(
        pd.DataFrame(lf.load(tmp_path / "fit.lmf").anova()), pd.DataFrame(fit.anova()), rtol=1e-9
    )


def test_weights_do_not_change_hypotheses(frame):
    plain, weighted = (design_of("y ~ a * b + (1 | g)", frame, weights=w) for w in (None, "w"))
    for type in TYPES:
        L, same = term_contrasts(plain, type), term_contrasts(weighted, type)
        for term in L:
            np.testing.assert_array_equal(L[term], same[term])


@pytest.mark.parametrize("given, hint", [("III", "3"), ("2", "2"), (4, ""), (True, ""), (None, "")])
def test_wrong_type(frame, given, hint):
    fit = fitted("y ~ a + (1 | g)", frame)
    with pytest.raises(ArgumentError, match="use one of 1, 2, 3") as error:
        fit.anova(given)
    assert str(error.value).endswith(f"Did you mean {hint}?" if hint else "1, 2, 3.")


def test_wrong_arguments(frame):
    fit = fitted("y ~ a + (1 | g)", frame)
    with pytest.raises(ArgumentError, match="ddf"):
        fit.anova(ddf="satterthwait")
    with pytest.raises(ArgumentError, match="typ"):
        fit.anova(typ=3)
