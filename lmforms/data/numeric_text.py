"""Columns of numbers that a few entries have turned into text.

One ``.`` or ``n/a`` makes text of a column, and a model takes text for a factor: one coefficient
for every number. The functions here tell whether that was intended.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ..errors import DataError
from .label_messages import named

if TYPE_CHECKING:
    import pandas as pd

MISSING_MARKS = frozenset(
    ("", ".", "..", "?", "-", "--", "*", "na", "n/a", "n.a.", "nan", "null", "nil", "<na>")
) | {"#n/a", "#na", "#null!", "#div/0!", "#value!"}
"""What stands for a missing value in files, in lower case."""

MAX_RARE_SHARE = 0.1
"""Entries that are no numbers are taken for mistakes in at most this share of the rows: a level of
a factor has more."""

MAX_MARKS, MIN_NUMBERS_BESIDE_MARKS = 2, 12
"""At most so many texts beside at least so many numbers are marks of missing values, whatever
their share of the rows."""

MIN_NUMBERS_BESIDE_RARE = 5
"""Rare texts are mistakes only beside at least so many different numbers: a factor may have a few
doses and a control as levels."""

_CATEGORY = "data[{0!r}].astype('category'), in polars .cast(polars.Categorical)"

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}(,\d{3})+(\.\d*)?\s*", re.ASCII)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*", re.ASCII)


def is_number(text: str) -> bool:
    """Whether a text is a number, without thousands separators."""
    return _NUMBER.fullmatch(text) is not None


def is_missing_mark(text: str) -> bool:
    """Whether a text usually stands for a missing value."""
    return text.strip().lower() in MISSING_MARKS


def non_numeric_entries(counts: Mapping[str, int]) -> list[str]:
    """Entries that keep a column of numbers from being one; none if it is a factor.

    Parameters
    ----------
    counts : mapping of str to int
        How many rows each entry has.

    Examples
    --------
    >>> non_numeric_entries({"1.5": 3, "2.5": 4, ".": 1})
    ['.']
    >>> non_numeric_entries({"10 mg": 9, "20 mg": 9, "none": 9})
    []
    >>> non_numeric_entries({**{str(i): 1 for i in range(40)}, "missing": 9})
    ['missing']
    """
    others = [text for text in counts if not is_number(text)]
    numbers = len(counts) - len(others)
    if not others or not numbers:
        return []
    rows = sum(counts[text] for text in others)
    rare = rows <= MAX_RARE_SHARE * sum(counts.values()) and numbers >= MIN_NUMBERS_BESIDE_RARE
    marks = len(others) <= MAX_MARKS and numbers >= MIN_NUMBERS_BESIDE_MARKS
    return others if rare or marks or all(map(is_missing_mark, others)) else []


def commas_in(texts: Collection[str]) -> str:
    """What commas mean if all texts are numbers but for them.

    Returns
    -------
    {"", "decimal", "thousands", "either"}

    Examples
    --------
    >>> commas_in(["1,5", "12"]), commas_in(["1,234", "1,234,567"]), commas_in(["1,234", "12"])
    ('decimal', 'thousands', 'either')
    """
    known = [text for text in texts if not is_missing_mark(text) and not is_number(text)]
    decimal = bool(known) and all(map(_DECIMAL_COMMA.fullmatch, known))
    thousands = bool(known) and all(map(_THOUSANDS.fullmatch, known))
    if decimal and thousands:
        return "either"
    return "decimal" if decimal else "thousands" if thousands else ""


def has_decimal_commas(texts: Collection[str]) -> bool:
    """Whether they would all be numbers if a comma were a point."""
    return commas_in(texts) in ("decimal", "either")


def refuse_numbers_as_text(name: str, column: pd.Series) -> None:
    """Refuse a predictor or response, a column of text, that is meant as numbers.

    Parameters
    ----------
    name : str
    column : Series
        Categories that were text, or a mixture of text and numbers.

    Raises
    ------
    DataError
        It names the entries that are no numbers.
    """
    if column.dtype == "category" and not _may_be_numbers(column):
        return
    entries = column.astype(str).value_counts()
    counts = {str(text): int(count) for text, count in entries.items()}
    labels = f"If these are labels, make it a category: {_CATEGORY.format(name)}."
    kind = commas_in(counts)
    if kind:
        point = "" if kind == "thousands" else "."
        hint = " (.str.replace(',', ''), if they group thousands)" if kind == "either" else ""
        raise DataError(
            f"`{name}` is text of numbers with commas, such as {named(_with_comma(counts))}. Make "
            f"it numbers: data[{name!r}].str.replace(',', '{point}').astype(float){hint}, in "
            f"polars .cast(float) after .str.replace_all. {labels}"
        )
    if all(map(is_number, counts)) and any("." in text for text in counts):
        raise DataError(
            f"`{name}` is text, and all its entries are numbers, such as {named(counts)}. Make it "
            f"numbers: data[{name!r}].astype(float), in polars .cast(float). {labels}"
        )
    found = non_numeric_entries(counts)
    if found:
        raise DataError(
            f"`{name}` is text: its entries are numbers but for {named(found)}. If that is a "
            f"missing value, make it numbers: pandas.to_numeric(data[{name!r}], errors='coerce'), "
            f"in polars .cast(float, strict=False). {labels}"
        )


def _may_be_numbers(labels: pd.Series) -> bool:
    """Whether some of the levels may be meant as numbers: the counts alone take most time."""
    counts = dict(zip(labels.cat.categories.tolist(), labels.array.value_counts().tolist()))
    return bool(commas_in(counts) or all(map(is_number, counts)) or non_numeric_entries(counts))


def refuse_missing_marks(name: str, column: pd.Series) -> None:
    """Refuse labels, a column of categories that were text, with a mark of a missing value.

    They are labels all the same unless the others are numbers.

    Raises
    ------
    DataError
        It names the marks.
    """
    levels = column.cat.categories
    marks = levels[levels.isin([*MISSING_MARKS, *map(str.upper, MISSING_MARKS)])]
    if not len(marks):
        return
    others = levels.difference(marks)
    if len(others) and all(map(is_number, others)):
        raise DataError(
            f"the labels of `{name}` are numbers but for {named(marks)}. If that is a missing "
            f"value, replace it: data[{name!r}].replace({marks[0]!r}, None). If it is a label, "
            f"make the column a category: {_CATEGORY.format(name)}."
        )


def _with_comma(texts: Collection[str]) -> list[str]:
    return [text for text in texts if "," in text]
