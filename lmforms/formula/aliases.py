"""Aliases of column names that Python or formulaic would read as something else.

Columns may be called like Python keywords, numbers or functions, or have dots in their names.
"""

from __future__ import annotations

import keyword

ALIAS = "ˍ"
"""Appended to a name to make its alias: see :func:`needs_alias`."""

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

    Python cannot parse the first inside a call; formulaic reads `` `1` `` as the number 1.
    """
    return keyword.iskeyword(column) or column == "." or column.replace(".", "", 1).isdigit()


def aliased(column: str) -> str:
    """The name under which such a column is found."""
    return column + ALIAS
