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

import keyword
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .errors import FormulaError, formula_error, mark

STRUCTURES = ("us", "diag")
"""Names of covariance structures that may stand in front of ``(expr | group)``."""

UNAVAILABLE_STRUCTURES = ("ar1", "cs", "exp", "gau", "homdiag", "mat", "ou", "rr", "toep")
"""Structures known from glmmTMB and lme4 that this version does not fit: refused by name."""

_OPENERS = {"(": ")", "[": "]"}

_KEYWORDS = frozenset(keyword.kwlist) - frozenset(
    ["True", "False", "None", "and", "or", "not", "is", "in", "if", "else", "for", "lambda"]
)
"""Python's words that cannot stand in an expression, and so must be names of columns."""

_MODULES = ("np", "contr")
"""Names that formulas use with a dot."""

_ALIAS = "ˍ"
"""Appended to a name that means something else where it stands: see :func:`needs_alias`."""


@dataclass(frozen=True)
class Piece:
    """A part of the formula as text, with the place of every character in the source.

    Attributes
    ----------
    text : str
        What formulaic is to parse.
    source : str
        The whole formula as the user wrote it.
    origin : tuple of int
        ``origin[i]`` is the index in `source` of ``text[i]``.
    """

    text: str
    source: str
    origin: tuple[int, ...]

    @property
    def label(self) -> str:
        """The text with white space normalised, for display."""
        text = unaliased(" ".join(self.text.split()))
        return text[1:-1] if text.startswith("{") and text.endswith("}") else text

    def error(self, message: str, start: int = 0, stop: int | None = None) -> FormulaError:
        """A formula error that marks ``text[start:stop]`` in the user's formula."""
        return FormulaError(f"{message}\n{self.mark(start, stop)}")

    def mark(self, start: int = 0, stop: int | None = None) -> str:
        """The user's formula with carets under ``text[start:stop]``."""
        filled = [o for c, o in zip(self.text, self.origin, strict=True) if not c.isspace()]
        places = self.origin[start:stop] if stop is not None else tuple(filled)
        first, last = (min(places), max(places)) if places else (0, len(self.source) - 1)
        return mark(self.source, first, last + 1)


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
    left, right = _split_sides(tokens, source)

    fixed: list[tuple[int, int]] = []
    random: list[RandomTermSpec] = []
    offsets: list[Piece] = []
    for sign, term in _additive(right):
        _sort_term(sign, term, source, fixed, random, offsets)
    return MixedFormula(
        source=source,
        response=_expression(source, left),
        fixed=_piece(source, fixed),
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
        raise translated(exc, _identity_piece(text, shift, source)) from None
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
        expression=_piece(source, [_span(left)]),
        group=_piece(source, [_span(right)]),
        structure="diag" if bar.text == "||" else structure,
    )


# --- pieces -----------------------------------------------------------------------------


def _span(tokens: Sequence[_Token | None]) -> tuple[int, int]:
    placed = [t for t in tokens if t is not None]
    return (placed[0].start, placed[-1].stop) if placed else (0, 0)


def _identity_piece(text: str, shift: int, source: str) -> Piece:
    return Piece(text, source, tuple(range(shift, shift + len(text))))


def _expression(source: str, tokens: Sequence[_Token]) -> Piece:
    """A side of the formula that is arithmetic, not a sum of terms: one Python expression."""
    if len(tokens) == 1 and tokens[0].kind != "operator":
        return _piece(source, [_span(tokens)])
    return _piece(source, [_span(tokens)], quoted=True)


