"""The equation y = Xβ + Zb + e row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tables.result_table import ResultTable

TITLE = "The model row by row"


def row_table(matrices: Any, by_coefficient: bool) -> ResultTable:
    """y, offset, Xβ, Zb of each random term, and e.

    Parameters
    ----------
    matrices : ModelMatrices
    by_coefficient : bool
        Each column of X times its coefficient, in the place of Xβ.
    """
    m = matrices
    parts: dict[str, Any] = {}
    if np.any(m.offset):
        parts["offset"] = m.offset.to_numpy()
    X, beta = m.X.to_numpy(), m.beta.to_numpy()
    if by_coefficient:
        parts |= {f"Xβ {name}": X[:, j] * beta[j] for j, name in enumerate(m.X.columns)}
    elif len(beta):
        parts["Xβ"] = X @ beta
    b = m.b.to_numpy()
    for name, columns in m.terms.items():
        parts[f"Zb {name}"] = m.Z[:, columns] @ b[columns]
    parts["e"] = m.e.to_numpy()
    y = (m.y + m.offset).to_numpy()
    parts = {name: part + 0.0 for name, part in parts.items()}  # no negative zeros
    note = f"y = {' + '.join(parts)}"
    return ResultTable({"y": y, **parts}, index=m.y.index, title=TITLE, notes=[note])
