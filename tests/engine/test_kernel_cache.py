"""Machine code on disk: never stale, never half written, and nobody notices where it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest

import lmforms
from lmforms.engine.linalg import kernel_cache

pytest.importorskip("numba")

INNER = """
from lmforms.engine.linalg.compiled import inner

@inner
def added(x):
    return x + {number}
"""

OUTER = """
from lmforms.engine.linalg.compiled import compiled
from .inner_kernels import added

@compiled("int64(int64)")
def twice(x):
    return 2 * added(x)
"""

ROOT = Path(lmforms.__file__).parent
KERNELS = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for pattern in ("*_kernel.py", "*_kernels.py")
    for path in sorted(ROOT.rglob(pattern))
]


def source_of(module: str) -> str:
    return (ROOT.parent / module.replace(".", "/")).with_suffix(".py").read_text()


class Package:
    """A package of two modules, one of which calls a function of the other."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "package_of_loops"
        self.files = folder / "files"
        (self.root / "part").mkdir(parents=True)
        for path in (self.root, self.root / "part"):
            (path / "__init__.py").touch()
        self.write(1)

    def write(self, number: int) -> None:
        (self.root / "part" / "inner_kernels.py").write_text(INNER.format(number=number))
        (self.root / "part" / "outer_kernels.py").write_text(OUTER)

    def imported(self) -> Any:
        """The function, as in a new process."""
        for name in [name for name in sys.modules if name.startswith(self.root.name)]:
            del sys.modules[name]
        for known in (kernel_cache._sources, kernel_cache._stamp):
            known.cache_clear()
        invalidate_caches()
        return import_module(f"{self.root.name}.part.outer_kernels").twice

    def is_cached(self) -> bool:
        return kernel_cache.is_cached(f"{self.root.name}.part.outer_kernels")

    @property
    def found(self) -> list[Path]:
        return [path for path in self.files.rglob("*") if path.is_file()]


@pytest.fixture
def package(tmp_path, monkeypatch):
    package = Package(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(kernel_cache, "PACKAGE", package.root)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(package.files))
    yield package
    for known in (kernel_cache._sources, kernel_cache._stamp):
        known.cache_clear()
    for name in [name for name in sys.modules if name.startswith(package.root.name)]:
        del sys.modules[name]


def loaded(function: Any) -> bool:
    """Whether it came from disk."""
    hits, misses = (sum(x.values()) for x in function.stats[1:])
    assert hits + misses == 1
    return bool(hits)


def test_the_second_process_loads(package):
    first = package.imported()
    assert (first(3), loaded(first)) == (8, False)
    second = package.imported()
    assert (second(3), loaded(second)) == (8, True)
    assert len(package.found) == 1


def test_a_function_that_is_called_has_changed(package):
    package.imported()
    before = package.found
    package.write(5)
    changed = package.imported()
    assert (changed(3), loaded(changed)) == (16, False)
    assert len(package.found) == 1  # what is out of date does not pile up
    assert package.found != before
    assert loaded(package.imported())


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    ],
    ids=["empty", "short", "one bit"],
)
def test_a_damaged_file_is_replaced(package, damage):
    package.imported()
    (path,) = package.found
    path.write_bytes(damage(path.read_bytes()))
    again = package.imported()
    assert (again(3), loaded(again)) == (8, False)
    assert loaded(package.imported())


def test_what_is_no_machine_code_is_replaced(package):
    """The digest is right: written by a numba of the same version that stores something else."""
    package.imported()
    (path,) = package.found
    content = b"cos\nno_such_name\n."
    path.write_bytes(kernel_cache.sha256(content).digest() + content)
    again = package.imported()
    assert (again(3), loaded(again)) == (8, False)
    assert loaded(package.imported())


def test_a_folder_that_cannot_be_made(package):
    package.files.touch()
    function = package.imported()
    assert (function(3), loaded(function), package.is_cached()) == (8, False, False)
    assert package.files.read_bytes() == b""


