"""Imports run one way: no circles, and no room reaches for one above it.

Every import counts: those inside functions, and those for type checkers only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lmforms

ROOT = Path(lmforms.__file__).parent
# About 300 lines are full; beyond the limit a module has two topics.
LONGEST_MODULE = 400


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def _packages(path: Path) -> Iterator[str]:
    """Packages from elsewhere that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)


def _imported(module: str) -> Iterator[str]:
    """Modules of lmforms that a module imports.

    `from package import name` imports the module that this name is, or else the package.
    """
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                if inner in MODULES:
                    yield inner
                elif source in MODULES:
                    yield source


IMPORTS = {module: set(_imported(module)) - {module} for module in MODULES}


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Groups of two or more modules that import each other: Tarjan's strong components."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in sorted(imports[module]):
            if other not in order:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], order[other])
        if lowest[module] == order[module]:
            start = stack.index(module)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for module in imports:
        if module not in order:
            visit(module)
    return found


def room_of(module: str) -> str:
    """The folder, or the module itself at the top level."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_all_kinds_of_imports_count():
    """In a function, of a package's `__init__`, and of a module by its name."""
    assert "lmforms.many.companion" in IMPORTS["lmforms.many.many_fits"]
    assert "lmforms.varcomp.emma" in IMPORTS["lmforms.varcomp"]
    assert "lmforms.latent.torch.solve" in IMPORTS["lmforms.latent.torch.layer"]


def test_no_circles():
    assert circles(IMPORTS) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_are_short(module):
    lines = len(MODULES[module].read_text().splitlines())
    assert lines <= LONGEST_MODULE


@pytest.mark.parametrize("room", ["engine", "covariance", "residual"])
def test_numbers_know_neither_tables_nor_formulas(room):
    """Import statements at any depth, those of pandas included."""
    above = {"pandas", "formula", "data", "results", "model"}
    for module, path in MODULES.items():
        if room_of(module) == room:
            inner = {room_of(other) for other in IMPORTS[module]}
            outer = {name.partition(".")[0] for name in _packages(path)}
            assert not (inner | outer) & above, module