def _piece(source: str, spans: Sequence[tuple[int, int]], *, quoted: bool = False) -> Piece:
    """The spans of the source, joined and in formulaic's dialect.

    Inside calls ``^`` becomes Python's ``**`` (R users write ``I(x^2)``) and a column named
    like a Python keyword gets an alias; between terms ``%in%`` becomes ``:``, as in R.
    With `quoted`, everything counts as inside a call.
    """
    chars: list[str] = []
    origin: list[int] = []

    def put(new: str, at: int) -> None:
        chars.extend(new)
        origin.extend([at] * len(new))

    def copy(first: int, last: int) -> None:
        chars.extend(source[first:last])
        origin.extend(range(first, last))

    for start, stop in spans:
        if chars:
            put(" ", start)
        text = source[start:stop]
        in_call = _inside_calls("{" + text + "}")[1:-1] if quoted else _inside_calls(text)
        if quoted:
            put("{", start)
        i = 0
        while i < len(text):
            word = _word(text, i)
            if text[i] == "`":
                stop_tick = text.find("`", i + 1) + 1 or len(text)
                name = text[i + 1 : stop_tick - 1]
                if in_call[i] and keyword.iskeyword(name):
                    put(name + _ALIAS, start + i)
                elif needs_alias(name) and not keyword.iskeyword(name):
                    put(f"`{name}{_ALIAS}`", start + i)
                else:
                    copy(start + i, start + stop_tick)
                i = stop_tick
            elif in_call[i] and word in _KEYWORDS:
                put(word + _ALIAS, start + i)
                i += len(word)
            elif word:
                copy(start + i, start + i + len(word))
                i += len(word)
            elif in_call[i] and text[i] == "^":
                put("**", start + i)
                i += 1
            elif not in_call[i] and text[i : i + 4] == "%in%":
                put(":", start + i)
                i += 4
            else:
                copy(start + i, start + i + 1)
                i += 1
        if quoted:
            put("}", stop - 1)
    return Piece("".join(chars), source, tuple(origin))


def _word(text: str, i: int) -> str:
    """The identifier that starts at ``text[i]``, or an empty string."""
    stop = i
    while stop < len(text) and text[i : stop + 1].isidentifier():
        stop += 1
    return text[i:stop]


def with_functions_apart(piece: Piece, columns: Sequence[str]) -> Piece:
    """The piece with an alias for every called name that is also a column's.

    In ``log + log(w)`` with a column `log` the second is still the function, as in R.
    """
    text, taken = piece.text, set(columns)
    quote, i = "", 0
    chars: list[str] = []
    origin: list[int] = []
    while i < len(text):
        word = "" if quote else _word(text, i)
        stop = i + max(1, len(word))
        if not word and text[i] in "\"'`" and quote in ("", text[i]):
            quote = "" if quote else text[i]
        follows = text[stop : stop + 1]
        called = word in taken and (follows == "(" or (follows == "." and word in _MODULES))
        chars.extend(text[i:stop] + _ALIAS * called)
        origin.extend([*piece.origin[i:stop], *[piece.origin[stop - 1]] * called])
        i = stop
    return Piece("".join(chars), piece.source, tuple(origin))


def unaliased(name: str) -> str:
    """A name as the user wrote it, without the alias of keywords."""
    return name.replace(_ALIAS, "")


def needs_alias(column: str) -> bool:
    """Whether a column is called like a Python keyword or like a number.

    Inside a call Python would stumble over the first; formulaic takes `` `1` `` for 1.
    """
    return keyword.iskeyword(column) or column.replace(".", "", 1).isdigit()


def aliased(column: str) -> str:
    """The name under which such a column is found."""
    return column + _ALIAS


def _inside_calls(text: str) -> list[bool]:
    """For each character, whether it is Python code of a call (outside its strings)."""
    inside = [False] * len(text)
    quote, calls, depth = "", 0, list[bool]()
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
            continue
        inside[i] = calls > 0
        if char in "\"'`":
            quote = char
        elif char in "([{":
            is_call = char == "{" or (i > 0 and (text[i - 1].isalnum() or text[i - 1] in "_.`"))
            depth.append(is_call or calls > 0)
            calls += depth[-1]
        elif char in ")]}" and depth:
            calls -= depth.pop()
        inside[i] = calls > 0
    return inside


def translated(exc: Exception, piece: Piece) -> FormulaError:
    """formulaic's parsing error as ours, its mark moved into the user's formula."""
    message, _, context = str(exc).partition("\n")
    context = context.strip("\n").replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    message = message.strip().rstrip(".")
    if "quote context" in message:
        message = f"`{message.rsplit(':', 1)[-1].strip()}` is missing at the end"
    start, stop = context.find("⧛"), context.find("⧚") - 1
    if 0 <= start < stop:
        # formulaic may mark blanks around the culprit: keep to what is written
        marked = piece.text[start:stop]
        start += len(marked) - len(marked.lstrip())
        stop -= len(marked) - len(marked.rstrip())
        return piece.error(f"{message}.", start, stop)
    return piece.error(f"{message}.")
