"""Kenward-Roger tests from dense n x n matrices, with observed and with expected information.

    python tests/reference/observed_kenward_roger.py        (from the repository root)

Writes tests/reference/observed_kenward_roger.json. Needs NumPy and pandas only: neither lmforms
nor R, so that the figures are independent of both. The variance parameters are found by Newton's
method on the restricted likelihood with its exact derivatives.

The formulas are those of M. G. Kenward and J. H. Roger (1997), Small sample inference for fixed
effects from restricted maximum likelihood, Biometrics 53, 983-997, sections 2 to 4. The observed
information in place of the expected one is what SAS and JMP use. V is linear in the variances and
covariances of random effects; for a residual correlation its second derivatives are kept (their
matrix R_ij, equation 7), and left out for the figures named `linear`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
DATASETS = HERE.parents[1] / "datasets"
Array = np.ndarray


@dataclass(frozen=True)
class Covariance:
    """V and its derivatives at one point: ``first[i]``, ``second[i][j]`` (None where 0)."""

    v: Array
    first: list[Array]
    second: list[list[Array | None]]


@dataclass(frozen=True)
class Model:
    """y, X, the covariance as a function of its parameters, their names and a start."""

    y: Array
    x: Array
    covariance: Callable[[Array], Covariance]
    names: list[str]
    start: Array


# -- covariances -------------------------------------------------------------------------------


def linear(matrices: Sequence[Array]) -> Callable[[Array], Covariance]:
    """V = sum of parameter times matrix."""
    count = len(matrices)

    def covariance(parameters: Array) -> Covariance:
        v = sum(p * m for p, m in zip(parameters, matrices, strict=True))
        none: list[list[Array | None]] = [[None] * count for _ in range(count)]
        return Covariance(np.asarray(v), list(matrices), none)

    return covariance


def intercept(group: Array) -> Array:
    """ZZ' of a random intercept."""
    return (group[:, None] == group[None, :]).astype(float)


def intercept_and_slope(group: Array, x: Array) -> list[Array]:
    """Matrices of the variance of intercepts, the covariance, the variance of slopes."""
    same = intercept(group)
    return [same, same * (x[:, None] + x[None, :]), same * np.outer(x, x)]


def intercept_with_ar1(group: Array, time: Array) -> Callable[[Array], Covariance]:
    """V = b ZZ' + s R(rho), R = rho^|t - t'| within a group: parameters b, s, rho."""
    same = intercept(group)
    lag = np.abs(time[:, None] - time[None, :])

    def covariance(parameters: Array) -> Covariance:
        b, s, rho = parameters
        r = same * rho**lag
        dr = same * np.where(lag > 0, lag * rho ** np.maximum(lag - 1, 0), 0.0)
        ddr = same * np.where(lag > 1, lag * (lag - 1) * rho ** np.maximum(lag - 2, 0), 0.0)
        second: list[list[Array | None]] = [
            [None, None, None],
            [None, None, dr],
            [None, dr, s * ddr],
        ]
        return Covariance(b * same + s * r, [same, r, s * dr], second)

    return covariance


# -- restricted likelihood ---------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """What the formulas need at one point."""

    model: Model
    covariance: Covariance
    vi: Array
    phi: Array
    beta: Array
    p: Array
    criterion: float
    gradient: Array
    observed: Array
    expected: Array


def evaluate(model: Model, parameters: Array) -> State:
    """Criterion (-2 x restricted log-likelihood), its gradient, and both informations.

    The informations are of the log-likelihood: half the Hessian of the criterion, and half its
    expectation.
    """
    c = model.covariance(parameters)
    sign, logdet = np.linalg.slogdet(c.v)
    if sign <= 0 or np.linalg.eigvalsh(c.v)[0] <= 0:
        raise FloatingPointError("V is not positive definite")
    vi = np.linalg.inv(c.v)
    information_beta = model.x.T @ vi @ model.x
    phi = np.linalg.inv(information_beta)
    beta = phi @ model.x.T @ vi @ model.y
    p = vi - vi @ model.x @ phi @ model.x.T @ vi
    py = p @ model.y
    n, rank = model.x.shape
    criterion = (
        (n - rank) * np.log(2 * np.pi)
        + logdet
        + np.linalg.slogdet(information_beta)[1]
        + model.y @ py
    )
    count = len(c.first)
    gradient = np.array([np.trace(p @ d) - py @ d @ py for d in c.first])
    observed, expected = np.empty((count, count)), np.empty((count, count))
    for i, di in enumerate(c.first):
        for j, dj in enumerate(c.first):
            trace = np.trace(p @ di @ p @ dj)
            expected[i, j] = trace / 2
            observed[i, j] = -trace / 2 + py @ di @ p @ dj @ py
            dij = c.second[i][j]
            if dij is not None:
                observed[i, j] += (np.trace(p @ dij) - py @ dij @ py) / 2
    return State(model, c, vi, phi, beta, p, float(criterion), gradient, observed, expected)


