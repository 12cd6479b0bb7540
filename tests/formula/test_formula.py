"""The formula language: what R's mixed-model syntax means here, and how errors point at it."""

from __future__ import annotations

import ast
import json
import random
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fuzz import formulas as fuzz_formulas
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from slow_cases import slow

import lmforms as lf
from lmforms.errors import (
    ColumnError,
    DataError,
    FormulaError,
    LmformsError,
    ModelError,
    SingularWarning,
)
from lmforms.formula.formula_part import translated
from lmforms.formula.lexer import spaced
from lmforms.formula.parse import parse_formula
from lmforms.formula.term_algebra import expand
from lmforms.formula.transforms import rounded

pytestmark = pytest.mark.one_in(4)

N = 96


def make_data() -> pd.DataFrame:
    rng = np.random.default_rng(20)
    g, h = np.repeat(np.arange(8), 12), np.tile(np.arange(6), 16)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.uniform(1.0, 2.0, size=N),
            "f": pd.Categorical(rng.choice(list("abc"), N)),
            "s": rng.choice(["u", "v"], N),
            "b": rng.random(N) > 0.4,
            "g": g,
            "h": h,
        }
    )
    noise = rng.normal(size=N) + rng.normal(size=8)[g] + rng.normal(size=6)[h]
    data.insert(0, "y", noise + data["x"] * (1.0 + rng.normal(size=8)[g]))
    return data


DATA = make_data()


