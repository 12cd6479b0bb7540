"""What a loaded formula may evaluate, and what not."""

from __future__ import annotations

import json
import os
import warnings

import numpy as np
import pandas as pd
import pytest
from fuzz.saved_fits import CANARY, PAYLOADS, STEP, formulas, members, packed

import lmforms as lf
from lmforms.errors import ContextWarning, DataError, FormulaError, LmformsError, MemoryLimitError

pytestmark = pytest.mark.one_in(4)

N = 60
RNG = np.random.default_rng(3)
G = RNG.integers(0, 6, N)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N) + RNG.normal(scale=2.0, size=6)[G] + 9.0,
        "x": RNG.uniform(1.0, 5.0, N),
        "f": RNG.choice(list("abc"), N),
        "g": G,
        "day": pd.date_range("2024-01-15", periods=N),
        "a b": RNG.normal(size=N),
        "class": RNG.normal(size=N),
        "__x": RNG.normal(size=N),
        "_y_": RNG.normal(size=N),
        "a.b": RNG.uniform(1.0, 5.0, N),
    }
)


def quiet(formula, data=DATA, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


@pytest.mark.parametrize(
    "expression",
    [
        *("np.log(x)", "log(x)", "I(x**2)", "I(x^2)", "{x / 10}", "I(-x + 2*x/3)", "sqrt(abs(x))"),
        *("C(f, contr.sum)", "C(f, contr.treatment('b'))", "C(f, Treatment('b'))", "factor(f)"),
        *("C(f, levels=['c', 'b', 'a'])", "C(f, {'first': [1, 0, -1], 'second': [0, 1, -1]})"),
        *("poly(x, 2)", "poly(x, degree=3, raw=True)", "bs(x, df=5, include_intercept=FALSE)"),
        *("bs(x, knots=[2, 3.5])", "cr(x, df=3, constraints='center')", "scale(x)", "center(x)"),
        *("I(x > 2)", "I((x > 2) & (x < 4))", "I(f == 'a')", "I(1 < 2*x)", "np.maximum(x, 2)"),
        *("I(`a b` * 2)", "I(`class` + 1)", "I(np.pi * x)"),
        *("I(day.dt.dayofyear)", "I(day.dt.day * x)", "C(day.dt.month)", "I(x + pi)", "Q('x')"),
        *("ns(x, df=3)", "ns(x, knots=c(2, 3.5), Boundary.knots=c(1, 5))", "as.factor(f)"),
        *(
            "ifelse(f == 'a', x, 0)",
            "ifelse(x > 2, 'high', 'low')",
            "as.numeric(x > 2)",
            "pmin(x, 3)",
        ),
        *("I(f %in% c('a', 'b'))", "I(x %% 2)", "I(x %/% 2)", "I(!(x > 2) | f == 'b')", "exp10(x)"),
        *("as.integer(x)", "as.character(f)", "I(!is.na(x) & x > 2)", "factor(as.integer(x))"),
        *("bs(x, knots=[np.log(8), 3.5])", "I(x > 2 & x < 4)", "I(`__x` + `_y_`)", "log(`a.b`)"),
        *("np.log(np.abs(x) + 1e-3)", "scale(x, center=3.5)", "I((x > 2) * x)", "I(x / 1e20)"),
    ],
)
def test_the_language_of_formulas_loads(expression, tmp_path):
    fit = quiet(f"y ~ {expression} + (1 | g)")
    fit.save(tmp_path / "fit.lmf")
    back = lf.load(tmp_path / "fit.lmf")
    pd.testing.assert_series_equal(back.params, fit.params, rtol=1e-9)
    np.testing.assert_allclose(back.predict(DATA), fit.predict(DATA), rtol=1e-9)


@pytest.mark.parametrize("name", ["log", "np", "sqrt", "C", "I"])
def test_columns_called_like_functions_load(name, tmp_path):
    fit = quiet(
        f"y ~ {name} + np.sqrt(x) + log(x) + I({name} * x) + C(f, contr.sum) + (1 | I(g))",
        DATA.assign(**{name: DATA["a b"]}),
    )
    fit.save(tmp_path / "fit.lmf")
    assert lf.load(tmp_path / "fit.lmf").criterion == pytest.approx(fit.criterion, rel=1e-12)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("fit") / "fit.lmf"
    quiet("np.log(y) ~ x + f + I(day.dt.day) + (1 | g)").save(path)
    return members(path.read_bytes())


def load_with(formula, saved, folder, **options):
    """Load the saved fit with another formula in its header."""
    meta = json.loads(saved["meta.json"]) | {"formula": formula}
    path = folder / "edited.lmf"
    path.write_bytes(packed(saved | {"meta.json": json.dumps(meta).encode()}))
    return lf.load(path, **options)


@pytest.mark.parametrize("code", PAYLOADS)
def test_code_does_not_run(code, saved, tmp_path):
    os.environ.pop(CANARY, None)
    for formula in (f"y ~ I(x + 0*{code}) + (1 | g)", f"y ~ {code} + (1 | g)"):
        with pytest.raises(LmformsError):
            load_with(formula, saved, tmp_path)
    assert CANARY not in os.environ


def test_random_places_for_code(tmp_path):
    assert formulas(60, seed=0, folder=tmp_path) == []


@pytest.mark.parametrize(
    "expression, reason",
    [
        ("np.load('a')", "np.load"),
        ("np.fromfile('a')", "np.fromfile"),
        ("np.vectorize(x)", "np.vectorize"),
        ("np.log.outer(x, x)", "attribute"),
        ("np.log(x, x)", "may have 1 arguments"),
        ("np.log(x, out=x)", "without keywords"),
        ("I(x.to_csv('a'))", r"x\.to_csv"),
        ("I(x.dt.strftime('%Y'))", "attribute"),
        ("I(().__class__)", "attribute"),
        ("I(x[0])", r"x\[0\]"),
        ("I([v for v in x])", "not allowed"),
        ("I((lambda v: v)(x))", "lambda"),
        ("I(f'{x}')", "not allowed"),
        ("I((v := x))", "cannot be read"),
        ("scale(*[x])", "not allowed"),
        ("scale(**{'data': x})", "arguments"),
        ("scale(x, _state=x)", "arguments"),
        ("I(x if x else 1)", "not allowed"),
        ("I(x << 60)", "cannot be read"),
        ("I(x @ x)", "operator"),
        ("I('a' in f)", "not allowed"),
        ("I(__debug__ * x)", "Python's own"),
        ("I(ｅval('1'))", "uses 'ｅval' from your code"),
        ("evalˍ('1')", "cannot be used"),
        ("I(`-import__`('os'))", "uses '-import__' from your code"),
        ("__import__('os')", "`__import__` is Python's own"),
        ("I(__context['x'])", "not allowed"),
        ("I(__state)", "Python's own"),
        ("I(`__x`.__class__)", "`__x.__class__` is not allowed"),
        ("I(`a b`.map(x))", r"`a b\.map`"),
        ("__labels('g')", "Python's own"),
        ("__member(x, x)", "Python's own"),
        ("I(`__power`(x, 2))", "Python's own"),
        ("I(ifelse(x > 2, f, x)**2)", "no number"),
        ("I(ifelse(yes='a', test=x > 2, no=x) * 10**9)", "no number"),
        ("I(as.character(x) * 10**9)", "no number"),
        ("I(c('a', 'b') * 10**9)", "no number"),
        ("I('a' %% x)", "wrong kind"),
        ("I(x %in% c(x, x))", "no list of constants"),
        ("I(x %in% poly(x, 2))", "wrong kind"),
        ("ifelse(x > 2, poly(x, 40), 0)", "no number"),
        ("scale(x, poly(x, 40))", "more than one argument"),
        ("bs(x, knots=[x, x])", "no list of constants"),
        ("ns(x, df=10**6)", "between 0 and"),
        ("ns(x, knots=c(" + "1, " * 1_001 + "2))", "more than 1000 entries"),
        ("contr(x)", "not allowed"),
        ("sum(x)", "Python's own"),
        ("np.left_shift(1, 2)", "cannot be computed"),
        ("hashed(f, 3, hash_func=print)", "`print` is Python's own"),
        ("C(f, contr.sum.mro())", "attribute"),
        ("I(log10)", "is a function"),
        ("I(f * 2)", "is no number"),
        ("I(x + 10**10**10)", "cannot be computed"),
        ("I(x + 2 * 9223372036854775807)", "63 bits"),
        ("I(x + 1/0)", "cannot be computed"),
        ("I('a' * 10**9)", "is no number"),
        ("I([1] * 10**9)", "is no number"),
        ("poly(x, 10**9)", "between 0 and"),
        ("poly(x, 51)", "between 0 and 50"),
        ("poly(x, x)", "more than one argument"),
        ("bs(x, df=10**6)", "between 0 and"),
        ("bs(x, degree=10**6)", "between 0 and"),
        ("hashed(f, 10**9)", "between 0 and"),
        ("bs(bs(x, df=900), df=900)", "no column of numbers"),
        ("I(" + "-" * 5_000 + "x)", "nested too deeply"),
        ("I(x" + "+x" * 5_000 + ")", "nested too deeply"),
        ("bs(x, knots=[2, 3], df=np.nan)", "between 0 and"),
    ],
)
def test_what_is_outside_the_whitelist(expression, reason, saved, tmp_path):
    with pytest.raises(LmformsError, match=reason):
        load_with(f"y ~ {expression} + (1 | g)", saved, tmp_path)


def test_whole_numbers_of_any_length_are_no_arithmetic(tmp_path):
    data = DATA.assign(id=[10**30 + int(v) for v in DATA["g"]])
    quiet("y ~ x + (1 | id)", data).save(tmp_path / "fit.lmf")
    saved = members((tmp_path / "fit.lmf").read_bytes())
    for power in (
        "I(id ** id)",
        "np.power(id, id)",
        "lag(id)",
        "I(I(id) ** I(id))",
        "I(Q('id')**9)",
    ):
        with pytest.raises(FormulaError, match=r"no number|no column of numbers"):
            load_with(f"y ~ x + (1 | {power})", saved, tmp_path)


def test_a_formula_may_not_ask_for_any_number_of_columns(tmp_path):
    n = 20_000
    data = pd.DataFrame(
        {"y": np.arange(n) % 7 + 0.5, "x": np.arange(n) + 0.5, "g": np.arange(n) % 9}
    )
    quiet("y ~ x + (1 | g)", data).save(tmp_path / "fit.lmf")
    saved = members((tmp_path / "fit.lmf").read_bytes())
    for wide in ("C(x)", "factor(x + 1)", "C(x):C(g)"):
        with pytest.raises(MemoryLimitError, match="columns of 20,000 rows"):
            load_with(f"y ~ {wide} + (1 | g)", saved, tmp_path)


# --- functions of the caller ------------------------------------------------------------------


def twice(values):
    return 2.0 * values


def test_functions_come_from_the_context_alone(tmp_path):
    half = 0.5
    here = {"half": half, "twice": twice}
    fit = lf.lmer("y ~ twice(x) + I(half * x**2) + (1 | g)", DATA)
    with pytest.warns(ContextWarning, match=r"'half', 'twice'.*context="):
        fit.save(tmp_path / "fit.lmf")
    with pytest.raises(DataError, match=r"'half', 'twice'.*context=\{'half'"):
        lf.load(tmp_path / "fit.lmf")  # though this frame knows both
    with pytest.raises(DataError, match="'half'"):
        lf.load(tmp_path / "fit.lmf", context={"twice": twice})
    back = lf.load(tmp_path / "fit.lmf", context=here)
    assert back.criterion == pytest.approx(fit.criterion, rel=1e-12)


def test_names_of_the_context_that_are_not_used_are_not_asked_for(tmp_path):
    context = {"np": np, "unused": print, "x": 3}
    fit = quiet("y ~ np.log(x) + (1 | g)", DATA, context=context)
    fit.save(tmp_path / "fit.lmf")
    assert lf.load(tmp_path / "fit.lmf").criterion == pytest.approx(fit.criterion, rel=1e-12)


@pytest.mark.parametrize(
    "code", [f"twice.__globals__['os'].{STEP}", "tool.system('true')", "twice.__call__(x)"]
)
def test_given_objects_have_no_attributes(code, saved, tmp_path):
    with pytest.raises(FormulaError, match="attribute"):
        load_with(f"y ~ I({code}) + (1 | g)", saved, tmp_path, context={"twice": twice, "tool": os})


@pytest.mark.parametrize(
    "formula, following",
    [
        ("y ~ I(x.clip(0, 3)) + (1 | g)", "y ~ clipped(x) + (1 | g)"),
        ("y ~ np.where(x > 2, 1, x) + (1 | g)", "y ~ clipped(x) + (1 | g)"),
    ],
)
def test_saving_refuses_what_would_not_load_and_the_advice_works(formula, following, tmp_path):
    path = tmp_path / "fit.lmf"
    with pytest.raises(FormulaError, match=r"save: .*Make a column of it.*context=\{'name'"):
        quiet(formula).save(path)
    assert not path.exists()
    context = {"clipped": lambda values: np.clip(values, 0, 3)}
    with pytest.warns(ContextWarning):
        quiet(following, context=context).save(path)
    lf.load(path, context=context)
    quiet("y ~ c + (1 | g)", DATA.assign(c=np.clip(DATA["x"], 0, 3))).save(path)
    lf.load(path)
