"""One zip archive of ``meta.json`` and ``.npy`` arrays, written in one step and read within bounds.

A file may come from anyone. Only the members that are asked for are read, each up to the bound
for a file of this size, and arrays of plain numbers in the shape that the
caller expects; nothing is extracted, unpickled or evaluated.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from ..errors import DataError, LmformsError
from ..support.arrays import AnyArray
from .atomic import file_error, write_whole

PlainArray = AnyArray

META = "meta.json"

MIN_JSON_ALLOWANCE = 2**22
"""Bytes that JSON may always take."""

MIN_ARRAYS_ALLOWANCE = 2**26
"""Bytes that all arrays together may always take."""

MAX_JSON_EXPANSION = 10
"""Bytes of JSON for each byte of the file. JSON takes some 20 times its size as Python objects.
What would be deflated further than this is stored."""

MAX_ARRAYS_EXPANSION = 100
"""Bytes of all arrays together for each byte of the file. What would be deflated further than this
is stored."""

MAX_LEVEL_GAIN = 4
"""Bound on how many times smaller zipfile's output is than that of the fastest level."""

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods whose output zipfile bounds."""

MAX_ITEM_BYTES = 8
"""Bytes of one number."""

DIGEST = "digest"
"""Key of `meta` with the SHA-256 of everything else: a file that was edited is noticed."""


def allowance(size: int, is_json: bool) -> int:
    """Bytes that may come out of a file of `size` bytes.

    Examples
    --------
    >>> allowance(1_400_000, is_json=False) // 1_000_000
    140
    """
    if is_json:
        return max(MIN_JSON_ALLOWANCE, MAX_JSON_EXPANSION * size)
    return max(MIN_ARRAYS_ALLOWANCE, MAX_ARRAYS_EXPANSION * size)


def write_archive(path: Path, meta: Mapping[str, Any], arrays: Mapping[str, PlainArray]) -> None:
    """Write `meta` and `arrays` to `path` in one step (see :func:`.atomic.write_whole`)."""
    text = json.dumps({**meta, DIGEST: digest(meta, arrays)}, indent=1)
    large = sum(values.nbytes for values in arrays.values()) > MIN_ARRAYS_ALLOWANCE

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, META, text.encode(), len(text) > MIN_JSON_ALLOWANCE)
            for name, values in arrays.items():
                buffer = io.BytesIO()
                np.save(buffer, values, allow_pickle=False)
                _add(archive, f"{name}.npy", buffer.getvalue(), large)

    write_whole(path, write)


def _add(archive: zipfile.ZipFile, name: str, content: bytes, large: bool) -> None:
    """One member; a large one that reading would refuse when deflated is stored as it is."""
    packed = zipfile.ZIP_DEFLATED
    expansion = MAX_JSON_EXPANSION if name == META else MAX_ARRAYS_EXPANSION
    if large and len(content) * MAX_LEVEL_GAIN > expansion * _deflated(content):
        packed = zipfile.ZIP_STORED
    archive.writestr(name, content, packed)


def _deflated(content: bytes) -> int:
    """Size when deflated in the fastest way."""
    return len(zlib.compress(content, 1))


def digest(meta: Mapping[str, Any], arrays: Mapping[str, PlainArray]) -> str:
    """SHA-256 of `meta` (without the digest itself) and of arrays, in the order of their names.

    It detects damage, not forgery.
    """
    rest = {key: value for key, value in meta.items() if key != DIGEST}
    found = hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(arrays):
        values = arrays[name].astype(arrays[name].dtype.newbyteorder("<"))
        found.update(f"\n{name} {values.dtype.str} {values.shape}\n".encode())
        found.update(values.tobytes())
    return found.hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive at `path`; a file that takes its place meanwhile is not seen.

    Raises
    ------
    DataError
        Not such an archive.
    FileError
        It cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise file_error(exc, path, "load", "read") from exc
    with file:
        yield Archive(file, path)


class Archive:
    """Members of an open file, read when they are asked for.

    Parameters
    ----------
    file : binary file
    path : Path
        Its name, for messages.

    Attributes
    ----------
    meta : dict
        The content of ``meta.json``.
    arrays : dict of str to ndarray
        Those that were asked for.
    kind : str
        What it should be, for messages.
    """

    kind = "a fit"

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self.arrays: dict[str, PlainArray] = {}
        with self._understood():
            self._size = os.fstat(file.fileno()).st_size
            self._left = allowance(self._size, is_json=False)
            self._archive = zipfile.ZipFile(file)
            infos = self._archive.infolist()
            self._members = {info.filename: info for info in infos}
            if len(self._members) < len(infos):
                raise self.damaged("two members have one name")
            self.meta = json.loads(self._bytes(META, allowance(self._size, is_json=True)))
            if not isinstance(self.meta, dict):
                raise self.damaged("meta.json is no mapping")

    def __contains__(self, name: str) -> bool:
        return f"{name}.npy" in self._members

    def array(self, name: str, length: int | None = None, kinds: str = "f") -> PlainArray:
        """A vector of numbers.

        Parameters
        ----------
        name : str
        length : int, optional
            What it must have; any by default.
        kinds : str
            Of NumPy's letters for types.
        """
        with self._understood(f"{name}.npy: "):
            content = self._bytes(f"{name}.npy", self._left)
            self._left -= len(content)
            self.arrays[name] = _vector(content, length, kinds)
        return self.arrays[name]

    @contextmanager
    def _understood(self, where: str = "") -> Iterator[None]:
        """Errors of zipfile, zlib, json and NumPy's reader as ours."""
        try:
            yield
        except LmformsError:
            raise
        except OSError as exc:
            raise file_error(exc, self.path, "load", "read") from exc
        except Exception as exc:
            raise self.damaged(f"{where}{type(exc).__name__}: {exc}") from None

    def damaged(self, why: str) -> DataError:
        """An error that names the file."""
        return DataError(
            f"load: {str(self.path)!r} is not {self.kind} saved by lmforms, or damaged ({why})."
        )

    def check_digest(self) -> None:
        """Refuse a file of which something was changed after it was written.

        Raises
        ------
        DataError
        """
        if self.meta.get(DIGEST) != digest(self.meta, self.arrays):
            raise self.damaged("its content was changed after it was saved")

    def _bytes(self, name: str, most: int) -> bytes:
        if name not in self._members:
            raise self.damaged(f"{name} is gone")
        member = self._members[name]
        if member.file_size > most:
            raise self.damaged(
                f"{name} would take {member.file_size:,} bytes, more than a file of "
                f"{self._size:,} bytes may hold"
            )
        if member.compress_type not in COMPRESSIONS:
            raise self.damaged(f"{name} is compressed in another way")
        with self._archive.open(member) as stream:
            return stream.read()  # at most `file_size` bytes, whatever it holds


def _vector(content: bytes, length: int | None, kinds: str) -> PlainArray:
    """An array of ``.npy`` format, whose header is checked before anything is made of it."""
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    shape, _, dtype = reader(stream)
    if dtype.kind not in kinds or dtype.itemsize > MAX_ITEM_BYTES:
        raise TypeError(f"it holds {dtype}")
    if len(shape) != 1 or (length is not None and shape[0] != length):
        wanted = "one dimension" if length is None else f"({length},)"
        raise ValueError(f"its shape is {shape}, not {wanted}")
    body = content[stream.tell() :]
    if len(body) != shape[0] * dtype.itemsize:
        raise ValueError(f"it has {len(body)} bytes for {shape[0]} values")
    return np.frombuffer(body, dtype).astype(dtype.newbyteorder("="))
