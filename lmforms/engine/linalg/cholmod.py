"""CHOLMOD through scikit-sparse, where that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...errors import MemoryLimitError
from ...support.arrays import FloatArray, IntArray
from .not_positive_definite import NotPositiveDefiniteError


def have_cholmod() -> bool:
    """Whether scikit-sparse is installed."""
    try:
        import sksparse.cholmod  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def _memory_errors(what: str) -> Iterator[None]:
    """CHOLMOD's errors of memory, or of integers that cannot count so many entries, as ours."""
    from sksparse.cholmod import CholmodOutOfMemoryError, CholmodTooLargeError

    try:
        yield
    except (CholmodOutOfMemoryError, CholmodTooLargeError):
        raise MemoryLimitError(
            f"CHOLMOD found no memory for {what}: use "
            "Control(factor='cg'), fewer levels or fewer random slopes."
        ) from None


class Cholmod:
    """A pattern that CHOLMOD has analysed.

    Parameters
    ----------
    indptr, indices : ndarray of int
        Lower triangle by columns, rows ascending.

    Attributes
    ----------
    order : ndarray of int (m,)
    """

    def __init__(self, indptr: IntArray, indices: IntArray) -> None:
        from sksparse.cholmod import analyze

        self._indptr, self._indices = indptr.astype(np.int32), indices.astype(np.int32)
        with _memory_errors(f"the pattern of {len(indices):,} entries"):
            self._symbolic = analyze(self._matrix(np.ones(len(indices))), mode="auto")
        self.order: IntArray = np.asarray(self._symbolic.P(), dtype=np.int64)

    def _matrix(self, values: FloatArray) -> Any:
        import scipy.sparse as sp

        m = len(self._indptr) - 1
        return sp.csc_matrix((values, self._indices, self._indptr), shape=(m, m))

    def factor(self, values: FloatArray, nnz: int) -> tuple[Any, Any]:
        """L, with zeros where columns were taken together, and what solves with it.

        Parameters
        ----------
        values : ndarray
            Numbers on the lower triangle.
        nnz : int
            Entries of L, for messages.

        Raises
        ------
        NotPositiveDefiniteError
        """
        from sksparse.cholmod import CholmodNotPositiveDefiniteError

        try:
            with _memory_errors(f"a factor with {nnz:,} entries"):
                factored = self._symbolic.cholesky(self._matrix(values))
                lower = factored.L()
        except CholmodNotPositiveDefiniteError:  # which does not always tell the column
            raise NotPositiveDefiniteError from None
        lower.sort_indices()
        return lower, factored
