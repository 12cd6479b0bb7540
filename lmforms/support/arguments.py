"""Arguments checked by one function each, with errors of the package's own."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import ArgumentError, LmformsError, keeps_frames, near_matches
from . import foreign_arguments
from .tracebacks import cause_of_user

if TYPE_CHECKING:
    import numpy as np

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class _Unchanged:
    """Default of an argument that leaves something as it was, where None means none."""

    def __repr__(self) -> str:
        return "as before"


UNCHANGED: Any = _Unchanged()

MAX_REPR_LENGTH = 60
"""Characters of a value that a message shows."""


def named_arguments(function: F) -> F:
    """Refuse keywords that `function` does not have, saying which it may have meant.

    Errors of the package leave it without the frames inside, so that a traceback ends where the
    user called it: see :mod:`lmforms.errors`.

    Examples
    --------
    >>> @named_arguments
    ... def fit(*, reml=True): ...
    >>> fit(RMEL=False)
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: fit() has no argument `RMEL`. Did you mean `reml`?
    """
    if isinstance(function, type):  # a dataclass, whose constructor is checked
        function.__init__ = named_arguments(function.__init__)  # type: ignore[misc]
        return function
    signature = inspect.signature(function)
    # it checks itself what is in its **params
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    known = [name for name in signature.parameters if name not in ("self", "cls")]
    keywords = frozenset(known)
    required = [
        (place, name)
        for place, (name, p) in enumerate(signature.parameters.items())
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    by_position = [
        name
        for name, p in signature.parameters.items()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    takes_any_number = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())
    most_by_position = math.inf if takes_any_number else len(by_position)
    written = function.__qualname__.removesuffix(".__init__")
    is_method = "self" in signature.parameters and function.__name__ != "__init__"

    def label_of(args: tuple[Any, ...]) -> str:
        # of the object's class, not of one that it inherits the method from
        own = f"{type(args[0]).__name__}.{function.__name__}" if is_method and args else ""
        return own or written

    def refuse(name: str, args: tuple[Any, ...]) -> None:
        label = label_of(args)
        has = f" It has: {', '.join(known)}." if known else " It has none."
        hint = foreign_arguments.hint(name, known, label) or near_matches(name, known) or has
        raise ArgumentError(f"{label}() has no argument `{name}`.{hint}")

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # pytest leaves this frame out
        try:
            if not (takes_any or kwargs.keys() <= keywords):
                refuse(next(name for name in kwargs if name not in keywords), args)
            given = len(args)
            if given > most_by_position:
                allowed = ", ".join(name for name in by_position if name in known)
                without = f"only {allowed} without a name" if allowed else "named arguments only"
                raise ArgumentError(
                    f"{label_of(args)}() takes {without}: write the others as name=value."
                )
            for place, name in required:
                if place >= given and name not in kwargs:
                    raise ArgumentError(f"{label_of(args)}() needs the argument `{name}`.")
            return function(*args, **kwargs)
        except LmformsError as error:
            if keeps_frames():
                raise
            # the frames inside are left out: LMFORMS_FULL_TRACEBACK=1 in the environment keeps them
            raise error.with_traceback(None) from cause_of_user(error)

    return cast(F, checked)


def short_repr(value: object) -> str:
    """A value for a message: its repr on one line, and not much of it."""
    # a fitted model, whose repr is a page, has a line too
    one_line = getattr(type(value), "_one_line", None)
    text = " ".join((repr(value) if one_line is None else one_line(value)).split())
    if len(text) <= MAX_REPR_LENGTH:
        return text
    return f"{text[:MAX_REPR_LENGTH]}… ({type(value).__name__})"


def one_of(name: str, value: Any, choices: Collection[str], *, says: str = "") -> str:
    """One of some texts.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
    choices : collection of str
    says : str
        What a message adds.

    Examples
    --------
    >>> one_of("missing", "dorp", ("drop", "raise"))
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: missing='dorp': use one of 'drop', 'raise'. Did you mean `drop`?
    """
    if isinstance(value, str) and value in choices:
        return str(value)
    hint = near_matches(value, choices) if isinstance(value, str) else ""
    listed = ", ".join(repr(choice) for choice in choices)
    raise ArgumentError(f"{name}={short_repr(value)}: use one of {listed}.{hint}{says}")


def flag(name: str, value: Any) -> bool:
    """True or False, of Python or NumPy.

    Examples
    --------
    >>> flag("reml", "yes")
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: reml='yes': True or False is needed.
    """
    if value is True or value is False or _is_flag(value):
        return bool(value)
    raise ArgumentError(f"{name}={short_repr(value)}: True or False is needed.")


def flag_or_auto(name: str, value: Any) -> Any:
    """True, False or ``"auto"``.

    Examples
    --------
    >>> flag_or_auto("compiled", "yes")
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: compiled='yes': True, False or 'auto' is needed.
    """
    if _is_flag(value):
        return bool(value)
    if isinstance(value, str) and value == "auto":
        return value
    raise ArgumentError(f"{name}={short_repr(value)}: True, False or 'auto' is needed.")


def whole_number(name: str, value: Any, *, least: int = 0, most: int | None = None) -> int:
    """A whole number of at least `least`, and at most `most` if there is such a bound.

    Examples
    --------
    >>> whole_number("chains", True, least=1)
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: chains=True: a whole number of at least 1 is needed.
    """
    if isinstance(value, Integral) and not _is_flag(value):
        found = int(value)
        if found >= least and (most is None or found <= most):
            return found
    bound = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    raise ArgumentError(f"{name}={short_repr(value)}: a whole number {bound} is needed.")


def number(name: str, value: Any, *, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number from `least` to `most`."""
    found = _finite(value)
    if found is not None and least <= found <= most:
        return found
    bound = "" if least == -math.inf else f" of at least {least:g}"
    bound = bound if most == math.inf else f" from {least:g} to {most:g}"
    raise ArgumentError(f"{name}={short_repr(value)}: a finite number{bound} is needed.")


