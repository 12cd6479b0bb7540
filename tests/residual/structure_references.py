"""Fits with residual structures: ``tests/reference/residual_structures.json`` as cases for tests.

``tests/reference/residual_structures.R`` makes the file; ``tests/reference/README.md`` says what
it holds.

>>> case = structure_case("orthodont_ar1_reml")      # doctest: +SKIP
>>> case.fit().llf, case.loglik                      # lmforms, and the reference
>>> @pytest.mark.parametrize("case", structure_cases(), ids=str)
... def test_fit(case): ...
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.errors import LmformsWarning

FOLDER = Path(__file__).parents[1] / "reference"

AT_BOUND = 1e-9
"""A correlation or a moving-average coefficient is at its end within this."""


@cache
def content() -> dict[str, Any]:
    """The whole file: ``versions`` and ``fits``."""
    text = (FOLDER / "residual_structures.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@dataclass(frozen=True, eq=False)
class StructureCase:
    """A model with a residual structure and its figures.

    Attributes
    ----------
    id : str
    formula, residual : str
        Ours.
    weights : str or None
        Column of known weights.
    reml : bool
    loglik, sigma : float
    beta, se : ndarray (p,)
        In the order of our columns, which is R's.
    parameters : mapping of str to float
        Natural parameters as stored: visits are numbered from 1, and standard deviations of
        strata (``sd[label]``) are ratios to the first stratum, whose own is ``sigma``.
    random_covariance : tuple of ndarray (k, k)
        Covariance of each random-effects term.
    entry : mapping
        The entry of the file.
    """

    id: str
    formula: str
    residual: str
    weights: str | None
    reml: bool
    loglik: float
    sigma: float
    beta: np.ndarray
    se: np.ndarray
    parameters: Mapping[str, float]
    random_covariance: tuple[np.ndarray, ...]
    entry: Mapping[str, Any]

    def __str__(self) -> str:
        return self.id

    @property
    def at_bound(self) -> bool:
        """Whether the optimum is at the end of a parameter: a moving average's unit root."""
        return any(
            abs(abs(value) - 1.0) < AT_BOUND
            for name, value in self.parameters.items()
            if name.startswith(("rho", "theta", "phi"))
        )

    def reported(self) -> dict[str, float]:
        """Parameters as ``fit.residual_params`` has them.

        Visits have their labels, and standard deviations of all strata are in the units of y.
        """
        data, out = self.data(), dict[str, float]()
        labels: list[str] = []
        if self.entry["correlation"] in ("corsymm", "ante"):
            labels = _levels(data[self.entry["at"][0]])
        if self.entry["variance"] == "idh":
            strata = _levels(data[self.entry["of"]])
            out[f"sd[{strata[0]}]"] = self.sigma
        for name, value in self.parameters.items():
            if labels and name.startswith("rho["):
                i, j = (int(number) for number in name[4:-1].split(","))
                out[f"rho[{labels[i - 1]},{labels[j - 1]}]"] = value
            else:
                out[name] = value * self.sigma if name.startswith("sd[") else value
        return out

    def data(self) -> pd.DataFrame:
        """A new frame with the rows, in the order, that the reference had."""
        name = self.entry["data"]
        if name.startswith("residual_"):
            frame = pd.read_csv(FOLDER / f"{name}.csv")
        else:
            frame = lf.datasets.load(name)
        for column, values in self.entry["extra_columns"].items():
            frame[column] = values
        rows = self.entry["rows"]
        return frame if rows is None else frame.iloc[rows].reset_index(drop=True)

    def fit(self) -> Any:
        """Our fit, made once. What it warns of is left out."""
        return _fit(self.id)


def _levels(column: pd.Series) -> list[str]:
    """Labels of the levels that occur, in order."""
    return pd.Categorical(column).remove_unused_categories().categories.astype(str).tolist()


@cache
def _fit(name: str) -> Any:
    case = structure_case(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        return lf.lmer(
            case.formula,
            case.data(),
            reml=case.reml,
            weights=case.weights,
            residual=case.residual,
        )


@cache
def _cases() -> dict[str, StructureCase]:
    return {entry["id"]: _case(entry) for entry in content()["fits"]}


def _case(entry: Mapping[str, Any]) -> StructureCase:
    return StructureCase(
        id=entry["id"],
        formula=entry["formula"],
        residual=entry["residual"],
        weights=entry["weights"],
        reml=entry["reml"],
        loglik=entry["loglik"],
        sigma=entry["sigma"],
        beta=np.array(entry["beta"]),
        se=np.array(entry["se"]),
        parameters=dict(entry["parameters"]),
        random_covariance=tuple(np.array(g, ndmin=2) for g in entry["random_covariance"] or ()),
        entry=entry,
    )


def structure_case(name: str) -> StructureCase:
    """One case by its id."""
    return _cases()[name]


def structure_cases(kind: str | None = None) -> list[StructureCase]:
    """All cases; of a kind, ``"published"`` or ``"fit"``."""
    return [c for c in _cases().values() if kind in (None, c.entry["kind"])]
