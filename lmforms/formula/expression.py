"""Code inside the calls of a formula, ``I(x > 0 & b)``: R's rules, evaluated as Python.

Python's ``&``, ``|`` bind tighter than comparisons, and its booleans add up to booleans; R
users mean something else by the same text. So the operators are translated to Python's
``and``, ``or`` and ``not``, whose precedence is R's; what the tree then says is evaluated
element by element, with booleans as the numbers 0 and 1 in arithmetic.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .aliases import unaliased
from .transforms import HINTS

R_NAMES = {
    "as.factor": "factor",
    "as.numeric": "as_numeric",
    "as.double": "as_numeric",
    "as.integer": "as_integer",
    "as.logical": "as_logical",
    "as.character": "as_character",
    "is.na": "is_na",
    "Boundary.knots": "boundary_knots",
    "NULL": "None",
    "TRUE": "True",
    "FALSE": "False",
}
"""R's words that are no Python names, or mean a constant."""

INFIX = {"%%": "__modulo", "%/%": "__quotient", "%in%": "__member"}
"""R's operators that bind tighter than ``*``, as names between two ``@``."""

MAX_SYNTAX_DEPTH = 150
"""Bound on the depth of the syntax tree. Visiting a level takes some four nested calls, and Python
allows 1,000, those of the user's program included."""

_LEXEME = re.compile(
    r"""(?P<string>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
    |`(?P<quoted>[^`]*)`
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<integer>L?)(?!\w)
    |(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    |(?P<infix>%%|%/%|%[a-z*]+%)
    |(?P<operator>&&|\|\||!=|&|\||!)
    """,
    re.VERBOSE,
)

_WORDS = {"&": " and ", "|": " or ", "!": " not ", "!=": "!="}


@dataclass(frozen=True)
class Expression:
    """Parsed code.

    Attributes
    ----------
    text : str
        The code as Python, with R's meaning of the operators: see :func:`evaluable`.
    tree : ast.Expression
        What Python reads in `text`.
    quoted : dict of str to str
        Names that Python would not read as they stand, by the identifiers used instead.
    """

    text: str
    tree: ast.Expression
    quoted: dict[str, str]

    def name(self, identifier: str) -> str:
        """The name as the user wrote it."""
        return unaliased(self.quoted.get(identifier, identifier))

    def written(self, text: str) -> str:
        """A message about the code, with the names that the user wrote."""
        for identifier, name in self.quoted.items():
            text = text.replace(identifier, name)
        return text


@lru_cache(maxsize=512)
def parse_code(code: str) -> Expression:
    """Read code by R's rules of precedence.

    Raises
    ------
    SyntaxError
        It is neither Python nor R, or too deep.

    Examples
    --------
    >>> ast.unparse(parse_code("x > 0 & !b | z %% 2 == 1").tree)
    'x > 0 and (not b) or __modulo(z, 2) == 1'
    """
    quoted: dict[str, str] = {}
    text = f"({_python_text(code, quoted).strip()})"  # so that lines may end anywhere
    if text == "()":
        raise SyntaxError("nothing is in it")
    try:
        tree = ast.parse(text, mode="eval")
    except (RecursionError, MemoryError):
        raise SyntaxError("it is nested too deeply") from None
    except ValueError as exc:
        raise SyntaxError(str(exc)) from None
    except SyntaxError as exc:
        raise SyntaxError(_advice(code) or exc.msg) from None
    _check_depth(tree)
    text = ast.unparse(_InfixOperators(text).visit(tree))
    return Expression(text, ast.parse(text, mode="eval"), quoted)


