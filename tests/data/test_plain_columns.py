"""Columns as they are give the same design with and without formulaic: numbers, labels, messages.

The slow twin leaves every shortcut out: formulaic evaluates all parts, pandas codes all labels, and
independent columns are found by elimination.
"""

from __future__ import annotations

import datetime as dt
import warnings
from unittest import mock

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import lmforms as lf
from lmforms.data import column_ranks, frame, group_codes
from lmforms.errors import LmformsError
from lmforms.formula import formula_parts

FORMULAS = [
    "y ~ x",
    "y ~ 1 + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x + f + (x + f | g)",
    "y ~ f + x + (0 + f | g) + (1 | h)",
    "y ~ 0 + f + (1 | g/h)",
    "y ~ f * x + (x || g)",
    "y ~ f * h + (1 | g:h:f)",
    "y ~ f:h + x:f + (1 | g)",
    "y ~ x:f:h + x:i + (x:i | g)",
    "y ~ f:x:i + offset(x) + (1 | g)",
    "y ~ f + offset(f) + (1 | g)",
    "y ~ (f + h + x)^2 + (f * h || g)",
    "y ~ x + x:i + f %in% h + (1 | `a b`)",
    "f ~ x + (1 | g)",
    "y ~ `a b` * `if` + (`a b` | g)",
    "y ~ `1` + f + (`1` | g)",
    "y ~ . + (1 | g)",
    "y ~ 0 + (1 | g)",
    "y ~ cs(0 + f | g) + exp(x + i | h)",
    "y ~ log(x) + f + (1 | g)",
    "y ~ x + (1 | factor(h)) + (f | g)",
]

N = 40
LABELS = ["a", "b", "c", "10", "2", "T.x", "a:b", "__d", "ü", "{e}"]


def text(values):
    return np.array([LABELS[v] for v in values], dtype=object)


FACTORS = {
    "text": lambda v: text(v),
    "str": lambda v: pd.array(text(v), dtype="str"),
    "categories": lambda v: pd.Categorical(text(v), categories=LABELS[::-1]),
    "ordered": lambda v: pd.Categorical(text(v), categories=LABELS, ordered=True),
    "numbered": lambda v: pd.Categorical(v * 3 - 4),
    "decimal": lambda v: pd.Categorical(v / 10),
    "of days": lambda v: pd.Categorical([dt.date(2020, 1, 1 + k) for k in v]),
    "of flags": lambda v: pd.Categorical(v % 2 == 0),
    "flags": lambda v: v % 2 == 0,
    "integers": lambda v: v - 3,
    "short": lambda v: (v * 100 % 256 - 128).astype(np.int8),
    "unsigned": lambda v: v.astype(np.uint64),
    "far apart": lambda v: v * 10**12,
    "floats": lambda v: v / 4,
    "nullable": lambda v: pd.array(v, dtype="Int64"),
    "days": lambda v: pd.to_datetime("2021-01-01") + pd.to_timedelta(v, unit="D"),
    "mixed": lambda v: np.array([LABELS[k] if k % 2 else k for k in v], dtype=object),
}

NUMBERS = {
    "floats": lambda v: v,
    "single": lambda v: v.astype(np.float32),
    "integers": lambda v: (v * 3).astype(np.int64),
    "small": lambda v: (v * 3).astype(np.int16),
    "nullable": lambda v: pd.array(v, dtype="Float64"),
    "objects": lambda v: v.astype(object),
    "shifted": lambda v: 2e6 + v,
    "tiny": lambda v: 1e-170 * v,
    "huge": lambda v: 1e160 * v,
    "constant": lambda v: np.full(len(v), 3.0),
    "zero": lambda v: np.zeros(len(v)),
    "infinite": lambda v: np.where(v > 1.5, np.inf, v),
    "text": lambda v: v.astype(str),
}