@pytest.mark.parametrize("call", ["fdopen", "replace"])
def test_a_full_disk(package, call, monkeypatch):
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kernel_cache.os, call, full)
    function = package.imported()
    assert (function(3), loaded(function), package.found) == (8, False, [])


def test_a_package_that_cannot_be_written_to(package, monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(package.files))
    (package.root / "__pycache__").touch()
    package.imported()
    assert len(package.found) == 1
    assert loaded(package.imported())


def test_a_package_that_can_be_read_only(package, monkeypatch):
    """What an administrator has compiled serves everybody."""
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(package.files))
    package.imported()
    assert package.found == []
    monkeypatch.setattr(kernel_cache, "_written", lambda path, content: False)
    assert package.is_cached()
    assert loaded(package.imported())


def test_an_upgrade_while_a_process_runs(package):
    """The code may be of the older or the newer source: it is not kept."""
    package.imported()
    (kept,) = package.found
    kept.unlink()
    module = sys.modules[f"{package.root.name}.part.outer_kernels"]
    package.write(7)
    from lmforms.engine.linalg.compiled import compiled

    again = compiled("int64(int64)")(module.twice.py_func)
    assert (again(3), package.found) == (8, [])


def test_code_outside_the_modules_of_loops_is_not_kept(package):
    source = (package.root / "part" / "outer_kernels.py").read_text()
    (package.root / "part" / "other.py").write_text(source)
    package.imported()
    count = len(package.found)
    other = import_module(f"{package.root.name}.part.other").twice
    assert (other(3), len(package.found)) == (8, count)


def test_whether_it_is_cached(package):
    assert not package.is_cached()
    package.imported()
    assert package.is_cached()
    package.write(2)
    kernel_cache._sources.cache_clear()
    kernel_cache._stamp.cache_clear()
    assert not package.is_cached()
    assert not kernel_cache.is_cached("lmforms.no_such_kernels")


@pytest.mark.parametrize("module", KERNELS)
def test_all_loops_of_the_package_are_kept(module):
    """And are found by name in the source, which tells whether they are there without numba."""
    imported = import_module(module)
    assert kernel_cache.is_cached(module)
    loops = [
        name
        for name, value in vars(imported).items()
        if isinstance(getattr(value, "_cache", None), kernel_cache.KernelCache)
        and value.__module__ == module
    ]
    named = kernel_cache._LOOP.findall(source_of(module))
    assert sorted(loops) == sorted(named)


def run(code: str, package: Package, **more: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(package.root.parent), str(ROOT.parent)])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path, "NUMBA_CACHE_DIR": str(package.files)} | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_that_compile_at_the_same_time(package):
    code = f"""
from pathlib import Path
from lmforms.engine.linalg import kernel_cache
kernel_cache.PACKAGE = Path({str(package.root)!r})
from {package.root.name}.part.outer_kernels import twice
print(twice(3))
"""
    for process in [run(code, package) for _ in range(3)]:
        assert (*process.communicate(), process.returncode) == ("8\n", "", 0)
    assert [path.suffix for path in package.found] == [".bin"]
    assert loaded(package.imported())


def test_whether_it_is_cached_is_known_without_numba(package):
    code = f"""
import sys
from lmforms.engine.linalg.kernel_cache import is_cached
print([is_cached(name) for name in {KERNELS!r}], "numba" in sys.modules)
"""
    process = run(code, package)
    nothing = [not kernel_cache._LOOP.findall(source_of(name)) for name in KERNELS]
    assert process.communicate() == (f"{nothing} False\n", "")


def test_numba_switched_off(package):
    code = f"""
from {package.root.name}.part.outer_kernels import twice
print(twice(3), hasattr(twice, "py_func"))
"""
    process = run(code, package, NUMBA_DISABLE_JIT="1")
    assert process.communicate() == ("8 False\n", "")
    assert package.found == []
