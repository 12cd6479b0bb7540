"""Rows taken in parts, so that the arrays of one part fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

MOST_NUMBERS = 4_000_000
"""Numbers in the array of one part."""


def row_chunks(n: int, width: int, most: int = MOST_NUMBERS) -> Iterator[slice]:
    """Parts of n rows of so many numbers each.

    Parameters
    ----------
    n, width : int
    most : int
        Numbers in a part; it has one row at least.

    Examples
    --------
    >>> list(row_chunks(5, 10, most=20))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(most // max(width, 1), 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
