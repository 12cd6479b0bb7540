"""Made-up data: each function draws a frame from a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def factor(codes: np.ndarray) -> pd.Categorical:
    """Codes as a categorical column of the levels that occur, named by their numbers."""
    present, codes = np.unique(codes, return_inverse=True)
    return pd.Categorical.from_codes(codes, categories=present.astype(str))


def small_groups(groups: int = 125_000, rows: int = 3, seed: int = 1) -> pd.DataFrame:
    """Many groups of few rows, with a random intercept."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rows)
    x = rng.normal(size=len(g))
    y = 1.0 + x + rng.normal(size=groups)[g] + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "g": factor(g)})


def slopes(groups: int = 100_000, rows: int = 5, seed: int = 2) -> pd.DataFrame:
    """Groups of equal size with a random intercept and a slope."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rows)
    x = rng.normal(size=len(g))
    b = rng.normal(size=(groups, 2)) * [1.0, 0.5]
    y = 1.0 + x + b[g, 0] + b[g, 1] * x + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "g": factor(g)})


def nested(outer: int = 100_000, inner: int = 10) -> pd.DataFrame:
    """Two rows for each of ten units in each of 100,000 groups."""
    rng = np.random.default_rng(3)
    a = np.repeat(np.arange(outer), inner * 2)
    c = np.repeat(np.arange(outer * inner), 2)
    y = 1.0 + rng.normal(size=outer)[a] + rng.normal(size=outer * inner)[c]
    y = y + rng.normal(size=len(a))
    return pd.DataFrame({"y": y, "a": factor(a), "c": factor(c)})


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
    return frame.assign(rt=rt, subj=factor(subj), item=factor(item))


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
    return pd.DataFrame({"y": y, "u": factor(u), "f": factor(f)})


def crossed(rows: int = 1_000_000, levels: int = 50_000) -> pd.DataFrame:
    """Two crossed factors with as many levels each, drawn uniformly."""
    rng = np.random.default_rng(6)
    a, b = rng.integers(levels, size=(2, rows))
    x = rng.normal(size=rows)
    y = 1.0 + x + 0.7 * rng.normal(size=levels)[a] + 0.5 * rng.normal(size=levels)[b]
    y = y + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "a": factor(a), "b": factor(b)})


def many_factors(
    rows: int = 100_000, levels: Sequence[int] = (2_000, 500, 200, 50, 10)
) -> pd.DataFrame:
    """Crossed factors of several sizes, drawn uniformly."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=rows)
    y = 1.0 + x + rng.normal(size=rows)
    factors = {}
    for name, q in zip("abcdefgh", levels, strict=False):
        codes = rng.integers(q, size=rows)
        y = y + rng.uniform(0.3, 1.0) * rng.normal(size=q)[codes]
        factors[name] = factor(codes)
    return pd.DataFrame({"y": y, "x": x, **factors})


def many_slopes(slopes: int, groups: int = 200, rows: int = 50) -> pd.DataFrame:
    """Groups with an intercept and several correlated slopes x1, x2, …"""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(groups), rows)
    X = np.column_stack([np.ones(len(g)), rng.normal(size=(len(g), slopes))])
    root = np.tril(0.3 * rng.normal(size=(slopes + 1,) * 2), -1) + np.eye(slopes + 1)
    b = 0.5 * rng.normal(size=(groups, slopes + 1)) @ root.T
    y = 1.0 + np.einsum("ij,ij->i", X, b[g]) + rng.normal(size=len(g))
    names = [f"x{i}" for i in range(1, slopes + 1)]
    return pd.DataFrame(X[:, 1:], columns=names).assign(y=y, g=factor(g))


def nested_slopes(outer: int = 20_000, inner: int = 10, rows: int = 5) -> pd.DataFrame:
    """Intercepts and slopes of 200,000 units in 20,000 groups."""
    rng = np.random.default_rng(6)
    c = np.repeat(np.arange(outer * inner), rows)
    a = c // inner
    x = rng.normal(size=len(c))
    by_a = rng.normal(size=(outer, 2)) * [1.0, 0.5]
    by_c = rng.normal(size=(outer * inner, 2)) * [0.7, 0.4]
    b = by_a[a] + by_c[c]
    y = 1.0 + x + b[:, 0] + b[:, 1] * x + rng.normal(size=len(c))
    return pd.DataFrame({"y": y, "x": x, "a": factor(a), "c": factor(c)})


def three_levels(a: int = 10_000, b: int = 10, c: int = 5, rows: int = 2) -> pd.DataFrame:
    """Units in classes in schools: 500,000 in 100,000 in 10,000."""
    rng = np.random.default_rng(7)
    unit = np.repeat(np.arange(a * b * c), rows)
    middle, outer = unit // c, unit // (b * c)
    y = rng.normal(size=a)[outer] + 0.7 * rng.normal(size=a * b)[middle]
    y = y + 0.5 * rng.normal(size=a * b * c)[unit] + rng.normal(size=len(unit))
    return pd.DataFrame({"y": y, "a": factor(outer), "b": factor(middle), "c": factor(unit)})


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
    y = 1.0 + x + rng.normal(size=students)[s] + 0.5 * rng.normal(size=schools * staff)[t]
    y = y + rng.normal(size=len(s))
    return pd.DataFrame({"y": y, "x": x, "s": factor(s), "t": factor(t)})


def pupils(count: int = 100_000, schools: int = 2_000, years: int = 5) -> pd.DataFrame:
    """Pupils in schools over years, who change schools now and then."""
    rng = np.random.default_rng(10)
    p, year = (v.ravel() for v in np.meshgrid(np.arange(count), np.arange(years), indexing="ij"))
    attended = np.empty((count, years), dtype=int)
    attended[:, 0] = np.arange(count) % schools
    for t in range(1, years):  # to a school nearby
        move = rng.random(count) < 0.05
        attended[:, t] = (attended[:, t - 1] + move * rng.integers(1, 4, count)) % schools
    school = attended.ravel()
    cohort = school * years + year
    y = rng.normal(size=count)[p] + 0.5 * rng.normal(size=schools)[school]
    y = y + 0.3 * rng.normal(size=schools * years)[cohort] + rng.normal(size=len(p))
    return pd.DataFrame(
        {"y": y, "p": factor(p), "s": factor(school), "sy": factor(cohort), "t": factor(year)}
    )
