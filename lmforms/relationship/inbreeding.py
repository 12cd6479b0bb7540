"""Inbreeding of ordered animals: from A itself for few, by Meuwissen and Luo (1992) for many."""

from __future__ import annotations

import numpy as np

from ..support.arrays import FloatArray, IndexArray, IntArray
from .ancestry import generations

MOST_TABULAR_ANIMALS = 1_000
"""Up to this many animals A is computed (8 MB), which is faster than importing numba."""


def tabular_relationship(sire: IntArray, dam: IntArray) -> FloatArray:
    """A (n, n) by the tabular method: a row is the mean of the parents' rows.

    Emik and Terrill (1949); Henderson (1976), Biometrics 32, 69–83.

    Parameters
    ----------
    sire, dam : ndarray of int (n,)
        Positions of the parents, before their offspring; −1 if unknown.
    """
    n = len(sire)
    A = np.zeros((n, n))
    for i, (s, d) in enumerate(zip(sire.tolist(), dam.tolist())):
        A[i, i] = 1.0
        if s >= 0:
            A[i, :i] += 0.5 * A[s, :i]
        if d >= 0:
            A[i, :i] += 0.5 * A[d, :i]
        if s >= 0 and d >= 0:
            A[i, i] += 0.5 * A[s, d]
        A[:i, i] = A[i, :i]
    return A


def inbreeding(sire: IntArray, dam: IntArray) -> FloatArray:
    """F (n,) = diagonal of A − 1."""
    if len(sire) <= MOST_TABULAR_ANIMALS:
        return np.asarray(np.diagonal(tabular_relationship(sire, dam)) - 1.0)
    return inbreeding_by_families(sire, dam)


def mendelian_variances(sire: IntArray, dam: IntArray, F: FloatArray) -> FloatArray:
    """Variances of Mendelian sampling, D of A = TDT': 1 less ¼(1 + F) of each known parent.

    Quaas (1976), Biometrics 32, 949–953.
    """
    lost = np.append(0.25 * (1.0 + F), 0.0)  # position −1 is an unknown parent
    return np.asarray(1.0 - lost[sire] - lost[dam])


def inbreeding_by_families(sire: IntArray, dam: IntArray) -> FloatArray:
    """F (n,) without A, in O(n) memory.

    With the row t of T that an animal inherits, t = ½(t_sire + t_dam) on its ancestors, its
    variance is Σ t_k² d_k + d_own, and that is 1 + F (Meuwissen and Luo 1992, Genetics
    Selection Evolution 24, 305–313). Full sibs share F, so it is computed once per family; families
    of one generation are independent of each other and are processed together.
    """
    from .inbreeding_kernel import inherited_variance

    n = len(sire)
    F, own = np.zeros(n), mendelian_variances(sire, dam, np.zeros(n))
    generation = generations(sire, dam)
    crossed = np.flatnonzero((sire >= 0) & (dam >= 0))
    if not len(crossed):
        return F
    keys, family = np.unique(sire[crossed] * n + dam[crossed], return_inverse=True)
    first, second = np.divmod(keys, n)
    born = 1 + np.maximum(generation[first], generation[second])
    by_birth = np.argsort(born, kind="stable")  # families of one sire stay side by side
    families = _runs(born[by_birth], by_birth)
    animals = _runs(np.sort(generation), np.argsort(generation, kind="stable"))
    of_animal = np.full(n, -1)
    of_animal[crossed] = family
    variance = np.zeros(len(keys))
    for g in range(1, int(generation.max()) + 1):
        mine = families.get(g)
        offspring = animals[g]
        own[offspring] = mendelian_variances(sire[offspring], dam[offspring], F)
        if mine is not None:
            variance[mine] = inherited_variance(sire, dam, own, first[mine], second[mine])
            inner = offspring[of_animal[offspring] >= 0]
            F[inner] = np.maximum(variance[of_animal[inner]] + own[inner] - 1.0, 0.0)
    return F


def _runs(keys: IntArray, values: IndexArray) -> dict[int, IndexArray]:
    """Values by key, for ascending keys."""
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    parts = np.split(values, starts[1:])
    return {int(keys[s]): part for s, part in zip(starts, parts, strict=True)}
