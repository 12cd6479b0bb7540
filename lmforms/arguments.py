"""Misnamed keyword arguments: an error of the package's own, with near matches."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from . import borrowed
from .errors import ArgumentError, near_matches

F = TypeVar("F", bound=Callable[..., Any])


def named_arguments(function: F) -> F:
    """Refuse keywords that `function` does not have, saying which it may have meant.

    Examples
    --------
    >>> @named_arguments
    ... def fit(*, reml=True): ...
    >>> fit(RMEL=False)
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: fit() has no argument `RMEL`. Did you mean `reml`?
    """
    known = [name for name in inspect.signature(function).parameters if name != "self"]

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in known:
                label = function.__qualname__.removesuffix(".__init__")
                hint = borrowed.hint(name, known, label)
                hint = hint or near_matches(name, known) or f" It has: {', '.join(known)}."
                raise ArgumentError(f"{label}() has no argument `{name}`.{hint}")
        return function(*args, **kwargs)

    return cast(F, checked)
