"""Fits of residual structures to the growth data of Potthoff and Roy, each made once."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import lmforms as lf
from lmforms.errors import BoundWarning

FORMULA = "distance ~ age * Sex"
NLME = json.loads((Path(__file__).parent / "reference/residual_intervals.json").read_text())


def growth_fit(residual: str, formula: str = FORMULA, *, reml: bool = True) -> lf.MixedModelResults:
    return _fit(residual, formula, reml)


@cache
def _fit(residual: str, formula: str, reml: bool) -> lf.MixedModelResults:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundWarning)
        return lf.lmer(formula, lf.datasets.load("Orthodont"), residual=residual, reml=reml)
