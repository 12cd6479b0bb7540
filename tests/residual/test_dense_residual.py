"""The stored figures of residual structures are optima of a dense likelihood written apart.

The figures are R's (``tests/reference/residual_structures.R``); the twin is NumPy's
(``dense_residual.py``). lmforms takes no part here, except for its design matrix and data sets.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from dense_residual import (
    Estimates,
    RandomTerm,
    correlation,
    estimates,
    gradient,
    maximise,
    standard_deviations,
)
from formulaic import model_matrix
from numpy.testing import assert_allclose
from slow_cases import one_in
from structure_references import FOLDER, StructureCase, structure_case, structure_cases

pytestmark = pytest.mark.one_in(4)

# Log-likelihoods that the witnesses miss by more than this are listed below.
WITNESS = 1e-5

# What was printed elsewhere: log-likelihood, then parameters by name. "variance" is σ².
PUBLISHED: dict[str, dict[str, float]] = {
    "orthodont_iid_reml": {"loglik": -241.7795587},
    "orthodont_cs_reml": {"loglik": -216.8786246, "rho": 0.6318389, "variance": 5.2206889},
    "orthodont_ar1_reml": {"loglik": -222.2937243, "rho": 0.6244889, "sigma": 2.2835073},
    "orthodont_ar1_ml": {"loglik": -220.3405030, "rho": 0.6071166},
    "orthodont_toep_reml": {
        **{"loglik": -214.6957694, "rho[1]": 0.6371798, "rho[2]": 0.6966964},
        **{"rho[3]": 0.478658, "variance": 5.2825347},
    },
    "orthodont_toep_ml": {"loglik": -212.3215305},
    "orthodont_ma1_reml": {"loglik": -231.0108931, "theta1": 0.4310023, "variance": 4.7324089},
    "orthodont_ma2_reml": {"loglik": -219.4105037, "theta2": 1.0},
    "orthodont_corsymm_reml": {"loglik": -213.0853168},
    "orthodont_us_reml": {"loglik": -212.2734001},
    "orthodont_us_ml": {"loglik": -209.7385241},
    "orthodont_hcs_reml": {"loglik": -215.9861881},
    "orthodont_har1_reml": {"loglik": -221.3980801},
    "grid_iid_reml": {"loglik": -77.7151070},
    "grid_ar1_ar1_reml": {
        **{"loglik": -75.8103407, "rho[row]": 0.180110, "rho[column]": 0.312424},
        "variance": 1.805753,
    },
    "grid_rows_reml": {"loglik": -77.6548764, "rho": 0.09023},
    "grid_columns_reml": {"loglik": -76.0589804, "rho": 0.29675},
    "grid_ma_ma_reml": {"loglik": -74.9566266, "variance": 2.125473},
    "grid_missing_ar1_ar1_reml": {
        **{"loglik": -63.4219747, "rho[row]": 0.311176, "rho[column]": 0.524631},
        "variance": 1.655486,
    },
    "replicates_random_reml": {"loglik": -28.23253215 / 2, "variance": 0.2168867},
    "replicates_uniform_reml": {"loglik": -28.23253215 / 2, "rho": 0.7709445},
    "replicates_missing_random_reml": {"loglik": -21.02278303 / 2},
    "replicates_missing_uniform_reml": {"loglik": -21.02278303 / 2},
}


@cache
def _columns(case: StructureCase) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Data, X and y without the engine."""
    data = case.data()
    fixed = case.formula.split("~")[1]
    kept = [term for term in fixed.split("+") if "|" not in term]
    X = model_matrix("+".join(kept), data, context={"np": np})
    y = data[case.formula.split("~")[0].strip()]
    return data, np.asarray(X, dtype=float), y.to_numpy(dtype=float)


