"""A model of every kind, to delete parts of its data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from residual_cases import trial

import lmforms as lf


@cache
def field() -> pd.DataFrame:
    """A grid of plots, some of them missing."""
    rng = np.random.default_rng(3)
    row, column = (a.ravel() for a in np.meshgrid(np.arange(7.0), np.arange(6.0), indexing="ij"))
    root = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(np.arange(7.0), np.arange(7.0))))
    data = pd.DataFrame({"row": row, "column": column, "x": rng.normal(size=42)})
    data["block"] = np.where(row < 3, "a", np.where(row < 5, "b", "c"))
    data["y"] = (root @ rng.normal(size=(7, 6))).ravel() + data["x"]
    return data.drop(index=[4, 17, 30]).reset_index(drop=True)


@cache
def animals() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 60
    animal = rng.integers(0, 12, n)
    data = pd.DataFrame({"x": rng.normal(size=n), "w": rng.uniform(0.5, 2.0, n)})
    data["animal"] = [f"a{i:02d}" for i in animal]
    data["herd"] = rng.integers(0, 5, n).astype(str)
    data["y"] = 1.5 * rng.normal(size=12)[animal] + data["x"] + rng.normal(size=n)
    data["y"] += 1.5 * rng.normal(size=5)[data["herd"].astype(int)]
    return data


def known(rank: int = 13) -> pd.DataFrame:
    """A covariance of 13 levels, the last without rows."""
    rng = np.random.default_rng(6)
    root = rng.normal(size=(13, rank)) / np.sqrt(rank)
    names = [f"a{i:02d}" for i in range(13)]
    return pd.DataFrame(root @ root.T, index=names, columns=names)


def precision() -> lf.relationship.Relationship:
    import scipy.sparse as sp

    steps = sp.diags_array([-0.5 * np.ones(12)], offsets=[-1], shape=(13, 13)) + sp.eye_array(13)
    return lf.relationship.Relationship.from_precision(
        sp.csc_array(steps.T @ steps), [f"a{i:02d}" for i in range(13)]
    )


def _sleep(**options: Any) -> Any:
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"), **options)


def _penicillin() -> Any:
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    return lf.lmer(formula, lf.datasets.load("Penicillin"))


def _animals(terms: str, **options: Any) -> Any:
    return lf.lmer(f"y ~ x + {terms}", animals(), **options)


@cache
def weighted_animals() -> pd.DataFrame:
    return animals().assign(twice=lambda d: 2.0 * d["x"], o=lambda d: np.sin(d["w"]))


def weighted(data: pd.DataFrame) -> Any:
    """With weights, an offset and a column of X that is dropped."""
    formula = "y ~ x + twice + offset(o) + (x || herd) + (1 | animal)"
    return lf.lmer(formula, data, weights="w", reml=False)


def _trial(terms: str, residual: str, **options: Any) -> Any:
    return lf.lmer(f"y ~ visit + arm{terms}", trial(), residual=residual, **options)


MODELS: dict[str, tuple[Callable[[], Any], tuple[Any, ...]]] = {
    "slopes": (_sleep, ("Subject", "Days")),
    "slopes, ML": (lambda: _sleep(reml=False), ("Subject",)),
    "given theta": (lambda: _sleep().at([1.5, 0.0, 0.0]), ("Subject", "Days")),
    "crossed": (_penicillin, ("plate", "sample")),
    "nested": (
        lambda: lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes")),
        ("batch", "batch:cask"),
    ),
    "weights, offset, dropped column": (lambda: weighted(weighted_animals()), ("herd", "animal")),
    "known covariance": (
        lambda: _animals("(1 | animal)", relationship={"animal": known()}),
        ("animal", "herd"),
    ),
    "singular known covariance": (
        lambda: _animals("(1 | animal) + (1 | herd)", relationship={"animal": known(5)}),
        ("animal", "herd"),
    ),
    "known precision": (
        lambda: _animals("(x | animal)", relationship={"animal": precision()}, weights="w"),
        ("animal",),
    ),
    "series": (lambda: _trial("", "ar1(visit | subject)"), ("subject", "item")),
    "series and levels": (
        lambda: _trial(" + (1 | subject)", "har1(visit | subject)", reml=False),
        ("subject", "item"),
    ),
    "series and crossed levels": (
        lambda: _trial(" + (1 | item)", "ar1(visit | subject)"),
        ("subject", "item"),
    ),
    "strata": (lambda: _trial(" + (visit | subject)", "idh(visit)"), ("subject", "visit")),
    "grid": (lambda: lf.lmer("y ~ x", field(), residual="ar1(row):ar1(column)"), ("block",)),
    "effects of a structure": (
        lambda: lf.lmer(
            "score ~ Machine + ar1(0 + Machine | Worker)", lf.datasets.load("Machines")
        ),
        ("Worker",),
    ),
    "no random terms": (lambda: lf.lmer("y ~ x + herd", animals()), ("animal",)),
    "singular": (
        lambda: lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2")),
        ("Batch",),
    ),
}
