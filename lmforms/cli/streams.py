"""Standard streams, each of which may be closed or full, and the exit statuses."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from ..errors import LmformsWarning

OK = 0
FAILED = 1
"""Formula, data and model do not go together, or a file cannot be read or written."""
USAGE = 2
"""The command line itself is wrong."""
INTERNAL = 70
"""An error inside lmforms (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED = 130
"""Ctrl-C, as a shell reports it: 128 + SIGINT."""
CLOSED_PIPE = 141
"""The reader of the output has closed it, as `| head` does: 128 + SIGPIPE."""


def write(text: str, *, exact: bool = False) -> int:
    """Write text to standard output; the exit status is returned.

    Parameters
    ----------
    text : str
    exact : bool
        Fail where standard output lacks a letter, instead of writing ``?`` in its place.
    """
    if sys.stdout is None:
        return failed("standard output is closed.", FAILED)
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError as exc:  # a terminal that cannot show Greek letters
            if exact:
                letter = text[exc.start]
                return failed(
                    f"standard output is {exc.encoding} and has no {letter!a}: use --output FILE.",
                    FAILED,
                )
            plain = text.replace("−", "-").encode(exc.encoding, "replace")
            sys.stdout.write(plain.decode(exc.encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_buffer(sys.stdout)
        return CLOSED_PIPE
    except (OSError, ValueError) as exc:
        _discard_buffer(sys.stdout)
        return failed(f"standard output: {getattr(exc, 'strerror', None) or exc}", FAILED)
    return OK


def failed(message: object, status: int) -> int:
    """Write an error to standard error; the exit status is returned."""
    _write_error(f"lmforms: {message}\n")
    return status


class ShownWarnings:
    """What takes the place of ``warnings.showwarning``: one line each on standard error.

    Attributes
    ----------
    messages : list of str
        Those that were shown.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []

    def __call__(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        """As :func:`warnings.showwarning` is called."""
        if issubclass(category, LmformsWarning):
            said = " ".join(str(message).split())
            self.messages.append(said)
            _write_error(f"lmforms: warning: {said}\n")


def _write_error(text: str) -> None:
    """Write text to standard error, if it can be written to."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except (OSError, ValueError):
        _discard_buffer(sys.stderr)


def _discard_buffer(stream: IO[str]) -> None:
    """Discard what is left in the buffer of a stream, which Python would write at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream without a file descriptor
        pass
