"""Models with marginal means by emmeans: ``tests/reference/means.json`` as cases for tests."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import lmforms as lf
from lmforms.errors import RankWarning, SingularWarning

FOLDER = Path(__file__).parents[1] / "reference"

TOLERANCES = {
    "estimate": (1e-6, 1e-7),
    "std_error": (1e-6, 0.0),
    "df": (1e-4, 0.0),
    "statistic": (1e-5, 1e-6),
    "p_value": (0.0, 1e-4),
    "lower": (1e-4, 1e-5),
    "upper": (1e-4, 1e-5),
}
"""Relative and absolute, of the columns of emmeans."""

SIMULATED = (2e-3, 2e-3)
"""mvtnorm integrates by simulation, to about 1e-3."""


@dataclass(frozen=True, eq=False)
class MeanCall:
    """A call with what emmeans says.

    Attributes
    ----------
    model : str
    place : int
    method : str
    arguments : mapping
    figures : mapping of str to list
    """

    model: str
    place: int
    method: str
    arguments: Mapping[str, Any]
    figures: Mapping[str, list[Any]]

    def __str__(self) -> str:
        return f"{self.model}-{self.place}"

    def table(self) -> pd.DataFrame:
        """What we say."""
        return _table(self.model, self.place)


@cache
def _content() -> dict[str, Any]:
    content = json.loads((FOLDER / "means.json").read_text(encoding="utf-8"))
    return {model["id"]: model for model in content["models"]}


def mean_models() -> dict[str, Any]:
    """All models of the file, by their names."""
    return _content()


def mean_calls() -> list[MeanCall]:
    """All calls of the file."""
    return [
        MeanCall(name, i, call["method"], call["arguments"], call["figures"])
        for name, model in _content().items()
        for i, call in enumerate(model["calls"])
    ]


@cache
def _table(name: str, place: int) -> pd.DataFrame:
    call = _content()[name]["calls"][place]
    return getattr(fit_of(name), call["method"])(**call["arguments"])


@cache
def fit_of(name: str) -> Any:
    """Our fit of a model, made once."""
    model = _content()[name]
    data = data_of(model["data"])
    if model["rows"] is not None:
        data = data.iloc[model["rows"]].reset_index(drop=True)
    options = {k: model[k] for k in ("weights", "offset", "contrasts") if model[k] is not None}
    with warnings.catch_warnings():
        for category in (RankWarning, SingularWarning):
            warnings.simplefilter("ignore", category)
        return lf.lmer(model["formula"], data, **options)


@cache
def data_of(name: str) -> pd.DataFrame:
    """A file beside the figures, or a set of ``lmforms.datasets``."""
    return pd.read_csv(FOLDER / name) if name.endswith(".csv") else lf.datasets.load(name)
