"""Structures of random effects as glmmTMB fits them: ``tests/reference/random_structures.json``.

``tests/reference/random_structures.R`` makes the file. Figures of Machines and Orthodont that issue
15 states are there too.
"""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from slow_cases import slow_if

import lmforms as lf

pytestmark = pytest.mark.one_in(4)

REFERENCE = Path(__file__).parent / "reference"
FITS = json.loads((REFERENCE / "random_structures.json").read_text())
FLAT = ("fa2_items_reml", "fa2_items_ml")
"""Four variances are zero there, which glmmTMB's logarithms do not reach."""


@cache
def data(name: str) -> pd.DataFrame:
    files = {"series": "random_structures.csv", "places": "random_places.csv"}
    if name == "Orthodont":  # levels in R's order, as that of text
        return pd.read_csv(REFERENCE.parent.parent / "datasets" / "Orthodont.csv")
    return pd.read_csv(REFERENCE / files[name]) if name in files else lf.datasets.load(name)


def term_covariances(fit) -> list[np.ndarray]:
    out = []
    for term, lam in zip(fit.state.design.terms, fit.matrices.relative_factors, strict=True):
        assert len(term.columns) == len(lam)
        out.append(fit.scale * lam @ lam.T)
    return out


def takes_long(name: str) -> bool:
    """Those by ML, which differ from REML in one term, and Matérn correlations of places."""
    return not FITS[name]["reml"] or name == "places_mat_reml"


@pytest.mark.parametrize("name", slow_if(takes_long, FITS))
def test_the_optimum_is_the_same(name):
    wanted = FITS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.errors.SingularWarning)
        fit = lf.lmer(wanted["formula"], data(wanted["data"]), reml=wanted["reml"])
    assert fit.converged
    assert fit.llf == pytest.approx(wanted["loglik"], abs=1e-6)
    close = 5e-3 if name in FLAT else 1e-4
    assert fit.sigma == pytest.approx(wanted["sigma"], rel=close)
    error = fit.bse.to_numpy()
    # glmmTMB gives an ordinary model matrix, whose columns are in the same order
    assert np.abs(fit.params.to_numpy() - wanted["beta"]).max() < close * error.max()
    theirs = [np.array(block) for block in wanted["covariances"]]
    if " fa(" in wanted["formula"]:
        theirs = [theirs[0] + theirs[1], *theirs[2:]]
    for own, other in zip(term_covariances(fit), theirs, strict=True):
        if wanted["data"] == "places":  # which are in another order: their variance
            other = other[:1, :1]
        first = slice(0, len(other))
        np.testing.assert_allclose(
            own[first, first], other, rtol=0, atol=10 * close * np.abs(other).max()
        )


ISSUE = {
    "us": (-104.1556092, {}),
    "diag": (-108.8255393, {}),
    "hcs": (-104.6102212, {"rho": 0.73571}),
    "htoep": (-104.1674283, {"rho[1]": 0.7868, "rho[2]": 0.6223}),
    "ar1": (-108.1195554, {"rho": 0.53839}),
    "cs": (-107.8437840, {}),
}


@pytest.mark.parametrize("structure", ISSUE)
def test_machines(structure):
    loglik, parameters = ISSUE[structure]
    formula = f"score ~ Machine + {structure}(0 + Machine | Worker)"
    fit = lf.lmer(formula, data("Machines"))
    assert fit.llf == pytest.approx(loglik, abs=1e-6)
    found = dict(zip(fit.random_params["name"], fit.random_params["estimate"], strict=True))
    for name, value in parameters.items():
        assert found[name] == pytest.approx(value, abs=1e-4)


def test_orthodont():
    fit = lf.lmer("distance ~ age * Sex + ar1(0 + factor(age) | Subject)", data("Orthodont"))
    assert fit.llf == pytest.approx(-216.6948369, abs=1e-6)
    sd, rho = fit.random_params["estimate"]
    assert rho == pytest.approx(0.9606637, abs=1e-5)
    assert sd**2 == pytest.approx(3.527175, abs=1e-4)
    assert fit.scale == pytest.approx(1.698667, abs=1e-5)
    assert fit.vcomp.loc[0, "variance"] == pytest.approx(sd**2)
    assert fit.vcomp.loc[4, "sdcor"] == pytest.approx(rho)


def test_equal_steps_are_exponential_in_time():
    formula = "distance ~ age * Sex + {}(0 + factor(age) | Subject)"
    step, decay = (lf.lmer(formula.format(s), data("Orthodont")) for s in ("ar1", "exp"))
    assert decay.llf == pytest.approx(step.llf, abs=1e-8)
    reach, rho = decay.random_params["estimate"][1], step.random_params["estimate"][1]
    assert np.exp(-2.0 / reach) == pytest.approx(rho, abs=1e-6)
