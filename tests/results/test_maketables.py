"""What maketables reads of a fit, with the package and without."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import lmforms as lf

SLEEP = lf.datasets.load("sleepstudy")
INTERCEPTS = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, reml=False)
SLOPES = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)


def test_coefficients():
    table = SLOPES.__maketables_coef_table__
    summary = SLOPES.summary(level=0.95).tables["fixed"]
    assert list(table.columns) == ["b", "se", "t", "p", "ci95l", "ci95u"]
    assert table.index.name == "Coefficient"
    for name, own in [("b", "estimate"), ("se", "std_error"), ("p", "p_value"), ("t", "statistic")]:
        assert table[name].tolist() == summary[own].tolist()
    assert table["ci95u"].tolist() == summary["upper"].tolist()


def test_degrees_of_freedom_can_be_chosen():
    table = SLOPES.maketables(ddf="kenward-roger").__maketables_coef_table__
    expected = SLOPES.conf_int(ddf="kenward-roger")
    assert table["ci95l"].tolist() == expected["lower"].tolist()
    with pytest.raises(lf.errors.ArgumentError, match="ddf"):
        SLOPES.maketables(dff="none")


def test_statistics():
    stat = SLOPES.__maketables_stat__
    assert stat("N") == 180
    assert stat("levels of Subject") == 18
    assert stat("method") == "REML"
    assert stat("aic") == SLOPES.aic
    assert stat("ll") == SLOPES.llf
    assert stat("sigma") == SLOPES.sigma
    assert stat("sd(Days | Subject)") == pytest.approx(SLOPES.vcomp["sdcor"][1])
    assert stat("r2_marginal") == SLOPES.r2()["marginal"]
    assert stat("r2") is None
    defaults = SLOPES.__maketables_default_stat_keys__
    assert all(stat(key) is not None for key in defaults)
    assert SLOPES.__maketables_depvar__ == "Reaction"


def test_models_of_every_kind():
    data = lf.datasets.load("Orthodont")
    rng = np.random.default_rng(0)
    models = [
        lf.lmer("distance ~ age", data),
        lf.lmer("distance ~ age", data, residual="ar1(age | Subject)"),
        lf.lmer("distance ~ 0 + (1 | Subject)", data),
        lf.lmer("distance ~ age + (1 | Subject)", data, weights=rng.uniform(0.5, 2, len(data))),
        SLOPES.at(SLOPES.theta),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models.append(lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2")))
    for fit in models:
        table = fit.__maketables_coef_table__
        assert list(table.columns) == ["b", "se", "t", "p", "ci95l", "ci95u"]
        assert len(table) == len(fit.params)
        for key in fit.__maketables_default_stat_keys__:
            assert fit.__maketables_stat__(key) is not None


def test_the_package_shows_our_numbers():
    maketables = pytest.importorskip("maketables")
    keys = [*SLOPES.__maketables_default_stat_keys__, "sd(Days | Subject)"]
    models = [INTERCEPTS.maketables(), SLOPES.maketables()]
    table = maketables.ETable(models, model_stats=keys)
    shown = pd.DataFrame(table.df).to_string()
    for figure in ("251.405", "10.467", "6.825", "1.546", "180", "1,755.63", "0.279", "0.799"):
        assert figure in shown, shown
    assert "5.922" in shown
    assert "Reaction" in shown
    assert "R², conditional" in shown
    html, tex = table.make(type="html"), table.make(type="tex")
    for made in (html, tex):
        assert "10.467" in str(made)
        assert "Days" in str(made)
    plain = pd.DataFrame(maketables.ETable(models).df).to_string()
    for label in ("Levels of Subject", "Method", "AIC"):
        assert label in plain
