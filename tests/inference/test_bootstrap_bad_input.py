"""Bad input of bootstraps: statistics, fits, arguments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bootstrap_models import data, fitted

import lmforms as lf

pytestmark = pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")


def shape_changes():
    calls = iter(range(9))
    return lambda fit: [1.0] * (2 if next(calls) == 2 else 1)


@pytest.mark.parametrize(
    ("statistic", "message"),
    [
        (3, "must be a function"),
        (lambda fit: 1 / 0, "raised ZeroDivisionError for the fit itself"),
        (lambda fit: "a", "gave str for the fit itself"),
        (lambda fit: None, "gave NoneType"),
        (lambda fit: 1j, "gave complex"),
        (lambda fit: [], "gave no numbers"),
        (lambda fit: pd.DataFrame({"a": [1.0]}), "gave DataFrame"),
        (lambda fit: pd.Series(["1", "2"]), "gave Series"),
        (lambda fit: np.array(["1", None], dtype=object), "gave ndarray"),
        (lambda fit: pd.Series([1.0, 2.0], index=["a", "a"]), "two numbers of one name, 'a'"),
        (shape_changes(), "2 numbers .* for replicate 1 and 1 numbers"),
    ],
)
def test_bad_statistics(statistic, message):
    with pytest.raises(lf.errors.ArgumentError, match=message):
        fitted("offset").bootstrap(4, seed=1, statistic=statistic)


def test_what_a_statistic_raises_is_the_cause():
    def statistic(fit):
        return {"a": 1.0}["b"]

    with pytest.raises(lf.errors.ArgumentError, match="KeyError") as caught:
        fitted("offset").bootstrap(4, statistic=statistic)
    assert isinstance(caught.value.__cause__, KeyError)


def test_statistics_of_all_kinds():
    fit = fitted("offset")
    kinds = {
        "number": (lambda f: f.sigma, ["statistic"]),
        "array": (lambda f: f.params.to_numpy(), ["0", "1"]),
        "matrix": (lambda f: np.ones((1, 2)), ["0, 0", "0, 1"]),
        "series": (lambda f: f.params, ["Intercept", "x"]),
        "mapping": (lambda f: {"s": f.sigma}, ["s"]),
    }
    for function, names in kinds.values():
        assert list(fit.bootstrap(1, seed=1, statistic=function).table.columns) == names


def test_fits_that_are_no_estimates():
    fit = fitted("offset")
    with pytest.raises(lf.errors.ModelError, match="θ of this fit was given"):
        fit.at(fit.theta).bootstrap(2)
    unfinished = lf.lmer("y ~ x + (x | g)", data(), control=lf.Control(max_evaluations=1))
    assert not unfinished.converged
    calls = []
    with pytest.raises(lf.errors.ModelError, match="did not converge"):
        unfinished.bootstrap(2, statistic=lambda fit: calls.append(fit) or 1.0)
    assert not calls  # refused before the statistic is tried
    with pytest.raises(lf.errors.ModelError, match="did not converge"):
        unfinished.bootstrap(2)
    lf.lmer("y ~ x + (x | g)", data(), start=unfinished).bootstrap(2)  # the way out


def test_conjugate_gradients_are_refused():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.integers(0, 30, 300), "b": rng.integers(0, 20, 300)})
    frame["y"] = rng.normal(size=30)[frame["a"]] + rng.normal(size=300)
    fit = lf.lmer("y ~ 1 + (1 | a) + (1 | b)", frame, control=lf.Control(factor="cg"))
    with pytest.raises(lf.errors.ModelError, match=r"Control\(factor='sparse'\)"):
        fit.bootstrap(2)
    fit.update(control=lf.Control(factor="sparse")).bootstrap(2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n=0"),
        ({"kind": "cases"}, "Did you mean `case`"),
        ({"by": "g"}, "case bootstrap draws"),
        ({"kind": "case", "by": "gg"}, "Did you mean `g`"),
        ({"seed": "a"}, "seed="),
        ({"progress": 2}, "progress=2"),
        ({"nsim": 3}, "no argument `nsim`"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(lf.errors.ArgumentError, match=message):
        fitted("offset").bootstrap(**options)


def test_too_few_levels_or_replicates():
    frame = data()[data()["g"].isin(["g0", "g1"])]
    fit = lf.lmer("y ~ x + (1 | g)", frame)
    with pytest.raises(lf.errors.ModelError, match="has 2 levels"):
        fit.bootstrap(5, kind="case")
    found = fitted("slopes").bootstrap(20, seed=1)
    with pytest.raises(lf.errors.ArgumentError, match="Use n=39 or more"):
        found.conf_int()
    with pytest.raises(lf.errors.ArgumentError, match="for case bootstraps"):
        fitted("slopes").bootstrap(40, seed=1).conf_int(kind="bca")
    fitted("slopes").bootstrap(39, seed=1).conf_int()


@pytest.mark.parametrize("kind", ["residual", "case"])
def test_related_levels_are_not_drawn(kind):
    with pytest.raises(lf.errors.ModelError, match="related"):
        fitted("root").bootstrap(2, kind=kind)
