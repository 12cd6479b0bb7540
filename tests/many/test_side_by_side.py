"""Responses fitted side by side are the fits of single models."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slow_cases import one_in

import lmforms as lf
from lmforms.engine.batch import arrangement, shared_sums
from lmforms.many import shared_system

pytestmark = pytest.mark.one_in(4)

SLEEP = lf.datasets.load("sleepstudy")
SLOPES = "~ Days + (Days | Subject)"

FORMULAS = [
    "~ x + (1 | g) + (1 | h)",
    "~ 1 + (1 | h / g)",
    "~ x + (x | g)",
    "~ x + (x || g)",
    "~ x + (x | g) + (1 | h)",
    "~ 0 + x + (1 | g) + (z || h)",
    "~ 1 + (1 | g) + (1 | h) + (1 | k)",
]

LOWER = 1e-5
"""A criterion lower by more than this is another optimum."""


def responses(count: int, noise: float = 30.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return SLEEP["Reaction"].to_numpy()[:, None] + noise * rng.normal(size=(len(SLEEP), count))


def single(formula: str, data: pd.DataFrame, y: np.ndarray, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer("y_" + formula, data.assign(y_=y), **options)


def compare(many, j: int, one) -> None:
    """The same fit, or a lower optimum that `lmer` has missed."""
    row = many.fits.iloc[j]
    theta = row[[c for c in many.fits if c.startswith("theta")]].to_numpy(dtype=float)
    if row["criterion"] < one.criterion - LOWER:
        assert one.at(theta).criterion == pytest.approx(row["criterion"], rel=1e-9)
        return
    assert row["criterion"] == pytest.approx(one.criterion, rel=1e-9, abs=1e-7)
    assert row["sigma"] == pytest.approx(one.sigma, rel=1e-6)
    np.testing.assert_allclose(theta, one.theta, rtol=1e-5, atol=1e-5)
    own = many.fixed[many.fixed["response"] == row["response"]]
    size = one.bse.to_numpy()
    np.testing.assert_allclose(own["estimate"] / size, one.params / size, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(own["std_error"], one.bse, rtol=1e-5)
    assert row["singular"] == one.is_singular
    assert row["converged"] == one.converged


def fitted_together(monkeypatch) -> list[bool]:
    """Whether each response was accepted, filled in by the fits that follow."""
    found: list[bool] = []
    original = shared_system.find_minima

    def find_minima(*args, **options):
        out = original(*args, **options)
        found.extend(out.accepted)
        return out

    monkeypatch.setattr(shared_system, "find_minima", find_minima)
    return found


def example(seed: int, balanced: bool, count: int = 4):
    """Three grouping factors; responses with and without variance in each of them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 140))
    sizes = rng.integers(5, 14), rng.integers(3, 8), rng.integers(2, 5)
    if balanced:
        g, h = np.arange(n) % sizes[0], np.arange(n) // sizes[0] % sizes[1]
    else:
        g, h = rng.integers(0, sizes[0], n), rng.integers(0, sizes[1], n)
    data = pd.DataFrame({"g": g, "h": h, "k": rng.integers(0, sizes[2], n)})
    data["x"] = np.arange(n) % 5 - 2.0 if balanced else rng.normal(size=n)
    data["z"] = 1.0 + 3.0 * rng.normal(size=n)
    data["w"] = np.exp(0.5 * rng.normal(size=n))
    Y = rng.normal(size=(n, count))
    for name in ("g", "h", "k"):
        effects = rng.normal(size=(2, 20, count)) * rng.choice([0.0, 0.5, 2.0], size=(2, 1, count))
        Y += effects[0][data[name]] + effects[1][data[name]] * data["x"].to_numpy()[:, None]
    return data, Y


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**16),
    formula=st.sampled_from(FORMULAS),
    balanced=st.booleans(),
    weighted=st.booleans(),
    reml=st.booleans(),
)
def test_random_models_are_those_of_lmer(seed, formula, balanced, weighted, reml):
    data, Y = example(seed, balanced)
    options = {"reml": reml, **({"weights": "w"} if weighted else {})}
    many = lf.lmer_many(formula, data, Y, **options)
    for j in range(Y.shape[1]):
        compare(many, j, single(formula, data, Y[:, j], **options))


