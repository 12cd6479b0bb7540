"""Tests of terms from sums: those of a fit of the rows, where no column of X is left out."""

import warnings

import numpy as np
import pandas as pd
import pytest
from test_stream_fits import chunks

import lmforms as lf
from lmforms.errors import ModelError, RankWarning, SingularWarning

pytest.importorskip("pyarrow")

MODELS = [
    ("Machines", "score ~ Machine + (1 | Worker)"),
    ("cake", "angle ~ recipe * temperature + (1 | recipe:replicate)"),
    ("cake", "angle ~ recipe * temp + (1 | recipe:replicate)"),
    ("cake", "angle ~ recipe * poly(temp, 2) + (1 | replicate)"),
    ("sleepstudy", "Reaction ~ Days * late + (1 | Subject)"),
    ("sleepstudy", "Reaction ~ bs(Days, knots=[4]) + (1 | Subject)"),
    ("sleepstudy", "Reaction ~ 1 + (1 | Subject)"),
]


def _data(name):
    data = lf.datasets.load(name)
    if name == "sleepstudy":
        data = data.assign(late=data["Days"] % 3 == 0)
    return data.sample(frac=0.8, random_state=1)  # not balanced


@pytest.mark.parametrize(("name", "formula"), MODELS)
@pytest.mark.parametrize("type", [1, 2, 3])
def test_types(tmp_path, name, formula, type):
    data = _data(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        sums = lf.summarise(formula, chunks(data, 41))
        sums.save(tmp_path / "sums.lmf")
        fits = [sums.fit(), lf.load(tmp_path / "sums.lmf").fit()]
        expected = lf.lmer(formula, data).anova(type=type)
    for place, fit in enumerate(fits):
        if place and "bs(" in formula:
            continue
        found = fit.anova(type=type)
        assert list(found.index) == list(expected.index)
        np.testing.assert_allclose(
            found.to_numpy(dtype=float), expected.to_numpy(dtype=float), rtol=1e-4
        )


def test_what_depends_on_the_cells_is_refused():
    data = _data("cake")
    data = data[(data["recipe"] != "A") | (data["temperature"] != "175")]
    formula = "angle ~ recipe * temperature + (1 | replicate)"
    with pytest.warns(RankWarning):
        fit = lf.lmer(formula, chunks(data, 41))
    with pytest.raises(ModelError, match="needs the rows"):
        fit.anova()
    fit = lf.lmer("angle ~ C(temp) + (1 | replicate)", chunks(data.astype({"temp": int}), 41))
    assert isinstance(fit.params, pd.Series)
    with pytest.raises(ModelError, match="needs the rows"):
        fit.anova()
