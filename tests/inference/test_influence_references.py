"""Influence against lme4: tests/reference/influence.R."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lmforms as lf

pytestmark = pytest.mark.one_in(4)

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "influence.json").read_text())


@cache
def fit_of(name: str):
    known = REFERENCE[name]
    data = lf.datasets.load(name.partition(",")[0]).reset_index(drop=True)
    data["w"] = 1.0 + (np.arange(len(data)) + 1) % 4
    weights = "w" if "weights" in name else None
    return lf.lmer(known["formula"], data, reml=known["reml"], weights=weights), data


@pytest.mark.parametrize("name", REFERENCE)
def test_diagnostics_of_the_fit(name):
    fit, _ = fit_of(name)
    known = REFERENCE[name]
    np.testing.assert_allclose(fit.leverage, known["hat"], rtol=1e-6)
    np.testing.assert_allclose(fit.cooks_distance, known["cooks"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        fit.residuals("standardized"), known["rstudent"], rtol=1e-6, atol=1e-7
    )


def cooks(fit, known, of_case):
    """Our definition, from lme4's estimates."""
    shift = np.array(of_case["params"]) - known["fit"]["params"]
    return shift @ np.linalg.solve(known["fit"]["cov"], shift) / len(shift)


def check(found, at, fit, known, of_case, tolerance):
    own = found.params.iloc[at].to_numpy()
    sd = np.sqrt(np.diag(known["fit"]["cov"]))
    np.testing.assert_allclose(own / sd, np.array(of_case["params"]) / sd, atol=tolerance)
    np.testing.assert_allclose(found.sigma.iloc[at], of_case["sigma"], rtol=tolerance)
    se = np.sqrt(np.diag(of_case["cov"]))
    np.testing.assert_allclose(found.bse.iloc[at], se, rtol=tolerance)
    distance = found.cooks_distance.iloc[at]
    np.testing.assert_allclose(distance, cooks(fit, known, of_case), rtol=tolerance, atol=tolerance)


def group_pairs():
    return [(name, by) for name, known in REFERENCE.items() for by in known["by"]]


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize(("name", "by"), group_pairs())
def test_deletion_of_groups(name, by, refit):
    fit, data = fit_of(name)
    known = REFERENCE[name]
    cases = known["by"][by]
    found = fit.influence(by if by in fit.ngroups else data[by], refit=refit)
    assert found.converged.all()
    labels = [str(label) for label in found.table.index]
    for label, of_case in zip(cases["labels"], cases["cases"], strict=True):
        of_case = of_case["refit" if refit else "held"]
        check(found, labels.index(label), fit, known, of_case, 1e-5 if refit else 1e-6)
    if refit:
        n, p = len(labels), len(fit.params)
        lme4 = [cases["cooks"][cases["labels"].index(label)] for label in labels]
        np.testing.assert_allclose(
            found.cooks_distance * (n - p) / n, lme4, rtol=1e-5, atol=1e-8
        )  # lme4's is (n − p)/(np) times the quadratic form, ours 1/p


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("name", ["sleepstudy", "sleepstudy, weights", "Penicillin"])
def test_deletion_of_single_rows(name, refit):
    fit, data = fit_of(name)
    known = REFERENCE[name]
    by = "observation"
    if refit:  # the five rows of the reference, and the others in a few parts
        by = np.array([f"part {i % 4}" for i in range(len(data))], dtype="U9")
        by[known["rows"]] = [f"row {i}" for i in known["rows"]]
    found = fit.influence(by, refit=refit)
    labels = list(found.table.index)
    for row, of_case in zip(known["rows"], known["singles"], strict=True):
        at = labels.index(f"row {row}") if refit else row
        check(found, at, fit, known, of_case["refit" if refit else "held"], 1e-5 if refit else 1e-6)


def test_variances_of_refits():
    """Standard deviations and correlations under the names that profiles have."""
    fit, _ = fit_of("sleepstudy")
    cases = REFERENCE["sleepstudy"]["by"]["Subject"]
    found = fit.influence("Subject", refit=True)
    for label, case in zip(cases["labels"], cases["cases"], strict=True):
        a, ab, b = case["refit"]["vcov"]
        own = found.vcomp.loc[label]
        wanted = [np.sqrt(a), np.sqrt(b), ab / np.sqrt(a * b), case["refit"]["sigma"]]
        np.testing.assert_allclose(own, wanted, rtol=1e-5)
    names = ["sd(Intercept | Subject)", "sd(Days | Subject)", "cor(Intercept, Days | Subject)"]
    assert list(found.vcomp) == [*names, "sigma"]
    change = found.vcomp_change["sigma"]
    np.testing.assert_allclose(change + fit.sigma, found.sigma)
