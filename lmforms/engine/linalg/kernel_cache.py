"""Machine code of compiled loops on disk, in files that can be neither stale nor half written.

numba's own cache sees that the file of a loop has changed, but not that the file of a function
called by it has: after an upgrade, old code would be taken for new. Here the name of a file holds
a digest of the sources of all compiled loops, and the file a digest of itself. What is missing,
damaged or cannot be written is compiled, and nothing is said.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..._version import __version__

PACKAGE = Path(__file__).parents[2]

_DIGEST = 32
"""Bytes of SHA-256."""

_LOOP = re.compile(r"^@compiled\(.*?^def (\w+)", re.MULTILINE | re.DOTALL)


class KernelCache:
    """What a dispatcher of numba asks for the machine code of its function, and hands it to.

    It has the methods of ``numba.core.caching.NullCache`` that a dispatcher calls.
    """

    cache_path = None

    def __init__(self, function: Any) -> None:
        self._module = function.__module__
        self._name = f"{function.__module__}.{function.__qualname__}"

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The compiled function, or None."""
        context.refresh()  # as numba's own cache does: what code refers to is known then
        try:
            file = self._file(context.codegen())
            for folder in _folders():
                content = _checked(folder / file)
                if content is not None:
                    from numba.core.compiler import CompileResult

                    return CompileResult._rebuild(context, *pickle.loads(content))
        except Exception:  # of whatever kind: it is compiled then
            return None
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Write it where there is a place, and remove what older sources have left there."""
        try:
            if result.library.has_dynamic_globals:  # addresses that hold in this process only
                return
            from numba.core.serialize import dumps

            content = dumps(result._reduce())
            file = self._file(result.library.codegen)
            if any(path.read_bytes() != source for path, source in _sources().items()):
                return  # an upgrade while this process runs: the code may be older or newer
        except Exception:  # the loop is compiled: it serves without a file
            return
        for folder in _folders():
            if _written(folder / file, sha256(content).digest() + content):
                kind, _, stamp = file[len(self._name) :].rpartition("-")
                for old in folder.glob(f"{PACKAGE.name}.*{kind}-*.bin"):
                    if not old.name.endswith(stamp):
                        with suppress(OSError):
                            old.unlink()
                return

    def flush(self) -> None:
        """For numba's ``recompile``: nothing to do, as there is no state."""

    def _file(self, codegen: Any) -> str:
        if _path(self._module) not in _sources():
            raise LookupError(self._module)  # nobody would notice that its source has changed
        processor = sha256(repr(codegen.magic_tuple()).encode()).hexdigest()[:8]
        return f"{self._name}-{_environment()}-{processor}-{_stamp()}.bin"


def is_cached(module: str) -> bool:
    """Whether importing a module loads its compiled loops from disk; numba is not imported.

    Parameters
    ----------
    module : str
        Its full name. Modules that it imports are not looked at.

    Notes
    -----
    Where machines with different processors share a home directory, the files may be another
    one's.
    """
    try:
        source = _sources()[_path(module)].decode()
        kind = f"{_environment()}-*-{_stamp()}.bin"
    except (KeyError, PackageNotFoundError):
        return False
    return all(
        any(next(folder.glob(f"{module}.{name}-{kind}"), None) for folder in _folders())
        for name in _LOOP.findall(source)
    )


def _path(module: str) -> Path:
    return PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py")


@cache
def _sources() -> dict[Path, bytes]:
    """The sources of all compiled loops: none of them where the package is in an archive."""
    patterns = [f"{at}*_{name}.py" for at in ("*/", "*/*/") for name in ("kernel", "kernels")]
    paths = [path for pattern in patterns for path in PACKAGE.glob(pattern)]
    options = Path(__file__).with_name("compiled.py")  # of numba
    return {path: path.read_bytes() for path in sorted([options, *paths]) if path.exists()}


@cache
def _stamp() -> str:
    """A digest of everything that the machine code is made of, but numba and the processor."""
    digest = sha256(__version__.encode())
    for source in _sources().values():
        digest.update(sha256(source).digest())
    return digest.hexdigest()[:16]


@cache
def _environment() -> str:
    """Python's and numba's versions, as a part of a name."""
    return f"{sys.implementation.cache_tag}-numba{version('numba')}"


def _folders() -> Iterator[Path]:
    """Where files may be: where numba is told to, or in the package and at home."""
    own = f"lmforms-{sha256(str(PACKAGE).encode()).hexdigest()[:16]}"
    told = os.environ.get("NUMBA_CACHE_DIR")
    if told:
        yield Path(told) / own
        return
    yield PACKAGE / "__pycache__"
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA")
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if home:
        yield Path(home) / "lmforms" / own


def _checked(path: Path) -> bytes | None:
    """What the file holds, unless it is damaged or not there."""
    try:
        found = path.read_bytes()
    except OSError:
        return None
    content = found[_DIGEST:]
    return content if sha256(content).digest() == found[:_DIGEST] else None


def _written(path: Path, content: bytes) -> bool:
    """Write a file as a whole or not at all: others may read or write it at the same time."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(part, path)
    except OSError:
        if part is not None:
            with suppress(OSError):
                os.unlink(part)
        return False
    return True
