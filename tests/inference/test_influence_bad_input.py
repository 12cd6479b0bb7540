"""Deletions that leave no model, interrupts: clear errors, advice that works."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from influence_models import animals

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    DataError,
    MemoryLimitError,
    ModelError,
    NotEstimableWarning,
)
from lmforms.inference.influence import refits

FORMULA = "y ~ x + (1 | animal)"


@pytest.fixture(scope="module")
def fit():
    return lf.lmer(FORMULA, animals())


@pytest.mark.parametrize("refit", [False, True])
def test_one_level_left(refit):
    data = animals().assign(side=lambda d: np.where(d.index % 2, "left", "right"))
    data["y"] += 4.0 * (data["side"] == "left")
    two = lf.lmer("y ~ x + (1 | animal) + (1 | side)", data)
    with pytest.raises(ModelError, match="without side left, right the grouping factor `side` has"):
        two.influence("side", refit=refit)
    assert len(two.influence(by="observation").table) == two.nobs  # as the message advises
    rest = lf.lmer(FORMULA, data).influence(data["side"], refit=refit)
    assert list(rest.table.index) == ["left", "right"]
    assert "part" not in repr(rest)
    assert "by side" in repr(rest)


def test_a_level_that_one_part_holds_alone():
    """Two animals are in all parts but the first, which has the only rows of the second."""
    data = animals().iloc[:20].assign(pair=lambda d: np.where(d.index < 3, "a", "b"))
    data["y"] += 5.0 * (data["pair"] == "a")
    fit = lf.lmer("y ~ x + (1 | pair)", data)
    part = np.where(data.index < 4, "first", "second")
    with pytest.raises(ModelError, match="without part first the grouping factor `pair`"):
        fit.influence(part)


def test_too_few_rows_left(fit):
    with pytest.raises(ModelError, match="0 rows are left for 2 fixed effects"):
        fit.influence(np.zeros(fit.nobs))


@pytest.mark.parametrize("refit", [False, True])
def test_coefficients_that_a_deletion_takes_away(refit):
    data = animals().assign(rare=lambda d: (d["animal"] == "a03").astype(float))
    fit = lf.lmer("y ~ x + rare + (1 | animal)", data)
    with pytest.warns(NotEstimableWarning, match="without animal a03 some of the fixed effects"):
        found = fit.influence("animal", refit=refit)
    lost = found.table.drop(columns="rows").isna().all(axis=1)
    assert lost.sum() == 1
    assert lost["a03"]
    assert found.params.isna().all(axis=1)["a03"]
    both = lf.lmer("y ~ herd + (1 | animal)", data)
    with pytest.raises(ModelError, match="without any herd some of the fixed effects"):
        both.influence("herd", refit=refit)


def test_a_row_with_a_coefficient_of_its_own():
    data = animals().assign(one=lambda d: (d.index == 5).astype(float))
    fit = lf.lmer("y ~ x + one + (1 | animal)", data)
    assert fit.leverage[5] == pytest.approx(1.0)
    for values in (fit.residuals("standardized"), fit.residuals("studentized"), fit.cooks_distance):
        assert list(values.index[values.isna()]) == [5]
    with pytest.warns(NotEstimableWarning, match="without observation 5"):
        found = fit.influence()
    assert list(found.sigma.index[found.sigma.isna()]) == [5]


def test_residuals_with_one_degree_of_freedom():
    """The others are fitted exactly: they have no σ."""
    fit = lf.lmer("y ~ x", pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": [1.0, 2.0, 5.0]}))
    assert np.isfinite(fit.residuals("standardized")).all()
    assert fit.residuals("studentized").isna().all()


def test_names_and_values(fit):
    with pytest.raises(ArgumentError, match=r"by='animl' is neither .* Did you mean `animal`"):
        fit.influence("animl")
    with pytest.raises(ArgumentError, match=r"by=data\['herd'\]"):
        fit.influence("herd")
    assert len(fit.influence(animals()["herd"]).table) == 5
    with pytest.raises(ArgumentError, match="one label for each row"):
        fit.influence(3)
    with pytest.raises(DataError, match=r"shape \(7,\): one label for each of the 60"):
        fit.influence(np.arange(7))
    with pytest.raises(DataError, match="shape"):
        fit.influence(np.ones((60, 2)))
    with pytest.raises(DataError, match="1 missing labels"):
        fit.influence(animals()["herd"].where(animals().index != 3))
    with pytest.raises(ArgumentError, match="refit='yes'"):
        fit.influence(refit="yes")
    with pytest.raises(ArgumentError, match="progress=True is for refit=True"):
        fit.influence(progress=True)
    with pytest.raises(ArgumentError, match="has no argument `group`"):
        fit.influence(group="animal")
    with pytest.raises(ArgumentError, match="kind='pearsn'"):
        fit.residuals("pearsn")


def test_too_many_covariances():
    small = lf.lmer(FORMULA, animals(), control=lf.Control(memory=15_000))
    with pytest.raises(MemoryLimitError, match="levels of a grouping factor"):
        small.influence()
    assert len(small.influence("animal").table) == 12


def test_no_fixed_effects():
    fit = lf.lmer("y ~ 0 + (1 | animal)", animals())
    with pytest.raises(ModelError, match="the model has none"):
        fit.influence("animal")
    with pytest.raises(ModelError, match="no fixed effects"):
        fit.cooks_distance  # noqa: B018
    assert 0 < fit.leverage.sum() < 12


def test_conjugate_gradients():
    """Refits need no factor; whatever is at held θ does, and says so."""
    data, formula = animals(), "y ~ x + (1 | animal) + (1 | herd)"
    fit = lf.lmer(formula, data, control=lf.Control(factor="cg"))
    for ask in (
        lambda f: f.influence("herd"),
        lambda f: f.leverage,
        lambda f: f.residuals("studentized"),
    ):
        with pytest.raises(ModelError, match=r"Control\(factor='sparse'\) or 'dense'"):
            ask(fit)
        ask(lf.lmer(formula, data, control=lf.Control(factor="dense")))
    fit.residuals("marginal")
    exact = lf.lmer(formula, data).influence("herd", refit=True)
    found = fit.influence("herd", refit=True)
    np.testing.assert_allclose(found.params, exact.params, rtol=0.02, atol=0.01)


def test_refits_that_would_not_be_comparable(fit):
    with pytest.raises(ModelError, match="at a given θ"):
        fit.at(fit.theta).influence("animal", refit=True)
    fit.at(fit.theta).influence("animal")
    data = animals().assign(y=lambda d: d["y"] + 20.0)
    spread = lf.lmer("y ~ x + (1 | animal)", data, residual="power(fitted)")
    with pytest.raises(ModelError, match="depend on fitted values"):
        spread.influence("animal", refit=True)
    spread.influence("animal")


def test_an_interrupt_keeps_what_is_done(fit, monkeypatch):
    done = []

    def interrupted(*args, **kwargs):
        done.append(1)
        if len(done) == 4:
            raise KeyboardInterrupt
        return refitted(*args, **kwargs)

    refitted = refits._refitted
    monkeypatch.setattr(refits, "_refitted", interrupted)
    with pytest.warns(NotEstimableWarning, match="interrupted after 3 of 12 refits"):
        found = fit.influence("animal", refit=True)
    assert found.sigma.notna().tolist() == [True] * 3 + [False] * 9
    assert found.vcomp.notna().all(axis=1).sum() == 3
    assert found.converged.sum() == 3


def test_a_refit_that_fails_is_said(fit, monkeypatch):
    refitted, done = refits._refitted, []

    def failing(*args, **kwargs):
        done.append(1)
        if len(done) == 2:
            raise ModelError("no.")
        return refitted(*args, **kwargs)

    monkeypatch.setattr(refits, "_refitted", failing)
    with pytest.warns(NotEstimableWarning, match="cannot be fitted without animal a01: NaN. no"):
        found = fit.influence("animal", refit=True)
    assert list(found.sigma.index[found.sigma.isna()]) == ["a01"]


def test_progress(fit, capsys):
    found = fit.influence("animal", refit=True, progress=True)
    assert "refits: 100%" in capsys.readouterr().err
    assert found.converged.all()


def test_saved_fits(fit, tmp_path):
    fit.save(tmp_path / "fit.lmf")
    other = lf.load(tmp_path / "fit.lmf")
    for by in ("animal", "observation"):
        pd.testing.assert_frame_equal(
            pd.DataFrame(other.influence(by).table), pd.DataFrame(fit.influence(by).table)
        )
    np.testing.assert_allclose(other.leverage, fit.leverage)


def test_another_response(fit):
    """Deletions of a refitted model are those of its own response."""
    y = animals()["y"].to_numpy() ** 2
    found = fit.refit(y).influence("animal").params
    again = lf.lmer(FORMULA, animals().assign(y=y)).influence("animal").params
    np.testing.assert_allclose(found, again, rtol=1e-6)


@pytest.mark.parametrize("method", ["em", "ai"])
def test_named_estimators(fit, method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = lf.lmer(FORMULA, animals(), method=method)
    np.testing.assert_allclose(
        other.influence("animal").table, fit.influence("animal").table, rtol=1e-3, atol=1e-5
    )
