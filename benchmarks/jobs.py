"""What is fitted: a formula and a frame, made from a seed or from the data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
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


def small_groups(groups: int = 125_000, rows: int = 3) -> pd.DataFrame:
    """Many groups of few rows, with a random intercept."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(groups), rows)
    x = rng.normal(size=len(g))
    y = 1.0 + x + rng.normal(size=groups)[g] + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "g": pd.Categorical(g.astype(str))})


def slopes(groups: int = 100_000, rows: int = 5) -> pd.DataFrame:
    """Many groups with a random intercept and a slope."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(groups), rows)
    x = rng.normal(size=len(g))
    b = rng.normal(size=(groups, 2)) * [1.0, 0.5]
    y = 1.0 + x + b[g, 0] + b[g, 1] * x + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "g": pd.Categorical(g.astype(str))})


def nested(outer: int = 100_000, inner: int = 10) -> pd.DataFrame:
    """Two rows for each of ten units in each of 100,000 groups."""
    rng = np.random.default_rng(3)
    a = np.repeat(np.arange(outer), inner * 2)
    c = np.repeat(np.arange(outer * inner), 2)
    y = 1.0 + rng.normal(size=outer)[a] + rng.normal(size=outer * inner)[c]
    y = y + rng.normal(size=len(a))
    return pd.DataFrame({"y": y, "a": pd.Categorical(a.astype(str)), "c": pd.Categorical(c)})


def factorial() -> pd.DataFrame:
    """56 subjects × 32 items, three ±1 predictors over eight conditions (as kb07)."""
    rng = np.random.default_rng(4)
    subj, item = (v.ravel() for v in np.meshgrid(np.arange(56), np.arange(32), indexing="ij"))
    cell = (subj + item) % 8
    X = np.column_stack([np.where(cell & bit, 1.0, -1.0) for bit in (1, 2, 4)])
    basis = np.column_stack([np.ones(len(subj)), X])

    def effects(levels: int, sizes: list[float]) -> np.ndarray:
        root = np.diag(sizes) + np.tril(rng.normal(0, 0.2, (4, 4)), -1) * sizes[0] * 0.3
        return rng.normal(size=(levels, 4)) @ root.T

    by_subject = effects(56, [300.0, 60.0, 40.0, 50.0])
    by_item = effects(32, [350.0, 40.0, 200.0, 30.0])
    rt = 2200.0 + X @ [-70.0, -330.0, 80.0]
    rt = rt + np.einsum("ij,ij->i", basis, by_subject[subj] + by_item[item])
    rt = rt + 700.0 * rng.normal(size=len(subj))
    frame = pd.DataFrame(X, columns=["spkr", "prec", "load"])
    return frame.assign(
        rt=rt, subj=pd.Categorical(subj.astype(str)), item=pd.Categorical(item.astype(str))
    )


def ratings(rows: int = 1_000_000, users: int = 6_040, films: int = 3_706) -> pd.DataFrame:
    """Crossed factors with levels drawn from power laws, as film ratings are."""
    rng = np.random.default_rng(5)

    def drawn(levels: int, power: float) -> np.ndarray:
        shares = (np.arange(levels) + 10.0) ** -power
        codes = rng.choice(levels, rows, p=shares / shares.sum())
        codes[:levels] = np.arange(levels)
        return codes

    u, f = drawn(users, 0.6), drawn(films, 0.9)
    y = 3.5 + 0.4 * rng.normal(size=users)[u] + 0.5 * rng.normal(size=films)[f]
    y = y + 0.9 * rng.normal(size=rows)
    return pd.DataFrame(
        {"y": y, "u": pd.Categorical(u.astype(str)), "f": pd.Categorical(f.astype(str))}
    )


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
        Job(
            "small-groups",
            "y ~ x + (1 | g)",
            small_groups,
            repeats=3,
            without=(("statsmodels", "minutes"),),
        ),
        Job(
            "slopes",
            "y ~ x + (x | g)",
            slopes,
            repeats=3,
            without=(("statsmodels", "minutes"),),
        ),
        Job("nested", "y ~ 1 + (1 | a) + (1 | c)", nested, repeats=1, without=_CROSSED),
        Job(
            "factorial",
            "rt ~ spkr*prec*load + (spkr+prec+load | subj) + (spkr+prec+load | item)",
            factorial,
            reml=False,
            repeats=3,
            without=_CROSSED,
        ),
        Job("ratings", "y ~ 1 + (1 | u) + (1 | f)", ratings, repeats=1, without=_CROSSED),
    ]
}
