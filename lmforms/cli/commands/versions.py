"""``lmforms versions``: lmforms, Python, the system, and what lmforms uses."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from ..arguments import add_command

NEEDED = (
    "numpy",
    "scipy",
    "pandas",
    "formulaic",
    "narwhals",
    "statsmodels",
    "numba",
    "threadpoolctl",
)
OPTIONAL = (
    "scikit-sparse",
    "matplotlib",
    "scikit-learn",
    "arviz",
    "tqdm",
    "torch",
    "polars",
    "pyarrow",
    "duckdb",
    "dask",
    "distributed",
)


def add(commands: Any) -> None:
    """The arguments of the command."""
    add_command(commands, "versions", run, help="versions of lmforms and of what it uses")


def run(args: Namespace) -> str:
    """The output of the command."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from ... import __version__

    lines = [
        f"lmforms {__version__}",
        f"python {platform.python_version()} ({platform.python_implementation()})",
        f"platform {platform.system()} {platform.release()} ({platform.machine()})",
    ]
    for name in (*NEEDED, *OPTIONAL):
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines)
