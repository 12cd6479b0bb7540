"""Tokens of a formula: names, numbers, text, calls, operators and parentheses.

A call, ``log(x)`` or ``{x / 10}``, is one token: what is inside it is read by
:mod:`lmforms.formula.expression`. Strings and names in backticks may hold any character.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..errors import FormulaError

TokenKind = Literal["operator", "parenthesis", "name", "value", "python"]

MAX_NESTING = 50
"""Largest depth of parentheses: more would exhaust the recursion of Python's parser."""

CLOSING_BRACKETS = {"(": ")", "[": "]", "{": "}"}

_WORD = re.compile(r"[\w.]+")
_OPERATOR = re.compile(r"%[^%\s]*%|\*\*|\|\||&&|[<>=!]=|<-|->|.", re.DOTALL)

ErrorMaker = Callable[[str, int, int], FormulaError]


@dataclass(frozen=True)
class Token:
    """A token and its place.

    Attributes
    ----------
    text : str
        Without the backticks of a name and the braces of ``{...}``; of calls as
        :func:`spaced` writes them.
    kind : str
    start, stop : int
        ``source[start:stop]`` is the token with its quotes.
    """

    text: str
    kind: TokenKind
    start: int
    stop: int

    def moved(self, shift: int) -> Token:
        """The same token in a text that has `shift` more characters before it."""
        return Token(self.text, self.kind, self.start + shift, self.stop + shift)

    def is_operator(self, *texts: str) -> bool:
        """Whether it is one of these operators."""
        return self.kind == "operator" and self.text in texts


def tokens_of(text: str, error: ErrorMaker) -> list[Token]:
    """The tokens of a formula or of a part of one.

    Parameters
    ----------
    text : str
    error : callable
        Makes an error of a message and the place ``text[start:stop]``.

    Examples
    --------
    >>> [t.text for t in tokens_of("y ~ log(x) + (1 || g)", None)]
    ['y', '~', 'log(x)', '+', '(', '1', '||', 'g', ')']
    """
    tokens: list[Token] = []
    i = 0
    while i < len(text):
        char = text[i]
        if char.isspace():
            i += 1
            continue
        word = _WORD.match(text, i)
        if char == "`":
            stop = _quoted(text, i, error)
            if not text[i + 1 : stop - 1].strip():
                raise error("an empty name.", i, stop)
            token = Token(text[i + 1 : stop - 1], "name", i, stop)
        elif char == "{":
            stop = _closed(text, i, error, i)
            token = Token(spaced(text[i + 1 : stop - 1]), "python", i, stop)
        elif char in "'\"":
            stop = _quoted(text, i, error)
            token = Token(text[i:stop], "value", i, stop)
        elif char in "()":
            token = Token(char, "parenthesis", i, i + 1)
        elif word:
            stop = word.end()
            while text[stop : stop + 1] in ("(", "[") or (
                stop > word.end() and text[stop : stop + 1] == "."
            ):
                if text[stop] == ".":
                    stop += len(_WORD.match(text, stop)[0])  # type: ignore[index]
                else:
                    stop = _closed(text, stop, error, i)
            kind: TokenKind = (
                "python" if stop > word.end() else "value" if _is_number(word[0]) else "name"
            )
            written = text[i:stop]
            token = Token(spaced(written) if kind == "python" else written, kind, i, stop)
        else:
            stop = _OPERATOR.match(text, i).end()  # type: ignore[union-attr]
            token = Token(text[i:stop], "operator", i, stop)
        tokens.append(token)
        i = token.stop
    return tokens


_CODE = re.compile(
    r"""(?P<space>\s+)|(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`)
    |(?P<word>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w*|\w+(?:\.\w+)*)
    |(?P<operator>%[^%\s]*%|\*\*|//|\|\||&&|[<>=!]=|[-+*/^@%<>&|!~])|.""",
    re.VERBOSE | re.DOTALL,
)

_BEFORE_OPERANDS = ("and", "or", "not", "in", "is", "if", "else", "lambda")
"""Words after which a sign has one operand."""


def spaced(code: str) -> str:
    """Code with normalised white space, so that one call has one name.

    Examples
    --------
    >>> spaced("poly( x,2 )"), spaced("I(-x^2 + c( 1,3 ))"), spaced("bs(z , df = 4)")
    ('poly(x, 2)', 'I(-x ^ 2 + c(1, 3))', 'bs(z, df=4)')
    """
    made: list[str] = []
    operand = word = gap = False  # whether an operand, a word, white space came just before
    for found in _CODE.finditer(code):
        text, kind = found[0], found.lastgroup
        if kind == "space":
            gap = True
            continue
        if kind == "operator":
            made.append(f" {text} " if operand else " " * word + text)
            operand = word = False
        elif kind in ("word", "text"):
            made.append(" " * (gap and word) + text)
            operand, word = text not in _BEFORE_OPERANDS, True
        else:
            made.append(" " * (word and not operand) + (text + " " if text in ",:" else text))
            operand, word = text in ")]}.", text in ")]}"
        gap = False
    return "".join(made).strip()


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return word[0] in "0123456789."  # not the names `inf` and `nan`


def _quoted(text: str, start: int, error: ErrorMaker) -> int:
    """Where the string or backticked name that begins at `start` ends."""
    quote, i = text[start], start + 1
    while i < len(text) and text[i] != quote:
        i += 2 if text[i] == "\\" and quote != "`" else 1
    if i >= len(text):
        raise error(f"{quote} is never closed: add {quote} at its end.", start, start + 1)
    return i + 1


def _closed(text: str, start: int, error: ErrorMaker, call: int) -> int:
    """Where the bracket that opens at `start` is closed; the call begins at `call`."""
    expected: list[str] = []
    i = start
    while i < len(text):
        char = text[i]
        if char in "'\"`":
            i = _quoted(text, i, error)
            continue
        if char in CLOSING_BRACKETS:
            expected.append(CLOSING_BRACKETS[char])
            if len(expected) > MAX_NESTING:
                raise error(f"more than {MAX_NESTING} parentheses inside each other.", i, i + 1)
        elif char in ")]}":
            if char != expected.pop():
                raise error(f"`{char}` closes nothing.", i, i + 1)
            if not expected:
                return i + 1
        i += 1
    raise error(
        f"`{text[call : start + 1]}` is never closed: add `{CLOSING_BRACKETS[text[start]]}`.",
        call,
        start + 1,
    )