def _points(data: pd.DataFrame, columns: list[str], correlation: str) -> np.ndarray:
    numbers = []
    for name in columns:
        column = data[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = pd.Series(column.cat.codes.to_numpy(), dtype=float)
        numbers.append(column.to_numpy(dtype=float))
    if correlation in ("corsymm", "ante"):
        return np.unique(numbers[0], return_inverse=True)[1].astype(float)
    return np.column_stack(numbers)


def _covariance(case: StructureCase, natural: np.ndarray) -> np.ndarray:
    """σ²-free V at natural parameters and the stored covariance of random effects."""
    data, _, _ = _columns(case)
    entry = case.entry
    names = [n for n in case.parameters if n.split("[")[0] not in _OF_VARIANCE]
    series = None if entry["series"] is None else data[entry["series"]].to_numpy(dtype=str)
    points = _points(data, entry["at"], entry["correlation"])
    R = correlation(entry["correlation"], natural[: len(names)], points, series)
    if entry["variance"] != "none":
        x = data[entry["of"]]
        if entry["variance"] == "idh":
            x = pd.Series(pd.Categorical(x).remove_unused_categories().codes).astype(int)
        sd = standard_deviations(entry["variance"], natural[len(names) :], x.to_numpy())
        R = sd[:, None] * R * sd
    for term, G in zip(_random(case), case.random_covariance, strict=True):
        R = R + term.covariance(G / case.sigma**2)
    return R


_OF_VARIANCE = ("sd", "power", "rate", "const")


def _random(case: StructureCase) -> list[RandomTerm]:
    data, _, _ = _columns(case)
    terms = []
    for term in case.entry["random"] or ():
        basis = [np.ones(len(data))]
        if term["basis"] != "~1":
            basis.append(data[term["basis"].removeprefix("~")].to_numpy(dtype=float))
        terms.append(RandomTerm(data[term["group"]].to_numpy(dtype=str), np.column_stack(basis)))
    return terms


def _natural(case: StructureCase) -> np.ndarray:
    return np.array(list(case.parameters.values()))


def _twin(case: StructureCase) -> Estimates:
    _, X, y = _columns(case)
    return estimates(X, y, _covariance(case, _natural(case)), case.reml)


@pytest.mark.parametrize("case", one_in(2, structure_cases()), ids=str)
def test_figures_are_those_of_the_twin(case: StructureCase) -> None:
    twin = _twin(case)
    assert -0.5 * twin.value == pytest.approx(case.loglik, abs=2e-9)
    assert_allclose((twin.beta - case.beta) / case.se, 0.0, atol=1e-8)
    assert_allclose(twin.se, case.se, rtol=1e-8)
    assert twin.sigma == pytest.approx(case.sigma, rel=1e-8)


@pytest.mark.parametrize("case", one_in(2, [c for c in structure_cases() if c.parameters]), ids=str)
def test_figures_are_optima(case: StructureCase) -> None:
    """No slope is left in the natural parameters; at a bound, none that leads inside."""
    _, X, y = _columns(case)
    at, scale = _natural(case), 1e-4
    centre = _twin(case).value
    for i, value in enumerate(at):
        step = scale * max(abs(value), 0.1)
        around = []
        for sign in (1.0, -1.0):
            if case.at_bound and abs(value + sign * step) >= 1.0:
                continue
            moved = at.copy()
            moved[i] += sign * step
            around.append(estimates(X, y, _covariance(case, moved), case.reml).value)
        assert min(around) > centre - 1e-8
        if len(around) == 2:
            rise = np.mean(around) - centre  # half the curvature times step²
            offset = (around[0] - around[1]) / (4.0 * rise) * step  # of the optimum, by a parabola
            assert abs(offset) < 2e-5 * max(abs(value), 0.1)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_published_figures(name: str) -> None:
    case = structure_case(name)
    found = {"loglik": case.loglik, "sigma": case.sigma, "variance": case.sigma**2}
    found |= dict(case.parameters)
    for quantity, printed in PUBLISHED[name].items():
        digits = len(f"{printed:.10g}".partition(".")[2])
        # parameters as printed carry what the optimiser left, up to 1e-6
        finest = 7 if quantity == "loglik" else 6
        assert found[quantity] == pytest.approx(printed, abs=0.6 * 10.0 ** -min(digits, finest))


def test_published_covariances() -> None:
    """Unstructured by ML: the first row of R that SAS prints; by REML the diagonal."""

    def covariance(name: str) -> np.ndarray:
        case = structure_case(name)
        own = case.parameters
        R = correlation(
            "corsymm", [v for k, v in own.items() if k.startswith("rho")], np.arange(4.0)
        )
        sd = case.sigma * np.array([1.0, *(own[f"sd[{visit}]"] for visit in (2, 3, 4))])
        return sd[:, None] * R * sd

    assert_allclose(
        covariance("orthodont_us_ml")[0], [5.1192, 2.4409, 3.6105, 2.5222], rtol=0, atol=6e-5
    )
    assert -2.0 * structure_case("orthodont_us_ml").loglik == pytest.approx(419.477, abs=6e-4)
    diagonal = np.diagonal(covariance("orthodont_us_reml"))
    assert_allclose(diagonal, [5.425, 4.191, 6.263, 4.986], rtol=0, atol=6e-4)


def test_published_lag_correlations_of_moving_averages() -> None:
    own = structure_case("grid_ma_ma_reml").parameters
    lags = [theta / (1.0 + theta**2) for theta in own.values()]
    assert_allclose(lags, [0.435728, 0.309472], rtol=0, atol=6e-7)


def test_published_replicates() -> None:
    """One model three ways, and the means where the units have unequal numbers of rows."""
    full = structure_case("replicates_random_reml")
    assert_allclose(full.random_covariance[0], 0.7299859, rtol=0, atol=6e-8)
    assert_allclose(full.beta, [10.33, 2.81], rtol=1e-9)
    assert_allclose(full.se, [0.6333567, 0.8176600], rtol=0, atol=6e-8)
    part = structure_case("replicates_missing_random_reml")
    assert_allclose(part.beta, [10.384056, 2.925678], rtol=0, atol=6e-7)

    data = part.data()
    means = data.groupby("unit")[["x", "y"]].mean()
    counts = data.groupby("unit").size().to_numpy(dtype=float)
    X = np.column_stack([np.ones(5), means["x"]])
    y = means["y"].to_numpy()
    by_count = estimates(X, y, np.diag(1.0 / counts))
    assert_allclose(by_count.beta, [10.53, 2.848571], rtol=0, atol=6e-7)
    variances = float(part.random_covariance[0].item()) + part.sigma**2 / counts
    assert_allclose(estimates(X, y, np.diag(variances)).beta, part.beta, rtol=1e-9)

    data = full.data()
    means = data.groupby("unit")[["x", "y"]].mean()
    X = np.column_stack([np.ones(5), means["x"]])
    of_means = estimates(X, means["y"].to_numpy(), np.eye(5))
    assert of_means.sigma**2 == pytest.approx(0.8022815, abs=6e-8)
    assert_allclose(of_means.se, full.se, rtol=1e-9)


def test_witnesses() -> None:
    """nlme and glmmTMB never find a higher likelihood; where nlme's is lower it stopped early."""
    early = set()
    for case in structure_cases():
        for witness in ("nlme", "glmmtmb"):
            value = case.entry.get(witness)
            if value is None:
                continue
            # glmmTMB's restricted likelihood carries the error of its Laplace approximation
            slack = 1e-6 if witness == "nlme" else 1e-4
            assert value < case.loglik + slack, case.id
            if witness == "nlme" and value < case.loglik - WITNESS:
                early.add(case.id)
    assert early == NLME_STOPS_EARLY


NLME_STOPS_EARLY = {"places_sph_nugget_ml"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "residual", "starts"),
    [
        ("orthodont_ar1_reml", "ar1", np.sin, [[0.3], [-0.3]]),
        ("orthodont_ma1_reml", "ma", np.sin, [[0.3], [-0.3]]),
        ("orthodont_exp_ml", "exp", np.exp, [[0.0]]),
        ("series_crossed_ar1_reml", "ar1", np.sin, [[0.3]]),
        ("grid_ar1_ar1_reml", "ar1:ar1", np.sin, [[0.2, 0.2]]),
    ],
)
def test_twin_finds_the_optimum(name, kind, residual, starts) -> None:
    case = structure_case(name)
    data, X, y = _columns(case)
    points = _points(data, case.entry["at"], kind)
    series = None if case.entry["series"] is None else data[case.entry["series"]].to_numpy(str)
    found = maximise(
        X,
        y,
        lambda phi: correlation(kind, residual(phi), points, series),
        starts,
        reml=case.reml,
        random=_random(case),
    )
    assert -0.5 * found.value == pytest.approx(case.loglik, abs=1e-8)
    assert found.gradient < 1e-5
    assert_allclose(residual(found.phi), _natural(case), rtol=1e-6)


def test_gradient_of_a_known_function() -> None:
    x = np.array([0.7, -1.3])
    found = gradient(lambda x: float(np.exp(x[0]) * np.sin(x[1])), x)
    known = [np.exp(0.7) * np.sin(-1.3), np.exp(0.7) * np.cos(-1.3)]
    assert_allclose(found, known, rtol=1e-10)


def test_simulated_data_are_those_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from residual_data import MAKERS

    for name, make in MAKERS.items():
        stored = pd.read_csv(FOLDER / f"{name}.csv")
        made = make().round(6).reset_index(drop=True)
        pd.testing.assert_frame_equal(stored, made, check_dtype=False, rtol=0, atol=2e-6)
