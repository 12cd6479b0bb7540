"""Bootstraps: every kind of fit, distributions, seeds, interrupts, tables."""

from __future__ import annotations

import numpy as np
import pytest
from bootstrap_models import (
    DEPENDS_ON_FITTED,
    KINDS,
    LEVELS,
    NAMES,
    data,
    drawn,
    fitted,
    sleepstudy,
)
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

import lmforms as lf
from lmforms.engine.replication.refits import BatchRefitter
from lmforms.engine.replication.replicates import Replicates
from lmforms.inference.bootstrap.intervals import percentile_limits
from lmforms.inference.bootstrap.parameter_columns import parameter_columns
from lmforms.inference.bootstrap.refitters import RowRefitter, batch_refitter
from lmforms.inference.bootstrap.row_sums import MOST_AT_A_TIME, RowSums
from lmforms.inference.bootstrap.run import bootstrap_intervals
from lmforms.inference.model_parameters import model_parameters, parameter_values

pytestmark = pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")

# --- every kind of fit ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*KINDS, pytest.param("power(fitted)", marks=pytest.mark.slow)])
def test_every_kind_of_fit(name):
    """Names and estimates are those of the fit, replicates scatter about them."""
    fit = fitted(name)
    found = fit.bootstrap(4, seed=1)
    assert list(found.table.columns) == [p.name for p in model_parameters(fit.state)]
    assert_allclose(found.estimate, parameter_values(fit.state))
    assert found.n_failed == 0
    scatter = (found.table.mean() - found.estimate).abs()
    size = found.table.std() + 0.3 * found.estimate.abs() + 0.5
    assert (scatter < 3.0 * size)[found.table.notna().all()].all()
    assert found.table.std()[["Intercept", "x"]].gt(0).all()


@pytest.mark.parametrize("name", ["slopes", "weights, ML", "crossed", "nested", "singular", "root"])
def test_refits_side_by_side_are_those_of_single_fits(name):
    fit = fitted(name)
    state, Y = fit.state, fit.simulate(4, seed=4).to_numpy()
    refitter = batch_refitter(state)
    assert refitter is not None
    together = RowSums(state, refitter).fit(Y)
    found = parameter_columns(state, together)
    assert not together.failed.any()
    single = RowRefitter(state)
    for j in range(4):
        other = fit.refit(Y[:, j])
        estimate = single.estimate(Y[:, j])
        assert_allclose(estimate.criterion, other.criterion, atol=1e-6)
        assert_allclose(together.criterion[j], other.criterion, atol=1e-6)
        assert_allclose(found[j], parameter_values(other.state), atol=2e-4)


@pytest.mark.parametrize("kind", ["parametric", "residual", "case"])
@pytest.mark.parametrize("name", ["weights, ML", "offset", "nested", "strata", "no random terms"])
def test_a_statistic_sees_the_same_fits(name, kind):
    """β of results is β of the table; parametric replicates are drawn as rows there."""
    fit = fitted(name)
    undefined = {("strata", "residual"), ("no random terms", "case")}
    if (name, kind) in undefined:
        with pytest.raises(lf.errors.ModelError, match="Use kind='parametric'"):
            fit.bootstrap(3, kind=kind)
        return
    found = fit.bootstrap(3, seed=2, kind=kind, statistic=lambda f: f.params)
    if kind == "parametric":
        Y = fit.simulate(3, seed=np.random.default_rng(2)).to_numpy()
        expected = np.array([fit.refit(y).params for y in Y.T])
        assert_allclose(found.table, expected, atol=1e-4)
    else:
        expected = fit.bootstrap(3, seed=2, kind=kind).table[found.table.columns]
        assert_allclose(found.table, expected, atol=1e-5)


def test_saved_fits_have_the_same_replicates(tmp_path):
    fit = fitted("crossed")
    fit.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf")
    assert_allclose(
        loaded.bootstrap(3, seed=1).table, fit.bootstrap(3, seed=1).table, rtol=1e-4, atol=1e-5
    )


