"""Every question that can be asked of a fit, asked of every kind of fit: numbers, or one of our refusals."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kinds_of_fits import KINDS, fit_of

from lmforms.errors import LmformsError
from lmforms.inference.model_parameters import model_parameters, parameter_values

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "wald": lambda fit: fit.conf_int(which="all"),
    "profile": lambda fit: fit.conf_int(method="profile", which="all"),
    "bootstrap": lambda fit: fit.bootstrap(5, seed=1).table,
    "residual bootstrap": lambda fit: fit.bootstrap(3, seed=1, kind="residual").table,
    "case bootstrap": lambda fit: fit.bootstrap(3, seed=1, kind="case").table,
    "influence": lambda fit: fit.influence("g").params,
    "leverage": lambda fit: fit.leverage,
    "studentized": lambda fit: fit.residuals("studentized"),
    "robust": lambda fit: fit.robust().table,
    "r2": lambda fit: fit.r2(),
    "icc": lambda fit: fit.icc(),
    "simulated": lambda fit: fit.simulated_residuals(20, seed=1).scaled,
    "check": lambda fit: fit.check(20).table["check"] if False else fit.check(20).table,
}

# what is refused, by question: everything else is answered
REFUSED: dict[str, set[str]] = {}


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_values_of_parameters(kind):
    fit = fit_of(kind)
    names = [p.name for p in model_parameters(fit.state)]
    assert len(set(names)) == len(names) == len(parameter_values(fit.state))
    assert names[: len(fit.params)] == list(fit.params.index)
