"""The command line: exit status 0 with a summary, or 2 with one message on stderr."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import lmforms as lf
from lmforms.cli import main

FORMULA = "pr_dung ~ flies + (1 | oven_block)"


@pytest.fixture
def dung(tmp_path) -> str:
    path = tmp_path / "dung.csv"
    lf.datasets.load("dung").assign(w=1.5, name="a").to_csv(path, index=False)
    return str(path)


def good(capsys, *argv: str) -> str:
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def bad(capsys, *argv: str) -> str:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lmforms: ")
    assert "Traceback" not in err
    return err


# --- what works ------------------------------------------------------------------------------


def test_fit(capsys, dung):
    out = good(capsys, "fit", FORMULA, dung)
    expected = lf.lmer(FORMULA, lf.datasets.load("dung")).summary()
    assert out == f"{expected}\n"
    assert "-89.4292" in out


def test_fit_by_maximum_likelihood(capsys, dung):
    out = good(capsys, "fit", "--ml", FORMULA, dung)
    assert "maximum likelihood" in out


def test_fit_with_weights(capsys, dung):
    plain = good(capsys, "fit", FORMULA, dung)
    weighted = good(capsys, "fit", FORMULA, dung, "--weights", "w")
    assert "-89.4292" in weighted
    assert plain != weighted  # σ² is 1.5 times as large


def test_fit_with_an_offset(capsys, dung):
    out = good(capsys, "fit", FORMULA, dung, "--offset", "w")
    assert "-1.33" in out  # the intercept, less 1.5


@pytest.mark.parametrize(
    "form, sign",
    [("text", "====="), ("html", "<table"), ("latex", r"\begin{tabular}"), ("markdown", "| ---")],
)
def test_formats(capsys, dung, form, sign):
    assert sign in good(capsys, "fit", FORMULA, dung, "--format", form)


def test_save(capsys, dung, tmp_path):
    good(capsys, "fit", FORMULA, dung, "--save", str(tmp_path / "fit.lmf"))
    assert lf.load(tmp_path / "fit.lmf").nobs == 18


@pytest.mark.parametrize("name, sep", [("d.tsv", "\t"), ("d.txt", ";"), ("d.dat", "|")])
def test_delimiters(capsys, tmp_path, name, sep):
    path = tmp_path / name
    lf.datasets.load("dung").to_csv(path, index=False, sep=sep)
    option = [] if name == "d.tsv" else ["--sep", sep]
    assert "-89.4292" in good(capsys, "fit", FORMULA, str(path), *option)


def test_compressed_and_marked_files(capsys, tmp_path):
    frame = lf.datasets.load("dung")
    frame.to_csv(tmp_path / "d.csv.gz", index=False)
    frame.to_csv(tmp_path / "bom.csv", index=False, encoding="utf-8-sig")
    for name in ("d.csv.gz", "bom.csv"):
        assert "-89.4292" in good(capsys, "fit", FORMULA, str(tmp_path / name))


def test_warnings_go_to_stderr(capsys, tmp_path):
    frame = lf.datasets.load("dung")
    frame.loc[3, "flies"] = None
    frame.to_csv(tmp_path / "d.csv", index=False)
    assert main(["fit", FORMULA, str(tmp_path / "d.csv")]) == 0
    out, err = capsys.readouterr()
    assert "Rows:             17" in out
    assert err == (
        "lmforms: warning: 1 of 18 rows have missing values: in `flies` (1). They are dropped.\n"
    )
    assert "1 of 18" in bad(capsys, "fit", FORMULA, str(tmp_path / "d.csv"), "--missing", "raise")


def test_datasets(capsys):
    out = good(capsys, "datasets")
    for name in ("dung", "sleepstudy", "InstEval"):
        assert name in out
    assert "Dyestuff2" in good(capsys, "datasets", "dyestuff2")
    assert "no data set 'sleepy'" in bad(capsys, "datasets", "sleepy")


def test_versions(capsys):
    out = good(capsys, "versions")
    assert f"lmforms {lf.__version__}" in out
    assert "numpy" in out


# --- what does not ------------------------------------------------------------------------------


def test_missing_file(capsys, tmp_path):
    assert "no file" in bad(capsys, "fit", FORMULA, str(tmp_path / "nothing.csv"))
    assert "no file" in bad(capsys, "fit", FORMULA, str(tmp_path))
    assert "no file" in bad(capsys, "fit", FORMULA, "")


@pytest.mark.parametrize("sep", [";", "\t", " ", "|"])
def test_wrong_delimiter(capsys, tmp_path, sep):
    path = tmp_path / "d.csv"
    lf.datasets.load("dung").to_csv(path, index=False, sep=sep)
    assert "--sep" in bad(capsys, "fit", FORMULA, str(path))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "empty"),
        (b"\n\n\n", "empty"),
        (b"pr_dung,flies,oven_block\n", "no rows"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "cannot be read"),
        ("pr_dung,flies\n1,2\n".encode("utf-16"), "cannot be read"),
        (b"pr_dung,flies,oven_block\n1,2,3\n1,2,3,4,5\n", "cannot be read"),
        (b"\x00\x01\x02\x03", "pr_dung"),
    ],
    ids=["empty", "blank", "header", "binary", "utf-16", "ragged", "zeros"],
)
def test_files_that_are_no_table(capsys, tmp_path, content, message):
    path = tmp_path / "d.csv"
    path.write_bytes(content)
    assert message in bad(capsys, "fit", FORMULA, str(path))


def test_empty_compressed_file(capsys, tmp_path):
    path = tmp_path / "d.csv.gz"
    path.write_bytes(gzip.compress(b""))
    assert "empty" in bad(capsys, "fit", FORMULA, str(path))


@pytest.mark.parametrize("ending", ["gz", "zip", "xz", "bz2", "zst"])
def test_compressed_in_name_only(capsys, tmp_path, ending):
    path = tmp_path / f"d.csv.{ending}"
    path.write_bytes(b"a,b\n1,2\n")
    assert path.name in bad(capsys, "fit", FORMULA, str(path))


def test_rows_longer_than_the_header(capsys, tmp_path):
    path = tmp_path / "d.csv"
    rows = "\n".join(f"{i % 5}.5,{i},b{i % 3},{i % 2}" for i in range(18))
    path.write_text(f"pr_dung,flies,oven_block\n{rows}\n")
    bad(capsys, "fit", FORMULA, str(path))


def test_empty_delimiter(capsys, dung):
    bad(capsys, "fit", FORMULA, dung, "--sep", "")


@pytest.mark.parametrize(
    "formula, message",
    [
        ("pr_dung ~ flies + (1 | oven_block", "never closed"),
        ("pr_dung ~ fly + (1 | oven_block)", "`fly` is not a column"),
        ("pr_dung ~ foo(flies) + (1 | oven_block)", "`foo`"),
        ("pr_dung ~ log(flies) + (1 | oven_block)", "infinite"),
        ("oven ~ flies", "`oven` is not a column"),
        ("", "empty"),
    ],
)
def test_bad_formulas(capsys, dung, formula, message):
    assert message in bad(capsys, "fit", formula, dung)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--weights", "nope"], "nope"),
        (["--weights", "name"], "weights"),
        (["--weights", "flies"], "positive"),
        (["--offset", "nope"], "nope"),
        (["--sep", "abc"], "pr_dung"),
        (["--save", "no/such/folder/fit.lmf"], "no/such/folder"),
    ],
)
def test_bad_options(capsys, dung, options, message):
    assert message in bad(capsys, "fit", FORMULA, dung, *options)


@pytest.mark.parametrize(
    "argv", [[], ["fit"], ["fit", FORMULA], ["fat"], ["fit", FORMULA, "d.csv", "--format", "pdf"]]
)
def test_usage_errors(capsys, argv):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: lmforms" in capsys.readouterr().err


def test_formula_is_not_given_the_callers_names(capsys, dung):
    assert "`Path`" in bad(capsys, "fit", "pr_dung ~ Path(flies) + (1 | oven_block)", dung)


def test_as_a_process(dung, tmp_path):
    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lmforms.cli", *argv]
        root = Path(lf.__file__).parent.parent
        return subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)

    done = run("fit", FORMULA, dung)
    assert (done.returncode, done.stderr) == (0, "")
    assert "-89.4292" in done.stdout
    failed = run("fit", "pr_dung ~ fly", dung)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.count("\n") == 3  # message, formula, carets


def test_read_table_types(tmp_path):
    from lmforms.cli import read_table

    path = tmp_path / "d.csv"
    path.write_text("a,b\n1,x\n2,\n")
    table = read_table(str(path))
    assert table["a"].dtype == "int64"
    assert pd.isna(table.loc[1, "b"])
