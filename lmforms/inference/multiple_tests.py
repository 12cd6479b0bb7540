"""p-values adjusted for many tests of one kind."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..support.arrays import FloatArray

Adjustment = Literal["fdr", "by", "bonferroni", "sidak", "holm", "hochberg", "hommel"]
"""Names, as of emmeans and R's `p.adjust`."""

ADJUSTMENTS: dict[str, str] = {
    "fdr": "Benjamini and Hochberg, false discovery rate",
    "by": "Benjamini and Yekutieli, false discovery rate under any dependence",
    "bonferroni": "Bonferroni",
    "sidak": "Šidák",
    "holm": "Holm",
    "hochberg": "Hochberg",
    "hommel": "Hommel",
}
"""What they are."""

IN_STATSMODELS = {"fdr": "fdr_bh", "by": "fdr_by", "hochberg": "simes-hochberg"}
"""Those that statsmodels calls otherwise."""


def adjusted_p_values(p_values: FloatArray, adjust: str) -> FloatArray:
    """p-values adjusted for the number of tests in their column.

    Parameters
    ----------
    p_values : ndarray (c, p)
        Each column a family by itself. Missing ones stay missing and do not count.
    adjust : str
        One of `ADJUSTMENTS`.

    Returns
    -------
    ndarray (c, p)
    """
    from statsmodels.stats.multitest import multipletests

    out = np.full_like(p_values, np.nan)
    for j, column in enumerate(p_values.T):
        there = np.flatnonzero(np.isfinite(column))
        if len(there):
            method = IN_STATSMODELS.get(adjust, adjust)
            out[there, j] = multipletests(column[there], method=method)[1]
    return out
