"""Names in code that mean something else where they stand, and the aliases that replace them.

Columns may be called like Python keywords, numbers or functions, or have dots in their names.
"""

from __future__ import annotations

import keyword

ALIAS = "ˍ"
"""Appended to a name that means something else where it stands: see :func:`needs_alias`."""

DOT = "ˌ"
"""Stands for the dot in names of columns such as ``Sepal.Length`` inside calls."""

RESERVED = (ALIAS, DOT)
"""Letters that no name in a formula may have."""


def without_dots(column: str) -> str:
    """The name, as one identifier, of a column with dots."""
    return column.replace(".", DOT)


def unaliased(name: str) -> str:
    """A name as the user wrote it, without the alias of keywords."""
    return name.replace(ALIAS, "").replace(DOT, ".")


def needs_alias(column: str) -> bool:
    """Whether a column is called like a Python keyword or like a number.

    Inside a call Python would stumble over the first; formulaic takes `` `1` `` for 1.
    """
    return keyword.iskeyword(column) or column == "." or column.replace(".", "", 1).isdigit()


def aliased(column: str) -> str:
    """The name under which such a column is found."""
    return column + ALIAS
