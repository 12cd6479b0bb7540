"""Generalised models on the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from command_line_runs import bad, good

import lmforms as lf

TRIALS = "cbind(incidence, size - incidence) ~ factor(period) + (1 | herd)"


@pytest.fixture
def cbpp(tmp_path) -> str:
    path = tmp_path / "cbpp.csv"
    data = lf.datasets.load("cbpp")
    herd = data["herd"].astype(int)
    data.assign(
        any=np.where((herd % 2 == 0) ^ (np.arange(56) % 7 == 0), "yes", "no"),
        share=data["incidence"] / data["size"],
        x=np.sin(np.arange(56.0)),
        half=1 + np.arange(56) % 2,
    ).to_csv(path, index=False)
    return str(path)


@pytest.fixture
def saved(cbpp, tmp_path, capsys) -> str:
    path = str(tmp_path / "fit.lmf")
    good(capsys, "fit", TRIALS, cbpp, "--family", "binomial", "--save", path)
    return path


def read(path: str) -> pd.DataFrame:
    return pd.read_csv(path).assign(herd=lambda d: d["herd"].astype(str))


def test_fit_and_summary(capsys, cbpp, saved):
    expected = lf.glmer(TRIALS, read(cbpp), family="binomial")
    out = good(capsys, "summary", saved)
    assert out == f"{expected.summary()}\n"
    assert out == good(capsys, "fit", TRIALS, cbpp, "--family", "binomial")
    assert "−92.0263" in out


def test_options(capsys, cbpp):
    out = good(capsys, "fit", TRIALS, cbpp, "--family=binomial", "--link=probit", "--nagq=7")
    assert "probit link" in out
    assert "7 nodes" in out
    shares = ("share ~ factor(period) + (1 | herd)", cbpp, "--weights", "size")
    assert "−92.0263" in good(capsys, "fit", *shares, "--family", "binomial")


def test_labels_as_the_response(capsys, cbpp):
    out = good(capsys, "fit", "any ~ x + (1 | herd)", cbpp, "--family", "binomial")
    expected = lf.glmer("any ~ x + (1 | herd)", read(cbpp), family="binomial")
    assert out == f"{expected.summary()}\n"


def test_formulas_of_parameters(capsys, cbpp):
    model = ("fit", "incidence ~ x + (1 | herd)", cbpp, "--format", "json")
    out = good(capsys, *model, "--family", "poisson", "--zero-inflation", "~ factor(half)")
    facts = json.loads(out)
    assert facts["family"] == "zero_inflated_poisson"
    assert (facts["zero_inflation"], facts["dispersion"]) == ("~ factor(half)", None)
    names = [row["name"] for row in facts["family_params"]]
    assert names == ["Intercept", "factor(half)[T.2]"]
    assert not {"sigma", "reml", "residual"} & set(facts)
    assert "df" not in facts["fixed"][0]
    model = ("fit", "size ~ x + (1 | herd)", cbpp, "--format", "json", "--family", "gamma")
    out = good(capsys, *model, "--link", "log", "--dispersion", "~ x")
    assert json.loads(out)["family_params"][1]["name"] == "x"


def test_columns_of_parameters_are_read_as_numbers(capsys, tmp_path):
    """One `.` in a column of a formula of a parameter is refused, as in that of the mean."""
    data = lf.datasets.load("cbpp").assign(x=[*map(str, range(55)), "."])
    data.to_csv(tmp_path / "d.csv", index=False)
    model = ("fit", "incidence ~ 1 + (1 | herd)", str(tmp_path / "d.csv"), "--family", "poisson")
    assert "--na '.'" in bad(capsys, *model, "--zero-inflation", "~ x")


def test_csv(capsys, saved):
    out = good(capsys, "summary", saved, "--format", "csv", "--table", "glance")
    assert out.splitlines()[0] == "nobs,sigma,logLik,AIC,BIC,deviance,df.residual"
    out = good(capsys, "summary", saved, "--format", "csv", "--table", "all")
    assert "ran_vals" in out


def test_predictions(capsys, cbpp, saved, tmp_path):
    fit = lf.load(saved)
    for kind in ("response", "link"):
        out = good(capsys, "predict", saved, cbpp, "--kind", kind, "--only-predictions")
        found = [float(text) for text in out.split()[1:]]
        assert found == pytest.approx(fit.predict(kind=kind).tolist(), rel=1e-12)
    assert out != good(capsys, "predict", saved, cbpp, "--only-predictions")


def test_predictions_with_a_formula_of_zeros(capsys, cbpp, tmp_path):
    path = str(tmp_path / "zeros.lmf")
    model = ("fit", "incidence ~ x + (1 | herd)", cbpp, "--family", "poisson", "--save", path)
    good(capsys, *model, "--zero-inflation", "~ factor(half)")
    out = good(capsys, "predict", path, cbpp, "--only-predictions")
    found = [float(text) for text in out.split()[1:]]
    assert found == pytest.approx(lf.load(path).fittedvalues.tolist(), rel=1e-12)


def test_likelihood_ratio(capsys, cbpp, saved, tmp_path):
    smaller = str(tmp_path / "smaller.lmf")
    formula = "cbind(incidence, size - incidence) ~ 1 + (1 | herd)"
    good(capsys, "fit", formula, cbpp, "--family", "binomial", "--save", smaller)
    out = good(capsys, "anova", smaller, saved, "--format", "csv")
    assert "25.6" in out


@pytest.mark.parametrize("option", ["--link=log", "--nagq=3", "--dispersion=~ x", "--nagq=0"])
def test_options_without_a_family(capsys, cbpp, option):
    err = bad(capsys, "fit", "incidence ~ x + (1 | herd)", cbpp, option, status=2)
    assert f"{option.partition('=')[0]} is for generalised models: add --family." in err


@pytest.mark.parametrize("option", ["--ml", "--ddf=none", "--residual=ar1(period | herd)"])
def test_options_of_linear_models(capsys, cbpp, option):
    err = bad(capsys, "fit", TRIALS, cbpp, "--family", "binomial", option, status=2)
    assert err.startswith(f"lmforms: {option.partition('=')[0]}")


def test_what_a_saved_fit_does_not_have(capsys, cbpp, saved, tmp_path):
    for command in (("summary", saved), ("anova", saved), ("predict", saved, cbpp)):
        more = ("--interval", "confidence") if command[0] == "predict" else ()
        err = bad(capsys, *command, "--ddf", "none", *more, status=2)
        assert "--ddf is for linear models" in err
    assert "--residual is for" in bad(
        capsys, "predict", saved, cbpp, "--residual", "none", status=2
    )
    linear = str(tmp_path / "linear.lmf")
    good(capsys, "fit", "x ~ 1 + (1 | herd)", cbpp, "--save", linear)
    err = bad(capsys, "predict", linear, cbpp, "--kind", "link", status=2)
    assert "--kind is for generalised models" in err


def test_unknown_family(capsys, cbpp):
    err = bad(capsys, "fit", TRIALS, cbpp, "--family", "binomal", status=2)
    assert "binomial" in err
