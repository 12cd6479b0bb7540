"""The command line: status 0 with a summary, or another with one message on stderr."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
from command_line_runs import bad, good
from documented_commands import PAGE, executed, numbers_and_text
from fuzz import command_line

import lmforms as lf
from lmforms.cli import main
from lmforms.data import table_files
from lmforms.data.file_dialect import Dialect

FORMULA = "pr_dung ~ flies + (1 | oven_block)"


@pytest.fixture
def dung(tmp_path) -> str:
    path = tmp_path / "dung.csv"
    lf.datasets.load("dung").assign(w=1.5, name="a").to_csv(path, index=False)
    return str(path)


# --- what works ------------------------------------------------------------------------------


def test_fit(capsys, dung):
    out = good(capsys, "fit", FORMULA, dung)
    expected = lf.lmer(FORMULA, lf.datasets.load("dung")).summary()
    assert out == f"{expected}\n"
    assert "−89.4292" in out


def test_fit_by_maximum_likelihood(capsys, dung):
    out = good(capsys, "fit", "--ml", FORMULA, dung)
    assert "maximum likelihood" in out


def test_fit_with_weights(capsys, dung):
    plain = good(capsys, "fit", FORMULA, dung)
    weighted = good(capsys, "fit", FORMULA, dung, "--weights", "w")
    assert "−89.4292" in weighted
    assert plain != weighted  # σ² is 1.5 times as large


def test_fit_with_an_offset(capsys, dung):
    out = good(capsys, "fit", FORMULA, dung, "--offset", "w")
    assert "−1.33" in out  # the intercept, less 1.5


def test_save(capsys, dung, tmp_path):
    good(capsys, "fit", FORMULA, dung, "--save", str(tmp_path / "fit.lmf"))
    assert lf.load(tmp_path / "fit.lmf").nobs == 18


@pytest.mark.parametrize("name, sep", [("d.tsv", "\t"), ("d.txt", ";"), ("d.dat", "|")])
def test_delimiters(capsys, tmp_path, name, sep):
    path = tmp_path / name
    lf.datasets.load("dung").to_csv(path, index=False, sep=sep)
    option = [] if name == "d.tsv" else ["--sep", sep]
    assert "−89.4292" in good(capsys, "fit", FORMULA, str(path), *option)


def test_compressed_and_marked_files(capsys, tmp_path):
    frame = lf.datasets.load("dung")
    frame.to_csv(tmp_path / "d.csv.gz", index=False)
    frame.to_csv(tmp_path / "bom.csv", index=False, encoding="utf-8-sig")
    for name in ("d.csv.gz", "bom.csv"):
        assert "−89.4292" in good(capsys, "fit", FORMULA, str(tmp_path / name))


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


def test_export_of_datasets(capsys, tmp_path):
    good(capsys, "datasets", "cbpp", "--export", str(tmp_path / "d.csv"))
    good(capsys, "datasets", "cbpp", "--export", str(tmp_path / "d.tsv"))
    expected = lf.datasets.load("cbpp")
    for name, sep in (("d.csv", ","), ("d.tsv", "\t")):
        read = pd.read_csv(tmp_path / name, sep=sep)
        assert (read.astype(str) == expected.astype(str)).all(axis=None)
    assert good(capsys, "datasets", "--export", "-", "cbpp") == (tmp_path / "d.csv").read_text()
    target = str(tmp_path / "d.xlsx")
    assert ".csv or .tsv" in bad(capsys, "datasets", "cbpp", "--export", target, status=2)
    assert "NAME" in bad(capsys, "datasets", "--export", "d.csv", status=2)


def test_versions(capsys):
    lines = good(capsys, "versions").splitlines()
    assert lines[0] == f"lmforms {lf.__version__}"
    assert lines[1].startswith(f"python {sys.version.split()[0]}")
    assert lines[2].startswith("platform ")
    shown = {line.split()[0] for line in lines[3:]}
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    tools = ("lmforms", "pytest", "hypothesis", "furo", "ipykernel", "myst", "sphinx", "mypy")
    names = {re.match(r"[\w-]+", text)[0] for text in wanted}
    names = {n for n in names if not n.startswith((*tools, "nbconvert", "pre-commit", "ruff"))}
    assert names <= shown


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"lmforms {lf.__version__}\n"


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
        (b"\x00\x01\x02\x03", "zero bytes"),
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
    bad(capsys, "fit", FORMULA, dung, "--sep", "", status=2)


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
        (["--save", "no/such/folder/fit.lmf"], "no/such/folder"),
    ],
)
def test_bad_options(capsys, dung, options, message):
    assert message in bad(capsys, "fit", FORMULA, dung, *options)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--sep", "abc"], "one character"),
        (["--decimal", "xy"], "--decimal"),
        (["--decimal", ","], "--sep ';'"),
        (["--encoding", "utf-99"], "utf-8"),
        (["--encoding", "base64"], "utf-8"),
        (["--save", ""], "fit.lmf"),
        (["--save", "-"], "fit.lmf"),
        (["--output", ""], "out.txt"),
        (["--output", "a.pdf"], "--format"),
        (["--output", "a.txt", "--save", "a.txt"], "two names"),
        (["--level", "95"], "between 0 and 1"),
        (["--table", "all"], "--format csv"),
        (["--format", "csv", "--table", "glance", "--ddf", "none"], "--ddf"),
        (["--format", "csv", "--table", "glance", "--level", "0.9"], "--level"),
        (["--format", "csv", "--table", "random", "--ddf", "none"], "--table all"),
        (["--contrast", "name"], "recipe=sum"),
        (["--contrast", "name=sum", "--contrast", "name=poly"], "two codings"),
    ],
)
def test_options_that_cannot_be(capsys, dung, options, message):
    assert message in bad(capsys, "fit", FORMULA, dung, *options, status=2)


@pytest.mark.parametrize(
    "argv, said",
    [
        ([], "COMMAND"),
        (["fit"], "FORMULA"),
        (["fit", FORMULA], "FILE"),
        (["fat"], "Did you mean `fit`?"),
        (["sumary", "fit.lmf"], "Did you mean `summary`?"),
        (["fit", FORMULA, "d.csv", "--format", "jsn"], "Did you mean `json`?"),
        (["fit", FORMULA, "d.csv", "--weight", "w"], "Did you mean `--weights`?"),
        (["fit", FORMULA, "d.csv", "--level", "high"], "--level"),
        (["fit", FORMULA, "d.csv", "--ddf", "kenward"], "Did you mean `kenward-roger`?"),
        (["fit", FORMULA, "d.csv", "e.csv"], "too many: 'e.csv'"),
        (["summary", "a.lmf", "b.lmf"], "too many: 'b.lmf'"),
    ],
)
def test_usage_errors(capsys, argv, said):
    message = bad(capsys, *argv, status=2)
    assert said in message
    assert "usage: lmforms" in message


def test_formula_is_not_given_the_callers_names(capsys, dung):
    assert "`Path`" in bad(capsys, "fit", "pr_dung ~ Path(flies) + (1 | oven_block)", dung)


def test_as_a_process(dung):
    command = [sys.executable, "-m", "lmforms.cli", "fit", FORMULA, dung]
    root = Path(lf.__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "−89.4292" in done.stdout


def test_places_in_formulas_are_marked(capsys, dung):
    assert bad(capsys, "fit", "pr_dung ~ fly", dung).count("\n") == 3  # message, formula, carets


def test_types_of_columns(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("a,b\n1,x\n2,\n")
    table = table_files.table_file(str(path), Dialect()).table()
    assert table["a"].dtype == "int64"
    assert pd.isna(table.loc[1, "b"])


# --- labels, numbers and missing values of a file ------------------------------------------------


@pytest.fixture
def written(tmp_path):
    """A function that writes columns y, x and g to a file and gives its path."""

    def write(g, x=None, *, sep=",", decimal=".", encoding="utf-8", header="y,x,g", name="d.csv"):
        n = len(g)
        y = [f"{6 * sorted(set(g)).index(g[i]) + (5 * i) % 7 + 0.25}" for i in range(n)]
        x = [f"{(3 * i) % 8 + 0.5}" for i in range(n)] if x is None else x
        rows = [sep.join([a.replace(".", decimal), b, c]) for a, b, c in zip(y, x, g)]
        text = "\n".join([header.replace(",", sep), *rows])
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return str(path)

    return write


MODEL = "y ~ x + (1 | g)"


def test_labels_stay_apart(capsys, written):
    path = written([["01", "1", "1.0", "001"][i % 4] for i in range(40)])
    assert "g (4)" in good(capsys, "fit", MODEL, path)


def test_labels_beyond_double_precision_stay_apart(capsys, written):
    ids = [str(2**53 + i % 8) for i in range(40)]
    ids[3] = ""
    path = written(ids)
    assert main(["fit", MODEL, path]) == 0
    assert "g (8)" in capsys.readouterr().out


def test_whole_numbers_are_sorted_as_such(tmp_path, capsys, written):
    path = written([["1", "2", "10"][i % 3] for i in range(30)])
    good(capsys, "fit", MODEL, path, "--save", str(tmp_path / "f.lmf"))
    assert list(lf.load(tmp_path / "f.lmf").random_effects["g"].index) == [1, 2, 10]


def test_levels_that_look_missing(capsys, written):
    path = written([["NA", "None", "b"][i % 3] for i in range(30)])
    assert main(["fit", MODEL, path]) == 0  # rows without a country are dropped, and counted
    out, err = capsys.readouterr()
    assert "10 of 30" in err
    assert "g (2)" in out
    assert "g (3)" in good(capsys, "fit", MODEL, path, "--text", "g")


def test_text_makes_a_factor_of_numbers(capsys, written):
    x = [str(1 + i % 3) for i in range(30)]
    path = written(["abc"[i % 3] + "k" * (i % 2) for i in range(30)], x)
    assert "x[T.3]" in good(capsys, "fit", MODEL, path, "--text", "x")
    assert "x[T.3]" not in good(capsys, "fit", MODEL, path)
    assert "`xx`" not in bad(capsys, "fit", MODEL, path, "--text", "xx")


def test_a_column_that_is_both_number_and_label(capsys, written):
    g = [["01", "1", "2"][i % 3] for i in range(30)]
    assert "'01', '1'" in bad(capsys, "fit", "y ~ g + (1 | g)", written(g))
    g = ["abc"[i % 3] for i in range(30)]
    x = [["01", "1", "2"][i % 4 % 3] for i in range(30)]
    assert "factor(x)[T.1]" in good(capsys, "fit", "y ~ factor(x) + (1 | g)", written(g, x))


@pytest.mark.parametrize("call", ["I", "C", "factor", "as.factor", "as.character"])
def test_labels_in_calls_stay_as_they_are_written(capsys, written, call):
    path = written([["01", "1", "2"][i % 3] for i in range(30)])
    assert f"{call}(g) (3)" in good(capsys, "fit", f"{MODEL.split('+')[0]} + (1 | {call}(g))", path)


def test_the_alike_labels_are_named(capsys, written):
    x = [["3", "1.0", "2", "1"][i % 4] for i in range(30)]
    message = bad(
        capsys, "fit", "y ~ x + C(x) + (1 | g)", written(["ab"[i % 2] for i in range(30)], x)
    )
    assert "'1.0', '1' are one number" in message


def test_a_comment_is_no_header(capsys, dung):
    text = Path(dung).read_text()
    for comment in ("# made on Monday", "# made on Monday, by me"):
        Path(dung).write_text(f"{comment}\n{text}")
        assert "is a comment, '# made on Monday'" in bad(capsys, "fit", FORMULA, dung)
    Path(dung).write_text(f"#{text}")  # a name may begin so
    assert "Did you mean `#pr_dung`?" in bad(capsys, "fit", FORMULA, dung)


@pytest.mark.parametrize("mark", ["--", "-x y"])
def test_strays_that_look_like_options(capsys, written, mark):
    x = [mark if i == 7 else f"{i}.5" for i in range(40)]
    path = written(["abcd"[i % 4] for i in range(40)], x)
    assert f"say --na='{mark}'" in bad(capsys, "fit", MODEL, path)
    assert main(["fit", MODEL, path, f"--na={mark}"]) == 0
    assert "1 of 40" in capsys.readouterr().err


@pytest.mark.parametrize("mark", [".", "n.a.", "-", "?", "missing"])
def test_strays_among_numbers(capsys, written, mark):
    x = [f"{i}.5" for i in range(40)]
    x[7] = mark
    path = written(["abcd"[i % 4] for i in range(40)], x)
    message = bad(capsys, "fit", MODEL, path)
    assert f"`x` are numbers but for '{mark}'" in message
    assert f"--na '{mark}'" in message
    assert main(["fit", MODEL, path, "--na", mark]) == 0
    assert "1 of 40" in capsys.readouterr().err
    assert main(["fit", "y ~ 0 + (1 | x)", path, "--text", "x"]) == 1  # 40 levels of 40 rows


def test_numbers_as_missing_values(capsys, written):
    x = [f"{i}.5" for i in range(40)]
    x[7] = "-999"
    path = written(["abcd"[i % 4] for i in range(40)], x)
    assert main(["fit", MODEL, path, "--na", "-999"]) == 0
    assert "1 of 40" in capsys.readouterr().err


def test_commas_that_group_thousands(capsys, written):
    g = ["abcd"[i % 4] for i in range(40)]
    grouped = written(g, [f"{1 + i % 9},234,{567 + i}" for i in range(40)], sep=";")
    assert "take them out" in bad(capsys, "fit", MODEL, grouped, "--sep", ";")
    either = written(g, [f"{i},234" for i in range(1, 41)], sep=";")
    assert "if they group thousands" in bad(capsys, "fit", MODEL, either, "--sep", ";")


def test_whole_numbers_beyond_64_bits_are_numbers(capsys, written):
    large = [str(10**25 * (1 + i % 7)) for i in range(40)]
    out = good(capsys, "fit", MODEL, written(["abcd"[i % 4] for i in range(40)], large))
    assert "x[T." not in out


def test_semicolons_and_decimal_commas(capsys, written):
    g = ["abcd"[i % 4] for i in range(40)]
    x = [f"{i % 7},5" for i in range(40)]
    path = written(g, x, sep=";", decimal=",")
    assert "--sep ';' --decimal ','" in bad(capsys, "fit", MODEL, path)
    assert "--decimal ','" in bad(capsys, "fit", MODEL, path, "--sep", ";")
    comma = good(capsys, "fit", MODEL, path, "--sep", ";", "--decimal", ",")
    point = written(g, [text.replace(",", ".") for text in x], name="point.csv")
    assert comma == good(capsys, "fit", MODEL, point)


@pytest.mark.parametrize(
    "encoding, advice",
    [("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("utf-32", "utf-32"), ("cp1252", "cp1252")],
)
def test_encodings(capsys, written, encoding, advice):
    path = written(["äöüß"[i % 4] for i in range(40)], encoding=encoding)
    assert f"--encoding {advice}" in bad(capsys, "fit", MODEL, path)
    assert "g (4)" in good(capsys, "fit", MODEL, path, "--encoding", advice)
    assert "cannot be read as" in bad(capsys, "fit", MODEL, path, "--encoding", "ascii")


def test_headers(capsys, written):
    g = ["abcd"[i % 4] for i in range(40)]
    assert "two columns named 'y'" in bad(capsys, "fit", MODEL, written(g, header="y,y,g"))
    assert "g (4)" in good(capsys, "fit", MODEL, written(g, header=" y, x ,g"))
    out = good(capsys, "fit", "y ~ . + (1 | g)", written(g, header="y,,g"))
    assert "Unnamed" not in out
    assert "no names" in bad(capsys, "fit", MODEL, written(g, header=",,"))


def test_folders_and_other_formats(capsys, tmp_path):
    assert "folder" in bad(capsys, "fit", MODEL, str(tmp_path))
    assert "folder" in bad(capsys, "fit", MODEL, "x.csv", "--save", str(tmp_path))
    for start, what in [(b"PAR1", "Parquet"), (b"PK\x03\x04", "spreadsheet")]:
        (tmp_path / "d.xlsx").write_bytes(start + bytes(50))
        assert what in bad(capsys, "fit", MODEL, str(tmp_path / "d.xlsx"))


def test_standard_input(capsys, monkeypatch, written):
    path = written(["abcd"[i % 4] for i in range(40)])
    content = Path(path).read_bytes()
    expected = good(capsys, "fit", MODEL, path)
    for given in (content, gzip.compress(content)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        assert good(capsys, "fit", MODEL, "-") == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "standard input is empty" in bad(capsys, "fit", MODEL, "-")
    monkeypatch.setattr(sys, "stdin", None)
    assert "closed" in bad(capsys, "fit", MODEL, "-")


def test_the_commands_on_the_page():
    count = 0
    for command, shown, found in executed(PAGE.read_text(encoding="utf-8")):
        numbers, text = numbers_and_text(found)
        shown_numbers, shown_text = numbers_and_text(shown)
        assert text == shown_text, command
        assert numbers == pytest.approx(shown_numbers, rel=1e-5), command
        count += 1
    assert count > 10


def test_hostile_files_and_arguments():
    for kind, counted in command_line.tally(12, seed=1).items():
        assert not counted.faults, kind


# --- streams ---------------------------------------------------------------------------------


class Broken(io.StringIO):
    """A stream that cannot be written to."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize(
    "stream, status",
    [
        (Broken(BrokenPipeError(32, "Broken pipe")), 141),
        (Broken(OSError(28, "No space left on device")), 1),
        (None, 1),
    ],
)
@pytest.mark.parametrize("argv", [["versions"], ["fit", FORMULA, "dung"], ["--help"]])
def test_standard_output_that_cannot_be_written(capsys, monkeypatch, dung, stream, status, argv):
    monkeypatch.setattr(sys, "stdout", stream)
    argv = [dung if text == "dung" else text for text in argv]
    try:
        found = main(argv)
    except SystemExit as done:
        found = done.code
    assert found == status
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("stream", [Broken(OSError(28, "No space left on device")), None])
@pytest.mark.parametrize("argv, status", [(["fit", "y ~", "d.csv"], 1), (["fit"], 2)])
def test_standard_error_that_cannot_be_written(monkeypatch, stream, argv, status):
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        found = main(argv)
    except SystemExit as done:
        found = done.code
    assert found == status


