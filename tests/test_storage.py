"""A saved fit comes back whole, or not at all."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from models import columns_of_every_kind
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import ContextWarning, DataError, LmformsError, NumericalError

N = 60
RNG = np.random.default_rng(9)
DATA = columns_of_every_kind(RNG, N)
DAYS = pd.date_range("2020-01-01", periods=N)


def quiet(formula, data=DATA, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


def returned(fit, folder: Path, **options):
    """The fit after a round trip, compared on the way."""
    path = folder / "fit.lmf"
    fit.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = lf.load(path, **options)
    assert_allclose(back.criterion, fit.criterion, rtol=1e-12)
    assert_allclose(back.theta, fit.theta, rtol=1e-12, atol=1e-14)
    pd.testing.assert_series_equal(back.params, fit.params, rtol=1e-10)
    pd.testing.assert_series_equal(back.bse, fit.bse, rtol=1e-9)
    pd.testing.assert_series_equal(back.fittedvalues, fit.fittedvalues, rtol=1e-9, check_freq=False)
    pd.testing.assert_frame_equal(back.vcomp, fit.vcomp, rtol=1e-8)
    for name, effects in fit.random_effects.items():
        pd.testing.assert_frame_equal(back.random_effects[name], effects, rtol=1e-7)
    assert (back.reml, back.converged, back.dropped) == (fit.reml, fit.converged, fit.dropped)
    assert str(back.summary()) == str(fit.summary())
    return back


@pytest.mark.parametrize(
    "formula, options",
    [
        ("y ~ x + (x | g)", {}),
        ("y ~ x + (x | g)", {"reml": False}),
        ("y ~ x + (x || g)", {"weights": "w"}),
        ("y ~ x + (1 | g)", {"weights": DATA["w"].to_numpy(), "offset": DATA["x"]}),
        ("y ~ x + (1 | g)", {"offset": "w"}),
        ("y ~ x + offset(log(w)) + (1 | g)", {}),
        ("y ~ f*x + (1 | g)", {"contrasts": {"f": "contr.sum"}}),
        ("y ~ f + (1 | g)", {"contrasts": {"f": np.array([[1.0, 0], [0, 1], [-1, -1]])}}),
        ("y ~ f + (f | g)", {}),
        ("y ~ x + b + (1 | g)", {}),
        ("y ~ x + (x | s)", {}),
        ("y ~ x + (1 | g/s) + (0 + x | s:g)", {}),
        ("y ~ x + I(2*x) + (1 | g)", {}),
        ("y ~ poly(x, 2) + bs(w, df=4) + (scale(x) | g)", {}),
        ("log(w) ~ x + (1 | g)", {}),
        ("y ~ log(x) + f + (1 | g)", {}),
        ("y ~ x", {}),
        ("y ~ x + (1 | g)", {"control": lf.Control(factor="dense", max_evaluations=99)}),
    ],
    ids=str,
)
def test_round_trip(tmp_path, formula, options):
    fit = quiet(formula, **options)
    back = returned(fit, tmp_path)
    offset = {"offset": options["offset"]} if isinstance(options.get("offset"), pd.Series) else {}
    rows = DATA.assign(x=DATA["x"].abs())
    assert_allclose(back.predict(rows, **offset), fit.predict(rows, **offset), rtol=1e-9)


@pytest.mark.parametrize(
    "index",
    [
        np.zeros(N, dtype=int),
        [f"r{i}" for i in range(N)],
        np.linspace(0.1, 7.7, N),
        DAYS,
        DAYS - DAYS[0],
        pd.RangeIndex(5, 5 + 3 * N, 3, name="row"),
        pd.MultiIndex.from_arrays([DATA["s"], DATA["g"]], names=["s", "k"]),
        pd.MultiIndex.from_arrays([DAYS, DATA["g"]], names=[None, "k"]),
        DATA["b"].to_numpy(),
    ],
    ids=["zeros", "text", "float", "dates", "spans", "range", "multi", "multi dates", "bool"],
)
def test_round_trip_of_an_index(tmp_path, index):
    index = index if isinstance(index, pd.Index) else pd.Index(index)
    returned(quiet("y ~ x + (1 | g)", DATA.set_axis(index)), tmp_path)


@pytest.mark.parametrize(
    "index",
    [
        DAYS.tz_localize("Europe/Berlin"),
        DAYS.to_period("D"),
        pd.CategoricalIndex(DATA["f"]),
        pd.interval_range(0, N),
        pd.Index(range(N), dtype="Int64"),
    ],
    ids=["zoned", "period", "category", "interval", "nullable"],
)
def test_round_trip_of_an_index_of_a_kind_of_its_own(tmp_path, index):
    returned(quiet("y ~ x + (1 | g)", DATA.set_axis(index)), tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Categorical(DATA["g"], categories=range(9, -1, -1)),
        pd.Categorical(DATA["g"] / 7),
        DAYS[DATA["g"]],
        (DAYS - DAYS[0])[DATA["g"]],
        pd.Categorical(DAYS[DATA["g"]]),
        DATA["g"].astype("Int64"),
        DATA["g"] % 2 == 0,
        pd.cut(DATA["x"], 4),
        DAYS.tz_localize("UTC")[DATA["g"]],
        DAYS.to_period("D")[DATA["g"]],
        [(int(v), 1) for v in DATA["g"]],
        [[1, "a", 2.5][v % 3] for v in DATA["g"]],
    ],
    ids=[
        *("unused", "float", "dates", "spans", "dated", "nullable"),
        *("bool", "cut", "zoned", "period", "tuple", "mixed"),
    ],
)
def test_round_trip_of_grouping_labels(tmp_path, labels):
    data = DATA.assign(g=labels)
    fit = quiet("y ~ x + (1 | g)", data)
    assert_allclose(returned(fit, tmp_path).predict(data), fit.fittedvalues, rtol=1e-9)


def test_round_trip_of_a_predictor_in_intervals(tmp_path):
    returned(quiet("y ~ v + (1 | g)", DATA.assign(v=pd.cut(DATA["x"], 3))), tmp_path)


def test_round_trip_of_a_column_derived_from_dates(tmp_path):
    data = DATA.assign(t=DAYS)
    fit = quiet("y ~ I(t.dt.day) + (1 | g)", data)
    assert_allclose(returned(fit, tmp_path).predict(data), fit.fittedvalues, rtol=1e-9)


def test_round_trip_of_odd_names(tmp_path):
    data = DATA.rename(columns={"y": "a b", "x": "yield", "g": "größe/%"})
    returned(quiet("`a b` ~ `yield` + (1 | `größe/%`)", data), tmp_path)


def test_round_trip_of_a_refit(tmp_path):
    fit = quiet("y ~ x + (1 | g)").refit(DATA["y"] ** 2)
    back = returned(fit, tmp_path)
    assert_allclose(back.resid, fit.resid, rtol=1e-9, atol=1e-12)


def test_round_trip_of_an_unconverged_fit(tmp_path):
    data = lf.datasets.load("sleepstudy")
    stopped = lf.Control(max_evaluations=2)
    fit = quiet("Reaction ~ Days + (Days | Subject)", data, control=stopped)
    assert not fit.converged
    returned(fit, tmp_path)


def test_twice(tmp_path):
    once = returned(quiet("y ~ x + (x | g)"), tmp_path)
    assert returned(once, tmp_path).criterion == once.criterion


def test_loaded_fit_goes_on(tmp_path):
    fit = quiet("y ~ x + (1 | g)")
    back = returned(fit, tmp_path)
    assert_allclose(back.refit(reml=False).criterion, fit.refit(reml=False).criterion, rtol=1e-11)
    assert_allclose(back.random_effects_cov["g"], fit.random_effects_cov["g"], rtol=1e-8)


def test_functions_of_the_caller_are_asked_for(tmp_path):
    def twice(values):
        return 2.0 * values

    fit = quiet("y ~ twice(x) + (1 | g)", context={"twice": twice})
    with pytest.warns(ContextWarning, match=r"'twice'.*load\(path, context="):
        returned(fit, tmp_path, context={"twice": twice})
    with pytest.raises(DataError, match="'twice'"):
        lf.load(tmp_path / "fit.lmf")
    with pytest.raises(NumericalError, match="context"):
        lf.load(tmp_path / "fit.lmf", context={"twice": np.square})


def test_no_pickle_is_stored(tmp_path):
    quiet("y ~ f + (1 | g)").save(tmp_path / "fit.lmf")
    with zipfile.ZipFile(tmp_path / "fit.lmf") as archive:
        assert {Path(n).suffix for n in archive.namelist()} == {".json", ".npy"}
        for name in archive.namelist():
            if name.endswith(".npy"):
                np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


def test_contrast_objects_are_refused(tmp_path):
    fit = quiet("y ~ f + (1 | g)", contrasts={"f": {"first": [1, 0, -1]}})
    with pytest.raises(DataError, match="contrast object for `f`"):
        fit.save(tmp_path / "fit.lmf")


# --- damage ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("fit") / "fit.lmf"
    quiet("y ~ x + (x || g)", weights="w").save(path)
    return path.read_bytes()


def edited(archive: bytes, name: str, content=None) -> bytes:
    """The archive with one member changed (a function of the JSON, an array) or left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == name:
                if content is None:
                    continue
                if callable(content):
                    data = json.dumps(content(json.loads(data))).encode()
                else:
                    buffer = io.BytesIO()
                    np.save(buffer, content)
                    data = buffer.getvalue()
            new.writestr(member, data)
    return out.getvalue()


