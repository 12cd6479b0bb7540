"""Random effects of single rows beside residuals with known, unequal weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from slow_cases import slow

import lmforms as lf
from lmforms.covariance import Diagonal, Unstructured
from lmforms.engine.row_variances import number_told_apart, variance_patterns
from lmforms.errors import ModelError

TOLD = "cannot be told from the residuals"


def a_table(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(14, 40))
    spread = rng.uniform(0.5, 2.0)
    table = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.uniform(0.3, 3.0, n),
            "unit": [f"u{i}" for i in range(n)],
            "g": rng.integers(0, 5, n),
            "w": np.exp(rng.normal(size=n) * spread),
        }
    )
    sd = rng.choice([0.0, 0.7, 1.5])
    noise = sd * rng.normal(size=n) + rng.normal(size=n) / np.sqrt(table["w"])
    return table.assign(y=1 + 0.5 * table["x"] + noise + rng.normal(size=5)[table["g"]] / 2)


def dense_minimum(table: pd.DataFrame, patterns: list[np.ndarray], reml: bool):
    """Least −2 log-likelihood over variances ≥ 0 of the patterns, from n × n matrices.

    Also the standard deviations there. The first pattern may vanish: it is that of σ².
    """
    y, X = table["y"].to_numpy(), np.c_[np.ones(len(table)), table["x"]]
    n, p = X.shape
    nu = n - p if reml else n

    def value(sd: np.ndarray) -> float:
        V = sum(s**2 * D for s, D in zip(sd, patterns, strict=True))
        sign, log_det = np.linalg.slogdet(V)
        if sign <= 0 or not np.isfinite(log_det):
            return 1e10
        inverse = np.linalg.inv(V)
        XVX = X.T @ inverse @ X
        r = y - X @ np.linalg.solve(XVX, X.T @ inverse @ y)
        total = log_det + r @ inverse @ r + nu * np.log(2 * np.pi)
        return float(total + (np.linalg.slogdet(XVX)[1] if reml else 0.0))

    size = y.std()
    found = []
    for start in ((1.0, 1.0, 0.5), (0.05, 1.0, 0.5), (1.0, 0.05, 0.1)):
        begin = size * np.array(start[: len(patterns)])
        at = minimize(value, begin, method="Nelder-Mead", options={"xatol": 1e-7, "maxiter": 800})
        at = minimize(value, at.x, method="BFGS", options={"gtol": 1e-8})
        found.append(at)
    best = min(found, key=lambda at: at.fun)
    return best.fun, np.abs(best.x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
@pytest.mark.parametrize("reml", [True, slow(False)])
@pytest.mark.parametrize(
    ("term", "column", "more"),
    [("(1 | unit)", None, ""), ("(0 + z | unit)", "z", ""), ("(1 | unit)", None, " + (1 | g)")],
)
def test_the_best_of_all_variances(term, column, more, reml):
    outcomes = set()
    for seed in range(6):
        table = a_table(seed)
        basis = np.ones(len(table)) if column is None else table[column].to_numpy()
        patterns = [np.diag(1 / table["w"]), np.diag(basis**2)]
        if more:
            patterns.append((table["g"].to_numpy()[:, None] == table["g"].to_numpy()).astype(float))
        least, sd = dense_minimum(table, patterns, reml)
        refusal = None
        try:
            fit = lf.lmer(f"y ~ x + {term}{more}", table, weights="w", reml=reml)
        except ModelError as exc:
            refusal = str(exc)
        if refusal is not None:
            assert "one row per level explains all variation" in refusal
            assert sd[0] < 1e-3 * sd[1]
            outcomes.add("no residual")
            continue
        assert fit.converged
        np.testing.assert_allclose(fit.criterion, least, rtol=1e-8, atol=1e-8)
        if sd[0] > 0.02 * sd[1]:
            assert fit.sigma == pytest.approx(sd[0], rel=1e-3)
        outcomes.add("no effects" if fit.theta[0] < 1e-4 else "both")
    assert {"both"} < outcomes


def test_a_model_without_residual_is_what_the_message_says():
    rng = np.random.default_rng(3)
    table = a_table(3).assign(y=lambda t: t["x"] + rng.normal(size=len(t)))
    table["w"] = np.where(np.arange(len(table)) % 2, 1.0, 300.0)
    table["y"] += np.where(table["w"] > 1, 2.0 * np.sign(table["y"] - table["x"]), 0.0)
    with pytest.raises(ModelError, match="Leave out that term and the weights"):
        lf.lmer("y ~ x + (1 | unit)", table, weights="w")
    plain = lf.lmer("y ~ x", table)
    patterns = [np.diag(1 / table["w"]), np.eye(len(table))]
    least, sd = dense_minimum(table, patterns, True)
    assert plain.criterion == pytest.approx(least, abs=1e-7)
    assert plain.sigma == pytest.approx(sd[1], rel=1e-5)
    with pytest.raises(ModelError, match="Leave out that term and the weights"):
        lf.lmer("I(y * z) ~ z + x:z + (0 + z | unit) - 1", table.assign(w=table.w / table.z**2),
                weights="w")  # fmt: skip
    slope = lf.lmer("I(y * z) ~ z + x:z - 1", table.assign(w=1 / table["z"] ** 2), weights="w")
    assert slope.sigma == pytest.approx(plain.sigma, rel=1e-10)


@pytest.mark.parametrize("formula", ["y ~ x + (1 | unit)", "y ~ x + (1 | unit) + (1 | g)"])
@pytest.mark.parametrize("weight", [None, 1.0, 0.3])
def test_equal_weights_are_refused(formula, weight):
    table = a_table(0)
    weights = None if weight is None else np.full(len(table), weight)
    with pytest.raises(ModelError, match=TOLD):
        lf.lmer(formula, table, weights=weights)
    nearly = np.ones(len(table)) if weights is None else weights
    nearly = nearly * (1 + 1e-12 * np.arange(len(table)))
    with pytest.raises(ModelError, match=TOLD):
        lf.lmer(formula, table, weights=nearly)


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
def test_slopes_are_refused_where_their_squares_are_the_residual_variances():
    table = a_table(1)
    fit = lf.lmer("y ~ x + (0 + z | unit)", table)  # z² is not constant
    assert fit.nobs == len(table)
    with pytest.raises(ModelError, match=TOLD):
        lf.lmer("y ~ x + (0 + z | unit)", table, weights=4 / table["z"] ** 2)
    with pytest.raises(ModelError, match=TOLD):  # 1/w = 1 + z²
        lf.lmer("y ~ x + (1 + z || unit)", table, weights=1 / (1 + table["z"] ** 2))
    with pytest.raises(ModelError, match=r"\(0 \+ sign \| unit\)"):  # signs have the square 1
        lf.lmer("y ~ x + (0 + sign | unit)", table.assign(sign=np.sign(table["x"])))
    with pytest.raises(ModelError, match=TOLD):  # two effects for each of two rows of a level
        lf.lmer("y ~ x + (1 + z | pair)", table.assign(pair=np.arange(len(table)) // 2),
                weights="w")  # fmt: skip


def test_weights_that_differ_only_where_x_explains_the_rows_are_equal():
    table = a_table(2).assign(w=1.0)
    table.loc[0, "w"] = 5.0
    table["first"] = np.arange(len(table)) == 0
    assert lf.lmer("y ~ x + (1 | unit)", table, weights="w").nobs == len(table)
    with pytest.raises(ModelError, match=TOLD):  # row 0 has a coefficient of its own
        lf.lmer("y ~ x + first + (1 | unit)", table, weights="w")


@pytest.mark.parametrize("seed", range(20))
def test_the_rule_is_the_rank_of_the_projected_patterns(seed):
    rng = np.random.default_rng(seed)
    n, p = 12, int(rng.integers(1, 9))
    X = rng.normal(size=(n, p))
    X[: rng.integers(0, 4)] = 0.0
    X[:, -1] = X[:, 0] if seed % 3 == 0 else X[:, -1]
    w = rng.choice([1.0, 2.0], n) if seed % 2 else np.exp(rng.normal(size=n))
    basis = rng.integers(0, 2, (n, 2)) + 0.0 if seed % 5 == 0 else rng.normal(size=(n, 2))
    covariances = [(Diagonal(1), basis[:, :1]), (Unstructured(2), np.c_[np.ones(n), basis[:, 1]])]
    patterns = [variance_patterns(c, z) for c, z in covariances]
    M = np.eye(n) - X @ np.linalg.pinv(X)

    def rank(columns: list[np.ndarray]) -> int:
        return np.linalg.matrix_rank(
            np.array([(M * v @ M).ravel() for v in np.column_stack(columns).T]), tol=1e-8
        )

    expected = 0
    for count in (1, 2):
        columns = [1 / w, *patterns[:count]]
        if rank(columns) < np.column_stack(columns).shape[1]:
            break
        expected = count
    assert number_told_apart(X, 1 / w[:, None], patterns) == expected


@pytest.mark.slow
def test_residual_structures_that_leave_room_for_an_independent_part():
    rng = np.random.default_rng(4)
    series, times = 30, 8
    e = [rng.normal(size=series)]
    for _ in range(times - 1):
        e.append(0.8 * e[-1] + 0.6 * rng.normal(size=series))
    table = pd.DataFrame({"g": np.repeat(np.arange(series), times)})
    table["t"], table["row"], table["s"] = (
        np.tile(np.arange(times), series),
        table.index,
        table.g % 2,
    )
    table["y"] = np.column_stack(e).ravel() + 0.7 * rng.normal(size=len(table))
    table["x"] = rng.uniform(0.2, 3.0, len(table))
    fit = lf.lmer("y ~ 1 + (1 | row)", table, residual="ar1(t | g)")
    Y = table["y"].to_numpy().reshape(series, times)

    def criterion(parameters: np.ndarray) -> float:
        gaps = np.abs(np.subtract.outer(np.arange(times), np.arange(times)))
        V = np.tanh(parameters[0]) ** gaps + parameters[1] ** 2 * np.eye(times)
        sums = np.linalg.solve(V, np.ones(times))
        r = Y - (Y @ sums).sum() / (series * sums.sum())
        square, nu = np.sum(r * np.linalg.solve(V, r.T).T), series * times - 1
        value = series * np.linalg.slogdet(V)[1] + np.log(series * sums.sum())
        return float(value + nu * (1 + np.log(2 * np.pi * square / nu)))

    at = minimize(criterion, [1.0, 0.8], method="Nelder-Mead", options={"fatol": 1e-10})
    assert fit.criterion == pytest.approx(at.fun, abs=1e-7)
    assert fit.theta[0] == pytest.approx(at.x[1], rel=1e-3)
    for told in ("power(x)", "ar1(t | g) * idh(s)"):
        assert lf.lmer("y ~ 1 + (1 | row)", table, residual=told).nobs == len(table)
    for same in ("cs(t | g)", "toep(t | g)", "corsymm(t | g)", "ma(t | g)", "idh(s)", "us(t | g)"):
        with pytest.raises(ModelError, match=TOLD):
            lf.lmer("y ~ 1 + (1 | row)", table, residual=same)


def test_likelihood_without_bound_is_refused_still():
    table = a_table(4)
    table.loc[0, "z"] = 0.0  # X can fit this row, whose variance is that of the residual alone
    with pytest.raises(ModelError, match="grows without bound"):
        lf.lmer("y ~ x + (0 + z | unit)", table, weights="w", reml=False)
    assert lf.lmer("y ~ x + (1 | unit)", table, weights="w", reml=False).nobs == len(table)


@pytest.mark.parametrize("method", ["ai", "fisher", "em"])
def test_estimators_of_components_agree(method):
    table = a_table(5)
    auto = lf.lmer("y ~ x + (1 | unit)", table, weights="w")
    other = lf.lmer("y ~ x + (1 | unit)", table, weights="w", method=method)
    assert other.criterion == pytest.approx(auto.criterion, abs=1e-6)


def test_many_rows():
    rng = np.random.default_rng(0)
    n = 20_000
    table = pd.DataFrame({"x": rng.normal(size=n), "unit": np.arange(n)})
    table["w"] = rng.uniform(0.5, 9.0, n)
    table["y"] = rng.normal(size=n) + 2 * rng.normal(size=n) / np.sqrt(table["w"])
    fit = lf.lmer("y ~ x + (1 | unit)", table, weights="w", reml=False)
    np.testing.assert_allclose(fit.vcomp["sdcor"], [1.0, 2.0], rtol=0.05)


def test_units_of_response_and_weights():
    table = a_table(7)
    fit = lf.lmer("y ~ x + (1 | unit)", table, weights="w")
    big = lf.lmer("I(1e6 * y) ~ x + (1 | unit)", table, weights=1e-9 * table["w"])
    np.testing.assert_allclose(
        big.vcomp["variance"], fit.vcomp["variance"] * [1e12, 1e3], rtol=1e-6
    )
