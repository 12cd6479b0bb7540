"""The formula language: what R's mixed-model syntax means here, and how errors point at it."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import (
    ColumnError,
    DataError,
    FormulaError,
    LmformsError,
    ModelError,
    SingularWarning,
)

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
        ("y ~ x + (x || g/s)", "y ~ x + (1|g) + (0+x|g) + (1|g:s) + (0+x|g:s)"),
        ("y ~ f + (f | g)", "y ~ f + (0 + f | g)"),
        ("y ~ x + (f*x | h)", "y ~ x + (1 + f + x + f:x | h)"),
        ("y ~ x + (z + x | g)", "y ~ x + (x + z | g)"),
        ("y ~ x + (1 | g/s)", "y ~ x + (1 | g) + (1 | g:s)"),
        ("y ~ x + (1 | g/s/f)", "y ~ x + (1|g) + (1|g:s) + (1|g:s:f)"),
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
    "y ~ x + ⟨cs⟩(0+f|g)",
    "y ~ x + ⟨ar1⟩(0+f|g)",
    "y ~ x + ⟨toep⟩(0+f|g)",
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
    "structure", ["cs", "ar1", "toep", "exp", "ou", "mat", "gau", "rr", "homdiag"]
)
def test_structures_not_available_are_refused(structure):
    with pytest.raises(FormulaError, match=f"`{structure}` is not available"):
        fit(f"y ~ x + {structure}(0 + f | g)")


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
