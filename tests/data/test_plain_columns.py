"""Columns as they are give the same design with and without formulaic: numbers, labels, messages.

The slow twin leaves every shortcut out: formulaic evaluates the parts, pandas reads the columns and
codes all labels, and independent columns are found by elimination.
"""

from __future__ import annotations

import copy
import datetime as dt
import gc
import pickle
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import lmforms as lf
from lmforms.data import column_ranks, frame, group_codes, plain_frame, plain_types
from lmforms.data.level_labels import level_codes
from lmforms.engine.linalg.independent_columns import independent_columns
from lmforms.errors import LmformsError
from lmforms.formula import bind, coded_columns, evaluator, formula_parts
from lmforms.formula.coded_columns import REMEMBERED_CODINGS, coded_terms

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


def slow_design(formula, table, *, products=False, **options):
    """The same without any shortcut; `products`: also that of products of numbers."""
    own = {} if products else {"_products": evaluator.Evaluator._products}
    with (
        mock.patch.object(frame, "complete_plain_table", return_value=None),
        mock.patch.object(formula_parts, "_plain_parts", return_value=None),
        mock.patch.object(column_ranks, "clearly_independent", return_value=False),
        mock.patch.object(group_codes, "MOST_NUMBERS_PER_ROW", 0),
        mock.patch.multiple(evaluator.Evaluator, **own or {"_products": lambda *_: None}),
    ):
        return design(formula, table, **options)


def assert_same_index(a, b):
    assert type(a) is type(b)
    pd.testing.assert_index_equal(a, b, exact=True)
    assert a.names == b.names


def assert_same_columns(a, b):
    assert_array_equal(a.values, b.values)
    assert a.values.flags.c_contiguous
    assert a.names == b.names
    assert a.is_categorical == b.is_categorical
    assert list(a.columns_by_term) == list(b.columns_by_term)
    for label, columns in b.columns_by_term.items():
        assert_array_equal(a.columns_by_term[label], columns)


def assert_same_spec(a, b):
    assert str(a.formula) == str(b.formula)
    assert repr(a.structure) == repr(b.structure)
    assert list(a.encoder_state) == list(b.encoder_state)
    for factor, (kind, state) in b.encoder_state.items():
        assert a.encoder_state[factor][0] == kind
        assert a.encoder_state[factor][1].get("categories") == state.get("categories")


def assert_same(fast, slow, *, specs=True):
    (a, warned), (b, expected) = fast, slow
    assert warned == expected
    if isinstance(b, tuple):
        assert a == b
        return
    pairs = [(a.fixed, b.fixed), *zip(a.offsets, b.offsets, strict=True)]
    for one, other in zip(a.terms, b.terms, strict=True):
        for name in ("label", "written", "group", "columns"):
            assert getattr(one, name) == getattr(other, name)
        assert type(one.covariance) is type(other.covariance)
        if one.places is None:
            pairs.append((one.matrix, other.matrix))
        else:
            assert_array_equal(one.matrix.values, other.matrix.values)
    for one, other in pairs:
        assert_same_columns(one, other)
        if specs:
            assert_same_spec(one.spec, other.spec)
    for one, other in zip(a.groups, b.groups, strict=True):
        assert_array_equal(one.codes, other.codes)
        assert one.codes.dtype == other.codes.dtype
        assert_same_index(one.levels, other.levels)
        assert len(one.labels) == len(other.levels)
        for name in ("name", "factor", "terms", "columns"):
            assert getattr(one, name) == getattr(other, name)
    for name in ("in_model", "y", "offset", "x_kept"):
        assert_array_equal(getattr(a, name), getattr(b, name))
    assert_same_index(a.index, b.index)
    assert a.description == b.description
    assert list(a.frame.table) == list(b.frame.table)
    for name, column in b.frame.table.items():
        pd.testing.assert_series_equal(a.frame.table[name], column)


@given(table=tables(), formula=st.sampled_from(FORMULAS), copied=st.sampled_from([0, 10_000]))
@settings(max_examples=40)
def test_designs_are_the_same_without_shortcuts(table, formula, copied):
    with mock.patch.object(plain_frame, "MOST_COPIED_ROWS", copied):
        fast = design(formula, table)
    assert_same(fast, slow_design(formula, table))


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulaic_gives_the_same_columns(formula):
    rng = np.random.default_rng(5)
    columns = {name: rng.normal(size=N) for name in ("y", "x", "i", "a b", "if", "1")}
    for name, size in (("f", 3), ("g", 6), ("h", 4)):
        columns[name] = pd.Categorical(rng.integers(0, size, N).astype(str))
    table = pd.DataFrame(columns)
    assert_same(design(formula, table), slow_design(formula, table, products=True), specs=False)


