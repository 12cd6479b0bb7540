"""The command line with saved fits: `summary`, `anova`, `predict`."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
from command_line_runs import bad, good
from pandas.testing import assert_frame_equal, assert_series_equal

import lmforms as lf
from lmforms.cli import main

SLOPES = "Reaction ~ Days + (Days | Subject)"
INTERCEPTS = "Reaction ~ Days + (1 | Subject)"


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, str]:
    """Saved fits and tables by name."""
    folder = tmp_path_factory.mktemp("saved")
    sleep = lf.datasets.load("sleepstudy")
    slopes = lf.lmer(SLOPES, sleep)
    slopes.save(folder / "slopes")
    slopes.update(INTERCEPTS).save(folder / "intercepts")
    slopes.refit(reml=False).save(folder / "ml")
    lf.lmer("angle ~ recipe*temp + (1 | recipe:replicate)", lf.datasets.load("cake")).save(
        folder / "cake"
    )
    sleep.to_csv(folder / "sleep", index=False)
    return {path.name: str(path) for path in folder.iterdir()}


# --- summary ---------------------------------------------------------------------------------


def test_summary(capsys, saved):
    fit = lf.load(saved["slopes"])
    assert good(capsys, "summary", saved["slopes"]) == f"{fit.summary()}\n"
    argv = ["--ddf", "kenward-roger", saved["slopes"]]
    assert good(capsys, "summary", *argv) == f"{fit.summary('kenward-roger')}\n"
    argv = ["--level", "0.9", saved["slopes"]]
    assert good(capsys, "summary", *argv) == f"{fit.summary(level=0.9)}\n"
    found = json.loads(good(capsys, "summary", "--format", "json", saved["slopes"]))
    assert found["formula"] == SLOPES
    assert found["criterion"] == pytest.approx(fit.criterion)


def test_summary_is_that_of_the_fit(capsys, saved, tmp_path):
    path = str(tmp_path / "f.lmf")
    out = good(capsys, "fit", SLOPES, saved["sleep"], "--save", path, "--format", "csv")
    again = good(capsys, "summary", path, "--format", "csv")
    assert_frame_equal(*(pd.read_csv(io.StringIO(text)) for text in (out, again)), rtol=1e-9)


def test_warnings_of_a_saved_fit(capsys, tmp_path):
    path, fit = str(tmp_path / "d.csv"), str(tmp_path / "f.lmf")
    lf.datasets.load("Dyestuff2").to_csv(path, index=False)
    assert main(["fit", "Yield ~ 1 + (1 | Batch)", path, "--format", "json", "--save", fit]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert "singular" in err
    assert found["optimizer"]["singular"] == ["1 | Batch"]
    again = json.loads(good(capsys, "summary", fit, "--format", "json"))
    assert again["warnings"] == found["warnings"]
    assert len(found["warnings"]) == 1


@pytest.mark.parametrize("command", [["summary"], ["anova"], ["predict"]])
def test_files_that_are_no_saved_fits(capsys, saved, tmp_path, command):
    more = [saved["sleep"]] if command == ["predict"] else []
    assert "no file" in bad(capsys, *command, str(tmp_path / "f.lmf"), *more)
    assert "not a fit" in bad(capsys, *command, saved["sleep"], *more)
    assert bad(capsys, *command, str(tmp_path), *more)


def test_a_saved_fit_is_no_table(capsys, saved, tmp_path):
    path = tmp_path / "f.lmf"
    path.write_bytes(b"PK")
    assert f"lmforms summary {path}" in bad(capsys, "fit", SLOPES, str(path))


# --- anova -----------------------------------------------------------------------------------


def test_tests_of_terms(capsys, saved):
    table = lf.load(saved["cake"]).anova(2, ddf="kenward-roger")
    argv = ["anova", saved["cake"], "--type", "2", "--ddf", "kenward-roger"]
    assert good(capsys, *argv) == f"{table}\n"
    found = pd.read_csv(io.StringIO(good(capsys, *argv, "--format", "csv")), index_col="term")
    assert_frame_equal(found, pd.DataFrame(table), check_dtype=False, check_names=False)
    facts = json.loads(good(capsys, *argv, "--format", "json"))
    assert [row["term"] for row in facts["terms"]] == ["recipe", "temp", "recipe:temp"]
    assert facts["notes"] == list(table.notes)


def test_likelihood_ratios(capsys, saved):
    fits = saved["intercepts"], saved["slopes"]
    table = lf.anova(*map(lf.load, fits))
    assert good(capsys, "anova", *fits) == f"{table}\n"
    # options before, between and after the files
    out = good(capsys, "anova", "--format", "csv", *fits)
    assert good(capsys, "anova", fits[0], "--format", "csv", fits[1]) == out
    assert good(capsys, "anova", *fits, "--format", "csv") == out
    found = pd.read_csv(io.StringIO(out), index_col="model")
    assert list(found.index) == [INTERCEPTS, SLOPES]
    assert_frame_equal(found, pd.DataFrame(table), check_dtype=False, check_names=False)
    restricted = good(capsys, "anova", "--no-refit", *fits)
    assert restricted == f"{lf.anova(*map(lf.load, fits), refit=False)}\n"


def test_options_of_the_other_kind_of_test(capsys, saved):
    fits = saved["intercepts"], saved["slopes"]
    assert "for one fit" in bad(capsys, "anova", *fits, "--type", "2", status=2)
    assert "for one fit" in bad(capsys, "anova", *fits, "--ddf", "none", status=2)
    assert "several fits" in bad(capsys, "anova", fits[0], "--no-refit", status=2)
    assert "--type" in bad(capsys, "anova", fits[0], "--type", "4", status=2)
    assert "Did you mean `--type`" in bad(capsys, "anova", fits[0], "--typ", "2", status=2)


def test_the_advice_to_compare_by_ml(capsys, saved):
    fits = saved["ml"], saved["intercepts"]
    assert "Leave --no-refit out" in bad(capsys, "anova", *fits, "--no-refit")
    good(capsys, "anova", *fits)


def test_the_advice_about_degrees_of_freedom(capsys, saved):
    message = bad(capsys, "anova", saved["ml"], "--ddf", "kenward-roger")
    assert "--ddf satterthwaite" in message
    good(capsys, "anova", saved["ml"], "--ddf", "satterthwaite")


# --- predict ---------------------------------------------------------------------------------


def predictions(capsys, *argv: str, **options) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(good(capsys, "predict", *argv)), **options)


def test_predictions(capsys, saved):
    fit = lf.load(saved["slopes"])
    found = predictions(capsys, saved["slopes"], saved["sleep"], dtype={"Subject": str})
    assert list(found.columns) == ["Reaction", "Days", "Subject", "predicted"]
    expected = fit.predict(lf.datasets.load("sleepstudy"))
    assert_series_equal(found["predicted"], expected, rtol=1e-12)
    population = predictions(capsys, "--random", "none", saved["slopes"], saved["sleep"])
    assert population["predicted"].nunique() == 10
    alone = predictions(capsys, saved["slopes"], saved["sleep"], "--only-predictions")
    assert list(alone.columns) == ["predicted"]
    some = predictions(capsys, saved["slopes"], saved["sleep"], "--random", "Days | Subject")
    assert_series_equal(some["predicted"], expected, rtol=1e-12)


def test_predictions_as_json_from_standard_input(capsys, monkeypatch, saved):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Days,Subject\n1,308\n,309\n")))
    found = json.loads(good(capsys, "predict", saved["slopes"], "-", "--format", "json"))
    first, second = found["predictions"]
    assert (first["Subject"], first["Days"]) == ("308", "1")
    assert first["predicted"] == pytest.approx(273.33, abs=0.01)
    assert second["predicted"] is None


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Fits whose ids are text that looks like numbers, text with NA, and whole numbers."""
    folder = tmp_path_factory.mktemp("labelled")
    codes = np.arange(40) % 4
    y = np.sin(np.arange(40) ** 2) + 3 * codes
    x = np.cos(np.arange(40) * 3.7).round(3)
    for name, labels in {
        "text": ["01", "1", "2", "b"],
        "marks": ["NA", "1", "2", "b"],
        "whole": [1, 2, 10, 7],
    }.items():
        rows = pd.DataFrame({"y": y, "x": x, "id": np.array(labels, dtype=object)[codes]})
        rows.to_csv(folder / f"{name}.csv", index=False)
        argv = ["fit", "y ~ x + (1 | id)", str(folder / f"{name}.csv"), "--text", "id"]
        out = ["--save", str(folder / f"{name}.lmf"), "--output", str(folder / "out.txt")]
        assert main([*(argv[:-2] if name == "whole" else argv), *out]) == 0
    return folder


