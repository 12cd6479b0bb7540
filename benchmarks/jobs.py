"""What is fitted: a formula and a frame, made from a seed or from the data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import frames
import pandas as pd

import lmforms as lf

LIMIT = 300.0
"""Seconds that one call may take."""


@dataclass(frozen=True)
class Job:
    """A model to fit.

    Attributes
    ----------
    name, formula : str
    data : callable
        Makes the frame.
    about : str
        What it is there for.
    reml : bool
    repeats : int
        Calls that are timed after the first.
    limit : float
        Seconds that one call may take.
    without : tuple of (str, str)
        Peers that cannot fit it, and why.
    variants : tuple of str
        Peers that run only where they are named.
    """

    name: str
    formula: str
    data: Callable[[], pd.DataFrame]
    about: str = ""
    reml: bool = True
    repeats: int = 3
    limit: float = LIMIT
    without: tuple[tuple[str, str], ...] = ()
    variants: tuple[str, ...] = ()

    @property
    def correlated_slopes(self) -> bool:
        """Whether a random term holds more than an intercept."""
        bars = [term.partition("|")[0].strip() for term in self.formula.split("(")[1:]]
        return any(left != "1" for left in bars)


_CROSSED = (("statsmodels", "crossed factors only as dense dummies"),)
_NESTED = (("statsmodels", "nested factors only as dense dummies of every group"),)
_CHOLESKY, _CG = "gpboost (Cholesky)", "lmforms (cg)"
_SPARSE = ("lmforms (cholmod)",)
"""Variants of jobs whose Schur complement is sparse."""

_SMALL = ("glmm (df)",)
"""Variants of jobs so small that degrees of freedom are asked for with every fit."""

JOBS = {
    job.name: job
    for job in [
        Job(
            "dung",
            "pr_dung ~ flies + (1 | oven_block)",
            partial(lf.datasets.load, "dung"),
            "what a call costs at least",
            repeats=51,
            variants=_SMALL,
        ),
        Job(
            "sleepstudy",
            "Reaction ~ Days + (Days | Subject)",
            partial(lf.datasets.load, "sleepstudy"),
            "the textbook's intercept and slope",
            repeats=51,
            variants=_SMALL,
        ),
        Job(
            "penicillin",
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            partial(lf.datasets.load, "Penicillin"),
            "two small crossed factors",
            repeats=51,
            without=_CROSSED,
            variants=_SMALL,
        ),
        Job(
            "machines",
            "score ~ Machine + (Machine | Worker)",
            partial(lf.datasets.load, "Machines"),
            "three correlated effects on six workers",
            repeats=51,
            variants=_SMALL,
        ),
        Job(
            "oats",
            "yield ~ nitro + (1 | Block/Variety)",
            partial(lf.datasets.load, "Oats"),
            "18 plots in six blocks",
            repeats=51,
            without=_NESTED,
            variants=_SMALL,
        ),
        Job(
            "pastes",
            "strength ~ 1 + (1 | batch/cask)",
            partial(lf.datasets.load, "Pastes"),
            "30 casks in ten batches",
            repeats=51,
            without=_NESTED,
            variants=_SMALL,
        ),
        Job(
            "insteval",
            "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
            partial(lf.datasets.load, "InstEval"),
            "lme4's own large example: students, lecturers, departments",
            without=_CROSSED,
            variants=(_CG, _CHOLESKY),
        ),
        Job(
            "small-groups",
            "y ~ x + (1 | g)",
            frames.small_groups,
            "125,000 groups of three rows",
        ),
        Job(
            "slopes-20k",
            "y ~ x + (x | g)",
            partial(frames.slopes, 20_000, 5),
            "20,000 groups of five rows with a slope each",
            repeats=11,
            variants=_SMALL,
        ),
        Job(
            "slopes",
            "y ~ x + (x | g)",
            frames.slopes,
            "100,000 groups of five rows with a slope each",
        ),
        Job(
            "nested",
            "y ~ 1 + (1 | a) + (1 | c)",
            frames.nested,
            "100,000 groups of ten units of two rows",
            repeats=1,
            without=_NESTED,
        ),
        Job(
            "nested-slopes",
            "y ~ x + (x | a) + (x | c)",
            frames.nested_slopes,
            "intercepts and slopes of 200,000 units in 20,000 groups",
            repeats=1,
            without=_NESTED,
        ),
        Job(
            "three-levels",
            "y ~ 1 + (1 | a) + (1 | b) + (1 | c)",
            frames.three_levels,
            "500,000 units in 100,000 classes in 10,000 schools",
            repeats=1,
            without=_NESTED,
            variants=_SPARSE,
        ),
        Job(
            "teachers",
            "y ~ x + (1 | s) + (1 | t)",
            frames.teachers,
            "50,000 students who meet teachers of their school, a few of another",
            repeats=1,
            without=_CROSSED,
            variants=_SPARSE,
        ),
        Job(
            "pupils",
            "y ~ 1 + (1 | p) + (1 | s) + (1 | sy) + (1 | t)",
            frames.pupils,
            "100,000 pupils in 2,000 schools over five years",
            repeats=1,
            without=_CROSSED,
            variants=_SPARSE,
        ),
        Job(
            "factorial",
            "rt ~ spkr*prec*load + (spkr+prec+load | subj) + (spkr+prec+load | item)",
            frames.factorial,
            "20 parameters, crossed subjects and items",
            reml=False,
            without=_CROSSED,
        ),
        Job(
            "five-factors",
            "y ~ x + (1 | a) + (1 | b) + (1 | c) + (1 | d) + (1 | e)",
            frames.many_factors,
            "five crossed factors of 2,000 to 10 levels",
            without=_CROSSED,
        ),
        Job(
            "ratings",
            "y ~ 1 + (1 | u) + (1 | f)",
            frames.ratings,
            "6,040 users × 3,706 films drawn from power laws",
            repeats=1,
            without=_CROSSED,
            variants=(_CG, _CHOLESKY),
        ),
        Job(
            "crossed-50k",
            "y ~ x + (1 | a) + (1 | b)",
            frames.crossed,
            "50,000 × 50,000 uniform levels: no factor of any order is sparse",
            repeats=1,
            without=_CROSSED,
            variants=(_CG,),
        ),
    ]
}
