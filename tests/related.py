"""Random small models with related levels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from models import SmallModel, make_model, scaled_rows

from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import JointSystem
from lmforms.engine.prior import Identity, Precision
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums.cross_products import cross_products


def random_precision(rng: np.random.Generator, q: int) -> np.ndarray:
    """A sparse precision such as a pedigree has, with a condition of some hundreds."""
    parents = [rng.integers(0, i) if i and rng.random() < 0.8 else -1 for i in range(q)]
    t = np.eye(q)
    for i, parent in enumerate(parents):
        if parent >= 0:
            t[i, parent] = -0.5
    return t.T @ np.diag(rng.uniform(0.5, 2.0, q)) @ t


@st.composite
def related_models(draw):
    """Models whose grouping factors are related or not, with levels that have no rows."""
    count = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**16))
    model = make_model(
        seed=seed,
        levels=tuple(draw(st.integers(2, 7)) for _ in range(count)),
        columns=tuple(draw(st.integers(1, 3)) for _ in range(count)),
        structures=tuple(draw(st.sampled_from(["us", "diag", "stacked"])) for _ in range(count)),
        n=draw(st.integers(25, 45)),
        weighted=draw(st.booleans()),
        reml=draw(st.booleans()),
        zeros=draw(st.booleans()),
    )
    rng = np.random.default_rng(seed + 1)
    related = [True, *(draw(st.booleans()) for _ in range(count - 1))]
    more = [draw(st.integers(0, 3)) if r else 0 for r in related]
    factors = tuple(
        FactorRows(f.codes, f.n_levels + extra, f.basis)
        for f, extra in zip(model.rows.factors, more, strict=True)
    )
    precisions = [
        random_precision(rng, f.n_levels) if r else None
        for f, r in zip(factors, related, strict=True)
    ]
    return replace(model, rows=replace(model.rows, factors=factors)), precisions


def problem_of(
    model: SmallModel, precisions: list[np.ndarray | None], method: str
) -> tuple[Problem, ModelRows]:
    inner, scaling = scaled_rows(model)
    priors = [Identity() if q is None else Precision(sp.csc_matrix(q)) for q in precisions]
    system = JointSystem(cross_products(model.rows, scaling), priors, method)
    return Problem(system, model.covariances, model.reml), inner