# --- what is remembered ------------------------------------------------------------------------


def small(n=12):
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "f": pd.Categorical(np.resize(["a", "b", "c"], n)),
            "g": np.arange(n) % 4,
        }
    )


CHANGES = {
    "values": lambda t: t.assign(x=t["x"] ** 2),
    "kind": lambda t: t.assign(x=pd.Categorical(np.resize(["u", "v"], len(t)))),
    "order of levels": lambda t: t.assign(f=t["f"].cat.reorder_categories(["c", "a", "b"])),
    "names of levels": lambda t: t.assign(f=t["f"].cat.rename_categories(["1", "2", "3"])),
    "another level": lambda t: t.assign(f=pd.Categorical(np.resize(list("abcd"), len(t)))),
    "unused level": lambda t: t.assign(f=t["f"].cat.add_categories("z")),
    "gap": lambda t: t.assign(x=t["x"].where(t.index > 0)),
    "infinity": lambda t: t.assign(x=t["x"].where(t.index > 0, np.inf)),
    "column": lambda t: t.assign(more=np.arange(len(t)) ** 2.0),
    "order of columns": lambda t: t[t.columns[::-1]],
    "index": lambda t: t.set_axis(list("abcdefghijkl")),
    "text": lambda t: t.assign(g=t["g"].map(str)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("formula", ["y ~ . + (1 | g)", "y ~ x * f + (1 | g)", "y ~ 0 + f:x + f"])
def test_a_changed_table_is_read_anew(formula, change):
    design(formula, small())
    changed = CHANGES[change](small())
    assert_same(design(formula, changed), slow_design(formula, changed))


# before version 3, a column of pandas was a view of the table
VIEWS = pytest.mark.skipif(int(pd.__version__.partition(".")[0]) < 3, reason="no copy on write")


@pytest.mark.parametrize("copied", [pytest.param(0, marks=VIEWS), 10_000])
def test_a_design_keeps_its_values_where_the_table_changes(copied):
    table, formula = small(), "y ~ x * f + (1 | g)"
    with mock.patch.object(plain_frame, "MOST_COPIED_ROWS", copied):
        made, _ = design(formula, table)
    expected, _ = design(formula, table.copy())
    table.loc[3, ["y", "x"]] = 100.0
    table.loc[4, "f"] = "c"
    table["g"] = 1
    assert_same((made, []), (expected, []))
    assert design(formula, table)[0] != made


def test_variables_of_the_caller_are_looked_up_each_time():
    table, formula = small(), "y ~ 0 + own(x) + (1 | g)"
    for own in (np.sin, np.cos):
        made, _ = design(formula, table, context={"own": own})
        assert_array_equal(made.X[:, 0], own(table["x"]))
    assert_array_equal(scaled(table, 2.0), 2.0 * table["x"])
    assert_array_equal(scaled(table, 3.0), 3.0 * table["x"])


def scaled(table, size):
    """A column of a design that a variable is in."""
    assert size
    return lf.MixedModel("y ~ 0 + I(x * size) + (1 | g)", table).design.X[:, 0]


def test_variables_do_not_stand_for_columns():
    x = f = np.full(12, np.nan)
    assert len(x) == len(f)
    assert np.isfinite(lf.MixedModel("y ~ x + f + (1 | g)", small()).design.X).all()


@pytest.mark.parametrize("contrasts", [{"f": "contr.sum"}, {"f": np.array([[1], [0], [2.0]])}])
def test_contrasts_are_not_forgotten(contrasts):
    table, formula = small(), "y ~ f + (1 | g)"
    design(formula, table)
    made = design(formula, table, contrasts=contrasts)
    assert_same(made, slow_design(formula, table, contrasts=contrasts), specs=False)
    assert made[0].x_names != design(formula, table)[0].x_names


def test_threads_get_the_designs_of_their_tables():
    tables = [small().assign(x=np.arange(12.0) ** k) for k in range(1, 5)]
    formulas = ["y ~ f + (1 | g)", "y ~ f * x", "y ~ g:f + (x || f)", "y ~ 0 + f"] * 3
    expected = [design(formula, table) for formula in formulas for table in tables]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(slice_of, formulas, table) for table in tables]
        found = [job.result() for job in jobs]
    for place, wanted in enumerate(expected):
        made = found[place % len(tables)][place // len(tables)]
        assert made is not None
        assert_array_equal(made.X, wanted[0].X)


def slice_of(formulas, table):
    """Designs without records of warnings, which threads would share."""
    return [lf.MixedModel(formula, table).design for formula in formulas]


def test_nothing_of_a_table_is_kept():
    table = small()
    watched = [weakref.ref(table), weakref.ref(table["f"].cat.categories)]
    lf.MixedModel("y ~ x * g + (x | f)", table)
    del table
    gc.collect()
    assert [there() for there in watched] == [None, None]


def test_what_is_remembered_is_bounded():
    assert coded_terms.cache_info().maxsize == REMEMBERED_CODINGS
    assert bind._bound.cache_info().maxsize == bind.REMEMBERED_BINDINGS
    before = bind._bound.cache_info().currsize
    wide = pd.DataFrame({f"x{j}": [0.0, 1.0] for j in range(bind.MOST_REMEMBERED_COLUMNS)})
    lf.MixedModel("y ~ x0", wide.assign(y=[1.0, 2.0]))
    assert bind._bound.cache_info().currsize == before


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_know_what_formulaic_would_have_learnt(way):
    formula = "y ~ x * f + (x | g) + (0 + f | h)"
    table = pd.concat([small(), small().assign(g=4)]).assign(h=np.arange(24) % 5)
    again = way(lf.MixedModel(formula, table)).design
    assert_same((again, []), slow_design(formula, table))


# --- the steps ---------------------------------------------------------------------------------


@given(
    columns=st.lists(st.lists(st.integers(0, 3), min_size=9, max_size=9), min_size=1, max_size=4)
)
def test_labels_of_combinations(columns):
    names = [f"c{j}" for j in range(len(columns))]
    components = [pd.Series(values, name=name) for name, values in zip(names, columns)]
    codes, labels = level_codes(components, ":".join(names))
    rows = list(zip(*columns)) if len(columns) > 1 else columns[0]
    assert labels.index[codes].tolist() == rows
    assert labels.index.is_unique
    assert labels.index.is_monotonic_increasing
    assert list(labels.index.names) == names
    assert len(labels) == len(set(rows)) == len(labels.index)


@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 40), min_size=1, max_size=30)
)
def test_codes_of_whole_numbers(values):
    column = pd.Series(values, dtype="int64", name="g")
    codes, labels = group_codes.group_codes(column)
    expected, levels = pd.factorize(column, sort=True)
    assert_array_equal(codes, expected)
    assert_same_index(labels, pd.Index(levels))


