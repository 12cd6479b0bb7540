"""Read ``y ~ fixed + (expr | group) + diag(expr | group) + offset(z)``.

Random terms and offsets are taken out of the right-hand side; the rest is an ordinary sum of
terms. Every part records the positions of its characters in the user's formula, so that errors
can mark them.

    y ~ x + (1 + x | g/h) - 1
        ───               ───   fixed part
             ──────   ───       one RandomTermSpec per grouping factor: g, g:h

References
----------
Bates, Mächler, Bolker, Walker (2015), *Fitting Linear Mixed-Effects Models Using lme4*,
J. Stat. Software 67(1), section 2.1, for the syntax of random terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ..errors import FormulaError, formula_error
from .aliases import RESERVED
from .arithmetic import arithmetic, counts_of
from .formula_part import FormulaPart, translated
from .lexer import Token, tokens_of
from .structure_calls import called, check_structure, is_structure_like, product_of, split_number
from .token_groups import (
    additive_terms,
    bars_in,
    check_parentheses,
    is_parenthesised,
    span_of,
    token_error,
)

REMEMBERED_FORMULAS = 256
"""Formulas that are remembered as they were parsed, by their text."""


@dataclass(frozen=True)
class RandomTermSpec:
    """One random term of the formula, before the columns of the data are known.

    Attributes
    ----------
    expression : FormulaPart
        Left of the bar.
    group : FormulaPart
        Right of the bar, as written (``g/h`` gives two specs with the same `group`).
    structure : str
        ``"us"`` (unstructured), ``"diag"`` or another of :mod:`lmforms.covariance.structure_kinds`;
        ``"us:ar1"`` for a product.
    number : int, optional
        What stands after a comma, such as the rank of ``rr(0 + f | g, 2)``.
    options : str
        The comma and what follows it, as written.
    """

    expression: FormulaPart
    group: FormulaPart
    structure: str
    number: int | None = None
    options: str = ""

    @property
    def label(self) -> str:
        """The term as text, for messages and tables."""
        product = ":" in self.structure
        left = self.expression.written() if product else self.expression.label
        inner = f"{left} | {self.group.label}{self.options}"
        return f"({inner})" if product or self.structure == "us" else f"{self.structure}({inner})"


@dataclass(frozen=True)
class MixedFormula:
    """A mixed-model formula split into its parts.

    Attributes
    ----------
    source : str
        The formula as given.
    response, fixed : FormulaPart
        The two sides without random terms and offsets.
    random : tuple of RandomTermSpec
        In the order of the formula; empty for an ordinary linear model.
    offsets : tuple of FormulaPart
        The arguments of each ``offset(...)``.
    counts : tuple of FormulaPart
        The parts of a response ``cbind(successes, failures)``; none of any other.
    """

    source: str
    response: FormulaPart
    fixed: FormulaPart
    random: tuple[RandomTermSpec, ...]
    offsets: tuple[FormulaPart, ...]
    counts: tuple[FormulaPart, ...] = ()

    def __hash__(self) -> int:
        return hash(self.source)  # what all else follows from

    def __str__(self) -> str:
        return " ".join(self.source.split())

    def __repr__(self) -> str:
        return f"<MixedFormula {str(self)!r}>"


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
    return _parsed(source)


@lru_cache(maxsize=REMEMBERED_FORMULAS)
def _parsed(source: str) -> MixedFormula:
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
    tokens = tokens_of(source, lambda text, i, j: formula_error(text, source, i, j))
    check_parentheses(tokens, source)
    left, right = _split_sides(tokens, source)
    sorter = TermSorter(source)
    for sign, term in additive_terms(right):
        sorter.add(sign, term)
    return MixedFormula(
        source=source,
        response=arithmetic(source, left),
        fixed=translated(source, sorter.fixed),
        random=tuple(sorter.random),
        offsets=tuple(sorter.offsets),
        counts=counts_of(source, left),
    )


def _split_sides(tokens: Sequence[Token], source: str) -> tuple[list[Token], list[Token]]:
    tildes = [i for i, token in enumerate(tokens) if token.is_operator("~")]
    if not tildes:
        raise formula_error(
            "no `~`: a formula has the response on its left, as in 'y ~ x + (1 | g)'.",
            source,
            0,
            len(source),
        )
    if len(tildes) > 1:
        raise token_error(
            "a second `~`: a formula has one response and one right-hand side.",
            source,
            tokens[tildes[1]],
        )
    left, right = list(tokens[: tildes[0]]), list(tokens[tildes[0] + 1 :])
    tilde = tokens[tildes[0]]
    if not left:
        raise token_error("no response on the left of `~`.", source, tilde)
    for token in left:
        if token.is_operator("|", "||"):
            raise token_error("random terms belong on the right of `~`.", source, token)
    if not right:
        raise token_error(
            "nothing on the right of `~`; write `1` for an intercept alone.", source, tilde
        )
    return left, right


@dataclass
class TermSorter:
    """Collects the terms of the right-hand side: fixed part, random terms and offsets."""

    source: str
    fixed: list[tuple[int, int]] = field(default_factory=list)
    random: list[RandomTermSpec] = field(default_factory=list)
    offsets: list[FormulaPart] = field(default_factory=list)

    def add(self, sign: Token | None, term: list[Token]) -> None:
        """Put one additive term where it belongs."""
        if len(term) == 1 and term[0].kind == "python" and self._add_call(sign, term[0]):
            return
        every_bar = bars_in(term, depth=None)
        if not every_bar:
            self.fixed.append(span_of([sign, *term]))
            return
        bars = bars_in(term)
        if bars:
            raise token_error(
                "a random term stands in parentheses: write `(expression | group)`.",
                self.source,
                bars[0],
            )
        if not is_parenthesised(term):
            raise token_error(
                "a random term can only be added with `+`, not combined with other operators.",
                self.source,
                every_bar[0],
            )
        self._refuse_minus(sign, term, "a random term")
        inner = term[1:-1]
        bars = bars_in(inner)
        if bars:
            self.random.append(_random_term(inner, bars, "us", self.source))
            return
        for inner_sign, inner_term in additive_terms(inner):  # `(x + (1 | g))`
            self.add(inner_sign or sign, inner_term)

    def _add_call(self, sign: Token | None, token: Token) -> bool:
        """Add ``offset(z)`` or ``diag(x | g)``; False for any other call."""
        call = _known_call(token, self.source)
        if call is None:
            return False
        name, inner = call
        bars = bars_in(inner)
        if name == "offset" and not bars:
            self._refuse_minus(sign, [token], "an offset")
            if not inner:
                raise token_error("offset() needs a column or an expression.", self.source, token)
            self.offsets.append(arithmetic(self.source, inner))
            return True
        if name == "offset" or not bars:
            return False
        self._refuse_minus(sign, [token], "a random term")
        check_structure(name, self.source, token.start)
        self.random.append(_random_term(inner, bars, name, self.source))
        return True

    def _refuse_minus(self, sign: Token | None, term: Sequence[Token], what: str) -> None:
        if sign is not None and sign.text == "-":
            raise token_error(
                f"{what} cannot be subtracted; leave it out of the formula instead.",
                self.source,
                sign,
                term[-1],
            )


def _known_call(token: Token, source: str) -> tuple[str, list[Token]] | None:
    """Name and inner tokens of ``offset(...)`` or ``structure(... | g)``; None for other code."""
    name, _, rest = source[token.start : token.stop].partition("(")
    if name != "offset" and not ("|" in rest and is_structure_like(name)):
        return None
    return called(token, source)


def _random_term(
    tokens: Sequence[Token], bars: Sequence[Token], structure: str, source: str
) -> RandomTermSpec:
    if len(bars) > 1:
        raise token_error(
            "two bars in one random term; write one term per grouping factor, "
            "`(x | g) + (x | h)`, or `(x | g/h)` for nested ones.",
            source,
            bars[1],
        )
    bar = bars[0]
    given, number = split_number(structure, tokens, source)
    options = source[given[-1].stop : tokens[-1].stop] if len(given) < len(tokens) else ""
    tokens = given
    left = [t for t in tokens if t.stop <= bar.start]
    right = [t for t in tokens if t.start >= bar.stop]
    if not left or not right:
        side = "left" if not left else "right"
        what = "an expression such as `1` or `x`" if not left else "a grouping factor"
        raise token_error(
            f"nothing on the {side} of `{bar.text}`: {what} is needed there.", source, bar
        )
    group = translated(source, [span_of(right)])
    product = product_of(left, source) if structure == "us" else None
    if product is not None:
        name, expression = product
        return RandomTermSpec(expression, group, name)
    if bar.text == "||":
        if structure not in ("us", "diag"):
            raise token_error(
                f"`{structure}(…)` has one bar: `||` stands for independent effects.", source, bar
            )
        structure = "diag"
    expression = translated(source, [span_of(left)])
    return RandomTermSpec(expression, group, structure, number, " ".join(options.split()))
