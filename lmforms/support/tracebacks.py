"""Tracebacks of the package's errors end at the line of the user, who sees no frames inside it.

The environment variable ``LMFORMS_FULL_TRACEBACK=1`` keeps all frames.
"""

from __future__ import annotations

import os
from types import TracebackType

SWITCH = "LMFORMS_FULL_TRACEBACK"

INTERNAL = ("lmforms", "formulaic", "numpy", "pandas", "scipy", "numba", "narwhals", "")
"""Packages whose frames say nothing to a user; evaluated code of a formula has no name."""


def keeps_frames() -> bool:
    """Whether errors are to leave the package with all their frames."""
    return os.environ.get(SWITCH, "0") not in ("", "0")


def cause_of_user(error: BaseException) -> BaseException | None:
    """The error behind one of the package, if it arose in code of the user.

    A function that a formula calls may fail: its frames are kept, from the first that is the
    user's. The messages of other causes are in that of the package already.
    """
    cause = error.__cause__
    while cause is not None:
        frames = cause.__traceback__
        while frames is not None:
            if not _inside(frames):
                return cause.with_traceback(frames)
            frames = frames.tb_next
        cause = cause.__cause__ or cause.__context__
    return None


def _inside(frames: TracebackType) -> bool:
    name = frames.tb_frame.f_globals.get("__name__", "")
    return name.partition(".")[0] in INTERNAL
