"""Replicates made one batch after the other, with a bar; an interrupt keeps those made."""

from __future__ import annotations

import warnings
from typing import Protocol, TypeVar

from ...errors import InterruptedWarning
from ...support.caller import caller_depth
from ...support.progress import bar_of

T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """Makes replicates."""

    @property
    def step(self) -> int:
        """How many it makes at a time, without a loss of speed."""

    def next(self, count: int) -> T_co:
        """The next ones."""


def collected(source: Source[T_co], n: int, progress: bool) -> list[T_co]:
    """Batches of n replicates in all, or of those made before an interrupt.

    Raises
    ------
    KeyboardInterrupt
        Before the first batch was there.

    Warns
    -----
    InterruptedWarning
    """
    parts: list[T_co] = []
    done, bar = 0, bar_of(n, "bootstrap") if progress else None
    try:
        while done < n:
            count = min(source.step, n - done)
            parts.append(source.next(count))
            done += count
            if bar is not None:
                bar.update(count)
    except KeyboardInterrupt:
        if not done:
            raise
        warnings.warn(
            f"interrupted: {done} of {n} replicates were made and are kept.",
            InterruptedWarning,
            stacklevel=caller_depth(),
        )
    finally:
        if bar is not None:
            bar.close()
    return parts
