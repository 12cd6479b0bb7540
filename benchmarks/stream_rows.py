"""Rows of benchmarks of streams, written to files in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 1_000_000
FILES = 4


@dataclass(frozen=True)
class Rows:
    """Rows that are drawn.

    Attributes
    ----------
    kind : {"slopes", "ratings"}
    count : int
    levels : tuple of int
        Of the grouping factors.
    text : bool
        Whether ids are text.
    factor : bool
        Whether there is a factor f of six levels.
    spread : float
        Standard deviation of the intercepts.
    """

    kind: str
    count: int
    levels: tuple[int, ...]
    text: bool = False
    factor: bool = False
    spread: float = 0.7

    def written(self, folder: Path) -> Path:
        """A glob of files of Parquet with these rows, made if they are not there."""
        stem = f"{self.kind}-{self.count}-{self.text:d}{self.factor:d}-{self.spread:g}"
        glob = folder / f"{stem}-*.parquet"
        if not list(folder.glob(glob.name)):
            for file in range(FILES):
                self._write(folder / f"{stem}-{file}.parquet", file)
        return glob

    def _write(self, path: Path, file: int) -> None:
        writer = None
        for table in self._chunks(file):
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()

    def _chunks(self, file: int) -> Iterator[pa.Table]:
        left = self.count // FILES
        random = np.random.default_rng(file)
        effects = self._effects()
        while left:
            n = min(CHUNK, left)
            left -= n
            columns = self._slopes(random, n, effects) if self.kind == "slopes" else None
            yield pa.table(columns or self._ratings(random, n, effects))

    def _effects(self) -> Any:
        random = np.random.default_rng(99)
        if self.kind == "slopes":
            return random.normal(size=(2, *self.levels)) * [[self.spread], [0.3]]
        users, films = self.levels
        often = random.pareto(1.2, users) + 0.2  # few users rate many films
        seen = 1.0 / (np.arange(films) + 20.0)
        sizes = [np.cumsum(x / x.sum()) for x in (often, seen)]
        return sizes, 0.45 * random.normal(size=users), 0.5 * random.normal(size=films)

    def _slopes(self, random: Any, n: int, effects: Any) -> dict[str, Any]:
        g = random.integers(0, self.levels[0], n).astype(np.int32)
        x = random.normal(size=n)
        y = 1.0 + 0.5 * x + effects[0, g] + effects[1, g] * x + random.normal(size=n)
        columns: dict[str, Any] = {"y": y, "x": x, "g": g}
        if self.text:
            names = pa.array([f"person-{i:06}" for i in range(self.levels[0])])
            columns["g"] = names.take(pa.array(g))
        if self.factor:
            f = random.integers(0, 6, n)
            columns["y"] = y + 0.1 * f
            columns["f"] = pa.array(list("abcdef")).take(pa.array(f))
        return columns

    def _ratings(self, random: Any, n: int, effects: Any) -> dict[str, Any]:
        sizes, users, films = effects
        drawn = [np.searchsorted(own, random.random(n)) for own in sizes]
        user, film = (np.minimum(d, q - 1).astype(np.int32) for d, q in zip(drawn, self.levels))
        y = 3.4 + users[user] + films[film] + 0.85 * random.normal(size=n)
        return {"y": y, "user": user, "film": film}
