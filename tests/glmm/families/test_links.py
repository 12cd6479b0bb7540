"""Links: inverse of each other, exact in the tails, and silent about what has no mean."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from family_cases import ETA, ETA_OF_PROBABILITIES

from lmforms.glmm.families.base import Response, through_link
from lmforms.glmm.families.binomial import Binomial
from lmforms.glmm.families.links import LINKS
from lmforms.glmm.families.scales import inner_of, mean_of

PROBABILITIES = ("logit", "probit", "cloglog", "cauchit", "log", "identity")
KINDS = [(link, kind) for link in ETA for kind in ("log", "identity")]
KINDS += [(link, "logit") for link in PROBABILITIES]


def etas(link, kind="logit"):
    return np.linspace(*(ETA_OF_PROBABILITIES if kind == "logit" else ETA)[link], 17)


@pytest.mark.parametrize("link", ETA)
def test_of_mean_is_the_inverse(link):
    eta = etas(link)
    np.testing.assert_allclose(LINKS[link].of_mean(LINKS[link].mean(eta)), eta, atol=1e-14)


@pytest.mark.parametrize("link, kind", KINDS)
def test_inner_predictor_of_the_mean(link, kind):
    eta = etas(link, kind)
    found = LINKS[link].inner(kind, eta, 0)[0]
    np.testing.assert_allclose(found, inner_of(kind, LINKS[link].mean(eta)), atol=1e-14)
    np.testing.assert_allclose(mean_of(kind, found), LINKS[link].mean(eta), rtol=1e-14)


@pytest.mark.parametrize("link, kind", KINDS)
def test_derivatives(link, kind):
    eta, h = etas(link, kind), 0.004
    found = LINKS[link].inner(kind, eta, 3)
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    moved = sum(
        c * (LINKS[link].inner(kind, eta + k * h, 2) - LINKS[link].inner(kind, eta - k * h, 2))
        for k, c in weights.items()
    )
    np.testing.assert_allclose(found[1:], moved / h, rtol=1e-9, atol=1e-10)


def test_probit_tails():
    """Beyond 35 standard deviations, with the asymptotic series of Mills' ratio in 1/x."""
    x = np.array([30.0, 35.0, 300.0, 1e5])
    found = LINKS["probit"].inner("logit", np.concatenate([x, -x]), 3)
    slope = x + 1 / x - 2 / x**3 + 10 / x**5 - 74 / x**7 + 706 / x**9
    bend = 1 - 1 / x**2 + 6 / x**4 - 50 / x**6 + 518 / x**8
    turn = 2 / x**3 - 24 / x**5 + 300 / x**7 - 4144 / x**9
    np.testing.assert_allclose(found[1], np.concatenate([slope, slope]), rtol=1e-13)
    np.testing.assert_allclose(found[2], np.concatenate([bend, -bend]), rtol=1e-10)
    np.testing.assert_allclose(found[3], np.concatenate([turn, turn]), rtol=1e-7)
    height = 0.5 * x**2 + np.log(x * np.sqrt(2.0 * np.pi)) + np.log1p(1 / x**2 - 2 / x**4)
    np.testing.assert_allclose(found[0], np.concatenate([height, -height]), rtol=1e-7)


def test_probit_is_smooth_where_the_fraction_begins():
    eta = np.array([4.0 - 1e-9, 4.0 + 1e-9])
    left, right = LINKS["probit"].inner("logit", eta, 3).T
    np.testing.assert_allclose(left, right, rtol=1e-8)


def test_cloglog_tails():
    low = np.array([-700.0, -40.0])
    rows = LINKS["cloglog"].inner("logit", low, 3)
    np.testing.assert_allclose(rows[:2], [low, [1.0, 1.0]], rtol=1e-15)
    np.testing.assert_allclose(rows[2:], [np.exp(low) / 2.0] * 2, rtol=1e-14)
    high = np.array([5.0, 200.0, 700.0])
    np.testing.assert_allclose(
        LINKS["cloglog"].inner("logit", high, 3), [np.exp(high)] * 4, rtol=1e-14
    )


def test_cauchit_tails():
    x = np.array([1e4, 1e8])
    rows = LINKS["cauchit"].inner("logit", np.concatenate([x, -x]), 3)
    np.testing.assert_allclose(
        rows[0], np.log(np.pi * x) @ [[1, 0, -1, 0], [0, 1, 0, -1]], rtol=1e-4
    )
    np.testing.assert_allclose(rows[1], np.tile(1 / x, 2), rtol=1e-4)
    np.testing.assert_allclose(rows[2], np.concatenate([-1 / x**2, 1 / x**2]), rtol=1e-4)
    np.testing.assert_allclose(rows[3], np.tile(2 / x**3, 2), rtol=1e-4)
    tiny = np.array([1e-12, 1e-300])
    np.testing.assert_allclose(
        LINKS["cauchit"].mean(LINKS["cauchit"].of_mean(tiny)), tiny, rtol=1e-14
    )


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_likelihoods_of_far_predictors_are_finite(link, y):
    far = {"logit": 700.0, "probit": 1e4, "cloglog": 700.0, "cauchit": 1e8}[link]
    eta = np.linspace(-far, far, 41)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tau = LINKS[link].inner("logit", eta, 3)
        inner = Binomial().density(Response(np.full(41, y)), tau[0], [], 3)
        found = through_link(inner, tau).values
    assert np.isfinite(found).all()
    assert (found[0] <= 0.0).all()


@pytest.mark.parametrize(
    "link, kind, inside, beyond",
    [
        ("log", "logit", [-1e-9, -5.0], [0.0, 1.0]),
        ("identity", "logit", [0.2, 1e-9], [0.0, 1.0, -1.0, 3.0]),
        ("identity", "log", [0.2], [0.0, -1.0]),
        ("inverse", "log", [0.2], [0.0, -1.0]),
        ("inverse", "identity", [0.2, -1.0], [0.0]),
        ("inverse_squared", "log", [0.2], [0.0, -1.0]),
        ("inverse_squared", "identity", [0.2], [0.0, -1.0]),
        ("sqrt", "log", [0.2, -1.0], [0.0]),
    ],
)
def test_range_of_predictors(link, kind, inside, beyond):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        valid = LINKS[link].valid(kind, np.array([*inside, *beyond]))
        LINKS[link].inner(kind, np.array(beyond), 3)
    assert valid.tolist() == [True] * len(inside) + [False] * len(beyond)


def test_links_are_values():
    assert LINKS["log"] == type(LINKS["log"])()
    assert LINKS["log"] != LINKS["logit"]
    assert repr(LINKS["sqrt"]) == "Sqrt()"