@pytest.fixture
def new(labelled, capsys):
    """A function that predicts for new rows of a text from one of the fits."""

    def predict(name: str, text: str, *argv: str) -> pd.DataFrame:
        (labelled / "new.csv").write_text(text)
        files = [str(labelled / f"{name}.lmf"), str(labelled / "new.csv")]
        return predictions(capsys, *files, *argv, dtype={"id": str}, keep_default_na=False)

    return predict


def refused(capsys, labelled, name: str, text: str, *argv: str, status: int = 1) -> str:
    (labelled / "new.csv").write_text(text)
    files = [str(labelled / f"{name}.lmf"), str(labelled / "new.csv")]
    return bad(capsys, "predict", *files, *argv, status=status)


def test_labels_are_read_as_in_the_fit(new, labelled):
    fit = lf.load(labelled / "text.lmf")
    for labels in (["01", "1", "2"], ["1", "2"], ["2", "b"]):  # all, or none, look like numbers
        rows = "\n".join(f"0.5,{label}" for label in labels)
        expected = fit.predict({"x": [0.5] * len(labels), "id": labels})
        found = new("text", f"x,id\n{rows}\n")
        assert found["id"].tolist() == labels
        assert found["predicted"].tolist() == pytest.approx(expected.tolist())
    whole = lf.load(labelled / "whole.lmf").predict({"x": [0.5, 0.5], "id": [10, 7]})
    assert new("whole", "x,id\n0.5,10\n0.50,7\n")["predicted"].tolist() == pytest.approx(
        whole.tolist()
    )