def optimum(model: Model) -> tuple[Array, State]:
    """Scoring first, Newton at the end; halved steps keep the criterion from rising."""
    parameters = model.start.astype(float)
    state = evaluate(model, parameters)
    for _ in range(200):
        positive = np.linalg.eigvalsh(state.observed)[0] > 0
        information = state.observed if positive else state.expected
        step = -np.linalg.solve(information, state.gradient / 2)
        size = 1.0
        while True:
            try:
                candidate = evaluate(model, parameters + size * step)
            except FloatingPointError:
                candidate = None
            rounding = 1e-12 * abs(state.criterion)
            if candidate is not None and candidate.criterion <= state.criterion + rounding:
                break
            size /= 2
            if size < 1e-12:
                return parameters, state
        parameters, state = parameters + size * step, candidate
        if np.max(np.abs(size * step) / np.abs(parameters)) < 1e-13:
            break
    return parameters, state


# -- Kenward and Roger -------------------------------------------------------------------------


@dataclass(frozen=True)
class Adjustment:
    """Adjusted covariance of the coefficients and what the tests need."""

    state: State
    w: Array
    p: list[Array]
    covariance: Array


def adjust(state: State, information: Array, second_derivatives: bool = True) -> Adjustment:
    """Their equations 4 to 7, with W the inverse of the information."""
    w = np.linalg.inv(information)
    c, phi = state.covariance, state.phi
    vix = state.vi @ state.model.x
    p = [-vix.T @ d @ vix for d in c.first]
    total = np.zeros_like(phi)
    for i, di in enumerate(c.first):
        for j, dj in enumerate(c.first):
            q = vix.T @ di @ state.vi @ dj @ vix
            inner = q - p[i] @ phi @ p[j]
            dij = c.second[i][j]
            if dij is not None and second_derivatives:
                inner = inner - vix.T @ dij @ vix / 4
            total += w[i, j] * inner
    return Adjustment(state, w, p, phi + 2 * phi @ total @ phi)


def f_test(adjusted: Adjustment, hypothesis: Array) -> dict[str, float]:
    """Scaled F, scale factor and degrees of freedom of L beta = 0; L of full row rank."""
    phi, w = adjusted.state.phi, adjusted.w
    rows = len(hypothesis)
    theta = hypothesis.T @ np.linalg.inv(hypothesis @ phi @ hypothesis.T) @ hypothesis
    t = [theta @ phi @ p @ phi for p in adjusted.p]
    pairs = [(i, j) for i in range(len(t)) for j in range(len(t))]
    a1 = sum(w[i, j] * np.trace(t[i]) * np.trace(t[j]) for i, j in pairs)
    a2 = sum(w[i, j] * np.trace(t[i] @ t[j]) for i, j in pairs)
    b = (a1 + 6 * a2) / (2 * rows)
    g = ((rows + 1) * a1 - (rows + 4) * a2) / ((rows + 2) * a2)
    denominator = 3 * rows + 2 * (1 - g)
    c1, c2, c3 = g / denominator, (rows - g) / denominator, (rows + 2 - g) / denominator
    mean = 1 / (1 - a2 / rows)
    variance = 2 / rows * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
    rho = variance / (2 * mean**2)
    df = 4 + (rows + 2) / (rows * rho - 1)
    scaling = df / (mean * (df - 2))
    value = hypothesis @ adjusted.state.beta
    middle = np.linalg.inv(hypothesis @ adjusted.covariance @ hypothesis.T)
    unscaled = float(value @ middle @ value) / rows
    return {
        "statistic": scaling * unscaled,
        "num_df": rows,
        "den_df": float(df),
        "scaling": float(scaling),
        "unscaled_statistic": unscaled,
    }