def _check_depth(tree: ast.AST) -> None:
    """Refuse a tree that would exhaust Python's recursion limit."""
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MAX_SYNTAX_DEPTH:
            raise SyntaxError(
                f"it is nested too deeply, or has more than {MAX_SYNTAX_DEPTH} operators in a row: "
                "make a column of a part of it"
            )
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _python_text(code: str, quoted: dict[str, str]) -> str:
    """The text with R's operators and words as Python's."""

    def replaced(found: re.Match[str]) -> str:
        if found["quoted"] is not None:
            return _identifier(found["quoted"], quoted)
        if found["name"]:
            hint = HINTS.get(unaliased(found["name"])) if "." in found["name"] else None
            if hint is not None:
                raise SyntaxError(f"{unaliased(found['name'])} of R is not available: {hint}")
            own = R_NAMES.get(unaliased(found["name"]))
            is_attribute = found.start() > 0 and code[found.start() - 1] == "."
            if own is not None or is_attribute or keyword.iskeyword(found["name"]):
                return own or found["name"]
            name, dot, attributes = found["name"].partition(".")
            return _identifier(name, quoted) + dot + attributes
        if found["number"]:
            return found["number"]
        if found["infix"]:
            if found["infix"] not in INFIX:
                raise SyntaxError(f"the operator {found['infix']} is not available")
            return f" @ {INFIX[found['infix']]} @ "
        if found["operator"] in ("&&", "||"):
            raise SyntaxError(f"{found['operator']} is for single values: write {found[0][0]}")
        return _WORDS[found["operator"]] if found["operator"] else found[0]

    return _LEXEME.sub(replaced, code)


def _identifier(name: str, quoted: dict[str, str]) -> str:
    """The name if Python reads it as it stands, or an identifier instead, added to `quoted`.

    Python would read a fullwidth ``x`` as ``x``. Names with an underscore in front are among
    the replaced ones, so that none is taken for a replacement or for a helper of evaluation.
    """
    as_read = unicodedata.normalize("NFKC", name) == name
    if as_read and name.isidentifier() and not keyword.iskeyword(name) and name[0] != "_":
        return name
    parts = [c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in name]
    identifier = "_" + "".join(parts)
    quoted[identifier] = name
    return identifier


def _advice(code: str) -> str:
    if "!" in code.replace("!=", ""):
        return "put what `!` negates in parentheses with it, as in (!b)"
    if "<-" in code or "function" in code:
        return "not an expression of columns"
    return ""


class _InfixOperators(ast.NodeTransformer):
    """``a @ __modulo @ b`` as a call, binding tighter than ``*`` and ``/`` as R's operators."""

    def __init__(self, text: str) -> None:
        self._lines = text.encode().splitlines(keepends=True)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Bottom up, so that what stands on the left is in order already."""
        marker = node.left
        if not (
            isinstance(node.op, ast.MatMult)
            and isinstance(marker, ast.BinOp)
            and isinstance(marker.op, ast.MatMult)
            and isinstance(marker.right, ast.Name)
            and marker.right.id in INFIX.values()
        ):
            self.generic_visit(node)
            return node
        wrapped = self._closed_between(marker.left, marker.right)
        left, right = self.visit(marker.left), self.visit(node.right)
        if (
            not wrapped
            and isinstance(left, ast.BinOp)
            and isinstance(left.op, (ast.Mult, ast.Div, ast.Mod, ast.FloorDiv))
        ):
            inner = ast.copy_location(ast.Call(marker.right, [left.right, right], []), node)
            return ast.copy_location(ast.BinOp(left.left, left.op, inner), node)
        return ast.copy_location(ast.Call(marker.right, [left, right], []), node)

    def _closed_between(self, left: ast.expr, right: ast.expr) -> bool:
        """Whether a parenthesis closes after `left`."""
        assert left.end_lineno is not None
        assert left.end_col_offset is not None
        if left.end_lineno != right.lineno:
            between = self._lines[left.end_lineno - 1][left.end_col_offset :]
        else:
            between = self._lines[right.lineno - 1][left.end_col_offset : right.col_offset]
        return b")" in between


def names_in(expression: Expression) -> Iterator[ast.Name]:
    """All names but those of the translation."""
    for node in ast.walk(expression.tree):
        if isinstance(node, ast.Name) and node.id not in INFIX.values():
            yield node
