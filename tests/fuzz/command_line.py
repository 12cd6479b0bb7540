"""Hostile files and command lines: one message, a documented status, no numbers of another model.

A table is written in a random dialect and fitted by a command that says all, some or nothing of
it. Whoever does what the messages say, option by option, must arrive at the fit of the table in
memory; another criterion without a word is a fault. Damaged files and random arguments must end
with one message and a documented status.

    python tests/fuzz/command_line.py --tries 500 --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import re
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.cli import main

DOCUMENTED = (0, 1, 2)
"""Statuses that a user can bring about by arguments and files; 70 is a fault of lmforms."""
MODEL = "y ~ x + (1 | g)"
MOST_STEPS = 5
LABELS = (
    ["01", "1", "001", "1.0"],
    ["a", "b", "c"],
    ["1", "2", "10", "30"],
    [str(2**53 + i) for i in range(5)],
    ["NULLA", "None", "none", "q"],
    ["ä", "ö", "ü"],
    ["x y", "x  y", "x,y"],
)


@dataclass
class Tally:
    """How many tries, and what went wrong in them."""

    tries: int = 0
    faults: list[str] = field(default_factory=list)


def run(argv: list[str], stdin: bytes | None = None) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command; a crash is status -1."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    if stdin is not None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(argv)
            except SystemExit as done:
                status = int(done.code or 0)
    except Exception:
        return -1, out.getvalue(), traceback.format_exc()
    finally:
        sys.stdin = before
    return status, out.getvalue(), err.getvalue()


def criterion_in(out: str) -> str:
    """The criterion that a summary shows."""
    found = re.search(r"criterion: +(\S+)", out)
    return found.group(1).replace("−", "-") if found else ""


def a_dialect(rng: np.random.Generator, folder: Path) -> str | None:
    """One table, written somehow, fitted by following the messages; what went wrong, or None."""
    n = 60
    labels = LABELS[rng.integers(len(LABELS))]
    g = rng.choice(labels, n)
    x = rng.normal(size=n).round(2)
    y = (rng.normal(size=n) + 3 * rng.normal(size=len(labels))[[labels.index(v) for v in g]]).round(
        2
    )
    sep, decimal = [(",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ","), ("|", ".")][
        rng.integers(6)
    ]
    encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-32"]))
    mark = str(rng.choice(["", "NA", ".", "n.a.", "-", "?", "missing"]))
    absent = rng.random(n) < rng.choice([0.0, 0.05])
    columns = [
        [f"{v:.2f}".replace(".", decimal) for v in y],
        [mark if gone else f"{v:.2f}".replace(".", decimal) for v, gone in zip(x, absent)],
        [f'"{v}"' if sep in v else v for v in g],
    ]
    text = "\n".join([sep.join("yxg"), *(sep.join(row) for row in zip(*columns))])
    path = folder / "d.csv"
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if rng.random() < 0.2 else content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = pd.DataFrame({"y": y, "x": np.where(absent, np.nan, x), "g": g})
        expected = f"{lf.lmer(MODEL, table).criterion:.4f}"
    known = {"--sep": sep, "--decimal": decimal, "--encoding": encoding, "--na": mark}
    options = [t for k, v in known.items() if rng.random() < 0.3 and v for t in (k, v)]
    for _ in range(MOST_STEPS):
        piped = path.read_bytes() if rng.random() < 0.2 else None
        status, out, err = run(["fit", MODEL, "-" if piped else str(path), *options], piped)
        if status == 0:
            same = criterion_in(out) == expected
            return None if same else f"{known} {options}: {criterion_in(out)} for {expected}"
        if status not in DOCUMENTED or not err or out:
            return f"{known} {options}: status {status}: {err}"
        advice = re.findall(r"(--(?:sep|decimal|encoding|na)) ('[^']*'|[\w-]+)", err)
        new = [t for k, v in advice for t in (k, v.strip("'").replace(r"\t", "\t"))]
        if "cp1252" in new:
            new = ["--encoding", "cp1252"]
        if not new:
            return f"{known} {options}: no advice in: {err}"
        options = [*options, *new]
    return f"{known} {options}: the advice does not end: {err}"


def a_damaged_file(rng: np.random.Generator, folder: Path) -> str | None:
    """Bytes that are no table, or no longer; what went wrong, or None."""
    text = "y,x,g\n" + "\n".join(f"{i % 7}.5,{i % 5},{i % 3}" for i in range(30))
    content = bytearray(text.encode(str(rng.choice(["utf-8", "utf-16", "latin-1"]))))
    for _ in range(int(rng.integers(0, 6))):
        content[rng.integers(len(content))] = int(rng.choice([0, 10, 13, 34, 44, 59, 200, 255]))
    content = content[: int(rng.integers(0, len(content) + 1))] if rng.random() < 0.3 else content
    name = str(rng.choice(["d.csv", "d.tsv", "d.csv.gz", "d.zip", "d.csv.xz", "d"]))
    (folder / name).write_bytes(gzip.compress(content) if rng.random() < 0.2 else content)
    argv = ["fit", MODEL, str(folder / name)]
    status, out, err = run(argv)
    wrong = status not in DOCUMENTED or (status and (out or not err)) or "Traceback" in err
    return f"{bytes(content)[:80]!r} as {name}: status {status}: {err[-300:]}" if wrong else None


WORDS = (
    *("fit", "datasets", "versions", "fat", "", "-", "--", "-x", "--help", "-h", "d.csv", "/", "."),
    *("--sep", ";", ",", "\t", "abc", "--decimal", "--encoding", "utf-8", "utf-99", "base64"),
    *("--na", "--text", "x", "zz", "--save", "no/such/fit.lmf", "--ml", "--weights", "--offset"),
    *(
        "--missing",
        "raise",
        "drop",
        "--format",
        "html",
        "pdf",
        MODEL,
        "y ~ x",
        "y ~",
        "~",
        "\udcff",
    ),
    *("summary", "predict", "anova", "--version", "fit.lmf", "--level", "0.9", "--ddf", "none"),
    *("--contrast", "x=sum", "g=treatment(0)", "json", "csv", "--table", "all", "--output"),
    *("--export", "--interval", "prediction", "--random", "g", "--new-levels", "zero", "o.json"),
    *("x" * 5000, "dyestuff", "y ~ nosuch(x) + (1 | g)", "y ~ x + (1 | g", "σ"),
)


def random_words(rng: np.random.Generator, folder: Path) -> str | None:
    """Arguments in any order; what went wrong, or None."""
    (folder / "d.csv").write_text("y,x,g\n" + "\n".join(f"{i % 7},{i},{i % 3}" for i in range(30)))
    words = [str(w) for w in rng.choice(np.array(WORDS, dtype=object), int(rng.integers(0, 9)))]
    fit, data = str(folder / "fit.lmf"), str(folder / "d.csv")
    if not (folder / "fit.lmf").exists():
        run(["fit", MODEL, data, "--save", fit])
    begin = (["fit", MODEL, data], ["predict", fit, data], ["summary", fit], ["anova", fit, fit])
    if rng.random() < 0.8:
        words = [*begin[rng.integers(len(begin))], *words]
    with contextlib.chdir(folder):
        status, _, err = run(words, b"")
    wrong = status not in DOCUMENTED or (status and not err) or "Traceback" in err
    return f"{[w[:40] for w in words]}: status {status}: {err[-300:]}" if wrong else None


KINDS = {"dialects": a_dialect, "damaged files": a_damaged_file, "arguments": random_words}


def tally(tries: int, seed: int) -> dict[str, Tally]:
    """Try each kind so many times."""
    found = {name: Tally() for name in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for name, attempt in KINDS.items():
            rng = np.random.default_rng(seed)
            for _ in range(tries):
                fault = attempt(rng, Path(folder))
                found[name].tries += 1
                found[name].faults += [fault] if fault else []
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=300, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name, counted in tally(options.tries, options.seed).items():
        sys.stdout.write(f"{name}: {counted.tries} tries, {len(counted.faults)} faults\n")
        sys.stdout.writelines(f"    {fault}\n" for fault in counted.faults[:5])
