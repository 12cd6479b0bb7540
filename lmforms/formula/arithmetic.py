"""Sides of a formula that are arithmetic, not sums of terms: the response and offsets.

``cbind(successes, failures)`` has two of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from .formula_part import FormulaPart, translated
from .lexer import Token
from .structure_calls import called
from .token_groups import span_of, token_error, with_depths

COUNTS_CALL = "cbind"
"""What a response of successes and failures is written with, as in R."""


def arithmetic(source: str, tokens: Sequence[Token]) -> FormulaPart:
    """Tokens of a formula as one Python expression."""
    is_one = len(tokens) == 1 and tokens[0].kind != "operator"
    return translated(source, [span_of(tokens)], quoted=not is_one)


def counts_of(source: str, tokens: Sequence[Token]) -> tuple[FormulaPart, ...]:
    """The parts of ``cbind(successes, failures)``; none of any other response.

    Their number is checked where the family is known.

    Raises
    ------
    FormulaError
        A part is empty, or a number.
    """
    if len(tokens) != 1 or tokens[0].kind != "python":
        return ()
    if not source.startswith(COUNTS_CALL, tokens[0].start):
        return ()
    call = called(tokens[0], source)
    if call is None or call[0] != COUNTS_CALL:
        return ()
    parts: list[list[Token]] = [[]]
    for token, depth in with_depths(call[1]):
        if depth == 0 and token.is_operator(","):
            parts.append([])
        else:
            parts[-1].append(token)
    for part in parts:
        if not part:
            raise token_error(
                "a part of cbind() is missing: write cbind(successes, failures).", source, tokens[0]
            )
        if len(part) == 1 and part[0].kind == "value":
            raise token_error(
                f"{part[0].text} stands in cbind() for a column of counts: write a column or an "
                "expression of columns, as in cbind(successes, size - successes).",
                source,
                part[0],
            )
    return tuple(arithmetic(source, part) for part in parts)
