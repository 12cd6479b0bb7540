"""Families and links by the names they have here, in R and in statsmodels."""

from __future__ import annotations

import subprocess
import sys

import pytest
import statsmodels.api as sm
from statsmodels.genmod.families import links

from lmforms.errors import ArgumentError
from lmforms.glmm.families.beta import Beta
from lmforms.glmm.families.binomial import BetaBinomial, Binomial
from lmforms.glmm.families.counts import NegativeBinomial, NegativeBinomial1, Poisson
from lmforms.glmm.families.gaussian import Gaussian
from lmforms.glmm.families.links import LINKS
from lmforms.glmm.families.lookup import FAMILIES, family_of
from lmforms.glmm.families.positive import Gamma, InverseGaussian
from lmforms.glmm.families.student_t import StudentT
from lmforms.glmm.families.truncation import Truncated
from lmforms.glmm.families.tweedie import Tweedie
from lmforms.glmm.families.zeros import Hurdle, ZeroInflated


@pytest.mark.parametrize("name", FAMILIES)
def test_own_names(name):
    family, link = family_of(name)
    assert family.name == name
    assert link is LINKS[family.links[0]]
    for other in family.links:
        assert family_of(name.upper(), other) == (family, LINKS[other])
        assert family_of(type(family), LINKS[other]) == (family, LINKS[other])
        assert family_of(family, type(LINKS[other]))[1] == LINKS[other]


@pytest.mark.parametrize(
    "name, family",
    [
        ("nbinom2", NegativeBinomial()),
        ("negativebinomial", NegativeBinomial()),
        ("Negative-Binomial", NegativeBinomial()),
        ("nbinom1", NegativeBinomial1()),
        ("beta_binomial", BetaBinomial()),
        ("inverse.gaussian", InverseGaussian()),
        ("t", StudentT()),
        ("Gamma", Gamma()),
        ("truncated_poisson", Truncated(Poisson())),
        ("Student-t", StudentT()),
    ],
)
def test_other_names(name, family):
    assert family_of(name)[0] == family


@pytest.mark.parametrize(
    "foreign, family, link",
    [
        (sm.families.Binomial(), Binomial(), "logit"),
        (sm.families.Binomial(links.Probit()), Binomial(), "probit"),
        (sm.families.Binomial(links.CLogLog()), Binomial(), "cloglog"),
        (sm.families.Binomial(links.Cauchy()), Binomial(), "cauchit"),
        (sm.families.Poisson(), Poisson(), "log"),
        (sm.families.Poisson(links.Sqrt()), Poisson(), "sqrt"),
        (sm.families.Gamma(), Gamma(), "inverse"),
        (sm.families.Gamma(links.Identity()), Gamma(), "identity"),
        (sm.families.InverseGaussian(), InverseGaussian(), "inverse_squared"),
        (sm.families.NegativeBinomial(alpha=0.5), NegativeBinomial(size=2), "log"),
        (sm.families.Gaussian(links.InversePower()), Gaussian(), "inverse"),
        (sm.families.Tweedie(var_power=1.3), Tweedie(power=1.3), "log"),
        (sm.families.Poisson, Poisson(), "log"),
    ],
)
def test_statsmodels(foreign, family, link):
    assert family_of(foreign) == (family, LINKS[link])


def test_a_link_beside_a_statsmodels_family():
    assert family_of(sm.families.Binomial(), links.Probit())[1] == LINKS["probit"]
    assert family_of("binomial", links.CLogLog)[1] == LINKS["cloglog"]
    assert family_of("gaussian", links.Power(power=-1.0))[1] == LINKS["inverse"]


class OwnLink(links.Logit):
    pass


class OwnFamily(sm.families.Poisson):
    pass


@pytest.mark.parametrize(
    "family, link, message",
    [
        ("poison", None, "no family 'poison'. Did you mean `poisson`"),
        ("xyz", None, "no family 'xyz'. Families: binomial, poisson"),
        ("quasipoisson", None, "no likelihood"),
        ("poisson", "lgo", "no link 'lgo'. Did you mean `log`"),
        ("poisson", "logit", "logit link does not suit the poisson family, which takes log, "),
        (Poisson(), LINKS["probit"], "does not suit"),
        ("binomial", OwnLink(), "not OwnLink. lmforms needs third derivatives"),
        (OwnFamily(), None, "not OwnFamily. lmforms needs third derivatives"),
        ("binomial", links.LogLog(), "LogLog of statsmodels is not known"),
        (sm.families.Tweedie(var_power=2.5), None, "powers between 1 and 2"),
        (3, None, "not int."),
        ("poisson", 3, "not int."),
        (ZeroInflated, None, r"takes another family, as in ZeroInflated\(Poisson"),
    ],
)
def test_errors(family, link, message):
    with pytest.raises(ArgumentError, match=message):
        family_of(family, link)


def test_statsmodels_is_not_imported_for_names():
    code = (
        "import sys; from lmforms.glmm.families.lookup import family_of; family_of('poisson');"
        "family_of('binomial', 'probit'); print('statsmodels.genmod' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


# --- given parameters ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "family, names, text",
    [
        (StudentT(), ("scale", "df"), "StudentT()"),
        (StudentT(df=5), ("scale",), "StudentT(df=5)"),
        (StudentT(df=5, scale=2), (), "StudentT(scale=2, df=5)"),
        (Tweedie(power=1.5), ("dispersion",), "Tweedie(power=1.5)"),
        (
            ZeroInflated(NegativeBinomial(size=2)),
            ("zero_inflation",),
            "ZeroInflated(NegativeBinomial(size=2))",
        ),
        (
            Hurdle(NegativeBinomial(), zero_inflation=0.25),
            ("size",),
            "Hurdle(NegativeBinomial(), zero_inflation=0.25)",
        ),
    ],
)
def test_given_parameters_are_not_estimated(family, names, text):
    assert family.parameter_names == names
    assert repr(family) == text


def test_families_are_values():
    assert NegativeBinomial(size=2) == NegativeBinomial(size=2.0)
    assert NegativeBinomial(size=2) != NegativeBinomial()
    assert ZeroInflated(Poisson()) == ZeroInflated(Poisson())
    assert ZeroInflated(Poisson()) != ZeroInflated(NegativeBinomial())
    assert len({Poisson(), Poisson(), Hurdle(Poisson()), Hurdle(Poisson())}) == 2


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: NegativeBinomial(size=0), "size=0 is no value.*above 0"),
        (lambda: Gamma(dispersion=-1), "above 0"),
        (lambda: Tweedie(power=2), "between 1 and 2"),
        (lambda: ZeroInflated(Poisson(), zero_inflation=1), "between 0 and 1"),
        (lambda: ZeroInflated(Gamma()), "no zeros to add to: use Hurdle"),
        (lambda: Truncated(Beta()), "no zeros to leave out"),
        (lambda: Hurdle(ZeroInflated(Poisson())), "already changed"),
        (lambda: Hurdle("poisson"), "takes a family"),
        (lambda: Hurdle(Poisson), "takes a family"),
    ],
)
def test_values_that_parameters_cannot_have(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
