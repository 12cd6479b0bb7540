"""Pictures of bootstraps: what the artists hold is what the tables say."""

from __future__ import annotations

import numpy as np
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def found():
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    return fit.bootstrap(200, seed=1)


def test_panels_show_replicates_estimate_and_limits(found):
    axes = lf.plot.bootstrap(found, level=0.9, kind="basic")
    limits = found.conf_int(0.9, kind="basic")
    assert [ax.get_title(loc="left") for ax in axes][:2] == ["Intercept", "Days"]
    assert axes[0].figure.get_supxlabel() == "estimate and 90 % limits (basic)"
    for ax, name in zip(axes, found.table.columns, strict=True):
        assert sum(bar.get_height() for bar in ax.patches) == found.table[name].notna().sum()
        drawn = [line.get_xdata()[0] for line in ax.lines]
        np.testing.assert_allclose(drawn, [found.estimate[name], *limits.loc[name]])


def test_own_axes_and_one_parameter(found):
    _, own = plt.subplots()
    assert lf.plot.bootstrap(found, "sigma", ax=own) is own
    assert own.get_xlabel() == "estimate and 95 % limits (percentile)"


def test_constant_replicates():
    """One bar holds them all, and every line stands at their value."""
    fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    ax = lf.plot.bootstrap(fit.bootstrap(40, seed=1, statistic=lambda f: 1.0))
    assert max(bar.get_height() for bar in ax.patches) == 40
    assert [line.get_xdata()[0] for line in ax.lines] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": "Day"}, "Did you mean `Days`"),
        ({"parameters": []}, "is empty"),
        ({"parameters": 3}, "must be a sequence"),
        ({"level": 2}, "level=2"),
        ({"kind": "bca"}, "for case bootstraps"),
        ({"level": 0.999}, "Use n="),
    ],
)
def test_bad_arguments(found, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        lf.plot.bootstrap(found, **arguments)


def test_something_else_is_refused(found):
    with pytest.raises(ArgumentError, match=r"fit.bootstrap\(\)"):
        lf.plot.bootstrap(found.table)
