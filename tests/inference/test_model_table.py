"""`model_table`: coefficients and variances of several fits side by side."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError

SLEEP = lf.datasets.load("sleepstudy")
INTERCEPTS = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, reml=False)
SLOPES = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
LOGS = lf.lmer("log(Reaction) ~ Days + I(Days**2) + (1 | Subject)", SLEEP)
TABLE = lf.model_table({"a": INTERCEPTS, "b": SLOPES, "c": LOGS}, r2=True)


def cells(made, name):
    """Cells of a row and of the row below it."""
    lines = made.split("\n")
    i = next(i for i, line in enumerate(lines) if line.startswith(name))
    return lines[i].removeprefix(name).split(), lines[i + 1].split()


def test_estimates_stand_above_their_errors():
    estimates, errors = cells(TABLE.to_text(), "Days ")
    assert estimates[:2] == ["10.467", "10.47"]
    assert errors[:2] == ["(0.802)", "(1.55)"]
    for text, error in zip(estimates, errors, strict=True):
        assert len(text.partition(".")[2]) == len(error.strip("()").partition(".")[2])


def test_what_only_one_model_has():
    assert cells(TABLE.to_text(), "I(Days ** 2)")[0] == [f"{LOGS.params.iloc[2]:.6f}"]
    assert cells(TABLE.to_text(), "cor(Intercept, Days | Subject)")[0] == ["0.0656"]
    names = re.findall(r"^(\S.*?)  ", TABLE.to_text(), flags=re.M)
    assert names.index("sigma") > names.index("cor(Intercept, Days | Subject)")
    assert names.index("I(Days ** 2)") < names.index("sd(Intercept | Subject)")


def test_statistics():
    made = TABLE.to_text()
    assert cells(made, "N ")[0] == ["180"] * 3
    assert cells(made, "levels of Subject")[0] == ["18"] * 3
    assert cells(made, "method")[0] == ["ML", "REML", "REML"]
    assert cells(made, "AIC")[0] == [
        f"{f.aic:.2f}".replace("-", "−") for f in (INTERCEPTS, SLOPES, LOGS)
    ]
    assert cells(made, "R², conditional")[0][1] == "0.799"
    assert "R²" not in lf.model_table([SLOPES]).to_text()


def test_the_frame_has_all_numbers():
    frame = TABLE.frame.set_index(["model", "part", "name"])
    assert frame.loc[("b", "fixed", "Days"), "std_error"] == SLOPES.bse["Days"]
    assert frame.loc[("b", "statistic", "AIC"), "estimate"] == SLOPES.aic
    assert frame.loc[("b", "random", "sigma"), "estimate"] == SLOPES.sigma
    assert frame.loc[("c", "statistic", "method"), "estimate"] == "REML"


def test_limits_take_the_place_of_standard_errors():
    table = lf.model_table([SLOPES], level=0.9)
    lower, upper = SLOPES.conf_int(level=0.9).loc["Days"]
    assert f"[{lower:.2f}, {upper:.2f}]" in table.to_text()
    assert "90 % limits" in table.to_html()


def test_responses_span_their_models():
    html = TABLE.to_html()
    assert re.search(r'colspan="2"[^>]*>Reaction<', html)
    assert re.search(r'colspan="1"[^>]*>log\(Reaction\)<', html)
    assert r"\multicolumn{2}{c}{Reaction}" in TABLE.to_latex()


def test_stars_and_labels():
    made = TABLE.to_text(stars=True, labels={"Days": "Day", "a": "intercepts", "sigma": "σ"})
    assert cells(made, "Day ")[0][:2] == ["10.467***", "10.47***"]
    assert "intercepts" in made
    assert "sd(Day | Subject)" in made
    assert "*" not in lf.model_table([SLOPES]).to_text()


def test_degrees_of_freedom_are_named():
    made = lf.model_table([SLOPES], ddf="kenward-roger").to_text()
    assert "Kenward–Roger" in made


def test_models_of_every_kind():
    data = lf.datasets.load("Orthodont")
    machines = lf.datasets.load("Machines")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = {
            "none": lf.lmer("distance ~ age", data),
            "residual": lf.lmer("distance ~ age", data, residual="ar1(age | Subject)"),
            "structure": lf.lmer("score ~ 1 + cs(0 + Machine | Worker)", machines),
            "no coefficients": lf.lmer("distance ~ 0 + (1 | Subject)", data),
            "singular": lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2")),
            "given": SLOPES.at(SLOPES.theta),
            "gradients": lf.lmer(
                "diameter ~ 1 + (1 | plate) + (1 | sample)",
                lf.datasets.load("Penicillin"),
                control=lf.Control(factor="cg"),
            ),
        }
    table = lf.model_table(fits)
    made = table.to_text()
    assert "rho" in made
    assert "sd(cs(0 + Machine | Worker))" in made
    assert "given: θ was given, not estimated." in made
    assert "gradients: the log-likelihood, AIC and BIC are estimates." in made
    assert "nan" not in made
    assert max(map(len, made.split("\n"))) <= 80
    assert np.isfinite(
        table.frame["estimate"]
        .drop(table.frame.index[table.frame["name"] == "method"])
        .astype(float)
    ).all()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({}, "no model"),
        ([], "no model"),
        (SLOPES, "write {"),
        ({"a": 3}, "a is no fitted model: 3"),
        ([SLOPES, "slopes"], r"\(2\) is no fitted model"),
        ({1: SLOPES}, "1 is no name"),
        ({"": SLOPES}, "no name"),
    ],
)
def test_nonsense_is_refused(models, message):
    with pytest.raises(ArgumentError, match=message):
        lf.model_table(models)


def test_options_are_checked():
    with pytest.raises(ArgumentError, match="level=95"):
        lf.model_table([SLOPES], level=95)
    with pytest.raises(ArgumentError, match="r2="):
        lf.model_table([SLOPES], r2="yes")
    with pytest.raises(ArgumentError, match="Did you mean `level`"):
        lf.model_table([SLOPES], levle=0.9)
