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


def write_responses(responses: np.ndarray, loop: int, folder: Path) -> None:
    """Columns of float64, one after the other, and how many of them a loop fits."""
    rows, count = responses.shape
    responses.T.astype("<f8").tofile(folder / "responses.bin")
    about = {"rows": rows, "count": count, "loop": loop}
    (folder / "responses.json").write_text(json.dumps(about), encoding="utf-8")


def read_responses(folder: Path) -> tuple[np.ndarray, int]:
    """The responses (rows, count) that were written, and the length of the loop."""
    about = json.loads((folder / "responses.json").read_text(encoding="utf-8"))
    flat = np.fromfile(folder / "responses.bin", "<f8")
    return flat.reshape(about["count"], about["rows"]).T, about["loop"]


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
