"""Every call of the finder is run after the cells above it, and its comparisons hold."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FINDER = Path(__file__).parents[1] / "docs" / "finder.md"
CELL = re.compile(r"(?<!\\)\|")
CODE = re.compile(r"`([^`]+)`")


def cells_and_calls(text: str) -> Iterator[tuple[str, int, str]]:
    """("cell" or "call", line number, code) in the order of the page."""
    lines = text.splitlines()
    column, cell = None, None
    for number, line in enumerate(lines, 1):
        if line.startswith("```{code-cell}"):
            cell = []
        elif cell is not None and line.startswith("```"):
            yield "cell", number, "\n".join(cell)
            cell = None
        elif cell is not None:
            cell.append(line)
        elif not line.startswith("|"):
            column = None
        elif column is None:
            column = [head.strip() for head in CELL.split(line)[1:-1]].index("call")
        else:
            entry = CELL.split(line)[1:-1][column]
            for code in CODE.findall(entry):
                yield "call", number, code.replace("\\|", "|")


def failures(text: str, namespace: dict[str, Any]) -> list[str]:
    """The calls that raise, and the comparisons that do not hold."""
    found = []
    for kind, number, code in cells_and_calls(text):
        if kind == "cell":
            exec(code, namespace)
            continue
        try:
            value = eval(code, namespace)
        except Exception as error:  # whatever a call may raise
            found.append(f"line {number}: {code}: {type(error).__name__}: {error}")
            continue
        if code.startswith(("np.allclose(", "np.isclose(")) and not value:
            found.append(f"line {number}: {code} does not hold")
    return found


@pytest.mark.slow
def test_every_call_runs_and_every_comparison_holds(tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)  # some calls save
    with warnings.catch_warnings(), plt.rc_context({"backend": "agg"}):
        warnings.simplefilter("ignore")
        assert failures(FINDER.read_text(encoding="utf-8"), {}) == []
    plt.close("all")


def test_the_check_can_fail():
    page = (
        "```{code-cell} python\nx = 1\n```\n\n| a | call |\n|---|---|\n| | `x`, `x.absent` |\n"
        "| | `abs(x \\| 2)` |\n\n| call | a |\n|---|---|\n| `np.isclose(x, 2)` | `y` |\n"
    )
    found = failures(page, {"np": np})
    assert [line.split(":")[0] for line in found] == ["line 7", "line 12"]


def test_every_row_has_a_call_and_every_numbered_equation_a_row():
    text = FINDER.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    assert len(rows) > 150
    lecture = text.split("### The Linear Mixed-Effects")[1].split("###")[0]
    named: set[int] = set()
    for row in (line for line in lecture.splitlines() if line.startswith("| (")):
        for first, _, last in re.findall(r"\((\d+)\)(–\((\d+)\))?", row.split("|")[1]):
            named |= set(range(int(first), int(last or first) + 1))
    missing = set(range(1, 29)) - named
    assert missing == {8}  # the lecture has no (8)