TEXTS = st.sampled_from(["a", "b", "B", "", "10", "9", "1.5", "1,5", "é", "NA", ".", "1e3"])


@given(texts=st.lists(TEXTS, min_size=1, max_size=40), kind=st.sampled_from(["str", "string", "O"]))
@settings(max_examples=40)
def test_text_becomes_the_same_categories_by_runs(texts, kind):
    column = pd.Series(np.repeat(np.array(texts, dtype=object), 3), name="s").astype(kind)
    for direct in (True, False):
        with mock.patch.object(plain_types, "_differ", lambda a, b: np.ones(len(a), dtype=bool)):
            expected = outcome(column, direct)
        found = outcome(column, direct)
        assert type(found) is type(expected)
        if isinstance(found, str):
            assert found == expected
        else:
            pd.testing.assert_series_equal(found, expected)
            assert found.cat.categories.tolist() == sorted(set(texts))


@given(texts=st.lists(TEXTS, min_size=6, max_size=40), kind=st.sampled_from(["str", "string", "O"]))
@settings(max_examples=40)
def test_text_is_refused_alike(texts, kind):
    column = pd.Series(np.array(texts, dtype=object)).astype(kind)
    table = pd.DataFrame({"s": column, "y": np.arange(len(texts)) ** 2.0})
    for formula in ("y ~ s", "y ~ 1 + (1 | s)"):
        assert_same(design(formula, table), slow_design(formula, table))


