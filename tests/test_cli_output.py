"""The command line: formats of a fit, codings of factors, files that it reads and writes."""

from __future__ import annotations

import gzip
import io
import json
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from command_line_runs import bad, good
from pandas.testing import assert_frame_equal
from pyarrow import feather, parquet

import lmforms as lf
from lmforms.cli import main
from lmforms.cli.arguments import DDF
from lmforms.cli.commands.predict import PREDICTION_DDF
from lmforms.cli.formats import plain
from lmforms.inference.degrees_of_freedom.methods import DF_METHODS
from lmforms.inference.predictions.intervals import PREDICTION_DF

SLEEP = "Reaction ~ Days + (Days | Subject)"
CAKE = "angle ~ recipe + temp + (1 | recipe:replicate)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data sets as CSV."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("sleepstudy", "cake"):
        lf.datasets.load(name).to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture
def sleep(folder) -> str:
    return str(folder / "sleepstudy.csv")


@pytest.fixture
def cake(folder) -> str:
    return str(folder / "cake.csv")


@pytest.fixture(scope="module")
def fit() -> lf.MixedModelResults:
    whole = lf.datasets.load("sleepstudy").astype({"Subject": str}).astype({"Subject": int})
    return lf.lmer(SLEEP, whole)


# --- formats ---------------------------------------------------------------------------------

SIGNS = {
    "text": "=====",
    "html": "<table",
    "latex": r"\begin{tabular}",
    "markdown": "| ---",
    "typst": "table(",
}


@pytest.mark.parametrize("form, sign", SIGNS.items())
def test_formats_for_readers(capsys, sleep, form, sign):
    assert sign in good(capsys, "fit", SLEEP, sleep, "--format", form)


def strict(text: str):
    """JSON without NaN and infinity, which Python's reader lets pass."""

    def refuse(name: str) -> float:
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def test_json_has_the_numbers_of_the_fit(capsys, sleep, fit):
    argv = ["--format", "json", "--level", "0.9", "--ddf", "kenward-roger"]
    found = strict(good(capsys, "fit", SLEEP, sleep, *argv))
    table = fit.tidy("fixed", conf_int=True, conf_level=0.9, ddf="kenward-roger")
    assert_frame_equal(pd.DataFrame(found["fixed"]), pd.DataFrame(table), check_dtype=False)
    assert found["groups"] == {"Subject": 18}
    assert (found["nobs"], found["reml"], found["residual"]) == (180, True, "iid")
    assert found["criterion"] == pytest.approx(fit.criterion, rel=1e-12)
    assert [row["sdcor"] for row in found["vcomp"]] == pytest.approx(fit.vcomp["sdcor"].tolist())
    assert [row["level"] for row in found["random"][:2]] == [308, 309]
    assert len(found["random"]) == 36
    assert found["optimizer"]["converged"] is True
    assert found["warnings"] == []


def test_json_of_other_models(capsys, tmp_path):
    rows = lf.datasets.load("Orthodont").assign(one=1.0)
    rows.loc[0, "age"] = np.nan
    rows.to_csv(tmp_path / "d.csv", index=False)
    path = str(tmp_path / "d.csv")

    def facts(formula, *argv):
        assert main(["fit", formula, path, "--format", "json", *argv]) == 0
        out, err = capsys.readouterr()
        found = strict(out)
        assert err == "".join(f"lmforms: warning: {said}\n" for said in found["warnings"])
        return found

    serial = facts("distance ~ age", "--residual", "ar1(age | Subject)", "--ddf", "none")
    assert serial["groups"] == {}
    assert serial["random"] == []
    assert list(serial["residual_params"]) == ["rho"]
    assert serial["fixed"][0]["df"] is None  # infinite
    assert "1 of 108" in serial["warnings"][0]
    assert facts("distance ~ 0 + (1 | Subject)")["fixed"] == []
    assert facts("distance ~ age + one + (1 | Subject)")["dropped"] == ["one"]
    nested = facts("distance ~ age + (1 | Sex/Subject)")
    assert nested["groups"] == {"Sex": 2, "Sex:Subject": 27}
    assert [len(row["level"]) for row in nested["random"] if row["group"] != "Sex"] == [2] * 27


