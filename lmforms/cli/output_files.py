"""Files that a command writes: refused before the work if they could not be written after it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import BinaryIO

from ..errors import ArgumentError, DataError
from . import streams

ENDINGS = {
    ".txt": "text",
    ".html": "html",
    ".tex": "latex",
    ".md": "markdown",
    ".typ": "typst",
    ".csv": "csv",
    ".json": "json",
}
"""Formats by the ending of a file."""


def check_output_files(args: Namespace) -> None:
    """Refuse files that cannot be written, and settle the format of the output.

    Raises
    ------
    ArgumentError, DataError
    """
    if args.save is not None:
        check_path("--save", args.save, "fit.lmf")
    if args.output is not None:
        check_path("--output", args.output, "out.txt")
        if args.save is not None and Path(args.save).resolve() == Path(args.output).resolve():
            raise ArgumentError("--save and --output are one file: give two names.")
    for option, path in (("--save", args.save), ("--output", args.output)):
        if path is not None:
            _refuse_input(option, path, args)
    if args.format is None and args.formats:
        args.format = _format(args.output, args.formats)


def check_path(option: str, path: str, example: str) -> None:
    """Refuse what is no path of a file that could be written.

    Raises
    ------
    ArgumentError, DataError
    """
    if not path or path == "-" or "\0" in path:
        raise ArgumentError(
            f"{option} {path!r}: give the name of a file, such as {option} {example}."
        )
    if Path(path).is_dir():
        raise DataError(f"{option} {path!r} is a folder: give the name of a file in it.")
    if not Path(path).parent.is_dir():
        raise DataError(f"{option} {path!r}: there is no folder {str(Path(path).parent)!r}.")


def _refuse_input(option: str, path: str, args: Namespace) -> None:
    """Refuse to write over a file that the command reads: the data would be lost."""
    given = (getattr(args, "fit", None), getattr(args, "file", None), *getattr(args, "files", ()))
    if any(Path(path).resolve() == Path(one).resolve() for one in given if one not in (None, "-")):
        raise ArgumentError(
            f"{option} {path!r} is a file that this command reads, which would be lost: give "
            "another name."
        )


def _format(output: str | None, formats: tuple[str, ...]) -> str:
    """The format that a file's ending tells, or the first."""
    if output is None:
        return formats[0]
    found = ENDINGS.get(Path(output).suffix.lower())
    if found is None:
        raise ArgumentError(
            f"--output {output!r}: its ending tells no format; say which by --format, or end it in "
            f"{', '.join(ENDINGS)}."
        )
    if found not in formats:
        raise ArgumentError(
            f"--output {output!r}: this command writes {', '.join(formats)}, and not {found}."
        )
    return found


def written_to(path: str, text: str) -> int:
    """Write text to a file in one step; the exit status is returned.

    Raises
    ------
    FileError
    """
    from ..storage.atomic import write_whole

    def write(file: BinaryIO) -> None:
        file.write(text.encode("utf-8", "surrogateescape"))

    write_whole(Path(path), write, "--output")
    return streams.OK
