"""The summary: complete, aligned, and the same figures in every format."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import lmforms as lf


def quiet(formula, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


SLEEP = lf.datasets.load("sleepstudy")
FIT = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)


def test_text_has_the_figures_of_lme4():
    text = str(FIT.summary())
    for figure in ["1743.628", "612.0", "24.74", "35.07", "5.922", "654.9", "25.59", "0.066"]:
        assert figure in text
    for figure in ["251.4", "6.825", "36.838", "10.467", "1.54", "6.771", "1755.63", "1774.79"]:
        assert figure in text
    assert "Subject (18)" in text
    assert "180" in text
    assert "by REML" in text


def test_p_values_name_their_degrees_of_freedom():
    text = str(FIT.summary())
    assert re.search(r"^Days +10\.467 +1\.546 +17 +6\.771 +<0\.0001$", text, flags=re.M)
    assert "Satterthwaite, observed information" in text
    assert "Kenward–Roger, expected information" in str(FIT.summary(ddf="kenward-roger"))
    none = str(FIT.summary(ddf="none"))
    assert re.search(r" z +p$", none, flags=re.M)
    assert "normal distribution" in none


def test_maximum_likelihood_is_named():
    text = str(lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP, reml=False).summary())
    assert "maximum likelihood" in text
    assert "REML" not in text


def test_columns_are_aligned():
    lines = str(FIT.summary()).split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("Fixed effects"))
    header, rule, *rows = lines[start + 1 : start + 5]
    assert set(rule) == {"-"}
    assert {len(line) for line in (header, *rows)} == {len(rule)}


def test_str_and_print_of_the_fit_are_the_summary():
    assert repr(FIT) == str(FIT) == str(FIT.summary()) == repr(FIT.summary())


def test_ipython_shows_a_fit_in_a_container_as_one_line():
    pretty = pytest.importorskip("IPython.lib.pretty")
    assert pretty.pretty(FIT) == str(FIT)
    line = "<MixedModelResults 'Reaction ~ Days + (Days | Subject)': REML criterion 1743.6283"
    shown = pretty.pretty({"slopes": FIT})
    assert line in shown
    assert "Fixed effects" not in shown


def test_a_message_names_a_fit_in_one_line():
    with pytest.raises(lf.errors.ArgumentError, match="<MixedModelResults") as caught:
        FIT.refit(reml=FIT)
    assert "Fixed effects" not in str(caught.value)


def test_tables_hold_full_precision():
    tables = FIT.summary().tables
    assert tables["fixed"]["estimate"].equals(FIT.params)
    assert tables["fixed"]["statistic"].tolist() == FIT.tvalues.tolist()
    assert tables["random"].equals(FIT.vcomp)


@pytest.mark.parametrize(
    "render", ["_repr_html_", "to_html", "to_latex", "to_markdown", "to_typst"]
)
def test_formats_show_the_same_figures(render):
    text = getattr(FIT.summary(), render)()
    for figure in ["251.405", "10.467", "36.838", "612.09", "25.592", "1755.63"]:
        assert figure in text


def test_numbers_in_html_have_minus_signs_and_formulas_have_not():
    html = quiet("Reaction/1000 ~ Days - 1 + (Days | Subject)", SLEEP)._repr_html_()
    [aic, bic] = re.search(r"AIC, BIC</th><td[^>]*>([^,]*), ([^<]*)<", html).groups()
    quantiles = re.search(r"Scaled residuals</th><td[^>]*>([^<(]*)", html)[1]
    assert aic[0] == bic[0] == quantiles[0] == "\N{MINUS SIGN}"
    assert "-" not in quantiles
    assert "Days - 1 +" in html


def test_html_is_balanced_and_escaped():
    data = SLEEP.rename(columns={"Days": "a<b>&c"})
    html = quiet("Reaction ~ `a<b>&c` + (1 | Subject)", data)._repr_html_()
    assert "a<b>" not in html
    assert "a&lt;b&gt;&amp;c" in html
    for tag in ("table", "tr", "td", "div", "p"):
        assert len(re.findall(rf"<{tag}\b", html)) == html.count(f"</{tag}>")


def test_markdown_escapes_bars():
    text = FIT.summary().to_markdown()
    tables = [line for line in text.split("\n") if line.startswith("|")]
    assert len({line.count("|") - line.count("\\|") for line in tables[-4:]}) == 1
    assert "`Reaction ~ Days + (Days | Subject)`" in text


def test_latex_escapes_underscores():
    fit = lf.lmer("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
    text = fit.summary().to_latex()
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    assert not re.search(r"(?<!\\)_", text)


def test_notes_on_singular_dropped_and_unconverged_fits():
    singular = quiet("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2")).summary()
    assert "singular" in str(singular)
    assert "singular" in singular._repr_html_()
    assert "singular" in singular.to_markdown()
    dropped = quiet("Reaction ~ Days + I(2*Days) + (1 | Subject)", SLEEP)
    assert "dropped" in str(dropped.summary())
    stopped = quiet(
        "Reaction ~ Days + (Days | Subject)", SLEEP, control=lf.Control(max_evaluations=1)
    )
    assert "Converged" in str(stopped.summary())
    assert "NO" in str(stopped.summary())
    assert "max_evaluations" in str(stopped.summary())


def test_correlations_stand_beside_their_term():
    data = lf.datasets.load("Machines")
    text = str(quiet("score ~ Machine + (Machine | Worker)", data).summary())
    (row,) = [line for line in text.split("\n") if "Machine[T.C]" in line and "corr" not in line][
        :1
    ]
    assert len(re.findall(r"\d+\.\d+", row)) == 4  # variance, standard deviation, 2 correlations
    assert re.search(r"corr\.  +corr\.$", text, flags=re.M)


def test_two_terms_on_one_group_are_told_apart():
    text = str(quiet("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)", SLEEP).summary())
    assert "corr." not in text


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_extreme_units_stay_readable(scale):
    text = str(quiet("y ~ Days + (1 | Subject)", SLEEP.assign(y=scale * SLEEP["Reaction"])))
    assert max(len(line) for line in text.split("\n")) <= 80
    assert "nan" not in text


def test_linear_model_without_random_terms():
    text = str(lf.lmer("Reaction ~ Days", SLEEP).summary())
    assert "mixed" not in text.split("\n")[0]
    assert "Random effects" not in text


def test_figures_are_not_rounded_away():
    tiny = quiet("y ~ Days + (Days | Subject)", SLEEP.assign(y=1e-5 * SLEEP["Reaction"]))
    text = str(tiny.summary())
    estimates = [float(v) for v in re.findall(r"^Days +(\S+)", text, flags=re.M)]
    assert np.isclose(estimates[0], tiny.params["Days"], rtol=1e-3)


def test_every_part_of_a_fit_has_a_repr_that_can_be_read():
    sizes = "'Reaction ~ Days + (Days | Subject)': 180 rows, 2 fixed effects, 18 levels of Subject"
    assert repr(FIT.model) == f"<MixedModel {sizes}; fit it by .fit()>"
    assert sizes in repr(FIT.state)
    assert len(repr(FIT.state)) < 250
    assert repr(FIT.optimizer) == str(FIT.optimizer)
    assert "4 evaluations" in repr(FIT.optimizer)


def test_limits_are_asked_for():
    assert "upper" not in FIT.summary().tables["fixed"]
    summary = FIT.summary(level=0.9, ddf="kenward-roger")
    expected = FIT.conf_int(level=0.9, ddf="kenward-roger")
    assert summary.tables["fixed"]["upper"].tolist() == expected["upper"].tolist()
    assert "Limits: 90 %." in summary.notes
    with pytest.raises(lf.errors.ArgumentError, match="level"):
        FIT.summary(level=95)


def test_p_values_are_not_rounded_in_the_table():
    summary = FIT.summary()
    assert "<0.0001" in str(summary)
    assert 3e-6 < summary.tables["fixed"]["p_value"]["Days"] < 4e-6