@pytest.mark.parametrize("entry", ["\ud800", None, np.nan, 1, b"a", ["a"]])
def test_objects_that_are_no_text(entry):
    entries = ["a", "b", "c"] * 3 + ["a", "b", entry]
    table = small().assign(s=pd.Series(entries, dtype=object))
    for formula in ("y ~ s", "y ~ 1 + (1 | s)"):
        assert_same(design(formula, table), slow_design(formula, table))


def outcome(column, direct):
    """Categories, or why they are refused."""
    try:
        return plain_types.plain_objects(column, "s", as_is=direct)
    except LmformsError as error:
        return str(error)


@given(seed=st.integers(0, 2**16), power=st.integers(-170, 150), share=st.floats(-12, 0))
def test_clearly_independent_columns_are_independent(seed, power, share):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(20), rng.normal(size=(20, 3)), rng.normal(size=20)])
    X[:, 4] = X[:, :4] @ rng.normal(size=4) + 10.0**share * X[:, 4]
    X = X[:, rng.permutation(5)] * 10.0 ** rng.integers(-3, 3, size=5) * 10.0**power
    if column_ranks.clearly_independent(X):
        assert len(independent_columns(X)) == 5
    X[:, 2] = X[:, 0] - X[:, 1]
    assert not column_ranks.clearly_independent(X)


def test_other_names_of_columns_are_read():
    table = small().rename(columns={"x": 7})
    assert lf.MixedModel("y ~ `7` + (1 | g)", table).design.x_names == ["Intercept", "7"]
    both = pd.concat({"y": table["y"], "g": table["g"]}, axis=1).assign(w=1.0)
    both.columns = pd.MultiIndex.from_tuples([("y", ""), ("g", ""), ("w", "")])
    with pytest.raises(lf.errors.ColumnError):
        lf.MixedModel("y ~ 1 + (1 | g)", both)


# --- mappings, and what is remembered of labels --------------------------------------------------


def as_mapping(table, *, lists):
    """The columns of a table without pandas."""
    found = {}
    for name, column in table.items():
        values = column.astype(str) if column.dtype == "category" else column
        found[name] = values.tolist() if lists else values.to_numpy()
    return found


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize(
    "formula", ["y ~ x * f + (1 | g)", "y ~ 0 + f:x + (x || f)", "y ~ . + (1 | f)"]
)
def test_mappings_give_the_same_designs(formula, lists):
    data = as_mapping(small(), lists=lists)
    assert_same(design(formula, data), slow_design(formula, pd.DataFrame(data)))
    assert_array_equal(design(formula, data)[0].X, slow_design(formula, data)[0].X)


@pytest.mark.parametrize(
    "column",
    [
        [0.5] * 11 + [float("nan")],
        [2**70] * 11 + [0],
        [*"aabbccddeef", None],
        ["1.5"] * 11 + ["."],
        np.ones((12, 1)),
        [1] * 11,
        3.0,
        np.ma.masked_array(np.arange(12.0), [1] + [0] * 11),
    ],
)
def test_mappings_of_other_columns_are_read_as_before(column):
    data = {**as_mapping(small(), lists=True), "x": column}
    for formula in ("y ~ x + (1 | g)", "y ~ 1 + (1 | x)"):
        assert_same(design(formula, data), slow_design(formula, data))


def test_labels_of_text_are_remembered_by_value():
    table = small().assign(s=np.resize(["u", "v", "w"], 12))
    first, _ = design("y ~ s + (1 | s)", table)
    table.loc[table["s"] == "u", "s"] = "other"
    second, _ = design("y ~ s + (1 | s)", table)
    assert list(first.groups[0].levels) == ["u", "v", "w"]
    assert list(second.groups[0].levels) == ["other", "v", "w"]
    assert second.x_names == ["Intercept", "s[T.v]", "s[T.w]"]
    for remembered in (plain_frame._labels, coded_columns._coded):
        assert 0 < remembered.cache_info().currsize <= remembered.cache_info().maxsize


def test_many_labels_are_not_remembered():
    n = plain_frame.MOST_REMEMBERED_LEVELS + 1
    table = pd.DataFrame({"y": np.arange(2.0 * n) % 7, "s": [f"s{i % n}" for i in range(2 * n)]})
    before = plain_frame._labels.cache_info().currsize, coded_columns._coded.cache_info().currsize
    made = lf.MixedModel("y ~ s", table).design
    assert made.X.shape == (2 * n, n)
    after = plain_frame._labels.cache_info().currsize, coded_columns._coded.cache_info().currsize
    assert before == after