def test_marks_of_missing_values_that_are_levels(new, labelled):
    expected = lf.load(labelled / "marks.lmf").predict(
        {"x": [1.0, 1.0], "id": pd.Categorical(["NA", "1"])}
    )
    found = new("marks", "id,x\nNA,1\n1,1\n")
    assert found["predicted"].tolist() == pytest.approx(expected.tolist())
    assert new("text", "id,x\nNA,1\n1,1\n")["predicted"][0] == ""  # missing, as in the fit


def test_other_labels(capsys, new, labelled):
    message = refused(capsys, labelled, "text", "id,x\n9,1\n")
    assert "--new-levels zero" in message
    found = new("text", "id,x\n9,1\n", "--new-levels", "zero")
    fit = lf.load(labelled / "text.lmf")
    expected = fit.predict({"x": [1.0]}, random="none")
    assert found["predicted"].tolist() == pytest.approx(expected.tolist())
    whole = new("whole", "id,x\n10,1\n,1\n", "--text", "id")["predicted"].tolist()
    assert whole == new("whole", "id,x\n10,1\n,1\n")["predicted"].tolist()
    message = refused(capsys, labelled, "whole", "id,x\n01,1\n2,1\n", "--new-levels", "zero")
    assert "whole numbers" in message
    assert "'01'" in message


