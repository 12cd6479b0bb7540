"""Sparse Cholesky factors: order, pattern, numbers, solves and selected inverse."""

from __future__ import annotations

import sys
from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from lmforms.engine.linalg import compiled as compiled_module
from lmforms.engine.linalg import factor_pattern as pattern_module
from lmforms.engine.linalg.cholmod import have_cholmod
from lmforms.engine.linalg.elimination import elimination_tree
from lmforms.engine.linalg.not_positive_definite import NotPositiveDefiniteError
from lmforms.engine.linalg.ordering import _superlu_order, fill_reducing_order
from lmforms.engine.linalg.sparse_cholesky import (
    SparseCholesky,
    cholesky_of,
    sparse_backend,
)
from lmforms.engine.linalg.takahashi import compiled_selected_inverse, plain_selected_inverse
from lmforms.errors import ArgumentError, MemoryLimitError, NumericalError

pytestmark = pytest.mark.one_in(4)

pytest.importorskip("numba")
BACKENDS = ["sparse", "superlu", *(["cholmod"] if have_cholmod() else [])]


@pytest.fixture(params=[False, True, "large panels"])
def compiled(request, monkeypatch):
    """Plain loops; compiled ones; compiled ones with LAPACK wherever it can be."""
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", 0.0 if request.param else 1e99)
    if request.param == "large panels":
        monkeypatch.setattr(pattern_module, "LARGE_PANEL", 0.0)
        monkeypatch.setattr(pattern_module, "NARROW", 1)
    return request.param