def test_ml_fits_are_refitted_by_ml():
    """ML's σ̂² has a downward bias, of a tenth or more here, that REML's lacks."""
    fit = lf.lmer("y ~ factor(t) + (1 | g)", data(), reml=False)
    ml, reml = (
        f.bootstrap(500, seed=1).table["sigma"].pow(2).mean() / f.sigma**2
        for f in (fit, fit.update(reml=True))
    )
    assert ml < 0.92
    assert abs(reml - 1.0) < 0.04


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parametric", "case"])
def test_variances_that_depend_on_fitted_values(kind):
    """Each replicate is refitted as a whole, with fitted values of its own."""
    fit = fitted("power(fitted)")
    found = fit.bootstrap(2, seed=1, kind=kind)
    if kind == "parametric":
        Y = fit.simulate(2, seed=np.random.default_rng(1)).to_numpy()
        expected = [parameter_values(fit.refit(y).state) for y in Y.T]
    else:
        rng = np.random.default_rng(1)
        frames = [
            drawn(data(), [NAMES[i] for i in rng.integers(LEVELS, size=LEVELS)]) for _ in "ab"
        ]
        formula, options = DEPENDS_ON_FITTED
        expected = [parameter_values(lf.lmer(formula, f, **options).state) for f in frames]
    assert_allclose(found.table, expected, rtol=1e-3, atol=1e-3)


# --- distributions ----------------------------------------------------------------------------

SAME = 1e-3
"""p-value of the Kolmogorov–Smirnov test below which two distributions are not the same."""


def columns_of(fit, n, seed):
    found = fit.bootstrap(n, seed=seed)
    assert found.n_failed == 0
    return found.table.to_numpy(), found.singular_share


def by_rows(fit, n, seed):
    """Replicates drawn as rows by `simulate`, and refitted."""
    sums = RowSums(fit.state, batch_refitter(fit.state))
    Y = fit.simulate(n, seed=seed).to_numpy()
    parts = [sums.fit(Y[:, a : a + sums.step]) for a in range(0, n, sums.step)]
    made = Replicates.joined(parts)
    return parameter_columns(fit.state, made), made.singular.mean()


def one_by_one(fit, n, seed):
    refitter, made = RowRefitter(fit.state), Replicates.like(n, fit.state.estimate)
    for j, y in enumerate(fit.simulate(n, seed=seed).to_numpy().T):
        made.put(j, refitter.estimate(np.ascontiguousarray(y)))
    return parameter_columns(fit.state, made), made.singular.mean()


def check_same(first, second, n):
    (a, share), (b, other) = first, second
    p = [ks_2samp(x[~np.isnan(x)], y[~np.isnan(y)]).pvalue for x, y in zip(a.T, b.T, strict=True)]
    assert min(p) > SAME, np.round(p, 5)
    assert abs(share - other) < 4.0 * np.sqrt(2.0 * other * (1.0 - other) / n) + 1e-3


def test_same_distribution_as_rows_weights():
    fit, n = fitted("weights"), 2000
    check_same(columns_of(fit, n, 21), by_rows(fit, n, 22), n)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["slopes", "weights, ML", "crossed", "nested", "uncorrelated", "singular"]
)
def test_same_distribution_as_rows(name):
    fit = fitted(name)
    check_same(columns_of(fit, 5000, 21), by_rows(fit, 5000, 22), 5000)


@pytest.mark.slow
def test_same_distribution_as_single_refits():
    check_same(columns_of(sleepstudy(), 5000, 11), one_by_one(sleepstudy(), 5000, 12), 5000)


@pytest.mark.slow
def test_same_distribution_of_related_levels():
    fit = fitted("root")
    check_same(columns_of(fit, 2000, 11), one_by_one(fit, 2000, 12), 2000)


# --- seeds, interrupts, progress --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parametric", "residual", "case"])
def test_seeds(kind):
    fit = fitted("slopes")
    first = fit.bootstrap(5, seed=7, kind=kind).table
    assert_allclose(fit.bootstrap(8, seed=7, kind=kind).table[:5], first, atol=1e-6)
    assert not np.allclose(fit.bootstrap(5, seed=8, kind=kind).table["x"], first["x"])


def test_generators_are_seeds():
    """One state of a generator gives one set of replicates."""
    rng = np.random.default_rng(5)
    state = rng.bit_generator.state
    first = fitted("offset").bootstrap(3, seed=rng).table
    assert not np.allclose(fitted("offset").bootstrap(3, seed=rng).table, first)
    rng.bit_generator.state = state
    assert_allclose(fitted("offset").bootstrap(3, seed=rng).table, first)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.2.0", reason="refused by default_rng")
def test_old_generators_are_seeds():
    assert fitted("offset").bootstrap(3, seed=np.random.RandomState(1)).n_failed == 0


def test_an_interrupt_keeps_what_is_done():
    calls = iter(range(100))

    def statistic(fit):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return fit.sigma

    with pytest.warns(lf.errors.InterruptedWarning, match="3 of 50 replicates"):
        found = fitted("offset").bootstrap(50, seed=1, statistic=statistic)
    assert found.n_replicates == 3
    assert found.table["statistic"].notna().all()


