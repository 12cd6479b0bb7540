"""Variances that depend on the fitted values: the values as a column of the residual structure.

The variances follow the fit, so that there is not one likelihood: the model is fitted again with
the fitted values of the fit before until they no longer change.

References
----------
Pinheiro, Bates (2000), *Mixed-Effects Models in S and S-PLUS*, section 5.2.1; Carroll, Ruppert
(1988), *Transformation and Weighting in Regression*, section 2.3.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ..residual.specification import FITTED
from ..support.arrays import BoolArray, FloatArray
from ..support.column_table import Table
from .design import Design
from .read import FormulaData
from .residual_structure import bind_residual

EXTRA_NAME = "fitted"
"""Name among the arrays that go with a frame."""


def table_with_fitted(
    formula_data: FormulaData, in_model: BoolArray, X: FloatArray, y: FloatArray, offset: FloatArray
) -> Table:
    """The rows of a model with the fitted values, by least squares before there is a fit."""
    rows = formula_data.frame.rows_used(in_model)
    known = formula_data.frame.extra.get(EXTRA_NAME)
    if known is not None:
        return _with_column(rows, known[in_model])
    beta = np.linalg.lstsq(X, y - offset, rcond=None)[0]
    return _with_column(rows, X @ beta + offset)


def with_fitted_values(design: Design, fitted: FloatArray) -> Design:
    """The design with variances that depend on other fitted values (n,)."""
    spec, frame = design.residual_spec, design.frame
    assert spec is not None
    values = np.zeros(frame.table.n)
    values[design.in_model] = fitted
    frame = replace(frame, extra={**frame.extra, EXTRA_NAME: values})
    structure = bind_residual(spec, _with_column(frame.rows_used(design.in_model), fitted))
    weights = frame.extra.get("weights")
    residual = structure.parametric(None if weights is None else weights[design.in_model])
    formula_data = replace(design.formula_data, frame=frame)
    return replace(design, formula_data=formula_data, structure=structure, residual=residual)


def _with_column(rows: Table, fitted: FloatArray) -> Table:
    return rows.assign({FITTED: pd.Series(fitted, index=rows.index)})