def test_new_data_are_written_as_they_were(capsys, labelled):
    (labelled / "new.csv").write_text("id;x;zip;y\n01;1,50;007;.\n1;-1;010;\n")
    files = [str(labelled / "text.lmf"), str(labelled / "new.csv")]
    out = good(capsys, "predict", *files, "--sep", ";", "--decimal", ",")
    header, first, second = out.splitlines()
    assert header == "id;x;zip;y;predicted"
    assert first.startswith("01;1,50;007;.;")
    assert second.startswith("1;-1;010;;")
    found = [float(line.rpartition(";")[2].replace(",", ".")) for line in (first, second)]
    expected = lf.load(files[0]).predict({"id": ["01", "1"], "x": [1.5, -1.0]})
    assert found == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    "text, options, message, status",
    [
        ("id\n1\n", [], "lack `x`", 1),
        ("x\n1\n", [], "lack `id`", 1),
        ("id,x\n" + "1,.\n" + "".join(f"1,{i}.5\n" for i in range(20)), [], "--na '.'", 1),
        ("id,x,predicted\n1,1,1\n", [], "--only-predictions", 2),
        ("id,x\n1,1\n", ["--random", "idd"], "Did you mean `id`?", 2),
        ("id,x\n1,1\n", ["--level", "0.9"], "--interval", 2),
        ("id,x\n1,1\n", ["--ddf", "none"], "--interval", 2),
        ("id,x\n1,1\n", ["--interval", "confidence", "--level", "95"], "between 0 and 1", 2),
        ("id,x\n1,1\n", ["--interval", "predict"], "Did you mean `prediction`?", 2),
        ("id,x\n1,1\n", ["--output", "p.html"], "csv, json", 2),
    ],
)
def test_bad_new_data_and_options(capsys, labelled, text, options, message, status):
    assert message in refused(capsys, labelled, "text", text, *options, status=status)


def test_the_advice_about_names_of_columns(new):
    found = new("text", "id,x,predicted\n1,1,1\n", "--only-predictions")
    assert found.columns.tolist() == ["predicted"]


def test_parquet_for_a_fit_of_text(capsys, labelled):
    rows = pd.DataFrame({"id": ["01", "b"], "x": [1.0, 2.0], "n": pd.array([1, None], "Int64")})
    rows["unused"] = [[1], [2, 3]]  # of a type that no model has
    rows.to_parquet(labelled / "new.parquet")
    path = str(labelled / "new.parquet")
    found = predictions(capsys, str(labelled / "text.lmf"), path, dtype=str, keep_default_na=False)
    expected = lf.load(labelled / "text.lmf").predict(rows[["id", "x"]])
    assert found["predicted"].astype(float).tolist() == pytest.approx(expected.tolist())
    assert found[["id", "n"]].to_numpy().tolist() == [["01", "1"], ["b", ""]]
    rows.assign(id=[1, 2]).to_parquet(path)
    assert "same type" in bad(capsys, "predict", str(labelled / "text.lmf"), path)


def test_offset_of_new_rows(capsys, tmp_path):
    rows = lf.datasets.load("dung").assign(known=0.25)
    rows.to_csv(tmp_path / "d.csv", index=False)
    data, fit = str(tmp_path / "d.csv"), str(tmp_path / "f.lmf")
    argv = ["fit", "pr_dung ~ flies + (1 | oven_block)", data, "--offset", "known", "--save", fit]
    good(capsys, *argv, "--format", "csv")
    first = predictions(capsys, fit, data)
    rows.assign(known=1.25).to_csv(data, index=False)
    assert (predictions(capsys, fit, data)["predicted"] - first["predicted"]).tolist() == (
        pytest.approx([1.0] * len(rows))
    )
    rows.drop(columns="known").to_csv(data, index=False)
    assert "known" in bad(capsys, "predict", fit, data)


def test_what_only_python_can_predict(capsys, tmp_path):
    rows, path = lf.datasets.load("Dyestuff"), str(tmp_path / "f.lmf")
    rows.to_csv(tmp_path / "d.csv", index=False)
    formula = "Yield ~ 1 + (1 | Batch)"
    lf.lmer(formula, rows, offset=np.ones(len(rows))).save(path)
    message = bad(capsys, "predict", path, str(tmp_path / "d.csv"), status=2)
    assert "in Python give predict(offset=...)" in message


@pytest.mark.parametrize("interval", ["confidence", "prediction"])
def test_intervals(capsys, saved, interval):
    argv = ["--interval", interval, "--level", "0.9", "--only-predictions"]
    found = predictions(capsys, saved["slopes"], saved["sleep"], *argv)
    sleep = lf.datasets.load("sleepstudy")
    expected = lf.load(saved["slopes"]).predict(sleep, interval=interval, level=0.9)
    assert list(found.columns) == ["estimate", "std_error", "lower", "upper"]
    assert_frame_equal(found, pd.DataFrame(expected), rtol=1e-9)
