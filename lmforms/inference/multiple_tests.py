"""p-values adjusted for the number of tests, from the p-values alone."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..support.arrays import FloatArray

Adjustment = Literal["sidak", "bonferroni", "holm", "hochberg", "hommel", "fdr", "by"]
"""Names, as of emmeans and R's `p.adjust`."""

NAMES: dict[str, str] = {
    "sidak": "Šidák",
    "bonferroni": "Bonferroni",
    "holm": "Holm",
    "hochberg": "Hochberg",
    "hommel": "Hommel",
    "fdr": "false discovery rate (Benjamini–Hochberg)",
    "by": "false discovery rate (Benjamini–Yekutieli)",
}
"""What notes of tables call them."""

IN_STATSMODELS = {"hochberg": "simes-hochberg", "fdr": "fdr_bh", "by": "fdr_by"}
"""Those that statsmodels calls otherwise."""


def adjusted_p_values(p_values: FloatArray, adjust: str) -> FloatArray:
    """p-values of one family of tests, adjusted for their number.

    Parameters
    ----------
    p_values : ndarray (r,)
        Missing ones stay missing and do not count.
    adjust : str
        One of `NAMES`.

    Returns
    -------
    ndarray (r,)
    """
    from statsmodels.stats.multitest import multipletests

    out = np.full(len(p_values), np.nan)
    known = ~np.isnan(p_values)
    if known.any():
        method = IN_STATSMODELS.get(adjust, adjust)
        out[known] = multipletests(p_values[known], method=method)[1]
    return out
