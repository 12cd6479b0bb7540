"""Known covariances of levels in files: labels as JSON, their matrix as vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..relationship import Relationship
from ..support.arrays import AnyArray
from .archive import Archive
from .index_json import decode_index, encode_index

_MAKERS: dict[str, Callable[[Any, Any], Relationship]] = {
    "dense": lambda matrix, labels: Relationship.of(matrix, labels),
    "sparse": lambda matrix, labels: Relationship.of(matrix, labels),
    "root": lambda matrix, labels: Relationship.from_root(matrix, labels),
    "sparse precision": lambda matrix, labels: Relationship.from_precision(matrix, labels),
}
"""How to make each representation, by its name."""

SPARSE = ("sparse", "sparse precision")
"""Representations of scipy.sparse."""


def encode_relationships(
    known: Mapping[str, Relationship],
) -> tuple[list[dict[str, Any]], dict[str, AnyArray]]:
    """Facts and vectors of the covariances, by grouping factor.

    Raises
    ------
    DataError
        Labels that would not come back as they are.
    """
    facts, arrays = [], dict[str, AnyArray]()
    for i, (group, relationship) in enumerate(known.items()):
        kind = relationship.form.name
        matrix: Any = relationship.form.given
        try:
            labels = encode_index(pd.Index(relationship.labels, tupleize_cols=False))
        except DataError as exc:
            raise DataError(f"save: the labels of the relationship of `{group}`: {exc}") from None
        facts.append(
            {"group": group, "kind": kind, "labels": labels, "columns": int(matrix.shape[1])}
        )
        name = f"relationship/{i}"
        if kind in SPARSE:
            matrix = matrix.tocsc()
            arrays[f"{name}/values"] = matrix.data
            arrays[f"{name}/rows"] = matrix.indices.astype(np.int64)
            arrays[f"{name}/starts"] = matrix.indptr.astype(np.int64)
        else:
            arrays[f"{name}/values"] = np.ascontiguousarray(matrix).ravel()
    return facts, arrays


def decode_relationships(
    facts: list[dict[str, Any]], archive: Archive
) -> dict[str, Relationship] | None:
    """The covariances of a file, checked like those that a user gives; None without any."""
    out = {}
    for i, one in enumerate(facts):
        labels = decode_index(one["labels"]).tolist()
        name, shape = f"relationship/{i}", (len(labels), one["columns"])
        if one["kind"] in SPARSE:
            matrix = _sparse(archive, name, shape)
        else:
            matrix = archive.array(f"{name}/values", shape[0] * shape[1]).reshape(shape)
        out[one["group"]] = _MAKERS[one["kind"]](matrix, labels)
    return out or None


def _sparse(archive: Archive, name: str, shape: tuple[int, int]) -> Any:
    import scipy.sparse as sp

    values = archive.array(f"{name}/values")
    rows = archive.array(f"{name}/rows", len(values), kinds="i")
    starts = archive.array(f"{name}/starts", shape[1] + 1, kinds="i")
    steps = np.diff(starts)
    if starts[0] != 0 or starts[-1] != len(rows) or (steps < 0).any():
        raise archive.damaged(f"{name}/starts counts no columns")
    if len(rows) and (rows.min() < 0 or rows.max() >= shape[0]):
        raise archive.damaged(f"{name}/rows has rows that are not there")
    return sp.csc_matrix((values, rows, starts), shape=shape)


def are_relationships(value: Any) -> bool:
    """Whether a field of the header describes covariances of different grouping factors."""
    if not isinstance(value, list) or not all(map(_is_relationship, value)):
        return False
    return len({one["group"] for one in value}) == len(value)


def _is_relationship(value: Any) -> bool:
    checks: dict[str, Callable[[Any], bool]] = {
        "group": lambda x: isinstance(x, str),
        "kind": lambda x: isinstance(x, str) and x in _MAKERS,
        "labels": lambda x: isinstance(x, dict),
        "columns": lambda x: type(x) is int and 0 <= x < 2**31,
    }
    return (
        isinstance(value, dict)
        and set(value) == set(checks)
        and all(is_right(value[name]) for name, is_right in checks.items())
    )
