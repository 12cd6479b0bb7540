"""Formulas from other ones: ``. ~ . - x + (1 | g)``."""

from __future__ import annotations

import pytest

from lmforms.errors import ColumnError, FormulaError
from lmforms.formula.bind import bind
from lmforms.formula.formula_terms import formula_terms
from lmforms.formula.parse import parse_formula
from lmforms.formula.update_formula import update_formula

COLUMNS = ("y", "x", "f", "g", "h", "my x", "z", "1", "class")
OLD = "log(y) ~ x * f + I(x^2) + `my x` + (1 + x | g/h) + (0 + z || `my x`) + offset(log(z)) - 1"
KEPT = "(x | g) + (x | g:h) + (0 + z || `my x`)"


def updated(text: str, old: str = OLD) -> str:
    return update_formula(bind(parse_formula(old), COLUMNS), text, COLUMNS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~ . - x:f", f"0 + x + f + I(x^2) + `my x` + {KEPT}"),
        ("~ . - x*f + z", f"0 + I(x^2) + `my x` + z + {KEPT}"),
        ("~ . + 1", f"x + f + I(x^2) + `my x` + x:f + {KEPT}"),
        ("~ . - I(x**2) - `my x`", f"0 + x + f + x:f + {KEPT}"),
        ("~ x + .:z", f"0 + x + x:z + f:z + I(x^2):z + `my x`:z + x:f:z + {KEPT}"),
        ("~ . - (x | g)", "0 + x + f + I(x^2) + `my x` + x:f + (x | g:h) + (0 + z || `my x`)"),
        (
            "~ . - (1+x | g/h) + (1|g)",
            "0 + x + f + I(x^2) + `my x` + x:f + (0 + z || `my x`) + (1 | g)",
        ),
        ("~ . - diag(0 + z | `my x`)", "0 + x + f + I(x^2) + `my x` + x:f + (x | g) + (x | g:h)"),
        ("~ (. + (1 | f)) - x", f"0 + f + I(x^2) + `my x` + x:f + {KEPT} + (1 | f)"),
    ],
)
def test_changes(text, expected):
    assert updated(text) == f"log(y) ~ {expected} + offset(log(z))"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (". ~ x + (1 | g)", "log(y) ~ x + (1 | g)"),
        (". ~ (1 | g)", "log(y) ~ 1 + (1 | g)"),
        ("sqrt(y) ~ 0 + x + (1 | g)", "sqrt(y) ~ 0 + x + (1 | g)"),
        ("y  ~x*f", "y  ~x*f"),
    ],
)
def test_without_a_dot_on_the_right_nothing_comes_along(text, expected):
    assert updated(text) == expected


def test_names_that_need_backticks():
    old = "y ~ `1` + `class` + log(`my x`) + x:`my x` + (`1` | `class`) + (0 + `1` | g)"
    assert updated("~ . + z", old) == (
        "y ~ `1` + class + log(`my x`) + z + x:`my x` + (`1` | `class`) + (0 + `1` | g)"
    )
    assert updated("`class` ~ .", "`1` ~ x") == "class ~ x"


def test_a_dot_of_the_old_formula_is_written_out():
    """It stands for the columns that the old formula had, also in random terms."""
    assert updated("~ . - x - z", "y ~ . + (1 | g)") == "y ~ f + h + `my x` + `1` + class + (1 | g)"
    found = updated("~ . - f", "y ~ f + (. | g)")
    assert found == "y ~ 1 + (x + f + h + `my x` + z + `1` + class | g)"


def test_terms_written_again_are_the_same_terms():
    bound = bind(parse_formula(OLD), COLUMNS)
    terms = formula_terms(bound)
    again = bind(parse_formula(str(terms)), COLUMNS)
    assert list(again.fixed) == list(bound.fixed)
    assert [str(t.expression) for t in again.random] == [str(t.expression) for t in bound.random]
    assert [t.group for t in again.random] == [t.group for t in bound.random]
    assert str(formula_terms(again)) == str(terms)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("~ . - z", "`z` is no fixed term of the model, which has x, f"),
        ("~ . - (z | g)", r"`\(z \| g\)` is no random term .* Did you mean `\(x \| g\)`"),
        ("~ . - offset(log(z))", "an offset cannot be taken out"),
        ("~ x - (x | g)", "without a `.` on the right"),
        ("~ . - ((1 | g) + x)", "one by one"),
        ("~ . +", "nothing follows this sign"),
        ("~ . + (1 | g", "never closed"),
        ("x", "no `~`"),
        ("y ~ x ~ .", "a second `~`"),
        ("", "empty"),
        (3, "a string such as '. ~ . - x'"),
    ],
)
def test_refused(text, message):
    with pytest.raises(FormulaError, match=message):
        updated(text)


def test_unknown_columns():
    with pytest.raises(ColumnError, match=r"`zz` is not a column .* Did you mean `z`"):
        updated("~ . - zz")


def test_equal_terms_cannot_be_told_apart():
    with pytest.raises(FormulaError, match="is there twice"):
        updated("~ . - (1 | g)", "y ~ x + (1 | g) + (1 | g)")