@pytest.mark.parametrize("table", ["fixed", "random", "all", "glance"])
def test_csv_has_the_tidy_tables(capsys, sleep, fit, table):
    argv = [] if table == "fixed" else ["--table", table]
    found = pd.read_csv(io.StringIO(good(capsys, "fit", SLEEP, sleep, "--format", "csv", *argv)))
    expected = fit.glance() if table == "glance" else fit.tidy(table, conf_int=True)
    if "level" in expected:
        expected = expected.assign(level=expected["level"].astype(float))
    assert_frame_equal(found, pd.DataFrame(expected), check_dtype=False)


def test_whole_numbers_as_labels_stay_whole(capsys, sleep):
    out = good(capsys, "fit", SLEEP, sleep, "--format", "csv", "--table", "random")
    assert "ran_vals,Subject,308,Intercept," in out


def test_labels_of_interactions_in_csv(capsys, cake):
    out = good(capsys, "fit", CAKE, cake, "--format", "csv", "--table", "random")
    assert "ran_vals,recipe:replicate,A:1,Intercept," in out


def test_levels_of_limits(capsys, sleep, fit):
    out = good(capsys, "fit", SLEEP, sleep, "--format", "csv", "--level", "0.5")
    table = pd.read_csv(io.StringIO(out), index_col="term")
    expected = fit.conf_int(0.5)
    assert table["conf.low"].to_numpy() == pytest.approx(expected["lower"].to_numpy())


def test_values_that_json_lacks():
    nan = float("nan")
    given = {1: (nan, float("inf"), np.int64(3), np.bool_(True), pd.NA, pd.NaT, np.float32(0.5))}
    assert plain(given) == {"1": [None, None, 3, True, None, None, 0.5]}
    assert plain(pd.Timestamp("2020-01-02")) == "2020-01-02 00:00:00"


def test_output_to_a_file(capsys, sleep, tmp_path):
    assert good(capsys, "fit", SLEEP, sleep, "--output", str(tmp_path / "s.json")) == ""
    assert strict((tmp_path / "s.json").read_text())["nobs"] == 180
    good(capsys, "fit", SLEEP, sleep, "--output", str(tmp_path / "s"), "--format", "text")
    assert (tmp_path / "s").read_text() == good(capsys, "fit", SLEEP, sleep)
    missing = str(tmp_path / "no" / "s.txt")
    assert "no folder" in bad(capsys, "fit", SLEEP, sleep, "--output", missing)


def test_files_that_are_read_are_not_written_over(capsys, tmp_path):
    data, saved = tmp_path / "d.csv", tmp_path / "d.lmf"
    lf.datasets.load("Dyestuff").to_csv(data, index=False)
    model = ("fit", "Yield ~ 1 + (1 | Batch)", str(data))
    good(capsys, *model, "--save", str(saved))
    before = data.read_bytes(), saved.read_bytes()
    (tmp_path / "link.csv").symlink_to(data)
    for argv in (
        (*model, "--output", str(data)),
        (*model, "--output", str(tmp_path / "link.csv")),
        (*model, "--save", str(data)),
        ("predict", str(saved), str(data), "--output", str(data)),
        ("predict", str(saved), str(data), "--output", str(saved), "--format", "csv"),
        ("summary", str(saved), "--output", str(saved), "--format", "text"),
        ("anova", str(saved), "--output", str(saved), "--format", "text"),
    ):
        assert "would be lost: give another name" in bad(capsys, *argv, status=2)
    assert (data.read_bytes(), saved.read_bytes()) == before


def test_data_are_not_written_with_question_marks(capsys, monkeypatch, tmp_path):
    path = str(tmp_path / "d.csv")
    rows = lf.datasets.load("Dyestuff")
    rows.assign(Batch=rows["Batch"].astype(str) + "σ").to_csv(path, index=False)
    argv = ["fit", "Yield ~ 1 + (1 | Batch)", path, "--format", "csv", "--table", "random"]
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert main(argv) == 1
    assert "--output FILE" in capsys.readouterr().err
    assert good(capsys, *argv, "--output", str(tmp_path / "r.csv")) == ""
    assert "Aσ" in (tmp_path / "r.csv").read_text(encoding="utf-8")


