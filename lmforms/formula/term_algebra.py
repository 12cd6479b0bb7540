"""The algebra of terms: ``(a + b)^2``, ``a/b``, ``. - x`` as a list of products of factors.

The rules are R's: 1 and 0 say whether there is an intercept, wherever they stand, and are
no terms; repeated factors and terms count once; ``-`` removes terms that are there.

References
----------
Wilkinson, Rogers (1973), *Symbolic Description of Factorial Models for Analysis of
Variance*, Applied Statistics 22(3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .formula_part import FormulaPart
from .lexer import MAX_NESTING, Token, tokens_of

OPERATORS = ("+", "-", "*", "/", ":", "^", "**", "%in%")
"""What may stand between terms of one part (``~`` and bars are taken out before)."""

MAX_TERMS = 500
"""Terms that one part of a formula may give: (a + … 10 terms)^4 has 385, a 9-way ``*`` 511."""

MAX_POWER = 10
"""Largest n in ``(a + b)^n``."""

Product = tuple[Token, ...]
"""A term: its factors in the order in which they were written."""

Terms = dict[frozenset[str], Product]
"""Terms by the texts of their factors, in order."""


@dataclass(frozen=True)
class Expansion:
    """What a part of a formula stands for.

    Attributes
    ----------
    terms : tuple of tuple of Token
        The factors of each term, by degree; within a degree as they were written.
    intercept : bool
    constants : tuple of Token
        The numbers 0 and 1 of the text.
    """

    terms: tuple[Product, ...]
    intercept: bool
    constants: tuple[Token, ...]


def expand(part: FormulaPart, *, intercept: bool, available: Sequence[str] = ()) -> Expansion:
    """Multiply a part of a formula out.

    Parameters
    ----------
    part : FormulaPart
    intercept : bool
        Whether there is one unless the formula says otherwise.
    available : sequence of str
        What ``.`` stands for.

    Raises
    ------
    FormulaError
        The text is not a sum of products of factors, or one of too many.

    Examples
    --------
    >>> from lmforms.formula.formula_part import translated
    >>> text = "(a + b)^2 - 1"
    >>> found = expand(translated(text, [(0, len(text))]), intercept=True)
    >>> [":".join(t.text for t in term) for term in found.terms], found.intercept
    (['a', 'b', 'a:b'], False)
    """
    tokens = tokens_of(part.text, part.error)
    for token in tokens:
        if token.kind == "operator" and token.text not in OPERATORS:
            raise part.error(_misplaced(token.text), token.start, token.stop)
    reader = _Reader(part, tokens, tuple(available), intercept)
    terms = reader.all()
    ordered = sorted(terms.values(), key=len)
    return Expansion(tuple(ordered), reader.intercept, tuple(reader.constants))


@dataclass
class _Reader:
    """Reads tokens from left to right, one method a level of precedence."""

    part: FormulaPart
    tokens: list[Token]
    available: tuple[str, ...]
    intercept: bool
    place: int = 0
    depth: int = 0
    removing: bool = False
    constants: list[Token] = field(default_factory=list)

    def all(self) -> Terms:
        if not self.tokens:
            return {}
        terms = self.sum()
        token = self.peek()
        if token is not None:
            before = self.tokens[self.place - 1]
            raise self.part.error("an operator is missing between these.", before.start, token.stop)
        return terms

    def error(self, message: str, token: Token) -> Exception:
        return self.part.error(message, token.start, token.stop)

    def peek(self) -> Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self, *operators: str) -> Token | None:
        """The next token if it is one of these operators."""
        token = self.peek()
        if token is None or not token.is_operator(*operators):
            return None
        self.place += 1
        return token

    def sum(self) -> Terms:
        """``a + b - c``, with any number of signs before each."""
        terms = {} if self.at_sign() else self.product()
        while (sign := self.take("+", "-")) is not None:
            if sign.text == "+":
                terms = self.joined(terms, self.signed(sign), sign)
            else:
                for key in self.removed(sign):
                    terms.pop(key, None)
        return terms

    def at_sign(self) -> bool:
        token = self.peek()
        return token is not None and token.is_operator("+", "-")

    def signed(self, before: Token) -> Terms:
        """What follows a sign: further signs, and a product."""
        sign = self.take("+", "-")
        if sign is None:
            return self.product(before)
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.error("too many signs.", sign)
        terms = self.signed(sign) if sign.text == "+" else self.removed(sign)
        self.depth -= 1
        return terms if sign.text == "+" else {}  # there is nothing yet to remove it from

    def removed(self, sign: Token) -> Terms:
        """What a minus takes away: terms, and the intercept by its 1."""
        self.removing = not self.removing
        terms = self.signed(sign)
        self.removing = not self.removing
        return terms

    def product(self, before: Token | None = None) -> Terms:
        """``a * b / c``."""
        terms = self.nested(before)
        while (operator := self.take("*", "/")) is not None:
            right = self.nested(operator)
            crossed = operator.text == "*"
            made = self.joined(terms, right, operator) if crossed else terms
            left = terms if crossed else self.union(terms)
            terms = self.joined(made, self.crossed(left, right, operator), operator)
        return terms

    def nested(self, before: Token | None) -> Terms:
        """``a %in% b``."""
        terms = self.interaction(before)
        while (operator := self.take("%in%")) is not None:
            right = self.interaction(operator)
            terms = self.crossed(terms, self.union(right), operator)
        return terms

    def interaction(self, before: Token | None) -> Terms:
        """``a:b``."""
        terms = self.power(before)
        while (operator := self.take(":")) is not None:
            right = self.power(operator)
            terms = self.crossed(terms, right, operator)
        return terms

    def power(self, before: Token | None) -> Terms:
        """``a^2``."""
        terms = self.atom(before)
        if (operator := self.take("^", "**")) is not None:
            token = self.peek()
            if token is None or token.kind != "value" or not _is_whole(token.text):
                raise self.error(
                    "the power of a sum of terms is a whole number of at least 1, as in "
                    "(a + b)^2; powers of numbers are written I(x^2).",
                    operator if token is None else token,
                )
            digits = token.text.lstrip("0")
            if len(digits) > 2 or int(digits) > MAX_POWER:
                raise self.error(
                    f"interactions of more than {MAX_POWER} terms: use a power of at most "
                    f"{MAX_POWER}; for powers of numbers write I(x^2) or poly(x, 2).",
                    token,
                )
            self.place += 1
            base = terms
            for _ in range(int(digits) - 1):
                terms = self.joined(terms, self.crossed(terms, base, operator), operator)
            again = self.take("^", "**")
            if again is not None:
                raise self.error("a power of a power: put the inner one in parentheses.", again)
        return terms

    def atom(self, before: Token | None) -> Terms:
        """A factor, a number or a sum in parentheses."""
        token = self.peek()
        if token is None or token.kind == "operator" or token.text == ")":
            at = token or self.tokens[-1]
            if before is not None and at.kind != "operator":
                at = before
            if at.text == ")":
                raise self.error("nothing in these parentheses.", at)
            raise self.error(f"`{at.text}` lacks an operand.", at)
        self.place += 1
        if token.text == "(" and token.kind == "parenthesis":
            self.depth += 1
            if self.depth > MAX_NESTING:
                raise self.error(f"more than {MAX_NESTING} parentheses inside each other.", token)
            terms = self.sum()
            closing = self.peek()
            if closing is None or closing.text != ")":
                raise self.error("an operator is missing before this.", closing or token)
            self.place += 1
            self.depth -= 1
            return terms
        if token.kind == "value" and token.text in ("0", "1"):
            self.intercept = (token.text == "1") != self.removing
            self.constants.append(token)
            return {}
        if token.kind == "value":
            raise self.error(_no_term(token.text), token)
        if token.kind == "name" and token.text == "." and token.stop - token.start == 1:
            named = [Token(name, "name", token.start, token.stop) for name in self.available]
            return {frozenset([_key(t)]): (t,) for t in named}
        return {frozenset([_key(token)]): (token,)}

    def crossed(self, left: Terms, right: Terms, operator: Token) -> Terms:
        """Every term of one side times every term of the other."""
        if not left or not right:
            raise self.error(
                f"nothing to multiply beside `{operator.text}`: 1 and 0 stand for the intercept "
                "and can only be added; a column times a number is I(2 * x).",
                operator,
            )
        made: Terms = {}
        for a in left.values():
            for b in right.values():
                factors = {_key(t): t for t in (*a, *b)}
                made.setdefault(frozenset(factors), tuple(factors.values()))
            self.check_count(made, operator)
        return made

    def joined(self, left: Terms, right: Terms, operator: Token) -> Terms:
        made = {**left, **{key: term for key, term in right.items() if key not in left}}
        self.check_count(made, operator)
        return made

    def union(self, terms: Terms) -> Terms:
        """One term with all factors of all terms."""
        factors = {_key(t): t for term in terms.values() for t in term}
        return {frozenset(factors): tuple(factors.values())} if factors else {}

    def check_count(self, terms: Terms, operator: Token) -> None:
        if len(terms) > MAX_TERMS:
            raise self.error(
                f"this stands for more than {MAX_TERMS} terms: use fewer factors or a lower "
                "power, or write the terms that you want.",
                operator,
            )


def _key(token: Token) -> str:
    """What makes factors the same: a column may be called like a call, `` `log(x)` ``."""
    called = token.kind == "python" and not token.text.isidentifier()
    return "{" + token.text + "}" if called else token.text


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and text.strip("0") != ""


def _no_term(text: str) -> str:
    if text[0] in "'\"":
        return "text is no term: a column's name stands without quotes, or in backticks."
    return (
        f"the number {text} is no term: 1 and 0 stand for the intercept; a column times a number "
        "is I(2 * x)."
    )


def _misplaced(operator: str) -> str:
    if operator in ("|", "||"):
        return f"`{operator}` has no meaning inside a random term: write one term for each group."
    if operator in ("−", "–"):
        return f"`{operator}` is no minus sign: write `-`."
    if operator in ("[", "]", "}"):
        return f"`{operator}` has no meaning here: group terms by parentheses."
    if operator in (",", ";"):
        return f"`{operator}` separates nothing here: add terms by `+`."
    if operator.startswith("%") and len(operator) > 1:
        return f"`{operator}` has no meaning between terms; arithmetic stands in I(...)."
    if operator[0] in "<>=!&%":
        return f"`{operator}` has no meaning between terms; write conditions inside I(...)."
    return f"`{operator}` has no meaning in a formula; names with such characters need backticks."
