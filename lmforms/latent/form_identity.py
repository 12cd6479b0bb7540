"""The paper's full expression, as printed and with the inverses that make it hold.

Let π(L) = L(L'L)⁻¹. If Y = (K+H)α', X = Kβ' and Z = Hu', then Yπ(α) = K + H, Xπ(β) = K and
Zπ(u) = H, so that

    Yπ(α) = Xπ(β) + Zπ(u) + e,   e = 0.

Each product is the least-squares code of the rows from one modality alone. As printed, without the
inverses, (K+H)(α'α) = K(β'β) + H(u'u) + e defines e, and nothing makes it small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError, ModelError
from ..support.arrays import FloatArray
from ..support.row_chunks import row_chunks
from .modalities import CHUNK_ENTRIES, Modalities, Modality, Side, squared_norm
from .normal_equations import masked_gram
from .objective import Codes, Loadings, Weights

NEGLIGIBLE_EIGENVALUE = 1e-14
"""An eigenvalue of L'L below this share of the largest is rounding."""

CODE_NAMES = {Side.FIXED: "β of X", Side.RANDOM: "u of Z"}


@dataclass(frozen=True, eq=False, repr=False)
class FormIdentity:
    """The full expression of the paper and what is left of it.

    Attributes
    ----------
    e : ndarray or DataFrame (n, k)
        The difference of the two sides. NaN in rows where too little of Y was seen.
    share : float
        ‖e‖² over that of the left side: zero if the identity holds; above one if its right side
        is no better than zero.
    normalised : bool
        Whether it is Yπ(α) = Xπ(β) + Zπ(u) + e, or as printed.
    """

    e: Any
    share: float
    normalised: bool

    def __repr__(self) -> str:
        printed = "(K+H)(α'α) = K(β'β) + H(u'u) + e"
        expression = "Yπ(α) = Xπ(β) + Zπ(u) + e" if self.normalised else printed
        n, k = self.e.shape
        return f"<FormIdentity {expression}: e is {n}×{k}, with a share of {self.share:.3g}>"


def printed_identity(codes: Codes, loadings: Loadings, sides: tuple[Side, ...]) -> FormIdentity:
    """(K+H)(α'α) = K(β'β) + H(u'u) + e; Gram matrices of one side are added.

    Examples
    --------
    >>> K, H = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    >>> printed_identity(Codes(K, H), (np.ones((1, 1)),) * 3, tuple(Side)).share
    0.0
    """
    terms = [(side, codes.of_side(side) @ (L.T @ L)) for side, L in zip(sides, loadings)]
    left = sum(term for side, term in terms if side is Side.RESPONSE)
    e = left - sum(term for side, term in terms if side is not Side.RESPONSE)
    return FormIdentity(e, squared_norm(e) / squared_norm(left), normalised=False)


class SeparateCodes:
    """Codes of the rows from each side alone, of which :meth:`identity` is made.

    They are computed while the data are at hand; what cannot be is refused when it is asked for.

    Parameters
    ----------
    data : Modalities
    loadings : tuple of ndarray (c_j, k)
    weights : tuple of float
        Of several modalities of one side those of F: their code minimises that part of F.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> K, H = rng.normal(size=(2, 9, 2))
    >>> loadings = tuple(rng.normal(size=(4, 2)) for _ in range(3))
    >>> data = Modalities.of(*(C @ L.T for C, L in zip((K + H, K, H), loadings)))
    >>> SeparateCodes(data, loadings, (1.0, 1.0, 1.0)).identity().share < 1e-25
    True
    """

    def __init__(self, data: Modalities, loadings: Loadings, weights: Weights) -> None:
        response, alpha = data.response, loadings[0]
        self._left, self._basis = _response_codes(response, alpha)
        self._right = np.zeros_like(self._left)
        self._short: list[str] = []
        for side, name in CODE_NAMES.items():
            parts = [p for p in zip(data, loadings, weights) if p[0].side is side]
            gram = sum(w * (L.T @ L) for _, L, w in parts)
            cross = sum(w * (part.values @ L) for part, L, w in parts)
            inverse, basis = _pseudo_inverse(np.asarray(gram))
            self._right += cross @ inverse
            if basis.shape[1] < len(inverse):
                self._short.append(f"{name} has rank {basis.shape[1]}")

    def identity(self) -> FormIdentity:
        """Yπ(α) = Xπ(β) + Zπ(u) + e, in the directions that α determines.

        Raises
        ------
        ModelError
            β or u has less than full column rank.
        DataError
            No row has enough entries of Y.
        """
        k = len(self._basis)
        if self._short:
            raise ModelError(
                f"form_identity: of {k} components {' and '.join(self._short)}, so that π is not "
                "defined. Lower the rank, or take normalised=False, the expression as printed."
            )
        known = ~np.isnan(self._left).any(axis=1)
        if not known.any():
            raise DataError(
                "form_identity: no row has as many entries of Y as α has independent columns, so "
                "that Yπ(α) is not defined. Lower the rank, or take normalised=False."
            )
        e = self._left - self._right @ (self._basis @ self._basis.T)
        return FormIdentity(
            e, squared_norm(e[known]) / squared_norm(self._left[known]), normalised=True
        )


def _response_codes(response: Modality, alpha: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Yα(α'α)⁺ and a basis (k, r) of the directions that α determines.

    A row with missing entries has its own α'α; it is NaN where that determines less than α does.
    """
    inverse, basis = _pseudo_inverse(alpha.T @ alpha)
    cross = response.values @ alpha
    found = cross @ inverse
    if response.seen is None:
        return found, basis
    gaps = np.flatnonzero(~response.seen.all(axis=1))
    reduced = alpha @ basis
    for chosen in row_chunks(len(gaps), reduced.size + inverse.size, CHUNK_ENTRIES):
        rows = gaps[chosen]
        grams = masked_gram(reduced, response.seen[rows].T)
        values, vectors = np.linalg.eigh(grams)
        enough = values[:, 0] > NEGLIGIBLE_EIGENVALUE * values[:, -1]
        right = np.einsum("ijk,ij->ik", vectors, cross[rows] @ basis)
        right = np.divide(right, values, out=np.full_like(right, np.nan), where=enough[:, None])
        found[rows] = np.einsum("ijk,ik->ij", vectors, right) @ basis.T
    return found, basis


def _pseudo_inverse(gram: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The pseudo-inverse of L'L and a basis of its range."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > NEGLIGIBLE_EIGENVALUE * max(values[-1], np.finfo(float).tiny)
    basis = vectors[:, kept]
    return (basis / values[kept]) @ basis.T, basis
