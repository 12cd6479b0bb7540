"""Pictures of profiles: what the artists hold is what the tables say; bad arguments are refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid

import lmforms as lf
from lmforms.errors import ArgumentError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

NAMES = ["sd(Intercept | Subject)", "sd(Days | Subject)", "sigma"]


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def profile():
    sleep = lf.datasets.load("sleepstudy")
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep, reml=False)
    return fit.profile("random")


@pytest.fixture(scope="module")
def bounded():
    fit = lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes"), reml=False)
    return fit.profile("random")


def lines(ax):
    return [line.get_xydata() for line in ax.lines]


def test_zeta_goes_through_the_points(profile):
    ax = lf.plot.profile_zeta(profile, "sigma", levels=0.95)
    points = next(xy for xy in lines(ax) if len(xy) == len(profile.points("sigma")))
    np.testing.assert_allclose(points, profile.points("sigma"))
    ends = [xy for xy in lines(ax) if len(xy) == 2 and xy[0, 0] == xy[1, 0]]
    limits = sorted(xy[0, 0] for xy in ends)
    np.testing.assert_allclose(limits, profile.conf_int().loc["sigma"], rtol=1e-3)


def test_zeta_beyond_a_bound_has_no_line(bounded):
    """The profile of this standard deviation ends at zero before ζ = −1.96."""
    name = "sd(Intercept | batch)"
    upright = [
        xy
        for xy in lines(lf.plot.profile_zeta(bounded, name, levels=[0.95]))
        if len(xy) == 2 and xy[0, 0] == xy[1, 0]
    ]
    assert len(upright) == 1
    ax = lf.plot.profile_zeta(bounded, name, levels=[0.95], absolute=True)
    assert ax.get_ylabel() == "|ζ|"
    assert min(xy[:, 1].min() for xy in lines(ax)) >= 0.0
    level = next(xy for xy in lines(ax) if len(xy) == 2 and xy[0, 1] == xy[1, 1] > 0)
    assert level[0, 0] == 0.0


def test_density_is_that_of_the_profile(profile):
    axes = lf.plot.profile_density(profile, NAMES)
    for ax, name in zip(axes, NAMES):
        assert ax.get_xlabel() == name
        curve = max(lines(ax), key=len)
        np.testing.assert_allclose(curve[:, 1], profile.density(name, curve[:, 0]))
        assert trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(1.0, abs=0.01)


def test_regions_touch_the_limits_of_both(profile):
    """The outline reaches as far as the profile says: ζ = ±√χ², on either scale."""
    from scipy.special import chdtri

    panels = lf.plot.profile_pairs(profile, NAMES, levels=[0.9])
    radius = np.sqrt(chdtri(2, 0.1))
    outline = max(lines(panels[0, 1]), key=len)
    np.testing.assert_allclose(np.abs(outline).max(axis=0), radius, rtol=1e-3)
    below = max(lines(panels[1, 0]), key=len)
    for column, name in enumerate(NAMES[:2]):
        zeta = profile.zeta(name, [below[:, column].min(), below[:, column].max()])
        np.testing.assert_allclose(zeta, [-radius, radius], rtol=1e-2)


def test_regions_are_where_the_criterion_says(profile):
    """A point between the traces has nearly the criterion of its level: it is interpolated."""
    from lmforms.plot.profile_arrays import curves, joint_region

    sleep = lf.datasets.load("sleepstudy")
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep, reml=False).profile("fixed")
    radius = 2.0
    outline = joint_region(fit, "Intercept", "Days", radius)
    point = outline[25]  # between the traces
    values = [curve.value_at(zeta) for curve, zeta in zip(curves(fit, None), point)]
    held = sleep.assign(held=values[0] + values[1] * sleep["Days"])
    other = lf.lmer("Reaction ~ 0 + (Days | Subject)", held, offset="held", reml=False)
    best = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep, reml=False)
    assert other.criterion - best.criterion == pytest.approx(radius**2, rel=0.06)


def test_regions_at_a_bound_are_left_out(bounded):
    panels = lf.plot.profile_pairs(bounded)
    assert panels.shape == (3, 3)
    assert max(len(xy) for xy in lines(panels[1, 0])) < 100
    assert max(len(xy) for xy in lines(panels[2, 1])) > 100


def test_variances_and_dark_pages(profile):
    with plt.style.context("dark_background"):
        axes = lf.plot.profile_pairs(profile.variances(), ["var(Days | Subject)", "sigma2"])
    assert axes.shape == (2, 2)


def test_refused(profile):
    for draw in (lf.plot.profile_zeta, lf.plot.profile_density, lf.plot.profile_pairs):
        with pytest.raises(ArgumentError, match=r"fit\.profile\(\)"):
            draw(3)
        with pytest.raises(ArgumentError, match="Did you mean `sigma`"):
            draw(profile, ["sigm", "sigma"])
    with pytest.raises(ArgumentError, match="at least one"):
        lf.plot.profile_zeta(profile, [])
    with pytest.raises(ArgumentError, match="level"):
        lf.plot.profile_density(profile, level=95)
    with pytest.raises(ArgumentError, match="levels"):
        lf.plot.profile_zeta(profile, levels=[1.5])
    with pytest.raises(ArgumentError, match="from two to 8"):
        lf.plot.profile_pairs(profile, "sigma")
    with pytest.raises(ArgumentError, match="1 Axes"):
        lf.plot.profile_zeta(profile, NAMES, ax=plt.subplots()[1])
