"""Residual structures as text and as objects are the same specifications."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmforms as lf
from lmforms.errors import ArgumentError, FormulaError
from lmforms.residual.grammar import parse_residual, residual_spec
from lmforms.residual.specification import CorrelationTerm, ResidualSpec, VarianceTerm

R = lf.residual

EQUAL = [
    ("ar1(time | subject)", R.AR1(time="time", group="subject")),
    ("ar1(time|subject)", R.AR1("time", "subject")),
    ("ar1(time)", R.AR1("time")),
    ("har1(time | subject)", R.HAR1("time", "subject")),
    ("us(visit | subject)", R.US("visit", "subject")),
    ("corsymm(visit | subject) * idh(visit)", R.US("visit", "subject")),
    ("idh(visit) * corsymm(visit | subject)", R.US("visit", "subject")),
    ("cs(1 | batch)", R.CS(group="batch")),
    ("hcs(visit | g)", R.CS("visit", "g") * R.Idh("visit")),
    ("ma(time | g)", R.MA("time", "g", q=1)),
    ("ma(time | g, q=2)", R.MA("time", "g", q=2)),
    ("arma(time | g, p=2, q=1)", R.ARMA("time", "g", p=2)),
    ("toep(visit | site:subject)", R.Toep("visit", ["site", "subject"])),
    ("htoep(visit | g)", R.HToep("visit", "g")),
    ("ante(visit | g)", R.Ante("visit", "g")),
    ("hante(visit | g)", R.HAnte("visit", "g")),
    ("exp(x + y | field, nugget=True)", R.Exp(["x", "y"], "field", nugget=True)),
    ("exp(x + y | field) + units", R.Exp(["x", "y"], "field", nugget=True)),
    ("gau(x + y, per_axis=True)", R.Gau(["x", "y"], per_axis=True)),
    ("sph(x + y)", R.Sph(["x", "y"])),
    ("mat(x + y, nu=1.5)", R.Mat(["x", "y"], nu=1.5)),
    ("ar1(row):ar1(col)", R.Kronecker(R.AR1("row"), R.AR1("col"))),
    ("ma(row):ma(col) | field", R.Kronecker(R.MA("row"), R.MA("col"), "field")),
    ("us(trait):ar1(time) | subject", R.Kronecker(R.US("trait"), R.AR1("time"), "subject")),
    ("us(trait | s):ar1(time | s)", R.Kronecker(R.US("trait"), R.AR1("time"), "s")),
    ("(ar1(a):ar1(b) | s) * power(x)", R.Kronecker(R.AR1("a"), R.AR1("b"), "s") * R.Power("x")),
    ("ar1(row):ar1(col) + units", R.Kronecker(R.AR1("row"), R.AR1("col")).with_nugget()),
    ("ar1(time | g) * idh(sex) * power(x)", R.AR1("time", "g") * R.Idh("sex") * R.Power("x")),
    ("idh(sex:site)", R.Idh(["sex", "site"])),
    ("expvar(age)", R.ExpVar("age")),
    ("constpower(age)", R.ConstPower("age")),
    ("ar1(`the time` | `g:h`)", R.AR1("the time", "g:h")),
    ("power(`fitted`)", R.Power("fitted")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "made"), EQUAL)
def test_text_and_objects_are_equal(text, made):
    spec = parse_residual(text)
    assert spec == made
    assert parse_residual(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("us( visit|subject )", "us(visit | subject)"),
        ("ma(time | g)", "ma(time | g, q=1)"),
        ("cs(visit | g) * idh(visit)", "hcs(visit | g)"),
        ("ar1(time | g) * idh(sex) + units", "ar1(time | g) * idh(sex) + units"),
        ("(us(trait):ar1(time) | s) + units", "(us(trait):ar1(time) | s) + units"),
        ("exp(`a b` | `if?`)", "exp(`a b` | `if?`)"),
        ("iid", "iid"),
        ("iid * idh(f)", "idh(f)"),
    ],
)
def test_canonical_text(text, shown):
    assert str(parse_residual(text)) == shown


NAMES = st.sampled_from(["a", "b", "time", "the time", "units", "fitted", "été", "x.y", "1st"])
OPTIONS = {
    "ar1": st.just(()),
    "cs": st.just(()),
    "corsymm": st.just(()),
    "toep": st.just(()),
    "ante": st.just(()),
    "ma": st.tuples(st.tuples(st.just("q"), st.integers(1, 9))),
    "arma": st.tuples(
        st.tuples(st.just("p"), st.integers(1, 9)), st.tuples(st.just("q"), st.integers(0, 9))
    ),
    "mat": st.tuples(st.tuples(st.just("nu"), st.sampled_from([0.5, 1.5, 1e-1]))),
    "exp": st.just(()),
}


@st.composite
def specs(draw):
    columns = draw(st.lists(NAMES, min_size=4, max_size=4, unique=True))
    count = draw(st.integers(0, 2))
    terms = []
    for i in range(count):
        name = draw(st.sampled_from(sorted(OPTIONS)))
        terms.append(CorrelationTerm(name, (columns[i],), draw(OPTIONS[name])))
    group = tuple(columns[2:]) if count else ()
    functions = st.sampled_from(["idh", "power", "expvar", "constpower"])
    pairs = draw(st.lists(st.tuples(functions, NAMES), max_size=3, unique=True))
    variances = tuple(VarianceTerm(f, (name,)) for f, name in pairs)
    nugget = count > 0 and (count == 2 or terms[0].facts.takes_nugget) and draw(st.booleans())
    return ResidualSpec(tuple(terms), group, variances, nugget)


@given(specs())
def test_every_specification_is_read_back(spec):
    assert parse_residual(str(spec)) == spec


def test_specifications_can_be_keys():
    assert len({parse_residual("us(v | g)"), R.US("v", "g"), R.CorSymm("v", "g")}) == 2


def test_the_order_of_variance_functions_does_not_hide_a_heterogeneous_structure():
    a, b = parse_residual("idh(sex) * hcs(v | g)"), parse_residual("hcs(v | g) * idh(sex)")
    assert a == b
    assert str(a) == "hcs(v | g) * idh(sex)"


def test_none_and_iid_are_independent():
    assert residual_spec(None) is None
    assert residual_spec("iid") is None
    assert residual_spec(ResidualSpec()) is None


def test_columns_that_are_needed():
    spec = parse_residual("us(trait):exp(x + y) | field:plot")
    assert spec.columns == ("trait", "x", "y", "field", "plot")
    assert spec.numeric_columns == {"x", "y"}
    assert parse_residual("ar1(t | g) * power(z)").numeric_columns == {"z"}


BAD_TEXT = [
    ("", "the text is empty"),
    ("ar2(time | g)", "`ar2` is no residual structure. Did you mean `ar1`"),
    ("toeph(time | g)", "Did you mean `htoep`"),
    ("un(time | g)", "Did you mean `us`"),
    ("corAR1(time | g)", "Did you mean `ar1`"),
    ("varIdent(sex)", "Did you mean `idh`"),
    ("nonsense(x)", "There are ar1, ma, arma,"),
    ("ar1", "ar1 needs a column in parentheses"),
    ("ar1(time | g", "`)` is needed after the columns of ar1, not the end"),
    ("ar1(time | g))", "`)` is not expected here"),
    ("ar1(time | g) power(x)", "`power` is not expected here"),
    ("ar1(log(time) | g)", "Compute what else is needed as a column"),
    ("ar1(`time | g)", "` is never closed"),
    ("ar1(time, group)", "ar1() has no option `group`: it has nugget"),
    ("cs(visit | g, q=2)", "cs() has no option `q`: it has none"),
    ("ma(time | g, Q=2)", "Did you mean `q`"),
    ("ma(time | g, q=1.5)", "q is a whole number"),
    ("ma(time | g, q=0)", "a whole number from 1"),
    ("ma(time | g, q=1, q=2)", "there twice"),
    ("mat(x, nu=big)", "nu is a number"),
    ("mat(x, nu=100)", "a finite number from 0.05 to 50 is needed"),
    ("exp(x, nugget=1)", "nugget=True or nugget=False"),
    ("exp(x, per_axis=True)", "needs two coordinates"),
    ("exp(x, nugget=True) + units", "are one thing"),
    ("ar1(time | g) + cs(visit | g)", "only `units`"),
    ("ar1(time | g) * cs(visit | g)", "a Kronecker product is written"),
    ("ar1(time):power(x)", "`:` multiplies two correlations"),
    ("ar1(a):ar1(b):ar1(c)", "take two of them"),
    ("ar1(row):ar1(row)", "`row` is in both factors"),
    ("ar1(a | g):ar1(b | h)", "have one group"),
    ("ar1(time | g) | h", "a second group"),
    ("power(x) | g", "a group belongs to a correlation"),
    ("power(x | g)", "power() has no group"),
    ("units", "`units` is added to a correlation"),
    ("iid(x)", "write iid alone"),
    ("ar1(1 | g)", "needs a column of times: rows may come in any order"),
    ("us(1 | g)", "us() needs a column of visits"),
    ("ar1(a + b | g)", "takes one column, not 2"),
    ("exp(a + a | g)", "twice a coordinate"),
    ("exp(a + b + c + d | g)", "up to 3 coordinates"),
    ("ar1(time | time)", "both the place in a series and the series"),
    ("ar1(time | g:g)", "twice in the group"),
    ("us(visit)", "needs several series"),
    ("cs(a):corsymm(b)", "needs several series"),
    ("us(visit | g) * idh(visit)", "us() has a variance of its own for every value of `visit`"),
    ("power(x) * power(x)", "there twice"),
    ("cs(visit | g) + units", "cs() holds an independent part already"),
    ("ma(time | g) + units", "ma() holds an independent part already"),
    ("power(x) + units", "leave out `+ units`"),
    ("(" * 30 + "iid" + ")" * 30, "too many parentheses"),
    ("ar1(time | g)" + " " * 3000, "more than 2000 characters"),
]


@pytest.mark.parametrize(("text", "said"), BAD_TEXT)
def test_bad_text(text, said):
    with pytest.raises(FormulaError) as caught:
        parse_residual(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("residual: ")


def test_errors_mark_the_place():
    with pytest.raises(FormulaError) as caught:
        parse_residual("ar1(time | g) * powr(x)")
    assert str(caught.value).splitlines()[1:] == [
        "    ar1(time | g) * powr(x)",
        "                    ^^^^",
    ]


@pytest.mark.parametrize(
    "code", ["__import__('os')", "ar1(x | g, q=exec('1'))", "lambda: 0", "{1}"]
)
def test_nothing_is_evaluated(code):
    with pytest.raises(FormulaError):
        parse_residual(code)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: residual_spec(3), "text such as 'ar1(time | subject)' or an object"),
        (lambda: residual_spec(R.US("visit")), "needs several series"),
        (lambda: R.AR1("time", group=3), "a column's name or several"),
        (lambda: R.AR1("a`b"), "a name with a backtick"),
        (lambda: R.AR1(tmie="time"), "Did you mean `time`"),
        (lambda: R.MA("time", "g", q="2"), "a whole number from 1"),
        (lambda: R.Exp("x", nugget="yes"), "True or False"),
        (lambda: R.Kronecker(R.AR1("a", "g"), R.AR1("b")), "the argument group="),
        (lambda: R.Kronecker("ar1(a)", R.AR1("b")), "such as AR1('row')"),
        (lambda: R.AR1("a") * R.AR1("b"), "are two correlations"),
        (lambda: R.Exp("x", nugget=True).with_nugget(), "give it once"),
    ],
)
def test_bad_objects(make, said):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert said in str(caught.value)


PIECES = [
    *"()|:*+,=`1 ",
    "ar1",
    "us",
    "idh",
    "power",
    "time",
    "g",
    "q",
    "units",
    "nugget",
    "True",
    "2",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        spec = parse_residual(text)
    except FormulaError:
        return
    assert parse_residual(str(spec)) == spec
