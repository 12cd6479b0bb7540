"""Kinds of operations on rows, which compiled loops take as constants.

They are apart from the loops so that they can be had without numba; the machine code of the loops
is kept as long as modules of this kind of name do not change.
"""

from __future__ import annotations

NUMBER, SCALED, MORE_SCALED, PRODUCT, MORE_PRODUCT, ROOT = range(6)
LOAD, LOAD_MORE, GATHER, STORE, SCATTER = range(6, 11)
"""Named like the methods of :class:`~.level_operations.LevelOperations` that note them."""

TABLES = 10
"""Tables that a list of operations can use."""
