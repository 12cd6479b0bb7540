"""Every question asked of every kind of fit: numbers, or a refusal that is listed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kinds_of_fits import KINDS, fit_of, trial

import lmforms as lf
from lmforms.errors import ArgumentError, LmformsError, ModelError
from lmforms.inference.model_parameters import model_parameters, parameter_values

pytestmark = pytest.mark.one_in(4)

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "wald": lambda fit: fit.conf_int(which="all"),
    "profile": lambda fit: fit.conf_int(method="profile"),
    "bootstrap": lambda fit: fit.bootstrap(2, seed=1).table,
    "influence": lambda fit: fit.influence("x").params,
    "leverage": lambda fit: fit.leverage,
    "studentized": lambda fit: fit.residuals("studentized"),
    "robust": lambda fit: fit.robust().table,
    "predict": lambda fit: fit.predict(interval="prediction"),
    "r2": lambda fit: fit.r2(),
    "simulated": lambda fit: fit.simulated_residuals(9, seed=1).scaled,
}
DEPENDENT = {"crossed", "known_covariance", "known_and_slopes", "residual_and_crossed"}
NO_CLUSTERS = {"no_random_terms", "grid"}
REFUSED: dict[str, set[str]] = {
    "wald": {"given_theta"},
    "profile": {"conjugate_gradients", "given_theta", "power_fitted"},
    "bootstrap": {"conjugate_gradients", "given_theta"},
    "influence": {"conjugate_gradients"},
    "leverage": {"conjugate_gradients"},
    "studentized": {"conjugate_gradients"},
    "predict": {"conjugate_gradients"},
    "robust": DEPENDENT | NO_CLUSTERS | {"conjugate_gradients"},
}
SLOW = {
    ("profile", "residual_us"),
    ("profile", "residual_toep"),
    ("profile", "residual_and_crossed"),
    ("bootstrap", "residual_us"),
    ("bootstrap", "power_fitted"),
}


def cases() -> list[Any]:
    out = []
    for question in QUESTIONS:
        for kind in KINDS:
            marks = [pytest.mark.slow] if (question, kind) in SLOW else []
            out.append(pytest.param(question, kind, marks=marks))
    return out


@pytest.mark.parametrize("question, kind", cases())
def test_numbers_or_a_refusal(question, kind):
    fit = fit_of(kind)
    if kind in REFUSED.get(question, set()):
        with pytest.raises((ModelError, ArgumentError)) as refusal:
            QUESTIONS[question](fit)
        assert isinstance(refusal.value, LmformsError)
        assert len(str(refusal.value)) > 40  # it says why, and what to do
        return
    answer = pd.DataFrame(QUESTIONS[question](fit)).select_dtypes("number")
    finite = np.isfinite(answer.to_numpy(dtype=float))
    assert finite.size
    # infinite or missing limits, where a parameter is at its bound
    assert finite.all() or (question in ("wald", "profile") and finite.mean() > 0.4)


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_values_of_parameters(kind):
    fit = fit_of(kind)
    names = [p.name for p in model_parameters(fit.state)]
    assert len(set(names)) == len(names) == len(parameter_values(fit.state))
    assert names[: len(fit.params)] == list(fit.params.index)


def test_a_coefficient_called_like_a_parameter():
    fit = lf.lmer("y ~ sigma + (1 | g)", trial().rename(columns={"x": "sigma"}))
    names = [p.name for p in model_parameters(fit.state)]
    assert names == ["Intercept", "sigma", "sd(Intercept | g)", "sigma #2"]
    np.testing.assert_allclose(parameter_values(fit.state)[-1], fit.sigma)


@pytest.mark.parametrize(
    "options, owner",
    [
        ({"method": "profile", "seed": 1}, "bootstrap"),
        ({"n": 100}, "bootstrap"),
        ({"method": "bootstrap", "ddf": "none"}, "wald"),
        ({"method": "profile", "information": "expected"}, "wald"),
    ],
)
def test_options_of_another_method_are_refused(options, owner):
    with pytest.raises(ArgumentError, match=f"is for method='{owner}'"):
        fit_of("intercepts").conf_int(**options)


def test_bootstrap_intervals_are_those_of_the_bootstrap():
    fit = fit_of("intercepts")
    expected = fit.bootstrap(60, seed=4).conf_int(0.9)
    found = fit.conf_int(0.9, "bootstrap", which="all", n=60, seed=4)
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
    fixed = fit.conf_int(0.9, "bootstrap", n=60, seed=4)
    assert list(fixed.index) == list(fit.params.index)
