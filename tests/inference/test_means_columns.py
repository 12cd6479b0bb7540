"""Averages keep the names of columns whatever table the data come in."""

import numpy as np
import pandas as pd
import pytest
from slow_cases import slow

import lmforms as lf
from lmforms.errors import ArgumentError

pytestmark = pytest.mark.one_in(4)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(8)
    n = 80
    frame = pd.DataFrame(
        {
            "f": rng.choice(["a", "b"], n),
            "e": rng.choice(["u", "v"], n),
            "x": rng.normal(size=n),
            "g": rng.integers(0, 8, n).astype(str),
        }
    )
    frame["y"] = frame["x"] + rng.normal(size=8)[frame["g"].astype(int)] + rng.normal(size=n)
    return frame


def _polars(frame):
    return pytest.importorskip("polars").DataFrame({c: frame[c].tolist() for c in frame})


TABLES = {
    "polars": _polars,
    "lists": lambda frame: {c: frame[c].tolist() for c in frame},
    "arrays": lambda frame: {c: frame[c].to_numpy() for c in frame},
    "unnamed": lambda frame: {c: frame[c].rename(None) for c in frame},
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("of", [{}, {"slope": "x"}, {"comparison": "x"}, {"at": {"x": [0, 1]}}])
@pytest.mark.parametrize("with_data", [slow(False), True])
def test_groups_have_the_names_of_by(data, kind, of, with_data):
    table = TABLES[kind](data)
    expected = lf.lmer("y ~ f*e*x + (1|g)", data).average(by=["f", "e"], **of)
    found = lf.lmer("y ~ f*e*x + (1|g)", table).average(
        by=["f", "e"], data=table if with_data else None, **of
    )
    assert list(found.columns) == list(expected.columns)
    assert {"f", "e"} <= set(found.columns)
    for name in ("f", "e"):
        assert found[name].astype(str).tolist() == expected[name].astype(str).tolist()
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=1e-7)


def test_columns_of_by_differ(data):
    fit = lf.lmer("y ~ f*x + (1|g)", data)
    with pytest.raises(ArgumentError, match="average: by has `f` twice"):
        fit.average(by=["f", "f"])


@pytest.mark.parametrize("arguments", [{"slope": []}, {"comparison": []}, {"comparison": {}}])
def test_no_slopes_and_no_comparisons_are_no_predictions(data, arguments):
    fit = lf.lmer("y ~ f*x + (1|g)", data)
    with pytest.raises(ArgumentError, match="names nothing: name a predictor, or leave it out"):
        fit.average(**arguments)
