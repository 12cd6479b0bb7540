"""Sums in files: they come back bit for bit, hold no rows, and are refused when damaged."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from fuzz import saved_fits

import lmforms as lf
from lmforms.cli.program import main
from lmforms.errors import (
    ArgumentError,
    ContextWarning,
    DataError,
    FileError,
    FormulaError,
    LmformsError,
    MemoryLimitError,
    ModelError,
    NumericalError,
)
from lmforms.storage.plain_values import decode_value, encode_value
from lmforms.stream import stored_plan

pytest.importorskip("pyarrow")

N = 240
RNG = np.random.default_rng(11)
G = RNG.permutation(np.arange(N) % 12)
DATA = pd.DataFrame(
    {
        "x": RNG.uniform(1.0, 9.0, N),
        "z": RNG.normal(size=N),
        "i": RNG.integers(0, 4, N),
        "b": RNG.integers(0, 2, N) > 0,
        "f": pd.Categorical(RNG.choice(list("abc"), N), ["c", "a", "b"]),
        "o": pd.Categorical(RNG.choice(["low", "high"], N), ["low", "high"], ordered=True),
        "t": RNG.choice(["u", "v", "w"], N),
        "g": G,
        "h": [f"é{v}" for v in RNG.integers(0, 7, N)],
        "c": pd.Categorical(RNG.choice(["q", "p", "r"], N), ["r", "q", "p"]),
        "d": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 300, N), unit="D"),
        "w": RNG.uniform(0.5, 2.0, N),
    }
)
DATA["y"] = 3.0 + DATA["x"] + RNG.normal(size=12)[G] * (1 + 0.3 * DATA["x"]) + RNG.normal(size=N)


def twice(values):
    return 2.0 * values


def cap(values):
    return [min(value, 4.0) for value in values]


def summed(formula, data=DATA, **options):
    return lf.summarise(formula, [data[:100], data[100:]], **options)


def fitted(sums):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(sums)


def fitted_rows(formula):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, DATA)


def returned(sums, folder, **options):
    """Sums after a round trip, compared on the way."""
    path = folder / "sums.lms"
    sums.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = lf.load(path, **options)
    assert isinstance(back, lf.ModelSums)
    assert repr(back) == repr(sums)
    assert (back.n_read, back.missing, back.columns) == (sums.n_read, sums.missing, sums.columns)
    for name, counts in sums.counts.items():
        pd.testing.assert_series_equal(back.counts[name], counts)
    pd.testing.assert_series_equal(back.smallest(), sums.smallest())
    same_arrays(back, sums)
    fit, other = fitted(back), fitted(sums)
    assert fit.criterion == other.criterion
    np.testing.assert_array_equal(fit.theta, other.theta)
    pd.testing.assert_series_equal(fit.params, other.params, check_exact=True)
    for name, effects in other.random_effects.items():
        pd.testing.assert_frame_equal(fit.random_effects[name], effects, check_exact=True)
    assert str(fit.summary()) == str(other.summary())
    return back


def same_arrays(back, sums):
    """All bits of the sums and their units."""
    a, b = back._totals, sums._totals
    assert a.sums.scaling.is_same(b.sums.scaling)
    assert back._plan.scaling.is_same(sums._plan.scaling)
    for i, (own, other) in enumerate(zip(a.sums.factors, b.sums.factors, strict=True)):
        for name in ("zz", "zr", "counts"):
            assert getattr(own, name).tobytes() == getattr(other, name).tobytes()
        assert a.labels[i].equals(b.labels[i])
        assert a.labels[i].dtype == b.labels[i].dtype
    assert a.sums.pairs.keys() == b.sums.pairs.keys()
    for key, pair in a.sums.pairs.items():
        for name in ("rows", "cols", "blocks", "counts"):
            np.testing.assert_array_equal(getattr(pair, name), getattr(b.sums.pairs[key], name))
    np.testing.assert_array_equal(a.sums.rr, b.sums.rr)
    np.testing.assert_array_equal(a.sums.root, b.sums.root)
    assert a.factor_counts.keys() == b.factor_counts.keys()
    for name, counts in a.factor_counts.items():
        np.testing.assert_array_equal(counts, b.factor_counts[name])


MODELS = [
    ("y ~ x + (x | g)", {}),
    ("y ~ x + (x || g)", {}),
    ("y ~ f * x + (1 | g)", {}),
    ("y ~ t + b + o + (b | g)", {}),
    ("y ~ 0 + x + (0 + x | g)", {}),
    ("y ~ 0 + f + (1 | g)", {}),
    ("y ~ x + (1 | g:h)", {}),
    ("y ~ x + (1 | c / b)", {}),
    ("y ~ x + (1 | g) + (1 | h) + (1 | c)", {}),
    ("y ~ x + (1 | g)", {"weights": "w"}),
    ("y ~ x + (1 | g)", {"weights": "w", "offset": "z"}),
    ("y ~ x + offset(log(w)) + (1 | g)", {}),
    ("y ~ f * x + (1 | g)", {"contrasts": {"f": "contr.sum"}}),
    ("y ~ f + (1 | g)", {"contrasts": {"f": np.array([[1, 0], [0, 1], [-1, -1]])}}),
    ("y ~ f + (1 | g)", {"contrasts": {"f": [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]}}),
    ("y ~ C(t, contr.treatment('v')) + (1 | g)", {}),
    ("y ~ factor(i) * b + (1 | g)", {}),
    ("y ~ poly(x, 2) + scale(z) + (scale(x) | g)", {}),
    ("scale(y) ~ center(x):f + (1 | g)", {}),
    ("log(y + 20) ~ bs(x, knots=c(3, 5)) + (1 | g)", {}),
    ("y ~ ns(x, knots=c(3, 5)) + hashed(t, levels=3) + (1 | g)", {}),
    ("y ~ cr(x, knots=c(3, 5)) + ifelse(z > 0, 'p', 'q') + (1 | g)", {}),
    ("y ~ I(x > 4) + (1 | I(i % 3)) + (1 | g)", {}),
    ("y ~ C(d.dt.quarter) + (1 | g)", {}),
    ("y ~ x + ar1(0 + factor(i) | g)", {}),
    ("y ~ x + cs(0 + f | g)", {}),
    pytest.param("y ~ x + (us(f):ar1(factor(i)) | g)", {}, marks=pytest.mark.slow),
    ("y ~ . + (1 | g)", {"data": DATA[["g", "x", "y", "b", "f"]]}),
    ("y ~ x + f + (1 | g)", {"levels": {"g": range(15), "f": ["a", "b", "c"]}}),
]


@pytest.mark.parametrize(("formula", "options"), MODELS, ids=str)
def test_round_trip(tmp_path, formula, options):
    sums = summed(formula, **options)
    back = returned(sums, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fitted(sums).predict(DATA)
    np.testing.assert_array_equal(fitted(back).predict(DATA), expected)
    again = tmp_path / "again.lms"
    back.save(again)
    assert saved_fits.members(again.read_bytes()) == saved_fits.members(
        (tmp_path / "sums.lms").read_bytes()
    )


@pytest.mark.parametrize(
    "labels",
    [
        DATA["h"],
        2**53 + DATA["g"],
        DATA["g"].astype(np.int8),
        DATA["g"] % 2 == 0,
        pd.Categorical(DATA["g"], categories=range(20, -1, -1)),
        pd.Categorical(DATA["h"], ordered=True),
        DATA["d"].dt.to_period("M").dt.to_timestamp(),
        pd.to_timedelta(DATA["g"], unit="h"),
        DATA["d"].dt.tz_localize("Europe/Berlin").dt.floor("60D"),
    ],
    ids=["text", "large", "int8", "bool", "category", "ordered", "dates", "spans", "zoned"],
)
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (1 | g:c)"])
def test_labels(tmp_path, formula, labels):
    data = DATA.assign(g=labels)
    back = returned(summed(formula, data), tmp_path)
    np.testing.assert_array_equal(
        fitted(back).predict(data), fitted(summed(formula, data)).predict(data)
    )


def test_odd_names(tmp_path):
    data = DATA.rename(columns={"y": "a b", "x": "x.1", "g": "größe/%", "f": "yield"})
    returned(summed("`a b` ~ scale(x.1) + `yield` + (1 | `größe/%`)", data), tmp_path)


def test_missing_values(tmp_path):
    data = DATA.assign(y=DATA["y"].where(DATA["z"] > -1))
    sums = summed("log(y + 3) ~ x + (1 | g)", data)
    assert returned(sums, tmp_path).missing["y"] == (DATA["z"] <= -1).sum()


@pytest.mark.parametrize("formula", ["y ~ f * x + (x | g)", "y ~ 0 + f + (1 | g) + (1 | h)"])
def test_loaded_sums_add_up(tmp_path, formula):
    first, rest = lf.summarise(formula, DATA[:150]), lf.summarise(formula, DATA[150:])
    back = returned(first, tmp_path)
    whole = fitted(first + rest)
    assert fitted(back + rest).criterion == whole.criterion
    assert fitted(rest + back).criterion == fitted(rest + first).criterion
    assert whole.criterion == pytest.approx(fitted_rows(formula).criterion, rel=1e-9)
    both = returned(back + rest, tmp_path)
    left = both.without(rest)
    assert left.nobs == 150
    assert fitted(left).criterion == pytest.approx(fitted(first).criterion, rel=1e-7)
    assert returned(left, tmp_path).counts["g"].sum() == 150
    nothing = returned_without_fit(back.without(first), tmp_path)
    assert (nothing + rest).nobs == 90
    with pytest.raises(ModelError, match="no rows"):
        nothing.fit()


def returned_without_fit(sums, folder):
    sums.save(folder / "none.lms")
    return lf.load(folder / "none.lms")


def test_transforms_add_up_where_they_have_learnt_the_same(tmp_path):
    formula = "y ~ poly(x, 2) + scale(z) + (1 | g)"
    whole = summed(formula)
    back = returned(whole, tmp_path)
    assert (back + whole).nobs == 2 * N
    with pytest.raises(ModelError, match="learnt different numbers"):
        back + lf.summarise(formula, DATA[:100])


def test_functions_of_the_user_are_asked_for(tmp_path):
    path = tmp_path / "sums.lms"
    for function in (twice, cap):
        sums = summed("y ~ f0(x) + (1 | g)", context={"f0": function})
        with pytest.warns(ContextWarning, match=r"'f0'.*load\(path, context="):
            sums.save(path)
        with pytest.raises(DataError, match=r"'f0' from your code.*context="):
            lf.load(path)
        back = lf.load(path, context={"f0": function})
        same_arrays(back, sums)
        data = DATA[:5]
        np.testing.assert_array_equal(fitted(back).predict(data), fitted(sums).predict(data))
    with pytest.raises(DataError, match="columns and structures"):
        lf.load(path, context={"f0": lambda x: pd.Series(["a"] * len(x), dtype=object)})


def test_code_is_refused(tmp_path):
    path = tmp_path / "sums.lms"
    with pytest.raises(FormulaError, match=r"save: .*context="):
        summed("y ~ x.clip(2, 4) + (1 | g)").save(path)
    summed("y ~ log(x) + (1 | g)").save(path)
    for code in ("open('secret')", "().__class__", "exec('1')", "x.to_pickle('secret')"):
        content = changed(path.read_bytes(), formula=f"y ~ I({code}) + (1 | g)")
        with pytest.raises(LmformsError):
            loaded(tmp_path, content)
    assert not (tmp_path / "secret").exists()


def test_what_cannot_be_written(tmp_path):
    path = tmp_path / "sums.lms"
    with pytest.raises(DataError, match="contrast object for `f`"):
        summed("y ~ f + (1 | g)", contrasts={"f": {"first": [1, 0, -1]}}).save(path)
    sums = summed("y ~ scale(x) + (1 | g)")
    (state,) = sums._plan.prototype.fixed.spec.transform_state.values()
    state["scale"] = twice
    with pytest.raises(DataError, match=r"save: what `scale\(x\)` has learnt: .*function"):
        sums.save(path)
    state["scale"] = list(range(3000))
    with pytest.raises(DataError, match="more than 2000 numbers"):
        sums.save(path)
    with pytest.raises(ArgumentError, match="path"):
        sums.save("")
    with pytest.raises(FileError, match="cannot be written"):
        summed("y ~ x + (1 | g)").save(tmp_path)
    assert not path.exists()


def test_overflow_is_not_written(tmp_path):
    with np.errstate(all="ignore"):
        sums = summed("y ~ x + (1 | g)", DATA.assign(y=DATA["y"] * 1e300))
    sums._totals.sums.rr[0, 0] = np.inf
    with pytest.raises(NumericalError, match="overflow"):
        sums.save(tmp_path / "sums.lms")


def test_formulas_that_would_not_load_are_not_written(tmp_path, monkeypatch):
    sums = summed("y ~ x + (1 | g)")
    monkeypatch.setattr(stored_plan, "MAX_FORMULA_LENGTH", 5)
    with pytest.raises(DataError, match=r"save: .*or `\.`"):
        sums.save(tmp_path / "sums.lms")
    monkeypatch.undo()
    with pytest.raises(DataError, match="without the rows"):
        summed("y ~ f0(x) + (1 | g)", context={"f0": rows_of_the_data}).save(tmp_path / "a.lms")


def rows_of_the_data(values):
    """Knows the values of x, and fails on any other."""
    if not len(values) or not np.isin(values, DATA["x"]).all():
        raise ValueError("another value")
    return 2.0 * values


# --- rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 1000.0])
@pytest.mark.parametrize(
    "formula", ["y ~ x + (x | g)", "y ~ f + scale(x) + (1 | g) + (1 | t)", "y ~ 0 + x + (1 | g)"]
)
def test_a_file_holds_no_value_of_a_row(tmp_path, formula, shift):
    y = shift + 0.123456789012345 + RNG.normal(size=N)
    x = 0.1 + RNG.uniform(size=N)
    data = DATA.assign(y=y, x=x)
    path = tmp_path / "sums.lms"
    summed(formula, data).save(path)
    content = b"".join(saved_fits.members(path.read_bytes()).values())
    for value in (*y, *x):
        assert repr(float(value)).encode() not in content
        assert np.float64(value).tobytes() not in content
        assert np.float64(-value).tobytes() not in content
    back = lf.load(path)
    rows = back._plan.formula_data.frame.table
    assert not np.isin(rows["x"], x).any()
    low, high = back._totals.sums.facts.low, back._totals.sums.facts.high
    assert y.min() - 0.01 * abs(y.min()) < low < y.min()
    assert y.max() < high < y.max() + 0.01 * abs(y.max())


def test_a_constant_response_stays_one(tmp_path):
    formula = "y ~ x + (1 | g)"
    sums = lf.summarise(formula, DATA.assign(y=0.123456789))
    back = returned_without_fit(sums, tmp_path)
    with pytest.raises(ModelError, match="constant"):
        back.fit()


def test_sizes(tmp_path):
    n = 50_000
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": rng.integers(0, 10**6, n), "x": rng.normal(size=n)})
    data["y"] = data["x"] + rng.normal(size=n)
    data["h"] = [f"person {v}" for v in data["g"] % 5000]
    path = tmp_path / "sums.lms"
    sums = lf.summarise("y ~ x + (1 | g) + (1 | h)", data)
    sums.save(path)
    held = 8 * (n * (1 + 3 + 1 + 1) + 5000 * 6 + n * 4)
    assert path.stat().st_size < held
    same_arrays(lf.load(path), sums)


# --- damage -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("sums") / "sums.lms"
    summed("y ~ f + scale(x) + factor(i) + (x | g) + (1 | h:c)", weights="w").save(path)
    return path.read_bytes()


def loaded(folder, content: bytes):
    path = folder / "bad.lms"
    path.write_bytes(content)
    return lf.load(path)


def refused(folder, content: bytes, message: str | None = None) -> None:
    with pytest.raises(LmformsError, match=message):
        loaded(folder, content)


def with_array(content: bytes, name: str, values) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return saved_fits.packed(saved_fits.members(content) | {f"{name}.npy": buffer.getvalue()})


def with_meta(content: bytes, change) -> bytes:
    """With another header, and the digest that belongs to it."""
    from lmforms.storage.archive import DIGEST, digest

    parts = saved_fits.members(content)
    meta = change(json.loads(parts["meta.json"]))
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(part))
        for name, part in parts.items()
        if name.endswith(".npy")
    }
    meta[DIGEST] = digest(meta, arrays)
    return saved_fits.packed(parts | {"meta.json": json.dumps(meta).encode()})


def changed(content: bytes, **fields) -> bytes:
    return with_meta(content, lambda meta: meta | {"plan": meta["plan"] | fields})


def test_a_whole_file_loads(tmp_path, content):
    assert loaded(tmp_path, content).nobs == N
    assert loaded(tmp_path, with_meta(content, lambda meta: meta)).nobs == N


def test_files_of_another_kind(tmp_path, content):
    refused(tmp_path, b"", "not a fit")
    refused(tmp_path, content[: len(content) // 2], "not a fit")
    refused(tmp_path, with_meta(content, lambda m: m | {"format": "other"}), "not a fit")
    newer = with_meta(content, lambda m: m | {"format_version": 99})
    refused(tmp_path, newer, "file of sums has format version 99.*Upgrade")


def test_a_change_is_noticed(tmp_path, content):
    parts = saved_fits.members(content)
    for name in parts:
        without = {key: part for key, part in parts.items() if key != name}
        refused(tmp_path, saved_fits.packed(without))
        if name.endswith(".npy"):
            values = np.load(io.BytesIO(parts[name]))
            if len(values):
                values = np.roll(values, 1) if len(set(values.tolist())) > 1 else values + 1
                refused(tmp_path, with_array(content, name.removesuffix(".npy"), values))
    meta = json.loads(parts["meta.json"]) | {"missing": {"y": 5}}
    edited = saved_fits.packed(parts | {"meta.json": json.dumps(meta).encode()})
    refused(tmp_path, edited, "changed after it was saved")


def test_flipped_bytes(tmp_path, content):
    whole = loaded(tmp_path, content)
    for place in range(40, len(content), 211):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        try:
            back = loaded(tmp_path, bytes(damaged))
        except LmformsError:
            continue
        same_arrays(back, whole)  # dates and the like, which ZIP does not check


@pytest.mark.parametrize("value", [None, True, -1, 2.5, float("nan"), "z", [], {}, [[1]], 2**70])
def test_every_field_is_checked(tmp_path, content, value):
    meta = json.loads(saved_fits.members(content)["meta.json"])
    meta.pop("digest")
    for field in meta:
        for new in (
            {k: v for k, v in meta.items() if k != field},
            meta | {field: value},
        ):
            if json.dumps(new) != json.dumps(meta) and (field, value) != ("lmforms", "z"):
                refused(tmp_path, with_meta(content, lambda _, m=new: m))


@pytest.mark.parametrize("value", [None, 2.5, "z", [], {}, [[1]], {"z": 1}, [["array", "<f8"]]])
def test_every_part_of_the_plan_is_checked(tmp_path, content, value):
    plan = json.loads(saved_fits.members(content)["meta.json"])["plan"]
    for field in plan:
        free = field in ("offset_column", "orders", "levels", "contrasts", "weights_column")
        if not free and json.dumps(plan[field]) != json.dumps(value):
            refused(tmp_path, changed(content, **{field: value}))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_number_is_no_sum(tmp_path, content, value):
    for name in ("rr", "root", "group/0/zz", "group/1/zr", "pair/0/1/blocks", "pilot/numbers"):
        values = np.load(io.BytesIO(saved_fits.members(content)[f"{name}.npy"]))
        values[0] = value
        refused(tmp_path, with_array(content, name, values), "other numbers")


def test_levels_that_a_formula_cannot_have(tmp_path, content):
    """A file may not ask for any number of columns."""
    plan = json.loads(saved_fits.members(content)["meta.json"])["plan"]
    many = plan["categories"]["factor(i)"] | {"values": list(range(5000))}
    with pytest.raises(MemoryLimitError, match="columns"):
        loaded(tmp_path, changed(content, categories=plan["categories"] | {"factor(i)": many}))
    endless = {"kind": "range", "span": [0, 10**12, 1], "name": None}
    refused(tmp_path, changed(content, categories=plan["categories"] | {"factor(i)": endless}))
    columns = [own | {"type": endless} for own in plan["columns"]]
    refused(tmp_path, changed(content, columns=columns))
    knots = ["dict", [["center", ["array", "<f8", [3000], [0.0] * 3000]]]]
    refused(tmp_path, changed(content, transforms=dict.fromkeys(plan["transforms"], knots)))
    refused(tmp_path, changed(content, formula="y ~ x + (1 | g)"))
    refused(tmp_path, changed(content, formula=f"y ~ {'(' * 3000}x{')' * 3000} + (1 | g)"))


def test_sums_are_no_fit(tmp_path, content, capsys):
    path = tmp_path / "sums.lms"
    path.write_bytes(content)
    for command in (["summary", str(path)], ["anova", str(path)]):
        assert main(command)
        assert "is not a fit: it holds the sums" in capsys.readouterr().err
    fitted(lf.load(path)).summary()  # what the message says


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, 2.5, True, "a", None],
        (1, (2,)),
        {0: np.float64(0.1), "a": {"b": []}},
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.array([np.nan, np.inf, -0.0]),
        np.bool_(True),
    ],
)
def test_plain_values(value):
    back = decode_value(json.loads(json.dumps(encode_value(value))))
    assert repr(back) == repr(value)
    assert type(back) is type(value)


@pytest.mark.parametrize("value", [twice, object(), 1j, np.array(["a"]), {1, 2}, pd.Series([1])])
def test_values_that_are_not_plain(value):
    with pytest.raises(DataError, match="cannot be written"):
        encode_value([value])
