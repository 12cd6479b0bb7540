"""Files that a path, a glob, a folder or a list of them names."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FileError

KINDS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".arrow": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
    ".csv": "CSV",
    ".tsv": "CSV",
}
"""What files are by the endings of their names; text may also end with ``.gz``."""


@dataclass(frozen=True)
class FoundFile:
    """A file as it was when it was found.

    Attributes
    ----------
    path : str
    kind : str
        Of :data:`KINDS`.
    size, modified : int
        Bytes, and nanoseconds.
    """

    path: str
    kind: str
    size: int
    modified: int

    def check_unchanged(self) -> None:
        """Refuse a file that is another one now.

        Raises
        ------
        FileError
            It has another size or time, or is no longer there.
        """
        try:
            now = os.stat(self.path)
        except OSError as exc:
            raise FileError(f"{self.path} can no longer be read: {exc.strerror}.") from None
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified):
            raise FileError(
                f"{self.path} was changed while the model was being made: keep files as they are "
                "until it is fitted, and begin again."
            )


def is_path(data: Any) -> bool:
    """Whether data are the name of a file, a glob or a folder."""
    return isinstance(data, (str, os.PathLike))


def found_files(paths: Any) -> list[FoundFile]:
    """Files in the order of their names, or of a list.

    Parameters
    ----------
    paths : str, path-like, or sequence of them
        A file, a glob (``**`` for folders of any depth), or a folder, whose files are taken at
        any depth. Names that begin with ``_`` or ``.`` are left out.

    Raises
    ------
    FileError
        There is no such file, it is of no kind that can be read, or it is named twice.
    """
    if is_path(paths):
        return _matching(os.fspath(paths))
    if not isinstance(paths, Sequence) or not paths:
        raise FileError("no file is named: give a path, a glob, a folder or a list of paths.")
    found = []
    for i, path in enumerate(paths, 1):
        if not is_path(path):
            raise FileError(f"item {i} of the files is {type(path).__name__}, not a path.")
        found += _matching(os.fspath(path))
    once = set()
    for file in found:
        if os.path.abspath(file.path) in once:
            raise FileError(f"{file.path} is named twice, and its rows would count twice.")
        once.add(os.path.abspath(file.path))
    return found


def _matching(path: str) -> list[FoundFile]:
    """Files that one name stands for."""
    if "://" in path:
        raise FileError(
            f"{path} is not on a disk of this computer: give pyarrow.dataset.dataset({path!r})."
        )
    path = os.path.expanduser(path)
    if os.path.isfile(path):
        return [_found(path)]
    if os.path.isdir(path):
        names = [str(p) for p in Path(path).rglob("*") if kind_by_name(str(p))]
        files = [_found(n) for n in _visible(names, path)]
        if not files:
            raise FileError(f"the folder {path} has no Parquet, Arrow or CSV files.")
    elif glob.has_magic(path):
        files = [_found(n) for n in _visible(glob.glob(path, recursive=True), _unmagic(path))]
        if not files:
            raise FileError(f"no file matches {path}.")
    else:
        raise FileError(f"there is no file {path}.")
    kinds = sorted({file.kind for file in files})
    if len(kinds) > 1:
        raise FileError(
            f"{path} has files of several kinds, {' and '.join(kinds)}, which may be the same "
            f"rows: name those that are meant, such as {_such_as(path, files[0].path)}."
        )
    return files


def _visible(names: Sequence[str], folder: str) -> list[str]:
    """Files among names, without hidden ones and those that mark the end of a job."""
    parts = {name: Path(os.path.relpath(name, folder or ".")).parts for name in names}
    return sorted(
        name
        for name in names
        if os.path.isfile(name) and not any(p[0] in "_." and p != ".." for p in parts[name])
    )


def _unmagic(path: str) -> str:
    """The folder of a glob before its first wildcard."""
    while glob.has_magic(path):
        path = os.path.dirname(path)
    return path


def _such_as(path: str, example: str) -> str:
    """A glob of the files of one kind."""
    ending = "".join(e for e in Path(example).suffixes[-2:] if e.lower() in (*KINDS, ".gz"))
    return os.path.join(path if os.path.isdir(path) else os.path.dirname(path), f"*{ending}")


def kind_by_name(path: str) -> str | None:
    """What a file is by the ending of its name."""
    name = path.lower()
    kind = KINDS.get(Path(name.removesuffix(".gz")).suffix)
    return None if name.endswith(".gz") and kind != "CSV" else kind


def _found(path: str) -> FoundFile:
    """A file as it is now."""
    kind = kind_by_name(path)
    if kind is None:
        raise FileError(
            f"{path} is no Parquet, Arrow or CSV file by its name, which is to end with "
            f"{', '.join(KINDS)} or .csv.gz."
        )
    try:
        state = os.stat(path)
    except OSError as exc:
        raise FileError(f"{path} cannot be read: {exc.strerror}.") from None
    return FoundFile(path, kind, state.st_size, state.st_mtime_ns)
