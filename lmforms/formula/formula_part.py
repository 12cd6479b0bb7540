"""Parts of a formula as translated text, with the position of each character in the source.

The translation replaces what Python reads otherwise than R: ``^`` inside calls, and columns
named like Python keywords, numbers or functions.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import FormulaError, mark
from .aliases import ALIAS, needs_alias, unaliased, without_dots

_KEYWORDS = frozenset(keyword.kwlist) - frozenset(
    ["True", "False", "None", "and", "or", "not", "is", "in", "if", "else", "for", "lambda"]
)
"""Python's words that cannot stand in an expression, and so must be names of columns."""

_MODULES = ("np", "contr")
"""Names that formulas use with a dot."""

_DOTTED = re.compile(r"[^\W\d]\w*(?:\.\w+)+")


@dataclass(frozen=True)
class FormulaPart:
    """A part of the formula as text, with the place of every character in the source.

    Attributes
    ----------
    text : str
        The translated text.
    source : str
        The whole formula as the user wrote it.
    origin : tuple of int
        ``origin[i]`` is the index in `source` of ``text[i]``.
    """

    text: str
    source: str
    origin: tuple[int, ...]

    @property
    def label(self) -> str:
        """The text with white space normalised, for display."""
        text = unaliased(" ".join(self.text.split()))
        return text[1:-1] if text.startswith("{") and text.endswith("}") else text

    def written(self, start: int = 0, stop: int | None = None) -> str:
        """What the user wrote for ``text[start:stop]``, which is one piece of the formula."""
        places = self.origin[start:stop]
        return self.source[min(places) : max(places) + 1]

    def error(self, message: str, start: int = 0, stop: int | None = None) -> FormulaError:
        """A formula error that marks ``text[start:stop]`` in the user's formula."""
        return FormulaError(f"{message}\n{self.mark(start, stop)}")

    def mark(self, start: int = 0, stop: int | None = None) -> str:
        """The user's formula with carets under ``text[start:stop]``."""
        filled = [o for c, o in zip(self.text, self.origin, strict=True) if not c.isspace()]
        places = self.origin[start:stop] if stop is not None else tuple(filled)
        first, last = (min(places), max(places)) if places else (0, len(self.source) - 1)
        return mark(self.source, first, last + 1)


def translated(
    source: str, spans: Sequence[tuple[int, int]], *, quoted: bool = False
) -> FormulaPart:
    """The spans of the source, joined and translated.

    Inside calls ``^`` becomes Python's ``**`` (R users write ``I(x^2)``) and a column named
    like a Python keyword gets an alias. With `quoted`, everything counts as inside a call.
    """
    chars: list[str] = []
    origin: list[int] = []

    def put(new: str, at: int, last: int | None = None) -> None:
        """Add text that stands for ``source[at : last + 1]``."""
        chars.extend(new)
        origin.extend([at] * (len(new) - 1) + [at if last is None else last])

    def copy(first: int, last: int) -> None:
        chars.extend(source[first:last])
        origin.extend(range(first, last))

    for start, stop in spans:
        if chars:
            put(" ", start)
        text = source[start:stop]
        in_call = _inside_calls("{" + text + "}")[1:-1] if quoted else _inside_calls(text)
        if quoted:
            put("{", start)
        i = 0
        while i < len(text):
            word = _word(text, i)
            if text[i] == "`":
                stop_tick = text.find("`", i + 1) + 1 or len(text)
                name = text[i + 1 : stop_tick - 1]
                if in_call[i] and keyword.iskeyword(name):
                    put(name + ALIAS, start + i, start + stop_tick - 1)
                elif needs_alias(name) and not keyword.iskeyword(name):
                    put(f"`{name}{ALIAS}`", start + i, start + stop_tick - 1)
                else:
                    copy(start + i, start + stop_tick)
                i = stop_tick
            elif in_call[i] and word in _KEYWORDS:
                put(word + ALIAS, start + i, start + i + len(word) - 1)
                i += len(word)
            elif word:
                copy(start + i, start + i + len(word))
                i += len(word)
            elif in_call[i] and text[i] == "^":
                put("**", start + i)
                i += 1
            else:
                copy(start + i, start + i + 1)
                i += 1
        if quoted:
            put("}", stop - 1)
    return FormulaPart("".join(chars), source, tuple(origin))


def _word(text: str, i: int) -> str:
    """The identifier that starts at ``text[i]``, or an empty string."""
    stop = i
    while stop < len(text) and text[i : stop + 1].isidentifier():
        stop += 1
    return text[i:stop]


def with_function_aliases(part: FormulaPart, columns: Sequence[str]) -> FormulaPart:
    """The part with an alias for every called name that is also a column's.

    In ``log + log(w)`` with a column `log` the second is still the function, as in R. Columns
    whose names have dots are no attributes: ``log(Sepal.Length)``.
    """
    text, taken = part.text, set(columns)
    quote, i = "", 0
    chars: list[str] = []
    origin: list[int] = []
    while i < len(text):
        column = "" if quote else _dotted_column(text, i, taken)
        if column:
            chars.extend(without_dots(column))
            origin.extend(part.origin[i : i + len(column)])
            i += len(column)
            continue
        word = "" if quote else _word(text, i)
        stop = i + max(1, len(word))
        if not word and text[i] in "\"'`" and quote in ("", text[i]):
            quote = "" if quote else text[i]
        follows = text[stop : stop + 1]
        is_function = follows == "(" or (follows == "." and word in _MODULES)
        called = word in taken and is_function and text[i - 1 : i] != "."
        chars.extend(text[i:stop] + ALIAS * called)
        origin.extend([*part.origin[i:stop], *[part.origin[stop - 1]] * called])
        i = stop
    return FormulaPart("".join(chars), part.source, tuple(origin))


def _dotted_column(text: str, i: int, columns: Collection[str]) -> str:
    """The column with dots in its name that starts at ``text[i]``, or an empty string."""
    found = None if text[i - 1 : i] in (".", "`") else _DOTTED.match(text, i)
    name = found[0] if found else ""
    if found and text[found.end() : found.end() + 1] == "(":
        name = name.rpartition(".")[0]  # a method of the column
    while "." in name and name not in columns:
        name = name.rpartition(".")[0]
    return name if "." in name else ""


def _inside_calls(text: str) -> list[bool]:
    """For each character, whether it is Python code of a call (outside its strings)."""
    inside = [False] * len(text)
    quote, calls, depth = "", 0, list[bool]()
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
            continue
        inside[i] = calls > 0
        if char in "\"'`":
            quote = char
        elif char in "([{":
            is_call = char == "{" or (i > 0 and (text[i - 1].isalnum() or text[i - 1] in "_.`"))
            depth.append(is_call or calls > 0)
            calls += depth[-1]
        elif char in ")]}" and depth:
            calls -= depth.pop()
        inside[i] = calls > 0
    return inside
