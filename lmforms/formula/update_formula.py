"""``. ~ . - x + (1 | g)``: a formula from another one and what is to change.

References
----------
R's ``update.formula``, for the meaning of ``.``: here the whole old side on the left, and the old
fixed part, to which the old random terms and offsets come along, on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..errors import FormulaError, formula_error, listed, near_matches
from .bind import bind
from .formula_terms import FormulaTerms, formula_terms
from .lexer import Token, tokens_of
from .parse import parse_formula
from .terms import BoundFormula
from .token_groups import (
    additive_terms,
    bars_in,
    check_parentheses,
    is_parenthesised,
    span_of,
)


def update_formula(old: BoundFormula, text: str, columns: Sequence[str]) -> str:
    """The formula that a change of another one stands for.

    Parameters
    ----------
    old : BoundFormula
    text : str
        A whole formula, or one with ``.`` for what the old one has there; its left side may be
        missing. Terms are added by ``+`` and taken out by ``-``, random ones too.
    columns : sequence of str
        Columns that there are.

    Returns
    -------
    str
        `text` itself if it is a whole formula; else the new one, multiplied out.

    Raises
    ------
    FormulaError
        A term to be taken out is not there, or `text` is no formula.

    Examples
    --------
    >>> columns = ("y", "x", "f", "g", "h")
    >>> old = bind(parse_formula("log(y) ~ x * f + (x | g)"), columns)
    >>> update_formula(old, ". ~ . - x:f + (1 | h)", columns)
    'log(y) ~ x + f + (x | g) + (1 | h)'
    >>> update_formula(old, "~ . - (x | g) + (1 | g)", columns)
    'log(y) ~ x + f + x:f + (1 | g)'
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula is a string such as '. ~ . - x', not {type(text).__name__}.")
    tokens = tokens_of(text, lambda message, i, j: formula_error(message, text, i, j))
    check_parentheses(tokens, text)
    tildes = [i for i, token in enumerate(tokens) if token.is_operator("~")]
    if len(tildes) != 1:
        parse_formula(text)  # says what is wrong with it
    left, right = tokens[: tildes[0]], tokens[tildes[0] + 1 :]
    if left and not any(map(_is_dot, tokens)):
        return text
    change = _Change(text, formula_terms(old), tuple(columns))
    for sign, term in additive_terms(right):
        change.add(sign, term)
    return change.result(left)


def _is_dot(token: Token) -> bool:
    return token.kind == "name" and token.text == "." and token.stop - token.start == 1


@dataclass
class _Change:
    """Collects the pieces of the new right-hand side."""

    text: str
    old: FormulaTerms
    columns: tuple[str, ...]
    fixed: list[str] = field(default_factory=list)
    random: list[str] = field(default_factory=list)
    taken_out: list[object] = field(default_factory=list)
    keeps_random: bool = False

    def add(self, sign: Token | None, term: list[Token]) -> None:
        """Put one additive term where it belongs."""
        minus = sign is not None and sign.text == "-"
        if not term:
            raise self.error("nothing follows this sign.", sign, sign)
        if bars_in(term, depth=None) and is_parenthesised(term) and not bars_in(term[1:-1]):
            if minus:
                raise self.error("take random terms out one by one.", sign, term[-1])
            for inner_sign, inner in additive_terms(term[1:-1]):  # `(x + (1 | g))`
                self.add(inner_sign, inner)
        elif not bars_in(term, depth=None) and not self.is_special(term):
            self.keeps_random |= any(map(_is_dot, term))
            if minus:
                self.check_there(sign, term)
            self.fixed.append(f"{'-' if minus else '+'} {self.expanded(term)}")
        elif minus:
            self.take_out(sign, term)
        else:
            self.random.append(self.expanded(term))

    def error(self, message: str, first: Token | None, last: Token | None) -> FormulaError:
        start, stop = span_of([first, last])
        return formula_error(message, self.text, start, stop)

    def is_special(self, term: Sequence[Token]) -> bool:
        """Whether it is a call that is no fixed term: ``offset(z)``, ``diag(x | g)``."""
        if len(term) != 1 or term[0].kind != "python":
            return False
        parsed = parse_formula(f"y ~ 1 + {self.expanded(term)}")
        return bool(parsed.random or parsed.offsets)

    def expanded(self, tokens: Sequence[Token]) -> str:
        """The text of tokens with the old fixed part for each ``.``."""
        start, stop = span_of(tokens)
        pieces, at = [], start
        for token in filter(_is_dot, tokens):
            pieces += [self.text[at : token.start], f"({self.old.fixed_text})"]
            at = token.stop
        return "".join([*pieces, self.text[at:stop]])

    def terms(self, right: str) -> FormulaTerms:
        """The terms of a right-hand side."""
        return formula_terms(bind(parse_formula(f"{self.old.response} ~ {right}"), self.columns))

    def take_out(self, sign: Token | None, term: Sequence[Token]) -> None:
        """Note random terms that the new formula does not have."""
        there = [random.key for random in self.old.random]
        removed = self.terms(f"1 + {self.expanded(term)}")
        if removed.offsets:
            raise self.error(
                "an offset cannot be taken out: write the whole formula.", sign, term[-1]
            )
        for random in removed.random:
            if there.count(random.key) != 1:
                names = [str(t) for t in self.old.random]
                twice = random.key in there
                why = "is there twice" if twice else "is no random term of the model"
                way = " Write the whole formula." if twice else near_matches(str(random), names)
                raise self.error(
                    f"`{random}` {why}, which has {listed(names) or 'none'}.{way}", sign, term[-1]
                )
            self.taken_out.append(random.key)

    def check_there(self, sign: Token | None, term: Sequence[Token]) -> None:
        """Refuse to take out fixed terms of which none is there."""
        found = self.terms(f"0 + {self.expanded(term)}").fixed
        there = self.terms(f"0 {' '.join(self.fixed)}").fixed
        if found and not {t.factors for t in found} & {t.factors for t in there}:
            names, label = [t.label for t in there], found[0].label
            raise self.error(
                f"`{label}` is no fixed term of the model, which has "
                f"{listed(names) or 'none but the intercept'}.{near_matches(label, names)}",
                sign,
                term[-1],
            )

    def result(self, left: Sequence[Token]) -> str:
        """The new formula."""
        if self.taken_out and not self.keeps_random:
            raise FormulaError(
                f"{self.text!r} takes random terms out, but without a `.` on the right there are "
                "none of the old model."
            )
        old = self.old if self.keeps_random else replace(self.old, random=(), offsets=())
        kept = [str(t) for t in old.random if t.key not in self.taken_out]
        offsets = [f"offset({text})" for text in old.offsets]
        dot = not left or (len(left) == 1 and _is_dot(left[0]))
        response = self.old.response if dot else self.text[left[0].start : left[-1].stop]
        fixed = " ".join(self.fixed).removeprefix("+ ") or "1"
        right = " + ".join([fixed, *kept, *self.random, *offsets])
        return str(formula_terms(bind(parse_formula(f"{response} ~ {right}"), self.columns)))
