"""Residual structures written as text, such as ``ar1(time | subject) * idh(sex)``.

    residual = product ["+" "units"]
    product  = factor ("*" factor …)
    factor   = "iid" | "(" factor ")" | call [":" call] ["|" group]
    call     = name "(" columns ["|" group] {"," option "=" value} ")"
    columns  = "1" | column {"+" column}  (of idh: column {":" column})
    group    = column {":" column}

Names of columns that are no words stand in backticks. Nothing is evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..errors import ArgumentError, FormulaError, formula_error, listed, near_matches
from ..support.arguments import short_repr
from .specification import FITTED, CorrelationTerm, ResidualSpec, VarianceTerm, check_series
from .structures import (
    ALL_NAMES,
    CORRELATIONS,
    FOREIGN_NAMES,
    INDEPENDENT,
    VARIANCES,
    WITH_VARIANCES,
    Option,
    OptionValue,
)

MAX_LENGTH = 2_000
"""Characters of a text."""

MAX_NESTING = 20
"""Parentheses inside each other."""

_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>`[^`]*`)|(?P<word>[^\W\d][\w.]*)"
    r"|(?P<number>\d+\.?\d*|\.\d+)|(?P<sign>.))"
)

NUGGET = "nugget"


def residual_spec(value: Any) -> ResidualSpec | None:
    """The argument `residual` as a specification, None for independent residuals.

    Parameters
    ----------
    value : None, str or ResidualSpec

    Raises
    ------
    FormulaError
        The text cannot be read.
    ArgumentError
        It is of another type.

    Examples
    --------
    >>> residual_spec("har1(time | subject)")
    <ResidualSpec 'har1(time | subject)'>
    >>> residual_spec("iid") is None
    True
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = parse_residual(value)
    if not isinstance(value, ResidualSpec):
        raise ArgumentError(
            f"residual must be text such as 'ar1(time | subject)' or an object of "
            f"lmforms.residual such as AR1('time', 'subject'), not {short_repr(value)}."
        )
    check_series(value)
    return None if value.is_independent else value


def parse_residual(text: str) -> ResidualSpec:
    """Read a residual structure.

    Parameters
    ----------
    text : str

    Raises
    ------
    FormulaError
        With the offending place marked.

    Examples
    --------
    >>> spec = parse_residual("us(trait):ar1(time) | subject")
    >>> spec.group, [term.structure for term in spec.correlations], str(spec.variances[0])
    (('subject',), ['corsymm', 'ar1'], 'idh(trait)')
    """
    if not isinstance(text, str):
        raise ArgumentError(f"residual: text is needed, not {short_repr(text)}.")
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"residual: the text has more than {MAX_LENGTH} characters.")
    return _Parser(text, _tokens(text)).residual()


@dataclass(frozen=True)
class _Token:
    text: str
    kind: str
    start: int
    stop: int


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        assert match is not None  # the last alternative takes anything
        kind = str(match.lastgroup)
        start, at = match.start(kind), match.end()
        if kind == "sign" and match["sign"] == "`":
            raise formula_error("residual: ` is never closed.", text, start, start + 1)
        found.append(_Token(match[kind], kind, start, at))
    return [*found, _Token("", "end", len(text), len(text) + 1)]


@dataclass
class _Parts:
    """What a factor of the text is made of."""

    correlations: list[CorrelationTerm] = field(default_factory=list)
    group: tuple[str, ...] = ()
    variances: list[VarianceTerm] = field(default_factory=list)
    nugget: bool = False

    def take(self, other: _Parts) -> None:
        self.correlations += other.correlations
        self.variances += other.variances
        self.group = self.group or other.group
        self.nugget = self.nugget or other.nugget


