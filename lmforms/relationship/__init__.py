"""Known covariance between the levels of a grouping factor: kinship, markers, space.

A :class:`Relationship` has one covariance K with the labels of its rows, given as a matrix, a root
or an inverse. The other modules make them: :class:`Pedigree` (A and
its sparse inverse), :func:`vanraden` (markers), :func:`gaussian` and :func:`exponential`
(distance), :func:`ar1` (series and grids), :meth:`Relationship.kron` (interactions). This package
does not depend on formulas or models.

>>> import lmforms as lf
>>> pedigree = lf.relationship.Pedigree.of(["sire", "dam", "child"], [0, 0, "sire"], [0, 0, "dam"])
>>> pedigree.as_relationship()
Relationship(3 labels, sparse precision)
"""

from __future__ import annotations

from .autoregression import ar1
from .genomic import vanraden
from .matrix import Relationship
from .pedigree import Pedigree
from .spatial import exponential, gaussian

__all__ = ["Pedigree", "Relationship", "ar1", "exponential", "gaussian", "vanraden"]
