"""Modalities: checked numerical matrices of the same rows.

A modality is a response, fixed-like or random-like, and its side says which code it depends on:
K + H, K or H. There is one response; of the other two kinds there may be several.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..support.arrays import BoolArray, FloatArray

CHUNK_ENTRIES = 2**20
"""Entries of a matrix that are processed together: 8 MiB."""


class Side(Enum):
    """The kind of a modality, which says which code it depends on.

    Its value is (s, t) of that code sK + tH: K + H for the response, K for fixed-like and H for
    random-like modalities.
    """

    RESPONSE = (1.0, 1.0)
    FIXED = (1.0, 0.0)
    RANDOM = (0.0, 1.0)

    def design(self, loading: FloatArray) -> FloatArray:
        """The loading as a matrix for (K, H) side by side, (c, 2k).

        Examples
        --------
        >>> Side.RANDOM.design(np.array([[2.0]]))
        array([[0., 2.]])
        """
        return np.hstack([share * loading for share in self.value])

    def spread(self, gram: FloatArray) -> FloatArray:
        """A Gram matrix of loadings (…, k, k), placed in the system of (K, H) (…, 2k, 2k).

        Examples
        --------
        >>> Side.FIXED.spread(np.array([[2.0]]))
        array([[2., 0.],
               [0., 0.]])
        """
        return np.kron(np.outer(self.value, self.value), gram)


@dataclass(frozen=True, eq=False)
class Modality:
    """One matrix of the same rows as all others.

    Attributes
    ----------
    values : ndarray or scipy.sparse.csr_array (n, c)
        Zero where not seen.
    side : Side
    seen : ndarray of bool (n, c), optional
        Where the values are known; None if everywhere.
    """

    values: Any
    side: Side
    seen: BoolArray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n, c = self.values.shape
        return int(n), int(c)

    @cached_property
    def square(self) -> float:
        """‖·‖² over what is known."""
        return squared_norm(self.values)

    @cached_property
    def squares(self) -> FloatArray:
        """‖·‖² of each column, over what is known."""
        if sp.issparse(self.values):
            return np.asarray(self.values.multiply(self.values).sum(axis=0)).ravel()
        return np.einsum("ij,ij->j", self.values, self.values)

    def rows(self, chosen: Any) -> Modality:
        """Some of the rows."""
        seen = None if self.seen is None else self.seen[chosen]
        return Modality(self.values[chosen], self.side, seen)

    def columns(self, chosen: Any) -> Modality:
        """Some of the columns."""
        values = self.values[:, chosen]
        values = values if sp.issparse(values) else np.ascontiguousarray(values)
        return Modality(values, self.side, None if self.seen is None else self.seen[:, chosen])


@dataclass(frozen=True, eq=False)
class Modalities:
    """All modalities of a form, the response first.

    Attributes
    ----------
    parts : tuple of Modality
    """

    parts: tuple[Modality, ...]

    @classmethod
    def of(cls, Y: Any, X: Any, Z: Any, seen: BoolArray | None = None) -> Modalities:
        """The plain case of three matrices.

        Examples
        --------
        >>> Modalities.of(np.eye(2), np.ones((2, 3)), np.eye(2)).n
        2
        """
        return cls(
            (Modality(Y, Side.RESPONSE, seen), Modality(X, Side.FIXED), Modality(Z, Side.RANDOM))
        )

    def __iter__(self) -> Iterator[Modality]:
        return iter(self.parts)

    @property
    def response(self) -> Modality:
        """Y."""
        return self.parts[0]

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.response.shape[0]

    @property
    def complete(self) -> bool:
        """Whether every entry is known."""
        return all(part.seen is None for part in self)

    def rows(self, chosen: Any) -> Modalities:
        """Some of the rows."""
        return Modalities(tuple(part.rows(chosen) for part in self))


def squared_norm(A: Any) -> float:
    """‖A‖²_F of a dense or sparse matrix.

    Examples
    --------
    >>> squared_norm(np.array([[3.0, 0.0], [0.0, 4.0]]))
    25.0
    """
    values = A.data if sp.issparse(A) else A
    return float(np.vdot(values, values))
