"""Marginal log-likelihoods at given parameters, by brute force: ``glmm_quadrature.json``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference_fits import REFERENCE, numbers, table

import lmforms as lf
from lmforms.engine.user_units import engine_theta
from lmforms.glmm.families.scales import unbounded
from lmforms.glmm.fit import problem_of_design
from lmforms.glmm.problem import laplace_point
from lmforms.glmm.quadrature import quadrature_point
from lmforms.glmm.start import fixed_effects_fit

INTEGRALS = json.loads((REFERENCE / "glmm_quadrature.json").read_text())
NATURAL = {"power": "power", "df": "df_t", "zero_inflation": "zero_probability"}
"""Names of parameters there; all others are its `dispersion`."""


def problem_and_psi(wanted):
    """The criterion, and its parameters in the engine's units."""
    data = table(wanted["data"]).assign(**wanted["extra_columns"]).iloc[wanted["rows"]]
    response = wanted["formula"].split()[0]
    if wanted["family"] == "cumulative":
        data[response] = data[response].cat.as_ordered()
    model = lf.GeneralizedMixedModel(
        wanted["formula"],
        data.reset_index(drop=True),
        family=wanted["family"],
        link=wanted["link"],
        offset=wanted["offset"],
        zero_inflation=None if wanted["zero_probability"] is None else "~ 1",
    )
    design = model.design
    problem, _ = problem_of_design(design, {}, model._likelihood, lf.Control())
    factor = np.array(wanted["factor"], dtype=float)
    theta = factor.T[np.triu_indices(len(factor))]  # columns of the lower triangle
    scaling = problem.model.rows.scaling
    own = engine_theta([theta], [g.covariance for g in design.groups], scaling)
    beta = np.linalg.solve(scaling.units.x.linear, numbers(wanted["beta"]))
    if wanted["family"] == "cumulative":
        omega = wanted["thresholds"]
    else:
        names = model.family.parameter_names
        omega = [unbounded(n, wanted[NATURAL.get(n, "dispersion")]) for n in names]
    return problem, np.concatenate([own, beta, np.asarray(omega, dtype=float).ravel()])


@pytest.mark.parametrize("name", INTEGRALS)
def test_quadrature_and_laplace_are_those_of_plain_integrals(name):
    wanted = INTEGRALS[name]
    problem, psi = problem_and_psi(wanted)
    near, _ = fixed_effects_fit(problem)
    values = {"laplace": laplace_point(problem, psi, near).value}
    for number in (5, 15, 31):
        if f"agq{number}" in wanted:
            values[f"agq{number}"] = quadrature_point(problem, psi, near, number).value
    if len(wanted["factor"]) > 1:  # a product rule depends on the axes, which are others here
        values.pop("agq5")
    for key, value in values.items():
        close = 1e-9 if len(wanted["factor"]) == 1 or key == "laplace" else 5e-8
        assert -0.5 * value == pytest.approx(wanted[key], abs=close)


@pytest.mark.parametrize("name", [n for n in INTEGRALS if np.max(INTEGRALS[n]["factor"]) <= 2.0])
def test_25_nodes_integrate(name):
    """Standard deviations up to 2; the inverse Gaussian's integrand takes more nodes for 1e-8."""
    wanted = INTEGRALS[name]
    problem, psi = problem_and_psi(wanted)
    near, _ = fixed_effects_fit(problem)
    value = quadrature_point(problem, psi, near, 25).value
    close = 1e-6 if wanted["family"] == "inverse.gaussian" else 1e-8
    assert -0.5 * value == pytest.approx(wanted["loglik"], abs=close)
