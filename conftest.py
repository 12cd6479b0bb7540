"""How the tests run: side by side in processes, each of one thread, of compiled loops made once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from zlib import crc32

import pytest

# doctests of modules that stand on an optional package, where it is missing
OPTIONAL = {
    "sklearn": ["lmforms/latent/sklearn.py", "lmforms/sklearn.py"],
    "marginaleffects": ["lmforms/interop/marginal_effects.py"],
    "pyarrow": ["lmforms/sources", "lmforms/stream"],
    "torch": ["lmforms/latent/torch"],
}
collect_ignore = [
    path for package, paths in OPTIONAL.items() if find_spec(package) is None for path in paths
]

# Before NumPy is loaded, and inherited by every worker: several processes of several BLAS threads
# each are many times slower than as many processes of one.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A test that fails shows the frames inside the package too.
os.environ.setdefault("LMFORMS_FULL_TRACEBACK", "1")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto` starts no workers for files or tests that are named on the command line."""
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    return 0 if named else None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the loops, so that the workers find them on disk and need not do so each."""
    if not session.config.getoption("numprocesses", None) or session.config.option.collectonly:
        return
    root = session.config.rootpath
    found = [path for end in ("", "s") for path in root.glob(f"lmforms/**/*_kernel{end}.py")]
    names = [".".join(path.relative_to(root).with_suffix("").parts) for path in found]
    subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], cwd=root, check=False)


@pytest.fixture(autouse=True)
def _figures_of_a_doctest(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the figures of a doctest: pyplot keeps each until it is closed."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if isinstance(request.node, pytest.DoctestItem) and pyplot is not None:
        pyplot.close("all")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the parameters of a test marked `one_in(count)`, one in so many is run by default.

    Which ones depends on their names alone, so that those of crossed parameters are mixed. The
    first is always run; the others are marked slow.
    """
    seen: set[str] = set()
    for item in items:
        marker = item.get_closest_marker("one_in")
        if marker is None or item.get_closest_marker("slow"):
            continue
        test, _, parameters = item.nodeid.partition("[")
        first = test not in seen
        seen.add(test)
        if parameters and not first and crc32(item.nodeid.encode()) % marker.args[0]:
            item.add_marker(pytest.mark.slow)
