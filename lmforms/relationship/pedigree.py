"""Pedigrees: inbreeding, the numerator relationship A and its sparse inverse."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, RelationshipError
from ..support.arguments import flag, named_arguments, sequence
from ..support.arrays import FloatArray, IntArray
from . import ancestry
from .inbreeding import inbreeding, mendelian_variances, tabular_relationship
from .labels import Labels, checked_labels, listed_values, named
from .matrix import Relationship
from .matrix_roots import Sparse
from .representations import Precision

UNKNOWN_PARENTS = (0, "", "0")
"""Default marks of an unknown parent, besides None and NaN."""

LEAST_MENDELIAN_VARIANCE = 1e-12
"""A smaller Mendelian sampling variance is zero: A is singular to working precision."""


class PedigreeFactor(NamedTuple):
    """A⁻¹ = W'D⁻¹W with W = T⁻¹ of A = TDT'.

    Attributes
    ----------
    inverse : scipy.sparse matrix (n, n)
        T⁻¹, unit lower triangular: −½ at the parents of each animal.
    d : ndarray (n,)
        Variances of Mendelian sampling, the diagonal of D.
    """

    inverse: Sparse
    d: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Pedigree:
    """Animals (or plants) with their parents, these first. Made by :meth:`of`.

    Attributes
    ----------
    labels : tuple
        Names of the animals.
    sire, dam : ndarray of int (n,)
        Positions of the parents among them, −1 if unknown. Both may be the same (selfing).

    Examples
    --------
    The pedigree of Mrode (2014), Linear Models for the Prediction of Animal Breeding Values,
    example 2.1:

    >>> pedigree = Pedigree.of([1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 4, 5], [0, 0, 2, 0, 3, 2])
    >>> pedigree
    Pedigree(6 animals, 2 founders)
    >>> pedigree.inbreeding()
    array([0.   , 0.   , 0.   , 0.   , 0.125, 0.125])
    >>> pedigree.precision().toarray().round(2)[0]
    array([ 1.83,  0.5 , -1.  , -0.67,  0.  ,  0.  ])
    """

    labels: Labels
    sire: IntArray
    dam: IntArray

    @classmethod
    @named_arguments
    def of(
        cls,
        animal: Any,
        sire: Any = None,
        dam: Any = None,
        *,
        sort: bool = False,
        add_parents: bool = False,
        unknown: Collection[Any] = UNKNOWN_PARENTS,
    ) -> Pedigree:
        """A pedigree from three columns.

        Parameters
        ----------
        animal : table with columns `animal`, `sire` and `dam`, or sequence of n values
            A pandas, polars or Arrow table, or a mapping of columns.
        sire, dam : sequence of n values
            Labels of the parents. None, NaN and what is in `unknown` are unknown. Rows of Series
            are found by their index.
        sort : bool
            Whether to move parents in front of their offspring.
        add_parents : bool
            Whether parents that are not listed become founders, in front of the others; not
            those that seem to be marks of an unknown parent, like "NA".
        unknown : collection
            By default 0, "" and "0".

        Raises
        ------
        RelationshipError
            If animals are listed twice or before their parents, parents are not listed, or an
            animal is its own ancestor.

        Examples
        --------
        >>> Pedigree.of(["child", "mother"], [None, None], ["mother", None], sort=True).labels
        ('mother', 'child')
        """
        sort, add_parents = flag("sort", sort), flag("add_parents", add_parents)
        marks = sequence("unknown", unknown, "what stands for an unknown parent")
        names, parents = _columns(animal, sire, dam)
        labels = list(checked_labels(names, "Animals"))
        known = ancestry.without_unknown(labels, parents, marks)
        if add_parents:
            labels, known = ancestry.with_founders(labels, known, unknown)
        s, d = ancestry.places(labels, known, unknown)
        if not ancestry.check_order(labels, s, d):
            order = ancestry.parents_first(labels, s, d)  # reports a loop before a wrong order
            if not sort:
                ancestry.refuse_order(labels, s, d)
            place = np.append(np.argsort(order), -1)
            labels = [labels[i] for i in order]
            s, d = place[s[order]], place[d[order]]
        return cls(tuple(labels), s, d)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        founders = int(((self.sire < 0) & (self.dam < 0)).sum())
        return f"Pedigree({len(self):,} animals, {founders:,} founders)"

    @named_arguments
    def inbreeding(self) -> FloatArray:
        """Coefficients of inbreeding F (n,): the diagonal of A less 1.

        References
        ----------
        Meuwissen and Luo (1992), Computing inbreeding coefficients in large populations,
        Genetics Selection Evolution 24, 305–313.

        Examples
        --------
        Selfing halves what segregates:

        >>> Pedigree.of("abcd", [0, "a", "b", "c"], [0, "a", "b", "c"]).inbreeding()
        array([0.   , 0.5  , 0.75 , 0.875])
        """
        return self._inbreeding.copy()

    @named_arguments
    def relationship(self) -> FloatArray:
        """The numerator relationship A (n, n), dense, by the tabular method."""
        return tabular_relationship(self.sire, self.dam)

    @named_arguments
    def factor(self) -> PedigreeFactor:
        """T⁻¹ and D of A = TDT' (Quaas 1976, Biometrics 32, 949–953)."""
        import scipy.sparse as sp

        n = len(self)
        own = np.arange(n)
        rows: list[IntArray] = [own]
        columns: list[IntArray] = [own]
        data = [np.ones(n)]
        for parent in (self.sire, self.dam):
            has = np.flatnonzero(parent >= 0)
            rows.append(has)
            columns.append(parent[has])
            data.append(np.full(len(has), -0.5))
        where = np.concatenate(rows), np.concatenate(columns)
        inverse = sp.coo_matrix((np.concatenate(data), where), shape=(n, n)).tocsr()
        return PedigreeFactor(inverse, mendelian_variances(self.sire, self.dam, self._inbreeding))

    @named_arguments
    def precision(self) -> Sparse:
        """A⁻¹ (n, n), sparse, by Henderson's rules with inbreeding.

        Each animal adds (1, −½, −½)'(1, −½, −½)/d at itself and its parents.

        Raises
        ------
        RelationshipError
            If parents are inbred so fully that their offspring do not vary: A is singular.

        References
        ----------
        Henderson (1976), A simple method for computing the inverse of a numerator relationship
        matrix used in prediction of breeding values, Biometrics 32, 69–83.
        """
        import scipy.sparse as sp

        n = len(self)
        d = self._segregating()
        at = np.stack([np.arange(n), self.sire, self.dam], axis=1)
        weight = np.where(at >= 0, np.array([1.0, -0.5, -0.5]), 0.0)
        data = weight[:, :, None] * weight[:, None, :] / d[:, None, None]
        rows = np.broadcast_to(at[:, :, None], data.shape)
        columns = np.broadcast_to(at[:, None, :], data.shape)
        there = data != 0
        where = rows[there], columns[there]
        return sp.coo_matrix((data[there], where), shape=(n, n)).tocsc()

    @named_arguments
    def as_relationship(self) -> Relationship:
        """A as its sparse inverse with labels, factored already.

        Examples
        --------
        >>> trio = Pedigree.of(["s", "d", "o"], [0, 0, "s"], [0, 0, "d"])
        >>> trio.as_relationship().subset(["o", "s"]).dense()
        array([[1. , 0.5],
               [0.5, 1. ]])
        """
        import scipy.sparse as sp

        precision = self.precision()
        inverse, d = self.factor()
        triangle = (sp.diags(1.0 / np.sqrt(d)) @ inverse).tocsr()
        return Relationship(self.labels, Precision(precision, triangle, np.arange(len(self))))

    @cached_property
    def _inbreeding(self) -> FloatArray:
        return inbreeding(self.sire, self.dam)

    def _segregating(self) -> FloatArray:
        d = mendelian_variances(self.sire, self.dam, self._inbreeding)
        fixed = np.flatnonzero(d < LEAST_MENDELIAN_VARIANCE)
        if len(fixed):
            raise RelationshipError(
                f"A has no inverse: the parents of {named([self.labels[i] for i in fixed])} are "
                "fully inbred. Relationship.of(pedigree.relationship(), pedigree.labels) does "
                "without one."
            )
        return d


def _columns(animal: Any, sire: Any, dam: Any) -> tuple[list[Any], list[list[Any]]]:
    if sire is None and dam is None:
        names, sires, dams = ancestry.columns_of(animal)
    elif sire is None or dam is None:
        raise ArgumentError("Pedigree.of takes a frame, or the three columns animal, sire, dam.")
    else:
        if hasattr(animal, "index") and hasattr(animal, "iloc"):
            from ..data.align import in_row_order

            sire, dam = (
                in_row_order(f"`{what}`", parent, animal.index)
                for what, parent in (("sire", sire), ("dam", dam))
            )
        given = (("animal", animal), ("sire", sire), ("dam", dam))
        names, sires, dams = (listed_values(name, column) for name, column in given)
    if not len(names) == len(sires) == len(dams):
        raise RelationshipError(
            f"There are {len(names):,} animals, but {len(sires):,} sires and {len(dams):,} dams."
        )
    return names, [sires, dams]