def test_methods_of_degrees_of_freedom():
    assert DDF == DF_METHODS
    assert PREDICTION_DDF == PREDICTION_DF


# --- codings of factors ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "coding, contrast",
    [
        ("sum", "sum"),
        ("contr.helmert", "helmert"),
        ("poly", "poly"),
        ("SAS", "SAS"),
        ("treatment(C)", np.eye(3)[:, :2]),
        ("treatment( 'C' )", np.eye(3)[:, :2]),
        ("SAS(B)", np.eye(3)[:, [0, 2]]),
    ],
)
def test_codings(capsys, cake, coding, contrast):
    out = good(capsys, "fit", CAKE, cake, "--format", "csv", "--contrast", f"recipe={coding}")
    expected = lf.lmer(CAKE, lf.datasets.load("cake"), contrasts={"recipe": contrast})
    found = pd.read_csv(io.StringIO(out))
    assert found["estimate"].to_numpy() == pytest.approx(expected.params.to_numpy(), rel=1e-9)


def test_names_of_coefficients_with_a_base_and_a_saved_fit(capsys, cake, tmp_path):
    saved = str(tmp_path / "fit.lmf")
    argv = ["--format", "csv", "--contrast", "recipe=treatment(B)", "--save", saved]
    out = good(capsys, "fit", CAKE, cake, *argv)
    assert list(pd.read_csv(io.StringIO(out))["term"][1:3]) == ["recipe[T.A]", "recipe[T.C]"]
    again = good(capsys, "summary", saved, "--format", "csv")
    assert_frame_equal(*(pd.read_csv(io.StringIO(text)) for text in (out, again)), rtol=1e-9)


def test_bases_that_are_no_text(capsys, tmp_path):
    rows = lf.datasets.load("cake")
    rows["replicate"] = rows["replicate"].astype(int).astype("category")
    rows.to_feather(tmp_path / "d.feather")
    formula = "angle ~ replicate + temp + (1 | recipe)"
    argv = ["--format", "csv", "--contrast", "replicate=treatment(10)", "--ddf", "none"]
    assert main(["fit", formula, str(tmp_path / "d.feather"), *argv]) == 0
    terms = set(pd.read_csv(io.StringIO(capsys.readouterr().out))["term"])
    assert "replicate[T.1]" in terms
    assert "replicate[T.10]" not in terms


@pytest.mark.parametrize(
    "coding, message, status",
    [
        ("recipe=summ", "Did you mean `sum`?", 2),
        ("recipe=treatment(D)", "no level 'D'. It has A, B, C", 2),
        ("recip=sum", "Did you mean `recipe`?", 1),
        ("replicate=sum", "holds numbers. Say --text 'replicate'", 1),
        ("recipe=__import__('os')", "unknown", 2),
    ],
)
def test_codings_that_cannot_be(capsys, cake, coding, message, status):
    assert message in bad(capsys, "fit", CAKE, cake, "--contrast", coding, status=status)


def test_the_advice_for_codings_of_numbers(capsys, cake, tmp_path):
    formula = "angle ~ recipe + temperature + (1 | recipe:replicate)"
    argv = ["fit", formula, cake, "--format", "csv", "--contrast", "temperature=sum"]
    assert "--text 'temperature'" in bad(capsys, *argv)
    text = good(capsys, *argv, "--text", "temperature")
    pd.read_csv(cake).to_parquet(tmp_path / "d.parquet")
    argv[2] = str(tmp_path / "d.parquet")
    assert "C(temperature, contr.sum)" in bad(capsys, *argv)
    argv[1] = argv[1].replace("temperature", "C(temperature, contr.sum)")
    other = good(capsys, *argv[:-2])
    estimates = [pd.read_csv(io.StringIO(out))["estimate"].tolist() for out in (text, other)]
    assert estimates[0] == pytest.approx(estimates[1], rel=1e-9)


# --- Parquet, Feather and Arrow --------------------------------------------------------------


