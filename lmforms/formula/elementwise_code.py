"""Expressions as code that is evaluated element by element, with the arithmetic of R."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from .aliases import aliased
from .expression import Expression
from .label_columns import makes_labels
from .operators import COMPARISONS


def evaluable(
    expression: Expression,
    resolve: Callable[[ast.expr], Any],
    *,
    integers: Collection[str] = (),
    inexact: Collection[str] = (),
    labels: bool = False,
) -> ast.Expression:
    """Code that gives the expression R's meaning.

    It calls :data:`lmforms.formula.operators.HELPERS`.

    Parameters
    ----------
    expression : Expression
    resolve : callable
        The function that a node names, None if unknown.
    integers : collection of str
        Columns of whole numbers. They enter arithmetic as floats, so that no power
        overflows, and codings as they are, by ``__labels("name")``.
    inexact : collection of str
        Those among them that floats cannot hold: they are refused in arithmetic.
    labels : bool
        The values are to be labels of groups: ``I(id)`` leaves whole numbers as they are.
    """
    tree = ast.parse(expression.text, mode="eval")  # a copy to change
    if labels and isinstance(tree.body, ast.Call) and ast.unparse(tree.body.func) == "I":
        argument = tree.body.args[:1]
        if argument and isinstance(argument[0], ast.Name):
            tree.body.func = ast.Name(aliased("C"), ast.Load())
    changed: ast.Expression = _Elementwise(expression, resolve, integers, inexact).visit(tree)
    return changed


def stateful_calls(
    tree: ast.Expression, resolve: Callable[[ast.expr], Any], state: dict[str, dict[str, Any]]
) -> ast.Expression:
    """Pass their state to the calls of formulaic's stateful transforms.

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
        integers: Collection[str],
        inexact: Collection[str],
    ) -> None:
        self._expression = expression
        self._resolve = resolve
        self._integers = integers
        self._inexact_integers = inexact
        self._coding = False

    def visit_Name(self, node: ast.Name) -> ast.expr:
        name = self._expression.name(node.id)
        if self._coding and name in self._integers:
            return ast.Call(ast.Name("__labels", ast.Load()), [ast.Constant(name)], [])
        if name in self._inexact_integers:
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
        outside, self._coding = self._coding, self._coding or makes_labels(node)
        # a called name is a function, even if a column has it
        if not isinstance(node.func, ast.Name):
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
