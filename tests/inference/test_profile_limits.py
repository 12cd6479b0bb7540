"""Limits of profiles: against the dense twin, and against R."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from dense_profiles import zeta_errors
from profile_models import MODELS

import lmforms as lf
from lmforms.inference.model_parameters import model_parameters, parameter_values

Z = 1.959963984540054
TOLERANCE = 1e-5
"""Of ζ, which is 1 over a standard error: a tenth of what is promised."""

REFERENCES = Path(__file__).parents[1] / "reference" / "profiles.json"

FORMULAS = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "Dyestuff": "Yield ~ 1 + (1 | Batch)",
    "Dyestuff2": "Yield ~ 1 + (1 | Batch)",
    "Penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "Pastes": "strength ~ 1 + (1 | batch) + (1 | batch:cask)",
    "cake": "angle ~ recipe + temp + (1 | recipe:replicate)",
}


@lru_cache
def references():
    return json.loads(REFERENCES.read_text())


def check_against_twin(model, reml=False):
    profile = model.fit.profile(reml=reml)
    table, at_bound = profile.conf_int(), profile.at_bound()
    names = [p.name for p in model_parameters(profile.state)]
    estimates = dict(zip(names, parameter_values(profile.state), strict=True))
    errors = zeta_errors(model.dense(reml), table, estimates, Z)
    for name in table.index:
        for side in ("lower", "upper"):
            error = errors.loc[name, side]
            if at_bound.loc[name, side]:
                assert error < 0  # the bound comes first
            else:
                assert abs(error) < TOLERANCE, (name, side, error)


SLOW = ("random toep", "har1", "us", "exp", "power", "residual ar1")


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.slow) if x in SLOW else x for x in MODELS]
)
def test_limits_are_roots_of_the_dense_likelihood(name):
    check_against_twin(MODELS[name])


@pytest.mark.parametrize(
    "name", ["weights", *(pytest.param(x, marks=pytest.mark.slow) for x in ("random ar1", "us"))]
)
def test_limits_of_the_restricted_likelihood(name):
    check_against_twin(MODELS[name], reml=True)


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
@pytest.mark.parametrize("name", list(FORMULAS))
def test_limits_are_those_of_lme4(name):
    """The exact roots to 1e-4 standard errors, lme4's own, which are interpolated, to 1e-2."""
    reference = references()[name]
    profile = lf.lmer(FORMULAS[name], lf.datasets.load(name)).profile()
    found = profile.conf_int()
    kinds = [key.rstrip("0123456789") for key in reference["names"]]
    wanted = np.array(reference["limits"], dtype=float)
    # lme4 has terms of more levels first, and sd before correlations
    order = _order(name, found.index, kinds)
    spread = (found["upper"] - found["lower"]).to_numpy() / (2.0 * Z)
    errors = np.abs(found.to_numpy()[order] - wanted) / spread[order][:, None]
    assert errors.max() < 1e-4
    lme4 = np.array(reference["lme4"], dtype=float)
    if len(lme4):
        rows = [_lme4_row(label, found.index) for label in reference["lme4_names"]]
        known = np.isfinite(lme4)
        gaps = np.abs(found.to_numpy()[rows] - lme4) / spread[rows][:, None]
        assert gaps[known].max() < 1e-2


def _order(name, index, kinds):
    """Rows of ours in the order of the reference: fixed, sd, correlations, σ."""
    labels = list(index)
    own = {
        "sd": [i for i, x in enumerate(labels) if x.startswith("sd(")],
        "cor": [i for i, x in enumerate(labels) if x.startswith("cor(")],
        "sigma": [i for i, x in enumerate(labels) if x == "sigma"],
    }
    if name == "Pastes":  # lme4: the term with more levels first
        own["sd"] = own["sd"][::-1]
    fixed = [i for i, x in enumerate(labels) if x != "sigma" and not x.startswith(("sd(", "cor("))]
    return np.array([*fixed, *own["sd"], *own["cor"], *own["sigma"]])


def _lme4_row(label, index):
    """The row of ours that ``sd_Days|Subject`` and other names of lme4's mean."""
    inner = label.replace("(Intercept)", "Intercept")
    kind, _, rest = inner.partition("_")
    if kind == "sd":
        effect, _, group = rest.partition("|")
        wanted = f"sd({effect} | {':'.join(group.split(':')[::-1])})"
        return list(index).index(wanted if wanted in index else f"sd({effect} | {group})")
    if kind == "cor":
        effects, _, group = rest.partition("|")
        second, first = effects.split(".")
        return list(index).index(f"cor({first}, {second} | {group})")
    inner = inner.replace("recipe", "recipe[T.") + "]" if inner.startswith("recipe") else inner
    return list(index).index(inner)


def test_limits_of_a_correlation_of_residuals():
    """nlme::gls with the correlation fixed."""
    sleep = lf.datasets.load("sleepstudy")
    fit = lf.lmer("Reaction ~ Days", sleep, residual="ar1(Days | Subject)")
    found = fit.profile("rho").conf_int().loc["rho"]
    spread = (found["upper"] - found["lower"]) / (2.0 * Z)
    wanted = np.array(references()["gls_ar1"]["rho"])
    assert np.abs(found.to_numpy() - wanted).max() < 1e-4 * spread


def test_the_figures_of_sleepstudy():
    sleep = lf.datasets.load("sleepstudy")
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep, reml=False)
    wanted = {
        "sigma": (22.898, 28.858),
        "sd(Intercept | Subject)": (14.381, 37.716),
        "sd(Days | Subject)": (3.801, 8.753),
        "Intercept": (237.681, 265.130),
        "Days": (7.359, 13.576),
    }
    found = fit.conf_int(method="profile", which="all")
    for name, limits in wanted.items():
        np.testing.assert_allclose(found.loc[name], limits, atol=6e-4)
