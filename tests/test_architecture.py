"""Imports run one way: no circles, and no folder imports one above it.

Every import counts: those inside functions, and those for type checkers only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lmforms

ROOT = Path(lmforms.__file__).parent
CHECKOUT = Path(__file__).parents[1]
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


@cache
def imports() -> dict[str, set[str]]:
    """Modules of lmforms that each module imports."""
    return {module: set(_imported(module)) - {module} for module in MODULES}


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


def folder_of(module: str) -> str:
    """The folder, or the module itself at the top level."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_all_kinds_of_imports_count():
    """In a function, of a package's `__init__`, and of a module by its name."""
    assert "lmforms.many.forms_of_many" in imports()["lmforms.many.many_fits"]
    assert "lmforms.varcomp.emma" in imports()["lmforms.varcomp"]
    assert "lmforms.latent.torch.solve" in imports()["lmforms.latent.torch.layer"]


def test_no_circles():
    assert circles(imports()) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_are_short(module):
    lines = len(MODULES[module].read_text().splitlines())
    assert lines <= LONGEST_MODULE


# From the bottom to the top: a module imports nothing that comes later. Its place is that of the
# longest beginning of its name.
ORDER = [
    *(
        "errors",
        "_version",
        "support",
        "tables",
        "correlation",
        "covariance",
        "residual",
        "control",
        "datasets",
    ),
    *("formula", "engine", "data", "sources", "relationship", "glmm", "families"),
    *("varcomp", "mme", "latent", "plot"),
    *(
        "results.state",
        "results.singular",
        "results.quantities",
        "results.simulate",
        "inference",
        "storage",
    ),
    *("companion", "results", "stream"),
    *("model_estimate", "model", "generalized_model", "storage.load"),
    *("many", "interop", "sklearn", "cli"),
]


def level_of(module: str) -> int:
    inner = module.removeprefix("lmforms.") + "."
    fitting = [name for name in ORDER if inner.startswith(name + ".")]
    assert fitting, f"{module} has no place in ORDER"
    return ORDER.index(max(fitting, key=len))


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"lmforms"}))
def test_imports_run_downwards(module):
    above = {
        other for other in imports()[module] - {"lmforms"} if level_of(other) > level_of(module)
    }
    assert not above


@pytest.mark.parametrize("folder", ["engine", "covariance", "residual"])
def test_numbers_do_not_need_pandas(folder):
    for module, path in MODULES.items():
        if folder_of(module) == folder:
            assert "pandas" not in {name.partition(".")[0] for name in _packages(path)}, module


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_paths_on_pages_exist(page):
    text = (CHECKOUT / page).read_text()
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py|\.md)?)`", text)
    assert named
    for name in named:
        candidates = [CHECKOUT / name, ROOT / name]
        candidates += [path.with_name(path.name + ".py") for path in candidates]
        assert any(path.exists() for path in candidates), name


# --- compiled loops -----------------------------------------------------------------------


def _decorators(function: ast.FunctionDef) -> set[str]:
    named = [d.func if isinstance(d, ast.Call) else d for d in function.decorator_list]
    return {d.id for d in named if isinstance(d, ast.Name)}


def _compiled_functions(path: Path) -> list[ast.FunctionDef]:
    functions = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)]
    return [f for f in functions if _decorators(f) & {"compiled", "inner", "inner_sum"}]


def _holds_kernels(module: str) -> bool:
    return module.endswith(("_kernel", "_kernels"))


def test_compiled_loops_stand_where_the_cache_looks():
    """What is compiled is kept under a digest of these modules."""
    with_loops = {module for module, path in MODULES.items() if _compiled_functions(path)}
    assert with_loops <= {module for module in MODULES if _holds_kernels(module)}


@pytest.mark.parametrize("module", sorted(filter(_holds_kernels, MODULES)))
def test_compiled_loops_use_only_what_the_cache_knows(module):
    """What they take from elsewhere, such as a constant, could change without its noticing."""
    foreign = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        if isinstance(node, ast.ImportFrom) and node.module != "math"
        if not _holds_kernels(str(node.module))
        for alias in node.names
    }
    for function in _compiled_functions(MODULES[module]):
        used = {
            n.id
            for statement in function.body
            for n in ast.walk(statement)
            if isinstance(n, ast.Name)
        }
        assert not used & foreign, function.name
