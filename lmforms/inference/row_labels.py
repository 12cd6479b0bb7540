"""Labels of the rows of a fit that are given as values, not by the name of a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..data.align import in_row_order
from ..data.design import Design
from ..errors import ArgumentError, DataError
from ..support.arguments import short_repr

SEQUENCES = (pd.Series, pd.Index, pd.api.extensions.ExtensionArray, np.ndarray, list, tuple)


def labels_of_rows(what: str, values: Any, design: Design) -> pd.Series:
    """One label for each row used, numbered from 0.

    Parameters
    ----------
    what : str
        What has the labels, for messages.
    values : Series or other sequence
        A Series is found by its row labels; others have a value for each row used, or for each row
        given.
    design : Design

    Raises
    ------
    ArgumentError
        No sequence.
    DataError
        Not one label for each row, or missing ones.
    """
    if not isinstance(values, SEQUENCES):
        raise ArgumentError(
            f"{what}={short_repr(values)}: the name of a grouping factor or of a column, or one "
            "label for each row is needed."
        )
    aligned = in_row_order(what, values, design.index, allow_more=True)
    if isinstance(aligned, pd.MultiIndex):
        aligned = aligned.to_numpy()
    one_dimensional = getattr(aligned, "ndim", 1) == 1
    # NumPy would make text of missing values and of numbers in a list that has text
    labels = pd.Series(aligned) if one_dimensional else pd.Series(dtype=np.float64)
    complete = design.frame.complete
    if len(labels) == len(complete) != design.n:
        labels = labels[complete][design.in_model]
    if len(labels) != design.n:
        raise DataError(
            f"{what} has the shape {np.shape(aligned)}: one label for each of the {design.n} rows "
            "used is needed."
        )
    if labels.isna().any():
        raise DataError(
            f"{what} has {int(labels.isna().sum())} missing labels among the rows of the model. "
            "Fill them, or put these rows into a class of their own."
        )
    return labels.reset_index(drop=True)
