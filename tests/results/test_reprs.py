"""What every public object shows of itself can be read: no addresses, no dumps of arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf

FORMULA = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def objects():
    sleep = lf.datasets.load("sleepstudy")
    fit = lf.lmer(FORMULA, sleep)
    series = lf.lmer("Reaction ~ Days + (1 | Subject)", sleep, residual="ar1(Days | Subject)")
    forms = fit.forms(rank=2)
    variances = {"Subject": 1300.0, "Residual": 900.0}
    equations = lf.mme.equations("Reaction ~ Days + (1 | Subject)", sleep, variances=variances)
    model = lf.varcomp.ComponentModel.of_formula("Reaction ~ Days + (1 | Subject)", sleep)
    pedigree = lf.relationship.Pedigree.of(["a", "b", "c"], [None, None, "a"], [None, None, "b"])
    many = lf.lmer_many("Reaction ~ Days + (1 | Subject)", sleep, pd.DataFrame(np.eye(180)[:, :2]))
    solution = equations.solve(method="pcg")
    return {
        "fit": fit,
        "fit.model": fit.model,
        "fit.model.formula": fit.model.formula,
        "fit.model.design": fit.model.design,
        "fit.state": fit.state,
        "fit.state.estimate": fit.state.estimate,
        "fit.state.residual": series.state.residual,
        "fit.optimizer": fit.optimizer,
        "optimizer of a series": series.optimizer,
        "block": fit.optimizer.blocks[0],
        "control": lf.Control(),
        "design": fit.design(sleep),
        "matrices": fit.matrices,
        "a matrix": fit.matrices.show("V"),
        "rows": fit.matrices.rows.head(),
        "summary": fit.summary(),
        "check": fit.check(),
        "influence": fit.influence("Subject"),
        "profile": series.profile("Days"),
        "bootstrap": fit.bootstrap(n=3, seed=1),
        "simulated residuals": fit.simulated_residuals(n=19, seed=1),
        "forms": forms,
        "form": forms.form,
        "form status": forms.form.status_,
        "equations": equations,
        "solution": solution,
        "iterations": solution.iterations,
        "component model": model,
        "component": model.components[0],
        "variances": lf.varcomp.estimate(model),
        "pedigree": pedigree,
        "relationship": lf.relationship.Relationship.of(pd.DataFrame(np.eye(2))),
        "many": many,
        "known": lf.residual.Known(np.eye(3)),
        "weighted": lf.residual.Weighted(np.arange(1.0, 4.0)),
        "structure": lf.residual.AR1("time", "subject"),
    }


def test_every_repr_can_be_read(objects):
    for name, value in objects.items():
        text = repr(value)
        assert " object at 0x" not in text, name
        assert "array([" not in text, name
        assert len(text.splitlines()) <= 60, name
        long = max(map(len, text.splitlines()))
        assert long <= 200, (name, long)


@pytest.mark.parametrize(
    "name, text",
    [
        (
            "fit.model",
            f"<MixedModel '{FORMULA}': 180 rows, 2 fixed effects, 18 levels of Subject; fit it by "
            ".fit()>",
        ),
        ("component", "<Component 'Subject': 18 independent effects, 180 rows>"),
        ("known", "<Known residual covariance of 3 rows>"),
        ("weighted", "<Weighted: 3 rows, weights from 1 to 3>"),
    ],
)
def test_some_in_full(objects, name, text):
    assert repr(objects[name]) == text


def test_the_optimizer_is_its_report(objects):
    first, *blocks = repr(objects["fit.optimizer"]).splitlines()
    assert first == "converged: a Newton step promises no further decrease (4 evaluations)"
    assert blocks[0].split()[:2] == ["Subject", "diagonal"]
