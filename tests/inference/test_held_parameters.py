"""Derivatives with a parameter held, against differences; values and coordinates are inverses."""

from __future__ import annotations

import numpy as np
import pytest
from profile_models import MODELS

from lmforms.inference.model_parameters import model_parameters, parameter_values
from lmforms.inference.profile.constrained_minimum import has_cheap_hessian
from lmforms.inference.profile.held_of_fit import held_parameter
from lmforms.inference.profile.profiled_fit import profiled_fit

pytestmark = pytest.mark.one_in(4)

STEP = 1e-4


SLOW = ("us", "har1", "random toep")
"""Many parameters of residuals, whose curvature is differences."""


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.slow) if x in SLOW else x for x in MODELS]
)
def test_derivatives_are_differences(name):
    """Gradient and Hessian in the free coordinates, slope and cross in τ, off the optimum."""
    fit = profiled_fit(MODELS[name].fit.state, reml=False)
    for own in model_parameters(fit.state):
        _check_derivatives(fit, held_parameter(fit.state, own))


def _check_derivatives(fit, held):
    x = fit.start(held)
    rng = np.random.default_rng(1)
    tau = held.position(x) * 1.02 + 0.01
    held = held.near(x)
    z = held.free(x) + 0.02 * rng.uniform(-1.0, 1.0, len(held.free(x)))

    def value(tau, z):
        return held.evaluate(tau, held.place(tau, z)).value

    def derivatives(z, exact=False, tau=tau):
        x = held.place(tau, z)
        return held.derivatives(held.evaluate(tau, x), tau, x, z, exact)

    found, step = derivatives(z, exact=True), STEP * max(1.0, abs(tau))
    slope = (value(tau + step, z) - value(tau - step, z)) / (2.0 * step)
    assert found.slope == pytest.approx(slope, rel=1e-5, abs=1e-5)
    if not len(z):
        return
    steps = STEP * np.eye(len(z))
    differences = [(value(tau, z + h) - value(tau, z - h)) / (2.0 * STEP) for h in steps]
    np.testing.assert_allclose(found.gradient, differences, rtol=1e-5, atol=1e-5)
    hessian = [
        (derivatives(z + h).gradient - derivatives(z - h).gradient) / (2.0 * STEP) for h in steps
    ]
    size = max(1.0, np.abs(found.information).max())
    np.testing.assert_allclose(found.information, hessian, atol=2e-5 * size)
    if has_cheap_hessian(held):  # which tangents need
        ends = [derivatives(z, tau=tau + h).gradient for h in (step, -step)]
        cross = (ends[0] - ends[1]) / (2.0 * step)
        np.testing.assert_allclose(
            found.cross, cross, rtol=1e-5, atol=2e-5 * max(1.0, np.abs(cross).max())
        )


@pytest.mark.parametrize("name", list(MODELS))
def test_the_optimum_has_the_estimates(name):
    """What is held at the optimum is the estimate, and so are all others there."""
    fit = profiled_fit(MODELS[name].fit.state, reml=False)
    values = parameter_values(fit.state)
    for own, value in zip(model_parameters(fit.state), values, strict=True):
        held = held_parameter(fit.state, own)
        x = fit.start(held)
        tau = held.position(x)
        assert held.value(tau) == pytest.approx(value, rel=1e-6, abs=1e-8)
        assert held.value(held.coordinate(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)
        held = held.near(x)
        found = fit.values(held, tau, held.place(tau, held.free(x)))
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6)