@st.composite
def sparse_matrices(draw: st.DrawFn, least: int = 1) -> sp.csc_matrix:
    """Random sparse positive definite matrices, with dense corners now and then."""
    m = draw(st.integers(least, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    a = np.where(rng.random((m, m)) < draw(st.floats(0.0, 0.3)), rng.normal(size=(m, m)), 0.0)
    dense = draw(st.integers(0, m))
    a[:dense, :dense] = rng.normal(size=(dense, dense))
    a = a + a.T
    a = a + np.diag(1.0 + np.abs(a).sum(axis=1))
    mixed = rng.permutation(m)
    scale = 10.0 ** rng.uniform(-draw(st.integers(0, 6)), 0, m)
    return sp.csc_matrix((scale[:, None] * a * scale)[np.ix_(mixed, mixed)])


def lower_of(matrix: sp.csc_matrix) -> sp.csc_matrix:
    lower = sp.tril(matrix, format="csc")
    lower.sort_indices()
    return lower


def filled_pattern(pattern: np.ndarray) -> np.ndarray:
    """The pattern of L by elimination on the graph."""
    filled = pattern.copy()
    for j in range(len(filled)):
        below = j + 1 + np.flatnonzero(filled[j + 1 :, j])
        filled[np.ix_(below, below)] = True
    return np.tril(filled)


def loads(backend: str, compiled: object) -> None:
    if backend == "sparse" and not compiled:
        pytest.skip("it has no plain loops")


# --- against dense algebra ----------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_against_dense_algebra(backend, compiled):
    loads(backend, compiled)

    @settings(max_examples=60, deadline=None)
    @given(matrix=sparse_matrices(), columns=st.integers(0, 3))
    def check(matrix, columns):
        lower = lower_of(matrix)
        cholesky = SparseCholesky(lower.indptr, lower.indices, backend)
        factored = cholesky.factor(lower.data)
        pattern, order = factored.pattern, cholesky.order
        assert sorted(order) == list(range(len(order)))
        permuted = matrix.toarray()[np.ix_(order, order)]
        filled = filled_pattern(permuted != 0)
        np.testing.assert_array_equal(cholesky.counts, filled.sum(axis=0))
        L = factored.lower.toarray()
        assert not (L.astype(bool) & ~filled).any()
        np.testing.assert_allclose(L, np.linalg.cholesky(permuted), rtol=1e-10, atol=1e-14)
        expected = np.linalg.slogdet(permuted)[1]
        assert factored.log_det == pytest.approx(expected, rel=1e-12, abs=1e-12)
        np.testing.assert_array_equal(pattern.indices[cholesky.where].max() < pattern.m, True)

        dense = matrix.toarray()
        rhs = np.random.default_rng(1).normal(size=(len(dense), columns))
        solved = factored.solve(rhs)
        assert solved.shape == rhs.shape
        back = np.abs(dense) @ np.abs(solved) + np.abs(rhs)
        assert (np.abs(dense @ solved - rhs) <= 1e-12 * back).all()
        np.testing.assert_allclose(factored.solve(dense[:, 0]), np.eye(len(dense))[0], atol=1e-10)

        of = np.repeat(np.arange(pattern.m), np.diff(pattern.indptr))
        inverse = np.linalg.inv(permuted)
        relative = np.sqrt(np.outer(inverse.diagonal(), inverse.diagonal()))
        for z in (factored.inverse(), plain_selected_inverse(pattern, factored.values)):
            near = np.abs(z - inverse[pattern.indices, of])
            assert (near <= 1e-10 * relative[pattern.indices, of]).all()

    check()


@settings(max_examples=40, deadline=None)
@given(matrix=sparse_matrices())
def test_compiled_and_plain_loops_agree(matrix):
    lower = lower_of(matrix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_module, "COMPILED_WORK", 1e99)
        plain = SparseCholesky(lower.indptr, lower.indices, "superlu")
        of = lower.indptr.astype(np.int64), lower.indices.astype(np.int32), plain.order
        tree = elimination_tree(*of)
        pattern = plain.pattern
        patch.setattr(compiled_module, "COMPILED_WORK", 0.0)
        other = elimination_tree(*of)
        np.testing.assert_array_equal(tree.parent, other.parent)
        np.testing.assert_array_equal(tree.counts, other.counts)
        again = SparseCholesky(lower.indptr, lower.indices, "superlu")
        again.order, again._tree = plain.order, plain._tree
        np.testing.assert_array_equal(again.pattern.indices, pattern.indices)
        np.testing.assert_array_equal(again.where, plain.where)
        a, b = plain.factor(lower.data), again.factor(lower.data)
        again.backend = "sparse"
        c = again.factor(lower.data)
        for other in (b, c):
            scale = np.abs(a.values).max()
            np.testing.assert_allclose(other.values, a.values, rtol=1e-9, atol=1e-13 * scale)


def test_panels_of_every_width():
    """A dense matrix bordered by sparse ones: loops, products in BLAS, and LAPACK."""
    from lmforms.engine.linalg import takahashi_kernels

    rng = np.random.default_rng(0)
    for width, height in product([2, 5, 17, 40, 130], [0, 1, 30, 150]):
        m = width + height
        a = rng.normal(size=(m, m))
        matrix = sp.csc_matrix(a @ a.T + m * np.eye(m))
        other = sp.random(60, 60, 0.05, random_state=1)
        matrix = sp.block_diag([matrix, other + other.T + 10 * sp.identity(60)], format="lil")
        matrix[width:m, m + 1] = matrix[m + 1, width:m] = 0.1
        lower = lower_of(matrix.tocsc())
        cholesky = SparseCholesky(lower.indptr, lower.indices, "sparse")
        factored = cholesky.factor(lower.data)
        dense = matrix.toarray()[np.ix_(cholesky.order, cholesky.order)]
        np.testing.assert_allclose(
            factored.lower.toarray(), np.linalg.cholesky(dense), atol=1e-12 * np.abs(dense).max()
        )
        pattern = factored.pattern
        of = np.repeat(np.arange(pattern.m), np.diff(pattern.indptr))
        z = compiled_selected_inverse(takahashi_kernels, pattern, factored.values)
        np.testing.assert_allclose(z, np.linalg.inv(dense)[pattern.indices, of], atol=1e-12)


# --- the order ----------------------------------------------------------------------------


def grid(*shape: int) -> sp.csc_matrix:
    out = sp.csc_matrix((1, 1))
    for n in shape:
        path = sp.diags([1.0, 1.0], [-1, 1], shape=(n, n))
        out = sp.kron(out, sp.identity(n)) + sp.kron(sp.identity(out.shape[0]), path)
    return out.tocsc()


def pedigree() -> sp.csc_matrix:
    """Three generations of few sires: what an animal model's equations look like."""
    rng = np.random.default_rng(0)
    n, per = 3_000, 1_000
    rows, cols = [], []
    for animal in range(per, n):
        first = animal // per * per - per
        s, d = first + rng.integers(20), first + 20 + rng.integers(200)
        rows += [animal, animal, d]
        cols += [s, d, s]
    herds = rng.integers(0, 50, n)
    rows += list(n + herds)
    cols += list(range(n))
    return sp.csc_matrix((np.ones(len(rows)), (rows, cols)), shape=(n + 50, n + 50))


PATTERNS = {
    "grid": lambda: grid(70, 70),
    "cube": lambda: grid(14, 14, 14),
    "random": lambda: sp.random(2_000, 2_000, 0.002, random_state=1),
    "band": lambda: sp.diags([1.0] * 9, range(9), shape=(3_000, 3_000)),
    "pedigree": pedigree,
    "arrow": lambda: sp.csc_matrix(
        (np.ones(2_999), (np.arange(1, 3_000), np.zeros(2_999, dtype=int))), shape=(3_000, 3_000)
    ),
    "two arrows": lambda: sp.block_diag([PATTERNS["arrow"](), PATTERNS["arrow"]()]),
    "pieces": lambda: sp.block_diag([grid(20, 20), sp.csc_matrix((50, 50)), grid(30, 5), [[1.0]]]),
    "dense": lambda: np.ones((300, 300)),
    "star of dense rows": lambda: sp.bmat(
        [[grid(40, 40), np.ones((1_600, 5))], [np.ones((5, 1_600)), None]]
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("mixed", [False, True])
def test_the_order_fills_little(name, mixed, monkeypatch):
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", 0.0)
    pattern = sp.csc_matrix(PATTERNS[name]())
    m = pattern.shape[0]
    pattern = (pattern + pattern.T + sp.identity(m)).tocsc()
    if mixed:
        at = np.random.default_rng(2).permutation(m)
        pattern = pattern[at][:, at]
    lower = lower_of(pattern)
    indptr, indices = lower.indptr.astype(np.int64), lower.indices.astype(np.int32)
    order, found = fill_reducing_order(indptr, indices)
    parent, counts = found.parent, found.counts
    np.testing.assert_array_equal(np.sort(order), np.arange(m))
    tree = elimination_tree(indptr, indices, order)
    np.testing.assert_array_equal(tree.parent, parent)
    np.testing.assert_array_equal(tree.counts, counts)
    # children come before their parents, subtrees in one piece
    assert ((parent == -1) | (parent > np.arange(m))).all()
    other = elimination_tree(indptr, indices, _superlu_order(indptr, indices)).counts
    assert counts.sum() <= 1.3 * other.sum()


def test_the_fill_is_counted_until_it_is_too_much(compiled):
    if compiled == "large panels":
        pytest.skip("nothing is factored")
    full = np.tril(np.ones((30, 30), dtype=bool))
    indptr = np.concatenate([[0], np.cumsum(full.sum(axis=0))]).astype(np.int64)
    rows = np.nonzero(full.T)[1].astype(np.int32)
    assert len(rows) == indptr[-1]
    counts = elimination_tree(indptr, rows, np.arange(30)).counts
    np.testing.assert_array_equal(counts, np.arange(30, 0, -1))
    some = elimination_tree(indptr, rows, np.arange(30), 100.0)
    assert 100 < some.nnz < counts.sum()
    assert not some.complete
    assert SparseCholesky(indptr, rows, "superlu", 100.0).nnz > 100


@pytest.mark.slow
def test_a_factor_that_would_be_enormous_is_ordered_and_counted(monkeypatch):
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", 0.0)
    rng = np.random.default_rng(0)
    m = 100_000  # a random graph: its factor has billions of entries
    pattern = sp.csc_matrix((np.ones(4 * m), rng.integers(0, m, (2, 4 * m))), shape=(m, m))
    lower = lower_of((pattern + pattern.T + sp.identity(m)).tocsc())
    cholesky = SparseCholesky(lower.indptr, lower.indices, "sparse", most=1e6)
    assert 1e6 < cholesky.nnz < 1e6 + m
    with pytest.raises(MemoryLimitError, match="more than"):
        cholesky.factor(np.ones(lower.nnz))


# --- edges --------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("m", [0, 1, 2, 7])
@pytest.mark.parametrize("dense", [False, True])
def test_small_and_full_patterns(backend, m, dense, compiled):
    loads(backend, compiled)
    if backend == "cholmod" and m == 0:
        pytest.skip("CHOLMOD takes no empty matrices")
    matrix = sp.csc_matrix(2.0 * np.eye(m) + (1.0 if dense else 0.0))
    lower = lower_of(matrix)
    factored = SparseCholesky(lower.indptr, lower.indices, backend).factor(lower.data)
    expected = np.linalg.inv(matrix.toarray())
    np.testing.assert_allclose(factored.solve(np.eye(m)), expected, atol=1e-14)
    assert factored.log_det == pytest.approx(np.linalg.slogdet(matrix.toarray())[1], abs=1e-12)
    assert factored.inverse().shape == factored.values.shape


@pytest.mark.parametrize("backend", BACKENDS)
def test_numbers_that_are_zero_keep_their_place(backend, compiled):
    loads(backend, compiled)
    pattern = lower_of(sp.csc_matrix(grid(6, 6) + sp.identity(36)))
    cholesky = SparseCholesky(pattern.indptr, pattern.indices, backend)
    diagonal = np.where(pattern.indices == np.repeat(np.arange(36), np.diff(pattern.indptr)), 4, 0)
    for share in (0.0, 0.5, 1.0):
        values = np.where(diagonal > 0, 4.0, -share)
        matrix = sp.csc_matrix((values, pattern.indices, pattern.indptr), shape=(36, 36))
        dense = (matrix + sp.tril(matrix, -1).T).toarray()
        factored = cholesky.factor(values)
        assert len(factored.values) == cholesky.nnz
        np.testing.assert_allclose(factored.solve(np.eye(36)), np.linalg.inv(dense), atol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_indefinite_matrix_is_refused(backend, compiled):
    loads(backend, compiled)

    @settings(max_examples=60, deadline=None)
    @given(matrix=sparse_matrices(), seed=st.integers(0, 2**16), by=st.sampled_from([0.0, 1e-6, 1]))
    def check(matrix, seed, by):
        """A diagonal entry below what the other rows explain of it."""
        dense = matrix.toarray()
        at = np.random.default_rng(seed).integers(len(dense))
        rest = np.delete(np.arange(len(dense)), at)
        explained = dense[at, rest] @ np.linalg.solve(dense[np.ix_(rest, rest)], dense[rest, at])
        dense[at, at] = explained * (1 - 1e-6) - by * dense[at, at]
        lower = lower_of(matrix)
        of = np.repeat(np.arange(len(dense)), np.diff(lower.indptr))
        cholesky = SparseCholesky(lower.indptr, lower.indices, backend)
        with pytest.raises(NumericalError, match="not positive definite"):
            cholesky.factor(dense[lower.indices, of])

    check()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [np.nan, -1.0, 0.0])
def test_a_pivot_that_is_no_positive_number(backend, value, compiled):
    loads(backend, compiled)
    if backend == "cholmod" and np.isnan(value):
        pytest.skip("CHOLMOD does not look")
    matrix = lower_of((sp.csc_matrix(np.ones((40, 40))) + 40 * sp.identity(40)).tocsc())
    data = matrix.data.copy()
    data[matrix.indptr[20]] = value
    with pytest.raises(NotPositiveDefiniteError) as caught:
        SparseCholesky(matrix.indptr, matrix.indices, backend).factor(data)
    if backend != "cholmod" and value <= 0.0:
        assert caught.value.row == 20


@pytest.mark.parametrize("backend", BACKENDS)
def test_singular_by_rounding(backend, compiled):
    """Differences of neighbours: no pivot is zero, the last is rounding."""
    loads(backend, compiled)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        weights = rng.uniform(0.1, 10.0, 59)
        d = sp.diags([np.ones(60), -np.ones(59)], [0, 1]).tocsr()[:59]
        scale = sp.diags(10.0 ** rng.uniform(-3, 3, 60)[rng.permutation(60)])
        q = (d.T @ sp.diags(weights) @ d).tocsc()
        unit = sp.diags(1.0 / np.sqrt((scale @ q @ scale).diagonal()))
        q = (unit @ scale @ q @ scale @ unit).tocsc()
        at = rng.permutation(60)
        lower = lower_of(q[at][:, at])
        with pytest.raises(NotPositiveDefiniteError):
            SparseCholesky(lower.indptr, lower.indices, backend).factor(lower.data, 1e-12)


def test_one_matrix_without_its_diagonal():
    """An entry of the diagonal that is zero is not stored."""
    with pytest.raises(NotPositiveDefiniteError):
        cholesky_of(sp.csc_matrix([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    cholesky, factored = cholesky_of(sp.csr_array(np.diag([1.0, 4.0, 9.0])))
    np.testing.assert_allclose(factored.values**2, np.array([1.0, 4.0, 9.0])[cholesky.order])


# --- the choice of a backend --------------------------------------------------------------


def test_the_backend_is_chosen_in_one_place(monkeypatch):
    large, small = 1e9, 1e3
    assert sparse_backend("auto", large) == "sparse"
    assert sparse_backend("auto", small) == "superlu"
    for asked in BACKENDS:
        assert sparse_backend(asked, small) == asked
    monkeypatch.setitem(sys.modules, "sksparse.cholmod", None)
    assert not have_cholmod()
    assert sparse_backend("auto", large) == "sparse"
    with pytest.raises(ArgumentError, match=r"scikit-sparse.*'sparse'"):
        sparse_backend("cholmod", large)
    monkeypatch.setitem(sys.modules, "lmforms.engine.linalg.cholesky_kernels", None)
    assert sparse_backend("auto", large) == "superlu"
    with pytest.raises(ArgumentError, match="numba"):
        sparse_backend("sparse", large)


@pytest.mark.parametrize(
    "matrix",
    [
        sp.diags([np.ones(29_999), 4.0 * np.ones(30_000)], [-1, 0]),  # many short columns
        sp.csc_matrix(np.tril(np.ones((200, 200)))),  # few long ones
    ],
)
def test_large_patterns_are_the_packages_own(matrix):
    lower = lower_of(matrix.tocsc())
    assert SparseCholesky(lower.indptr, lower.indices).backend == "sparse"
    few = lower_of(matrix.tocsc()[:100, :100])
    assert SparseCholesky(few.indptr, few.indices).backend == "superlu"
