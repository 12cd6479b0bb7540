"""Markers: which rows they belong to, gaps, and those that do not vary."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from ..data.align import row_places
from ..data.design import Design
from ..errors import DataError, RelationshipError
from ..relationship.labels import named
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .columns import Chunk, Rows


def rows_by_label(design: Design, index: pd.Index) -> Rows:
    """Tables of markers have an index of levels, or that of the data."""
    group = design.groups[0]

    def places(table: pd.DataFrame, what: str) -> IndexArray:
        if not table.index.is_unique:
            if table.index.equals(index):
                return np.arange(len(table))
            twice = list(table.index[table.index.duplicated()].unique())
            raise RelationshipError(f"the row labels of the {what} are not unique: {named(twice)}.")
        by_level = table.index.get_indexer(pd.Index(list(group.levels), tupleize_cols=True))
        like_data = table.index.equals(index)
        if (by_level >= 0).all():
            at = by_level[group.codes]
            if like_data and not (at == np.arange(len(index))).all():
                raise DataError(
                    f"the row labels of the {what} are the levels of `{group.name}` and the row "
                    "labels of the data too, in different orders. Give an array "
                    "(`.to_numpy()`) if their rows are those of the data; otherwise give the "
                    "data another index."
                )
            return np.asarray(at, dtype=np.intp)
        if len(table) == len(index) and index.isin(table.index).all():
            return row_places(f"the table of {what}", table.index, index)
        lost: list[Hashable] = [group.levels[i] for i in np.flatnonzero(by_level < 0)]
        raise RelationshipError(
            f"the {what} have no row for the levels {named(lost)} of `{group.name}`. Their index "
            "must have these levels, or be that of the data; an array is taken row by row."
        )

    return places


def checked(chunk: Chunk, missing: str, monomorphic: str) -> tuple[FloatArray, BoolArray]:
    """Markers without gaps, and which of them vary."""
    values = chunk.values
    absent = np.isnan(values)
    gaps = absent.any(axis=0)
    if gaps.any():
        culprits = named([chunk.names[j] for j in np.flatnonzero(gaps)])
        if missing == "raise":
            raise DataError(
                f"missing values in the markers {culprits}. Impute them, or use missing='mean'."
            )
        counts = (~absent).sum(axis=0)
        mean = np.where(absent, 0.0, values).sum(axis=0) / np.maximum(counts, 1)
        values = np.where(absent, mean, values)
    varies = (values != values[0]).any(axis=0)
    if not varies.all() and monomorphic == "raise":
        culprits = named([chunk.names[j] for j in np.flatnonzero(~varies)])
        raise DataError(
            f"markers that do not vary: {culprits}. Leave them out, or use monomorphic='nan'."
        )
    return values, varies
