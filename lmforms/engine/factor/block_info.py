"""How a part of A is stored, for the table of blocks of a fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockInfo:
    """One line of the table of blocks: how a part of A is stored, and its size."""

    name: str
    kind: str
    size: int
    nonzeros: int
    bytes: int
