"""Sums that are interrupted, and go on from a file."""

import os

import numpy as np
import pandas as pd
import pytest
from test_stream_fits import same

import lmforms as lf
from lmforms.errors import ArgumentError, ContextWarning, DataError
from lmforms.sources.lookup import source_of
from lmforms.stream import passes, resumed_sums

pytest.importorskip("pyarrow")

FORMULA = "y ~ x + f + (x | g)"


@pytest.fixture
def data():
    random = np.random.default_rng(7)
    n = 6_000
    g = random.integers(0, 40, n)
    data = pd.DataFrame({"x": random.normal(size=n), "g": g, "f": random.choice(["u", "v"], n)})
    effects = random.normal(size=(2, 40))
    return data.assign(y=effects[0, g] + effects[1, g] * data["x"] + random.normal(size=n))


@pytest.fixture
def folder(tmp_path, data):
    for i in range(12):
        data[500 * i : 500 * (i + 1)].to_parquet(tmp_path / f"{i:02}.parquet")
    return tmp_path


@pytest.fixture
def read(monkeypatch):
    """Partitions that are summed up, and a failure at one of them."""
    monkeypatch.setattr(resumed_sums, "processors", lambda: 1)
    monkeypatch.setattr(resumed_sums, "PARTITIONS_AT_A_TIME", 2)
    seen, fails = [], []
    before = passes.chunk_rows

    def chunk_rows(plan, batch, where):
        if where in fails:
            raise KeyboardInterrupt
        seen.append(where)
        return before(plan, batch, where)

    monkeypatch.setattr(passes, "chunk_rows", chunk_rows)
    return seen, fails


def test_an_interrupted_sum_goes_on(folder, data, read):
    seen, fails = read
    files, path = str(folder / "*.parquet"), folder / "sums.lmf"
    names = [p.name for p in source_of(files).partitions()]
    fails.append(names[7])
    with pytest.raises(KeyboardInterrupt):
        lf.summarise(FORMULA, files, resume=path)
    assert path.exists()
    assert set(names[:6]) <= set(seen)
    with pytest.raises(DataError, match="6 of 12 parts"):
        lf.load(path)
    fails.clear()
    seen.clear()
    sums = lf.summarise(FORMULA, files, resume=path)
    assert sorted(seen) == names[6:]
    same(sums.fit(), lf.lmer(FORMULA, data))
    same(lf.load(path).fit(), lf.lmer(FORMULA, data))
    seen.clear()
    assert lf.summarise(FORMULA, files, resume=path, progress=True).nobs == 6_000
    assert not seen


def test_files_that_are_not_the_same(folder, data):
    files, path = str(folder / "*.parquet"), folder / "sums.lmf"
    lf.summarise(FORMULA, files, resume=path)
    with pytest.raises(DataError, match="give the file another name"):
        lf.summarise("y ~ x + (1 | g)", files, resume=path)
    with pytest.raises(DataError, match="with other arguments"):
        lf.summarise(FORMULA, files, resume=path, weights="x")
    os.utime(folder / "03.parquet", (1, 1))
    with pytest.raises(DataError, match="or they have changed"):
        lf.summarise(FORMULA, files, resume=path)
    path.unlink()
    same(lf.summarise(FORMULA, files, resume=path).fit(), lf.lmer(FORMULA, data))
    complete = folder / "complete.lmf"
    lf.summarise(FORMULA, files).save(complete)
    with pytest.raises(DataError, match="other files"):
        lf.summarise(FORMULA, files, resume=complete)
    fit = folder / "fit.lmf"
    lf.lmer("y ~ x + (1 | g)", data).save(fit)
    with pytest.raises(DataError, match="no file of sums"):
        lf.summarise(FORMULA, files, resume=fit)


def test_sources_that_cannot_be_resumed(data, tmp_path):
    for rows in (data, [data], iter([data])):
        with pytest.raises(ArgumentError, match="resume= is for files"):
            lf.summarise("y ~ x + (1 | g)", rows, resume=tmp_path / "sums.lmf")
    with pytest.raises(ArgumentError, match="a file's path is needed"):
        lf.summarise("y ~ x + (1 | g)", data, resume=3)


def test_a_level_of_incomplete_rows_alone(folder, data):
    """The plan is made again without it; sums that were begun are not used."""
    rows = data[:500].copy()
    rows.loc[:3, "f"], rows.loc[:3, "y"] = "z", np.nan
    rows.to_parquet(folder / "00.parquet")
    files, path = str(folder / "*.parquet"), folder / "sums.lmf"
    for _ in range(2):
        sums = lf.summarise(FORMULA, files, resume=path)
        assert sums.columns == ["Intercept", "x", "f[T.v]"]
        assert (sums.nobs, sums.n_read) == (5_996, 6_000)


def test_such_a_level_after_an_interruption(folder, data, read):
    """It is the first in order: with it, the columns of X would be others."""
    seen, fails = read
    rows = data[:500].copy()
    rows.loc[:3, "f"], rows.loc[:3, "y"] = "a", np.nan
    rows.to_parquet(folder / "00.parquet")
    files, path = str(folder / "*.parquet"), folder / "sums.lmf"
    fails.append([p.name for p in source_of(files).partitions()][7])
    with pytest.raises(KeyboardInterrupt):
        lf.summarise(FORMULA, files, resume=path)
    fails.clear()
    assert lf.summarise(FORMULA, files, resume=path).columns == ["Intercept", "x", "f[T.v]"]
    seen.clear()
    assert lf.summarise(FORMULA, files, resume=path).nobs == 5_996
    assert not seen


def test_categories_without_rows_are_not_written(folder, data):
    order = [f"g{i}" for i in range(39, -1, -1)]
    data["g"] = ("g" + data["g"].astype(str)).astype(pd.CategoricalDtype([*order, "none"]))
    for i in range(12):
        data[500 * i : 500 * (i + 1)].to_parquet(folder / f"{i:02}.parquet")
    files, path = str(folder / "*.parquet"), folder / "sums.lmf"
    own = lf.summarise(FORMULA, files, resume=path)
    assert own._plan.orders["g"].tolist() == order
    for sums in (lf.load(path), lf.summarise(FORMULA, files, resume=path)):
        assert sums._plan.orders["g"].tolist() == order
        same(sums.fit(), lf.lmer(FORMULA, data))


def half(x):
    return x / 2.0


def test_functions_of_the_caller(folder, data):
    files, path, formula = str(folder / "*.parquet"), folder / "sums.lmf", "y ~ half(x) + (1 | g)"
    with pytest.warns(ContextWarning):
        first = lf.summarise(formula, files, resume=path)
    same(lf.summarise(formula, files, resume=path).fit(), lf.lmer(formula, data))
    given = lf.summarise(formula, files, resume=path, context={"half": half})
    assert given.nobs == first.nobs


def test_a_file_that_cannot_be_written(folder, monkeypatch, read):
    """The error that ended the work is told, with what happened to the file."""
    _, fails = read
    files = str(folder / "*.parquet")
    fails.append([p.name for p in source_of(files).partitions()][7])
    with pytest.raises(KeyboardInterrupt) as told:
        lf.summarise(FORMULA, files, resume=folder / "no" / "sums.lmf")
    assert "could not be written" in told.value.__notes__[0]
