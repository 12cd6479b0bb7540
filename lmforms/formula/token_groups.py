"""Groups of tokens: parentheses, additive terms, the bars of random terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import FormulaError, formula_error
from .lexer import MAX_NESTING, Token


def token_error(message: str, source: str, first: Token, last: Token | None = None) -> FormulaError:
    """A formula error that marks one token, or those from the first to the last."""
    return formula_error(message, source, first.start, (last or first).stop)


def check_parentheses(tokens: Sequence[Token], source: str) -> None:
    """Refuse parentheses without a partner, and too many inside each other."""
    stack: list[Token] = []
    for token in tokens:
        if token.kind != "parenthesis":
            continue
        if token.text == "(":
            stack.append(token)
            if len(stack) > MAX_NESTING:
                raise token_error(
                    f"more than {MAX_NESTING} parentheses inside each other.",
                    source,
                    token,
                )
        elif stack:
            stack.pop()
        else:
            raise token_error(
                f"`{token.text}` closes nothing: remove it, or open it with `(` before.",
                source,
                token,
            )
    if stack:
        raise token_error("`(` is never closed: add `)`.", source, stack[-1])


def with_depths(tokens: Sequence[Token]) -> Iterator[tuple[Token, int]]:
    """Each token with the number of parentheses open after it."""
    depth = 0
    for token in tokens:
        if token.kind == "parenthesis":
            depth += 1 if token.text == "(" else -1
        yield token, depth


def additive_terms(tokens: Sequence[Token]) -> Iterator[tuple[Token | None, list[Token]]]:
    """The terms between top-level ``+`` and ``-``, each with its last sign."""
    sign, term = None, list[Token]()
    for token, depth in with_depths(tokens):
        if depth == 0 and token.is_operator("+", "-"):
            if term or sign is not None:
                yield sign, term
            sign, term = token, []
        else:
            term.append(token)
    yield sign, term


def bars_in(tokens: Sequence[Token], depth: int | None = 0) -> list[Token]:
    """The ``|`` and ``||`` tokens at a depth of parentheses (``None``: at any)."""
    return [
        token
        for token, at in with_depths(tokens)
        if token.is_operator("|", "||") and depth in (None, at)
    ]


def is_parenthesised(tokens: Sequence[Token]) -> bool:
    """Whether one pair of parentheses encloses all tokens."""
    inside = all(depth > 0 for _, depth in with_depths(tokens[:-1]))
    return bool(tokens) and tokens[0].text == "(" and inside


def span_of(tokens: Sequence[Token | None]) -> tuple[int, int]:
    """Where the first token starts and the last one stops."""
    placed = [token for token in tokens if token is not None]
    return (placed[0].start, placed[-1].stop) if placed else (0, 0)
