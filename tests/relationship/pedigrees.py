"""Random pedigrees, and A from its definition."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import strategies as st


@st.composite
def parents(draw, most=12, crossed=None):
    """Places of sires and dams, selfing and unknown parents included."""
    n = draw(st.integers(1, most))
    sire, dam = [], []
    for i in range(n):
        s, d = draw(st.integers(-1, i - 1)), draw(st.integers(-1, i - 1))
        if crossed is not None and sum(x >= 0 for x in sire + dam) >= crossed:
            s = d = -1
        sire.append(s)
        dam.append(d)
    return np.array(sire), np.array(dam)


def random_parents(rng, n, founders=10, back=None):
    """Parents among the animals before, the last `back` of them if given."""
    sire, dam = np.full(n, -1), np.full(n, -1)
    for i in range(founders, n):
        low = 0 if back is None else max(0, i - back)
        sire[i], dam[i] = rng.integers(low, i, 2)
    sire[rng.random(n) < 0.05] = -1
    return sire, dam


def by_gene_dropping(sire, dam):
    """A_ij = half the expected number of pairs of alleles of i and j that are one by descent.

    All ways in which alleles may be passed on are gone through, which is exact. A parent that
    is unknown gives an allele of its own.
    """
    n = len(sire)
    passed = [(i, k) for i in range(n) for k in (0, 1) if (sire, dam)[k][i] >= 0]
    A = np.zeros((n, n))
    ways = list(product((0, 1), repeat=len(passed)))
    for way in ways:
        choice = dict(zip(passed, way, strict=True))
        alleles = np.empty((n, 2), dtype=int)
        for i in range(n):
            for k, parent in enumerate((sire[i], dam[i])):
                alleles[i, k] = alleles[parent, choice[i, k]] if parent >= 0 else 2 * i + k
        same = alleles[:, None, :, None] == alleles[None, :, None, :]
        A += same.sum(axis=(2, 3)) / 2
    return A / len(ways)
