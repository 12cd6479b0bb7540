"""Names and labels of the data are drawn as they are, though two dollars make a formula."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.text import Text

import lmforms as lf

pytestmark = pytest.mark.one_in(4)

INCOMES = ["$0-$10", "$10-$20", "over $20 {"]
BROKEN = "x_{$2$"
"""Within dollars this is no formula, and drawing it as one fails."""


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(4)
    town = np.repeat(np.arange(9), 12)
    income = np.tile(INCOMES, 36)
    x = rng.normal(size=108)
    y = rng.normal(size=(9, 3))[town, np.tile(np.arange(3), 36)] + x + rng.normal(size=108)
    names = [f"$t_{{{i}$" for i in town]
    data = pd.DataFrame({"$y$": y, BROKEN: x, "$income$": income, "$town$": names})
    return lf.lmer(f"`$y$` ~ `{BROKEN}` + `$income$` + (`{BROKEN}` | `$town$`)", data)


def drawn(axes) -> str:
    """All texts of a figure as a reader sees them, which are drawn once."""
    figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    for text in texts:
        assert not text._preprocess_math(text.get_text())[1], text.get_text()
    plt.close(figure)
    return "\n".join(text._preprocess_math(text.get_text())[0] for text in texts)


@pytest.mark.parametrize(
    "draw, seen",
    [
        (lambda fit: lf.plot.random_effects(fit), "$town$: Intercept"),
        (lambda fit: lf.plot.random_effects_qq(fit), "$t_{"),
        (lambda fit: lf.plot.random_effects_pairs(fit), f"random effect {BROKEN}"),
        (lambda fit: lf.plot.shrinkage(fit), "$town$: shrinkage"),
        (lambda fit: lf.plot.coefficients(fit), "$income$[T.$10-$20]"),
        (lambda fit: lf.plot.coefficients({"$a$": fit, "$b$": fit}), "$a$"),
        (lambda fit: lf.plot.collinearity(fit), "$income$"),
        (lambda fit: lf.plot.criterion(fit, theta=[0], points=9), "$town$"),
        (lambda fit: lf.plot.fitted_lines(fit, BROKEN), BROKEN),
        (lambda fit: lf.plot.matrix(fit, "Z"), "$town$"),
        (lambda fit: lf.plot.means(fit.emmeans("$income$")), "$10-$20"),
        (lambda fit: lf.plot.influence(fit.influence("$town$")), "$town$"),
        (lambda fit: fit.plot(), "fitted"),
        (lambda fit: fit.check().plot(), "Linearity"),
    ],
)
def test_dollars_are_no_formula(fit, draw, seen):
    assert seen in drawn(draw(fit))


def test_labels_with_an_underscore_are_in_the_legend(fit):
    rows = lf.datasets.load("cake")
    rows = rows.assign(recipe="_" + rows["recipe"].astype(str))
    cake = lf.lmer("angle ~ recipe * temp + (1 | replicate)", rows)
    by_recipe = cake.emmeans(["temp", "recipe"], at={"temp": [175, 225]})
    ax = lf.plot.means(by_recipe, x="temp", color="recipe")
    names = [text.get_text()[1:] for text in ax.get_legend().get_texts()]
    assert names == ["_A", "_B", "_C"]
    ax = lf.plot.coefficients({"_first": fit, "second": fit})
    assert [text.get_text()[-6:] for text in ax.get_legend().get_texts()] == ["_first", "second"]
    plt.close("all")
