"""Covariance structures as a formula writes them: ``ar1(0 + f | g)``, ``(us(a):ar1(b) | g)``."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from ..covariance import STRUCTURES
from ..errors import FormulaError, formula_error, near_matches
from .formula_part import FormulaPart, translated
from .lexer import Token, tokens_of
from .token_groups import check_parentheses, token_error, with_depths
from .transforms import built_in_names

OTHER_NAMES = {
    "ou": "write `exp(0 + time | g)`, whose range is its decay",
    "homcs": "that is `cs` here, and glmmTMB's `cs` is `hcs`",
    "homtoep": "that is `toep` here, and glmmTMB's `toep` is `htoep`",
    "hetar1": "that is `har1` here",
    "hetcs": "that is `hcs` here",
    "hettoep": "that is `htoep` here",
    "idh": "that is `diag` here",
    "corsymm": "as a part of a product write `us`, alone `us` or `(… | g)`",
    "propto": "a known covariance is given by `relationship=`",
    "equalto": "a known covariance with a factor that is estimated is given by `relationship=`",
}
"""Structures of other software by its names, and what to write."""

LEAST_LIKENESS = 0.6
"""Names of calls this like a structure's are taken for one, if there is a bar inside."""


def called(token: Token, source: str) -> tuple[str, list[Token]] | None:
    """Name and inner tokens of ``name(...)``; None for other code."""
    text = source[token.start : token.stop]
    name, paren, rest = text.partition("(")
    if not paren or not name.isidentifier() or not rest.endswith(")"):
        return None
    shift = token.start + len(name) + 1

    def error(message: str, start: int, stop: int) -> FormulaError:
        return formula_error(message, source, shift + start, shift + stop)

    inner = [t.moved(shift) for t in tokens_of(rest[:-1], error)]
    check_parentheses(inner, source)
    return name, inner


def is_structure_like(name: str) -> bool:
    """Whether a call with a bar inside was meant as a structure."""
    if name in STRUCTURES or name in OTHER_NAMES:
        return True
    return name not in built_in_names() and bool(
        get_close_matches(name, STRUCTURES, cutoff=LEAST_LIKENESS)
    )


def check_structure(name: str, source: str, start: int) -> None:
    """Refuse the name of a structure that is not one."""
    if name in STRUCTURES:
        return
    hint = f": {OTHER_NAMES[name]}." if name in OTHER_NAMES else "."
    near = "" if name in OTHER_NAMES else near_matches(name, STRUCTURES)
    raise formula_error(
        f"the covariance structure `{name}` is not available{hint}{near} There are "
        f"{', '.join(f'`{s}`' for s in STRUCTURES)}.",
        source,
        start,
        start + len(name),
    )


def split_number(name: str, tokens: Sequence[Token], source: str) -> tuple[list[Token], int | None]:
    """What stands before the comma of ``rr(0 + f | g, 2)``, and the number after it."""
    if name == "us":
        return list(tokens), None
    commas = [i for i, (t, depth) in enumerate(with_depths(tokens)) if _is_comma(t, depth)]
    argument = STRUCTURES[name].argument
    if not commas:
        if argument and STRUCTURES[name].default is None:
            raise token_error(
                f"`{name}` needs its number {argument}: write `{name}(0 + f | g, {argument}=2)`.",
                source,
                tokens[0],
                tokens[-1],
            )
        return list(tokens), STRUCTURES[name].default
    given = list(tokens[commas[0] + 1 :])
    at = given or [tokens[commas[0]]]
    if not argument:
        raise token_error(f"`{name}` takes no number.", source, at[0], at[-1])
    if len(given) == 3 and given[0].text in (argument, "d") and given[1].is_operator("="):
        given = given[2:]
    if len(given) != 1 or not given[0].text.isdecimal() or int(given[0].text) < 1:
        raise token_error(
            f"after the comma `{name}` takes one whole number {argument} of 1 or more, as in "
            f"`{name}(0 + f | g, {argument}=2)`.",
            source,
            at[0],
            at[-1],
        )
    return list(tokens[: commas[0]]), int(given[0].text)


def _is_comma(token: Token, depth: int) -> bool:
    return depth == 0 and token.is_operator(",")


def product_of(left: Sequence[Token], source: str) -> tuple[str, FormulaPart] | None:
    """Structure ``us:ar1`` and expression ``0 + a:b`` of ``us(a):ar1(b)``; None for other text.

    Calls of functions, ``exp(x):exp(z)`` and such as have several arguments, are slopes.
    """
    if len(left) < 3 or any(not t.is_operator(":") for t in left[1::2]):
        return None
    calls = [called(t, source) if t.kind == "python" else None for t in left[::2]]
    names = [c[0] for c in calls if c]
    known = [name for name in names if name in STRUCTURES]
    several = any(_is_comma(t, depth) for c in calls if c for t, depth in with_depths(c[1]))
    if not known or several or set(names) == {"exp"}:
        return None
    for token, call in zip(left[::2], calls, strict=True):
        if call is None:
            raise token_error(
                "every factor of a product of structures has its own: write for example "
                "`(us(trait):ar1(time) | g)`.",
                source,
                token,
            )
        check_structure(call[0], source, token.start)
        if not call[1]:
            raise token_error(f"`{call[0]}` needs a factor.", source, token)
    if len(calls) != 2:
        raise token_error("a product has two structures.", source, left[0], left[-1])
    parts = [
        translated(source, [(inner[0].start, inner[-1].stop)]) for _, inner in filter(None, calls)
    ]
    text, origin = "0 + ", [left[0].start] * 4
    for i, part in enumerate(parts):
        text += (":" if i else "") + part.text
        origin += [left[1].start] * bool(i) + list(part.origin)
    # the last character stands for the closing parenthesis too, so that all of it is marked
    origin[-1] = left[-1].stop - 1
    return ":".join(names), FormulaPart(text, source, tuple(origin))
