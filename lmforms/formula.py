"""Read ``y ~ fixed + (expr | group) + diag(expr | group) + offset(z)``.

The text is split on formulaic's own tokens, never by pattern matching: random terms and
offsets are lifted out of the right-hand side and what stays is an ordinary formula for
formulaic. The lifted places are blanked, so positions in every piece are positions in
the user's formula and errors can point there.

    y ~ x + (1 + x | g/h) - 1
        ───               ───   fixed part, for formulaic
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
from itertools import pairwise

from .errors import FormulaError, formula_error
from .piece import Piece, dialect, translated, verbatim

STRUCTURES = ("us", "diag")
"""Names of covariance structures that may stand in front of ``(expr | group)``."""

UNAVAILABLE_STRUCTURES = ("ar1", "cs", "exp", "gau", "homdiag", "mat", "ou", "rr", "toep")
"""Structures known from glmmTMB and lme4 that this version does not fit: refused by name."""

HIGHEST_POWER = 6
"""formulaic multiplies ``(a + b)^n`` out, which takes as many products as terms^n."""

_OPENERS = {"(": ")", "[": "]"}


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


@dataclass(frozen=True)
class _Token:
    text: str
    kind: str  # "operator", "context", "name", "value", "python"
    start: int
    stop: int


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
    if not source.strip():
        raise FormulaError("the formula is empty; write for example 'y ~ x + (1 | g)'.")
    return _parsed(source)


@lru_cache(maxsize=256)
def _parsed(source: str) -> MixedFormula:
    tokens = _tokenize(source, 0, source)
    _check_balance(tokens, source)
    _check_powers(tokens, source)
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


# --- tokens -----------------------------------------------------------------------------


def _tokenize(text: str, shift: int, source: str) -> list[_Token]:
    """formulaic's tokens of `text`, operators split into single ones, placed in `source`."""
    from formulaic.errors import FormulaSyntaxError
    from formulaic.parser.algos.tokenize import tokenize

    out: list[_Token] = []
    try:
        for token in tokenize(text):
            start, stop = token.source_start or 0, (token.source_end or 0) + 1
            kind = token.kind.value if token.kind is not None else "operator"
            if kind == "operator" and text[start] != "%":
                out.extend(_operators(text, start, stop, shift))
                continue
            if text[start - 1 : start] in ("`", "{", "%"):
                start -= 1
            if text[stop : stop + 1] in ("`", "}", "%"):
                stop += 1
            out.append(_Token(token.token, kind, shift + start, shift + stop))
    except FormulaSyntaxError as exc:
        raise translated(exc, verbatim(text, shift, source)) from None
    for token in out:
        if token.kind == "name" and not token.text.strip():
            raise formula_error("an empty name.", source, token.start, token.stop)
    return out


def _operators(text: str, start: int, stop: int, shift: int) -> Iterator[_Token]:
    """Split a run such as ``~-`` or ``+ -`` into operators; ``||`` and ``**`` stay whole."""
    i = start
    while i < stop:
        if text[i].isspace():
            i += 1
            continue
        width = 2 if text[i : i + 2] in ("||", "**") else 1
        yield _Token(text[i : i + width], "operator", shift + i, shift + i + width)
        i += width


def _check_balance(tokens: Sequence[_Token], source: str) -> None:
    stack: list[_Token] = []
    for token in tokens:
        if token.kind != "context":
            continue
        if token.text in _OPENERS:
            stack.append(token)
        elif not stack or _OPENERS[stack.pop().text] != token.text:
            raise formula_error(
                f"`{token.text}` closes nothing: remove it, or open it with `(` before.",
                source,
                token.start,
                token.stop,
            )
    if stack:
        raise formula_error(
            f"`{stack[-1].text}` is never closed: add `{_OPENERS[stack[-1].text]}`.",
            source,
            stack[-1].start,
            stack[-1].stop,
        )


def _check_powers(tokens: Sequence[_Token], source: str) -> None:
    for operator, power in pairwise(tokens):
        digits = power.text.lstrip("0")
        if operator.kind != "operator" or operator.text not in ("^", "**") or not digits.isdigit():
            continue
        if len(digits) > 1 or int(digits) > HIGHEST_POWER:
            raise formula_error(
                f"interactions of more than {HIGHEST_POWER} terms: use a power of at most "
                f"{HIGHEST_POWER}, or a * b * c; for powers of numbers write I(x^2) or poly(x, 2).",
                source,
                power.start,
                power.stop,
            )


def _split_sides(tokens: Sequence[_Token], source: str) -> tuple[list[_Token], list[_Token]]:
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


def _additive(tokens: Sequence[_Token]) -> Iterator[tuple[_Token | None, list[_Token]]]:
    """The terms between top-level ``+`` and ``-``, each with its last sign."""
    depth, sign, term = 0, None, list[_Token]()
    for token in tokens:
        if token.kind == "context":
            depth += 1 if token.text in _OPENERS else -1
        if depth == 0 and token.kind == "operator" and token.text in ("+", "-"):
            if term or sign is not None:
                yield sign, term
            sign, term = token, []
        else:
            term.append(token)
    yield sign, term


# --- sorting terms ----------------------------------------------------------------------


def _sort_term(
    sign: _Token | None,
    term: list[_Token],
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


def _bars(tokens: Sequence[_Token], at_depth: int | None = 0) -> list[_Token]:
    """The ``|`` and ``||`` tokens at a depth of parentheses (``None``: at any)."""
    depth, found = 0, []
    for token in tokens:
        if token.kind == "context":
            depth += 1 if token.text in _OPENERS else -1
        elif token.kind == "operator" and token.text in ("|", "||") and at_depth in (None, depth):
            found.append(token)
    return found


def _wrapped(tokens: Sequence[_Token]) -> bool:
    """Whether one pair of parentheses encloses all tokens."""
    depth = 0
    for i, token in enumerate(tokens):
        if token.kind == "context":
            depth += 1 if token.text in _OPENERS else -1
        if depth == 0 and i < len(tokens) - 1:
            return False
    return bool(tokens) and tokens[0].kind == "context"


def _call(token: _Token, source: str) -> tuple[str, list[_Token]] | None:
    """Name and inner tokens of ``name(...)``; None for any other Python code."""
    text = source[token.start : token.stop]
    name, paren, rest = text.partition("(")
    known = ("offset", *STRUCTURES, *UNAVAILABLE_STRUCTURES)
    if not paren or name not in known or not rest.endswith(")"):
        return None
    shift = token.start + len(name) + 1
    return name, _tokenize(rest[:-1], shift, source)


def _random_term(
    tokens: Sequence[_Token], bars: Sequence[_Token], structure: str, source: str
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


def _span(tokens: Sequence[_Token | None]) -> tuple[int, int]:
    placed = [t for t in tokens if t is not None]
    return (placed[0].start, placed[-1].stop) if placed else (0, 0)


def _expression(source: str, tokens: Sequence[_Token]) -> Piece:
    """A side of the formula that is arithmetic, not a sum of terms: one Python expression."""
    if len(tokens) == 1 and tokens[0].kind != "operator":
        return dialect(source, [_span(tokens)])
    return dialect(source, [_span(tokens)], quoted=True)
