"""Delimited text files as tables in which every label is the text that the file has."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections import Counter
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ColumnError, DataError, near_matches
from .file_dialect import MISSING, Dialect, option_text
from .label_messages import named
from .numeric_text import commas_in, has_decimal_commas, is_number, non_numeric_entries
from .opened_file import OpenedFile
from .text_files import TextFile, is_utf8

if TYPE_CHECKING:
    import pandas as pd

_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
"""Whole numbers of 64 bits, written in the one way in which they are printed."""


class DelimitedFile:
    """A file of delimited text with a header, read as its columns are needed.

    Parameters
    ----------
    file : OpenedFile
        Compressed files are recognised.
    dialect : Dialect

    Raises
    ------
    DataError
        The file is empty, is no text, has another delimiter, or two columns of one name.
    """

    def __init__(self, file: OpenedFile, dialect: Dialect) -> None:
        self.dialect = dialect
        self.sep = dialect.separator(Path(file.path).name)
        self.file = TextFile(file, dialect.encoding)
        self.shown = self.file.shown
        self._check_header()

    @cached_property
    def header(self) -> list[str]:
        """The first line, as it is."""
        first = self._read(header=None, nrows=1, dtype=str, keep_default_na=False)
        return [str(name).strip() for name in first.iloc[0]]

    @property
    def columns(self) -> list[str]:
        """Names of the columns that have one."""
        return [name for name in self.header if name]

    def table(
        self,
        labels: Collection[str] = (),
        numbers: Collection[str] = (),
        text: Collection[str] = (),
    ) -> pd.DataFrame:
        """All columns that have a name.

        Parameters
        ----------
        labels : collection of str
            Columns whose entries are labels: whole numbers if each is written as such, and else
            the text that is there, so that ``01`` and ``1`` stay apart.
        numbers : collection of str
            Columns in which a few entries that are no numbers are refused.
        text : collection of str
            Columns that are text, besides those of the dialect.
        """
        import pandas as pd

        known = self.columns
        for name in self.dialect.text:
            if name not in known:
                raise ColumnError(
                    f"--text {name!r} is not a column of {self.shown}.{near_matches(name, known)}"
                )
        text = {*self.dialect.text, *text}
        exact = (text | set(labels)) & set(known)
        marks = [*MISSING, *self.dialect.na]
        names = [name or f"\x00{i}" for i, name in enumerate(self.header)]
        table = self._read(
            header=0,
            names=names,
            dtype=dict.fromkeys(exact, str),
            keep_default_na=False,
            na_values={n: ["", *self.dialect.na] if n in text else marks for n in names},
        )[known]
        changed = {}
        for name in sorted(exact | (set(numbers) & set(known))):
            column = table[name]
            if name in text:
                changed[name] = column.astype("category")
            elif name not in exact:
                if not pd.api.types.is_numeric_dtype(column.dtype):
                    changed[name] = self._numbers_if_meant(name, column)
            elif name in numbers:
                changed[name] = self._numbers_and_labels(name, column)
            else:
                changed[name] = _labels(column)
        return table.assign(**changed) if changed else table

    @property
    def decimal(self) -> str:
        """The decimal point."""
        return self.dialect.decimal

    def as_written(self) -> pd.DataFrame:
        """All columns that have a name, each field as the text that is there."""
        names = [name or f"\x00{i}" for i, name in enumerate(self.header)]
        return self._read(header=0, names=names, dtype=str, keep_default_na=False)[self.columns]

    def _read(self, *, sep: str | None = None, **how: Any) -> pd.DataFrame:
        """The file or some of its lines, by pandas."""
        import pandas as pd

        source, encoding = self.file.source, self.dialect.encoding
        if isinstance(source, io.BytesIO):
            source.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return pd.read_csv(
                    source,
                    sep=sep or self.sep,
                    decimal=self.dialect.decimal,
                    encoding="utf-8-sig" if is_utf8(encoding) else encoding,
                    compression=self.file.compression,
                    index_col=False,
                    engine="c",
                    low_memory=False,
                    **_exact_floats(),
                    **how,
                )
        except pd.errors.EmptyDataError:
            raise DataError(f"{self.shown} is empty.") from None
        except pd.errors.ParserWarning:
            raise DataError(
                f"{self.shown} has rows that are longer than its header. A file with row names "
                "needs a name for their column."
            ) from None
        except UnicodeError:
            self.file.refuse_encoding()
        except MemoryError:
            raise
        except Exception as exc:  # pandas and each decompressor have errors of their own
            first = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
            raise DataError(
                f"{self.shown} cannot be read as delimited text: {first.rstrip('.')}."
            ) from None

    def _check_header(self) -> None:
        if len(self.header) == 1:
            self._check_delimiter(self.header[0])
        twice = [name for name, count in Counter(self.columns).items() if count > 1]
        if twice:
            raise DataError(f"{self.shown} has two columns named {named(twice)}: rename one.")
        if self.header[0].startswith("#"):
            self._check_comment()
        if not self.columns:
            raise DataError(f"{self.shown} has no names of columns in its first line.")

    def _check_comment(self) -> None:
        """Refuse a first line that is a comment: the next has another number of fields."""
        with contextlib.suppress(DataError):  # lines of several lengths
            second = self._read(header=None, skiprows=1, nrows=1, dtype=str)
            if second.shape[1] == len(self.header):
                return
        raise DataError(
            f"the first line of {self.shown} is a comment, {named([self.header[0]])}: the names of "
            "the columns must stand there. Take it out, as by tail -n +2."
        )

    def _check_delimiter(self, line: str) -> None:
        """Refuse a single column that another delimiter would divide."""
        for other in (";", "\t", "|", ",", " "):
            if other not in line:
                continue
            rows = self._read(
                sep=other, header=None, skiprows=1, nrows=20, dtype=str, keep_default_na=False
            )
            if len(rows) and rows.shape[1] == 1:
                continue  # part of the name
            way = option_text("--sep", other) if other != "\t" else r"--sep '\t'"
            if other != "," and any(has_decimal_commas(rows[c].tolist()) for c in rows):
                way += " --decimal ','"
            raise DataError(
                f"{self.shown} has one column, named {line!r}: is its delimiter {other!r}? "
                f"Say {way}."
            )

    def _numbers_if_meant(self, name: str, column: pd.Series) -> pd.Series:
        """Text as it is if these are labels; refuse numbers with a few other entries."""
        entries = column.dropna().astype(str).value_counts()
        counts = {str(text): int(count) for text, count in entries.items()}
        if self.dialect.decimal == ".":
            kind = commas_in(counts)
            if kind:
                way = "say --decimal ','" if kind != "thousands" else "take them out"
                hint = " (or take them out, if they group thousands)" if kind == "either" else ""
                raise DataError(
                    f"`{name}` has numbers with commas, such as "
                    f"{named([t for t in counts if ',' in t])}: {way}{hint}; if these are labels, "
                    f"say {option_text('--text', name)}."
                )
        else:
            counts = {t.replace(self.dialect.decimal, "."): n for t, n in counts.items()}
        if all(map(is_number, counts)):  # whole numbers of more than 64 bits
            return column.astype(float)
        found = non_numeric_entries(counts)
        if found:
            marks = " ".join(option_text("--na", text) for text in found[:5])
            raise DataError(
                f"the entries of `{name}` are numbers but for {named(found)}. If these are "
                f"missing values, say {marks}; if all are labels, {option_text('--text', name)}."
            )
        return column

    def _numbers_and_labels(self, name: str, column: pd.Series) -> pd.Series:
        """Numbers that are labels too, if no two labels are one number."""
        import pandas as pd

        texts = column.str.replace(self.dialect.decimal, ".", regex=False)
        try:
            numbers = pd.to_numeric(texts)
        except (ValueError, TypeError):
            return self._numbers_if_meant(name, column)
        distinct = column.drop_duplicates()
        values = numbers[distinct.index]
        again = values[values.duplicated()].dropna()
        if len(again):
            alike = distinct[values == again.iloc[0]]
            raise DataError(
                f"`{name}` is a number and a label in the formula, and {named(alike[:2].tolist())} "
                f"are one number: write them in one way, or say {option_text('--text', name)}."
            )
        return numbers


def is_plain_integer(text: str) -> bool:
    """Whether it is a whole number of 64 bits as it is printed.

    Examples
    --------
    >>> [is_plain_integer(text) for text in ("10", "-3", "01", "1.0")]
    [True, True, False, False]
    """
    return _INTEGER.fullmatch(text) is not None


def _labels(column: pd.Series) -> pd.Series:
    """Whole numbers if each is written as it is printed, else the text itself."""
    import pandas as pd

    levels = column.astype("category")
    texts = levels.cat.categories
    if not len(texts) or not all(map(is_plain_integer, texts)):
        return levels
    codes = levels.cat.codes.to_numpy()
    values = texts.astype("int64").to_numpy()[codes]
    return pd.Series(pd.arrays.IntegerArray(values, codes < 0) if column.hasnans else values)


def _exact_floats() -> dict[str, str]:
    """The option without which older versions of pandas miss the last digit of numbers."""
    import pandas as pd

    major, minor = (int(part) for part in pd.__version__.split(".")[:2])
    return {"float_precision": "round_trip"} if (major, minor) < (3, 1) else {}
