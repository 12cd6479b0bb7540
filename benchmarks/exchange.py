"""A frame as plain binary files that Python and R read alike, exactly and fast."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd


def write(frame: pd.DataFrame, folder: Path) -> None:
    """Numbers as float64 and factors as int32 codes with their levels, a file per column."""
    kinds = []
    for i, name in enumerate(frame):
        column = frame[name]
        is_factor = isinstance(column.dtype, pd.CategoricalDtype)
        kinds.append({"name": name, "kind": "factor" if is_factor else "number"})
        if is_factor:
            column.cat.codes.to_numpy().astype("<i4").tofile(folder / f"{i}.bin")
            levels = "\n".join(column.cat.categories.astype(str))
            (folder / f"{i}.levels").write_text(levels + "\n", encoding="utf-8")
        else:
            column.to_numpy().astype("<f8").tofile(folder / f"{i}.bin")
    about = {"rows": len(frame), "columns": kinds}
    (folder / "columns.json").write_text(json.dumps(about), encoding="utf-8")


def read(folder: Path) -> pd.DataFrame:
    """The frame that was written: float columns and unordered categories."""
    about = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
    columns = {}
    for i, column in enumerate(about["columns"]):
        if column["kind"] == "factor":
            levels = (folder / f"{i}.levels").read_text(encoding="utf-8").splitlines()
            codes = np.fromfile(folder / f"{i}.bin", "<i4")
            columns[column["name"]] = pd.Categorical.from_codes(codes, categories=levels)
        else:
            columns[column["name"]] = np.fromfile(folder / f"{i}.bin", "<f8")
    return pd.DataFrame(columns)
