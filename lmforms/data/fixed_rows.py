"""All fixed-effects columns of some rows, before the rank check: what estimability needs."""

from __future__ import annotations

import numpy as np

from ..formula.evaluator import Evaluator
from ..support.arrays import FloatArray
from ..support.column_table import Table
from .design import Design


def fixed_columns(design: Design, table: Table) -> FloatArray:
    """Every column of the fixed part on rows that are coded as those of the fit, (n, k).

    Parameters
    ----------
    design : Design
    table : Table
        The columns that the fixed part needs, in the types that they have in the fit: see
        :func:`lmforms.data.coded_as_fitted.as_fitted`.

    Returns
    -------
    ndarray (n, k)
        With the columns that the rank check dropped; ``[:, design.x_kept]`` is X.

    Examples
    --------
    >>> import lmforms as lf
    >>> design = lf.MixedModel("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff")).design
    >>> fixed_columns(design, design.frame.table).shape
    (30, 1)
    """
    evaluator = _evaluator(design, table)
    made = evaluator.matrix(design.fixed.spec, design.bound.formula.fixed, "the fixed part")
    return made.values


def formula_offset(design: Design, table: Table) -> FloatArray:
    """Sum of the formula's ``offset()`` terms on rows coded as those of the fit, (n,)."""
    evaluator = _evaluator(design, table)
    total = np.zeros(table.n)
    for made, part in zip(design.offsets, design.bound.formula.offsets, strict=True):
        total += evaluator.matrix(made.spec, part, "the offset").values[:, 0]
    return total


def _evaluator(design: Design, table: Table) -> Evaluator:
    formula_data = design.formula_data
    contrasts = {name: c for name, c in formula_data.contrasts.items() if name in table}
    return Evaluator(table, formula_data.scope, contrasts)
