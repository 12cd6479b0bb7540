"""What is fitted: a formula and a frame, made from a seed or from the data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

import lmforms as lf


@dataclass(frozen=True)
class Job:
    """A model to fit.

    `without` names peers that cannot fit it (with the reason) and are left out.
    """

    name: str
    formula: str
    data: Callable[[], pd.DataFrame]
    reml: bool = True
    repeats: int = 11
    without: tuple[tuple[str, str], ...] = ()


_CROSSED = (("statsmodels", "crossed factors only as dense dummies"),)

JOBS = {
    job.name: job
    for job in [
        Job("dung", "pr_dung ~ flies + (1 | oven_block)", lambda: lf.datasets.load("dung")),
        Job(
            "sleepstudy",
            "Reaction ~ Days + (Days | Subject)",
            lambda: lf.datasets.load("sleepstudy"),
        ),
        Job(
            "penicillin",
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            lambda: lf.datasets.load("Penicillin"),
            without=_CROSSED,
        ),
        Job(
            "machines",
            "score ~ Machine + (Machine | Worker)",
            lambda: lf.datasets.load("Machines"),
        ),
        Job(
            "insteval",
            "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
            lambda: lf.datasets.load("InstEval"),
            repeats=3,
            without=_CROSSED,
        ),
    ]
}
