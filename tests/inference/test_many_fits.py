"""Degrees of freedom and p-values of many responses are those of single fits."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dense_inference import dense_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from slow_cases import one_in, slow

import lmforms as lf
from lmforms.engine.batch import arrangement, shared_sums
from lmforms.errors import ArgumentError
from lmforms.inference.degrees_of_freedom.variance_information import inverse_information
from lmforms.inference.multiple_tests import NAMES, adjusted_p_values
from lmforms.many import chunk_fitter, coefficients
from lmforms.many import profiled_criteria as cached

pytestmark = pytest.mark.one_in(4)

REFERENCE = Path(__file__).parents[1] / "reference" / "many_tests.json"

FORMULAS = [
    "~ x + (1 | g)",
    "~ 0 + x + f + (0 + x | g)",
    "~ x + f + (x | g)",
    "~ x * z + (x + z | g)",
    "~ x + (z || g)",
    "~ x + (1 | g) + (1 | h)",
    "~ 1 + (1 | h / g)",
    "~ x + (x | g) + (1 | h)",
    "~ x",
]


def example(seed: int, count: int = 4) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(70, 120))
    data = pd.DataFrame(
        {
            "g": rng.integers(0, 9, n),
            "h": rng.integers(0, 5, n),
            "x": rng.normal(size=n) + 2.0,
            "z": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "w": rng.uniform(0.4, 2.5, n),
        }
    )
    Y = rng.normal(size=(n, count))
    for name in ("g", "h"):
        effects = rng.normal(size=(2, 9, count)) * rng.choice([0.0, 0.6, 1.5], size=(2, 1, count))
        Y += effects[0][data[name]] + effects[1][data[name]] * data["x"].to_numpy()[:, None]
    return data, Y


def quiet(formula: str, data: pd.DataFrame, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer("y_ " + formula, data.assign(y_=y), **options)


def many_of(formula: str, data: pd.DataFrame, Y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer_many(formula, data, Y, **options)


def equal_single_fits(
    many, formula: str, data: pd.DataFrame, Y: np.ndarray, identified: bool = True, **options
) -> None:
    """At the same θ: two searches end within the tolerance of the criterion, not of θ."""
    thetas = many.fits[[c for c in many.fits if c.startswith("theta")]].to_numpy()
    for j in range(Y.shape[1]):
        one = quiet(formula, data, Y[:, j], **options)
        same = one.at(thetas[j][~np.isnan(thetas[j])])
        df, p = (frame.iloc[j].dropna() for frame in (many.df_denom, many.pvalues))
        assert list(df.index) == list(one.params.index)
        assert_allclose(df, same.df_denom, rtol=1e-6)
        assert_allclose(p, same.pvalues, rtol=1e-4, atol=1e-12)
        gap = abs(one.criterion - many.fits["criterion"][j])
        if identified and not many.fits["singular"][j] and gap < 1e-6:
            assert_allclose(df, one.df_denom, rtol=5e-3)
            assert_allclose(p, one.pvalues, rtol=1e-2, atol=1e-5)


# --- figures of lmerTest and p.adjust ---------------------------------------------------


def reference_cases():
    return json.loads(REFERENCE.read_text())["cases"]


def name_of(case) -> str:
    return f"{case['data']} {case['formula']} {'REML' if case['reml'] else 'ML'}"


def transformed(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    data = lf.datasets.load("Pastes" if name == "Pastes" else "sleepstudy")
    data = data[:67] if name == "short" else data
    y = data["strength" if name == "Pastes" else "Reaction"]
    Y = {
        "plain": y,
        "speed": 1e3 / y,
        "root": np.sqrt(y),
        "logged": np.log(y),
        "square": y**2 / 100,
    }
    return data, pd.DataFrame(Y)


@pytest.mark.parametrize("case", reference_cases(), ids=name_of)
def test_lmertest(case):
    data, Y = transformed(case["data"])
    many = lf.lmer_many(case["formula"], data, Y[case["responses"]], reml=case["reml"])
    same = many.fits["criterion"] > np.array(case["criterion"]) - 1e-6
    assert same.sum() >= 4  # lme4 fails once
    df, p = (np.reshape(case[name], many.df_denom.shape) for name in ("df", "p_value"))
    assert_allclose(many.df_denom[same.to_numpy()], df[same], rtol=1e-6)
    assert_allclose(many.pvalues[same.to_numpy()], p[same], rtol=2e-5)
    assert not many.fits["singular"].any()


@pytest.mark.slow
@pytest.mark.parametrize("case", one_in(2, reference_cases()[::5]), ids=name_of)
def test_adjustments_of_r(case):
    p = np.array(case["p_value"]).reshape(len(case["responses"]), -1)
    for name, wanted in case["adjusted"].items():
        for column, expected in zip(p.T, np.reshape(wanted, p.shape).T, strict=True):
            assert_allclose(adjusted_p_values(column, name), expected, rtol=1e-12)
    sidak = adjusted_p_values(p[:, 0], "sidak")
    assert_allclose(sidak, 1 - (1 - p[:, 0]) ** len(p), rtol=1e-8, atol=1e-15)
    assert set(case["adjusted"]) | {"sidak"} == set(NAMES)


# --- single fits, and n×n algebra -------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**16),
    formula=st.sampled_from(FORMULAS),
    weighted=st.booleans(),
    reml=st.booleans(),
)
def test_random_models(seed, formula, weighted, reml):
    data, Y = example(seed)
    options = {"reml": reml, **({"weights": "w"} if weighted else {})}
    equal_single_fits(many_of(formula, data, Y, **options), formula, data, Y, **options)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("reml", [True, slow(False)])
def test_every_structure(formula, reml):
    data, Y = example(len(formula))
    equal_single_fits(many_of(formula, data, Y, reml=reml), formula, data, Y, reml=reml)


@pytest.mark.parametrize(
    "formula", ["~ x + f + (1 | g)", "~ x + (x | g)", "~ x + z + (1 | g) + (1 | h)"]
)
@pytest.mark.parametrize("reml", [True, False])
def test_dense_twin(formula, reml):
    data, Y = example(17)
    many = many_of(formula, data, Y, reml=reml)
    for j in np.flatnonzero(~many.fits["singular"]):
        theta = many.fits.filter(like="theta").to_numpy()[j]
        twin = dense_model(quiet(formula, data, Y[:, j], reml=reml).at(theta))
        p = many.df_denom.shape[1]
        wanted = [twin.satterthwaite(row, "observed") for row in np.eye(p)]
        assert_allclose(many.df_denom.iloc[j], wanted, rtol=1e-6)
    assert (~many.fits["singular"]).sum() >= 3


@pytest.mark.parametrize("rank", [12, 4])
@pytest.mark.parametrize("reml", [True, False])
def test_known_covariance(rank, reml):
    data, Y = example(3)
    root = np.random.default_rng(rank).normal(size=(9, rank))
    K = pd.DataFrame(root @ root.T / rank, index=range(9), columns=range(9))
    options = {"reml": reml, "relationship": {"g": K}}
    formula = "~ x + f + (1 | g)"
    equal_single_fits(many_of(formula, data, Y, **options), formula, data, Y, **options)


@pytest.mark.parametrize("formula", ["~ x + offset(3 * z) + (1 | g)", "~ offset(x) + (x | g)"])
def test_offset(formula):
    data, Y = example(4)
    equal_single_fits(many_of(formula, data, Y), formula, data, Y)


@pytest.mark.parametrize("formula", ["~ x + f + (1 | g)", "~ x + f + (x | g)", "~ f + (0 + f | g)"])
@pytest.mark.parametrize("kept", [32, slow(2)])
def test_missing_rows(formula, kept, monkeypatch):
    """Rows of their own, without a level of f, and more patterns than are kept."""
    monkeypatch.setattr(chunk_fitter, "MOST_PATTERNS_KEPT", kept)
    data, Y = example(5, count=6)
    Y[3, 1] = Y[7, 1] = Y[3, 2] = Y[7, 2] = Y[0, 3] = np.nan
    Y[data["f"] == "a", 4] = Y[data["f"] == "b", 5] = np.nan
    many = many_of(formula, data, Y, missing="drop")
    equal_single_fits(many, formula, data, Y)
    absent = many.pvalues.isna().sum(axis=1)
    assert absent.tolist() == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("formula", ["~ x + f + (x | g)", "~ x + (1 | g) + (1 | h)"])
def test_one_by_one_and_in_small_batches(formula, monkeypatch):
    data, Y = example(6)
    wanted = many_of(formula, data, Y)
    monkeypatch.setattr(shared_sums, "BATCH_NUMBERS", 1)
    small = many_of(formula, data, Y)
    assert_allclose(small.df_denom, wanted.df_denom, rtol=1e-6)
    monkeypatch.setattr(arrangement, "MOST_WORK", 0.0)
    slow = many_of(formula, data, Y)
    equal_single_fits(slow, formula, data, Y)
    equal_single_fits(wanted, formula, data, Y)


def test_one_component_in_blocks(monkeypatch):
    data, Y = example(7)
    wanted = many_of("~ x + (1 | g)", data, Y)
    monkeypatch.setattr(cached, "CACHED_ENTRIES", 1)
    assert_allclose(many_of("~ x + (1 | g)", data, Y).df_denom, wanted.df_denom, rtol=1e-7)


def test_conjugate_gradients_and_a_mixture_of_engines():
    data, Y = example(8)
    control = lf.Control(factor="cg")
    formula = "~ x + (1 | g) + (1 | h)"
    many = many_of(formula, data, Y, control=control)
    for j in range(4):
        one = quiet(formula, data, Y[:, j], control=control)
        assert_allclose(many.df_denom.iloc[j], one.df_denom, rtol=1e-6)
    assert many.fixed.notes[0] == "Degrees of freedom: Satterthwaite, average information."
    exact = many_of(formula, data, Y)
    both = lf.ManyFits.joined([exact, many])
    assert "4 responses: average information." in both.fixed.notes
    assert_allclose(both.df_denom[:4], exact.df_denom)
    assert_allclose(both.df_denom[4:], many.df_denom)


# --- invariances ------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), formula=st.sampled_from(FORMULAS))
def test_units_weights_and_order(seed, formula):
    data, Y = example(seed)
    rng = np.random.default_rng(seed)
    wanted = many_of(formula, data, Y)
    order, scale = rng.permutation(4), 10.0 ** rng.integers(-6, 7, 4)
    rows = rng.permutation(len(data))
    other = many_of(
        formula, data.iloc[rows], scale * Y[rows][:, order], weights=np.full(len(Y), 4.0)
    )
    assert_allclose(other.fits["criterion"].notna(), True)
    # θ is found to the tolerance of the criterion: see `equal_single_fits`
    same = ~wanted.fits["singular"].to_numpy()[order]
    assert_allclose(
        other.df_denom[same], wanted.df_denom.to_numpy()[order][same], rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("formula", ["~ x + (1 | g)", "~ x + (x | g)"])
def test_balanced_designs_have_whole_numbers(formula):
    """A predictor that is the same in all levels: n − q − 1, or q − 1 with slopes of its own."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(10), 8), "x": np.tile(np.arange(8.0), 10)})
    Y = rng.normal(size=(80, 6)) + 2.0 * rng.normal(size=(10, 6))[data["g"]]
    Y += 0.7 * rng.normal(size=(10, 6))[data["g"]] * data["x"].to_numpy()[:, None]
    many = many_of(formula, data, Y)
    assert_allclose(many.df_denom["x"], 69.0 if formula == "~ x + (1 | g)" else 9.0, rtol=1e-6)


