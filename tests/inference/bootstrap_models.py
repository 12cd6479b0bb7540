"""Fits of every kind to small data, for tests of bootstraps."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.relationship import Pedigree

LEVELS, ROWS = 10, 6


@cache
def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = LEVELS * ROWS
    made = pd.DataFrame(
        {
            "g": np.repeat([f"g{i}" for i in range(LEVELS)], ROWS),
            "t": np.tile(np.arange(ROWS), LEVELS),
        }
    )
    made["x"] = rng.normal(size=n)
    made["x2"] = 2.0 * made["x"]
    made["w"] = rng.uniform(0.3, 3.0, n)
    made["sex"] = np.where(rng.random(n) < 0.5, "f", "m")
    made["sub"] = [f"{g}.{t // 3}" for g, t in zip(made["g"], made["t"], strict=True)]
    h = rng.integers(0, 5, n)
    made["h"] = [f"h{i}" for i in h]
    made["y"] = (
        3.0
        + made["x"]
        + np.repeat(1.2 * rng.normal(size=LEVELS), ROWS)
        + np.repeat(0.5 * rng.normal(size=LEVELS), ROWS) * made["x"]
        + 0.6 * rng.normal(size=5)[h]
        + rng.normal(size=n) / np.sqrt(made["w"])
    )
    noise = pd.Series(rng.normal(size=n))
    made["flat"] = made["x"] + noise - noise.groupby(made["g"]).transform("mean")
    return made


NAMES = [f"g{i}" for i in range(LEVELS)]


def related() -> pd.DataFrame:
    root = np.random.default_rng(5).normal(size=(LEVELS, 15))
    return pd.DataFrame(root @ root.T / 5.0, index=NAMES, columns=NAMES)


PEDIGREE = Pedigree.of(
    NAMES,
    [None, None, *(f"g{i % 2}" for i in range(LEVELS - 2))],
    [None, None, "g1", *(f"g{i}" for i in range(2, LEVELS - 1))],
)
KINDS = {
    "slopes": ("y ~ x + (x | g)", {}),
    "weights": ("y ~ x + (1 | g)", {"weights": "w"}),
    "weights, ML": ("y ~ x + (x | g)", {"weights": "w", "reml": False}),
    "offset": ("y ~ x + offset(2 * t) + (1 | g)", {}),
    "dropped column": ("y ~ x + x2 + (1 | g)", {}),
    "crossed": ("y ~ x + (x | g) + (1 | h)", {}),
    "uncorrelated": ("y ~ x + (x || g)", {}),
    "nested": ("y ~ x + (1 | g / sub)", {}),
    "singular": ("flat ~ x + (1 | g)", {}),
    "no random terms": ("y ~ x", {}),
    "root": ("y ~ x + (1 | g)", {"relationship": {"g": related()}}),
    "precision": ("y ~ x + (1 | g)", {"relationship": {"g": PEDIGREE}}),
    "structured effects": ("y ~ x + cs(0 + sex | g)", {}),
    "ar1": ("y ~ x + (1 | h)", {"residual": "ar1(t | g)"}),
    "strata": ("y ~ x + (1 | g)", {"residual": "idh(sex)"}),
    "named estimator": ("y ~ x + (1 | g)", {"method": "ai"}),
}


DEPENDS_ON_FITTED = ("y ~ x + (1 | g)", {"residual": "power(fitted)"})


@cache
def fitted(name):
    formula, options = KINDS.get(name, DEPENDS_ON_FITTED)
    return lf.lmer(formula, data(), **options)


@cache
def sleepstudy():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))


def drawn(frame, levels):
    """Rows of some levels of g, relabelled, as one would do by hand."""
    parts = [
        frame[frame["g"] == level].assign(g=f"{i}", sub=lambda d, i=i: f"{i}/" + d["sub"])
        for i, level in enumerate(levels)
    ]
    return pd.concat(parts, ignore_index=True)
