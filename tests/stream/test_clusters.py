"""Fits on a cluster of real processes, one of which is killed in the middle."""

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from test_stream_fits import same

import lmforms as lf

pytest.importorskip("pyarrow")
dask = pytest.importorskip("dask")
frames = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

FORMULA = "y ~ x + f + (x | g)"


def rows(part, count=2_000):
    random = np.random.default_rng(part)
    g = random.integers(0, 50, count)
    f = random.choice(["a", "b", "c"][: 2 + part % 2], count)  # c is not in all partitions
    x = random.normal(size=count)
    effects = np.random.default_rng(99).normal(size=(2, 50))
    y = 1.0 + x + (f == "b") + effects[0, g] + 0.5 * effects[1, g] * x + random.normal(size=count)
    return pd.DataFrame({"y": y, "x": x, "f": f, "g": g})


def slow_rows(part):
    time.sleep(0.2)
    return rows(part)


@pytest.fixture(scope="module")
def whole():
    return lf.lmer(FORMULA, pd.concat([rows(part) for part in range(8)]))


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_partitions_on_a_cluster(client, whole):
    parts = [dask.delayed(rows)(part) for part in range(8)]
    same(lf.lmer(FORMULA, parts), whole)
    frame = frames.from_delayed(parts)
    same(lf.lmer(FORMULA, frame), whole)
    sums = lf.summarise(FORMULA, frame)
    assert sums.nobs == 16_000
    same(lf.lmer(sums), whole)


@pytest.mark.slow
def test_a_worker_is_killed(client, whole):
    """Its partitions are summed by others: the result is the same."""
    before = client.run(os.getpid)
    killed = []

    def kill():
        time.sleep(0.7)
        pid = next(iter(client.run(os.getpid).values()))
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    fit = lf.lmer(FORMULA, [dask.delayed(slow_rows)(part) for part in range(8)])
    thread.join()
    client.wait_for_workers(2)
    assert killed
    assert killed[0] in before.values()
    assert killed[0] not in client.run(os.getpid).values()
    same(fit, whole)
