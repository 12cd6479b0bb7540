"""Every fit that lme4 made in ``tests/reference/lme4_fits.json`` is met, to many digits.

``tests/reference/lme4_fits.R`` makes the file; ``tests/reference/README.md`` describes it.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from slow_cases import slow_if

import lmforms
from lmforms.errors import ConvergenceWarning, MissingDataWarning, RankWarning

pytestmark = pytest.mark.one_in(4)

REFERENCE = Path(__file__).parent / "reference" / "lme4_fits.json"

CRITERION_RTOL = 1e-7
CRITERION_EXCESS = 1e-6  # by how much we may end above lme4
BETA_TOL = 1e-6  # of max(|beta|, its standard error)
SE_RTOL = 1e-5
SIGMA_RTOL = 1e-6
LAMBDA_TOL = 1e-4  # of the relative standard deviation of the column (its row of lambda)
SINGULAR_G_TOL = 1e-3  # of the largest entry of G, or of a thousandth of sigma^2
RANEF_TOL = 1e-5  # of the standard deviation of the effect
SINGULAR_RANEF_TOL = 1e-4  # there lambda is known to half as many digits
CONDVAR_TOL = 1e-4  # of the product of the standard deviations
FITTED_TOL = 1e-5  # of sigma
SD_FLOOR = 1e-3  # of sigma: a standard deviation below it does not make the tolerance smaller

Entry = dict[str, Any]


@cache
def _entries() -> dict[str, Entry]:
    content = json.loads(REFERENCE.read_text(encoding="utf-8"))
    return {entry["id"]: entry for entry in content["fits"]}


@dataclass(frozen=True)
class Case:
    """lme4's figures, our fit of the same model, and the warnings it gave."""

    entry: Entry
    fit: Any
    warned: list[type[Warning]]

    @property
    def lambdas(self) -> list[np.ndarray]:
        return [np.array(term["lambda"], dtype=float) for term in self.entry["terms"]]

    @property
    def sigma(self) -> float:
        return float(self.entry["sigma"])

    def sd(self, k: int) -> np.ndarray:
        """Standard deviations of the effects of term k, kept away from zero."""
        sd = self.sigma * np.linalg.norm(self.lambdas[k], axis=1)
        return np.maximum(sd, SD_FLOOR * self.sigma)


def _frame(entry: Entry) -> pd.DataFrame:
    frame = lmforms.datasets.load(entry["dataset"])
    for name, values in entry["extra_columns"].items():
        frame[name] = values
    for name, rows in entry["set_missing"].items():
        if not isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = frame[name].astype(float)
        frame.iloc[rows, frame.columns.get_loc(name)] = np.nan
    return frame if entry["rows"] is None else frame.iloc[entry["rows"]]


@pytest.fixture(scope="module", params=slow_if(lambda name: name == "insteval_ml", _entries()))
def case(request: pytest.FixtureRequest) -> Case:
    entry = _entries()[request.param]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = lmforms.lmer(
            entry["formula"],
            _frame(entry),
            reml=entry["reml"],
            weights=entry["weights"],
            offset=entry["offset"],
        )
    return Case(entry, fit, [warning.category for warning in caught])


def test_warnings_say_what_was_dropped(case: Case) -> None:
    assert (MissingDataWarning in case.warned) == bool(case.entry["set_missing"])
    assert (RankWarning in case.warned) == (case.entry["dropped_count"] > 0)
    assert ConvergenceWarning not in case.warned


def test_sizes(case: Case) -> None:
    assert case.fit.nobs == case.entry["nobs"]
    assert len(case.fit.params) == case.entry["rank"]
    assert len(case.fit.dropped) == case.entry["dropped_count"]
    assert dict(case.fit.ngroups) == case.entry["ngroups"]


def test_criterion(case: Case) -> None:
    expected = case.entry["criterion"]
    assert case.fit.criterion == pytest.approx(expected, rel=CRITERION_RTOL)
    assert case.fit.criterion <= expected + CRITERION_EXCESS


def test_likelihood_and_information_criteria(case: Case) -> None:
    assert case.fit.llf == pytest.approx(case.entry["loglik"], rel=CRITERION_RTOL)
    assert case.fit.aic == pytest.approx(case.entry["aic"], rel=CRITERION_RTOL)
    assert case.fit.bic == pytest.approx(case.entry["bic"], rel=CRITERION_RTOL)


