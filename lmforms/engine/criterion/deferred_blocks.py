"""Blocks of numbers by grouping factor that are computed when they are first looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from ...support.arrays import Blocks, FloatArray


class DeferredBlocks(Sequence[FloatArray]):
    """What `compute` returns: large arrays of a search are seldom needed but at its end."""

    def __init__(self, compute: Callable[[], Blocks]) -> None:
        self._compute = compute

    @cached_property
    def _blocks(self) -> Blocks:
        return self._compute()

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, index: Any) -> Any:
        return self._blocks[index]