def refused(path: Path, content: bytes, message: str | None = None) -> None:
    path = path / "bad.lmf"
    path.write_bytes(content)
    with pytest.raises(LmformsError, match=message):
        lf.load(path)


def test_files_of_another_kind(tmp_path, archive):
    refused(tmp_path, b"", "not a fit")
    refused(tmp_path, b"hello", "not a fit")
    refused(tmp_path, archive[: len(archive) // 2], "not a fit")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as made:
        made.writestr("readme.txt", "hello")
    refused(tmp_path, other.getvalue(), "not a fit")
    with pytest.raises(DataError, match="no file"):
        lf.load(tmp_path / "nothing.lmf")
    with pytest.raises(DataError, match="no file"):
        lf.load(tmp_path)


def test_newer_format(tmp_path, archive):
    newer = edited(archive, "meta.json", lambda m: m | {"format_version": 99})
    refused(tmp_path, newer, "format version 99.*Upgrade")


def test_figures_that_do_not_belong_together(tmp_path, archive):
    for name, content in [
        ("meta.json", lambda m: m | {"criterion": 1.0}),
        ("theta.npy", np.ones(2)),
        ("column/1.npy", np.arange(1.0, N + 1)),
        ("response.npy", np.arange(1.0, N + 1)),
        ("extra/weights.npy", None),
    ]:
        path = tmp_path / "bad.lmf"
        path.write_bytes(edited(archive, name, content))
        with pytest.raises(NumericalError, match="damaged"):
            lf.load(path)


@pytest.mark.parametrize(
    "name, content",
    [
        ("theta.npy", None),
        ("column/0.npy", None),
        ("meta.json", lambda m: [1]),
        ("meta.json", lambda m: {k: m[k] for k in m if k != "formula"}),
        ("meta.json", lambda m: m | {"format_version": "2"}),
        ("meta.json", lambda m: m | {"control": {"new": 1}}),
        ("column/0.npy", np.ones(7)),
        ("response.npy", np.ones(7)),
        ("theta.npy", np.ones(7)),
        ("meta.json", lambda m: m | {"formula": "y ~ nope + (1 | g)"}),
        ("meta.json", None),
    ],
)
def test_parts_that_are_gone_or_odd(tmp_path, archive, name, content):
    refused(tmp_path, edited(archive, name, content))


def test_flipped_bytes(tmp_path, archive):
    path = tmp_path / "bad.lmf"
    for place in range(40, len(archive), 97):
        damaged = bytearray(archive)
        damaged[place] ^= 0x55
        path.write_bytes(bytes(damaged))
        try:
            lf.load(path)
        except LmformsError:
            continue
