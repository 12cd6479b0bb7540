"""The commands that `docs/command-line.md` shows, run, and their output beside that on the page.

    python tests/documented_commands.py

writes the output anew, with long numbers shortened.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lmforms.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```\n)", re.DOTALL)
LONG_NUMBER = re.compile(r"-?\d*\.\d{6,}(e-?\d+)?")

FILES = {
    "new.csv": "Subject,Days\n308,10\n309,10\n",
    "herds.csv": "period\n1\n4\n",
    "trial.csv": "y,dose,id\n" + "".join(f"{i % 7},{i}.5,{i % 4}\n" for i in range(30)) + "1,.,2\n",
    "export.csv": "y;dose;id\n1,5;2,5;3\n2,5;3,5;4\n",
}
"""Files that the page does not write itself."""


def run(command: str) -> str:
    """What a command writes to standard output and standard error."""
    program, *argv = shlex.split(command)
    assert program == "lmforms"
    out = io.StringIO()
    shown = contextlib.redirect_stdout(out), contextlib.redirect_stderr(out)
    with shown[0], shown[1], contextlib.suppress(SystemExit):
        main(argv)
    return out.getvalue()


def executed(text: str) -> Iterator[tuple[str, str, str]]:
    """Each command of a page, its output there, and its output now."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, content in FILES.items():
            Path(name).write_text(content)
        for block in BLOCK.findall(text):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, shown = part.partition("\n")
                yield command, shown, run(command)


def numbers_and_text(output: str) -> tuple[list[float], str]:
    """Numbers of an output, and what is around them."""
    number = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")
    around = re.sub(r"\s+", " ", number.sub("#", output)).strip()
    return [float(text) for text in number.findall(output)], around


def rewritten(text: str) -> str:
    """The page with the output of now."""
    found = executed(text)

    def block_of(match: re.Match[str]) -> str:
        commands = re.findall(r"^\$ .*$", match[0], flags=re.MULTILINE)
        parts = (f"$ {command}\n{_short(out)}" for _, (command, _, out) in zip(commands, found))
        return "".join(parts)

    return BLOCK.sub(block_of, text)


def _short(output: str) -> str:
    short = LONG_NUMBER.sub(lambda number: f"{float(number[0]):.6g}", output)
    return re.sub(r" +$", "", short, flags=re.MULTILINE)


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "80")
    PAGE.write_text(rewritten(PAGE.read_text()))
