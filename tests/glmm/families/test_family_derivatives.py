"""Derivatives of every family under every link against differences, and densities in 80 digits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from family_cases import CASES, ROWS, eta_of

from lmforms.glmm.families.base import Response, through_link
from lmforms.glmm.families.binomial import BetaBinomial, Binomial
from lmforms.glmm.families.counts import NegativeBinomial, Poisson
from lmforms.glmm.families.links import LINKS
from lmforms.glmm.families.lookup import FAMILIES
from lmforms.glmm.families.truncation import Truncated
from lmforms.glmm.families.zeros import Hurdle, ZeroInflated

# A central difference of eighth order: the error is of order h⁸, below the rounding over h
STENCIL = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
STEP = 0.01
OF_DIFFERENCES = {"rtol": 2e-9, "atol": 2e-10}


def difference(function, h=STEP):
    return sum(c * (function(k * h) - function(-k * h)) for k, c in STENCIL.items()) / h


def at(case, link, eta, omega, order):
    tau = LINKS[link].inner(case.family.inner, eta, order)
    return through_link(case.family.density(case.response, tau[0], omega, order), tau)


PAIRS = [(name, link) for name, case in CASES.items() for link in case.family.links]


@pytest.mark.parametrize("name, link", PAIRS)
def test_derivatives_in_eta(name, link):
    case = CASES[name]
    eta, omega = eta_of(case.family, link), case.rows_of_omega()
    found = at(case, link, eta, omega, 3)
    steep = link in ("inverse", "inverse_squared") or (
        case.family.inner == "logit" and link in ("log", "identity")
    )
    scale = 0.1 if steep else 1.0
    expected = difference(lambda d: at(case, link, eta + scale * d, omega, 3).values / scale)
    np.testing.assert_allclose(found.values[1:], expected[:3], **OF_DIFFERENCES)


@pytest.mark.parametrize("name, link", PAIRS)
def test_derivatives_in_parameters(name, link):
    case = CASES[name]
    eta, omega = eta_of(case.family, link), case.rows_of_omega()
    found = at(case, link, eta, omega, 3)
    assert found.parameters.shape == (len(omega), 3, ROWS)
    assert len(case.family.parameter_names) == len(omega)
    for j, rows in enumerate(found.parameters):

        def moved(d, j=j):
            shifted = [w + d * (i == j) for i, w in enumerate(omega)]
            return at(case, link, eta, shifted, 2).values

        np.testing.assert_allclose(rows, difference(moved), **OF_DIFFERENCES)


@pytest.mark.parametrize("name", CASES)
def test_lower_orders_are_the_same_rows(name):
    case = CASES[name]
    link = case.family.links[0]
    eta, omega = eta_of(case.family, link), case.rows_of_omega()
    full = at(case, link, eta, omega, 3)
    for order in range(3):
        found = at(case, link, eta, omega, order)
        np.testing.assert_allclose(found.values, full.values[: order + 1], rtol=1e-15)
        np.testing.assert_allclose(found.parameters, full.parameters[:, :order], rtol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_one_parameter_for_all_rows(name):
    """Of one entry, broadcast or written out: also after other values, of which some is kept."""
    case = CASES[name]
    eta, response = eta_of(case.family, case.family.links[0]), case.response
    tau = LINKS[case.family.links[0]].inner(case.family.inner, eta, 0)[0]
    full = [np.full(ROWS, w) for w in case.omega]
    expected = case.family.density(case.response, tau, full, 3)
    case.family.density(response, tau, case.rows_of_omega(), 3)
    for omega in (
        [np.array([w]) for w in case.omega],
        [np.broadcast_to(np.array([w]), ROWS) for w in case.omega],
        full,
    ):
        found = case.family.density(response, tau, omega, 3)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-13, atol=1e-15)


EXACT = json.loads(Path(__file__).with_name("exact_densities.json").read_text())
ADAPTED = {
    "zero_inflated_poisson": ZeroInflated(Poisson()),
    "zero_inflated_negative_binomial": ZeroInflated(NegativeBinomial()),
    "zero_inflated_binomial": ZeroInflated(Binomial()),
    "truncated_negative_binomial": Truncated(NegativeBinomial()),
    "hurdle_poisson": Hurdle(Poisson()),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_densities(name):
    """Far out in the tails too. The script that made the figures stands beside them."""
    family = ADAPTED.get(name) or FAMILIES[name]()
    y, trials, tau, *omega = zip(*EXACT[name]["points"])
    response = Response(
        np.array(y, dtype=float), None if trials[0] is None else np.array(trials, dtype=float)
    )
    omega = [np.array(w, dtype=float) for w in omega]
    found = family.density(response, np.array(tau, dtype=float), omega, 3)
    values, parameters = np.array(EXACT[name]["values"]), np.array(EXACT[name]["parameters"])
    # what 1000 trials add to and take from a beta-binomial one is rounded
    atol = 2e-12 if name == "beta_binomial" else 2e-13
    np.testing.assert_allclose(found.values, values.T, rtol=4e-12, atol=atol)
    expected = parameters.transpose(1, 2, 0) if omega else np.empty((0, 3, len(y)))
    np.testing.assert_allclose(found.parameters, expected, rtol=4e-12, atol=2e-13)


def test_negative_binomial_tends_to_poisson():
    """With 1/k as the relative distance; the derivative in ω is this distance itself."""
    y, tau = np.array([0.0, 1.0, 3.0, 50.0]), np.log([0.1, 2.0, 3.5, 40.0])
    mean, k = np.exp(tau), 1e8
    poisson = Poisson().density(Response(y), tau, [], 3)
    found = NegativeBinomial().density(Response(y), tau, [np.log([k])], 3)
    np.testing.assert_allclose(found.values, poisson.values, rtol=1e-5)
    first = ((y - mean) ** 2 - y) / (2.0 * k)
    np.testing.assert_allclose(found.values[0] - poisson.values[0], first, rtol=1e-4, atol=2e-15)
    np.testing.assert_allclose(found.parameters[0, 0], -first, rtol=1e-4, atol=1e-15)
    far = NegativeBinomial().density(Response(y), tau, [np.array([600.0])], 3)
    np.testing.assert_allclose(far.values, poisson.values, rtol=1e-14, atol=1e-15)
    assert np.all(np.abs(far.parameters) < 1e-200)


def test_beta_binomial_tends_to_binomial():
    response = Response(np.array([0.0, 2.0, 7.0]), np.array([1.0, 5.0, 900.0]))
    tau = np.array([-2.0, 0.3, -5.0])
    expected = Binomial().density(response, tau, [], 3).values
    found = BetaBinomial().density(response, tau, [np.array([300.0])], 3)
    np.testing.assert_allclose(found.values, expected, rtol=1e-14)
    assert np.all(np.abs(found.parameters) < 1e-100)


def test_student_t_tends_to_gaussian():
    y, mean = np.array([-1.0, 0.5, 20.0]), np.array([0.0, 0.5, 3.0])
    student, gaussian = FAMILIES["student_t"](), FAMILIES["gaussian"]()
    found = student.density(Response(y), mean, [np.log([2.0]), np.array([60.0])], 3)
    expected = gaussian.density(Response(y), mean, [np.log([4.0])], 3)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-14, atol=1e-20)
    # of ln σ and ln σ²
    np.testing.assert_allclose(
        found.parameters[0], 2.0 * expected.parameters[0], rtol=1e-14, atol=1e-20
    )