# --- what has no test, and what is left out ---------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["~ x + (1 | g)", "~ x + (1 | g) + (1 | h)"])
def test_responses_without_a_fit(formula):
    data, Y = example(9, count=5)
    Y[:, 1], Y[:, 2] = 3.0, 2.0 * data["x"] - 1.0
    many = many_of(formula, data, Y)
    for frame in (many.df_denom, many.pvalues, many.adjusted_pvalues("holm")):
        assert frame.isna().all(axis=1).tolist() == [False, True, True, False, False]
    rest = many_of(formula, data, Y[:, [0, 3, 4]])
    assert_allclose(many.pvalues.dropna(), rest.pvalues)
    assert_allclose(many.adjusted_pvalues().dropna(), rest.adjusted_pvalues())
    assert "adjusted for 3 responses" in many.adjusted_pvalues().notes[-1]


def test_variances_of_zero():
    dyestuff = lf.datasets.load("Dyestuff2")
    many = lf.lmer_many("~ 1 + (1 | Batch)", dyestuff, ["Yield"])
    assert_allclose(many.df_denom, 29.0)
    assert "Singular fits of 1 response: variances of zero count as known." in many.fixed.notes


@pytest.mark.parametrize("formula", ["~ C(g) + (1 | g)", "~ C(g) + (1 | g) + (1 | h)"])
@pytest.mark.parametrize("reml", [True, False])
def test_unidentified_variances_are_left_out(formula, reml):
    data, Y = example(10)
    many = many_of(formula, data, Y, reml=reml)
    equal_single_fits(many, formula, data, Y, identified=False, reml=reml)
    assert (many.df_denom > 1.0).all(axis=None)