def fit(formula: str, data: pd.DataFrame = DATA, **options):
    """A fit whose warning about a singular covariance does not matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        return lf.lmer(formula, data, **options)


def criterion(formula: str, data: pd.DataFrame = DATA, **options) -> float:
    return fit(formula, data, **options).criterion


def same(one: str, other: str, **options) -> None:
    assert_allclose(criterion(one, **options), criterion(other, **options), rtol=1e-9)


# --- against lme4 -------------------------------------------------------------------------

# R 4.2.2, lme4 1.1-31, bobyqa with rhoend 1e-10: minus twice the restricted log-likelihood
LME4_REML = [
    ("sleepstudy", "Reaction ~ Days + I(Days^2) + (Days | Subject)", 1742.8155996956),
    ("sleepstudy", "log(Reaction) ~ poly(Days, 2) + (1 | Subject)", -267.6626891590),
    ("sleepstudy", "Reaction ~ bs(Days, df = 5) + (1 | Subject)", 1751.9517620945),
    ("sleepstudy", "Reaction ~ scale(Days) + (scale(Days) | Subject)", 1741.5124877131),
    ("sleepstudy", "Reaction ~ Days + offset(3 * Days) + (Days | Subject)", 1743.6282719585),
    ("cake", "angle ~ recipe * temp + (1 | recipe:replicate)", 1703.2674800755),
    ("cake", "angle ~ recipe * temperature + (1 | recipe:replicate)", 1633.2461814723),
    ("cake", "angle ~ C(recipe, contr.sum) * temp + (1 | recipe:replicate)", 1707.6619292302),
    ("Oats", "yield ~ nitro + (1 | Block/Variety)", 593.0417533152),
    ("Oats", "yield ~ nitro * Variety + (1 | Block) + (1 | Variety:Block)", 563.2371973326),
    ("Machines", "score ~ Machine + (Machine | Worker)", 208.3112183164),
    ("Machines", "score ~ Machine + (0 + Machine | Worker)", 208.3112183164),
    ("Machines", "score ~ Machine - 1 + (1 | Worker/Machine)", 215.6875680082),
    ("Orthodont", "distance ~ age * Sex + (age | Subject)", 432.5816615026),
    ("Orthodont", "distance ~ 0 + Sex + age:Sex + (age || Subject)", 433.1509462915),
    ("Orthodont", "distance ~ Sex/age + (0 + age | Subject) + (1 | Subject)", 433.1509462915),
]


@pytest.mark.parametrize("name, formula, expected", LME4_REML)
def test_criterion_of_lme4(name, formula, expected):
    assert_allclose(criterion(formula, lf.datasets.load(name)), expected, rtol=2e-10)


# --- equivalent formulas --------------------------------------------------------------------


@pytest.mark.parametrize(
    "one, other",
    [
        ("y ~ x*f + (1|g)", "y ~ x + f + x:f + (1|g)"),
        ("y ~ f/x + (1|g)", "y ~ f + f:x + (1|g)"),
        ("y ~ (x + f + z)^2 + (1|g)", "y ~ x + f + z + x:f + x:z + f:z + (1|g)"),
        ("y ~ (x + f + z)**2 + (1|g)", "y ~ (x + f + z)^2 + (1|g)"),
        ("y ~ x*f - x + (1|g)", "y ~ f + x:f + (1|g)"),
        ("y ~ 0 + f + (1|g)", "y ~ f - 1 + (1|g)"),
        ("y ~ -1 + f + (1|g)", "y ~ f - 1 + (1|g)"),
        ("y ~ (1|g) - 1 + x", "y ~ 0 + x + (1|g)"),
        ("y ~ 1 + x + (1|g)", "y ~ (1|g) + x"),
        ("y ~ . - h - b + (1|g)", "y ~ x + z + f + s + (1|g)"),
        ("log(z) ~ . - h - b - z + (1|g)", "log(z) ~ y + x + f + s + (1|g)"),
        ("y ~ x + (1 + x | g)", "y ~ x + (x | g)"),
        ("y ~ x + (x - 1 | g)", "y ~ x + (0 + x | g)"),
        ("y ~ x + (x || g)", "y ~ x + (1 | g) + (0 + x | g)"),
        ("y ~ x + (x || g)", "y ~ x + diag(x | g)"),
        ("y ~ x + us(x | g)", "y ~ x + (x | g)"),
        slow("y ~ x + (x || g/s)", "y ~ x + (1|g) + (0+x|g) + (1|g:s) + (0+x|g:s)"),
        ("y ~ f + (f | g)", "y ~ f + (0 + f | g)"),
        ("y ~ x + (f*x | h)", "y ~ x + (1 + f + x + f:x | h)"),
        ("y ~ x + (z + x | g)", "y ~ x + (x + z | g)"),
        ("y ~ x + (1 | g/s)", "y ~ x + (1 | g) + (1 | g:s)"),
        slow("y ~ x + (1 | g/s/f)", "y ~ x + (1|g) + (1|g:s) + (1|g:s:f)"),
        ("y ~ x + (1 | h*s)", "y ~ x + (1 | h) + (1 | s) + (1 | h:s)"),
        ("y ~ x + (1 | (h + s)^2)", "y ~ x + (1 | h*s)"),
        ("y ~ x + (1 | h + s)", "y ~ x + (1 | h) + (1 | s)"),
        ("y ~ x + (1 | g:s)", "y ~ x + (1 | s:g)"),
        ("y ~ x + (1 | h) + (1 | g)", "y ~ x + (1 | g) + (1 | h)"),
        ("y ~ x + (1 | factor(g))", "y ~ x + (1 | g)"),
        ("y ~ x + (1 | C(g))", "y ~ x + (1 | g)"),
        ("y ~ x + (1 | factor(g)/s)", "y ~ x + (1 | g/s)"),
        ("y + x ~ z + (1|g)", "I(y + x) ~ z + (1|g)"),
        ("y^2 ~ x + (1|g)", "I(y*y) ~ x + (1|g)"),
        ("y ~ I(x^2) + (1|g)", "y ~ I(x**2) + (1|g)"),
        ("y ~ x + (I(x^2) | g)", "y ~ x + (I(x**2) | g)"),
        ("y ~ I((x + 1)^2) + (1|g)", "y ~ I(x*x + 2*x + 1) + (1|g)"),
        ("y ~ {x^2} + (1|g)", "y ~ I(x^2) + (1|g)"),
        ("y ~ poly(x, 2, raw=TRUE) + (1|g)", "y ~ x + I(x^2) + (1|g)"),
        ("y ~ center(x) + (1|g)", "y ~ x + (1|g)"),
        ("y ~ factor(h) + (1|g)", "y ~ C(h) + (1|g)"),
        ("y ~ x + (log(z) | g)", "y ~ x + (np.log(z) | g)"),
        ("y ~ ((x)) + ((1 | g))", "y ~ x + (1 | g)"),
        ("y ~ (((x + z))) + (((1 | g) + (1 | h)))", "y ~ x + z + (1 | g) + (1 | h)"),
        ("y ~ (x + (1 | g)) + z", "y ~ x + z + (1 | g)"),
        (" y\n~ x\t+ \n ( x\n|\ng ) ", "y ~ x + (x | g)"),
        ("y~x+(x|g)", "y  ~  x  +  ( x  |  g )"),
        ("y ~ `x` + (`x` | `g`)", "y ~ x + (x | g)"),
        ("y\n- z ~ x + {x\n* z} + offset(z +\nx) + (1 | g)", "I(y-z) ~ x+x:z+offset(x+z)+(1|g)"),
    ],
)
def test_equivalent_formulas(one, other):
    same(one, other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("y ~ poly(x, 2) + (1|g)", "y ~ x + I(x^2) + (1|g)"),
        ("y ~ scale(x) + (scale(x) | g)", "y ~ x + (x | g)"),
        ("y ~ C(f, contr.sum) + (1|g)", "y ~ f + (1|g)"),
        ("y ~ C(f, contr.helmert)*x + (1|g)", "y ~ f*x + (1|g)"),
        ("y ~ C(f, contr.treatment(base='b')) + (1|g)", "y ~ f + (1|g)"),
        ("y ~ 0 + f + x:f + (1|g)", "y ~ f*x + (1|g)"),
        ("y ~ f:s + (1|g)", "y ~ f*s + (1|g)"),
        ("y ~ x + (f:s | h)", "y ~ x + (0 + f:s | h)"),
    ],
)
def test_codings_that_span_the_same_space_have_the_same_likelihood(one, other):
    same(one, other, reml=False)


def test_contrasts_argument_equals_the_call():
    called = fit("y ~ C(f, contr.sum) + (1|g)")
    named = fit("y ~ f + (1|g)", contrasts={"f": "contr.sum"})
    assert_allclose(named.params, called.params, rtol=1e-9)
    short = fit("y ~ f + (1|g)", contrasts={"f": "sum"})
    assert_allclose(short.params, named.params, rtol=1e-12)


def test_contrast_matrix():
    matrix = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    by_matrix = fit("y ~ f + (1|g)", contrasts={"f": matrix})
    by_name = fit("y ~ f + (1|g)", contrasts={"f": "contr.sum"})
    assert_allclose(by_matrix.params, by_name.params, rtol=1e-9)


def test_double_bar_separates_a_factors_columns():
    separate = fit("y ~ f + (0 + f || g)")
    assert len(separate.theta) == 3
    indicators = DATA.assign(**{c: (DATA["f"] == c) * 1.0 for c in "abc"})
    by_hand = fit("y ~ f + (0 + a | g) + (0 + b | g) + (0 + c | g)", indicators)
    assert_allclose(separate.criterion, by_hand.criterion, rtol=1e-9)


def test_boolean_is_a_treatment_coded_factor():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logical = fit("y ~ b*x + (1|g)")
    number = fit("y ~ b*x + (1|g)", DATA.assign(b=DATA["b"] * 1.0))
    assert_allclose(logical.params.to_numpy(), number.params.to_numpy(), rtol=1e-8)


def test_boolean_slope_has_two_columns():
    logical, number = fit("y ~ x + (b|g)"), fit("y ~ x + (b|g)", DATA.assign(b=DATA["b"] * 1.0))
    assert len(logical.theta) == len(number.theta) == 3
    assert_allclose(logical.criterion, number.criterion, rtol=1e-9)


def test_formula_with_neither_intercept_nor_predictor():
    assert len(fit("y ~ 0 + (1|g)").params) == 0


# --- offset ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offset, response",
    [
        ("offset(z)", "I(y - z)"),
        ("offset(log(z))", "I(y - log(z))"),
        ("offset(z) + offset(log(z))", "I(y - z - log(z))"),
        ("offset(2*z)", "I(y - 2*z)"),
        ("offset(z^2)", "I(y - z^2)"),
        ("offset(x*z)", "I(y - x*z)"),
        ("offset(z/2)", "I(y - z/2)"),
        ("offset(x - z)", "I(y - x + z)"),
    ],
)
def test_offset_is_subtracted_from_the_response(offset, response):
    same(f"y ~ x + {offset} + (1|g)", f"{response} ~ x + (1|g)")


def test_offset_term_equals_the_argument():
    assert_allclose(
        fit("y ~ x + offset(z) + (1|g)").params, fit("y ~ x + (1|g)", offset="z").params
    )


def test_dot_leaves_out_the_offset_argument():
    named = fit("y ~ . - h - b + (1|g)", offset="z")
    assert "z" not in named.params.index


# --- names ------------------------------------------------------------------------------------


def double(values):
    return 2.0 * values


def test_function_of_the_module():
    same("y ~ double(x) + (double(x) | g)", "y ~ I(2*x) + (I(2*x) | g)")


def test_local_names():
    half, four = (lambda v: v / 2.0), 4.0
    assert half(four) == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        local = lf.lmer("y ~ half(x) + I(z*four) + (half(x) | g)", DATA).criterion
    assert_allclose(local, criterion("y ~ I(x/2) + I(4*z) + (I(x/2) | g)"), rtol=1e-9)


def test_two_steps_use_the_callers_names_too():
    half = lambda v: v / 2.0  # noqa: E731
    model = lf.MixedModel("y ~ half(x) + (1|g)", DATA)
    assert_allclose(model.fit().params["half(x)"], 2.0 * fit("y ~ x + (1|g)").params["x"])
    assert half(2.0) == 1.0


def test_variable_that_shadows_a_transform_breaks_nothing():
    log, scale = np.exp, None
    shadowed = lf.lmer("y ~ log(z) + scale(x) + (1|g)", DATA).criterion
    assert log is np.exp
    assert scale is None
    assert_allclose(shadowed, lf.lmer("y ~ np.log(z) + scale(x) + (1|g)", DATA).criterion)


def test_variable_that_shadows_a_column_breaks_nothing():
    x, g = 5.0, "nonsense"
    assert lf.lmer("y ~ x + (1|g)", DATA).criterion == criterion("y ~ x + (1|g)")
    assert (x, g) == (5.0, "nonsense")


def test_context_replaces_a_transform():
    replaced = criterion("y ~ log(x) + (1|g)", context={"log": np.square})
    assert_allclose(replaced, criterion("y ~ I(x^2) + (1|g)"), rtol=1e-12)


def test_unicode_names():
    data = DATA.rename(columns={"x": "Δx", "y": "größe", "g": "组"})
    assert_allclose(criterion("größe ~ Δx + (Δx|组)", data), criterion("y ~ x + (x|g)"))


def test_labels_of_terms():
    named = fit("y ~ x + (x || g/s) + (1 | h)")
    assert list(named.ngroups) == ["g", "g:s", "h"]
    assert named.formula == "y ~ x + (x || g/s) + (1 | h)"


# --- errors ----------------------------------------------------------------------------------

MALFORMED = [  # formula, and the same with the culprit in ⟨ ⟩
    "⟨y⟩",
    "⟨~⟩ x + (1|g)",
    "y ⟨~⟩",
    "y ~ x + ⟨(⟩1|g",
    "y ~ x + ⟨(⟩(1|g)",
    "y ~ x⟨)⟩ + (1|g)",
    "y ~ x + (1|g)⟨)⟩",
    "y ~ x + 1⟨|⟩g",
    "y ~ x ⟨|⟩ g",
    "y ~ x + (1⟨||⟩)",
    "y ~ x + (⟨|⟩g)",
    "y ~ (1|g⟨|⟩h)",
    "y ~ x ⟨~⟩ z + (1|g)",
    "(1⟨|⟩g) ~ x",
    "y ~ x + (1|⟨nog⟩)",
    "y ~ ⟨xx⟩ + (1|g)",
    "⟨yy⟩ ~ x + (1|g)",
    "y ~ x + (⟨zz⟩ || g)",
    "y ~ x + ⟨ou⟩(0+f|g)",
    "y ~ x + ⟨ar2⟩(0+f|g)",
    "y ~ x + rr(⟨0+f|g⟩)",
    "y ~ x + rr(0+f|g, ⟨0⟩)",
    "y ~ x + ar1(0+f|g, ⟨2⟩)",
    "y ~ x + (us(f):⟨s⟩|g)",
    "y ~ x*(1⟨|⟩g)",
    "y ~ x ⟨- (1|g)⟩",
    "y ~ x + (1|g) ⟨- offset(z)⟩",
    "y ~ x ⟨+⟩ + (1|g)",
    "y ~ x + (1|⟨5⟩)",
    "y ~ x + (1|g^⟨h⟩)",
    "y ~ x + (⟨0⟩|g)",
    "y ~ (1|g) + (⟨1⟩|g)",
    "y ~ ⟨'x'⟩ + (1|g)",
    "y ~ x ⟨:⟩ + (1|g)",
    "y ~ ⟨x y⟩ + (1|g)",
    "y ~ x⟨$⟩ + (1|g)",
    "y ~ x⟨;⟩ z + (1|g)",
    "y ~ x + (1|g⟨/⟩)",
    "y ~ x + (1|g⟨,⟩ h)",
    "y ~ x + (1|g) + offset(⟨nope⟩)",
    "⟨f⟩ ~ x + (1|g)",
    "y ~ x + z + zz_top:⟨typo⟩ + (1|g)",
]


@pytest.mark.parametrize("marked", MALFORMED)
def test_error_marks_the_place(marked):
    formula = marked.replace("⟨", "").replace("⟩", "")
    data = DATA.assign(zz_top=1.0 * DATA["h"])
    with pytest.raises((FormulaError, ColumnError)) as caught:
        fit(formula, data)
    *_, shown, carets = str(caught.value).split("\n")
    start, stop = marked.index("⟨"), marked.index("⟩") - 1
    assert shown == f"    {formula}"
    assert carets == "    " + " " * start + "^" * (stop - start)


@pytest.mark.parametrize(
    "formula, culprit",
    [
        ("y ~ foo(x) + (1|g)", "foo"),
        ("y ~ np.foo(x) + (1|g)", "np.foo"),
        ("y ~ x + (foo(x) | g)", "foo"),
        ("y ~ x + (1 | foo(g))", "foo"),
        ("foo(y) ~ x + (1|g)", "foo"),
        ("y ~ I(x*nope) + (1|g)", "nope"),
        ("y ~ log(x + (1|g)", "log"),
        ("y ~ I(x^2 + (1|g)", "I"),
        ("y ~ {x + (1|g)", "{"),
        ("y ~ `x + (1|g)", "`"),
        ("y ~ I(x +) + (1|g)", "I"),
        ("y ~ x + foo(x | g)", "foo"),
        ("y ~ min(x) + (1|g)", "min"),
    ],
)
def test_error_names_the_culprit_inside_a_call(formula, culprit):
    with pytest.raises(LmformsError) as caught:
        fit(formula)
    assert culprit in str(caught.value)


@pytest.mark.parametrize("formula", ["y ~ foo(x) + (1|g)", "y ~ x + (1 | foo(g))"])
def test_unknown_function_is_marked(formula):
    with pytest.raises(LmformsError, match=r"\n +\^\^\^"):
        fit(formula)


def test_near_matches_are_offered():
    with pytest.raises(ColumnError, match="Did you mean `Days`"):
        lf.lmer("Reaction ~ Day + (1|Subject)", lf.datasets.load("sleepstudy"))


@pytest.mark.parametrize("formula", [None, 5, ["y ~ x"], b"y ~ x + (1|g)", "", "  \n "])
def test_formula_that_is_no_text(formula):
    with pytest.raises(FormulaError):
        lf.lmer(formula, DATA)


@pytest.mark.parametrize(
    ("structure", "advice"),
    [
        ("ou", "write `exp"),
        ("homcs", "that is `cs` here"),
        ("propto", "relationship="),
        ("ar2", "Did you mean `ar1`"),
        ("teop", "Did you mean `toep`"),
    ],
)
def test_structures_not_available_are_refused(structure, advice):
    with pytest.raises(FormulaError, match=f"`{structure}` is not available.*{advice}"):
        fit(f"y ~ x + {structure}(0 + f | g)")


def test_the_number_of_a_structure():
    rr, ma, ar1 = parse_formula("y ~ rr(0 + f | g, 2) + ma(0 + f | g, q=3) + ar1(0 + f | g)").random
    assert (rr.number, ma.number, ar1.number) == (2, 3, None)
    assert (rr.structure, ma.structure, ar1.structure) == ("rr", "ma", "ar1")
    assert rr.label == "rr(0 + f | g, 2)"
    assert ma.label == "ma(0 + f | g, q=3)"
    assert parse_formula("y ~ ma(0 + f | g)").random[0].number == 1


def test_a_product_of_structures():
    (term,) = parse_formula("y ~ x + (us(f):ar1(factor(h)) | g)").random
    assert term.structure == "us:ar1"
    assert term.expression.text == "0 + f:factor(h)"
    assert term.label == "(us(f):ar1(factor(h)) | g)"


@pytest.mark.parametrize("term", ["(exp(x):exp(z) | g)", "(cs(x, df=3):exp(z) | g)"])
def test_products_of_functions_are_slopes(term):
    assert parse_formula(f"y ~ x + {term}").random[0].structure == "us"


@pytest.mark.parametrize("formula", ["y ~ x + offset() + (1|g)", "y ~ offset( ) + (1|g)"])
def test_empty_offset_is_refused(formula):
    with pytest.raises(FormulaError, match="offset"):
        fit(formula)


@pytest.mark.parametrize("argument", ["f", "s", "C(h)"])
def test_factor_as_offset_is_refused(argument):
    with pytest.raises(LmformsError, match="offset"):
        fit(f"y ~ x + offset({argument}) + (1|g)")


@pytest.mark.parametrize("coding", ["Treatment", "sum", "'contr.sum'", "5"])
def test_unknown_coding_in_a_call_is_refused(coding):
    with pytest.raises(LmformsError, match="C\\(f"):
        fit(f"y ~ C(f, {coding}) + (1|g)")


# --- fuzzing ---------------------------------------------------------------------------------

TOKENS = [
    "y",
    "x",
    "z",
    "f",
    "g",
    "h",
    "b",
    "s",
    "1",
    "0",
    "-1",
    "2",
    "(",
    ")",
    "+",
    "-",
    "*",
    ":",
    "/",
    "^",
    "**",
    "|",
    "||",
    "~",
    ".",
    "`",
    "log(",
    "I(",
    "C(",
    "scale(",
    "poly(",
    "offset(",
    "diag(",
    "us(",
    "cs(",
    "x|g)",
    "(1|g)",
    "(x|g)",
    "%in%",
    "{",
    "}",
    "[",
    "]",
    ",",
    "'",
    '"',
    "=",
    "<",
    "\\",
    "#",
    "@",
    "$",
    "!",
    "&",
    "é",
    "np.",
    "lambda",
    "yield",
    "if",
    "x^2",
    ",2)",
    "^2",
    "1e3",
    "0x",
    ";",
]
BASE = "y ~ x*f + I(x^2) + (x|g) + diag(0+z|h) + offset(log(z))"
READABLE = (FormulaError, ColumnError, DataError, ModelError)


def garble(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return "y ~ " + "".join(rng.choice([*TOKENS, " ", "\n"]) for _ in range(rng.randint(1, 9)))
    text = list(BASE)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(text))
        text[place : place + rng.randint(0, 1)] = [rng.choice(TOKENS)]
    return "".join(text)


@pytest.mark.parametrize("seed", range(4))
def test_garbled_formulas_raise_errors_of_the_package(seed):
    rng = random.Random(seed)
    data = DATA.iloc[:48]
    for _ in range(500):
        formula = garble(rng)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                lf.MixedModel(formula, data, context={})
        except READABLE as exc:
            *_, last = str(exc).split("\n")
            if isinstance(exc, FormulaError) and "\n" in str(exc):
                assert set(last.strip()) == {"^"}, formula
        except Exception as exc:
            pytest.fail(f"{formula!r} raised {exc!r}")


def test_empty_backticks_inside_a_call():
    with pytest.raises(READABLE):
        fit("y ~ log(``) + (1|g)")


# --- properties ------------------------------------------------------------------------------

TERMS = ["x", "f", "z", "x:f", "I(x^2)", "(x | g)", "(1 | h)", "(0 + z | g)"]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.permutations(TERMS))
def test_order_of_terms_does_not_matter(terms):
    same("y ~ " + " + ".join(terms), "y ~ " + " + ".join(TERMS))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.permutations(range(N)), st.permutations(range(8)))
def test_order_of_rows_and_names_of_levels_do_not_matter(rows, names):
    renamed = DATA.assign(g=[f"level {names[i]}" for i in DATA["g"]]).iloc[list(rows)]
    one, other = fit("y ~ x*f + (x|g) + (1|h)"), fit("y ~ x*f + (x|g) + (1|h)", renamed)
    assert_allclose(other.criterion, one.criterion, rtol=1e-10)
    assert_allclose(other.params, one.params, rtol=1e-6)
    ours = other.random_effects["g"].loc[[f"level {names[i]}" for i in range(8)]]
    assert_allclose(ours.to_numpy(), one.random_effects["g"].to_numpy(), rtol=1e-4, atol=1e-6)


# --- R's rules inside calls --------------------------------------------------------------------

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "formula_fits.json").read_text())


@pytest.mark.parametrize("entry", REFERENCE["fits"], ids=lambda e: e["formula"])
def test_expressions_as_lme4_reads_them(entry):
    data = lf.datasets.load("sleepstudy").assign(late=lambda d: d["Days"] > 4)
    model = fit(entry["formula"], data, reml=False)
    assert_allclose(model.criterion, entry["deviance"], rtol=1e-9)
    new = pd.DataFrame({"Days": np.array(REFERENCE["days"], dtype=float)})
    new["late"] = new["Days"] > 4
    assert_allclose(model.predict(new, random="none"), entry["predicted"], rtol=1e-5)


def values(expression: str, data: pd.DataFrame = DATA) -> np.ndarray:
    """The last column that an expression gives."""
    return lf.MixedModel(f"y ~ {expression}", data, context={}).design.fixed.values[:, -1]


X, Z, H, B = (DATA[c].to_numpy() for c in ("x", "z", "h", "b"))


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("I((x > 0) + (z > 1.5))", 1.0 * (X > 0) + (Z > 1.5)),
        ("I((x > 0) - b)", 1.0 * (X > 0) - B),
        ("I(-b)", -1.0 * B),
        ("I(b * b + b)", 2.0 * B),
        ("I(b^2 + 1)", B + 1.0),
        ("I(b / 3)", B / 3.0),
        ("exp(b)", np.exp(1.0 * B)),
        ("sqrt(b)", 1.0 * B),
        ("np.log1p(b)", np.log1p(1.0 * B)),
        ("np.add(b, x > 0)", 1.0 * B + (X > 0)),
        ("exp10(x)", 10.0**X),
        ("I(x > 0 & b)", (X > 0) & B),
        ("I(b & x > 0)", B & (X > 0)),
        ("I(x > 0 | b & z > 1.5)", (X > 0) | (B & (Z > 1.5))),
        ("I((x > 0 | b) & z > 1.5)", ((X > 0) | B) & (Z > 1.5)),
        ("I(!b)", ~B),
        ("I(!x > 0 & b)", ~(X > 0) & B),
        ("I(not x > 0 and b)", ~(X > 0) & B),
        ("I(x > 0 and z < 1.5 or b)", ((X > 0) & (Z < 1.5)) | B),
        ("I(h == 1 | h == 2)", (H == 1) | (H == 2)),
        ("I((x > 0) == TRUE)", X > 0),
        ("I(h %in% c(1, 3))", (H == 1) | (H == 3)),
        ("I(f %in% ['a', 'b'])", DATA["f"].isin(["a", "b"]).to_numpy()),
        ("I(f == 'a' & s != 'u')", ((DATA["f"] == "a") & (DATA["s"] != "u")).to_numpy()),
        ("I(2 * h %% 4)", 2.0 * (H % 4)),
        ("I((2 * h) %% 4)", (2.0 * H) % 4),
        ("I(h %/% 2 * 3)", H // 2 * 3.0),
        ("I(12 / h %/% 2 + 0 * x)", None),
        ("I(-h %% 4)", (-H) % 4.0),
        ("I(x - h %% 4 %% 3)", X - H % 4 % 3),
        ("I(-x^2)", -(X**2)),
        ("I(z^x^2)", Z ** (X**2)),
        ("I(2^-h)", 2.0**-H),
        ("I(h^30)", (1.0 * H) ** 30),
        ("I(x * 3L)", 3 * X),
        ("ifelse(x > 0 & b, x, -1)", np.where((X > 0) & B, X, -1.0)),
        ("as.integer(z * 3)", np.trunc(3 * Z)),
        ("as.numeric(b)", 1.0 * B),
        ("as.logical(h)", H != 0),
        ("round(x, 1)", X.round(1)),
        ("pmax(x, z)", np.maximum(X, Z)),
        ("I(x * T)", X),
    ],
)
def test_operators_mean_what_they_mean_in_r(expression, expected):
    if expected is None:
        with pytest.raises(DataError, match="infinite"):
            values(expression)
        return
    assert_allclose(values(expression), np.asarray(expected, dtype=float), rtol=1e-15)


def test_the_callers_own_short_names_come_first():
    context = {"T": 3.0, "c": lambda v: v + 1.0}
    model = lf.MixedModel("y ~ I(x*T) + c(z)", DATA, context=context)
    assert_allclose(model.design.X[:, 1:], np.column_stack([3.0 * X, Z + 1.0]))


@pytest.mark.parametrize(
    "expression, message",
    [
        ("I(x > 0 && b)", "write &"),
        ("I(x > 0 || b)", r"write \|"),
        ("I(0 < x < 1)", r"\(a < b\) & \(b < c\)"),
        ("I(x > 0 == TRUE)", r"\(a < b\) & \(b < c\)"),
        ("I(x if b else z)", "ifelse"),
        ("I(x + !b)", "parentheses"),
        ("I(f & b)", "compare them"),
        ("I(f == 1)", "quotes"),
        ("I(h == '1')", "quotes"),
        ("I(log(x) > 0)", "NaN"),
        ("s.map({'u': 'k'})", "missing labels"),
        ("as.numeric(f)", "numbers and booleans"),
        ("I(x %o% z)", "%o%"),
        ("I(x %foo% z)", "%foo%"),
    ],
)
def test_code_that_could_be_misread_is_refused(expression, message):
    with pytest.raises(LmformsError, match=message) as caught:
        values(expression)
    assert "^^^" in str(caught.value)


@pytest.mark.parametrize("right", ["I(f == ')')", 'I(f == "(")', "I(s != '|') + (1 | g)"])
def test_brackets_and_bars_in_text_are_text(right):
    assert "Intercept" in lf.MixedModel(f"y ~ {right}", DATA, context={}).design.x_names


# --- R's words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word, instead",
    [
        ("ordered(f)", "C(f, contr.poly)"),
        ("as.ordered(f)", "C(f, contr.poly)"),
        ("relevel(f, ref='b')", "C(f, contr.treatment('b'))"),
        ("interaction(f, s)", "f:g"),
        ("paste(f, s)", "f:g"),
        ("mean(x)", "center(x)"),
        ("sd(x)", "scale(x)"),
        ("s(x)", "cr(x, df=5, constraints='center')"),
        ("rcs(x, 4)", "ns(x, df=4)"),
        ("I(x * NA)", "is.na(x)"),
        ("cut(x, 3)", "pd.cut(data['x'], [0, 1, 2])"),
    ],
)
def test_words_of_r_get_advice_that_works(word, instead):
    with pytest.raises(LmformsError) as caught:
        values(word)
    assert instead in str(caught.value)
    if "pd.cut" in instead:
        data = DATA.assign(part=pd.cut(DATA["x"], [-9, 0, 9]))
        assert len(lf.MixedModel("y ~ part + (1|g)", data).design.x_names) == 2
    else:
        lf.MixedModel(f"y ~ z + {instead}", DATA, context={})


@pytest.mark.parametrize(
    "one, other",
    [
        ("y ~ as.factor(h) + (1|g)", "y ~ factor(h) + (1|g)"),
        ("y ~ x + (1|as.factor(g))", "y ~ x + (1|g)"),
        ("y ~ as.character(h) + (1|g)", "y ~ factor(h) + (1|g)"),
        ("y ~ bs(x, df = 5L, include_intercept = FALSE) + (1|g)", "y ~ bs(x, df=5) + (1|g)"),
        ("y ~ (x) + (0 + z) + (1|g)", "y ~ 0 + x + z + (1|g)"),
        ("y ~ f %in% (s + h) + (1|g)", "y ~ f:s:h + (1|g)"),
    ],
)
def test_words_of_r_that_work(one, other):
    same(one, other)


# --- the algebra of terms ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "right, intercept, labels",
    [  # R's terms(): its intercept and labels
        ("(1+x):f", 1, "x:f"),
        ("(0+x):f", 0, "x:f"),
        ("f/(1+x)", 1, "f f:x"),
        ("(1+x)^2", 1, "x"),
        ("(0+x)", 0, "x"),
        ("x-(1+z)", 0, "x"),
        ("x-(0+z)", 1, "x"),
        ("-(-x)", 1, ""),
        ("-(-1)", 1, ""),
        ("x- -z", 1, "x"),
        ("x+-1", 0, "x"),
        ("(x+z)-z", 1, "x"),
        ("(x+z)^2-x:z", 1, "x z"),
        ("a%in%(b+c)", 1, "a:b:c"),
        ("(a+b)%in%c", 1, "a:c b:c"),
        ("(a+b)/c", 1, "a b a:b:c"),
        ("a/(b+c)", 1, "a a:b a:c"),
        ("a/b/c", 1, "a a:b a:b:c"),
        ("a/b*c", 1, "a c a:b a:c a:b:c"),
        ("a*b/c", 1, "a b a:b a:b:c"),
        ("a:b*c", 1, "c a:b a:b:c"),
        ("a+b^2", 1, "a b"),
        ("(a*b)^2", 1, "a b a:b"),
        ("(a:b+c)^3", 1, "c a:b a:b:c"),
        ("x:x", 1, "x"),
        ("a-a", 1, ""),
        ("0-0", 1, ""),
        ("1-1", 0, ""),
        ("a:b%in%c", 1, "a:b:c"),
        ("a*b%in%c", 1, "a b:c a:b:c"),
        ("(a+b+a:b)-(a)", 1, "b a:b"),
        ("-x+x", 1, "x"),
        ("x-x+x", 1, "x"),
        ("b:a", 1, "b:a"),
        ("c:a+a:c", 1, "c:a"),
        ("a:c+b", 1, "b a:c"),
    ],
)
def test_terms_are_those_of_r(right, intercept, labels):
    found = expand(translated(right, [(0, len(right))]), intercept=True)
    assert found.intercept == bool(intercept)
    assert [":".join(t.text for t in term) for term in found.terms] == labels.split()


@pytest.mark.parametrize(
    "marked",
    [
        "y ~ ⟨2⟩:x",
        "y ~ x + ⟨2⟩",
        "y ~ x⟨:⟩1",
        "y ~ 1⟨*⟩x",
        "y ~ (0)⟨/⟩x",
        "y ~ x^⟨(⟩0)",
        "y ~ x^⟨²⟩",
        "y ~ x^⟨-⟩1",
        "y ~ x^⟨2.5⟩",
        "y ~ (x + z)^⟨99999999999999999999⟩",
        "y ~ x + (1|g^⟨.⟩)",
        "y ~ x + us(x | (⟨]⟩g))",
        "y ~ x ⟨==⟩ z",
        "y ~ ⟨!⟩b",
        "y ~ f ⟨&⟩ s",
        "y ~ x ⟨%foo%⟩ z",
        "y ~ ⟨poly(bs(x,df=4),2)⟩ + (1|g)",
        "y ~ x + (1 | g + ⟨1⟩)",
        "y ~ ⟨I(yield x)⟩",
    ],
)
def test_refusal_marks_the_place(marked):
    formula = marked.replace("⟨", "").replace("⟩", "")
    with pytest.raises(LmformsError) as caught:
        fit(formula)
    *_, shown, carets = str(caught.value).split("\n")
    start, stop = marked.index("⟨"), marked.index("⟩") - 1
    assert shown == f"    {formula}"
    assert carets == "    " + " " * start + "^" * (stop - start)


MANY = DATA.assign(
    **{f"a{i}": np.roll(X, i) for i in range(16)},
    **{f"c{i}": np.roll(DATA["s"], i) for i in range(16)},
)


@pytest.mark.parametrize(
    "right",
    [
        "(" + " + ".join(f"a{i}" for i in range(10)) + ")^6",
        "(.)^6",
        "*".join(f"a{i}" for i in range(16)),
        "*".join(f"c{i}" for i in range(16)),
        ":".join(f"c{i}" for i in range(16)),
        ":".join(f"c{i}" for i in range(8)),
        "x + (" + "*".join(f"a{i}" for i in range(16)) + " | g)",
        "x + (1 | " + "*".join(f"c{i}" for i in range(16)) + ")",
        "(" * 100 + "x" + ")" * 100,
        "I(" + "(" * 100 + "x" + ")" * 101,
        "-" * 3000 + "x",
        "I(" + "-" * 5000 + "x)",
        "I(" + "+".join(["x"] * 5000) + ")",
        "I(9^9^9^9^9 * x)",
    ],
    ids=lambda right: right[:24],
)
def test_formulas_that_would_take_for_ever_are_refused_at_once(right):
    start = time.process_time()
    with pytest.raises(LmformsError):
        lf.MixedModel(f"y ~ {right}", MANY, context={})
    assert time.process_time() - start < 5.0


def test_columns_that_would_fill_the_memory_are_refused():
    n = 4000
    data = pd.DataFrame({"y": np.arange(n) % 7.0, "p": np.arange(n), "q": np.arange(n) // 2})
    with pytest.raises(MemoryError, match="columns"):
        lf.MixedModel("y ~ factor(p):factor(q)", data, context={})


# --- ambiguous names ------------------------------------------------------------------------------


def test_dot_stands_for_columns_with_whole_numbers_as_names():
    data = pd.DataFrame({"y": X, 0: Z, 1: 1.0 * H, "g": DATA["g"]})
    assert lf.MixedModel("y ~ . + (1|g)", data).design.x_names == ["Intercept", "0", "1"]
    named = pd.DataFrame({"y": X, "p": Z, "q": 1.0 * H, "g": DATA["g"]})
    assert_allclose(criterion("y ~ . + (1|g)", data), criterion("y ~ p + q + (1|g)", named))


def test_columns_with_dots_inside_calls():
    data = DATA.rename(columns={"z": "Sepal.Length", "x": "x.y"}).assign(x=X)
    same_as = "y ~ log(z) + I(x*z) + z.clip(0, 1.5) + (log(z)|g)"
    dotted = (
        "y ~ log(Sepal.Length) + I(x.y*Sepal.Length) + Sepal.Length.clip(0, 1.5)"
        " + (log(Sepal.Length)|g)"
    )
    model = fit(dotted, data)
    assert_allclose(model.criterion, criterion(same_as), rtol=1e-9)
    assert "log(Sepal.Length)" in model.params.index


@pytest.mark.parametrize("name", ["a.b", "7", "class", "a b"])
@pytest.mark.parametrize("wrapped", ["`{}`", "I(`{}`)"])
def test_contrasts_reach_columns_with_any_name(name, wrapped):
    renamed = DATA.rename(columns={"f": name})
    model = lf.MixedModel(f"y ~ {wrapped.format(name)}", renamed, contrasts={name: "contr.sum"})
    plain = lf.MixedModel("y ~ f", DATA, contrasts={"f": "contr.sum"})
    assert_allclose(model.design.X, plain.design.X)


@pytest.mark.parametrize(
    "formula, message",
    [
        ("y ~ Intercept + (1|g)", "`Intercept`"),
        ("y ~ 0 + Intercept", "`Intercept`"),
        ("y ~ . + (1|g)", "`Intercept`"),
        ("y ~ x + (Intercept|g)", "`Intercept`"),
        ("y ~ x + (1|Residual)", "`Residual`"),
        ("y ~ x + (1|g/s) + (1|`g:s`)", "`g:s`"),
        ("y ~ f + `f[T.b]`", "`f.T.b.`"),
        ("y ~ log(z) + `log(z)`", "column and a call"),
        ("log(z) ~ x + log(z)", "is the response"),
    ],
)
def test_names_that_stand_for_two_things_are_refused(formula, message):
    data = DATA.assign(
        **{"Intercept": X, "Residual": DATA["g"], "g:s": H, "f[T.b]": X, "log(z)": X}
    )
    with pytest.raises(LmformsError, match=message):
        fit(formula, data)


def test_variables_do_not_hide_functions():
    c, T = [1, 2], 2.0  # noqa: F841 - found by the formulas
    apart = DATA["f"].isin(["a", "b"])
    assert_allclose(lf.MixedModel("y ~ I(f %in% c('a', 'b'))", DATA).design.X[:, 1], apart)
    assert_allclose(lf.MixedModel("y ~ I(x * T)", DATA).design.X[:, 1], 2.0 * X)


def test_one_call_has_one_name_however_it_is_spaced():
    names = ["Intercept", "poly(x, 2)[1]", "poly(x, 2)[2]", "I(x ** 2 - 1):z"]
    for formula in (
        "y ~ poly( x,2 ) + I(x^2-1):z",
        "y ~ poly(x, 2) + poly(x,2) + I( x ^ 2 - 1 ):z",
    ):
        assert lf.MixedModel(formula, DATA).design.x_names == names
    assert lf.MixedModel("y ~ log(z+1) * x - log( z + 1 )", DATA).design.x_names == [
        *("Intercept", "x", "log(z + 1):x")
    ]
    with pytest.raises(ModelError, match="cannot be told apart"):
        lf.MixedModel("y ~ x + (1 | factor(g)) + (x | factor( g ))", DATA)


@pytest.mark.parametrize(
    "code",
    [
        "x if x>0 else -x",
        "not(b)and x<-1",
        "f(*a,k = -2,n=[1,-2])",
        "lambda v:v+1",
        "{'a  b':1}[ s ]",
        "x.clip(0 ,1) .mean()",
        "-x**-2+1e-3*x - -1",
        "r'a' in(b,'c')",
    ],
)
def test_spacing_leaves_the_meaning(code):
    assert ast.dump(ast.parse(spaced(code))) == ast.dump(ast.parse(code))
    assert spaced(spaced(code)) == spaced(code)


def test_rounding_is_that_of_r():
    """R 4.2.2: ``round(x, 1)`` and ``round(y, 2)``."""
    x = np.array([0.05, 0.15, 0.25, 0.35, 0.45, -1.95, -1.05, 2.5, np.nan, 1e300])
    y = np.array([0.005, 0.015, 0.065, 0.155, 0.165, 0.285, 2.675])
    assert_array_equal(rounded(x, 1), [0, 0.1, 0.2, 0.3, 0.4, -2, -1, 2.5, np.nan, 1e300])
    assert_array_equal(rounded(y, 2), [0, 0.01, 0.06, 0.16, 0.16, 0.28, 2.67])
    assert_array_equal(rounded(np.array([1234.5, 150.0, 250.0]), -2), [1200, 200, 200])


@pytest.mark.parametrize("name", ["µ", "e\u0301", "__number", "__state", "１", "名前"])
def test_names_that_python_reads_as_others(name):
    data = DATA.rename(columns={"x": name})
    for call, same in ((f"scale(`{name}`)", "scale(x)"), (f"I(`{name}`^2)", "I(x^2)")):
        model = fit(f"y ~ {call} + (1|g)", data)
        assert_allclose(model.criterion, criterion(f"y ~ {same} + (1|g)"))
        assert_allclose(model.predict(data[:9]), model.fittedvalues[:9])


def test_a_grouping_factor_with_the_name_of_a_function():
    data = DATA.assign(factor=DATA["g"], log=2**60 + DATA["g"])
    assert_allclose(criterion("y ~ x + (1|factor(factor))", data), criterion("y ~ x + (1|g)"))
    assert_allclose(criterion("y ~ log(z) + (1|log)", data), criterion("y ~ log(z) + (1|g)"))
    model = fit("y ~ x + (1|`a  (b)`)", DATA.assign(**{"a  (b)": DATA["g"]}))
    assert_allclose(model.predict(random="a  (b)"), model.predict())


def test_reserved_letters_are_refused():
    with pytest.raises(FormulaError, match="rename the column"):
        fit("y ~ x + (1 | `xˍ`)", DATA.assign(xˍ=DATA["g"]))


def test_wide_whole_numbers_keep_apart_in_calls():
    data = DATA.assign(id=2**60 + DATA["g"])
    assert_allclose(criterion("y ~ x + (1|as.character(id))", data), criterion("y ~ x + (1|g)"))
    assert_allclose(criterion("y ~ x + (1|I(id))", data), criterion("y ~ x + (1|g)"))
    assert_allclose(criterion("y ~ x + (1|C(id))", data), criterion("y ~ x + (1|g)"))
    for formula in ("y ~ I(id %% 8)", "y ~ x + (1|I(id + 1))", "y ~ log(id)"):
        with pytest.raises(DataError, match="`id` has whole numbers beyond"):
            fit(formula, data)


# --- new rows ----------------------------------------------------------------------------------

DAYS = DATA.assign(day=DATA["h"] * 1.0, when=pd.date_range("2024-01-01", periods=N))


def centred(v):
    return v - v.mean()


@pytest.mark.parametrize(
    "expression",
    [
        "I(day - day.mean())",
        "I(day - day.min())",
        "I(day - min(day))",
        "I(day / np.max(day))",
        "I((when - when.min()).dt.days)",
        "I(z > z.median())",
        "centred(z)",
        "pd.qcut(z, 3)",
        "pd.cut(day, 3)",
        "z.rank()",
        "z.cumsum()",
        "z.shift().fillna(1)",
        "lag(z).fillna(1)",
        "I(z - z.iloc[0])",
        "I(z[::-1].to_numpy())",
        "I(z - z.groupby(f).transform('mean'))",
        "z.clip(z.quantile(.1), z.quantile(.9))",
        "z.round(1).map(z.round(1).value_counts())",
        "I(day * rows)",
        "np.random.normal(size=len(day))",
        "ifelse(z > np.mean(z), 1, 0)",
        "scale(z - z.min())",
        "poly(z.rank(), 2)",
    ],
)
def test_expressions_that_depend_on_other_rows_are_fitted_but_not_predicted(expression):
    names = {"centred": centred, "pd": pd, "rows": np.arange(N)}
    for formula in (f"y ~ {expression} + (1|g)", f"y ~ x + offset(0 * x) + (0 + {expression}|g)"):
        model = fit(formula, DAYS, context=names)
        assert len(model.predict()) == N
        with pytest.raises(DataError, match=r"depends on the other rows.*center") as caught:
            model.predict(DAYS)
        assert "^^^" in str(caught.value)
        if "offset" in formula:
            model.predict(DAYS, random="none")


def test_groups_and_offsets_that_depend_on_other_rows_are_not_predicted():
    for formula in ("y ~ x + (1|pd.qcut(z, 4))", "y ~ x + offset(z - z.mean()) + (1|g)"):
        with pytest.raises(DataError, match="depends on the other rows"):
            fit(formula, DAYS, context={"pd": pd}).predict(DAYS)


def test_the_advice_for_new_rows_works():
    new = DAYS.iloc[:10]
    plain = fit("y ~ day + (1|g)", DAYS).predict(new)
    assert_allclose(fit("y ~ center(day) + (1|g)", DAYS).predict(new), plain, rtol=1e-6)
    assert_allclose(fit("y ~ scale(day) + (1|g)", DAYS).predict(new), plain, rtol=1e-6)
    column = DAYS.assign(day=DAYS["day"] - DAYS["day"].mean())
    assert_allclose(fit("y ~ day + (1|g)", column).predict(column.iloc[:10]), plain, rtol=1e-6)


@pytest.mark.parametrize(
    "expression",
    [
        "double(x)",
        "ifelse(x > 0, x, 0)",
        "x.clip(0, 1)",
        "I(when.dt.month.astype(float))",
        "f.map({'a': 'p', 'b': 'p', 'c': 'q'})",
        "np.where(b & (x > 0), 1.0, 0.0)",
        "I(scale(x)^2)",
        "I(h %in% c(1, 2))",
        "I((lambda v: np.maximum(v, 0))(x))",
        "C(h, contr.sum)",
        "ns(x, df=3)",
        "I(x * four)",
        "pd.cut(x, [-9, 0, 9])",
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_row_by_row_expressions_are_predicted(expression, seed):
    rows = np.random.default_rng(seed).permutation(N)
    names = {"double": double, "pd": pd, "four": 4.0}
    model = fit(f"y ~ {expression} + (1|g)", DAYS.iloc[rows], context=names)
    new = DAYS.iloc[:11]
    assert_allclose(model.predict(new), model.predict().loc[new.index], rtol=1e-9)


@pytest.mark.parametrize(
    "formula, random",
    [
        ("y ~ offset(scale(x)) + scale(x) + (1|g)", "all"),
        ("y ~ 1 + (0 + scale(x)|g) + (0 + scale(x)|h)", "h"),
        ("y ~ 1 + (0 + poly(x, 2)|g) + (1 + poly(x, 2)|h)", "h"),
        ("y ~ 1 + (0 + C(f)|g) + (0 + C(f)|h)", "h"),
    ],
)
def test_what_a_transform_learnt_serves_every_part_that_uses_it(formula, random):
    model = fit(formula)
    some = DATA[DATA["f"] != "a"].iloc[:9]
    expected = model.predict(DATA, random=random).loc[some.index]
    assert_allclose(model.predict(some, random=random), expected, rtol=1e-9)


# --- the fuzzer --------------------------------------------------------------------------------


@pytest.mark.slow
def test_random_formulas():
    assert fuzz_formulas.run(150, seed=5)["faults"] == 0


# --- names of columns inside calls ------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("a b", "a-b"),
        ("a b", "_a_b"),
        ("a b", "_a_20_b"),
        ("ｘ", "w"),
        ("ｘ", "x"),
        ("a²", "a2"),
        ("__number", "__power"),
        ("__import__", "-import__"),
        ("_", "__"),
        ("class", "_class"),
        ("log", "C"),
        ("if", "I"),
    ],
)
def test_columns_of_odd_names_are_not_confused(names):
    data = DATA.rename(columns={"x": "k"})
    first, second = data["k"].to_numpy(), data["z"].to_numpy()
    odd = data.drop(columns=["k", "z"]).assign(**dict(zip(names, (first, second), strict=True)))
    a, b = (f"`{name}`" for name in names)
    for text in (f"scale({a}) + scale({b})", f"I({a} * 2 + {b}**2) + I({a} > 0 & {b} > 1.5)"):
        plain = text.replace(a, "k").replace(b, "z")
        expected = fit(f"y ~ {plain} + (1 | g)", data)
        found = fit(f"y ~ {text} + (1 | g)", odd)
        assert_allclose(found.params, expected.params, rtol=1e-10)
        assert_allclose(found.predict(odd[::-1]), expected.predict(data[::-1]), rtol=1e-10)


def test_attributes_called_like_columns_are_functions():
    data = DATA.assign(log=DATA["z"] ** 2 + 1.0)
    found = fit("y ~ np.log(z) + log + log(log) + (1 | g)", data)
    expected = fit("y ~ np.log(z) + w + log(w) + (1 | g)", data.rename(columns={"log": "w"}))
    assert_allclose(found.params, expected.params, rtol=1e-10)


def test_labels_beside_a_column_called_c():
    data = DATA.assign(C=DATA["z"], id=DATA["g"] + 2**53)
    found = fit("y ~ C + (1 | I(id))", data)
    assert found.criterion == pytest.approx(fit("y ~ z + (1 | g)").criterion, rel=1e-12)


def test_long_sums_are_refused_before_python_gives_up():
    assert fit(f"y ~ I({'+'.join(['x'] * 120)}) + (1 | g)").nobs == N
    with pytest.raises(FormulaError, match="operators in a row"):
        fit(f"y ~ I({'+'.join(['x'] * 400)}) + (1 | g)")