def satterthwaite_df(adjusted: Adjustment, row: Array) -> float:
    """Degrees of freedom of one row with the information of `adjusted`, unadjusted covariance."""
    phi = adjusted.state.phi
    gradient = np.array([-(row @ phi @ p @ phi @ row) for p in adjusted.p])
    return float(2 * (row @ phi @ row) ** 2 / (gradient @ adjusted.w @ gradient))


# -- models ------------------------------------------------------------------------------------


def columns(*parts: Array) -> Array:
    return np.column_stack([np.asarray(part, dtype=float) for part in parts])


def treatment(values: pd.Series, levels: Sequence[str]) -> list[Array]:
    """Indicators of all levels but the first."""
    return [(values.astype(str) == level).to_numpy(dtype=float) for level in levels[1:]]


def battery() -> Model:
    data = pd.read_csv(HERE / "battery.csv")
    x = [data[f"X{k}"].to_numpy() for k in range(1, 7)]
    pairs = [x[i] * x[j] for i in range(6) for j in range(i + 1, 6)]
    n = len(data)
    parts = [intercept(data["WP"].to_numpy()), intercept(data["SP"].to_numpy()), np.eye(n)]
    return Model(
        data["Y"].to_numpy(dtype=float),
        columns(np.ones(n), *x, *pairs),
        linear(parts),
        ["WP", "SP", "residual"],
        np.array([5.0, 2.0, 20.0]),
    )


def wind_tunnel() -> Model:
    """Columns in the order of R and lmforms: main effects, squares, products."""
    data = pd.read_csv(HERE / "wind_tunnel.csv")
    x = [data[name].to_numpy() for name in ("FRH", "RRH", "YA", "GC")]
    pairs = [x[i] * x[j] for i in range(4) for j in range(i + 1, 4)]
    n = len(data)
    return Model(
        data["efficiency"].to_numpy(),
        columns(np.ones(n), *x, *(a**2 for a in x), *pairs),
        linear([intercept(data["WP"].to_numpy()), np.eye(n)]),
        ["WP", "residual"],
        np.array([5e-4, 5e-4]),
    )


def sleep_first_rows() -> Model:
    data = pd.read_csv(DATASETS / "sleepstudy.csv").iloc[:47]
    days, n = data["Days"].to_numpy(dtype=float), len(data)
    return Model(
        data["Reaction"].to_numpy(),
        columns(np.ones(n), days),
        linear([*intercept_and_slope(data["Subject"].to_numpy(), days), np.eye(n)]),
        ["intercept", "covariance", "slope", "residual"],
        np.array([1500.0, 0.0, 60.0, 700.0]),
    )


def subjects_of_sleepstudy() -> Array:
    return pd.read_csv(DATASETS / "sleepstudy.csv")["Subject"].to_numpy()


def sleep_slope() -> Model:
    data = pd.read_csv(DATASETS / "sleepstudy.csv")
    days, n = data["Days"].to_numpy(dtype=float), len(data)
    return Model(
        data["Reaction"].to_numpy(),
        columns(np.ones(n), days),
        linear([*intercept_and_slope(data["Subject"].to_numpy(), days), np.eye(n)]),
        ["intercept", "covariance", "slope", "residual"],
        np.array([600.0, 10.0, 30.0, 600.0]),
    )


def machines_unbalanced() -> Model:
    dropped = {2, 3, 6, 8, 9, 12, 19, 20, 27, 33}
    data = pd.read_csv(DATASETS / "Machines.csv")
    data = data.iloc[[k - 1 for k in range(1, 55) if k not in dropped]]
    n = len(data)
    worker = data["Worker"].to_numpy().astype(str)
    both = np.char.add(worker, data["Machine"].to_numpy().astype(str))
    return Model(
        data["score"].to_numpy(),
        columns(np.ones(n), *treatment(data["Machine"], ["A", "B", "C"])),
        linear([intercept(worker), intercept(both), np.eye(n)]),
        ["Worker", "Worker:Machine", "residual"],
        np.array([20.0, 10.0, 1.0]),
    )


