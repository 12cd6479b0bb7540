"""Files of tables by their first bytes and their names."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from ..errors import ArgumentError, DataError
from .columnar_files import KINDS, ColumnarFile
from .delimited import DelimitedFile
from .file_dialect import Dialect
from .opened_file import OpenedFile, opened_file

TableFile = DelimitedFile | ColumnarFile

_COLUMNAR = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".feather": "Feather",
    ".arrow": "Arrow",
    ".ipc": "Arrow",
}
_OTHERS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), "a spreadsheet"),
    **dict.fromkeys((".rds", ".rda", ".rdata"), "a file of R"),
    **dict.fromkeys((".sav", ".zsav", ".por"), "a file of SPSS"),
    **dict.fromkeys((".sas7bdat", ".xpt"), "a file of SAS"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "a JSON file"),
    **dict.fromkeys((".h5", ".hdf5"), "an HDF5 file"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "a database"),
    ".dta": "a file of Stata",
    ".orc": "an ORC file",
    ".avro": "an Avro file",
    ".pkl": "a file of Python objects",
    ".pdf": "a PDF file",
}
"""What cannot be read, by the ending of its name."""


def table_file(path: str, dialect: Dialect) -> TableFile:
    """The table in a file.

    Parameters
    ----------
    path : str
        ``-`` is standard input.
    dialect : Dialect
        Of delimited text.

    Raises
    ------
    DataError
        The file is not there or is no such table.
    MissingPackageError
        What reads it is not installed.
    ArgumentError
        An option of delimited text with a file that is none.
    """
    file = opened_file(path)
    kind = next((kind for mark, kind in KINDS.items() if file.head.startswith(mark)), None)
    if kind is not None:
        _refuse_options(file, kind, dialect)
        return ColumnarFile(file, kind)
    _check_name(file)
    return DelimitedFile(file, dialect)


def _check_name(file: OpenedFile) -> None:
    """Refuse what is no text by the ending of its name."""
    ending = Path(file.path).suffix.lower()
    if ending in _COLUMNAR:
        raise DataError(
            f"{file.shown} is no {_COLUMNAR[ending]} file, as its name says: it begins otherwise. "
            "If it is delimited text, name it .csv; else write it again."
        )
    if ending == ".lmf":
        raise DataError(
            f"{file.shown} is a saved fit by its name, and a table of data is needed; a saved fit "
            f"is shown by: lmforms summary {file.path}"
        )
    if ending in _OTHERS:
        raise DataError(
            f"{file.shown} is {_OTHERS[ending]} by its name: save it as CSV, TSV, Parquet or "
            "Feather. If it is delimited text, name it .csv."
        )


def _refuse_options(file: OpenedFile, kind: str, dialect: Dialect) -> None:
    """Refuse options of delimited text, which would have no effect."""
    usual = Dialect()
    for field in fields(Dialect):
        if getattr(dialect, field.name) != getattr(usual, field.name):
            way = ""
            if field.name == "text":
                way = f" For labels write factor({dialect.text[0]}) in the formula."
            raise ArgumentError(
                f"--{field.name} is for delimited text, and {file.shown} is {kind}: leave it "
                f"out.{way}"
            )
