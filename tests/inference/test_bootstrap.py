"""Bootstraps: distributions, resampling, and every kind of fit."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

import lmforms as lf
from lmforms.engine.replication.refits import BatchRefitter
from lmforms.engine.replication.replicates import Replicates
from lmforms.inference.bootstrap.case_resampling import CasePlan
from lmforms.inference.bootstrap.intervals import percentile_limits
from lmforms.inference.bootstrap.parameter_columns import parameter_columns
from lmforms.inference.bootstrap.refitters import RowRefitter, batch_refitter
from lmforms.inference.bootstrap.replicate_sources import (
    MatchingCasesSource,
    RowsSource,
    resampled_cases,
)
from lmforms.inference.bootstrap.residual_resampling import inflated_effects, inflated_residuals
from lmforms.inference.bootstrap.row_sums import MOST_AT_A_TIME, RowSums
from lmforms.inference.bootstrap.run import bootstrap_intervals, replicate_source
from lmforms.inference.model_parameters import model_parameters, parameter_values
from lmforms.relationship import Pedigree

pytestmark = pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")

LEVELS, ROWS = 10, 6


@cache
def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = LEVELS * ROWS
    made = pd.DataFrame(
        {
            "g": np.repeat([f"g{i}" for i in range(LEVELS)], ROWS),
            "t": np.tile(np.arange(ROWS), LEVELS),
        }
    )
    made["x"] = rng.normal(size=n)
    made["x2"] = 2.0 * made["x"]
    made["w"] = rng.uniform(0.3, 3.0, n)
    made["sex"] = np.where(rng.random(n) < 0.5, "f", "m")
    made["sub"] = [f"{g}.{t // 3}" for g, t in zip(made["g"], made["t"], strict=True)]
    h = rng.integers(0, 5, n)
    made["h"] = [f"h{i}" for i in h]
    made["y"] = (
        3.0
        + made["x"]
        + np.repeat(1.2 * rng.normal(size=LEVELS), ROWS)
        + np.repeat(0.5 * rng.normal(size=LEVELS), ROWS) * made["x"]
        + 0.6 * rng.normal(size=5)[h]
        + rng.normal(size=n) / np.sqrt(made["w"])
    )
    noise = pd.Series(rng.normal(size=n))
    made["flat"] = made["x"] + noise - noise.groupby(made["g"]).transform("mean")
    return made


NAMES = [f"g{i}" for i in range(LEVELS)]


def related() -> pd.DataFrame:
    root = np.random.default_rng(5).normal(size=(LEVELS, 15))
    return pd.DataFrame(root @ root.T / 5.0, index=NAMES, columns=NAMES)


PEDIGREE = Pedigree.of(
    NAMES,
    [None, None, *(f"g{i % 2}" for i in range(LEVELS - 2))],
    [None, None, "g1", *(f"g{i}" for i in range(2, LEVELS - 1))],
)
KINDS = {
    "slopes": ("y ~ x + (x | g)", {}),
    "weights": ("y ~ x + (1 | g)", {"weights": "w"}),
    "weights, ML": ("y ~ x + (x | g)", {"weights": "w", "reml": False}),
    "offset": ("y ~ x + offset(2 * t) + (1 | g)", {}),
    "dropped column": ("y ~ x + x2 + (1 | g)", {}),
    "crossed": ("y ~ x + (x | g) + (1 | h)", {}),
    "uncorrelated": ("y ~ x + (x || g)", {}),
    "nested": ("y ~ x + (1 | g / sub)", {}),
    "singular": ("flat ~ x + (1 | g)", {}),
    "no random terms": ("y ~ x", {}),
    "root": ("y ~ x + (1 | g)", {"relationship": {"g": related()}}),
    "precision": ("y ~ x + (1 | g)", {"relationship": {"g": PEDIGREE}}),
    "structured effects": ("y ~ x + cs(0 + sex | g)", {}),
    "ar1": ("y ~ x + (1 | h)", {"residual": "ar1(t | g)"}),
    "strata": ("y ~ x + (1 | g)", {"residual": "idh(sex)"}),
    "named estimator": ("y ~ x + (1 | g)", {"method": "ai"}),
}


DEPENDS_ON_FITTED = ("y ~ x + (1 | g)", {"residual": "power(fitted)"})


@cache
def fitted(name):
    formula, options = KINDS.get(name, DEPENDS_ON_FITTED)
    return lf.lmer(formula, data(), **options)


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


@cache
def sleepstudy():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))


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


# --- residual bootstrap -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["slopes", "weights, ML", "crossed", "nested"])
def test_effects_and_residuals_have_their_estimated_covariance(name):
    state = fitted(name).state
    for g, lam in enumerate(state.estimate.lams):
        effects = inflated_effects(state, g)
        assert_allclose(effects.mean(axis=0), 0.0, atol=1e-10)
        expected = state.estimate.sigma**2 * lam @ lam.T
        assert_allclose(effects.T @ effects / len(effects), expected, atol=1e-9)
    rows = inflated_residuals(state)
    assert_allclose([rows.mean(), np.mean(rows**2)], [0.0, state.estimate.sigma**2], atol=1e-10)


def test_effects_without_variance_are_zero():
    state = fitted("singular").state
    assert_allclose(inflated_effects(state, 0), 0.0, atol=1e-12)


def test_effects_are_transformed_by_cholesky_factors():
    """As Carpenter, Goldstein and Rasbash write it, with roots from NumPy."""
    state = fitted("slopes").state
    b, lam = state.estimate.b[0], state.estimate.lams[0]
    centred = b - b.mean(axis=0)
    own = np.linalg.cholesky(centred.T @ centred / len(b))
    target = np.linalg.cholesky(state.estimate.sigma**2 * lam @ lam.T)
    expected = centred @ (target @ np.linalg.inv(own)).T
    assert_allclose(inflated_effects(state, 0), expected, atol=1e-9)


def test_too_few_levels_for_their_covariance():
    few = data()[data()["g"].isin(NAMES[:3])].assign(s=lambda d: d["t"] % 3)
    fit = lf.lmer("y ~ 1 + diag(0 + factor(s) | g)", few).at([1.0, 1.0, 1.0])
    with pytest.raises(lf.errors.ModelError, match="too few levels"):
        inflated_effects(fit.state, 0)


# --- case bootstrap ---------------------------------------------------------------------------


def test_every_level_once_is_the_fit():
    for name in ("weights, ML", "nested", "offset", "ar1", "strata"):
        fit = fitted(name)
        by = {"ar1": "h"}.get(name)
        if by is not None:
            with pytest.raises(lf.errors.ModelError, match="correlated across levels"):
                CasePlan.of(fit.state, by)
            continue
        plan = CasePlan.of(fit.state, by)
        design = plan.design(np.arange(plan.n_levels)[::-1])
        found = RowRefitter(fit.state).estimate(design.y, design)
        assert_allclose(found.criterion, fit.criterion, atol=1e-6)
        assert_allclose(found.beta, fit.params, atol=1e-5)


def drawn(frame, levels):
    """Rows of some levels of g, relabelled, as one would do by hand."""
    parts = [
        frame[frame["g"] == level].assign(g=f"{i}", sub=lambda d, i=i: f"{i}/" + d["sub"])
        for i, level in enumerate(levels)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + (x | g)", {"weights": "w"}),
        ("y ~ x + (1 | g) + (1 | sub)", {}),
        ("y ~ x + (1 | g / sub)", {"reml": False}),
        ("y ~ x + (1 | g) + (1 | h)", {}),
        pytest.param("y ~ x + (1 | g)", {"residual": "ar1(t | g)"}, marks=pytest.mark.slow),
        ("y ~ x + (1 | g)", {"residual": "idh(sex)"}),
    ],
)
def test_drawn_levels_are_new_levels(formula, options):
    fit = lf.lmer(formula, data(), **options)
    plan = CasePlan.of(fit.state, "g")
    levels = np.array([0, 0, 3, 1, 7, 7, 7, 5, 2, 9])
    design = plan.design(levels)
    found = RowRefitter(fit.state).estimate(design.y, design)
    frame = drawn(data(), [NAMES[i] for i in levels])
    expected = lf.lmer(formula, frame, **options)
    assert_allclose(found.criterion, expected.criterion, atol=1e-5)
    assert_allclose(found.beta, expected.params, atol=1e-4)


def test_acceleration_is_from_deletion_of_levels():
    fit = fitted("slopes")
    found = fit.bootstrap(19, seed=1, kind="case", statistic=lambda f: f.params)
    without = np.array([fit.update(data=data()[data()["g"] != level]).params for level in NAMES])
    d = without.mean(axis=0) - without
    expected = (d**3).sum(axis=0) / (6.0 * (d**2).sum(axis=0) ** 1.5)
    assert_allclose(found.acceleration, expected, atol=1e-6)
    assert found.conf_int(0.9, kind="bca").shape == (2, 2)
    assert found.by == "g"


@cache
def alike(reml=True):
    """Levels that differ in the response and an offset alone, with rows in any order."""
    frame = data().assign(w=1.0 + data()["t"] % 3).sample(frac=1, random_state=1)
    formula = "y ~ t + offset(2 * x) + (t | g)"
    return lf.lmer(formula, frame.reset_index(drop=True), weights="w", reml=reml)


@pytest.mark.parametrize("reml", [True, False])
def test_levels_of_one_design_are_refitted_side_by_side(reml):
    """To the same minima as resampled rows one by one."""
    state, n = alike(reml).state, 20
    plan = CasePlan.of(state, None)
    source = replicate_source(state, "case", n, np.random.default_rng(3), plan)
    assert isinstance(source, MatchingCasesSource)
    cases = resampled_cases(plan, np.random.default_rng(3))
    found, expected = source.next(n), RowsSource(cases, RowRefitter(state)).next(n)
    assert_allclose(found.criterion, expected.criterion, atol=1e-8)
    assert_allclose(found.beta, expected.beta, atol=1e-8)
    assert_allclose(found.sigma, expected.sigma, rtol=1e-5)
    assert (found.failed == expected.failed).all()


def test_levels_of_other_designs_are_drawn_as_rows():
    """Other values of x, other weights, or fewer rows in one level."""
    unequal = lf.lmer("y ~ t + (1 | g)", data().iloc[:-1])
    for fit in (fitted("slopes"), lf.lmer("y ~ t + (1 | g)", data(), weights="w"), unequal):
        assert CasePlan.of(fit.state, None).matching_rows() is None


def mean_of_response(fit):
    return {"mean": fit.state.response.mean()}


@pytest.mark.parametrize("statistic", [None, mean_of_response])
def test_case_bootstraps_are_pickled_with_what_bca_needs(statistic):
    found = fitted("weights").bootstrap(20, seed=1, kind="case", statistic=statistic)
    again = pickle.loads(pickle.dumps(found))
    expected = found.conf_int(0.9, kind="bca")
    pd.testing.assert_frame_equal(again.conf_int(0.9, kind="bca"), expected, rtol=1e-6)


def test_labels_that_are_numbers_and_statistics_that_fail_without_a_level():
    """Messages name the level as it is written, not a replicate or NumPy's type."""
    frame = data().assign(g=data()["g"].str[1:].astype(int) * 10)
    fit = lf.lmer("y ~ x + (1 | g)", frame)

    def statistic(fit):
        return fit.params if len(fit.state.response) == len(frame) else fit.params.iloc[:1]

    found = fit.bootstrap(20, seed=1, kind="case", statistic=statistic)
    with pytest.raises(lf.errors.ArgumentError, match="for the fit without level 0 of `g`"):
        found.conf_int(0.9, kind="bca")


def test_a_resample_without_a_column_fails_and_is_counted():
    """`arm` differs in one level of three: drawn without it, X loses a column."""
    frame = data()[data()["g"].isin(NAMES[:3])]
    frame = frame.assign(arm=(frame["g"] == "g0").astype(float))
    fit = lf.lmer("y ~ arm + (1 | g)", frame)
    found = fit.bootstrap(30, seed=1, kind="case")
    assert 3 < found.n_failed < 20
    assert found.table[found.failed].isna().all(axis=None)
    assert "Refits that failed" in str(found)
    with pytest.raises(lf.errors.ModelError, match="without level 'g0' of `g`"):
        found.conf_int(kind="bca", level=0.8)


def test_outermost_factor_is_the_default():
    assert CasePlan.of(fitted("nested").state, None).by == "g"
    with pytest.raises(lf.errors.ArgumentError, match="crossed") as caught:
        fitted("crossed").bootstrap(2, kind="case")
    assert "by='g'" in str(caught.value)
    assert fitted("crossed").bootstrap(2, seed=1, kind="case", by="g").by == "g"


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


# --- bad input --------------------------------------------------------------------------------


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