def test_without_fixed_effects():
    data, Y = example(11)
    for formula in ("~ 0 + (1 | g)", "~ 0 + (1 | g) + (1 | h)"):
        many = many_of(formula, data, Y)
        assert many.pvalues.shape == (4, 0)
        assert many.adjusted_pvalues().shape == (4, 0)
        assert list(many.fixed.columns) == COLUMNS
        assert len(many.fixed) == 0


def test_information_of_many_is_that_of_each():
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(5, 3, 3))
    roots[1, :, 2] = 0.0  # a direction without information
    information = roots @ roots.swapaxes(1, 2)
    information[2, 1] = information[2, :, 1] = 0.0
    inverse, ignored = inverse_information(information)
    assert ignored.tolist() == [0, 1, 1, 0, 0]
    for one, found, count in zip(information, inverse, ignored, strict=True):
        alone, left_out = inverse_information(one)
        assert_allclose(found, alone)
        assert count == left_out
        assert_allclose(one @ found @ one, one, atol=1e-7)
    assert_allclose(inverse[0], np.linalg.inv(information[0]))
    assert_allclose(inverse[2][1], 0.0)


# --- the tables -------------------------------------------------------------------------

COLUMNS = ["response", "term", "estimate", "std_error", "df", "statistic", "p_value"]


