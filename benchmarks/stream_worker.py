"""Fits one stream and says how long it took: see `streams`."""

from __future__ import annotations

import glob
import json
import os
import resource
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any


def source(kind: str, path: str, stack: ExitStack) -> Any:
    """The rows of files as a source."""
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    files = sorted(glob.glob(path))
    if kind == "parquet":
        return path
    if kind == "dataset":
        return ds.dataset(files)
    if kind in ("arrow", "csv"):
        made = path.replace(".parquet", f".{kind}")
        if not glob.glob(made):
            for file in files:
                _converted(file, kind)
        return made
    if kind == "duckdb":
        import duckdb

        return duckdb.connect().sql(f"SELECT * FROM read_parquet('{path}')")
    if kind == "polars":
        import polars

        return polars.scan_parquet(path)
    if kind == "pandas":
        return lambda: (
            batch.to_pandas() for f in files for batch in pq.ParquetFile(f).iter_batches(1 << 20)
        )
    import dask.dataframe
    from dask.distributed import Client, LocalCluster

    if kind.startswith("cluster"):
        cluster = stack.enter_context(
            LocalCluster(n_workers=int(kind.split()[1]), threads_per_worker=1, processes=True)
        )
        stack.enter_context(Client(cluster))
    return dask.dataframe.read_parquet(files, split_row_groups=1)


def _converted(file: str, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    made = file.replace(".parquet", f".{kind}")
    open_writer = pa.ipc.new_file if kind == "arrow" else csv.CSVWriter
    with open_writer(made, parquet.schema_arrow) as writer:
        for batch in parquet.iter_batches(1 << 20):
            writer.write_batch(batch)


def peak() -> int:
    """Peak of resident memory of this process alone, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    path, kind, formula = sys.argv[1:]
    import pandas as pd
    import pyarrow  # noqa: F401

    import lmforms as lf

    with ExitStack() as stack:
        if kind == "memory":
            began, before = time.perf_counter(), peak()
            data = pd.concat([pd.read_parquet(f) for f in sorted(glob.glob(path))])
            read = time.perf_counter() - began
            fit = lf.lmer(formula, data)
            summed = time.perf_counter() - began
        else:
            rows = source(kind, path, stack)
            began, before = time.perf_counter(), peak()
            sums = lf.summarise(formula, rows)
            read = summed = time.perf_counter() - began
            fit = lf.lmer(sums)
        seconds = time.perf_counter() - began
    said = {
        "rows": fit.nobs,
        "seconds": seconds,
        "summed": summed,
        "read": read,
        "peak": peak(),
        "before": before,
        "criterion": fit.criterion,
        "criterion_se": float(fit.criterion_se),
        "beta": fit.params.tolist(),
        "theta": fit.theta.tolist(),
        "processors": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
