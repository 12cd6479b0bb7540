"""How a delimited text file is written: delimiter, decimal point, encoding, missing values."""

from __future__ import annotations

import codecs
import shlex
from dataclasses import dataclass

from ..errors import ArgumentError

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "<NA>", "#N/A", "NULL", "null")
"""Fields that are missing values, except in columns that are read as text."""

SEPARATORS = {r"\t": "\t", "tab": "\t", r"\s+": r"\s+", "space": r"\s+"}
"""What a delimiter may be called on a command line, besides any one character."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes
    ----------
    sep : str or None
        Delimiter; a tab for files called ``.tsv`` or ``.tab`` and a comma for others by default.
    decimal : str
    encoding : str
    na : tuple of str
        Missing values, besides :data:`MISSING`.
    text : tuple of str
        Columns that are text, whatever they look like.

    Raises
    ------
    ArgumentError
        One of them cannot be.
    """

    sep: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    na: tuple[str, ...] = ()
    text: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sep is not None and len(self.sep) != 1 and self.sep not in SEPARATORS:
            raise ArgumentError(
                f"--sep {self.sep!r}: one character is needed, such as --sep ';', or "
                f"{', '.join(SEPARATORS)}."
            )
        if len(self.decimal) != 1 or self.decimal.isalnum() or self.decimal in "+-\"' ":
            raise ArgumentError(f"--decimal {self.decimal!r}: give '.' or ','.")
        try:
            codecs.lookup(self.encoding)
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ArgumentError(
                f"--encoding {self.encoding!r} is unknown: give utf-8, utf-16, latin-1, cp1252 or "
                "another that Python has."
            ) from None

    def separator(self, name: str) -> str:
        """The delimiter of a file of that name."""
        if self.sep is None:
            plain = name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz")
            sep = "\t" if plain.endswith((".tsv", ".tab")) else ","
        else:
            sep = SEPARATORS.get(self.sep, self.sep)
        if sep == self.decimal:
            raise ArgumentError(
                f"--decimal {self.decimal!r} is the delimiter too: give another one, such as "
                "--sep ';'."
            )
        return sep


def option_text(name: str, value: str) -> str:
    """An option with its value, also where that looks like an option."""
    return f"{name}{'=' if value.startswith('-') and value != '-' else ' '}{_quoted(value)}"


def _quoted(text: str) -> str:
    """For a shell, in quotes even where it does without."""
    return shlex.quote(text) if "'" in text else f"'{text}'"
