"""Known covariance between the levels of a grouping factor: kinship, markers, space.

One :class:`Relationship` holds one covariance K with the labels of its rows, however it was
given: a matrix, a root, an inverse. The rest of the package makes them: :class:`Pedigree` (A and
its sparse inverse), :func:`vanraden` (markers), :func:`gaussian` and :func:`exponential`
(distance). Nothing here knows formulas or fits anything.

>>> import lmforms as lf
>>> pedigree = lf.relationship.Pedigree.of(["sire", "dam", "child"], [0, 0, "sire"], [0, 0, "dam"])
>>> pedigree.as_relationship()
Relationship(3 labels, sparse precision)
"""

from __future__ import annotations

from .genomic import vanraden
from .matrix import Relationship
from .pedigree import Pedigree
from .spatial import exponential, gaussian

__all__ = ["Pedigree", "Relationship", "exponential", "gaussian", "vanraden"]
