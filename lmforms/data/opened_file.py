"""A file or standard input that can be read more than once, and how it begins."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError

HEAD_BYTES = 1024


@dataclass(frozen=True)
class OpenedFile:
    """What is to be read.

    Attributes
    ----------
    path : str
        As it was given.
    shown : str
        Its name for messages.
    source : str or BytesIO
        Its path, or the bytes of what can be read only once.
    head : bytes
        Its first bytes.
    """

    path: str
    shown: str
    source: str | io.BytesIO
    head: bytes


def opened_file(path: str) -> OpenedFile:
    """The file at a path, or standard input for ``-``.

    Raises
    ------
    DataError
        The file is not there.
    """
    if path == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed.")
        return _read_once(path, "standard input", sys.stdin.buffer.read())
    file, shown = Path(path), repr(path)
    if not path or not file.exists():
        raise DataError(f"there is no file {shown}.")
    if file.is_dir():
        raise DataError(f"{shown} is a folder: there is no file to read.")
    if not file.is_file():  # a pipe
        return _read_once(path, shown, file.read_bytes())
    with file.open("rb") as opened:
        return OpenedFile(path, shown, path, opened.read(HEAD_BYTES))


def _read_once(path: str, shown: str, content: bytes) -> OpenedFile:
    return OpenedFile(path, shown, io.BytesIO(content), content[:HEAD_BYTES])
