"""Messages of the package as a command line has them: arguments as options."""

from __future__ import annotations

import re

_VALUE = re.compile(r"(?<![-\w])(ddf|missing|new_levels|random|residual|interval)='([\w-]+)'")
_WHOLE = {
    "refit=False": "--no-refit",
    "fit.refit(reml=True)": "a fit without --ml",
    "give load(": "in Python give load(",
    "give predict(": "in Python give predict(",
}


def as_options(message: str) -> str:
    """A message with the advice that a command line can follow.

    Examples
    --------
    >>> as_options("Use new_levels='zero' to predict them.")
    'Use --new-levels zero to predict them.'
    """
    for written, option in _WHOLE.items():
        message = message.replace(written, option)
    return _VALUE.sub(lambda found: f"--{found[1].replace('_', '-')} {found[2]}", message)