def test_fixed_effects(case: Case) -> None:
    beta = np.array(case.entry["beta"])
    se = np.array(case.entry["se"])
    error = np.abs(np.asarray(case.fit.params) - beta)
    assert np.all(error <= BETA_TOL * np.maximum(np.abs(beta), se)), error
    assert_allclose(np.asarray(case.fit.bse), se, rtol=SE_RTOL)
    if case.entry["vcov"] is not None:
        cov = np.asarray(case.fit.cov_params())
        scale = np.outer(se, se)
        assert_allclose(cov / scale, np.array(case.entry["vcov"]) / scale, atol=2 * SE_RTOL)


def test_sigma(case: Case) -> None:
    assert case.fit.sigma == pytest.approx(case.sigma, rel=SIGMA_RTOL)


def test_relative_factors(case: Case) -> None:
    ours = [np.asarray(factor) for factor in case.fit.matrices.relative_factors]
    assert [factor.shape for factor in ours] == [factor.shape for factor in case.lambdas]
    for factor, expected in zip(ours, case.lambdas, strict=True):
        assert_allclose(factor, np.tril(factor))
        assert np.all(np.diag(factor) >= 0)
        if case.entry["singular"]:
            # lambda itself need not be unique there, but lambda lambda' is
            g = case.sigma**2 * expected @ expected.T
            scale = max(np.abs(g).max(), 1e-3 * case.sigma**2)
            error = np.abs(case.fit.sigma**2 * factor @ factor.T - g)
            assert np.all(error <= SINGULAR_G_TOL * scale), error
        else:
            row_size = np.linalg.norm(expected, axis=1, keepdims=True)
            assert np.all(np.abs(factor - expected) <= LAMBDA_TOL * row_size), factor - expected


def test_singularity_is_noticed(case: Case) -> None:
    assert bool(case.fit.is_singular) == case.entry["singular"]


def test_random_effects_and_their_covariances(case: Case) -> None:
    if case.entry["ranef"] is None:
        # too many to be recorded: their shapes are still known
        for group, count in case.entry["ngroups"].items():
            assert len(case.fit.random_effects[group]) == count
        return
    tolerance = SINGULAR_RANEF_TOL if case.entry["singular"] else RANEF_TOL
    used: dict[str, int] = {}  # columns of the group's frame taken by earlier terms
    for k, expected in enumerate(case.entry["ranef"]):
        group = expected["group"]
        frame = case.fit.random_effects[group]
        labels = [_label(level) for level in frame.index]
        rows = [labels.index(level) for level in expected["levels"]]
        values = np.array(expected["values"], dtype=float)
        first = used.get(group, 0)
        columns = slice(first, first + values.shape[1])
        used[group] = columns.stop

        sd = case.sd(k)
        error = np.abs(frame.to_numpy()[rows, columns] - values)
        assert np.all(error <= tolerance * sd), error.max(axis=0) / sd
        cov = case.fit.random_effects_cov[group].to_numpy()
        cov = cov.reshape(len(frame), -1, cov.shape[1])[rows, columns, columns]
        error = np.abs(cov - np.array(expected["condvar"], dtype=float))
        assert np.all(error <= CONDVAR_TOL * np.outer(sd, sd)), error.max(axis=0)
    for group, width in used.items():
        assert case.fit.random_effects[group].shape[1] == width


def test_fitted_values_and_residuals(case: Case) -> None:
    tolerance = FITTED_TOL * case.sigma
    fitted, resid = case.fit.fittedvalues.dropna(), case.fit.resid.dropna()
    assert len(fitted) == len(resid) == case.entry["nobs"]
    fitted_head, resid_head = case.entry["fitted_head"], case.entry["resid_head"]
    assert_allclose(fitted.iloc[: len(fitted_head)], fitted_head, rtol=0, atol=tolerance)
    assert_allclose(resid.iloc[: len(resid_head)], resid_head, rtol=0, atol=tolerance)


def test_reference_covers_what_it_should() -> None:
    entries = _entries().values()
    assert len(entries) >= 68
    assert sum(entry["singular"] for entry in entries) >= 8
    assert any(entry["weights"] and entry["offset"] for entry in entries)
    assert any(entry["dropped_count"] for entry in entries)
    assert any(entry["set_missing"] for entry in entries)


def _label(level: object) -> str:
    """Text of a level; the parts of an interaction are joined by a colon."""
    return ":".join(map(str, level)) if isinstance(level, tuple) else str(level)