def positive(name: str, value: Any) -> float:
    """A finite number above zero.

    Examples
    --------
    >>> positive("tolerance", float("nan"))
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: tolerance=nan: a positive, finite number is needed.
    """
    found = _finite(value)
    if found is not None and found > 0:
        return found
    raise ArgumentError(f"{name}={short_repr(value)}: a positive, finite number is needed.")


def proportion(name: str, value: Any) -> float:
    """A number between 0 and 1, both excluded."""
    found = _finite(value)
    if found is not None and 0 < found < 1:
        return found
    raise ArgumentError(f"{name}={short_repr(value)}: a number between 0 and 1 is needed.")


def generator(name: str, seed: Any) -> np.random.Generator:
    """A random generator, from a seed or whatever else NumPy accepts."""
    import numpy as np

    try:
        if not _is_flag(seed):
            return np.random.default_rng(seed)
    except (TypeError, ValueError):
        pass
    raise ArgumentError(
        f"{name}={short_repr(seed)}: a whole number of at least 0, a numpy Generator or None is "
        "needed."
    )


def instance(name: str, value: Any, kind: type[T], way: str = "") -> T:
    """An object of a class of this package.

    Parameters
    ----------
    name : str
    value : object
    kind : type
    way : str
        How to get one, for the message.
    """
    if isinstance(value, kind):
        return value
    hint = f": {way}" if way else ""
    raise ArgumentError(f"{name} must be a {kind.__name__}, not {short_repr(value)}{hint}.")


def mapping(name: str, value: Any, of: str) -> Mapping[Any, Any]:
    """A mapping, of what `of` says."""
    if isinstance(value, Mapping):
        return value
    raise ArgumentError(f"{name} must be a mapping of {of}, not {short_repr(value)}.")


def sequence(name: str, value: Any, of: str) -> list[Any]:
    """The elements of a sequence as a list; text is refused."""
    try:
        if not isinstance(value, (str, bytes)):
            return list(value)
    except TypeError:
        pass
    raise ArgumentError(f"{name} must be a sequence of {of}, not {short_repr(value)}.")


def _is_flag(value: object) -> bool:
    """Whether it is a bool of Python's or, by the name it has in NumPy 1 or 2, of NumPy's."""
    named = type(value).__name__ in ("bool", "bool_") and hasattr(value, "dtype")
    return isinstance(value, bool) or (named and not hasattr(value, "__len__"))


def _finite(value: object) -> float | None:
    """A real number as a float, None if it is none, not finite, or too large."""
    try:
        found = float(value) if isinstance(value, Real) and not _is_flag(value) else math.nan
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