def oats_unbalanced() -> Model:
    dropped = {3, 10, 11, 25, 40, 41, 42, 60, 71}
    about = json.loads((DATASETS / "Oats.json").read_text(encoding="utf-8"))
    data = pd.read_csv(DATASETS / "Oats.csv")
    data = data.iloc[[k - 1 for k in range(1, 73) if k not in dropped]]
    n = len(data)
    variety = treatment(data["Variety"], about["columns"]["Variety"]["levels"])
    nitrogen = [(data["nitro"] == level).to_numpy(dtype=float) for level in (0.2, 0.4, 0.6)]
    block = data["Block"].to_numpy().astype(str)
    plot = np.char.add(block, data["Variety"].to_numpy().astype(str))
    products = [v * level for level in nitrogen for v in variety]
    return Model(
        data["yield"].to_numpy(dtype=float),
        columns(np.ones(n), *variety, *nitrogen, *products),
        linear([intercept(block), intercept(plot), np.eye(n)]),
        ["Block", "Block:Variety", "residual"],
        np.array([200.0, 100.0, 180.0]),
    )


def unbalanced_slope() -> Model:
    data = pd.read_csv(HERE / "unbalanced.csv")
    x, n = data["x"].to_numpy(), len(data)
    a = treatment(data["a"], ["a1", "a2", "a3"])
    b = treatment(data["b"], ["b1", "b2", "b3", "b4"])
    return Model(
        data["y"].to_numpy(),
        columns(np.ones(n), *a, *b, x),
        linear([*intercept_and_slope(data["group"].to_numpy(), x), np.eye(n)]),
        ["intercept", "covariance", "slope", "residual"],
        np.array([0.8, 0.0, 0.1, 1.2]),
    )


def sleep_uncorrelated() -> Model:
    data = pd.read_csv(DATASETS / "sleepstudy.csv")
    days, n = data["Days"].to_numpy(dtype=float), len(data)
    intercepts, _, slopes = intercept_and_slope(data["Subject"].to_numpy(), days)
    return Model(
        data["Reaction"].to_numpy(),
        columns(np.ones(n), days),
        linear([intercepts, slopes, np.eye(n)]),
        ["intercept", "slope", "residual"],
        np.array([600.0, 30.0, 600.0]),
    )


def sleep_quadratic() -> Model:
    data = pd.read_csv(DATASETS / "sleepstudy.csv")
    days, n = data["Days"].to_numpy(dtype=float), len(data)
    same = intercept(data["Subject"].to_numpy())
    parts = [same, same * np.outer(days, days), same * np.outer(days**2, days**2), np.eye(n)]
    return Model(
        data["Reaction"].to_numpy(),
        columns(np.ones(n), days, days**2),
        linear(parts),
        ["intercept", "slope", "quadratic", "residual"],
        np.array([600.0, 20.0, 0.2, 600.0]),
    )


def sleep_weights() -> Model:
    """Var(e_i) = sigma^2 / w_i with w = 1 / (1 + Days / 4)."""
    plain = sleep_slope()
    days = plain.x[:, 1]
    parts = [*intercept_and_slope(subjects_of_sleepstudy(), days), np.diag(1 + days / 4)]
    return Model(plain.y, plain.x, linear(parts), plain.names, plain.start)


def unbalanced_weights() -> Model:
    data = pd.read_csv(HERE / "unbalanced.csv")
    x, n = data["x"].to_numpy(), len(data)
    a = treatment(data["a"], ["a1", "a2", "a3"])
    b = treatment(data["b"], ["b1", "b2", "b3", "b4"])
    parts = [intercept(data["group"].to_numpy()), np.diag(1 / data["w"].to_numpy())]
    return Model(
        data["y"].to_numpy(),
        columns(np.ones(n), *a, x, *b, *(level * x for level in a)),
        linear(parts),
        ["group", "residual"],
        np.array([0.8, 1.2]),
    )


