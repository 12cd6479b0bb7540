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
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .operators import COMPARISONS
from .piece import aliased, unaliased
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

DEEPEST_TREE = 150
"""Levels of the syntax tree. Walking through takes some four calls of Python for each, and
Python stops at 1,000 calls inside each other, those of the user's program among them."""

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
def parse(code: str) -> Expression:
    """Read code by R's rules of precedence.

    Raises
    ------
    SyntaxError
        It is neither Python nor R, or an expression that is neither safely.

    Examples
    --------
    >>> ast.unparse(parse("x > 0 & !b | z %% 2 == 1").tree)
    'x > 0 and (not b) or __modulo(z, 2) == 1'
    """
    quoted: dict[str, str] = {}
    text = f"({_python(code, quoted).strip()})"  # so that lines may end anywhere
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
    text = ast.unparse(_Infix(text).visit(tree))
    return Expression(text, ast.parse(text, mode="eval"), quoted)


def _check_depth(tree: ast.AST) -> None:
    """Refuse what would exhaust Python's recursion when it is walked through."""
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > DEEPEST_TREE:
            raise SyntaxError(
                f"it is nested too deeply, or has more than {DEEPEST_TREE} operators in a row: "
                "make a column of a part of it"
            )
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _python(code: str, quoted: dict[str, str]) -> str:
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


class _Infix(ast.NodeTransformer):
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


def names(expression: Expression) -> Iterator[ast.Name]:
    """All names but those of the translation."""
    for node in ast.walk(expression.tree):
        if isinstance(node, ast.Name) and node.id not in INFIX.values():
            yield node


# --- evaluation -----------------------------------------------------------------------------


def evaluable(
    expression: Expression,
    resolve: Callable[[ast.expr], Any],
    *,
    whole: Collection[str] = (),
    wide: Collection[str] = (),
    labels: bool = False,
) -> ast.Expression:
    """Code that gives the expression R's meaning.

    It calls :data:`lmforms.formula.operators.HELPERS`.

    Parameters
    ----------
    expression : Expression
    resolve : callable
        The function that a node names, None if unknown.
    whole : collection of str
        Columns of whole numbers. They enter arithmetic as floats, so that no power
        overflows, and codings as they are, by ``__labels("name")``.
    wide : collection of str
        Those among them that floats cannot hold: they are refused in arithmetic.
    labels : bool
        The values are to be labels of groups: ``I(id)`` leaves whole numbers as they are.
    """
    tree = ast.parse(expression.text, mode="eval")  # a copy to change
    if labels and isinstance(tree.body, ast.Call) and ast.unparse(tree.body.func) == "I":
        argument = tree.body.args[:1]
        if argument and isinstance(argument[0], ast.Name):
            tree.body.func = ast.Name(aliased("C"), ast.Load())
    changed: ast.Expression = _Elementwise(expression, resolve, whole, wide).visit(tree)
    return changed


def stateful_calls(
    tree: ast.Expression, resolve: Callable[[ast.expr], Any], state: dict[str, dict[str, Any]]
) -> ast.Expression:
    """The code with calls of formulaic's stateful transforms handed what they learnt.

    Parameters
    ----------
    state : dict
        By the text of each call; transforms that are new learn into it. The code finds it as
        ``__state``, and the rest of what formulaic's transforms may ask for.
    """
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(resolve(node.func), "__is_stateful_transform__", False)
    ]
    for call, text in [(call, ast.unparse(call)) for call in calls]:
        state.setdefault(text, {})
        own = ast.Subscript(ast.Name("__state", ast.Load()), ast.Constant(text), ast.Load())
        given = {"_state": own, "_spec": ast.Name("__spec", ast.Load())}
        given["_context"] = ast.Name("__context", ast.Load())
        call.keywords += [ast.keyword(name, value) for name, value in given.items()]
    return ast.fix_missing_locations(tree)


class _Elementwise(ast.NodeTransformer):
    def __init__(
        self,
        expression: Expression,
        resolve: Callable[[ast.expr], Any],
        whole: Collection[str],
        wide: Collection[str],
    ) -> None:
        self._expression = expression
        self._resolve = resolve
        self._whole = whole
        self._wide = wide
        self._coding = False

    def visit_Name(self, node: ast.Name) -> ast.expr:
        name = self._expression.name(node.id)
        if self._coding and name in self._whole:
            return ast.Call(ast.Name("__labels", ast.Load()), [ast.Constant(name)], [])
        if name in self._wide:
            raise TypeError(
                f"`{name}` has whole numbers beyond 2^53, which calculations would round: "
                "make it text, or use C() of it"
            )
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            return _call("__power", node.left, node.right)
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)):
            return ast.BinOp(_number(node.left), node.op, _number(node.right))
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            return _call("__not", node.operand)
        if isinstance(node.op, (ast.USub, ast.UAdd)):
            return ast.UnaryOp(node.op, _number(node.operand))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        name = "__and" if isinstance(node.op, ast.And) else "__or"
        made = node.values[0]
        for value in node.values[1:]:
            made = _call(name, made, value)
        return made

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) > 1:
            raise TypeError("comparisons in a row: write (a < b) & (b < c)")
        name = COMPARISONS.get(type(node.ops[0]))
        return node if name is None else _call(name, node.left, node.comparators[0])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        outside, self._coding = self._coding, self._coding or is_coding(node)
        if not isinstance(node.func, ast.Name):  # a name is a function's, also if a column has it
            node.func = self.visit(node.func)
        node.args = [self.visit(argument) for argument in node.args]
        node.keywords = [self.visit(argument) for argument in node.keywords]
        self._coding = outside
        function = self._resolve(node.func)
        if isinstance(function, np.ufunc) and (
            function in (np.add, np.multiply) or not any(t.startswith("?") for t in function.types)
        ):
            node.args = [a if isinstance(a, ast.Starred) else _number(a) for a in node.args]
        return node


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def _number(node: ast.expr) -> ast.expr:
    """The node, as numbers if its values are booleans."""
    return node if isinstance(node, ast.Constant) else _call("__number", node)


CODING = ("C", "factor", "hashed", "as_character")
"""Functions that make labels of columns: their whole numbers stay whole."""


def label_names(expression: Expression, *, grouping: bool = False) -> set[str]:
    """Columns that are used as labels only: each time the argument of what makes a factor.

    Parameters
    ----------
    expression : Expression
    grouping : bool
        Of a grouping factor, in which ``I(id)`` makes labels too.
    """
    calls = [node for node in ast.walk(expression.tree) if isinstance(node, ast.Call)]
    coding = [c for c in calls if is_coding(c)]
    top = expression.tree.body
    if grouping and isinstance(top, ast.Call) and ast.unparse(top.func) == "I":
        coding.append(top)
    coded = [c.args[0] for c in coding if c.args and isinstance(c.args[0], ast.Name)]
    ids = {id(name) for name in coded}
    others = {expression.name(name.id) for name in names(expression) if id(name) not in ids}
    return {expression.name(name.id) for name in coded} - others


def is_coding(call: ast.Call) -> bool:
    """Whether a call makes a factor of its arguments."""
    return isinstance(call.func, ast.Name) and unaliased(call.func.id) in CODING