@dataclass
class _Parser:
    """Recursive descent over the tokens of one text."""

    text: str
    tokens: list[_Token]
    at: int = 0
    depth: int = 0

    # --- tokens ---------------------------------------------------------------------------

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        token = self.next
        self.at += token.kind != "end"
        return token

    def accept(self, sign: str) -> _Token | None:
        return self.take() if self.next.kind == "sign" and self.next.text == sign else None

    def fail(self, message: str, first: _Token, last: _Token | None = None) -> NoReturn:
        raise formula_error(f"residual: {message}", self.text, first.start, (last or first).stop)

    def expect(self, sign: str, after: str) -> None:
        if not self.accept(sign):
            found = f"`{self.next.text}`" if self.next.text else "the end"
            self.fail(f"`{sign}` is needed after {after}, not {found}.", self.next)

    # --- the rules of the grammar -----------------------------------------------------------

    def residual(self) -> ResidualSpec:
        if self.next.kind == "end":
            raise FormulaError(
                "residual: the text is empty; write for example 'ar1(time | subject)'."
            )
        first = self.next
        parts = self.product()
        while plus := self.accept("+"):
            word = self.take()
            if word.text != "units":
                self.fail(
                    "only `units`, an independent part of each row, is added by `+`; a variance "
                    "function is combined by `*`.",
                    plus,
                    word,
                )
            if parts.nugget:
                self.fail("`units` and `nugget` are one thing: give it once.", word)
            parts.nugget = True
        if self.next.kind != "end":
            self.fail(f"`{self.next.text}` is not expected here.", self.next)
        last = self.tokens[-2]
        try:
            spec = ResidualSpec(
                correlations=tuple(parts.correlations),
                group=parts.group,
                variances=tuple(parts.variances),
                nugget=parts.nugget,
            )
            check_series(spec)
            return spec
        except ArgumentError as error:
            raise formula_error(str(error), self.text, first.start, last.stop) from None

    def product(self) -> _Parts:
        parts = self.factor()
        while star := self.accept("*"):
            more = self.factor()
            if parts.correlations and more.correlations:
                self.fail(
                    "two correlations: `*` adds a variance function; a Kronecker product is "
                    "written ar1(row):ar1(col).",
                    star,
                )
            parts.take(more)
        return parts

    def factor(self) -> _Parts:
        if opening := self.accept("("):
            self.depth += 1
            if self.depth > MAX_NESTING:
                self.fail("too many parentheses inside each other.", opening)
            parts = self.product()
            self.expect(")", "what stands in parentheses")
            self.depth -= 1
            return parts
        first = self.next
        parts = self.call()
        while colon := self.accept(":"):
            more = self.call()
            if not (parts.correlations and more.correlations):
                self.fail(
                    "`:` multiplies two correlations; a variance function is combined by `*`.",
                    colon,
                )
            if parts.group and more.group and parts.group != more.group:
                self.fail("the two factors of a product have one group.", first, self.last)
            parts.take(more)
        if bar := self.accept("|"):
            group = self.names(":")
            if not parts.correlations:
                self.fail("a group belongs to a correlation, as in ar1(time | group).", bar)
            if parts.group and parts.group != group:
                self.fail("a second group.", bar, self.last)
            parts.group = group
        return parts

    @property
    def last(self) -> _Token:
        return self.tokens[self.at - 1]

    def call(self) -> _Parts:
        name = self.take()
        if name.kind != "word":
            found = f"not `{name.text}`" if name.text else "and there is nothing"
            self.fail(f"a structure such as ar1(time | subject) is needed here, {found}.", name)
        if name.text == INDEPENDENT and self.next.text != "(":
            return _Parts()
        if name.text == "units":
            self.fail("`units` is added to a correlation: exp(x + y) + units.", name)
        if name.text not in ALL_NAMES:
            self.fail(unknown_structure(name.text), name)
        if name.text == INDEPENDENT:
            self.fail("iid has no columns: write iid alone.", name)
        if not self.accept("("):
            self.fail(f"{name.text} needs a column in parentheses.", name)
        if name.text in VARIANCES:
            return _Parts(variances=[self.variance(name)])
        return self.correlation(name)

    def variance(self, name: _Token) -> VarianceTerm:
        word = self.next
        if word.text == "fitted" and name.text != "idh":
            self.take()
            self.expect(")", f"fitted of {name.text}")
            return VarianceTerm(name.text, (FITTED,))
        columns = self.names(":")
        if self.next.text == "|":
            self.fail(
                f"{name.text}() has no group: write {name.text}({columns[0]}), or "
                f"idh({':'.join(columns)}:group) for a variance in each combination.",
                self.next,
            )
        self.expect(")", f"the column of {name.text}")
        return VarianceTerm(name.text, columns)

    def correlation(self, name: _Token) -> _Parts:
        structure = WITH_VARIANCES.get(name.text, name.text)
        if self.next.text == "1":
            self.take()
            columns: tuple[str, ...] = ()
        else:
            columns = self.names("+")
        group = self.names(":") if self.accept("|") else ()
        options = self.options(name.text, structure)
        self.expect(")", f"the columns of {name.text}")
        nugget = bool(options.pop(NUGGET, False))
        if name.text in WITH_VARIANCES and not columns:
            self.fail(f"{name.text}() needs a column of visits.", name)
        try:
            term = CorrelationTerm(structure, columns, tuple(options.items()))
        except ArgumentError as error:
            raise formula_error(str(error), self.text, name.start, self.last.stop) from None
        own = [VarianceTerm("idh", columns)] if name.text in WITH_VARIANCES else []
        return _Parts([term], group, own, nugget)

    def options(self, written: str, structure: str) -> dict[str, OptionValue]:
        facts, found = CORRELATIONS[structure], dict[str, OptionValue]()
        known = dict(facts.options)
        if facts.takes_nugget:
            known[NUGGET] = Option(False, "flag")
        while self.accept(","):
            name = self.take()
            if name.text not in known:
                has = f"it has {listed(list(known))}" if known else "it has none"
                hint = near_matches(name.text, known)
                self.fail(f"{written}() has no option `{name.text}`: {has}.{hint}", name)
            if name.text in found:
                self.fail(f"the option `{name.text}` is there twice.", name)
            self.expect("=", f"`{name.text}`")
            found[name.text] = self.value(name.text, known[name.text])
        return found

    def value(self, name: str, option: Option) -> OptionValue:
        value = self.take()
        if option.kind == "flag":
            if value.text not in ("True", "False"):
                self.fail(f"{name}=True or {name}=False is needed.", value)
            return value.text == "True"
        if option.kind == "number":
            if value.kind != "number":
                self.fail(f"{name} is a number, as in {name}=1.5.", value)
            return float(value.text)
        if value.kind != "number" or not value.text.isdecimal():
            self.fail(f"{name} is a whole number, as in {name}=2.", value)
        return int(value.text)

    def names(self, separator: str) -> tuple[str, ...]:
        names = [self.name()]
        while self.accept(separator):
            names.append(self.name())
        return tuple(names)

    def name(self) -> str:
        token = self.take()
        if token.kind == "quoted" and token.text[1:-1].strip():
            return token.text[1:-1]
        if token.kind != "word" or self.next.text == "(":
            found = f"not `{token.text}`" if token.text else "and there is nothing"
            self.fail(
                f"the name of a column is needed here, {found}. Compute what else is needed as a "
                "column of the data.",
                token,
            )
        return token.text


def unknown_structure(name: str) -> str:
    """What to say of a name that is no structure."""
    other = FOREIGN_NAMES.get(name.lower())
    hint = f" Did you mean `{other}`?" if other else near_matches(name, ALL_NAMES)
    return f"`{name}` is no residual structure.{hint} There are {listed(ALL_NAMES, 30)}."
