"""Delimited text files as tables in which every label is the text that the file has."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import ArgumentError, ColumnError, DataError, near_matches
from .numerals import has_decimal_commas, shown, strays

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "<NA>", "#N/A", "NULL", "null")
"""Fields that are missing values, except in columns that are read as text."""

SEPARATORS = {r"\t": "\t", "tab": "\t", r"\s+": r"\s+", "space": r"\s+"}
"""What a delimiter may be called on a command line, besides any one character."""

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""How compressed bytes begin."""

_OTHER_FORMATS = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x89HDF": "an HDF5 file",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"%PDF": "a PDF file",
}

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
"""Whole numbers of 64 bits, written in the one way in which they are printed."""


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


class DelimitedFile:
    """A file of delimited text with a header, read as its columns are needed.

    Parameters
    ----------
    path : str
        ``-`` is standard input. Compressed files are recognised.
    dialect : Dialect

    Raises
    ------
    DataError
        The file is not there, is empty, is no text, has another delimiter, or two columns of
        one name.
    """

    def __init__(self, path: str, dialect: Dialect) -> None:
        self.path = path
        self.dialect = dialect
        self.shown = "standard input" if path == "-" else repr(path)
        self.source, head = _opened(path, self.shown)
        self.sep = dialect.separator(Path(path).name)
        found = [m for m in _COMPRESSED if head.startswith(m)]
        by_name = "infer" if _named_compressed(path) else None
        self.compression = _COMPRESSED[found[0]] if found else by_name
        self._check_start(_unpacked(self.source, self.compression, head))
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

    def table(self, labels: Collection[str] = (), numbers: Collection[str] = ()) -> pd.DataFrame:
        """All columns that have a name.

        Parameters
        ----------
        labels : collection of str
            Columns whose entries are labels: whole numbers if each is written as such, and else
            the text that is there, so that ``01`` and ``1`` stay apart.
        numbers : collection of str
            Columns in which a few entries that are no numbers are refused.
        """
        import pandas as pd

        known = self.columns
        for name in self.dialect.text:
            if name not in known:
                raise ColumnError(
                    f"--text {name!r} is not a column of {self.shown}.{near_matches(name, known)}"
                )
        text = {name for name in known if name in self.dialect.text}
        exact = text | set(labels)
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
        for name in sorted({*exact, *numbers}):
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

    def _read(self, *, sep: str | None = None, **how: Any) -> pd.DataFrame:
        """The file or some of its lines, by pandas."""
        import pandas as pd

        if isinstance(self.source, io.BytesIO):
            self.source.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return pd.read_csv(
                    self.source,
                    sep=sep or self.sep,
                    decimal=self.dialect.decimal,
                    encoding="utf-8-sig" if _is_utf8(self.dialect) else self.dialect.encoding,
                    compression=self.compression,
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
            self._refuse_encoding()
        except MemoryError:
            raise
        except Exception as exc:  # pandas and each decompressor have errors of their own
            first = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
            raise DataError(
                f"{self.shown} cannot be read as delimited text: {first.rstrip('.')}."
            ) from None

    def _check_start(self, head: bytes) -> None:
        """Refuse what is no text by its first bytes."""
        said = self.dialect.encoding
        marks = (name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark))
        found = next(marks, None)
        if found is not None and not codecs.lookup(said).name.startswith(found):
            raise DataError(
                f"{self.shown} cannot be read as {said.upper()}: it is {found.upper()}. Say "
                f"--encoding {found}."
            )
        for mark, what in _OTHER_FORMATS.items():
            if head.startswith(mark):
                raise DataError(f"{self.shown} is {what}: save it as CSV.")
        if head.startswith(b"PK\x03\x04"):
            raise DataError(f"{self.shown} is a spreadsheet or archive: save it as CSV.")
        if b"\x00" in head and _is_utf8(self.dialect):
            wide = head[1::2].count(0) > len(head) // 4, head[::2].count(0) > len(head) // 4
            way = " Is it UTF-16? Say --encoding utf-16-le." if wide == (True, False) else ""
            way = " Is it UTF-16? Say --encoding utf-16-be." if wide == (False, True) else way
            raise DataError(f"{self.shown} cannot be read as text: it has zero bytes.{way}")

    def _refuse_encoding(self) -> NoReturn:
        """Name the encoding that failed, and one that serves if it was UTF-8."""
        if _is_utf8(self.dialect):
            raise DataError(
                f"{self.shown} cannot be read as UTF-8. Files of older programs are often "
                "--encoding latin-1 or --encoding cp1252."
            ) from None
        raise DataError(
            f"{self.shown} cannot be read as {self.dialect.encoding}: give another --encoding."
        ) from None

    def _check_header(self) -> None:
        if len(self.header) == 1:
            self._check_delimiter(self.header[0])
        twice = [name for name, count in Counter(self.columns).items() if count > 1]
        if twice:
            raise DataError(f"{self.shown} has two columns named {shown(twice)}: rename one.")
        if not self.columns:
            raise DataError(f"{self.shown} has no names of columns in its first line.")

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
            way = f"--sep {_quoted(other)}" if other != "\t" else r"--sep '\t'"
            if other != "," and any(has_decimal_commas(rows[c].tolist()) for c in rows):
                way += " --decimal ','"
            raise DataError(
                f"{self.shown} has one column, named {line!r}: is its delimiter {other!r}? "
                f"Say {way}."
            )

    def _numbers_if_meant(self, name: str, column: pd.Series) -> pd.Series:
        """Text as it is if these are labels; a column of numbers with a few strays is refused."""
        entries = column.dropna().astype(str).value_counts()
        counts = {str(text): int(count) for text, count in entries.items()}
        commas = has_decimal_commas(counts)
        if commas and self.dialect.decimal == ".":
            raise DataError(
                f"`{name}` has decimal commas, such as {shown([t for t in counts if ',' in t])}: "
                f"say --decimal ','; if these are labels, --text {_quoted(name)}."
            )
        if self.dialect.decimal != ".":
            counts = {t.replace(self.dialect.decimal, "."): n for t, n in counts.items()}
        found = strays(counts)
        if found:
            marks = " ".join(f"--na {_quoted(text)}" for text in found[:5])
            raise DataError(
                f"the entries of `{name}` are numbers but for {shown(found)}. If these are "
                f"missing values, say {marks}; if all are labels, --text {_quoted(name)}."
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
        if numbers.nunique() < column.nunique():
            first = column[~column.duplicated() & numbers.duplicated(keep=False)]
            raise DataError(
                f"`{name}` is a number and a label in the formula, and {shown(first[:2].tolist())} "
                f"are one number: write them in one way, or say --text {_quoted(name)}."
            )
        return numbers


def _labels(column: pd.Series) -> pd.Series:
    """Whole numbers if each is written as it is printed, else the text itself."""
    if all(map(_INTEGER.fullmatch, column.dropna())):
        return column.astype("Int64" if column.hasnans else "int64")
    return column.astype("category")


def read_table(path: str, sep: str | None = None, **dialect: Any) -> pd.DataFrame:
    """Read a delimited text file with a header.

    Parameters
    ----------
    path : str
    sep : str, optional
        Delimiter; a tab for ``.tsv`` and a comma for anything else by default.
    **dialect
        Of :class:`Dialect`.

    Raises
    ------
    DataError
        See :class:`DelimitedFile`.
    """
    return DelimitedFile(path, Dialect(sep, **dialect)).table()


def _exact_floats() -> dict[str, str]:
    """The option without which older versions of pandas miss the last digit of numbers."""
    import pandas as pd

    major, minor = (int(part) for part in pd.__version__.split(".")[:2])
    return {"float_precision": "round_trip"} if (major, minor) < (3, 1) else {}


def _opened(path: str, named: str) -> tuple[str | io.BytesIO, bytes]:
    """What pandas is to read, twice if need be, and how it begins."""
    if path == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed.")
        content = sys.stdin.buffer.read()
        return io.BytesIO(content), content[:1024]
    file = Path(path)
    if not path or not file.exists():
        raise DataError(f"there is no file {named}.")
    if file.is_dir():
        raise DataError(f"{named} is a folder: there is no file to read.")
    if not file.is_file():  # a pipe is read once
        content = file.read_bytes()
        return io.BytesIO(content), content[:1024]
    with file.open("rb") as opened:
        return path, opened.read(1024)


def _unpacked(source: str | io.BytesIO, compression: str | None, head: bytes) -> bytes:
    """How the text in a compressed file begins; nothing if that cannot be told here."""
    if compression is None:
        return head
    opener: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    if compression not in opener:
        return b""
    try:
        with opener[compression](source) as opened:
            return bytes(opened.read(len(head)))
    except (OSError, EOFError, lzma.LZMAError):  # reading all of it will say what is wrong
        return b""


def _quoted(text: str) -> str:
    """For a shell, in quotes even where it does without."""
    return shlex.quote(text) if "'" in text else f"'{text}'"


def _named_compressed(path: str) -> bool:
    return path.endswith((".gz", ".bz2", ".zip", ".xz", ".zst", ".tar"))


def _is_utf8(dialect: Dialect) -> bool:
    return codecs.lookup(dialect.encoding).name in ("utf-8", "utf-8-sig")