@st.composite
def tables(draw):
    """A frame of columns of any type, with or without gaps."""
    n = draw(st.sampled_from([N, N, N, 7]))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    columns = {"y": rng.normal(size=n) + 3}
    for name in ("x", "i", "a b", "if", "1"):
        kind = draw(st.sampled_from(list(NUMBERS)[:5] if draw(st.booleans()) else list(NUMBERS)))
        columns[name] = NUMBERS[kind](rng.normal(size=n))
    for name, size in (("f", 3), ("g", 6), ("h", 4)):
        kind = draw(st.sampled_from(list(FACTORS)))
        first = draw(st.integers(0, len(LABELS) - size))
        columns[name] = FACTORS[kind](rng.integers(first, first + size, size=n))
    table = pd.DataFrame(columns, index=rng.permutation(n) + 5)
    for name in draw(st.sets(st.sampled_from(["x", "f", "g"]), max_size=2)):
        if draw(st.booleans()):
            table[name] = table[name].where(rng.uniform(size=n) < 0.9)
    order = draw(st.permutations(list(table)))
    return table[order]


def design(formula, table, **options):
    """The design or the error, and all warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = lf.MixedModel(formula, table, **options).design
        except LmformsError as error:
            found = (type(error), str(error))
    return found, [(w.category, str(w.message)) for w in caught]


def slow_design(formula, table, **options):
    """The same without any shortcut."""
    with (
        mock.patch.object(frame, "complete_plain_table", return_value=None),
        mock.patch.object(formula_parts, "_plain_parts", return_value=None),
        mock.patch.object(column_ranks, "clearly_independent", return_value=False),
        mock.patch.object(group_codes, "MOST_NUMBERS_PER_ROW", 0),
    ):
        return design(formula, table, **options)


def assert_same_index(a, b):
    assert type(a) is type(b)
    pd.testing.assert_index_equal(a, b, exact=True)
    assert a.names == b.names


def assert_same_matrix(a, b):
    assert_array_equal(a.values, b.values)
    assert a.values.flags.c_contiguous == b.values.flags.c_contiguous
    assert a.names == b.names
    assert a.is_categorical == b.is_categorical
    assert list(a.columns_by_term) == list(b.columns_by_term)
    for label, columns in b.columns_by_term.items():
        assert_array_equal(a.columns_by_term[label], columns)
    assert str(a.spec.formula) == str(b.spec.formula)
    assert repr(a.spec.structure) == repr(b.spec.structure)
    assert list(a.spec.encoder_state) == list(b.spec.encoder_state)
    for factor, (kind, state) in b.spec.encoder_state.items():
        assert a.spec.encoder_state[factor][0] == kind
        assert a.spec.encoder_state[factor][1].get("categories") == state.get("categories")


def assert_same(fast, slow):
    (a, warned), (b, expected) = fast, slow
    assert warned == expected
    if isinstance(b, tuple):
        assert a == b
        return
    assert_same_matrix(a.fixed, b.fixed)
    for one, other in zip(a.terms + a.offsets, b.terms + b.offsets, strict=True):
        if hasattr(one, "matrix"):
            assert (one.label, one.written, one.group, one.columns) == (
                *(other.label, other.written, other.group, other.columns),
            )
            assert (
                one.covariance == other.covariance or type(one.covariance).__name__ == "Structured"
            )
            one, other = one.matrix, other.matrix
        if one.values.shape[1] == len(one.spec.formula) or one.spec.structure is not None:
            assert_same_matrix(one, other)
    for one, other in zip(a.groups, b.groups, strict=True):
        assert_array_equal(one.codes, other.codes)
        assert one.codes.dtype == other.codes.dtype
        assert_same_index(one.levels, other.levels)
        assert len(one.labels) == len(other.levels)
        assert (one.name, one.factor, one.terms, one.columns) == (
            *(other.name, other.factor, other.terms, other.columns),
        )
    for name in ("in_model", "y", "offset", "x_kept"):
        assert_array_equal(getattr(a, name), getattr(b, name))
    assert_same_index(a.index, b.index)
    assert a.description == b.description


@given(table=tables(), formula=st.sampled_from(FORMULAS))
@settings(max_examples=150)
def test_designs_are_the_same_without_shortcuts(table, formula):
    assert_same(design(formula, table), slow_design(formula, table))
