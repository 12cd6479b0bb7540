"""Files of text as bytes: where they are, whether they are compressed, and how encoded."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
from typing import Any, NoReturn

from ..errors import DataError
from .columnar_files import KINDS
from .opened_file import OpenedFile

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

_ENDINGS = (".gz", ".bz2", ".zip", ".xz", ".zst", ".tar")
"""What names of compressed files end with."""

_OTHER_FORMATS = {
    b"\x89HDF": "an HDF5 file",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"%PDF": "a PDF file",
}


class TextFile:
    """A file of text that can be read more than once.

    Parameters
    ----------
    file : OpenedFile
        Compressed files are recognised.
    encoding : str

    Attributes
    ----------
    shown : str
        Its name for messages.
    source : str or BytesIO
        Its path, or the bytes of what can be read only once.
    compression : str or None
        As pandas calls it.

    Raises
    ------
    DataError
        It is no text of that encoding by its first bytes.
    """

    def __init__(self, file: OpenedFile, encoding: str) -> None:
        self.encoding = encoding
        self.shown, self.source = file.shown, file.source
        found = [name for mark, name in _COMPRESSED.items() if file.head.startswith(mark)]
        by_name = "infer" if file.path.endswith(_ENDINGS) else None
        self.compression = found[0] if found else by_name
        self._check_start(_unpacked(self.source, self.compression, file.head))

    def _check_start(self, head: bytes) -> None:
        """Refuse what is no text by its first bytes."""
        marks = (name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark))
        found = next(marks, None)
        if found is not None and not codecs.lookup(self.encoding).name.startswith(found):
            raise DataError(
                f"{self.shown} cannot be read as {self.encoding.upper()}: it is {found.upper()}. "
                f"Say --encoding {found}."
            )
        for mark, kind in KINDS.items():
            if head.startswith(mark):
                raise DataError(f"{self.shown} is a compressed {kind} file: unpack it first.")
        for mark, what in _OTHER_FORMATS.items():
            if head.startswith(mark):
                raise DataError(f"{self.shown} is {what}: save it as CSV.")
        if head.startswith(b"PK\x03\x04"):
            raise DataError(f"{self.shown} is a spreadsheet or archive: save it as CSV.")
        if b"\x00" in head and is_utf8(self.encoding):
            wide = head[1::2].count(0) > len(head) // 4, head[::2].count(0) > len(head) // 4
            way = " Is it UTF-16? Say --encoding utf-16-le." if wide == (True, False) else ""
            way = " Is it UTF-16? Say --encoding utf-16-be." if wide == (False, True) else way
            raise DataError(f"{self.shown} cannot be read as text: it has zero bytes.{way}")

    def refuse_encoding(self) -> NoReturn:
        """Name the encoding that failed, and one that serves if it was UTF-8."""
        if is_utf8(self.encoding):
            raise DataError(
                f"{self.shown} cannot be read as UTF-8. Files of older programs are often "
                "--encoding latin-1 or --encoding cp1252."
            ) from None
        raise DataError(
            f"{self.shown} cannot be read as {self.encoding}: give another --encoding."
        ) from None


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
    except (OSError, EOFError, lzma.LZMAError):  # reading the whole file raises the error
        return b""


def is_utf8(encoding: str) -> bool:
    """Whether it is UTF-8, with or without a byte-order mark."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
