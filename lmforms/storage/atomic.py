"""Write a file in one step: its path holds the old content or the new, never a part of it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from ..errors import ArgumentError, FileError


def checked_path(path: str | PathLike[str], what: str) -> Path:
    """`path` as a Path, or an error that names the function `what`.

    Raises
    ------
    ArgumentError
        Not a path, empty, or with a character that no path has.
    """
    if not isinstance(path, (str, PathLike)) or not isinstance(os.fspath(path), str):
        raise ArgumentError(f"{what}: a file's path is needed, not {type(path).__name__}.")
    text = os.fspath(path)
    if not text or "\0" in text:
        raise ArgumentError(
            f"{what}: {text!r} is no path of a file: give its name, such as 'fit.lmf'."
        )
    return Path(text)


def file_error(exc: OSError, path: Path, what: str, doing: str) -> FileError:
    """An operating system's error as ours, with its number and the path.

    Examples
    --------
    >>> print(file_error(OSError(28, "No space left"), Path("a.lmf"), "save", "written"))
    save: 'a.lmf' cannot be written: No space left.
    """
    error = FileError(f"{what}: {str(path)!r} cannot be {doing}: {exc.strerror or exc}.")
    error.errno, error.filename = exc.errno, str(path)
    return error


def write_whole(path: Path, write: Callable[[BinaryIO], None], what: str = "save") -> None:
    """Let `write` fill a new file, and replace `path` by it.

    The new file is written under a temporary name in the same folder, synced to the disk, and
    renamed. It keeps the mode of the file that it replaces; of a symbolic link the target is
    replaced. After a failure or an interrupt the old file is unchanged.

    Parameters
    ----------
    path : Path
    write : callable
        Takes the open binary file.
    what : str
        Function that the user called, for messages.

    Raises
    ------
    FileError
        The folder is not there or not writable, the disk is full, or `path` is something else
        than a file.
    """
    try:
        target = Path(os.path.realpath(path))
        old = _existing_file(target)
        with _temporary_file(target) as (file, temporary):
            write(file)
            file.flush()
            if old is not None:
                _keep_permissions(temporary, old)
            os.fsync(file.fileno())
            file.close()  # an open file has no new name on Windows
            os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as exc:
        raise file_error(exc, path, what, "written") from exc


def _existing_file(target: Path) -> os.stat_result | None:
    """Status of the file at `target`, None if there is none."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "the file that is there is read-only")
    return found


def _keep_permissions(file: Path, old: os.stat_result) -> None:
    """Mode of the old file, and its owner where that is allowed."""
    new = file.stat()
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(OSError):
            os.chown(file, old.st_uid, old.st_gid)
    os.chmod(file, stat.S_IMODE(old.st_mode))


@contextmanager
def _temporary_file(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in the folder of `target`, gone at the end unless it was renamed."""
    temporary = target.parent / f".lmforms-{secrets.token_hex(8)}.tmp"
    try:
        # mode "x" of open(): fails if the name is taken, and the umask applies
        with open(temporary, "xb") as file:
            yield file, temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Sync the renamed entry to the disk where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
