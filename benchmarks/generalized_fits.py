"""How Python programs fit a generalised model: `model.json` beside the data says which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import exchange
import pandas as pd

Outcome = tuple[float, int | None]
Read = tuple[pd.DataFrame, dict[str, Any]]

GLMM_FAMILIES = {"negative_binomial": "negativebinomial"}
"""The package glmm's names of families, where they are not ours."""


def write_model(folder: Path, **model: Any) -> None:
    """Formula, family, link, nodes of quadrature, formula of zeros, replicates of a bootstrap."""
    (folder / "model.json").write_text(json.dumps(model), encoding="utf-8")


def read_model(folder: Path) -> Read:
    """The frame, and what `write_model` wrote."""
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return exchange.read(folder), model


def lmforms(formula: str, data: Read, reml: bool, *, bse: bool, nagq: int | None = None) -> Outcome:
    """With or without standard errors, which take a Hessian of all parameters."""
    fit = fitted(formula, data, nagq)
    if bse:
        _ = fit.bse
    return -2.0 * float(fit.llf), fit.optimizer.n_evaluations


def fitted(formula: str, data: Read, nagq: int | None = None) -> Any:
    import lmforms as lf

    frame, model = data
    options = {"zero_inflation": model["zeros"]} if model["zeros"] else {}
    nodes = model["nagq"] if nagq is None else nagq
    family, link = model["family"], model["link"]
    return lf.glmer(formula, frame, family=family, link=link, nagq=nodes, **options)


def read_fit(folder: Path) -> tuple[Any, int]:
    """A fit, which is there before the clock starts, and how many replicates are asked for."""
    data = read_model(folder)
    return fitted(data[1]["formula"], data), data[1]["replicates"]


def bootstrap(formula: str, data: tuple[Any, int], reml: bool) -> Outcome:
    fit, replicates = data
    fit.bootstrap(replicates, seed=1)
    return -2.0 * float(fit.llf), None


def glmm(formula: str, data: Read, reml: bool) -> Outcome:
    """Without likelihood ratio tests of all terms, which it adds to Poisson fits by default."""
    import glmm

    frame, model = data
    family = GLMM_FAMILIES.get(model["family"], model["family"])
    options = {"link": model["link"], "nagq": model["nagq"], "anova_test": "Wald"}
    fit = glmm.fit(frame, formula, family=family, **options)
    return -2.0 * float(fit.loglik), fit.n_eval
