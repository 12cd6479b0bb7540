"""Random small models for property tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from lmforms import Control, MixedModelResults
from lmforms.covariance import Covariance, Diagonal, Stacked, Unstructured
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import System
from lmforms.engine.kernel_choice import compiled_as, kernels_of_fit
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums.cross_products import cross_products
from lmforms.engine.sums.sums_of_rows import choose_scaling
from lmforms.residual import Independent, Weighted


@dataclass
class SmallModel:
    rows: ModelRows
    covariances: tuple[Covariance, ...]
    theta: np.ndarray
    reml: bool

    @property
    def n_theta(self) -> int:
        return len(self.theta)


def make_model(
    seed: int,
    levels: tuple[int, ...],
    columns: tuple[int, ...],
    structures: tuple[str, ...],
    *,
    n: int = 40,
    weighted: bool = False,
    reml: bool = True,
    zeros: bool = False,
    nested: bool = False,
) -> SmallModel:
    """A model with the given grouping factors and everything else drawn from `seed`."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = 5.0 + 2.0 * rng.normal(size=n)
    factors, covariances = [], []
    for i, (q, k, structure) in enumerate(zip(levels, columns, structures, strict=True)):
        codes = rng.integers(0, q, n)
        codes[:q] = np.arange(q)
        if nested and i:
            codes = factors[0].codes % q
        basis = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1)) + 2.0])
        factors.append(FactorRows(codes.astype(np.intp), int(codes.max()) + 1, basis))
        if structure == "us":
            covariances.append(Unstructured(k))
        elif structure == "diag" or k == 1:
            covariances.append(Stacked.of([Diagonal(k)]))
        else:
            covariances.append(Stacked.of([Unstructured(1), Unstructured(k - 1)]))
    theta = rng.normal(size=sum(c.n_theta for c in covariances))
    if zeros:
        theta[rng.random(len(theta)) < 0.5] = 0.0
    residual = Weighted(rng.uniform(0.3, 3.0, n)) if weighted else Independent()
    return SmallModel(ModelRows(y, X, tuple(factors), residual), tuple(covariances), theta, reml)


@st.composite
def small_models(draw: st.DrawFn, max_factors: int = 3) -> SmallModel:
    """Models of one to three grouping factors, nested or crossed, at any θ."""
    count = draw(st.integers(1, max_factors))
    return make_model(
        seed=draw(st.integers(0, 2**16)),
        levels=tuple(draw(st.integers(2, 7)) for _ in range(count)),
        columns=tuple(draw(st.integers(1, 3)) for _ in range(count)),
        structures=tuple(draw(st.sampled_from(["us", "diag", "stacked"])) for _ in range(count)),
        n=draw(st.integers(25, 45)),
        weighted=draw(st.booleans()),
        reml=draw(st.booleans()),
        zeros=draw(st.booleans()),
        nested=draw(st.booleans()),
    )


def columns_of_every_kind(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Numbers, weights, a category, text, booleans, and six groups."""
    return pd.DataFrame(
        {
            "y": rng.normal(size=n) + 2.0 * (np.arange(n) % 6),
            "x": rng.normal(size=n),
            "w": rng.uniform(1, 2, n),
            "f": pd.Categorical(rng.choice(list("cab"), n), categories=["c", "a", "b"]),
            "s": rng.choice(["u", "v"], n),
            "b": rng.random(n) > 0.5,
            "g": np.arange(n) % 6,
        }
    )


def scaled_rows(model: SmallModel) -> tuple[ModelRows, object]:
    """The rows in the engine's units, for the twin."""
    rows = model.rows
    scaling = choose_scaling(rows, model.covariances)
    X = scaling.units.x(rows.X)
    return (
        ModelRows(
            y=(rows.y - X @ scaling.pilot.gamma) / scaling.pilot.y_scale,
            X=X,
            factors=tuple(
                FactorRows(f.codes, f.n_levels, m(f.basis))
                for f, m in zip(rows.factors, scaling.units.bases, strict=True)
            ),
            residual=rows.residual,
        ),
        scaling,
    )


def problem_of(model: SmallModel, path: str = "auto") -> tuple[Problem, ModelRows]:
    """`path` is a method of `System`, or ``"compiled"``: ``"auto"`` with the kernels of fits."""
    inner, scaling = scaled_rows(model)
    system = System(cross_products(model.rows, scaling), "auto" if path == "compiled" else path)
    if path == "compiled":
        with compiled_as(True):
            system.kernels = kernels_of_fit(system.count)
    return Problem(system, model.covariances, model.reml), inner


def fit_at(fit: MixedModelResults, theta: np.ndarray, control: Control) -> MixedModelResults:
    """The model of a fit at θ, without optimising."""
    state = fit.state
    options = {"reml": fit.reml, "start": theta, "control": control, "method": "auto"}
    return state.refit(state.response, **options, optimize=False)