@pytest.mark.parametrize("formula", FORMULAS)
def test_most_responses_are_fitted_together(formula, monkeypatch):
    accepted = fitted_together(monkeypatch)
    data, Y = example(1, balanced=False, count=12)
    lf.lmer_many(formula, data, Y)
    assert len(accepted) == 12
    assert np.mean(accepted) > 0.5


@pytest.mark.parametrize("formula", ["~ x + (1 | g) + (1 | h)", "~ x + (x || g)", "~ x + (x | g)"])
def test_pure_noise_is_singular_as_in_lmer(formula, monkeypatch):
    accepted = fitted_together(monkeypatch)
    data, Y = example(2, balanced=False, count=10)
    Y = np.random.default_rng(3).normal(size=Y.shape)
    many = lf.lmer_many(formula, data, Y)
    for j in range(10):
        compare(many, j, single(formula, data, Y[:, j]))
    assert (many.fits["singular"] & np.array(accepted)).any()


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("seed", one_in(3, range(6)))
def test_no_worse_than_lmer_where_there_are_several_optima(seed, reml):
    """Few levels, of very different size and spread."""
    rng = np.random.default_rng(seed)
    g = np.append(np.arange(4), rng.choice(4, 21, p=[0.7, 0.1, 0.1, 0.1]))
    x = rng.normal(size=25) * np.array([0.1, 1.0, 3.0, 10.0])[g]
    data, Y = pd.DataFrame({"g": g, "x": x}), rng.normal(size=(25, 4))
    effects = 2.0 * rng.normal(size=(2, 4, 4))
    Y += effects[0][g] + effects[1][g] * x[:, None]
    many = lf.lmer_many("~ x + (x | g)", data, Y, reml=reml)
    for j in range(4):
        compare(many, j, single("~ x + (x | g)", data, Y[:, j], reml=reml))


@pytest.mark.parametrize("formula", one_in(2, FORMULAS))
def test_one_by_one_and_in_small_batches(formula, monkeypatch):
    data, Y = example(5, balanced=True, count=6)
    many = lf.lmer_many(formula, data, Y)
    monkeypatch.setattr(shared_sums, "BATCH_NUMBERS", 1)
    small = lf.lmer_many(formula, data, Y)
    monkeypatch.setattr(arrangement, "MOST_WORK", 0.0)
    slow = lf.lmer_many(formula, data, Y)
    for other in (small, slow):
        for name in ("criterion", "sigma"):
            np.testing.assert_allclose(other.fits[name], many.fits[name], rtol=1e-7)
        np.testing.assert_allclose(other.fixed["estimate"], many.fixed["estimate"], atol=1e-5)
        assert (other.fits["singular"] == many.fits["singular"]).all()


@pytest.mark.parametrize("size", [30.0, 3e3, 3e5])
def test_groups_far_apart(size):
    """Wide effects: side by side, by the engine with pilot effects, or refused like lmer."""
    data, Y = example(6, balanced=False)
    rng = np.random.default_rng(7)
    Y += size * rng.normal(size=(20, 4))[data["g"]]
    formula = "~ x + (1 | g) + (1 | h)"
    many = lf.lmer_many(formula, data, Y)
    for j in range(4):
        compare(many, j, single(formula, data, Y[:, j]))


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("numbers", [shared_sums.BATCH_NUMBERS, 1])
def test_correlated_slopes_in_any_units(reml, numbers, monkeypatch):
    monkeypatch.setattr(shared_sums, "BATCH_NUMBERS", numbers)
    Y = responses(12, noise=12.0) * np.logspace(-6, 6, 12)
    many = lf.lmer_many(SLOPES, SLEEP, Y, reml=reml)
    for j in range(12):
        compare(many, j, single(SLOPES, SLEEP, Y[:, j], reml=reml))
        assert many.fits["converged"][j]


def test_singular_slopes():
    rng = np.random.default_rng(2)
    Y = np.column_stack([rng.normal(size=(len(SLEEP), 3)), responses(3)])
    many = lf.lmer_many(SLOPES, SLEEP, Y)
    for j in range(6):
        compare(many, j, single(SLOPES, SLEEP, Y[:, j]))
    assert many.fits["singular"][:3].any()
