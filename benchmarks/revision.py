"""The package as it was at a revision, in a folder of its own, to be run beside this checkout."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers import HERE

PARTS = ("lmforms", "datasets")
"""What a process needs of a revision; the benchmarks themselves are this checkout's."""


def name_of(revision: str | None) -> str | None:
    """The short hash of a revision; None for None."""
    return revision and _git("rev-parse", "--short", revision).decode().strip()


@contextmanager
def checkout(revision: str | None) -> Iterator[Path | None]:
    """A folder with the package at `revision`, removed in the end; None for None."""
    if revision is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(fileobj=io.BytesIO(_git("archive", revision, *PARTS))) as archive:
            archive.extractall(name, filter="data")
        yield Path(name)


def _git(*arguments: str) -> bytes:
    return subprocess.run(
        ["git", *arguments], cwd=HERE.parent, capture_output=True, check=True
    ).stdout
