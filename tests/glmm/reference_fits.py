"""Reference fits of generalised linear mixed models, and how they are asked for here."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import lmforms as lf

REFERENCE = Path(__file__).parents[1] / "reference"
STORED = json.loads((REFERENCE / "glmm_fits.json").read_text())
FITS = {fit["id"]: fit for fit in STORED["fits"]}


@cache
def table(name: str) -> pd.DataFrame:
    """The data of a fit, with factors in R's order of levels."""
    if not name.endswith(".csv"):
        return lf.datasets.load(name)
    data = pd.read_csv(REFERENCE / name)
    for column, levels in STORED["factors"].get(name, {}).items():
        if levels is None:
            data[column] = data[column].astype(str)
        else:
            data[column] = pd.Categorical(data[column].astype(str), levels)
    return data


def arguments(fit: dict[str, Any]) -> dict[str, Any]:
    """What `lf.glmer` is called with."""
    data = table(fit["data"]).assign(**fit["extra_columns"])
    formula = fit["formula"]
    if fit["family"] == "cumulative":
        response = formula.split()[0]
        data[response] = data[response].cat.as_ordered()
    out = {"formula": formula, "data": data, "family": fit["family"], "nagq": fit["nagq"]}
    if fit["link"] is not None:
        out["link"] = fit["link"]
    for name in ("weights", "offset"):
        if fit.get(name) is not None:
            out[name] = fit[name]
    if fit["zi_formula"] != "~0":
        out["zero_inflation"] = fit["zi_formula"]
    if fit["disp_formula"] not in ("~1", "~0"):
        out["dispersion"] = fit["disp_formula"]
    return out


def numbers(values: dict[str, Any]) -> list[float]:
    """Of one-element lists, as R writes numbers."""
    return [v[0] if isinstance(v, list) else v for v in values.values()]
