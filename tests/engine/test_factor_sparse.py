"""Sparse, block-diagonal and dense Schur complements: one answer, and what does not fit."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from dense import dense_fit
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import SmallModel, problem_of, scaled_rows

import lmforms as lf
from lmforms.covariance import Unstructured
from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import System, sparse
from lmforms.engine.factor import system as system_module
from lmforms.engine.factor.coupling import SparseCoupling
from lmforms.engine.factor.coupling_pattern import SparsityPattern, ranges
from lmforms.engine.factor.nested import NestedSolver
from lmforms.engine.factor.sparse import SparseSolver
from lmforms.engine.linalg import batched, threads
from lmforms.engine.linalg import compiled as compiled_module
from lmforms.engine.linalg.batched import multiply
from lmforms.engine.linalg.cholmod import have_cholmod
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums import pair_sums
from lmforms.engine.sums.cross_products import cross_products
from lmforms.errors import MemoryLimitError
from lmforms.residual import Independent

pytestmark = pytest.mark.one_in(4)

KINDS = {"sparse": "sparse", "superlu": "sparse (superlu)", "cholmod": "sparse (cholmod)"}
BACKENDS = ["sparse", "superlu", *(["cholmod"] if have_cholmod() else [])]
CODES = {
    "nested": lambda rng, n: [np.arange(n) // 2, np.arange(n) // 8],
    "nested, parents scattered": lambda rng, n: [
        np.arange(n) // 2,
        (np.arange(n) // 2 * 7) % 11,
    ],
    "three levels": lambda rng, n: [np.arange(n) // 2, np.arange(n) // 6, np.arange(n) // 24],
    "middle first": lambda rng, n: [np.arange(n) // 6, np.arange(n) // 2, np.arange(n) // 24],
    "nested and crossed": lambda rng, n: [
        np.arange(n) // 2,
        np.arange(n) // 8,
        rng.permutation(np.arange(n) % 4),
    ],
    "neighbours": lambda rng, n: [
        np.arange(n) // 2,
        np.minimum((np.arange(n) + rng.integers(0, 3, n)) // 4, n // 4),
        np.minimum((np.arange(n) + rng.integers(0, 4, n)) // 7, n // 7),
    ],
}


def model_of(kind: str, seed: int, k: int, n: int = 72, zero: int | None = None) -> SmallModel:
    rng = np.random.default_rng(seed)
    factors = []
    for codes in CODES[kind](rng, n):
        _, codes = np.unique(codes, return_inverse=True)
        basis = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1)) + 1.0])
        factors.append(FactorRows(codes.astype(np.intp), int(codes.max()) + 1, basis))
    covariances = tuple(Unstructured(k) for _ in factors)
    thetas = [rng.normal(size=c.n_theta) for c in covariances]
    if zero is not None:
        thetas[zero % len(thetas)][:] = 0.0
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = 5.0 + X[:, 1] + rng.normal(size=n)
    rows = ModelRows(y, X, tuple(factors), Independent())
    return SmallModel(rows, covariances, np.concatenate(thetas), True)


def evaluated(model: SmallModel, path: str):
    _, scaling = scaled_rows(model)
    system = System(cross_products(model.rows, scaling), path)
    problem = Problem(system, model.covariances, model.reml)
    return system, differentiate(evaluate(problem, model.theta))


@pytest.fixture
def nothing_is_small(monkeypatch):
    """What is chosen for large models, on small ones."""
    monkeypatch.setattr(system_module, "DENSE_COUPLING", 0)
    monkeypatch.setattr(system_module, "DENSE_COUPLING_SHARE", 2.0)
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", 0.0)


# --- one answer ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(CODES))
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("compiled", [False, True, "threaded"])
def test_all_paths_agree(kind, k, compiled, monkeypatch):
    if compiled:
        pytest.importorskip("numba")
    if compiled == "threaded":
        monkeypatch.setattr(threads, "THREADED_WORK", 0.0)
    model = model_of(kind, 1, k)
    _, dense = evaluated(model, "dense")
    monkeypatch.setattr(system_module, "DENSE_COUPLING", 0)
    monkeypatch.setattr(system_module, "DENSE_COUPLING_SHARE", 2.0)
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", 0.0 if compiled else 1e99)
    for path in ["auto", "dense", *BACKENDS]:
        system, at = evaluated(model, path)
        if path in BACKENDS:
            assert isinstance(system.solver, SparseSolver)
            assert system.blocks("abc"[: len(system.shapes)])[-1].kind == KINDS[path]
        assert at.value == pytest.approx(dense.value, rel=1e-12)
        np.testing.assert_allclose(at.gradient, dense.gradient, rtol=1e-9, atol=1e-9)
        scale = np.abs(dense.information).max()
        np.testing.assert_allclose(at.information, dense.information, rtol=1e-9, atol=1e-9 * scale)
        for a, b in zip(at.factor.level_blocks(), dense.factor.level_blocks(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@example(kind="nested", seed=3499, k=3, zero=None)  # a singular value of λ of 1.02e-4
@given(
    kind=st.sampled_from(["nested", "nested, parents scattered"]),
    seed=st.integers(0, 2**16),
    k=st.integers(1, 3),
    zero=st.none() | st.integers(0, 1),
)
def test_nested_factors_against_the_dense_twin(kind, seed, k, zero):
    model = model_of(kind, seed, k, n=40, zero=zero)
    problem, inner = problem_of(model)
    assert isinstance(problem.system.solver, NestedSolver)
    assert problem.system.blocks("ab")[-1].kind == "block diagonal"
    fast = differentiate(evaluate(problem, model.theta))
    slow = dense_fit(inner, model.covariances, model.theta, model.reml)
    assert fast.value == pytest.approx(slow.value, rel=1e-10)
    for g, d in zip(fast.covariance_gradients, slow.covariance_gradients, strict=True):
        np.testing.assert_allclose(g, d, rtol=1e-7, atol=1e-7 * np.abs(d).max())
    scale = np.abs(slow.information).max()
    np.testing.assert_allclose(fast.information, slow.information, rtol=1e-7, atol=1e-8 * scale)


@pytest.mark.usefixtures("nothing_is_small")
@pytest.mark.parametrize("kind", ["three levels", "neighbours"])
@pytest.mark.parametrize("k", [1, 2])
def test_zero_variance_of_very_many_levels(kind, k, monkeypatch):
    for zero in range(3):
        model = model_of(kind, 2, k, zero=zero)
        _, exact = evaluated(model, "superlu")
        with monkeypatch.context() as m:
            m.setattr(sparse, "STRIPS", 0)
            _, regularised = evaluated(model, "superlu")
        for a, b in zip(regularised.covariance_gradients, exact.covariance_gradients, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max())
        np.testing.assert_allclose(regularised.gradient, exact.gradient, rtol=1e-5, atol=1e-5)


def test_levels_without_rows():
    model = model_of("nested", 3, 2)
    more = tuple(FactorRows(f.codes + 2, f.n_levels + 3, f.basis) for f in model.rows.factors)
    rows = ModelRows(model.rows.y, model.rows.X, more, Independent())
    wider = SmallModel(rows, model.covariances, model.theta, True)
    for path in ["auto", *BACKENDS]:
        assert evaluated(wider, path)[1].value == pytest.approx(
            evaluated(model, "dense")[1].value, rel=1e-12
        )


def test_without_scikit_sparse(monkeypatch):
    monkeypatch.setitem(sys.modules, "sksparse.cholmod", None)
    assert not have_cholmod()
    model = model_of("three levels", 4, 1)
    monkeypatch.setattr(system_module, "DENSE_COUPLING", 0)
    monkeypatch.setattr(system_module, "DENSE_COUPLING_SHARE", 2.0)
    monkeypatch.setattr(system_module, "DENSE_SCHUR", 0)
    monkeypatch.setattr(system_module, "FULL_PAIR_RATIO", np.inf)
    monkeypatch.setattr(system_module, "DENSE_FILL", np.inf)
    monkeypatch.setattr(system_module, "SPARSE_COST_RATIO", 0.0)
    system, _ = evaluated(model, "auto")
    assert system.blocks("abc")[-1].kind == "sparse (superlu)"


# --- products of blocks, and how rows are shared ------------------------------------------


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_compiled_products_of_blocks(transpose, shared, monkeypatch):
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 3, 3)), rng.normal(size=(30, 3, 2))
    a = a[0] if shared else a
    a = a.swapaxes(-1, -2) if transpose else a
    expected = a @ b
    monkeypatch.setattr(batched, "COMPILED_LEVELS", 0)
    np.testing.assert_allclose(multiply(a, b), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_ranges_of_rows_share_the_pairs_of_entries(parts):
    rng = np.random.default_rng(0)
    p = sp.random(200, 900, 0.05, format="csc", random_state=rng)
    p.sort_indices()
    places = SparsityPattern(p.indices.astype(np.int32), p.indptr.astype(np.int32), 200)
    pairs = (np.diff(p.indptr) * (np.diff(p.indptr) + 1)).sum() / 2
    for work in (places.row_work, places.column_work):
        assert work.sum() == pairs
        bounds = ranges(work, parts)
        assert bounds[0] == 0
        assert bounds[-1] == places.m
        shares = np.add.reduceat(work, bounds[:-1])
        assert np.abs(shares - pairs / parts).max() <= 2 * work.max()


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("threaded", [False, True])
def test_compiled_loops_of_a_sparse_coupling(k, threaded, monkeypatch):
    kernels = pytest.importorskip("lmforms.engine.factor.coupling_kernels")
    if threaded:
        monkeypatch.setattr(threads, "THREADED_WORK", 0.0)
    rng = np.random.default_rng(k)
    p = sp.random(60, 200, 0.1, format="csc", random_state=rng)
    p.sort_indices()
    places = SparsityPattern(p.indices.astype(np.int32), p.indptr.astype(np.int32), 60)
    coupling = SparseCoupling(rng.normal(size=(p.nnz, k)), places)
    upper = np.triu_indices(60, 1)
    out = rng.normal(size=(60, 60))
    out[upper] = np.nan  # neither read nor written
    wanted = out - coupling.gram().toarray()
    kernels.rank_update(places, coupling.values, out)
    np.testing.assert_allclose(out, wanted, rtol=1e-12, atol=1e-12)
    q = rng.normal(size=(60, 60))
    full = np.tril(q) + np.tril(q, -1).T
    wanted = coupling.contracted(full).sum(axis=0)
    q[upper] = np.nan
    found = kernels.dense_contracted_sum(places, coupling.values, q)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)


# --- sums over pairs of levels ------------------------------------------------------------


@pytest.mark.parametrize("kind", list(CODES))
def test_pairs_of_many_levels(kind, monkeypatch):
    model = model_of(kind, 5, 2)
    plain = problem_of(model)[0].system.cp
    monkeypatch.setattr(pair_sums, "MOST_TABULATED_PAIRS", 0)
    sorted_ = problem_of(model)[0].system.cp
    for key, pair in plain.pairs.items():
        other = sorted_.pairs[key]
        np.testing.assert_array_equal(pair.rows, other.rows)
        np.testing.assert_array_equal(pair.cols, other.cols)
        np.testing.assert_allclose(pair.blocks, other.blocks, rtol=1e-13)


# --- memory -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BACKENDS)
@pytest.mark.parametrize(
    "memory, what",
    [(10**6, "blocks between the factors"), (10**7, "pattern"), (3e7, "sparse factor")],
)
def test_every_large_array_is_refused_before_it_is_made(path, memory, what):
    rng = np.random.default_rng(0)
    n = 60_000
    a, b = rng.integers(0, 20_000, n), rng.integers(0, 9_000, n)
    data = pd.DataFrame({"y": rng.normal(size=n), "a": a, "b": b})
    control = lf.Control(factor=path, memory=int(memory))
    with pytest.raises(
        MemoryLimitError, match=rf"{what}.*are allowed, enough\s+for [\d,]+ entries\."
    ):
        lf.lmer("y ~ 1 + (1 | a) + (1 | b)", data, control=control)


@pytest.mark.usefixtures("nothing_is_small")
@pytest.mark.parametrize("stage", ["analyze", "cholesky", "L"])
@pytest.mark.parametrize("error", ["CholmodOutOfMemoryError", "CholmodTooLargeError"])
def test_cholmod_without_memory(stage, error, monkeypatch):
    cholmod = pytest.importorskip("sksparse.cholmod")
    real = cholmod.analyze

    def fail(*args, **options):
        raise getattr(cholmod, error)("no memory")

    class Symbolic:
        """Fails at one stage."""

        def __init__(self, matrix, **options):
            self.inner = real(matrix, **options)
            self.P = self.inner.P

        def cholesky(self, matrix):
            return fail() if stage == "cholesky" else self

        L = fail

    monkeypatch.setattr(cholmod, "analyze", fail if stage == "analyze" else Symbolic)
    rng = np.random.default_rng(0)
    data = pd.DataFrame({c: rng.integers(0, 40, 300) for c in "abc"}).assign(y=rng.normal(size=300))
    with pytest.raises(MemoryLimitError, match=r"CHOLMOD.*Control\(factor='cg'\)"):
        lf.lmer("y ~ 1 + (1 | a) + (1 | b) + (1 | c)", data, control=lf.Control(factor="cholmod"))


def test_a_small_dense_factor_is_counted_too():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 60, (400, 2)), columns=["a", "b"]).assign(
        y=rng.normal(size=400)
    )
    with pytest.raises(MemoryLimitError, match=r"Control\(memory=…\)"):
        lf.lmer(
            "y ~ 1 + (1 | a) + (1 | b)", frame, control=lf.Control(memory=1_000, factor="dense")
        )
