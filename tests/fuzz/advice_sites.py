"""Which messages that give advice are followed by a case of ``tests/test_advice.py``.

python tests/fuzz/advice_sites.py
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
PACKAGE = Path(__file__).parent.parent.parent / "lmforms"
ADVICE = re.compile(
    r"\b(use|try|choose|drop|leave|raise|give|pass|write|fit it|take|make|convert|select|put|say|"
    r"replace|rename|correct|add|adds|lower|increase|did you mean|pip install|call|like|as in)\b",
    re.IGNORECASE,
)


def sites() -> dict[tuple[str, int, int], str]:
    """Raised errors and warnings whose text has a word of advice, by file and lines."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            raised = isinstance(node, ast.Raise) and node.exc is not None
            warned = isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
            texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
            text = " ".join(t for t in texts if isinstance(t, str))
            if (raised or warned) and ADVICE.search(text):
                found[str(path), node.lineno, node.end_lineno or node.lineno] = text
    return found


def lines_of(exc: BaseException) -> set[tuple[str, int]]:
    """Where an error passed on its way."""
    lines, tb = set(), exc.__traceback__
    while tb is not None:
        lines.add((tb.tb_frame.f_code.co_filename, tb.tb_lineno))
        tb = tb.tb_next
    return lines


def reached() -> set[tuple[str, int]]:
    """Lines that raised in a case whose advice is followed."""
    from test_advice import CASES

    lines: set[tuple[str, int]] = set()
    for case in CASES:
        with warnings.catch_warnings():
            for action in ("ignore", "error"):
                warnings.simplefilter(action)
                try:
                    case.fails()
                except Exception as exc:
                    lines |= lines_of(exc)
    return lines


if __name__ == "__main__":
    every, lines = sites(), reached()
    missed = {
        site: text
        for site, text in every.items()
        if not any(file == site[0] and site[1] <= line <= site[2] for file, line in lines)
    }
    sys.stdout.write(f"{len(every)} messages with advice, {len(every) - len(missed)} followed\n")
    for (file, line, _), text in missed.items():
        place = Path(file).relative_to(PACKAGE)
        sys.stdout.write(f"    {place}:{line}: {' '.join(text.split())[:150]}\n")
