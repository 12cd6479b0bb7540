"""Sums with the labels of their levels, which add up whatever levels each of them has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..engine.rows import FactorRows, ModelRows
from ..engine.sums.additive_sums import AdditiveSums
from ..engine.sums.growing_sums import GrowingSums
from ..engine.sums.units import Scaling
from ..errors import DataError, ModelError, listed
from ..support.arrays import IndexArray
from .chunk_rows import ChunkRows
from .level_index import CombinedIndex


@dataclass(frozen=True, eq=False)
class LabelledSums:
    """Sums over rows.

    Attributes
    ----------
    sums : AdditiveSums
    labels : tuple of Index
        Of the levels of each grouping factor; a MultiIndex for several columns.
    n_read : int
        Number of rows that were read.
    missing : mapping of str to int
        Rows that were left out by what was missing or undefined.
    factor_counts : mapping of str to ndarray of int
        Rows of each level of the predictors that are factors.
    """

    sums: AdditiveSums
    labels: tuple[pd.Index, ...]
    n_read: int
    missing: Mapping[str, int]
    factor_counts: Mapping[str, IndexArray]

    def in_order(self, orders: Sequence[Sequence[pd.Index | None]]) -> LabelledSums:
        """The same with levels in the order of their labels; those without rows are left out.

        Parameters
        ----------
        orders : sequence of sequence of Index or None
            Order of the labels of each column; None for their own.
        """
        places, labels = [], []
        for own, factor, given in zip(self.labels, self.sums.factors, orders, strict=True):
            order = label_order(own, given)
            order = order[factor.counts[order] > 0]
            place = np.full(len(own), -1, dtype=np.intp)
            place[order] = np.arange(len(order))
            places.append(place)
            labels.append(own[order])
        sums = self.sums.placed(places, [len(x) for x in labels])
        return replace(self, sums=sums, labels=tuple(labels))


def combined(a: LabelledSums, b: LabelledSums) -> LabelledSums:
    """The sums of the rows of both, in the units of both."""
    first, second, labels = [], [], []
    for own, other in zip(a.labels, b.labels, strict=True):
        there = own.get_indexer(other)
        (new,) = (there < 0).nonzero()
        there[new] = np.arange(len(own), len(own) + len(new))
        first.append(np.arange(len(own)))
        second.append(there)
        if len(own) and len(new):
            own = own.append(other[new])
        labels.append(own if len(own) else other)
    sizes = [len(x) for x in labels]
    return LabelledSums(
        sums=a.sums.placed(first, sizes) + b.sums.placed(second, sizes),
        labels=tuple(labels),
        n_read=a.n_read + b.n_read,
        missing=dict(Counter(a.missing) + Counter(b.missing)),
        factor_counts={name: own + b.factor_counts[name] for name, own in a.factor_counts.items()},
    )


def without(a: LabelledSums, b: LabelledSums) -> LabelledSums:
    """The sums less those of some of the rows; levels without rows are exact zeros.

    Raises
    ------
    ModelError
        A level has more rows in b than in a.
    """
    places = []
    for own, other, theirs in zip(a.labels, b.labels, b.sums.factors, strict=True):
        there = own.get_indexer(other)
        if (theirs.counts[there < 0] > 0).any():
            new = other[(there < 0) & (theirs.counts > 0)]
            raise ModelError(
                f"without(): the level {new[0]!r} is not in these sums: they were made of other "
                "rows."
            )
        places.append(there)
    less = b.sums.placed(places, [len(x) for x in a.labels])
    counts = Counter(a.missing)
    counts.subtract(b.missing)
    sums = a.sums.without(less)
    places, labels = [], []
    for own, factor in zip(a.labels, sums.factors, strict=True):  # no label of those taken out
        left = factor.counts > 0
        places.append(np.where(left, np.cumsum(left) - 1, -1))
        labels.append(own[left])
    return LabelledSums(
        sums=sums.placed(places, [len(x) for x in labels]),
        labels=tuple(labels),
        n_read=a.n_read - b.n_read,
        missing={name: count for name, count in counts.items() if count > 0},
        factor_counts={name: own - b.factor_counts[name] for name, own in a.factor_counts.items()},
    )


def label_order(labels: pd.Index, orders: Sequence[pd.Index | None]) -> IndexArray:
    """Places of the labels in ascending order; in that of appearance where they have none.

    Parameters
    ----------
    labels : Index
    orders : sequence of Index or None
        Of the labels of each column, where they have an order of their own.
    """
    parts = label_parts(labels)
    ranks = [_ranks(part, order) for part, order in zip(parts, orders, strict=True)]
    return np.lexsort(ranks[::-1])


def _ranks(labels: pd.Index, order: pd.Index | None) -> IndexArray:
    if order is not None:
        places = order.get_indexer(labels)
        if len(places) and places.min() >= 0:
            return places
    try:
        codes, _ = pd.factorize(labels, sort=True)
    except TypeError:  # of mixed types
        codes, _ = pd.factorize(labels)
    return np.asarray(codes, dtype=np.intp)


def label_parts(labels: pd.Index) -> list[pd.Index]:
    """The labels of each column."""
    if not isinstance(labels, pd.MultiIndex):
        return [labels]
    return [labels.get_level_values(i) for i in range(labels.nlevels)]


class ChunkSummer:
    """Adds chunks up.

    Parameters
    ----------
    scaling : Scaling
    sizes : sequence of int
        Effects per level of each grouping factor.
    columns : sequence of int
        Columns of the labels of each.
    known : sequence of Index, optional
        Their levels, in this order; no others may come then.
    kept : ndarray of int, optional
        Columns of X that are taken.
    memory : int, optional
        Bytes that the sums may take.
    """

    def __init__(
        self,
        scaling: Scaling,
        sizes: list[int],
        columns: list[int],
        known: tuple[pd.Index, ...] | None = None,
        kept: IndexArray | None = None,
        memory: int | None = None,
    ) -> None:
        self._indexes = [CombinedIndex(count) for count in columns]
        if known is not None:
            for index, labels in zip(self._indexes, known, strict=True):
                index.codes(label_columns(labels))
        self._known, self._kept = known, kept
        self._sums = GrowingSums(scaling, sizes, memory)
        self._n_read = 0
        self._missing: Counter[str] = Counter()
        self._factor_counts: dict[str, IndexArray] = {}

    def add(self, rows: ChunkRows, where: str) -> None:
        """Add a chunk of a partition.

        Raises
        ------
        DataError
            A level that is not known.
        """
        self._n_read += rows.n_read
        self._missing.update(rows.missing)
        for name, counts in rows.factor_counts.items():
            self._factor_counts[name] = self._factor_counts.get(name, 0) + counts
        factors = []
        for i, index in enumerate(self._indexes):
            codes = index.codes(rows.labels[i])
            if self._known is not None and len(index) > len(self._known[i]):
                new = index.labels[len(self._known[i]) :].tolist()
                raise DataError(
                    f"{where}: the level {listed([str(x) for x in new], 3)} of a grouping factor "
                    "was not there when the source was read before: it has changed."
                )
            factors.append(FactorRows(codes, len(index), rows.bases[i]))
        self._sums.add(
            ModelRows(
                y=rows.y - rows.offset,
                X=rows.X if self._kept is None else rows.X[:, self._kept],
                factors=tuple(factors),
                residual=rows.residual,
                size=rows.size,
            )
        )

    def result(self) -> LabelledSums:
        """The sums of all chunks so far."""
        labels = tuple(index.labels for index in self._indexes)
        return LabelledSums(
            sums=self._sums.sums([len(x) for x in labels]),
            labels=labels,
            n_read=self._n_read,
            missing=dict(self._missing),
            factor_counts=self._factor_counts,
        )


def label_columns(labels: pd.Index) -> list[object]:
    """The columns of labels as :meth:`.CombinedIndex.codes` takes them."""
    return [
        part.to_numpy()
        if isinstance(part.dtype, np.dtype) and part.dtype.kind in "iu"
        else pd.Series(part.astype(object))
        for part in label_parts(labels)
    ]
