"""The bundled data equal R's: types, level orders, and the sums that R computed."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from pathlib import Path

import pandas as pd
import pytest
from pandas.api.types import is_float_dtype, is_integer_dtype

import lmforms.datasets as datasets
from lmforms.datasets import DatasetInfo
from lmforms.errors import DataError

FOLDER = Path(__file__).parent.parent / "datasets"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
SUM_TOLERANCE = 1e-12  # relative to the sum of absolute values; R adds in extended precision

EXPECTED_NAMES = {
    "sleepstudy", "Dyestuff", "Dyestuff2", "Penicillin", "Pastes", "cake", "InstEval", "cbpp",
    "grouseticks", "VerbAgg", "Machines", "Orthodont", "Oats", "Ovary", "Oxboys", "Rail", "dung",
    "Salamanders", "six_points", "visit_trial",
}  # fmt: skip


def test_all_the_sets_are_there() -> None:
    assert set(NAMES) == EXPECTED_NAMES


def test_every_file_has_a_sidecar_and_every_sidecar_its_file() -> None:
    described = {datasets.info(name).file for name in NAMES}
    present = {path.name for path in FOLDER.iterdir() if ".csv" in path.suffixes}
    assert present == described


@pytest.mark.parametrize("name", NAMES)
def test_file_is_the_one_described(name: str) -> None:
    about = datasets.info(name)
    content = (FOLDER / about.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == about.sha256
    assert b"\r" not in content or about.file.endswith(".gz")


@pytest.mark.parametrize("name", NAMES)
def test_frame_has_the_described_types(name: str) -> None:
    about = datasets.info(name)
    frame = datasets.load(name)
    assert about.name == name
    assert len(frame) == about.nrow
    assert frame.columns.tolist() == [column.name for column in about.columns]
    assert frame.index.equals(pd.RangeIndex(about.nrow))
    assert not frame.isna().any(axis=None)
    for column in about.columns:
        values = frame[column.name]
        if column.type == "float":
            assert is_float_dtype(values)
        elif column.type == "int":
            assert is_integer_dtype(values)
        else:
            assert isinstance(values.dtype, pd.CategoricalDtype)
            assert values.cat.ordered == (column.type == "ordered")
            assert all(isinstance(level, str) for level in values.cat.categories)
            if column.levels is not None:
                assert tuple(values.cat.categories) == column.levels


@pytest.mark.parametrize("name", NAMES)
def test_frame_passes_the_checks_of_the_original(name: str) -> None:
    about = datasets.info(name)
    frame = datasets.load(name)
    assert set(about.check) == set(frame.columns)
    for column, check in about.check.items():
        values = frame[column]
        if "sum" in check:
            size = math.fsum(values.abs())
            assert math.fsum(values) == pytest.approx(check["sum"], rel=0, abs=SUM_TOLERANCE * size)
        else:
            assert len(values.cat.categories) == check["nlevels"]
            assert int((values.cat.codes.astype("int64") + 1).sum()) == check["code_sum"]


def test_overview_lists_every_set() -> None:
    overview = datasets.list()
    assert overview.columns.tolist() == ["name", "rows", "columns", "title", "example"]
    assert set(overview["name"]) == EXPECTED_NAMES
    assert overview["name"].str.lower().is_monotonic_increasing
    rows = dict(zip(overview["name"], overview["rows"], strict=True))
    assert rows["InstEval"] == 73421
    assert rows["dung"] == 18


def test_names_do_not_depend_on_case() -> None:
    pd.testing.assert_frame_equal(datasets.load("SLEEPSTUDY"), datasets.load("sleepstudy"))
    assert datasets.info("penicillin").name == "Penicillin"


@pytest.mark.parametrize("call", [datasets.load, datasets.info])
def test_unknown_name_is_an_error_with_near_matches(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match="sleepstudy"):
        call("sleepstdy")
    with pytest.raises(ValueError, match=r"datasets\.list"):
        call("nothing like it at all")


def test_each_load_is_a_fresh_frame() -> None:
    first = datasets.load("dung")
    first.loc[0, "pr_dung"] = -1.0
    assert datasets.load("dung").loc[0, "pr_dung"] == 0.1433747


def test_info_is_frozen_and_readable() -> None:
    about = datasets.info("Rail")
    assert isinstance(about, DatasetInfo)
    with pytest.raises(dataclasses.FrozenInstanceError):
        about.nrow = 3  # type: ignore[misc]
    card = str(about)
    for part in ("Rail", "18 rows", "Devore", "nlme", about.example):
        assert part in card


def test_dung_is_as_printed() -> None:
    dung = datasets.load("dung")
    assert dung.loc[14, ["pr_dung", "flies"]].tolist() == [0.1654107, 168]
    assert dung["oven_block"].value_counts(sort=False).tolist() == [7, 5, 6]