def test_tables_agree():
    data, Y = example(13)
    names = ["b", "a", "d", "c"]
    many = many_of("~ x + f + (1 | g)", data, pd.DataFrame(Y, columns=names))
    fixed = many.fixed
    assert list(fixed.columns) == COLUMNS
    assert list(many.pvalues.index) == names
    assert many.pvalues.index.name == "response"
    terms = list(many.pvalues.columns)
    assert list(fixed["term"]) == terms * 4
    for frame, column in ((many.df_denom, "df"), (many.pvalues, "p_value")):
        wide = fixed.pivot(index="response", columns="term", values=column)
        assert_allclose(wide.loc[names, terms], frame)
        assert frame.notes[0] == "Degrees of freedom: Satterthwaite, observed information."
    assert_allclose(fixed["statistic"], fixed["estimate"] / fixed["std_error"])
    assert "observed information" in str(fixed)
    assert "observed information" in str(many.pvalues)


def test_computed_once_and_only_when_asked(monkeypatch):
    calls = []
    original = coefficients.all_degrees_of_freedom

    def counted(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(coefficients, "all_degrees_of_freedom", counted)
    data, Y = example(14)
    many = many_of("~ x + (x | g)", data, Y, chunk=2)
    assert len(many) == 4
    many.forms(rank=1, max_iter=2, tol=1.0)
    assert not calls
    for found in (many.pvalues, many.df_denom, many.fixed, many.adjusted_pvalues("by")):
        assert len(found)
    assert len(calls) == 1
    assert many.fixed is many.fixed


@pytest.mark.parametrize("formula", ["~ x + (1 | g)", "~ x + (x | g)"])
def test_chunks_streams_and_pickles(formula):
    data, Y = example(15, count=7)
    whole = many_of(formula, data, Y).fixed
    for found in (
        many_of(formula, data, Y, chunk=2).fixed,
        many_of(formula, data, iter([Y[:, :3], Y[:, 3:]])).fixed,
        pd.concat([part.fixed for part in many_of(formula, data, iter([Y]), stream=True, chunk=3)]),
        pickle.loads(pickle.dumps(many_of(formula, data, Y))).fixed,
    ):
        assert list(found["response"]) == list(whole["response"])
        assert_allclose(found[["df", "p_value"]], whole[["df", "p_value"]], rtol=1e-5)


def test_responses_with_labels_of_two_parts():
    data, Y = example(16)
    names = pd.MultiIndex.from_product([["a", "b"], [0, 1]])
    many = many_of("~ x + (1 | g)", data, pd.DataFrame(Y, columns=names), chunk=3)
    assert list(many.pvalues.index) == list(names)


def test_unknown_adjustment():
    data, Y = example(17)
    many = many_of("~ x + (1 | g)", data, Y)
    with pytest.raises(ArgumentError, match="adjust='fdr_bh'"):
        many.adjusted_pvalues("fdr_bh")
    with pytest.raises(ArgumentError, match="adjust"):
        many.adjusted_pvalues(None)
    with pytest.raises(ArgumentError, match="Did you mean `adjust`"):
        many.adjusted_pvalues(adjusted="fdr")
