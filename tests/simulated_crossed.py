"""Rows of two large and one small crossed factor, with effects of chosen sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd


def crossed_frame(
    rows: int, a: int, b: int, seed: int = 0, sizes: tuple[float, float] = (0.8, 0.6)
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=rows),
            "a": rng.integers(0, a, rows),
            "b": rng.integers(0, b, rows),
            "c": rng.integers(0, 12, rows),
            "w": rng.uniform(0.5, 2.0, rows),
        }
    )
    y = 1.0 + 0.5 * frame["x"] + sizes[0] * rng.normal(size=a)[frame["a"]]
    y += sizes[1] * rng.normal(size=b)[frame["b"]] + 0.3 * rng.normal(size=12)[frame["c"]]
    y += 0.4 * rng.normal(size=a)[frame["a"]] * frame["x"]
    return frame.assign(y=y + rng.normal(size=rows))
