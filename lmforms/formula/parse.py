"""Read ``y ~ fixed + (expr | group) + diag(expr | group) + offset(z)``.

Random terms and offsets are lifted out of the right-hand side; what stays is an ordinary
sum of terms. Every piece knows where its characters stand in the user's formula, so that
errors can point there.

    y ~ x + (1 + x | g/h) - 1
        ───               ───   fixed part
             ──────   ───       one RandomTermSpec per grouping factor: g, g:h

References
----------
Bates, Mächler, Bolker, Walker (2015), *Fitting Linear Mixed-Effects Models Using lme4*,
J. Stat. Software 67(1), section 2.1, for the syntax of random terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..covariance import STRUCTURES as COVARIANCES
from ..errors import FormulaError, formula_error
from .lexer import DEEPEST, Token, tokens_of
from .piece import RESERVED, Piece, dialect

STRUCTURES = tuple(COVARIANCES)
"""Names of covariance structures that may stand in front of ``(expr | group)``."""

UNAVAILABLE_STRUCTURES = ("ar1", "cs", "exp", "gau", "homdiag", "mat", "ou", "rr", "toep")
"""Structures known from glmmTMB and lme4 that this version does not fit: refused by name."""


@dataclass(frozen=True)
class RandomTermSpec:
    """One random term of the formula, before it meets data.

    Attributes
    ----------
    expression : Piece
        Left of the bar.
    group : Piece
        Right of the bar, as written (``g/h`` gives two specs with the same `group`).
    structure : str
        ``"us"`` (unstructured) or ``"diag"``.
    """

    expression: Piece
    group: Piece
    structure: str

    @property
    def label(self) -> str:
        """The term as text, for messages and tables."""
        inner = f"{self.expression.label} | {self.group.label}"
        return f"({inner})" if self.structure == "us" else f"{self.structure}({inner})"


@dataclass(frozen=True)
class MixedFormula:
    """A mixed-model formula split into its parts.

    Attributes
    ----------
    source : str
        The formula as given.
    response, fixed : Piece
        The two sides without random terms and offsets.
    random : tuple of RandomTermSpec
        In the order of the formula; empty for an ordinary linear model.
    offsets : tuple of Piece
        The arguments of each ``offset(...)``.
    """

    source: str
    response: Piece
    fixed: Piece
    random: tuple[RandomTermSpec, ...]
    offsets: tuple[Piece, ...]

    def __str__(self) -> str:
        return " ".join(self.source.split())


def parse_formula(source: str) -> MixedFormula:
    """Split a mixed-model formula.

    Parameters
    ----------
    source : str
        For example ``"y ~ x + (x | g)"``.

    Returns
    -------
    MixedFormula

    Raises
    ------
    FormulaError
        With the offending place marked.

    Examples
    --------
    >>> f = parse_formula("log(y) ~ x + (x || g) - 1 + offset(z)")
    >>> f.response.label, f.fixed.label, f.random[0].label, f.offsets[0].label
    ('log(y)', 'x - 1', 'diag(x | g)', 'z')
    """
    if not isinstance(source, str):
        raise FormulaError(
            f"a formula is a string such as 'y ~ x + (1 | g)', not {type(source).__name__}."
        )
    if any(mark in source for mark in RESERVED):
        found = next(mark for mark in RESERVED if mark in source)
        raise formula_error(
            f"names with the letter {found} cannot be used: rename the column.",
            source,
            source.index(found),
            source.index(found) + 1,
        )
    if not source.strip():
        raise FormulaError("the formula is empty; write for example 'y ~ x + (1 | g)'.")
    return _parsed(source)


@lru_cache(maxsize=256)
def _parsed(source: str) -> MixedFormula:
    tokens = tokens_of(source, lambda text, i, j: formula_error(text, source, i, j))
    _check_balance(tokens, source)
    left, right = _split_sides(tokens, source)

    fixed: list[tuple[int, int]] = []
    random: list[RandomTermSpec] = []
    offsets: list[Piece] = []
    for sign, term in _additive(right):
        _sort_term(sign, term, source, fixed, random, offsets)
    return MixedFormula(
        source=source,
        response=_expression(source, left),
        fixed=dialect(source, fixed),
        random=tuple(random),
        offsets=tuple(offsets),
    )


# --- sides and terms ---------------------------------------------------------------------


def _check_balance(tokens: Sequence[Token], source: str) -> None:
    stack: list[Token] = []
    for token in tokens:
        if token.kind != "context":
            continue
        if token.text == "(":
            stack.append(token)
            if len(stack) > DEEPEST:
                raise formula_error(
                    f"more than {DEEPEST} parentheses inside each other.",
                    source,
                    token.start,
                    token.stop,
                )
        elif stack:
            stack.pop()
        else:
            raise formula_error(
                f"`{token.text}` closes nothing: remove it, or open it with `(` before.",
                source,
                token.start,
                token.stop,
            )
    if stack:
        raise formula_error(
            "`(` is never closed: add `)`.",
            source,
            stack[-1].start,
            stack[-1].stop,
        )


def _split_sides(tokens: Sequence[Token], source: str) -> tuple[list[Token], list[Token]]:
    tildes = [i for i, t in enumerate(tokens) if t.kind == "operator" and t.text == "~"]
    if not tildes:
        raise formula_error(
            "no `~`: a formula has the response on its left, as in 'y ~ x + (1 | g)'.",
            source,
            0,
            len(source),
        )
    if len(tildes) > 1:
        second = tokens[tildes[1]]
        raise formula_error(
            "a second `~`: a formula has one response and one right-hand side.",
            source,
            second.start,
            second.stop,
        )
    left, right = list(tokens[: tildes[0]]), list(tokens[tildes[0] + 1 :])
    tilde = tokens[tildes[0]]
    if not left:
        raise formula_error("no response on the left of `~`.", source, tilde.start, tilde.stop)
    for token in left:
        if token.kind == "operator" and token.text in ("|", "||"):
            raise formula_error(
                "random terms belong on the right of `~`.", source, token.start, token.stop
            )
    if not right:
        raise formula_error(
            "nothing on the right of `~`; write `1` for an intercept alone.",
            source,
            tilde.start,
            tilde.stop,
        )
    return left, right


def _additive(tokens: Sequence[Token]) -> Iterator[tuple[Token | None, list[Token]]]:
    """The terms between top-level ``+`` and ``-``, each with its last sign."""
    depth, sign, term = 0, None, list[Token]()
    for token in tokens:
        if token.kind == "context":
            depth += 1 if token.text == "(" else -1
        if depth == 0 and token.kind == "operator" and token.text in ("+", "-"):
            if term or sign is not None:
                yield sign, term
            sign, term = token, []
        else:
            term.append(token)
    yield sign, term


# --- sorting terms ----------------------------------------------------------------------


def _sort_term(
    sign: Token | None,
    term: list[Token],
    source: str,
    fixed: list[tuple[int, int]],
    random: list[RandomTermSpec],
    offsets: list[Piece],
) -> None:
    """Put one additive term where it belongs."""
    negative = sign is not None and sign.text == "-"

    def refuse_minus(what: str) -> None:
        if negative and sign is not None:
            raise formula_error(
                f"{what} cannot be subtracted; leave it out of the formula instead.",
                source,
                sign.start,
                term[-1].stop,
            )

    bars = _bars(term)
    if len(term) == 1 and term[0].kind == "python":
        call = _call(term[0], source)
        if call is not None:
            name, inner = call
            inner_bars = _bars(inner)
            if name == "offset" and not inner_bars:
                refuse_minus("an offset")
                if not inner:
                    raise formula_error(
                        "offset() needs a column or an expression.",
                        source,
                        term[0].start,
                        term[0].stop,
                    )
                offsets.append(_expression(source, inner))
                return
            if inner_bars and name in STRUCTURES + UNAVAILABLE_STRUCTURES:
                refuse_minus("a random term")
                if name not in STRUCTURES:
                    raise formula_error(
                        f"the covariance structure `{name}` is not available; "
                        f"use one of {', '.join(f'`{s}(...)`' for s in STRUCTURES)}.",
                        source,
                        term[0].start,
                        term[0].start + len(name),
                    )
                random.append(_random_term(inner, inner_bars, name, source))
                return
    if not bars and not _bars(term, at_depth=None):
        span = _span([sign, *term] if sign is not None else term) if term else _span([sign])
        fixed.append(span)
        return
    if bars:
        raise formula_error(
            "a random term stands in parentheses: write `(expression | group)`.",
            source,
            bars[0].start,
            bars[0].stop,
        )
    if not (_wrapped(term) and term[0].text == "("):
        bar = _bars(term, at_depth=None)[0]
        raise formula_error(
            "a random term can only be added with `+`, not combined with other operators.",
            source,
            bar.start,
            bar.stop,
        )
    inner = term[1:-1]
    refuse_minus("a random term")
    if _bars(inner):
        random.append(_random_term(inner, _bars(inner), "us", source))
        return
    for inner_sign, inner_term in _additive(inner):  # `(x + (1 | g))`: open the parentheses
        _sort_term(inner_sign or sign, inner_term, source, fixed, random, offsets)


def _bars(tokens: Sequence[Token], at_depth: int | None = 0) -> list[Token]:
    """The ``|`` and ``||`` tokens at a depth of parentheses (``None``: at any)."""
    depth, found = 0, []
    for token in tokens:
        if token.kind == "context":
            depth += 1 if token.text == "(" else -1
        elif token.kind == "operator" and token.text in ("|", "||") and at_depth in (None, depth):
            found.append(token)
    return found


def _wrapped(tokens: Sequence[Token]) -> bool:
    """Whether one pair of parentheses encloses all tokens."""
    depth = 0
    for i, token in enumerate(tokens):
        if token.kind == "context":
            depth += 1 if token.text == "(" else -1
        if depth == 0 and i < len(tokens) - 1:
            return False
    return bool(tokens) and tokens[0].kind == "context"


def _call(token: Token, source: str) -> tuple[str, list[Token]] | None:
    """Name and inner tokens of ``name(...)``; None for any other Python code."""
    text = source[token.start : token.stop]
    name, paren, rest = text.partition("(")
    known = ("offset", *STRUCTURES, *UNAVAILABLE_STRUCTURES)
    if not paren or name not in known or not rest.endswith(")"):
        return None
    shift = token.start + len(name) + 1

    def complain(message: str, start: int, stop: int) -> FormulaError:
        return formula_error(message, source, shift + start, shift + stop)

    inner = [t.moved(shift) for t in tokens_of(rest[:-1], complain)]
    _check_balance(inner, source)
    return name, inner


def _random_term(
    tokens: Sequence[Token], bars: Sequence[Token], structure: str, source: str
) -> RandomTermSpec:
    if len(bars) > 1:
        raise formula_error(
            "two bars in one random term; write one term per grouping factor, "
            "`(x | g) + (x | h)`, or `(x | g/h)` for nested ones.",
            source,
            bars[1].start,
            bars[1].stop,
        )
    bar = bars[0]
    left = [t for t in tokens if t.stop <= bar.start]
    right = [t for t in tokens if t.start >= bar.stop]
    if not left or not right:
        side = "left" if not left else "right"
        what = "an expression such as `1` or `x`" if not left else "a grouping factor"
        raise formula_error(
            f"nothing on the {side} of `{bar.text}`: {what} is needed there.",
            source,
            bar.start,
            bar.stop,
        )
    return RandomTermSpec(
        expression=dialect(source, [_span(left)]),
        group=dialect(source, [_span(right)]),
        structure="diag" if bar.text == "||" else structure,
    )


# --- pieces -----------------------------------------------------------------------------


def _span(tokens: Sequence[Token | None]) -> tuple[int, int]:
    placed = [t for t in tokens if t is not None]
    return (placed[0].start, placed[-1].stop) if placed else (0, 0)


def _expression(source: str, tokens: Sequence[Token]) -> Piece:
    """A side of the formula that is arithmetic, not a sum of terms: one Python expression."""
    if len(tokens) == 1 and tokens[0].kind != "operator":
        return dialect(source, [_span(tokens)])
    return dialect(source, [_span(tokens)], quoted=True)
