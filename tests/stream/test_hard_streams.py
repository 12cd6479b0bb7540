"""Streams that were made to break: first chunks that say little, and what hides in the others."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from test_stream_fits import chunks, same

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    LmformsError,
    ModelError,
    NumericalError,
    PrecisionWarning,
    RankWarning,
    SingularWarning,
)

pa = pytest.importorskip("pyarrow")


def rows(seed=0, n=600, q=20):
    random = np.random.default_rng(seed)
    g = random.integers(0, q, n)
    data = pd.DataFrame({"x": random.normal(size=n), "z": random.normal(size=n), "g": g})
    data["f"] = np.array(["a", "b", "c"])[random.integers(0, 3, n)]
    effects = random.normal(size=(2, q))
    data["y"] = 10.0 + data["x"] + effects[0, g] + 0.5 * effects[1, g] * data["x"]
    return data.assign(y=data["y"] + random.normal(size=n))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("formula", ["y ~ 0 + f + z + (1 | g)", "y ~ x + w + (1 | g)"])
def test_a_column_that_only_the_sample_keeps(seed, formula):
    """Its coefficient there is enormous: the response has what it took back."""
    data = rows(seed, 250, 40)
    data["w"] = data["x"] + 1e-8 * data["z"]
    data["z"] = 1e4 + 1e-3 * data["z"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        same(lf.lmer(formula, chunks(data, 10)), lf.lmer(formula, data), 1e-8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [1.0, 1e-7 / 3.0, 7e9])
def test_a_response_that_is_computed_from_predictors(seed, scale):
    data = rows(seed).sample(frac=1.0, random_state=seed)
    data["whole"] = np.arange(600.0) % 7.0
    formula = "y ~ x + z + whole + (1 | g)"
    several = 3.0 + data["x"] / 7.0 - 0.1 * data["z"]
    for y in (data["x"], data["whole"], several):
        own = data.assign(y=scale * y)
        sums = lf.summarise(formula, own[:300]) + lf.summarise(formula, own[300:])
        for fit in (
            partial(lf.lmer, formula, own),
            partial(lf.lmer, formula, chunks(own, 100)),
            sums.fit,
        ):
            with pytest.raises(ModelError, match="the fixed effects explain the response exactly"):
                fit()
    noise = np.random.default_rng(seed).normal(size=600)
    own = data.assign(y=scale * (several + 1e-9 * noise))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        found, expected = lf.lmer(formula, chunks(own, 100)), lf.lmer(formula, own)
    assert found.sigma == pytest.approx(expected.sigma, rel=1e-5)


def test_first_chunks_that_are_unlike_the_others():
    data = rows(3)
    odd = {
        "one row": data,
        "constant": data.assign(x=np.where(np.arange(600) < 50, 5.0, data["x"])),
        "small": data.assign(x=data["x"] * np.where(np.arange(600) < 50, 1e-4, 1.0)),
        "far": data.assign(x=data["x"] + np.where(np.arange(600) < 5, 1e4, 0.0)),
        "two values": data.assign(x=np.where(np.arange(600) < 2, 5.001, data["x"])),
    }
    for name, own in odd.items():
        size = 1 if name == "one row" else 50
        parts = [own[:size], own[size:300], own[300:]]
        same(lf.lmer("y ~ x + (1 | g)", parts), lf.lmer("y ~ x + (1 | g)", own))


@pytest.mark.parametrize("shift", [1e7, 1.7e9])
def test_slopes_of_a_predictor_far_from_zero(shift):
    data = rows(4, 2000)
    data["x"] = data["x"] + shift
    fit = lf.lmer("y ~ x + (x | g)", chunks(data, 500))
    whole = lf.lmer("y ~ x + (x | g)", data)
    assert fit.criterion == pytest.approx(whole.criterion, rel=1e-7)
    assert fit.params["x"] == pytest.approx(whole.params["x"], rel=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer("y ~ x + diag(x | g)", chunks(data, 500))
        whole = lf.lmer("y ~ x + diag(x | g)", data)
    assert fit.criterion == pytest.approx(whole.criterion, rel=1e-6)


@pytest.mark.parametrize(
    "formula",
    [
        "log(y / np.max(y)) ~ x + (1 | g)",
        "I(y - np.mean(y)) ~ x + (1 | g)",
        "y ~ I(x - np.mean(x)) + (1 | g)",
        "y ~ offset(x - x.mean()) + (1 | g)",
        "y ~ x + (I(x - x.mean()) | g)",
        "y ~ x + (1 | I(x > x.median()))",
        "y ~ np.clip(x, None, np.max(x) * 0.5) + (1 | g)",
    ],
)
@pytest.mark.parametrize("first", [1, 200])
def test_expressions_of_other_rows(formula, first):
    """Each chunk is looked at: one row alone, or sorted rows, cannot tell."""
    data = rows().sort_values("x").assign(y=lambda d: d["y"].abs() + 1.0)
    with pytest.raises(LmformsError, match="depends on the other rows"):
        lf.lmer(formula, [data[:first], data[first:300], data[300:]])


def test_names_of_columns_in_transforms():
    data = rows().rename(columns={"x": "my col", "z": "a.b"})
    formula = "y ~ scale(`my col`) + center(a.b) + poly(`my col`, 2) + (1 | g)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        same(lf.lmer(formula, chunks(data, 90)), lf.lmer(formula, data))


def test_order_of_columns_for_a_dot():
    data = rows().assign(b=lambda d: d["x"] > 0, c=lambda d: (d["x"] > 0) * 1.0)[
        ["y", "b", "x", "c", "g"]
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        fit, whole = (lf.lmer("y ~ . - g + (1 | g)", d) for d in (chunks(data, 90), data))
    same(fit, whole)


def test_leading_chunks_without_complete_rows():
    """They are read once for the plan."""
    data, read = rows(), []

    def parts():
        for i in range(80):
            read.append(i)
            yield data[:5].assign(y=np.nan)
        yield data

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(lf.lmer("y ~ x + (1 | g)", parts), lf.lmer("y ~ x + (1 | g)", data))
    assert len(read) < 400


def test_saturated_models():
    small = pd.DataFrame({"y": [1.0, 2.5, 3.7], "x": [0.3, 0.9, 2.0], "g": [1, 1, 2]})
    for data in (small, [small]):
        with pytest.raises(ModelError):
            lf.lmer("y ~ x + (1 | g)", data)


def test_iterators_that_look_repeatable():
    spent = iter(chunks(rows(), 150))
    with pytest.raises(DataError, match="must make a new one each time"):
        lf.lmer("y ~ x + (1 | g)", lambda: spent)


def test_fewer_rows_at_the_second_reading():
    data = rows().assign(y=lambda d: d["y"] + 1e5 * d["g"])
    calls = []

    def parts():
        calls.append(1)
        return [data if len(calls) < 4 else data[:-100]]

    with pytest.raises(DataError, match="500 rows, 500 of them complete, and 600 and 600"):
        lf.lmer("y ~ x + (1 | g)", parts)


def test_levels_of_columns_without_levels():
    parts = chunks(rows(), 150)
    for given in ({"x": [1, 2]}, {"f": {"a", "b", "c"}}, {"f": {"a": 1}}):
        with pytest.raises(ArgumentError, match="levels"):
            lf.lmer("y ~ x + f + (1 | g)", parts, levels=given)


@pytest.mark.parametrize("data", [None, 3, [3], {1, 2}, np])
def test_what_is_neither_source_nor_table(data):
    with pytest.raises(LmformsError):
        lf.summarise("y ~ x + (1 | g)", data)


def test_digits_of_sites_that_lie_far_apart(tmp_path):
    data = rows(5)
    halves = [data[:300].assign(g=data["g"][:300] + 100), data[300:]]
    halves[0] = halves[0].assign(x=halves[0]["x"] + 1e4)
    formula, sums = "y ~ x + (x | g)", []
    for i, half in enumerate(halves):
        lf.summarise(formula, half).save(tmp_path / f"{i}.sums")
        sums.append(lf.load(tmp_path / f"{i}.sums"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        whole = lf.lmer(formula, pd.concat(halves))
        with pytest.warns(PrecisionWarning, match=r"about [4-9] of 16 digits"):
            fit = lf.lmer(sums[0] + sums[1])
    assert fit.criterion == pytest.approx(whole.criterion, rel=1e-6)
    halves[0] = halves[0].assign(x=halves[0]["x"] + 1e9)
    lf.summarise(formula, halves[0]).save(tmp_path / "0.sums")
    with pytest.raises(NumericalError, match="nothing can be estimated"):
        lf.lmer(lf.load(tmp_path / "0.sums") + sums[1])


def test_files_of_sums_tell_no_row(tmp_path):
    """Neither the units, which a tiny first chunk would give away, nor unused categories."""
    import zipfile

    data = rows(6).assign(y=lambda d: d["y"] + 0.123456789)
    data["g"] = pd.Categorical(data["g"].astype(str), [*map(str, range(20)), "secret"])
    parts = [data[:1], data[1:2], data[2:]]
    lf.summarise("y ~ x + z + (x | g)", parts).save(tmp_path / "all.sums")
    with zipfile.ZipFile(tmp_path / "all.sums") as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert b"secret" not in content
    for column in ("x", "z", "y"):
        for value in data[column][:5]:
            assert np.float64(value).tobytes() not in content
    center = lf.load(tmp_path / "all.sums")._plan.scaling.units.x.center
    assert not np.isclose(center[1:], data[["x", "z"]].iloc[0]).any()


def test_what_is_taken_out_leaves_no_name():
    data = rows(7).assign(g=lambda d: d["g"].astype(str))
    data.loc[data["g"] == "7", "y"] += 500.0
    left = lf.summarise("y ~ x + (1 | g)", data).without(
        lf.summarise("y ~ x + (1 | g)", data[data["g"] == "7"])
    )
    assert "7" not in left._totals.labels[0]
    assert "19 levels" in repr(left)
    assert left._totals.sums.facts.high < 200
    same(left.fit(), lf.lmer("y ~ x + (1 | g)", data[data["g"] != "7"]), 1e-7)


def test_predictions_of_sources_that_lack_columns(tmp_path):
    data = rows(8)
    fit = lf.lmer("y ~ x + (1 | g)", chunks(data, 200))
    path = tmp_path / "predicted.parquet"
    with pytest.raises(ColumnError, match="lack"):
        fit.predict([data[["z"]]], to=path)
    assert not path.exists()
    assert fit.predict([data[:0]], to=path) == 0
    assert pd.read_parquet(path).columns.tolist() == ["predicted"]
    assert next(iter(fit.predict([data[:3]], keep="z"))).column_names == ["z", "predicted"]
    mixed = [data[:3].assign(k=[1, 2, 3]), data[3:6].assign(k=[0.5, 1.5, 2.5])]
    with pytest.raises(DataError, match=r"a column of keep= has another type"):
        list(fit.predict(mixed, keep=["k"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        empty = lf.lmer("y ~ 1 + (1 | g)", data)
    found = next(iter(empty.predict([data[["x"]][:4]], random="none")))
    assert found.num_rows == 4


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ I(t > 2) + (1 | g)",
        "y ~ factor(t) + (1 | g)",
        "y ~ C(t, contr.sum) * x + (1 | g)",
        "y ~ x + (0 + factor(h) | f)",
        "y ~ as_character(t) + (1 | g)",
    ],
)
def test_levels_of_computed_factors(tmp_path, formula):
    """The first rows, which are sorted, have one of them alone."""
    data = rows(9)
    data["t"] = np.repeat(np.arange(6), 100)
    data["h"] = np.repeat([1, 2], 300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        sums, whole = lf.summarise(formula, chunks(data, 90)), lf.lmer(formula, data)
        same(sums.fit(), whole)
        sums.save(tmp_path / "sums")
        same(lf.load(tmp_path / "sums").fit(), whole)
        new = data.iloc[[0, 300, 599]]
        np.testing.assert_allclose(sums.fit().predict(new), whole.predict(new), rtol=1e-6)


def test_levels_that_are_written_in_the_formula():
    data = rows(9).assign(t=np.repeat(np.arange(6), 100))
    formula = "y ~ C(t, levels=[0, 1, 2, 3, 4, 5]) + (1 | g)"
    same(lf.lmer(formula, chunks(data, 90)), lf.lmer(formula, data))
    same(lf.lmer(formula, iter(chunks(data, 90))), lf.lmer(formula, data))


def test_dictionaries_with_levels_twice_and_missing():
    """What functions of Arrow may leave."""
    data = rows(10)
    codes = data["f"].map({"a": 0, "b": 1, "c": 2}).to_numpy()
    odd = np.where((codes == 0) & (np.arange(600) % 2 == 0), 3, codes).astype(np.int32)
    column = pa.DictionaryArray.from_arrays(odd, pa.array(["a", "b", "c", "a", None]))
    columns = {name: data[name].to_numpy() for name in ("y", "x", "g")}
    parts = [pa.table({**columns, "f": column})]
    same(lf.lmer("y ~ x + f + (1 | g)", parts), lf.lmer("y ~ x + f + (1 | g)", data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        fit, whole = (lf.lmer("y ~ x + (1 | g) + (1 | f)", d) for d in (parts, data))
    assert fit.criterion == pytest.approx(whole.criterion, rel=1e-9)
    assert fit.random_effects["f"].index.tolist() == ["a", "b", "c"]
