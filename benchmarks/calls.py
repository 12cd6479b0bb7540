"""Where a small fit spends its time: calls of Python and C functions by part.

A call takes about the same time wherever it is made, and their number does not depend on what else
the machine does.
"""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType
from typing import Any

from jobs import Job

import lmforms as lf

PARTS = {
    "reading, design": ("model.py", "__init__"),
    "sums over rows": ("sums_of_rows.py", "sums_of_rows"),
    "starting values": ("starting_values.py", "moment_start"),
    "other minima": ("variance_curves.py", "other_minima"),
    "search": ("minimize.py", "minimize"),
}
"""The function whose calls, with all that they call, are those of a part; of the search, those that
are not of the parts above."""

TOTAL, REST = "all", "checks, results"


def calls_by_part(job: Job, data: Any) -> dict[str, int]:
    """Calls in one fit after others of the same model, by compiled kernels."""
    control = lf.Control(compiled=True)

    def fit() -> None:
        lf.lmer(job.formula, data, reml=job.reml, control=control)

    fit()
    fit()
    counted, inside = Counter[str](), [REST]
    names = {key: name for name, key in PARTS.items()}

    def count(frame: FrameType | None, event: str, argument: object) -> None:
        if event == "call" and frame is not None:
            code = frame.f_code
            key = code.co_filename.rpartition("/")[2], code.co_name
            inside.append(names.get(key, inside[-1]))
        if event in ("call", "c_call"):
            counted[inside[-1]] += 1
        if event == "return" and len(inside) > 1:
            inside.pop()

    sys.setprofile(count)
    fit()
    sys.setprofile(None)
    return {TOTAL: counted.total()} | {name: counted[name] for name in [*PARTS, REST]}
