"""Known covariances of levels as the engine takes them: by their inverse K⁻¹."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.design import Design
from ..engine.prior import Identity, Precision, Prior
from ..errors import RelationshipError
from .matrix import Relationship
from .representations import Precision as PrecisionMatrix
from .representations import Representation

LEAST_EIGENVALUE_RATIO = 1e-10
"""Smallest eigenvalue relative to the largest of a K that is inverted: six digits are left."""

LARGEST_INVERSE = 20_000
"""Largest K that is inverted as a dense matrix."""


def priors_of(
    design: Design,
    relationship: Mapping[str, Relationship],
    need: str = "correlated effects need",
    remedy: str = " Write `||` in place of `|`.",
) -> list[Prior]:
    """One prior for each grouping factor; none if all levels are independent.

    Parameters
    ----------
    design : Design
    relationship : mapping of str to Relationship
    need, remedy : str
        What needs the inverse, and what else to do, for the message.

    Raises
    ------
    RelationshipError
        A covariance has no inverse to working precision, or is too large to be inverted.
    """
    if not relationship:
        return []
    priors: list[Prior] = []
    for group in design.groups:
        known = relationship.get(group.name)
        try:
            priors.append(Identity() if known is None else Precision(_precision(known.form)))
        except RelationshipError as exc:
            raise RelationshipError(
                f"relationship of `{group.name}`: {need} the inverse of K, which {exc}{remedy}"
            ) from None
    return priors


def _precision(form: Representation) -> Any:
    """K⁻¹ (q, q) as a sparse matrix, full unless K was given by its precision."""
    import scipy.sparse as sp

    if isinstance(form, PrecisionMatrix):
        return form.matrix
    if form.q > LARGEST_INVERSE:
        raise RelationshipError(
            f"has {form.q:,} levels: give its sparse precision, by Relationship.from_precision."
        )
    values, vectors = np.linalg.eigh(form.dense())
    if values[0] <= LEAST_EIGENVALUE_RATIO * values[-1]:
        left_out = int((values <= LEAST_EIGENVALUE_RATIO * values[-1]).sum())
        raise RelationshipError(
            f"is singular: {left_out} of its {form.q:,} directions have no variance."
        )
    return sp.csc_matrix((vectors / values) @ vectors.T)