def cbpp_weights() -> Model:
    data = pd.read_csv(DATASETS / "cbpp.csv")
    size, n = data["size"].to_numpy(dtype=float), len(data)
    parts = [intercept(data["herd"].to_numpy()), np.diag(1 / size)]
    return Model(
        data["incidence"].to_numpy() / size,
        columns(np.ones(n), *treatment(data["period"], ["1", "2", "3", "4"])),
        linear(parts),
        ["herd", "residual"],
        np.array([0.01, 0.2]),
    )


def bioequivalence() -> Model:
    data = pd.read_csv(HERE / "bioequivalence.csv")
    n = len(data)
    period = treatment(data["period"], ["1", "2", "3", "4"])
    formulation = treatment(data["formulation"], ["R", "T"])
    sequence = treatment(data["sequence"], ["ABAB", "BABA"])
    return Model(
        data["log_data"].to_numpy(),
        columns(np.ones(n), *period, *formulation, *sequence),
        linear([intercept(data["subject"].to_numpy()), np.eye(n)]),
        ["subject", "residual"],
        np.array([0.7, 0.2]),
    )


def sleep_ar1() -> Model:
    data = pd.read_csv(DATASETS / "sleepstudy.csv").iloc[:47]
    days, n = data["Days"].to_numpy(dtype=float), len(data)
    return Model(
        data["Reaction"].to_numpy(),
        columns(np.ones(n), days),
        intercept_with_ar1(data["Subject"].to_numpy(), days),
        ["Subject", "residual", "rho"],
        np.array([1000.0, 800.0, 0.3]),
    )


MODELS: dict[str, Callable[[], Model]] = {
    "battery": battery,
    "wind_tunnel": wind_tunnel,
    "sleep_first_rows": sleep_first_rows,
    "sleep_slope": sleep_slope,
    "machines_unbalanced": machines_unbalanced,
    "oats_unbalanced": oats_unbalanced,
    "unbalanced_slope": unbalanced_slope,
    "sleep_uncorrelated": sleep_uncorrelated,
    "sleep_quadratic": sleep_quadratic,
    "sleep_weights": sleep_weights,
    "unbalanced_weights": unbalanced_weights,
    "cbpp_weights": cbpp_weights,
    "bioequivalence": bioequivalence,
    "sleep_ar1": sleep_ar1,
}


# -- figures -----------------------------------------------------------------------------------


def hypotheses(p: int) -> dict[str, Array]:
    """The rows that inference.R tests, where they are of full rank."""
    eye = np.eye(p)
    out = {"all_slopes": eye[1:]}
    if p >= 3:
        last, before, third = eye[-1], eye[-2], eye[-3]
        out["two_rows"] = np.vstack([last - before, last + 0.5 * third])
    return out


def describe(state: State, information: Array, second_derivatives: bool = True) -> dict[str, Any]:
    adjusted = adjust(state, information, second_derivatives)
    p = len(state.beta)
    eye = np.eye(p)
    return {
        "covariance_of_parameters": adjusted.w.tolist(),
        "vcov": adjusted.covariance.tolist(),
        "std_error": np.sqrt(np.diag(adjusted.covariance)).tolist(),
        "df": [f_test(adjusted, row[None, :])["den_df"] for row in eye],
        "satterthwaite_df": [satterthwaite_df(adjusted, row) for row in eye],
        "joint": [
            {"name": name, "L": rows.tolist(), **f_test(adjusted, rows)}
            for name, rows in hypotheses(p).items()
        ],
    }


def figures(model: Model) -> dict[str, Any]:
    parameters, state = optimum(model)
    scaled = np.abs(state.gradient * parameters)
    if scaled.max() > 1e-8:
        raise RuntimeError(f"no optimum: gradient {state.gradient}")
    out = {
        "parameters": dict(zip(model.names, parameters.tolist(), strict=True)),
        "criterion": state.criterion,
        "beta": state.beta.tolist(),
        "observed": describe(state, state.observed),
        "expected": describe(state, state.expected),
    }
    if any(d is not None for row in state.covariance.second for d in row):
        out["observed_linear"] = describe(state, state.observed, second_derivatives=False)
        out["expected_linear"] = describe(state, state.expected, second_derivatives=False)
    return out


def main() -> None:
    out = {name: figures(build()) for name, build in MODELS.items()}
    text = json.dumps(out, indent=1)
    (HERE / "observed_kenward_roger.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