def test_letters_that_a_terminal_lacks(monkeypatch, dung):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["fit", FORMULA, dung]) == 0
    assert b"-89.4292" in raw.getvalue()


@pytest.mark.parametrize(
    "error, status, said",
    [
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 1, "not enough memory"),
        (ZeroDivisionError("by nought"), 70, "internal error"),
        (PermissionError(13, "Permission denied", "d.csv"), 1, "d.csv: Permission denied"),
    ],
)
def test_exit_statuses(capsys, monkeypatch, dung, error, status, said):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(table_files, "table_file", fail)
    assert main(["fit", FORMULA, dung]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err
    assert err.count("\n") == (1 if said else 0)


def test_exit_statuses_are_documented(capsys):
    for argv in (["--help"], ["fit", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 0
        out = capsys.readouterr().out
        for status in (0, 1, 2, 70, 130, 141):
            assert f"\n  {status} " in out


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_streams_of_a_shell():
    command = f"{sys.executable} -m lmforms.cli"
    script = f"""
    set -o pipefail
    {command} versions | true; echo pipe $?
    {command} versions >&- ; echo closed $?
    {command} fat 2>&- ; echo error $?
    if test -e /dev/full; then {command} versions > /dev/full; echo full $?; else echo full 1; fi
    """
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        cwd=Path(lf.__file__).parent.parent,
        check=False,
    )
    assert done.stdout.split("\n") == ["pipe 141", "closed 1", "error 2", "full 1", ""]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
