"""What a sparse Cholesky factor would cost, counted before it is made."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]


def costs_more(pattern: Any, backend: str, limit: float) -> bool:
    """Whether factoring a symmetric pattern takes more than `limit` multiplications.

    In CHOLMOD's order where it is the backend, in reverse Cuthill–McKee's otherwise (SuperLU
    does not tell its own without factoring), which rather overstates the cost.

    Parameters
    ----------
    pattern : sparse matrix (m, m)
    backend : {"cholmod", "superlu"}
    limit : float
        On Σ c², c the entries of a column of L.

    References
    ----------
    Davis (2006), *Direct Methods for Sparse Linear Systems*, chapter 4: L's rows are
    subtrees of the elimination tree.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> costs_more(sp.eye(5, format="csr"), "superlu", 10.0)
    False
    >>> costs_more(sp.csr_matrix(np.ones((5, 5))), "superlu", 10.0)
    True
    """
    import scipy.sparse as sp
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    matrix = sp.csc_matrix(pattern, dtype=np.float64)
    matrix.indices = matrix.indices.astype(np.int32)
    matrix.indptr = matrix.indptr.astype(np.int32)
    if backend == "cholmod":
        from sksparse.cholmod import analyze

        order = analyze(matrix, mode="simplicial").P()
    else:
        order = reverse_cuthill_mckee(matrix.tocsr(), symmetric_mode=True)
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    indptr, indices = matrix.indptr, matrix.indices
    return bool(_exceeds(indptr, indices, order.astype(np.int32), place, float(limit)))


@numba.njit(["boolean(int32[::1], int32[::1], int32[::1], int32[::1], float64)"], cache=True)
def _exceeds(indptr: Any, indices: Any, order: Any, place: Any, limit: float) -> bool:
    m = len(order)
    parent = np.full(m, -1, np.int32)
    seen = np.full(m, -1, np.int32)
    counts = np.ones(m, np.int64)
    work = float(m)
    for i in range(m):
        seen[i] = i
        column = order[i]
        for e in range(indptr[column], indptr[column + 1]):
            j = place[indices[e]]
            if j > i:
                continue
            while seen[j] != i:  # up the elimination tree to row i
                if parent[j] == -1:
                    parent[j] = i
                work += 2.0 * counts[j] + 1.0
                counts[j] += 1
                seen[j] = i
                j = parent[j]
        if work > limit:
            return True
    return False
