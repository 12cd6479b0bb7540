"""Exceptions and warnings: each message says where, what, and what to do.

Every exception derives from :class:`LmformsError` and from the built-in class a caller
would expect; every warning from :class:`LmformsWarning`.

Tracebacks of the exceptions end at the line that called the package. The environment variable
``LMFORMS_FULL_TRACEBACK=1`` keeps the frames inside.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType

PACKAGE = __name__.partition(".")[0]


class LmformsError(Exception):
    """Base class of every exception that lmforms raises."""

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows."""
        shell = sys.modules["IPython"].get_ipython()
        frames = self.__traceback__ if keeps_frames() else _up_to_user(self.__traceback__)
        lines = shell.InteractiveTB.structured_traceback(type(self), self, frames, tb_offset=1)
        return list(lines)


def keeps_frames() -> bool:
    """Whether tracebacks are to have the frames inside the package."""
    return os.environ.get("LMFORMS_FULL_TRACEBACK", "0") not in ("", "0")


def is_inside(traceback: TracebackType, packages: Sequence[str] = (PACKAGE,)) -> bool:
    """Whether the first frame of a traceback is of one of some packages."""
    name = traceback.tb_frame.f_globals.get("__name__", "")
    return name.partition(".")[0] in packages


def _up_to_user(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames after the last one outside the package."""
    if traceback is None:
        return None
    rest = _up_to_user(traceback.tb_next)
    if rest is None and is_inside(traceback):
        return None
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)


class FormulaError(LmformsError, ValueError):
    """The formula cannot be read; the message marks the offending place."""


class DataError(LmformsError, ValueError):
    """The data cannot be used as they are; the message names the culprit."""


class MissingDataError(DataError):
    """Rows with missing values are not to be dropped, and there are some.

    Parameters
    ----------
    found : str
        How many.
    columns : sequence of str
        Where: columns, or expressions of the formula.
    remedy : str
        What to do about it.
    """

    def __init__(
        self,
        found: str,
        columns: Sequence[str],
        remedy: str = "Fill or drop them, or use missing='drop'.",
    ) -> None:
        super().__init__(f"{found}. {remedy}")
        self.found = found
        self.columns = tuple(columns)


class ColumnError(DataError, KeyError):
    """A name in the formula or an argument is not a column of the data."""

    __str__ = Exception.__str__  # KeyError would print the message's repr


class ModelError(LmformsError, ValueError):
    """Formula and data are readable, but the model they describe cannot be fitted."""


class RelationshipError(LmformsError, ValueError):
    """A known covariance of levels, or what it is to be made from, is not one."""


class ArgumentError(LmformsError, TypeError):
    """An argument is unknown, of the wrong type, or contradicts another one."""


class UnknownNameError(LmformsError, AttributeError):
    """The package, or a fit, has nothing of this name; the message says what it is called here.

    Parameters
    ----------
    message : str
    owner : object
        What was asked for the name.
    """

    def __init__(self, message: str, owner: object = None) -> None:
        # with `obj` and without `name`, Python adds no guess of its own to the message
        super().__init__(message, obj=owner)


class NumericalError(LmformsError, ArithmeticError):
    """A factorisation failed or a non-finite number arose where none can be repaired."""


class MemoryLimitError(ModelError, MemoryError):
    """The model would need more memory than it may use."""


class FileError(LmformsError, OSError):
    """A file cannot be read or written; the message names it and says why."""

    __str__ = Exception.__str__  # OSError would print its number and the path instead


class MissingPackageError(LmformsError, ImportError):
    """An optional package is needed and not installed; the message names the extra."""


class LmformsWarning(UserWarning):
    """Base class of every warning that lmforms issues."""


class MissingDataWarning(LmformsWarning):
    """Rows with missing values were dropped."""


class RankWarning(LmformsWarning):
    """Columns of X that depend linearly on earlier ones were dropped."""


class ConvergenceWarning(LmformsWarning):
    """The optimiser stopped before its own test of convergence was met."""


class IdentificationWarning(LmformsWarning):
    """The data do not determine a variance: the criterion is flat along it."""


class PrecisionWarning(LmformsWarning):
    """Digits were lost in sums of squares, and the rows to sum up again are not there."""


class SingularWarning(LmformsWarning):
    """A fitted covariance is singular: of the random effects, or of the noise of a form."""


class BoundWarning(LmformsWarning):
    """A parameter of the residuals' structure is estimated at one of its bounds."""


class SeparationWarning(LmformsWarning):
    """The likelihood of a generalised model grows without end along some coefficients."""


class ConstantColumnWarning(LmformsWarning):
    """Columns that do not vary over the rows were left out of a likelihood."""


class NotEstimableWarning(LmformsWarning):
    """Among many responses or markers some cannot be fitted: their rows are NaN."""


class InterruptedWarning(LmformsWarning):
    """Long work was interrupted from the keyboard; what had been done is kept."""


class ContextWarning(LmformsWarning):
    """A saved formula calls functions of yours, which :func:`lmforms.load` must be given."""


def near_matches(name: str, known: Iterable[str]) -> str:
    """A ``did you mean`` clause for `name` among `known`, or an empty string.

    Examples
    --------
    >>> near_matches("Day", ["Days", "Subject"])
    ' Did you mean `Days`?'
    """
    by_lower = {str(k).lower(): str(k) for k in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    if not found:
        return ""
    matches = [by_lower[m] for m in found]
    return f" Did you mean {' or '.join(f'`{m}`' for m in matches)}?"


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names for a message, shortened."""
    shown = ", ".join(str(n) for n in names[:most])
    return shown + (f", … ({len(names)} in all)" if len(names) > most else "")


def shortened(code: str, most: int = 60) -> str:
    """A part of code for a message, its end left out if it is long."""
    return code if len(code) <= most else f"{code[:most]}…"


def mark(source: str, start: int, stop: int) -> str:
    """The formula with a line of carets under ``source[start:stop]``.

    Examples
    --------
    >>> print(mark("y ~ x + (1 | g", 8, 9))
        y ~ x + (1 | g
                ^
    """
    flat = source.replace("\n", " ").replace("\t", " ")
    width = max(1, stop - start)
    return f"    {flat}\n    {' ' * start}{'^' * width}"


def formula_error(message: str, source: str, start: int, stop: int) -> FormulaError:
    """A :class:`FormulaError` whose message shows the place it speaks of."""
    return FormulaError(f"{message}\n{mark(source, start, stop)}")
