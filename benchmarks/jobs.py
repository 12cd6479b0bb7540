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


def nested_slopes(outer: int = 20_000, inner: int = 10, rows: int = 5) -> pd.DataFrame:
    """Intercepts and slopes of 200,000 units in 20,000 groups."""
    rng = np.random.default_rng(6)
    c = np.repeat(np.arange(outer * inner), rows)
    a = c // inner
    x = rng.normal(size=len(c))
    by_a = rng.normal(size=(outer, 2)) * [1.0, 0.5]
    by_c = rng.normal(size=(outer * inner, 2)) * [0.7, 0.4]
    y = 1.0 + x + (by_a[a] + by_c[c]) @ [1.0, 0.0] + (by_a[a] + by_c[c])[:, 1] * x
    y = y + rng.normal(size=len(c))
    return pd.DataFrame({"y": y, "x": x, "a": _labels(a), "c": _labels(c)})


def three_levels(a: int = 10_000, b: int = 10, c: int = 5, rows: int = 2) -> pd.DataFrame:
    """Units in classes in schools: 500,000 in 100,000 in 10,000."""
    rng = np.random.default_rng(7)
    unit = np.repeat(np.arange(a * b * c), rows)
    middle, outer = unit // c, unit // (b * c)
    y = rng.normal(size=a)[outer] + 0.7 * rng.normal(size=a * b)[middle]
    y = y + 0.5 * rng.normal(size=a * b * c)[unit] + rng.normal(size=len(unit))
    return pd.DataFrame({"y": y, "a": _labels(outer), "b": _labels(middle), "c": _labels(unit)})


def nested_items(
    outer: int = 20_000, inner: int = 10, rows: int = 5, items: int = 50
) -> pd.DataFrame:
    """Nested units, each of which meets five of fifty items."""
    rng = np.random.default_rng(8)
    c = np.repeat(np.arange(outer * inner), rows)
    a, i = c // inner, rng.integers(0, items, len(c))
    y = rng.normal(size=outer)[a] + 0.7 * rng.normal(size=outer * inner)[c]
    y = y + rng.normal(size=items)[i] + rng.normal(size=len(c))
    return pd.DataFrame({"y": y, "a": _labels(a), "c": _labels(c), "i": _labels(i)})


def teachers(
    students: int = 50_000, schools: int = 100, staff: int = 20, rows: int = 5
) -> pd.DataFrame:
    """Students meet teachers of their school; one row in a hundred is of another school."""
    rng = np.random.default_rng(9)
    s = np.repeat(np.arange(students), rows)
    school = s % schools
    moved = rng.random(len(s)) < 0.01
    school[moved] = rng.integers(0, schools, moved.sum())
    t = school * staff + rng.integers(0, staff, len(s))
    x = rng.normal(size=len(s))
    by_s = rng.normal(size=(students, 2)) * [1.0, 0.3]
    by_t = rng.normal(size=(schools * staff, 2)) * [0.5, 0.3]
    y = 1.0 + x + by_s[s, 0] + by_t[t, 0] + (by_s[s, 1] + by_t[t, 1]) * x
    y = y + rng.normal(size=len(s))
    return pd.DataFrame({"y": y, "x": x, "s": _labels(s), "t": _labels(t)})


def pupils(count: int = 100_000, schools: int = 2_000, years: int = 5) -> pd.DataFrame:
    """Pupils in schools over years, who change schools now and then."""
    rng = np.random.default_rng(10)
    p, year = (v.ravel() for v in np.meshgrid(np.arange(count), np.arange(years), indexing="ij"))
    school = np.empty((count, years), dtype=int)
    school[:, 0] = np.arange(count) % schools
    for t in range(1, years):  # to a school nearby
        move = rng.random(count) < 0.05
        school[:, t] = (school[:, t - 1] + move * rng.integers(1, 4, count)) % schools
    school = school.ravel()
    cohort = school * years + year
    y = rng.normal(size=count)[p] + 0.5 * rng.normal(size=schools)[school]
    y = y + 0.3 * rng.normal(size=schools * years)[cohort] + rng.normal(size=len(p))
    return pd.DataFrame(
        {"y": y, "p": _labels(p), "s": _labels(school), "sy": _labels(cohort), "t": _labels(year)}
    )


def neighbours(rows: int = 500_000) -> pd.DataFrame:
    """Five crossed factors whose levels meet where they lie near each other on a line."""
    rng = np.random.default_rng(11)
    place = np.sort(rng.random(rows))
    y = rng.normal(size=rows)
    out = {}
    for name, levels in zip("abcde", (100_000, 20_000, 10_000, 5_000, 2_000), strict=True):
        near = place + rng.normal(0, 1.0 / levels, rows)
        code = np.clip((near * levels).astype(int), 0, levels - 1)
        y = y + 0.5 * rng.normal(size=levels)[code]
        out[name] = _labels(code)
    return pd.DataFrame({"y": y, **out})


def _labels(codes: np.ndarray) -> pd.Categorical:
    return pd.Categorical(codes.astype(str))


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
            "nested-slopes", "y ~ x + (x | a) + (x | c)", nested_slopes, repeats=1, without=_CROSSED
        ),
        Job(
            "three-levels",
            "y ~ 1 + (1 | a) + (1 | b) + (1 | c)",
            three_levels,
            repeats=1,
            without=_CROSSED,
        ),
        Job(
            "nested-items",
            "y ~ 1 + (1 | a) + (1 | c) + (1 | i)",
            nested_items,
            repeats=1,
            without=_CROSSED,
        ),
        Job("teachers", "y ~ x + (1 | s) + (1 | t)", teachers, repeats=1, without=_CROSSED),
        Job("teachers-slopes", "y ~ x + (x | s) + (x | t)", teachers, repeats=1, without=_CROSSED),
        Job(
            "pupils",
            "y ~ 1 + (1 | p) + (1 | s) + (1 | sy) + (1 | t)",
            pupils,
            repeats=1,
            without=_CROSSED,
        ),
        Job(
            "neighbours",
            "y ~ 1 + (1 | a) + (1 | b) + (1 | c) + (1 | d) + (1 | e)",
            neighbours,
            repeats=1,
            without=_CROSSED,
        ),
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