def test_an_interrupt_keeps_the_batches_that_are_done(monkeypatch):
    """The first replicates of one seed, whatever was asked for."""
    fit, fitted_batch, calls = fitted("offset"), BatchRefitter.fit, iter(range(9))

    def interrupted(self, draws):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return fitted_batch(self, draws)

    expected = fit.bootstrap(MOST_AT_A_TIME, seed=1).table
    monkeypatch.setattr(BatchRefitter, "fit", interrupted)
    with pytest.warns(lf.errors.InterruptedWarning, match=f"{MOST_AT_A_TIME} of 2000"):
        found = fit.bootstrap(2000, seed=1)
    assert_allclose(found.table, expected, atol=1e-6)


def test_an_interrupt_before_the_first_replicate_is_one():
    calls = iter(range(100))

    def statistic(fit):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return fit.sigma

    with pytest.raises(KeyboardInterrupt):
        fitted("offset").bootstrap(50, seed=1, statistic=statistic)


def test_progress(capsys):
    pytest.importorskip("tqdm")
    fitted("slopes").bootstrap(3, seed=1, progress=True)
    assert "3/3" in capsys.readouterr().err


def test_units_of_response_and_predictor():
    """The same draws: estimates change as the units do."""
    made = data().assign(y=1e3 * data()["y"], x=1e5 * data()["x"] + 1e6)
    found = lf.lmer("y ~ x + (1 | g)", made).bootstrap(20, seed=1).table
    expected = lf.lmer("y ~ x + (1 | g)", data()).bootstrap(20, seed=1).table
    assert_allclose(found["x"] * 1e2, expected["x"], rtol=1e-6)
    for name in ("sd(Intercept | g)", "sigma"):
        assert_allclose(found[name] / 1e3, expected[name], rtol=1e-5)


# --- tables -----------------------------------------------------------------------------------


def test_summary_and_intervals_are_of_the_replicates():
    found = sleepstudy().bootstrap(399, seed=1)
    summary = found.summary()
    assert list(summary.columns) == ["estimate", "bias", "std_error"]
    assert_allclose(summary["bias"], found.table.mean() - found.estimate)
    assert_allclose(summary["std_error"], found.table.std(ddof=1))
    limits = found.conf_int(0.9)
    assert list(limits.columns) == ["lower", "upper"]
    ordered = np.sort(found.table.to_numpy(), axis=0)
    assert_allclose(limits.to_numpy(), ordered[[19, 379]].T)
    basic = found.conf_int(0.9, kind="basic")
    assert_allclose(basic["lower"], 2 * found.estimate - limits["upper"])
    assert found._repr_html_().startswith("<div")


def test_undefined_correlations_are_left_out_and_said():
    fit = lf.lmer("flat ~ x + (x | g)", data())
    found = fit.bootstrap(60, seed=2)
    absent = int(found.table["cor(Intercept, x | g)"].isna().sum())
    assert absent
    assert found.n_failed == 0
    assert f"cor(Intercept, x | g) is undefined in {absent} replicates" in str(found)
    assert 0 < found.singular_share <= 1


def test_numbers_that_are_not_finite_are_left_out_and_said():
    values = iter([1.0, *np.arange(20.0), np.nan, np.inf])
    found = fitted("offset").bootstrap(22, seed=1, statistic=lambda fit: next(values))
    assert_allclose(found.conf_int(0.9).to_numpy()[0], percentile_limits(np.arange(20.0), 0.9))
    assert "statistic is undefined in 2 replicates" in str(found)
    assert_allclose(found.bias, np.arange(20.0).mean() - 1.0)
    undefined = fitted("offset").bootstrap(9, seed=1, statistic=lambda fit: np.nan).conf_int(0.8)
    assert undefined.isna().all(axis=None)
    assert "lies beyond all defined replicates" in str(undefined)


def test_intervals_for_conf_int():
    fit = sleepstudy()
    every = bootstrap_intervals(fit.state, 0.9, "all", 99, 1)
    fixed = bootstrap_intervals(fit.state, 0.9, "fixed", 99, 1)
    assert list(fixed.index) == ["Intercept", "Days"]
    assert len(every) == 6
    assert_allclose(fixed, every.loc[fixed.index])
    assert_allclose(every, fit.bootstrap(99, seed=1).conf_int(0.9))
    with pytest.raises(lf.errors.ArgumentError, match="at least 39"):
        bootstrap_intervals(fit.state, 0.95, "all", 38, 1)
