"""A saved fit comes back whole, or not at all."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import threading
import tracemalloc
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from fuzz import saved_fits
from models import columns_of_every_kind
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ContextWarning,
    DataError,
    FileError,
    LmformsError,
    NumericalError,
)
from lmforms.relationship import Relationship
from lmforms.storage import archive as archive_module
from lmforms.storage import save as save_module
from lmforms.storage.index_json import encode_index

pytestmark = pytest.mark.one_in(4)

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


@pytest.mark.parametrize("formula, options", saved_fits.FORMULAS)
def test_all_that_a_user_sees_comes_back(tmp_path, formula, options):
    fit = quiet(formula, saved_fits.table(RNG), **options)
    back = returned(fit, tmp_path)
    assert saved_fits.differences(back, fit) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again, expected = back.refit(reml=False), fit.refit(reml=False)
    assert again.criterion == pytest.approx(expected.criterion, abs=1e-7)
    assert again.state.method == expected.state.method


def test_labels_and_tables_of_every_kind(tmp_path):
    assert saved_fits.round_trips(25, seed=0, folder=tmp_path) == []


def test_levels_of_arrow_dictionaries(tmp_path):
    pa = pytest.importorskip("pyarrow")
    text = pa.array([f"s{v}" for v in DATA["g"]]).dictionary_encode()
    labels = pd.Series(pd.arrays.ArrowExtensionArray(text)).array
    for g in (labels, pd.Categorical(labels)):
        fit = quiet("y ~ x + (1 | g)", DATA.assign(g=g).set_index(pd.Index(labels)))
        returned(fit, tmp_path)


def test_what_cannot_be_saved_is_refused_with_a_way_out(tmp_path):
    path = tmp_path / "fit.lmf"
    own = [frozenset([int(v)]) for v in DATA["g"]]
    with pytest.raises(DataError, match=r"save: the column `g`.*data\['g'\].astype\(str\)"):
        quiet("y ~ x + (1 | g)", DATA.assign(g=own)).save(path)
    data = DATA.assign(g=own)
    quiet("y ~ x + (1 | g)", data.assign(g=data["g"].astype(str))).save(path)
    with pytest.raises(DataError, match="bits cannot be written"):
        encode_index(pd.Index([10**5000, 1], dtype=object))
    with pytest.raises(DataError, match=r"save: the index.*data.reset_index\(drop=True\)"):
        quiet("y ~ x + (1 | g)", DATA.set_axis(pd.Index(own))).save(path)
    quiet("y ~ x + (1 | g)", DATA.set_axis(pd.Index(own)).reset_index(drop=True)).save(path)


def test_a_formula_that_is_too_long_can_be_written_shorter(tmp_path, monkeypatch):
    monkeypatch.setattr(save_module, "MAX_FORMULA_LENGTH", 60)
    data = DATA[["y", "g", "x"]].rename(columns={"x": "x" * 60})
    with pytest.raises(DataError, match=r"save: .*or `\.`"):
        quiet(f"y ~ {'x' * 60} + (1 | g)", data).save(tmp_path / "fit.lmf")
    returned(quiet("y ~ . + (1 | g)", data), tmp_path)


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
    matrix = np.array([[1.0], [0], [-1]])
    returned(quiet("y ~ f + (1 | g)", contrasts={"f": matrix}), tmp_path)
    returned(quiet("y ~ f + (1 | g)", contrasts={"f": "contr.sum"}), tmp_path)
    read = replace(fit.state.design.formula_data, contrasts={"f": np.full((3, 2), np.nan)})
    state = replace(fit.state, design=replace(fit.state.design, formula_data=read))
    with pytest.raises(DataError, match=r"save: .*'contrasts'"):
        lf.MixedModelResults(fit.model, state).save(tmp_path / "fit.lmf")


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
    path.write_bytes(archive)
    saved = lf.load(path)
    places = range(40, len(archive), 97)
    unnoticed = 0
    for place in places:
        damaged = bytearray(archive)
        damaged[place] ^= 0x55
        path.write_bytes(bytes(damaged))
        try:
            back = lf.load(path)
        except LmformsError:
            continue
        unnoticed += 1  # dates and the like, which ZIP does not check
        assert str(back.summary()) == str(saved.summary()), place
        pd.testing.assert_series_equal(back.fittedvalues, saved.fittedvalues)
    assert unnoticed < len(places) / 4


def test_random_damage(tmp_path):
    assert saved_fits.damage(40, seed=0, folder=tmp_path) == []


@pytest.mark.parametrize("value", [None, True, -1, 2.5, float("nan"), "z", [], {}, [[1]], 2**70])
def test_every_field_is_checked(tmp_path, archive, value):
    meta = json.loads(saved_fits.members(archive)["meta.json"])
    for field in meta:
        without = {k: v for k, v in meta.items() if k != field}
        for changed in (without, without | {field: value}):
            if json.dumps(changed, sort_keys=True) != json.dumps(meta, sort_keys=True):
                refused(tmp_path, edited(archive, "meta.json", lambda _, m=changed: m))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "name", ["beta", "theta", "response", "gradient", "extra/weights", "column/0"]
)
def test_no_number_is_no_figure(tmp_path, archive, name, value):
    values = np.load(io.BytesIO(saved_fits.members(archive)[f"{name}.npy"]))
    values[0] = value
    refused(tmp_path, edited(archive, f"{name}.npy", values))
    for figure in ("criterion", "sigma"):
        refused(tmp_path, edited(archive, "meta.json", lambda m, f=figure: m | {f: value}))


def test_a_change_that_alters_no_figure_is_noticed(tmp_path, archive):
    def another_label(meta):
        levels = next(c["levels"] for c in meta["columns"] if "levels" in c)
        levels["name"] = "other"
        return meta

    for change in (
        lambda m: m | {"method": "em"},
        lambda m: m | {"lmforms": "9.9"},
        lambda m: m | {"control": m["control"] | {"seed": 7}},
        lambda m: m | {"optimum": m["optimum"] | {"message": "perfect"}},
    ):
        refused(tmp_path, edited(archive, "meta.json", change), "changed after it was saved")


def test_files_of_the_first_version_load(tmp_path, archive):
    def old(meta):
        later = ("digest", "method", "singular", "flat")
        return {k: v for k, v in meta.items() if k not in later} | {
            "names": [],
            "format_version": 1,
        }

    path = tmp_path / "old.lmf"
    path.write_bytes(edited(edited(archive, "meta.json", old), "gradient.npy", None))
    assert lf.load(path).state.method == "auto"


# --- sizes ----------------------------------------------------------------------------------


def test_a_small_file_does_not_grow(tmp_path, archive):
    parts = saved_fits.members(archive)
    zeros = io.BytesIO()
    np.save(zeros, np.zeros(2**23))  # 64 MiB in some 65 KB
    path = tmp_path / "bomb.lmf"
    for name in ("response.npy", "meta.json"):
        path.write_bytes(saved_fits.packed(parts | {name: zeros.getvalue()}))
        assert path.stat().st_size < 100_000
        tracemalloc.start()
        with pytest.raises(DataError, match="more than a file of"):
            lf.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["response", "column/0", "theta", "beta", "gradient"])
def test_a_header_that_promises_more_than_there_is(tmp_path, archive, name):
    content = io.BytesIO()
    huge = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(content, huge)
    parts = saved_fits.members(archive) | {f"{name}.npy": content.getvalue()}
    refused(tmp_path, saved_fits.packed(parts), f"{name}.npy")


def test_members_that_nobody_asks_for_are_not_read(tmp_path, archive):
    parts = saved_fits.members(archive) | {"unused.npy": bytes(2**25)}
    path = tmp_path / "bomb.lmf"
    path.write_bytes(saved_fits.packed(parts))
    lf.load(path)
    tracemalloc.start()
    lf.load(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path, archive, method):
    refused(tmp_path, saved_fits.packed(saved_fits.members(archive), method), "another way")


def test_what_is_saved_is_within_the_limits(tmp_path, monkeypatch):
    for name in ("MIN_JSON_ALLOWANCE", "MIN_ARRAYS_ALLOWANCE"):
        monkeypatch.setattr(archive_module, name, 0)
    n = 20_000
    y, g = np.tile([1.0, 2.0], n // 2), np.repeat(range(10), n // 10)
    data = pd.DataFrame({"y": y + g % 3, "g": g, "w": 1.0}, index=np.zeros(n, dtype=int))
    fit = quiet("y ~ 1 + (1 | g)", data, weights="w")
    assert returned(fit, tmp_path).nobs == n


# --- writing ----------------------------------------------------------------------------------

FIT = quiet("y ~ x + (1 | g)")
OTHER = quiet("y ~ x + (x | g)")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_mode_is_kept(tmp_path):
    path = tmp_path / "fit.lmf"
    old = os.umask(0o027)
    try:
        FIT.save(str(path))
    finally:
        os.umask(old)
    assert mode(path) == 0o640
    path.chmod(0o604)
    OTHER.save(path)
    assert mode(path) == 0o604
    assert lf.load(str(path)).formula == OTHER.formula


def test_links_are_followed(tmp_path):
    (tmp_path / "inner").mkdir()
    target, link = tmp_path / "inner" / "fit.lmf", tmp_path / "link.lmf"
    link.symlink_to(target)
    for fit in (FIT, OTHER):
        fit.save(link)
        assert link.is_symlink()
        assert lf.load(target).formula == fit.formula
    assert os.listdir(tmp_path / "inner") == ["fit.lmf"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize(
    "where", ["os.fsync", "os.replace", "os.chmod", "zipfile.ZipFile.writestr"]
)
def test_after_a_failure_the_old_file_is_there(tmp_path, monkeypatch, where, error):
    path = tmp_path / "fit.lmf"
    FIT.save(path)
    before = path.read_bytes()

    def fails(*_, **__):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(where, fails)
        with pytest.raises(
            FileError if isinstance(error, OSError) else KeyboardInterrupt
        ) as caught:
            OTHER.save(path)
    if isinstance(error, OSError):
        assert str(path) in str(caught.value)
        assert "No space left" in str(caught.value)
        assert caught.value.errno == 28
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["fit.lmf"]


def test_a_file_that_does_not_fit_is_gone(tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FileError, match="cannot be written"):
            FIT.save(tmp_path / "fit.lmf")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "no" / "a", tmp_path / "file" / "a", tmp_path / "loop"):
        with pytest.raises(FileError, match=re.escape(str(path))) as caught:
            FIT.save(path)
        assert isinstance(caught.value, OSError)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(FileError, match="read-only"):
        FIT.save(tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == ["file", "loop"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_devices_are_not_replaced():
    with pytest.raises(FileError, match="device"):
        FIT.save("/dev/full")
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("path", ["", "a\0b", b"fit.lmf", 3, None])
def test_what_is_no_path(path):
    for call in (FIT.save, lf.load):
        with pytest.raises(ArgumentError, match="path"):
            call(path)


def test_an_empty_path_says_what_a_path_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=r"such as 'fit\.lmf'"):
        FIT.save("")
    FIT.save("fit.lmf")
    assert lf.load("fit.lmf").criterion == pytest.approx(FIT.criterion, rel=1e-12)


def test_unknown_arguments():
    with pytest.raises(ArgumentError, match="Did you mean `context`"):
        lf.load("fit.lmf", contxt={})
    with pytest.raises(ArgumentError, match="no argument `overwrite`"):
        FIT.save("fit.lmf", overwrite=True)


def test_a_reader_beside_a_writer_sees_whole_files(tmp_path):
    path = tmp_path / "fit.lmf"
    FIT.save(path)
    done = threading.Event()

    def write():
        for fit in [OTHER, FIT] * 10:
            fit.save(path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set() or len(seen) < 1:
        seen.add(lf.load(path).formula)
    writer.join()
    assert seen <= {FIT.formula, OTHER.formula}
    assert os.listdir(tmp_path) == ["fit.lmf"]


# --- labels in markup -------------------------------------------------------------------------


def test_labels_of_a_file_are_no_markup(tmp_path):
    tag = "<script>alert(1)</script>"
    data = DATA.assign(f=[f"{tag}{v % 3}" for v in DATA["g"]], z=DATA["x"], h=DATA["s"])
    data = data.rename(columns={"z": tag, "h": f"h{tag}"})
    fit = returned(quiet(f"y ~ `{tag}` + f + (1 | `h{tag}`)", data), tmp_path)
    outside_code = re.sub(r"``.*``", "", fit.summary().to_markdown())
    for text in (fit._repr_html_(), fit.forms()._repr_html_(), outside_code):
        assert "alert(1)" in text
        assert "<script" not in text


# --- known covariances ----------------------------------------------------------------------


LEVELS = sorted(DATA["g"].unique())


def relationships() -> dict[str, object]:
    rng = np.random.default_rng(5)
    q = len(LEVELS)
    root = np.tril(rng.normal(size=(q, q))) / 3 + np.eye(q)
    labels = [*LEVELS, "unseen"]
    wide = np.vstack([root, rng.normal(size=q)])
    chain = np.eye(q + 1)
    chain[1:, :-1] -= 0.4 * np.eye(q)
    precision = sp.csc_matrix(chain.T @ chain)
    return {
        "dense": pd.DataFrame(root @ root.T, index=LEVELS, columns=LEVELS),
        "sparse": Relationship.of(sp.block_diag([np.eye(2) + 0.3] * (q // 2)).tocsc(), LEVELS),
        "root": Relationship.from_root(wide, labels),
        "precision": Relationship.from_precision(precision, labels),
    }


@pytest.mark.parametrize("kind", ["dense", "sparse", "root", "precision"])
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x || g)", "y ~ x + (x | g)"])
def test_fits_with_known_covariances_come_back(kind, formula, tmp_path):
    if kind == "root" and formula.endswith("(x | g)"):
        pytest.skip("a root of lower rank has no inverse")
    fit = quiet(formula, relationship={"g": relationships()[kind]})
    back = returned(fit, tmp_path)
    assert saved_fits.differences(back, fit) == []
    assert str(back.summary()) == str(fit.summary())
    assert back.random_effects["g"].index.tolist() == fit.random_effects["g"].index.tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are singular
        assert back.refit().criterion == pytest.approx(fit.criterion, abs=1e-7)


def test_the_path_of_an_estimator_comes_back(tmp_path):
    fit = quiet("y ~ x + (1 | g)", method="em", relationship={"g": relationships()["dense"]})
    back = returned(fit, tmp_path)
    assert back.optimizer.message == fit.optimizer.message
    assert back.optimizer.trace == fit.optimizer.trace
    assert len(back.optimizer.trace) > 3


def test_damaged_covariances_are_refused(tmp_path):
    path = tmp_path / "fit.lmf"
    quiet("y ~ x + (1 | g)", relationship={"g": relationships()["precision"]}).save(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        starts, rows = (
            np.load(io.BytesIO(archive.read(f"relationship/0/{name}.npy")))
            for name in ("starts", "rows")
        )
    for member, change in (
        ("relationship/0/values.npy", None),
        ("relationship/0/starts.npy", starts[::-1]),
        ("relationship/0/rows.npy", rows - 5),
        ("meta.json", lambda m: m | {"relationships": []}),
    ):
        path.write_bytes(edited(whole, member, change))
        with pytest.raises((DataError, NumericalError)):
            lf.load(path)
