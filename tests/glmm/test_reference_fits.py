"""92 fits beside the best of glmmTMB, lme4 and ordinal: ``tests/reference/glmm_fits.json``.

``tests/reference/glmm_fits.R`` makes the file; its README says how the figures were reached.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from reference_fits import FITS, arguments, numbers
from slow_cases import slow_if

import lmforms as lf

RANDOM_ZEROS = "owls_zip_random"
"""Random effects in the zero part, which are refused by name."""


def takes_long(name: str) -> bool:
    return name.startswith(("verbagg_b", "verbagg_s", "soup_two", "guimmun"))


@pytest.mark.parametrize("name", slow_if(takes_long, [n for n in FITS if n != RANDOM_ZEROS]))
def test_the_maximum_is_the_same(name):
    wanted = FITS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.errors.SingularWarning)
        fit = lf.glmer(**arguments(wanted))
    assert fit.converged
    assert fit.llf == pytest.approx(wanted["loglik"], abs=1e-8)
    beta = numbers(wanted["beta"])
    if wanted["se"] is not None:
        error = np.array(numbers(wanted["se"]))
        assert fit.bse.to_numpy() == pytest.approx(error, rel=1e-4)
        assert (np.abs(fit.params.to_numpy() - beta) < 1e-4 * error).all()
    else:
        assert fit.is_singular
        assert fit.params.to_numpy() == pytest.approx(beta, abs=1e-5)
    sd = sorted(value for term in wanted["terms"] for value in numbers(term["sd"]))
    own = fit.vcomp[fit.vcomp["name2"] == ""]["sdcor"]
    assert sorted(own) == pytest.approx(sd, rel=1e-5, abs=1e-5)


def test_random_effects_in_the_zero_part_are_refused():
    with pytest.raises(lf.errors.FormulaError, match="zero_inflation: the random term"):
        lf.glmer(**arguments(FITS[RANDOM_ZEROS]))


def test_figures_of_the_issue():
    cbpp = lf.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    fit = lf.glmer(formula, cbpp, family="binomial")
    assert fit.criterion == pytest.approx(184.0525637, abs=5e-7)
    assert fit.bse.round(5).tolist() == [0.23247, 0.30664, 0.32664, 0.42744]