@pytest.fixture(scope="module")
def columnar(tmp_path_factory) -> dict[str, str]:
    """One table in several files; the ids are text that looks like numbers."""
    folder = tmp_path_factory.mktemp("columnar")
    rng = np.random.default_rng(4)
    codes = np.arange(60) % 4
    rows = pd.DataFrame({"y": rng.normal(size=60) + 3 * codes, "x": rng.normal(size=60)})
    rows["id"] = np.array(["01", "1", "1.0", "b"])[codes]
    rows.to_csv(folder / "d.csv", index=False)
    rows.set_index(pd.RangeIndex(5, 65) * 2).sample(60, random_state=1).sort_index().to_parquet(
        folder / "d.parquet"
    )
    feather.write_feather(rows, folder / "d.feather")
    with pa.ipc.new_file(folder / "d.arrow", (table := pa.Table.from_pandas(rows)).schema) as file:
        file.write_table(table)
    return {path.name.partition(".")[2]: str(path) for path in folder.iterdir()}


MODEL = "y ~ x + (1 | id)"


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow"])
def test_columnar_files(capsys, monkeypatch, columnar, ending):
    argv = ["--format", "csv", "--table", "all"]
    expected = pd.read_csv(io.StringIO(good(capsys, "fit", MODEL, columnar["csv"], *argv)))
    out = good(capsys, "fit", MODEL, columnar[ending], *argv)
    assert_frame_equal(pd.read_csv(io.StringIO(out)), expected, rtol=1e-9)
    assert "id,1.0,Intercept" in out
    with open(columnar[ending], "rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read())))
    assert good(capsys, "fit", MODEL, "-", *argv) == out


def test_row_names_of_pandas_are_no_column(capsys, columnar):
    out = good(capsys, "fit", "y ~ . + (1 | id)", columnar["parquet"], "--format", "csv")
    assert list(pd.read_csv(io.StringIO(out))["term"]) == ["Intercept", "x"]


def test_types_of_columnar_files_stay(capsys, tmp_path):
    rows = lf.datasets.load("Machines")
    ids = pa.array((2**53 + rows["Worker"].astype(int)).to_numpy())  # no floats in between
    table = pa.table({"y": rows["score"], "m": rows["Machine"].astype(str), "id": ids})
    parquet.write_table(table, tmp_path / "d.parquet")
    argv = ["fit", "y ~ m + (1 | id)", str(tmp_path / "d.parquet"), "--format", "json"]
    levels = [row["level"] for row in strict(good(capsys, *argv))["random"]]
    assert sorted(levels) == [2**53 + i for i in range(1, 7)]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--sep", ";"], "--sep is for delimited text"),
        (["--na", "x"], "--na is for delimited text"),
        (["--text", "id"], "factor(id)"),
    ],
)
def test_options_of_delimited_text(capsys, columnar, options, message):
    assert message in bad(capsys, "fit", MODEL, columnar["parquet"], *options, status=2)


def test_columnar_files_that_cannot_be_read(capsys, columnar, tmp_path):
    def said(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return bad(capsys, "fit", MODEL, str(tmp_path / name))

    with open(columnar["parquet"], "rb") as file:
        content = file.read()
    assert "cannot be read as Parquet" in said("d.parquet", content[:200])
    assert "cannot be read as Arrow" in said("d.feather", b"ARROW1" + bytes(50))
    assert "a compressed Parquet file: unpack it" in said("d.parquet.gz", gzip.compress(content))
    assert "is no Parquet file" in said("d.parquet", b"y,x,id\n1,2,3\n")
    parquet.write_table(pa.table({"y": [1.0]}).slice(0, 0), tmp_path / "e.parquet")
    assert "no rows" in bad(capsys, "fit", MODEL, str(tmp_path / "e.parquet"))


@pytest.mark.parametrize(
    "name, what",
    [("d.xlsx", "spreadsheet"), ("d.rds", "file of R"), ("d.sas7bdat", "SAS"), ("d.json", "JSON")],
)
def test_other_kinds_of_files(capsys, tmp_path, name, what):
    (tmp_path / name).write_text("y,x,id\n1,2,3\n")
    message = bad(capsys, "fit", MODEL, str(tmp_path / name))
    assert what in message
    assert "CSV, TSV, Parquet or Feather" in message


def test_pyarrow_that_is_not_installed(capsys, monkeypatch, columnar):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install pyarrow" in bad(capsys, "fit", MODEL, columnar["parquet"])
    assert "a Parquet file" in bad(capsys, "fit", MODEL, columnar["parquet"])
