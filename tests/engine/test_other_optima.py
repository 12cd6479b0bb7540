"""Several optima: the lowest is found, saturated designs are told, curves are the criterion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fuzz import optima
from hypothesis import assume, given, settings
from models import problem_of, small_models
from slow_cases import one_in

import lmforms as lf
from lmforms.engine.criterion.evaluate import evaluate
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import System
from lmforms.engine.optimize.variance_curves import (
    SEPARATING_RISE,
    curve_inputs,
    other_minima,
    theta_with,
    variance_curves,
)
from lmforms.engine.sums.cross_products import cross_products
from lmforms.engine.sums.sums_of_rows import choose_scaling
from lmforms.errors import ModelError, SingularWarning

pytestmark = pytest.mark.one_in(4)


def two_optima() -> tuple[pd.DataFrame, list[float]]:
    """Weights over five orders of magnitude: optima at θ = 0 and θ = 2.28."""
    y = [11.45, -15.0, -0.21, 5.2, 1.36, -4.34, -0.2, -0.43, -3.35, -10.9, -13.84, -1.13]
    y += [4.29, 3.73, -4.13]
    weights = [0.002, 0.004, 175.216, 0.025, 0.154, 0.016, 59.272, 32.505, 0.029, 0.016, 0.004]
    weights += [0.011, 0.008, 9.138, 0.007]
    return pd.DataFrame({"y": y, "g": [1, 1, 4, 0, 1, 1, 4, 4, 0, 4, 3, 3, 2, 0, 4]}), weights


def saturated() -> pd.DataFrame:
    """[X Z] has rank n = 12, Z less."""
    return pd.DataFrame(
        {
            "y": [0.52, 4.3, 1.13, -2.98, -0.63, 0.75, -2.92, 1.16, -1.51, 0.19, 0.81, 0.14],
            "x": [-0.17, -1.76, -1.87, -0.08, -0.13, -1.12, -0.72, 0, -0.73, -1.22, -0.21, 0.97],
            "f": list("ccbccbabbcbb"),
            "g": [2, 2, 0, 0, 4, 4, 0, 3, 4, 1, 1, 3],
        }
    )


@given(small_models())
@settings(max_examples=40)
def test_curves_are_the_criterion_at_other_variances(model):
    scaling = choose_scaling(model.rows, model.covariances)
    problem = Problem(System(cross_products(model.rows, scaling)), model.covariances, model.reml)
    at = evaluate(problem, model.theta)
    for i, vectors, curves in variance_curves(at):
        grid = curves.grid()[:, [0, 10, 16, 22]]
        changes = curves.changes(grid)
        for j, variances in enumerate(grid):
            for variance, change in zip(variances, changes[j], strict=True):
                theta = theta_with(at, i, vectors[:, j], variance - curves.variances[j])
                exact = evaluate(problem, theta).value - at.value
                assert change == pytest.approx(exact, abs=1e-6 * (1 + abs(exact)))


@given(small_models())
@settings(max_examples=60)
def test_compiled_curves_find_the_same_turns(model):
    problem, _ = problem_of(model, "compiled")
    for along in curve_inputs(evaluate(problem, model.theta)):
        curves = along[2].curves()
        changes = curves.changes(curves.grid())
        steps = np.diff(changes)
        assume(not (np.abs(steps) < 1e-9 * (1.0 + np.abs(changes[:, 1:]))).any())
        assume(not (np.abs(changes.min(axis=1) + SEPARATING_RISE) < 1e-8).any())
        rises = steps > 0
        turns = (~rises[:, :-1] & rises[:, 1:]).sum(axis=1) + rises[:, 0]
        expected = (turns > 1) | (changes.min(axis=1) < -SEPARATING_RISE)
        assert along[2].may_have_other_minima(problem.system.kernels) == expected.any()


@pytest.mark.parametrize("compiled", [True, False])
def test_both_ways_leave_a_local_optimum(compiled):
    data, weights = two_optima()
    start = np.array([0.0])
    control = lf.Control(compiled=compiled)
    fit = lf.lmer("y ~ 1 + (1 | g)", data, weights=weights, start=start, control=control)
    best = lf.lmer("y ~ 1 + (1 | g)", data, weights=weights)
    assert fit.criterion == pytest.approx(best.criterion, abs=1e-8)


def test_levels_taken_together_draw_the_same_curve():
    rng = np.random.default_rng(0)
    g = rng.integers(0, 500, 3000)
    x = rng.normal(size=3000)
    data = {"y": rng.normal(size=500)[g] + rng.normal(size=3000), "x": x, "g": g}
    at = lf.lmer("y ~ x + (x | g)", data).state.estimate.optimum.evaluation
    ((_, vectors, curves),) = variance_curves(at)
    assert curves.d.shape[1] < 500
    grid = curves.grid()
    near = 0
    for j, changes in enumerate(curves.changes(grid)):
        for variance, change in zip(grid[j], changes, strict=True):
            if variance > 1e6:  # X'V₀⁻¹X has no digits left there
                continue
            theta = theta_with(at, 0, vectors[:, j], variance - curves.variances[j])
            exact = evaluate(at.problem, theta).value - at.value
            if exact < 1000:  # far away they need not agree
                near += 1
                assert change == pytest.approx(exact, rel=0.1, abs=0.1)
    assert near > 40


@pytest.mark.parametrize("scale", [1.0, 3.0, 0.7e-5, 1e7 / 7])
@pytest.mark.parametrize("order", [0, 1])
def test_the_lower_of_two_optima_is_found(scale, order):
    data, weights = two_optima()
    rows = np.random.default_rng(order).permutation(len(data)) if order else np.arange(len(data))
    data = data.iloc[rows].assign(y=lambda d: d["y"] * scale)
    fit = lf.lmer("y ~ 1 + (1 | g)", data, weights=np.array(weights)[rows], reml=False)
    shift = 2 * len(data) * np.log(scale)
    assert fit.criterion - shift == pytest.approx(81.0195837614, abs=1e-7)  # as lme4
    assert fit.theta[0] == pytest.approx(2.28446768, rel=1e-5)


def test_a_close_second_optimum_is_told():
    model = optima.random_model(12, "harsh")
    fit = optima.fitted(model)
    assert "another local optimum" in fit.message
    assert fit.optimum.other_optima[0] - fit.optimum.evaluation.value == pytest.approx(
        0.144, abs=0.01
    )


def test_an_ordinary_fit_has_one_optimum():
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    optimum = fit.state.estimate.optimum
    assert other_minima(optimum.evaluation) == []
    assert optimum.other_optima == ()
    assert "another" not in optimum.message


@pytest.mark.slow
@pytest.mark.parametrize("seed", one_in(3, range(6)))
@pytest.mark.parametrize("kind", ["single", "harsh", "benign"])
def test_no_random_restart_ends_lower(kind, seed):
    for _, outcome, gap in optima.gaps(kind, 1, seed, restarts=8):
        assert outcome != "fitted" or gap <= optima.GAP


# --- saturated designs -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_reml_of_a_saturated_design_is_found(seed):
    data = saturated().sample(frac=1.0, random_state=seed)
    with pytest.warns(SingularWarning):
        fit = lf.lmer("y ~ x + f + (x | g)", data)
    assert fit.criterion == pytest.approx(35.2248394945, abs=1e-7)
    assert fit.sigma > 0.5


@pytest.mark.parametrize("scale", [1.0, 0.7, 1e5 / 7])
@pytest.mark.parametrize("seed", range(3))
def test_ml_of_a_saturated_design_is_refused(seed, scale):
    data = saturated().sample(frac=1.0, random_state=seed).assign(x=lambda d: d["x"] * scale)
    with pytest.raises(ModelError, match=r"span all 12 rows.*without bound.*REML"):
        lf.lmer("y ~ x + f + (x | g)", data, reml=False)


def test_the_advice_for_a_saturated_design_works():
    assert lf.lmer("y ~ x + f + (1 | g)", saturated(), reml=False).converged


def test_ml_is_refused_where_some_of_the_terms_saturate():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(dict(zip("yxuv", rng.normal(size=(4, 12)), strict=True)))
    data["g"], data["h"] = np.arange(12) % 4, np.arange(12) // 3
    # all random effects span all rows; those of g do so only together with X
    with pytest.raises(ModelError, match=r"those of the random effects of some .* do not"):
        lf.lmer("y ~ x * v + I(x^2) + (1 + u | g) + (1 + v | h)", data, reml=False)


@pytest.mark.slow
def test_a_saturated_design_that_leaves_no_residual_is_refused():
    """Where rounding leaves a residual, the fit is not said to have converged."""
    model = optima.random_model(75, "harsh")
    try:
        fit = optima.fitted(model)
    except ModelError as error:
        assert "no residual variance is left" in str(error)  # noqa: PT017
    else:
        assert not fit.converged


@pytest.mark.parametrize("related", [False, True])
@pytest.mark.parametrize("method", ["auto", "ai", "newton", "fisher", "em", "quasi-newton"])
def test_every_method_finds_the_lower_optimum(method, related):
    data, weights = two_optima()
    levels = np.unique(data["g"])
    known = {"g": pd.DataFrame(np.eye(len(levels)), levels, levels)} if related else None
    fit = lf.lmer(
        "y ~ 1 + (1 | g)", data, weights=weights, reml=False, method=method, relationship=known
    )
    assert fit.criterion == pytest.approx(81.0195837614, abs=1e-6)  # as lme4


def test_a_lower_value_at_the_same_variances_is_rounding():
    rng = np.random.default_rng([247, 0])
    for _ in range(1):
        g, h = rng.integers(8, size=30), rng.integers(5, size=30)
        y = 1e4 * rng.normal(size=8)[g] + rng.normal(size=30)
        weights = 10.0 ** rng.uniform(-8, 8, 30)
        data = {"y": y, "g": g, "h": h, "x": rng.normal(size=30)}
        assert lf.lmer("y ~ x + (1 | g) + (1 | h)", data, weights=weights).converged
