"""The causes of the package's errors that a user is to see."""

from __future__ import annotations

from ..errors import PACKAGE, is_inside

INTERNAL = (PACKAGE, "formulaic", "numpy", "pandas", "scipy", "numba", "narwhals", "")
"""Packages whose frames say nothing to a user; evaluated code of a formula has no name."""


def cause_of_user(error: BaseException) -> BaseException | None:
    """The error behind one of the package, if it arose in code of the user.

    A function that a formula calls may fail: its frames are kept, from the first that is the
    user's. The messages of other causes are in that of the package already.
    """
    cause = error.__cause__
    while cause is not None:
        frames = cause.__traceback__
        while frames is not None:
            if not is_inside(frames, INTERNAL):
                return cause.with_traceback(frames)
            frames = frames.tb_next
        cause = cause.__cause__ or cause.__context__
    return None
