"""What a hostile reader found: searches beside singular matrices, and numbers that must agree."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.correlation import UnstructuredCorrelation
from lmforms.engine.optimize.local_search import secant_update
from lmforms.errors import (
    ConvergenceWarning,
    DataError,
    LmformsWarning,
    MemoryLimitError,
    NumericalError,
)


def series(seed: int, most: tuple[int, int] = (6, 15)) -> pd.DataFrame:
    """A few series with gaps, in any order."""
    rng = np.random.default_rng(seed)
    n, times, rho = rng.integers(*most), rng.integers(3, 6), rng.uniform(-0.8, 0.9)
    rows = []
    for s in range(n):
        e = np.empty(times)
        e[0] = rng.normal()
        for t in range(1, times):
            e[t] = rho * e[t - 1] + np.sqrt(1 - rho**2) * rng.normal()
        rows += [(f"s{s}", t + 1, e[t] * (1 + 0.3 * t * (seed % 2))) for t in range(times)]
    data = pd.DataFrame(rows, columns=["g", "t", "y"])
    data["x"], data["w"] = rng.normal(size=len(data)), rng.uniform(0.5, 3, len(data))
    rng.random(len(data))
    data["o"], data["k"] = rng.normal(size=len(data)), rng.integers(0, 5, len(data))
    data["y"] += data["x"] + 0.3 * data["o"] + 10
    kept = rng.random(len(data)) > rng.uniform(0, 0.3)
    return data[kept].sample(frac=1, random_state=seed)


def quiet_fit(*args: object, **options: object) -> lf.MixedModelResults:
    """A fit whose only warnings are ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", LmformsWarning)
        return lf.lmer(*args, **options)


def test_a_search_that_comes_beside_a_singular_matrix_goes_on():
    fit = quiet_fit("y ~ x", series(1), residual="toep(t | g)")
    assert fit.criterion < 72.4


@pytest.mark.slow
def test_unstructured_correlations_start_from_negative_ones_too():
    options = {"residual": "corsymm(t | g)", "reml": False, "offset": "o"}
    fit = quiet_fit("y ~ x + (1 | k)", series(0), **options)
    assert fit.criterion == pytest.approx(108.94054918970077, abs=1e-6)  # BFGS on n × n matrices
    starts = UnstructuredCorrelation(4).starts()
    assert all(np.isfinite(start).all() for start in starts)


def test_a_step_of_nothing_leaves_the_secant_alone():
    class At:
        theta, gradient, information = np.zeros(2), np.zeros(2), np.eye(2)

    assert np.array_equal(secant_update(np.eye(2), At(), At()), np.eye(2))


@pytest.mark.parametrize(
    ("seed", "most", "formula", "residual", "options"),
    [
        (10, (14, 22), "y ~ x + (1 | k)", "ante(t | g)", {"weights": "w"}),
        (0, (6, 15), "y ~ x + (1 | g)", "exp(t | g)", {"weights": "w", "offset": "o"}),
    ],
)
def test_no_foreign_errors_or_warnings(seed, most, formula, residual, options):
    assert quiet_fit(formula, series(seed, most), residual=residual, **options).converged


def test_kenward_roger_with_negative_variances_is_refused_and_its_advice_works():
    data = series(12, (14, 22))
    residual = "arma(t | g, p=1, q=1)"
    fit = quiet_fit("y ~ x + (1 | k)", data, residual=residual, weights="w", offset="o")
    with pytest.raises(NumericalError, match="kenward-roger-linear"):
        fit.tidy(ddf="kenward-roger")
    assert fit.tidy(ddf="kenward-roger-linear")["std.error"][:2].between(0.1, 0.3).all()


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_normalised_residuals_of_a_grid_belong_to_their_rows(share):
    rng = np.random.default_rng(3)
    row, column = np.indices((6, 5)).reshape(2, -1)
    data = pd.DataFrame({"row": row, "column": column, "y": rng.normal(size=30)})
    data = data[rng.random(30) >= share].sample(frac=1, random_state=1)
    fit = quiet_fit("y ~ 1", data, residual="ar1(row):ar1(column)")
    R = fit.scale * fit.matrices.R.toarray()
    order = np.lexsort((data["column"], data["row"]))  # each row less what those before predict
    expected = np.empty(len(data))
    root = np.linalg.cholesky(R[np.ix_(order, order)])
    expected[order] = np.linalg.solve(root, fit.resid.to_numpy()[order])
    found = fit.residuals("normalized")
    assert found.index.equals(data.index)
    assert np.allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("residual", ["exp(t | g) + units", "ar1(t | g)"])
