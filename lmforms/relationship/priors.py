"""Known covariances of levels as the engine takes them: by a root of K, or by K⁻¹."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ..data.design import Design
from ..engine.prior import Identity, Precision, Prior, Root
from ..errors import ModelError, RelationshipError
from .inverse import inverse_of
from .matrix import Relationship
from .representations import Precision as PrecisionMatrix
from .representations import Representation


def priors_of(design: Design, relationship: Mapping[str, Relationship]) -> list[Prior]:
    """One prior for each grouping factor; none if all levels are independent.

    Sparse precisions are used as they are, all other covariances by a root L with LL' = K.

    Parameters
    ----------
    design : Design
    relationship : mapping of str to Relationship

    Raises
    ------
    ModelError
        A covariance is zero everywhere.
    """
    return _by_group(design, relationship, prior_of) if relationship else []


def precisions_of(
    design: Design, relationship: Mapping[str, Relationship], advice: str
) -> list[Prior]:
    """K⁻¹ of each grouping factor.

    Parameters
    ----------
    design : Design
    relationship : mapping of str to Relationship
    advice : str
        What to do where there is none.

    Raises
    ------
    RelationshipError
        A covariance has no inverse to working precision, or is too large to be inverted.
    """
    return _by_group(design, relationship, partial(_precision, advice))


def _by_group(
    design: Design,
    relationship: Mapping[str, Relationship],
    prior_of: Callable[[str, Representation], Prior],
) -> list[Prior]:
    known = [relationship.get(group.name) for group in design.groups]
    return [
        Identity() if k is None else prior_of(group.name, k.form)
        for group, k in zip(design.groups, known, strict=True)
    ]


def prior_of(name: str, form: Representation) -> Prior:
    """The prior of one covariance, with the name of what has it.

    Raises
    ------
    ModelError
        It is zero everywhere.
    """
    import scipy.sparse as sp

    if isinstance(form, PrecisionMatrix):
        return Precision(sp.csc_matrix(form.matrix), form.mean_variance(), form)
    root = form.root()
    if root.shape[1] == 0:
        raise ModelError(f"relationship: the covariance of `{name}` is zero everywhere.")
    return Root(root if isinstance(root, np.ndarray) else root.tocsr(), form.mean_variance())


def _precision(advice: str, name: str, form: Representation) -> Prior:
    import scipy.sparse as sp

    try:
        matrix = inverse_of(form)
    except RelationshipError as exc:
        raise RelationshipError(
            f"relationship of `{name}`: the inverse of K is needed, which {exc} {advice}"
        ) from None
    return Precision(sp.csc_matrix(matrix), form.mean_variance())
