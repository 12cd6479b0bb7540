"""Simulated and printed data of the reference fits of residual structures, as CSV files.

    python tests/reference/residual_data.py        (from the repository root)

Numbers are rounded to six decimals, so that the files are the same on every machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent

VARIETIES = "CDEFBAFBACDEDCFBEABCFDEADFBCEAFEACDBEDCAFBFADBEC"
YIELDS = """
51.56 49.59 49.95 53.28 51.21 50.86  53.09 53.93 49.72 53.95 49.25 49.66
50.99 53.89 52.32 49.93 46.68 48.84  50.33 53.53 55.46 49.33 46.95 49.38
49.82 54.02 52.54 54.19 51.02 51.73  52.10 50.48 51.56 53.25 48.39 50.55
48.95 47.60 51.72 51.94 51.94 51.75  52.74 49.63 47.81 51.09 52.33 53.58
"""
REPLICATES = """
9.39 9.68 9.33  10.99 11.55 11.04  12.99 11.79 12.82  12.27 13.61 13.17  14.09 13.59 13.93
"""


def normal(rng: np.random.Generator, covariance: np.ndarray) -> np.ndarray:
    return np.linalg.cholesky(covariance) @ rng.normal(size=len(covariance))


def series() -> pd.DataFrame:
    """30 subjects at times 1 to 8 with gaps, AR(1), random lines, spread that grows with x."""
    rng = np.random.default_rng(20260101)
    time = np.arange(1.0, 9.0)
    distance = np.abs(time[:, None] - time)
    frames = []
    for subject in range(30):
        x = rng.uniform(0.5, 4.0, size=8)
        sd = 0.5 * x**0.6 * (1.0, 1.6, 0.8)[subject % 3]
        e = sd * normal(rng, 0.55**distance)
        b = rng.normal(size=2) * (1.2, 0.15)
        y = 4.0 + 0.7 * x + 0.3 * time + b[0] + b[1] * time + e
        site = rng.integers(0, 6, size=8)
        y = y + np.array([0.5, -0.8, 0.3, 1.1, -0.4, -0.7])[site]
        one = {"subject": f"s{subject + 1:02d}", "stratum": "abc"[subject % 3], "time": time}
        frames.append(pd.DataFrame({**one, "site": [f"p{s + 1}" for s in site], "x": x, "y": y}))
    frame = pd.concat(frames)
    frame = frame[rng.uniform(size=len(frame)) > 0.15]
    return frame.sample(frac=1.0, random_state=7)


def moving() -> pd.DataFrame:
    """24 series of 10 equally spaced values, ARMA(1, 1), and unequal times beside them."""
    rng = np.random.default_rng(20260102)
    frames = []
    for unit in range(24):
        e = rng.normal(size=40)
        a = np.zeros(40)
        for i in range(1, 40):
            a[i] = 0.6 * a[i - 1] + e[i] + 0.5 * e[i - 1]
        when = np.cumsum(rng.uniform(0.2, 2.5, size=10))
        dose = unit % 3
        one = {"unit": f"u{unit + 1:02d}", "dose": float(dose), "time": np.arange(1.0, 11.0)}
        frames.append(pd.DataFrame({**one, "when": when, "y": 10.0 + 0.8 * dose + a[30:]}))
    return pd.concat(frames)


def spread() -> pd.DataFrame:
    """240 independent rows whose standard deviation is 0.4 (2 + x^1.3)."""
    rng = np.random.default_rng(20260106)
    x = rng.uniform(0.1, 9.0, size=240)
    y = 5.0 + 0.8 * x + 0.4 * (2.0 + x**1.3) * rng.normal(size=240)
    return pd.DataFrame({"row": np.arange(240) + 1, "x": x, "y": y})


def litters() -> pd.DataFrame:
    """40 litters of up to four whose members compete: the correlation is negative."""
    rng = np.random.default_rng(20260103)
    frames = []
    covariance = 4.0 * np.where(np.eye(4) == 1.0, 1.0, -0.27)
    for litter in range(40):
        size = 4 if litter % 4 else 3
        y = 20.0 + 1.5 * (litter % 2) + normal(rng, covariance)[:size]
        one = {"litter": f"l{litter + 1:02d}", "diet": "AB"[litter % 2]}
        frames.append(pd.DataFrame({**one, "pup": np.arange(1.0, size + 1.0), "y": y}))
    return pd.concat(frames)


def places() -> pd.DataFrame:
    """5 fields of 30 places with exponential correlation and a nugget."""
    rng = np.random.default_rng(20260104)
    frames = []
    for field in range(5):
        at = rng.uniform(0.0, 10.0, size=(30, 2))
        distance = np.sqrt(np.square(at[:, None] - at).sum(axis=2))
        covariance = 2.0 * (0.8 * np.exp(-distance / 3.0) + 0.2 * np.eye(30))
        treatment = np.arange(30) % 4
        y = 30.0 + np.array([0.0, 1.0, -0.5, 2.0])[treatment] + normal(rng, covariance)
        one = {"field": f"f{field + 1}", "treatment": [f"t{t + 1}" for t in treatment]}
        frames.append(pd.DataFrame({**one, "east": at[:, 0], "north": at[:, 1], "y": y}))
    return pd.concat(frames)


def plots() -> pd.DataFrame:
    """A grid of 12 × 15 plots in 6 blocks of 2 rows with 30 varieties; 14 plots are missing."""
    rng = np.random.default_rng(20260105)
    row, column = (a.ravel() for a in np.meshgrid(np.arange(1.0, 13.0), np.arange(1.0, 16.0)))
    correlation = 0.5 ** np.abs(row[:, None] - row) * 0.7 ** np.abs(column[:, None] - column)
    block = ((row - 1.0) // 2.0).astype(int)
    variety = np.empty(len(row), dtype=int)
    for b in range(6):
        variety[block == b] = rng.permutation(30)
    effect = rng.normal(size=30)
    y = 50.0 + effect[variety] + rng.normal(size=6)[block] + 1.5 * normal(rng, correlation)
    frame = pd.DataFrame(
        {
            "block": [f"b{b + 1}" for b in block],
            "row": row,
            "column": column,
            "check": ["yes" if v < 4 else "no" for v in variety],
            "variety": [f"v{v + 1:02d}" for v in variety],
            "y": y,
        }
    )
    return frame.drop(index=rng.choice(len(frame), size=14, replace=False))


def printed_grid() -> pd.DataFrame:
    """8 rows × 6 columns."""
    row, column = (a.ravel() for a in np.meshgrid(np.arange(8.0), np.arange(6.0), indexing="ij"))
    y = np.array(YIELDS.split(), dtype=float)
    return pd.DataFrame({"row": row, "column": column, "variety": list(VARIETIES), "y": y})


def printed_replicates() -> pd.DataFrame:
    """5 units, each measured three times."""
    unit = np.repeat(np.arange(5), 3)
    x = np.array([0.0, 0.0, 1.0, 1.0, 1.0])[unit]
    y = np.array(REPLICATES.split(), dtype=float)
    rep = np.tile(np.arange(1.0, 4.0), 5)
    return pd.DataFrame({"unit": [f"u{u + 1}" for u in unit], "rep": rep, "x": x, "y": y})


MAKERS = {
    "residual_series": series,
    "residual_moving": moving,
    "residual_spread": spread,
    "residual_litters": litters,
    "residual_places": places,
    "residual_plots": plots,
    "residual_grid": printed_grid,
    "residual_replicates": printed_replicates,
}

if __name__ == "__main__":
    for name, make in MAKERS.items():
        make().round(6).to_csv(HERE / f"{name}.csv", index=False, lineterminator="\n")