def test_a_refit_does_not_stay_at_the_bound_of_the_first_fit(residual):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(14), 5), "t": np.tile(np.arange(5), 14)})
    level = rng.normal(size=14)[data["g"]] + 1e-7 * rng.normal(size=70)
    at_bound = quiet_fit("y ~ 1", data.assign(y=10 + level), residual="ar1(t | g)")
    assert at_bound.parameters_at_bound == ["rho"]
    first = quiet_fit("y ~ 1", data.assign(y=rng.normal(size=70)), residual=residual)
    first = at_bound if residual.startswith("ar1") else first
    y = rng.normal(size=(14, 5)).cumsum(axis=1).ravel() + rng.normal(size=70)
    again = quiet_fit("y ~ 1", data.assign(y=y), residual=residual)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        assert first.refit(y).criterion == pytest.approx(again.criterion, abs=1e-5)


def test_advice_for_dates_works():
    data = series(0)
    dated = data.assign(t=pd.Timestamp("2020-01-01") + pd.to_timedelta(data["t"], unit="D"))
    with pytest.raises(DataError, match=r"\(data\['t'\] - data\['t'\].min\(\)\).dt.days"):
        lf.lmer("y ~ x", dated, residual="exp(t | g)")
    days = dated.assign(t=(dated["t"] - dated["t"].min()).dt.days)
    again = quiet_fit("y ~ x", days, residual="exp(t | g)")
    assert again.criterion == pytest.approx(
        quiet_fit("y ~ x", data, residual="exp(t | g)").criterion
    )


def test_an_end_without_convergence_names_the_residual_structure():
    control = lf.Control(max_evaluations=1)
    with pytest.warns(ConvergenceWarning, match="residual structure of fewer parameters"):
        lf.lmer("y ~ x", series(0), residual="toep(t | g)", control=control)


def test_the_limit_of_evaluations_is_of_the_search_that_follows_the_rough_ones():
    control = lf.Control(max_evaluations=5)
    fit = quiet_fit("y ~ x", series(0), residual="ar1(t | g)", control=control)
    assert fit.converged
    assert 5 < fit.optimizer.n_evaluations <= 2 * 5


@pytest.mark.slow
def test_a_likelihood_without_a_maximum_is_told():
    """More covariances than so few series can give: R becomes singular, and the advice works."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"id": np.repeat(np.arange(6), 6), "visit": np.tile(np.arange(6), 6)})
    data["y"] = rng.normal(size=36) + rng.normal(size=6)[data["id"]]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = lf.lmer("y ~ factor(visit)", data, residual="us(visit | id)", reml=False)
    texts = " ".join(str(w.message) for w in said)
    assert not fit.converged
    assert "likelihood has no maximum" in texts
    assert lf.lmer("y ~ factor(visit)", data, residual="cs(visit | id)", reml=False).converged


@pytest.mark.slow
def test_series_that_do_not_fit_into_memory_are_refused_before_computing():
    """The advice of the message works."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.uniform(size=400), "z": rng.uniform(size=400)})
    data["field"] = np.arange(400) // 40
    data["y"] = np.sin(20 * data.x) + np.sin(20 * data.z) + 0.3 * rng.normal(size=400)
    small = lf.Control(memory=2**20)
    with pytest.raises(MemoryLimitError, match=r"up to 400 rows .*exp\(x \+ y \| field\)"):
        lf.lmer("y ~ 1", data, residual="exp(x + z)", control=small)
    for residual in ("exp(x + z | field)", "exp(x)"):
        assert lf.lmer("y ~ 1", data, residual=residual, control=small).nobs == 400
    assert lf.lmer("y ~ 1", data, residual="exp(x + z)").nobs == 400
