"""Fits of chunks against fits of all rows in memory."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    DataError,
    FormulaError,
    MemoryLimitError,
    MissingDataError,
    MissingDataWarning,
    ModelError,
    RankWarning,
    SingularWarning,
)

pa = pytest.importorskip("pyarrow")


def chunks(data, size):
    return [data.iloc[i : i + size] for i in range(0, len(data), size)]


def same(fit, whole, rtol=1e-9):
    """Criterion and β to 1e-9, θ and random effects to 1e-6."""
    assert fit.nobs == whole.nobs
    assert fit.criterion == pytest.approx(whole.criterion, rel=rtol, abs=1e-9)
    assert list(fit.params.index) == list(whole.params.index)
    size = np.abs(whole.params).max()
    np.testing.assert_allclose(fit.params, whole.params, rtol=1e-8, atol=rtol * size)
    np.testing.assert_allclose(fit.bse, whole.bse, rtol=1e-6)
    np.testing.assert_allclose(fit.theta, whole.theta, rtol=1e-5, atol=1e-6)
    for name, effects in whole.random_effects.items():
        own = fit.random_effects[name]
        assert list(own.columns) == list(effects.columns)
        assert own.index.names == effects.index.names
        assert own.index.tolist() == effects.index.tolist()
        scale = np.abs(effects.to_numpy()).max()
        np.testing.assert_allclose(own, effects, rtol=0, atol=1e-6 * scale + 1e-12)


MODELS = [
    ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    ("sleepstudy", "Reaction ~ Days + (Days || Subject)"),
    ("sleepstudy", "Reaction ~ 0 + Days + (0 + Days | Subject)"),
    ("sleepstudy", "log(Reaction) ~ I(Days**2) + Days + (1 | Subject)"),
    ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    ("Pastes", "strength ~ 1 + (1 | batch / cask)"),
    ("Machines", "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)"),
    ("Machines", "score ~ 0 + Machine + (0 + Machine | Worker)"),
    ("Machines", "score ~ Machine + cs(0 + Machine | Worker)"),
    ("cake", "angle ~ recipe * temperature + (1 | recipe:replicate)"),
    ("cake", "angle ~ C(recipe, contr.sum) + temp + offset(0.1 * temp) + (1 | replicate)"),
    ("dung", "pr_dung ~ flies + (1 | oven_block)"),
]


@pytest.mark.parametrize(("name", "formula"), MODELS)
@pytest.mark.parametrize("size", [13, 1000])
def test_models_of_chunks(name, formula, size):
    data = lf.datasets.load(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        same(lf.lmer(formula, chunks(data, size)), lf.lmer(formula, data))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(0, 90), min_size=1, max_size=6))
def test_any_split_and_any_order(seed, sizes):
    """Also with empty chunks; the order of the rows must not matter."""
    data = lf.datasets.load("sleepstudy").sample(frac=1.0, random_state=seed % 1000)
    ends = np.cumsum(sizes)
    parts = [data.iloc[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]
    formula = "Reaction ~ Days + (Days | Subject)"
    same(lf.lmer(formula, parts), lf.lmer(formula, lf.datasets.load("sleepstudy")))


def test_ml_start_and_control():
    data = lf.datasets.load("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    whole = lf.lmer(formula, data, reml=False)
    fit = lf.lmer(formula, chunks(data, 50), reml=False, start=whole)
    same(fit, whole)
    same(fit.refit(reml=True), lf.lmer(formula, data))
    with pytest.raises(ArgumentError, match="needs rows in memory"):
        lf.lmer(formula, chunks(data, 50), method="em")


def test_weights_and_offset():
    data = lf.datasets.load("sleepstudy")
    random = np.random.default_rng(1)
    data = data.assign(w=random.uniform(0.5, 2.0, len(data)), o=random.normal(size=len(data)))
    formula = "Reaction ~ Days + (Days | Subject)"
    options = {"weights": "w", "offset": "o"}
    same(lf.lmer(formula, chunks(data, 31), **options), lf.lmer(formula, data, **options))
    with pytest.raises(ArgumentError, match="name of a column"):
        lf.lmer(formula, chunks(data, 31), weights=data["w"])
    bad = data.assign(w=np.where(data.index == 100, -1.0, data["w"]))
    with pytest.raises(DataError, match="weight"):
        lf.lmer(formula, chunks(bad, 31), weights="w")


def test_missing_values():
    data = lf.datasets.load("sleepstudy").astype({"Days": float})
    data.loc[[3, 80], "Reaction"] = np.nan
    data.loc[[80, 90], "Days"] = np.nan
    data.loc[100, "Subject"] = None
    formula = "Reaction ~ Days + (Days | Subject)"
    with pytest.warns(MissingDataWarning) as told:
        fit = lf.lmer(formula, chunks(data, 31))
    with pytest.warns(MissingDataWarning) as expected:
        whole = lf.lmer(formula, data)
    same(fit, whole)
    assert str(told[0].message) == str(expected[0].message)
    with pytest.raises(MissingDataError, match="4 of 180 rows"):
        lf.lmer(formula, chunks(data, 31), missing="raise")
    with pytest.warns(MissingDataWarning):
        fit = lf.lmer("log(Reaction - 250) ~ Days + (1 | Subject)", chunks(data.dropna(), 31))
    with pytest.warns(MissingDataWarning):
        whole = lf.lmer("log(Reaction - 250) ~ Days + (1 | Subject)", data.dropna())
    same(fit, whole)


def test_level_of_incomplete_rows_alone():
    """The first pass sees it, and no complete row has it: it gets no column."""
    data = lf.datasets.load("Machines").astype({"Machine": str, "Worker": str})
    extra = data.iloc[:2].assign(Machine="0", score=np.nan)
    both = pd.concat([extra, data])
    with pytest.warns(MissingDataWarning):
        fit = lf.lmer("score ~ Machine + (1 | Worker)", chunks(both, 20))
    same(fit, lf.lmer("score ~ Machine + (1 | Worker)", data))
    extra = data.iloc[:2].assign(Worker="0", score=np.nan)
    with pytest.warns(MissingDataWarning):
        fit = lf.lmer("score ~ Machine + (1 | Worker)", chunks(pd.concat([extra, data]), 20))
    same(fit, lf.lmer("score ~ Machine + (1 | Worker)", data))


def test_order_of_categories_does_not_matter():
    data = lf.datasets.load("Machines")
    parts = []
    for i, part in enumerate(chunks(data, 9)):
        order = np.roll(["A", "B", "C"], i).tolist()
        parts.append(part.assign(Machine=pd.Categorical(part["Machine"].astype(str), order)))
    formula = "score ~ Machine + (1 | Worker)"
    same(lf.lmer(formula, parts), lf.lmer(formula, data.astype({"Machine": str})))
    kept = data.assign(Machine=pd.Categorical(data["Machine"].astype(str), ["C", "A", "B"]))
    fit = lf.lmer(formula, chunks(kept, 9))
    assert list(fit.params.index) == ["Intercept", "Machine[T.A]", "Machine[T.B]"]
    same(fit, lf.lmer(formula, kept))


def test_booleans_and_dependent_columns():
    data = lf.datasets.load("sleepstudy")
    data = data.assign(late=data["Days"] > 4, twice=2.0 * data["Days"])
    formula = "Reaction ~ Days + late + twice + (1 | Subject)"
    with pytest.warns(RankWarning, match="`twice`"):
        fit = lf.lmer(formula, chunks(data, 3))
    with pytest.warns(RankWarning):
        whole = lf.lmer(formula, data)
    same(fit, whole)
    with pytest.raises(ModelError, match="depends linearly"):
        lf.lmer("Reaction ~ Days + (Days + twice | Subject)", chunks(data, 40))


def test_known_levels_save_the_first_pass():
    data = lf.datasets.load("Machines").astype({"Machine": str})
    formula = "score ~ Machine + (1 | Worker)"
    whole = lf.lmer(formula, data)
    levels = {"Machine": ["A", "B", "C"]}
    same(lf.lmer(formula, iter(chunks(data, 9)), levels=levels), whole)
    with pytest.raises(DataError, match=r"can be read once.*`Machine`"):
        lf.lmer(formula, iter(chunks(data, 9)))
    same(lf.lmer(formula, lambda: iter(chunks(data, 9))), whole)
    with pytest.raises(DataError, match=r"chunk.*level C.*not among"):
        lf.lmer(formula, chunks(data, 9), levels={"Machine": ["A", "B"]})
    for wrong in ({"Nothing": ["a"]}, {"Machine": "A"}, {"Machine": []}, ["A"]):
        with pytest.raises(ArgumentError, match="levels"):
            lf.lmer(formula, chunks(data, 9), levels=wrong)
    with pytest.raises(ArgumentError, match="levels= is for sources"):
        lf.lmer(formula, data, levels=levels)


@pytest.mark.parametrize("shift", [0.0, 1e9])
def test_groups_far_apart(shift):
    random = np.random.default_rng(4)
    g = np.repeat(np.arange(30), 20)
    data = pd.DataFrame({"g": g, "x": random.normal(size=600)})
    data["y"] = shift + data["x"] + 1e4 * random.normal(size=30)[g] + random.normal(size=600)
    same(lf.lmer("y ~ x + (1 | g)", chunks(data, 130)), lf.lmer("y ~ x + (1 | g)", data), 1e-8)


def test_exact_labels():
    """Large whole numbers, text, and several columns of labels."""
    random = np.random.default_rng(3)
    n = 400
    data = pd.DataFrame(
        {
            "id": random.choice(2**53 + np.arange(0, 60, 2), n),
            "name": random.choice(["é", "b", "a", "Z"], n),
            "x": random.normal(size=n),
        }
    )
    data["y"] = data["x"] + random.normal(size=n) + (data["id"] % 7)
    for formula in ("y ~ x + (1 | id)", "y ~ x + (1 | name:id)", "y ~ x + (1 | id) + (x | name)"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularWarning)
            same(lf.lmer(formula, chunks(data, 33)), lf.lmer(formula, data))


def test_computed_groups():
    data = lf.datasets.load("sleepstudy")
    formula = "Reaction ~ Days + (1 | Subject) + (1 | I(Days % 3))"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        same(lf.lmer(formula, chunks(data, 33)), lf.lmer(formula, data))


def test_what_cannot_be_streamed():
    data = lf.datasets.load("sleepstudy")
    parts = chunks(data, 40)
    with pytest.raises(ArgumentError, match="residual= needs rows"):
        lf.lmer("Reaction ~ Days + (1 | Subject)", parts, residual="ar1(Days | Subject)")
    with pytest.raises(ArgumentError, match="relationship= needs rows"):
        lf.lmer("Reaction ~ Days + (1 | Subject)", parts, relationship={"Subject": np.eye(18)})
    with pytest.raises(DataError, match="depends on the other rows"):
        lf.lmer("Reaction ~ I(Days - Days.mean()) + (1 | Subject)", parts)
    with pytest.raises(FormulaError, match="not numeric"):
        lf.lmer("word ~ Days + (1 | Subject)", [p.assign(word="a") for p in parts])
    with pytest.raises(ModelError, match="constant"):
        lf.lmer("Reaction ~ Days + (1 | Subject)", [p.assign(Reaction=1.0) for p in parts])
    with pytest.raises(ModelError, match="one level"):
        lf.lmer("Reaction ~ Days + (1 | Subject)", [p.assign(Subject=1) for p in parts])
    with pytest.raises(ModelError, match=r"180 × 1 = 180 random effects for 180 rows"):
        lf.lmer("Reaction ~ Days + (1 | row)", chunks(data.assign(row=range(180)), 40))
    with pytest.raises(DataError, match="infinite"):
        lf.lmer("log(Days) ~ 1 + (1 | Subject)", parts)
    with pytest.raises(DataError, match="no rows, or all of them have missing"):
        lf.lmer("Reaction ~ Days + (1 | Subject)", [p.assign(Reaction=np.nan) for p in parts])
    with pytest.raises(DataError, match="no_column"):
        lf.lmer("Reaction ~ no_column + (1 | Subject)", parts)


TRANSFORMS = [
    "scale(Days)",
    "center(Days) + I(center(Days)**2)",
    "scale(log(Days + 1), center=False)",
    "scale(Days, scale=2.0)",
    "scale(Days, center=3.0)",
    "standardize(Days)",
    "poly(Days, 3)",
    "poly(Days, 2, raw=True)",
    "bs(Days, knots=[3, 6])",
    "bs(Days, knots=[4], lower_bound=-1, upper_bound=10)",
    "ns(Days, knots=[2, 5])",
    "cr(Days, knots=[2, 5])",
]


@pytest.mark.parametrize("term", TRANSFORMS)
def test_transforms_learn_from_all_rows(term):
    data = lf.datasets.load("sleepstudy").sort_values("Days")  # the first chunk has other numbers
    formula = f"Reaction ~ {term} + (1 | Subject)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        fit, whole = lf.lmer(formula, chunks(data, 41)), lf.lmer(formula, data)
    same(fit, whole)
    new = data.iloc[[0, 50, 170]]
    np.testing.assert_allclose(fit.predict(new), whole.predict(new), rtol=1e-9)


def test_transforms_of_random_effects_and_responses():
    data = lf.datasets.load("sleepstudy").sort_values("Days")
    formula = "scale(Reaction) ~ scale(Days) + (scale(Days) | Subject)"
    same(lf.lmer(formula, chunks(data, 41)), lf.lmer(formula, data))


def test_transforms_that_need_all_values():
    data = lf.datasets.load("sleepstudy")
    for term in ("bs(Days, df=5)", "ns(Days, 3)", "cr(Days, df=4)"):
        with pytest.raises(ModelError, match="give knots="):
            lf.lmer(f"Reaction ~ {term} + (1 | Subject)", chunks(data, 41))
    with pytest.raises(ModelError, match="transform of another"):
        lf.lmer("Reaction ~ poly(scale(Days), 2) + (1 | Subject)", chunks(data, 41))
    with pytest.raises(ModelError, match="learns from all values"):
        lf.lmer(
            "Reaction ~ cr(Days, knots=[2, 5], constraints='center') + (1 | Subject)",
            chunks(data, 41),
        )
    with pytest.raises(DataError, match="read once"):
        lf.lmer("Reaction ~ scale(Days) + (1 | Subject)", iter(chunks(data, 41)))


def test_sums_that_become_too_large():
    random = np.random.default_rng(1)
    a, b = random.integers(0, 3000, (2, 20_000))
    data = pd.DataFrame({"a": a, "b": b, "y": random.normal(size=20_000)})
    few = lf.Control(memory=2_000_000)
    with pytest.raises(MemoryLimitError, match=r"pairs of levels that meet.*Control\(memory=…\)"):
        lf.lmer("y ~ 1 + (1 | a) + (1 | b)", chunks(data, 500), control=few)
    with pytest.raises(MemoryLimitError, match="after"):
        lf.summarise("y ~ 1 + (1 | a) + (1 | b)", data, control=few)
    lf.summarise("y ~ 1 + (1 | a) + (1 | b)", data)


def test_labels_that_are_refused_in_memory():
    random = np.random.default_rng(1)
    data = pd.DataFrame({"y": random.normal(size=200), "g": random.integers(0, 9, 200)})
    large = data.assign(g=2.0**53 + 2.0 * data["g"])
    with pytest.raises(DataError, match="read them as whole numbers"):
        lf.lmer("y ~ 1 + (1 | g)", chunks(large, 50))
    text = data.assign(g=data["g"].astype(str).replace("3", "NA"))
    for rows in (text, chunks(text, 50)):
        with pytest.raises(DataError, match="NA"):
            lf.lmer("y ~ 1 + (1 | g)", rows)


def test_labels_of_many_types():
    random = np.random.default_rng(2)
    g = random.integers(0, 9, 300)
    effects = np.linspace(-2.0, 2.0, 9)
    data = pd.DataFrame({"y": effects[g] + random.normal(size=300), "g": g})
    kinds = {
        "unsigned": g.astype(np.uint64) + np.uint64(2**63),
        "negative": g - 5,
        "far apart": g * 10**12,
        "float": g / 4.0,
        "boolean": g > 4,
        "date": pd.Timestamp("2024-02-27") + pd.to_timedelta(g, unit="D"),
        "text": np.array(list("zyxwvutsr"))[g],
    }
    for labels in kinds.values():
        own = data.assign(g=labels)
        same(lf.lmer("y ~ 1 + (1 | g)", chunks(own, 70)), lf.lmer("y ~ 1 + (1 | g)", own))
    mixed = [data[:100], data[100:].astype({"g": float})]  # 3 and 3.0 are one level
    same(lf.lmer("y ~ 1 + (1 | g)", mixed), lf.lmer("y ~ 1 + (1 | g)", data))


def test_dictionaries_that_grow_and_begin_again():
    """Labels of a row group: each batch goes on the dictionary of the one before."""
    random = np.random.default_rng(5)
    labels = np.array([f"p{i:03}" for i in range(300)])
    g = random.integers(0, 300, 4_000)
    data = pd.DataFrame({"y": g % 7 + random.normal(size=4_000), "g": labels[g]})
    parts, known = [], []
    for i, own in enumerate(chunks(data, 400)):
        if i == 6:
            known = ["never", *labels[::-1]]
        known += [label for label in own["g"].unique() if label not in known]
        codes = pd.Categorical(own["g"], known).codes.astype(np.int32)
        column = pa.DictionaryArray.from_arrays(codes, known)
        parts.append(pa.table({"y": own["y"].to_numpy(), "g": column}))
    whole = lf.lmer("y ~ 1 + (1 | g)", data)
    fit = lf.lmer("y ~ 1 + (1 | g)", parts)
    assert fit.criterion == pytest.approx(whole.criterion, rel=1e-9)
    own = fit.random_effects["g"].sort_index()
    assert own.index.tolist() == whole.random_effects["g"].index.tolist()
    np.testing.assert_allclose(own, whole.random_effects["g"], atol=1e-6)
