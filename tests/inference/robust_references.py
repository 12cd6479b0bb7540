"""Models with clubSandwich's figures: ``tests/reference/robust.json`` as cases for tests."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import lmforms as lf
from lmforms.errors import RankWarning, SingularWarning

FOLDER = Path(__file__).parents[1] / "reference"

CASES: dict[str, dict[str, Any]] = {
    model["id"]: model
    for model in json.loads((FOLDER / "robust.json").read_text(encoding="utf-8"))["models"]
}


def case_data(case: dict[str, Any]) -> pd.DataFrame:
    """The rows of a case."""
    if not case["data"].endswith("csv"):
        data = lf.datasets.load(case["data"])
    else:
        data = pd.read_csv(FOLDER / case["data"])
        for name, levels in (case["factors"] or {}).items():
            data[name] = pd.Categorical(data[name], categories=levels)
    for name, column in (case["extra_columns"] or {}).items():
        data[name] = column["values"]
    return data if case["rows"] is None else data.iloc[case["rows"]]


@cache
def case_fit(name: str) -> Any:
    """The fit of a case, made once."""
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (RankWarning, SingularWarning))
        return lf.lmer(
            case["formula"],
            case_data(case),
            reml=case["reml"],
            weights=case["weights"],
            residual=case["residual"],
        )


def case_cluster(name: str) -> Any:
    """The argument `cluster` of a case."""
    column = CASES[name]["cluster"]
    fit = case_fit(name)
    if column is None or column in fit.state.design.frame.table:
        return column
    return case_data(CASES[name])[column]
