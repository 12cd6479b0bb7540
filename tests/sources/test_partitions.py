"""Partitions that are worked on side by side."""

import threading
import time

import pytest

from lmforms.errors import DataError

pa = pytest.importorskip("pyarrow")

from lmforms.sources import source as sources  # noqa: E402
from lmforms.sources.source import Partition, Source, evenly  # noqa: E402


class _Numbers(Source):
    """Partitions of batches, one of which may fail."""

    name, repeatable = "numbers", True

    def __init__(self, count, fails=None):
        self.schema, self.count, self.fails = pa.schema([("x", pa.int64())]), count, fails
        self.read = 0

    def partitions(self):
        return [
            Partition(f"part {i}", lambda columns, i=i: self._batches(i)) for i in range(self.count)
        ]

    def _batches(self, i):
        for j in range(200):
            if i == self.fails and j == 3:
                raise DataError(f"part {i} is corrupt")
            if self.fails is not None:
                time.sleep(0.005)
            self.read += 1
            yield pa.record_batch([pa.array([200 * i + j])], names=["x"])


def numbers(partitions):
    return [v for p in partitions for b in p.read(["x"]) for v in b.column(0).to_pylist()]


def joined(a, b):
    return a + b


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("processors", [1, 2, 3])
def test_all_rows_in_order(monkeypatch, count, processors):
    monkeypatch.setattr(sources, "processors", lambda: processors)
    assert _Numbers(count).reduced(numbers, joined) == list(range(200 * count))


@pytest.mark.parametrize("fails", [0, 3])
def test_a_failure_ends_the_others(monkeypatch, fails):
    monkeypatch.setattr(sources, "processors", lambda: 2)
    source = _Numbers(4, fails=fails)
    with pytest.raises(DataError, match=f"part {fails} is corrupt"):
        source.reduced(numbers, joined)
    assert source.read < 600  # of 800
    assert threading.active_count() < 10


def test_shares():
    assert evenly("abcde", 2) == [["a", "b", "c"], ["d", "e"]]
    assert evenly("ab", 2) == [["a"], ["b"]]
