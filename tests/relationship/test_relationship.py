"""Covariances in four forms: the same K, its root, its parts; and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import lmforms as lf
from lmforms.errors import ArgumentError, RelationshipError
from lmforms.relationship import Relationship

LABELS = tuple("abcdef")


def a_covariance(seed, rank=6):
    root = np.random.default_rng(seed).normal(size=(6, rank))
    return root @ root.T


def forms(seed):
    """One regular K in each form."""
    K = a_covariance(seed, rank=9)
    blocks = K * np.kron(np.eye(2), np.ones((3, 3)))
    lower = np.linalg.cholesky(K)
    return [
        (K, Relationship.of(K, LABELS)),
        (blocks, Relationship.of(sp.csr_matrix(blocks), LABELS)),
        (K, Relationship.from_root(lower, LABELS)),
        (blocks, Relationship.from_precision(sp.csr_array(np.linalg.inv(blocks)), LABELS)),
    ]


def array(matrix):
    return matrix.toarray() if sp.issparse(matrix) else matrix


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(LABELS), st.integers(1, 6))
def test_forms_agree_with_k(seed, order, n):
    for K, r in forms(seed):
        np.testing.assert_allclose(r.dense(), K, rtol=1e-6, atol=1e-6)
        root = array(r.root())
        assert r.rank == root.shape[1] == 6
        np.testing.assert_allclose(root @ root.T, K, rtol=1e-6, atol=1e-6)
        levels = order[:n]
        at = r.positions(levels)
        part = K[np.ix_(at, at)]
        np.testing.assert_allclose(r.subset(levels).dense(), part, rtol=1e-6, atol=1e-6)
        aligned = r.aligned(levels)
        assert aligned.labels[:n] == tuple(levels)
        np.testing.assert_allclose(aligned.dense()[:n, :n], part, rtol=1e-6, atol=1e-6)
        assert len(aligned) == (6 if r.form.keeps_all_levels else n)


@pytest.mark.parametrize("rank", [0, 1, 3, 5])
def test_null_directions_are_dropped(rank):
    K = a_covariance(2, rank)
    sparse = np.kron(np.eye(2), K)
    twelve = range(12)
    for full, r, expected in [
        (K, Relationship.of(K, LABELS), rank),
        (sparse, Relationship.of(sp.coo_matrix(sparse), twelve), 2 * rank),
    ]:
        root = array(r.root())
        assert r.rank == root.shape[1] == expected
        np.testing.assert_allclose(root @ root.T, full, atol=1e-10)


def test_no_variance_at_all():
    for r in (
        Relationship.of(np.zeros((6, 6)), LABELS),
        Relationship.of(sp.csr_matrix((6, 6)), LABELS),
        Relationship.from_root(np.zeros((6, 2)), LABELS),
        Relationship.from_root(np.zeros((6, 0)), LABELS),
    ):
        assert r.root().shape == (6, 0)
        assert not r.dense().any()


def test_wide_and_dependent_roots_are_compressed():
    root = np.random.default_rng(0).normal(size=(6, 20))
    dependent = np.repeat(root[:, :2], 2, axis=1)
    for given_root, rank in ((root, 6), (dependent, 2)):
        r = Relationship.from_root(given_root, LABELS)
        assert r.rank == rank
        np.testing.assert_allclose(r.root() @ r.root().T, given_root @ given_root.T, atol=1e-12)
    tall = root[:, :3]
    np.testing.assert_array_equal(Relationship.from_root(tall, LABELS).root(), tall)


def test_sparse_blocks_of_different_sizes():
    rng = np.random.default_rng(5)
    blocks = [rng.normal(size=(k, r)) for k, r in [(1, 1), (4, 2), (2, 5), (4, 4), (1, 1), (3, 1)]]
    K = sp.block_diag([b @ b.T for b in blocks], format="csr")
    shuffle = rng.permutation(K.shape[0])
    K = K[shuffle][:, shuffle]
    r = Relationship.of(K, range(K.shape[0]))
    root = r.root()
    assert sp.issparse(root)
    assert r.rank == root.shape[1] == 1 + 2 + 2 + 4 + 1 + 1
    np.testing.assert_allclose((root @ root.T).toarray(), K.toarray(), atol=1e-12)
    assert root.nnz <= (K != 0).sum()


def test_noise_below_zero_is_no_rank():
    K = a_covariance(8, 3)
    noise = np.random.default_rng(1).normal(size=K.shape) * 1e-7 * np.linalg.eigvalsh(K)[-1]
    r = Relationship.of(K + (noise + noise.T) / 8, LABELS)
    assert r.rank <= 5  # what is below zero, and as close to it above
    np.testing.assert_allclose(r.root() @ r.root().T, K, atol=1e-5)


def test_single_precision_passes():
    root = np.random.default_rng(3).normal(size=(300, 40)).astype(np.float32)
    assert Relationship.of(root @ root.T, range(300)).rank < 300


def test_ways_to_give_labels():
    K = np.eye(2)
    frame = pd.DataFrame(K, index=["a", "b"], columns=["a", "b"])
    for r in (
        Relationship.of(frame),
        Relationship.of((K, ["a", "b"])),
        Relationship.of(K, np.array(["a", "b"])),
        Relationship.of(K, pd.Index(["a", "b"])),
        Relationship.from_root(pd.DataFrame(K, index=["a", "b"])),
        Relationship.from_precision(frame),
    ):
        assert r.labels == ("a", "b")
        assert Relationship.of(r) is r
    assert repr(Relationship.of(frame)) == "Relationship(2 labels, dense)"


def test_what_was_given_is_copied():
    K = np.eye(2)
    r, root = Relationship.of(K, "ab"), Relationship.from_root(K, "ab")
    K[0, 0] = 7.0
    assert r.dense()[0, 0] == root.dense()[0, 0] == 1.0


def test_a_lazy_name():
    assert "relationship" in dir(lf)
    assert lf.relationship.Relationship is Relationship


# --- refused ------------------------------------------------------------------------------


def symmetric(**entries):
    K = np.eye(3)
    for place, value in entries.items():
        i, j = (int(c) for c in place[1:])
        K[i, j] = value
    return K


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.coo_array])
@pytest.mark.parametrize(
    ("K", "message"),
    [
        (np.ones((3, 2)), r"must be square; it has shape \(3, 2\)"),
        (np.eye(4), "has 4 rows, but there are 3 labels"),
        (symmetric(_01=0.25, _10=0.5), r"differs by 0.25 at \('a', 'b'\): 0.25 against 0.5"),
        (symmetric(_12=np.nan, _21=np.nan), r"is nan at \('(b|c)', '(b|c)'\)"),
        (symmetric(_00=np.inf), r"is inf at \('a', 'a'\)"),
        (symmetric(_01=2, _10=2), r"lowest eigenvalue is -1, -0.33 of the largest, 3\."),
        (-np.eye(3), "not positive semi-definite"),
        (np.eye(3) * 1j, "must consist of real numbers"),
    ],
)
def test_covariances(kind, K, message):
    with pytest.raises(RelationshipError, match=message):
        Relationship.of(kind(K), "abc")


def test_large_sparse_covariance_names_the_level():
    n = 2500
    K = sp.identity(n, format="lil")
    K[7, 7] = -1.0
    with pytest.raises(RelationshipError, match=r"as eliminating level 7 shows\. Such"):
        Relationship.of(K.tocsr(), range(n))


@pytest.mark.parametrize(
    ("Q", "message"),
    [
        (np.array([[1.0, -1.0], [-1.0, 1.0]]), "lowest eigenvalue .*An improper prior"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "not positive definite"),
        (np.diag([1.0, 0.0]), "diagonal of the precision is not positive at 'b'"),
        (np.ones((2, 3)), "must be square"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "precision is not symmetric"),
    ],
)
def test_precisions(Q, message):
    with pytest.raises(RelationshipError, match=message):
        Relationship.from_precision(sp.csc_matrix(Q), "ab")


def test_scales_do_not_matter_for_precisions():
    S = np.diag([1e-9, 1.0, 1e9])
    C = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    r = Relationship.from_precision(S @ C @ S, "abc")
    np.testing.assert_allclose(S @ r.dense() @ S, np.linalg.inv(C), rtol=1e-10)


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (np.ones(2), "must be a matrix"),
        (np.ones((3, 2)), "3 rows, but there are 2 labels"),
        (np.array([[1.0], [np.nan]]), "not finite in the rows 'b'"),
        (np.array([["x"], ["y"]]), "must consist of real numbers"),
    ],
)
def test_roots(root, message):
    with pytest.raises(RelationshipError, match=message):
        Relationship.from_root(root, "ab")


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (["a", "b"], ["b", "a"], r"another order, from row 'a' on. `K = K\[K.index\]`"),
        (["a", "b"], ["a", "c"], "Not among the rows: 'c'.*K.columns = K.index"),
        ([1, 2], ["1", "2"], r"a label 1 \(int\), but not '1' \(str\)"),
        (["a", "a"], ["a", "a"], "must be unique. More than once: 'a'"),
        (["a", None], ["a", None], "missing at position 1|labelled differently"),
    ],
)
def test_frames(rows, columns, message):
    with pytest.raises(RelationshipError, match=message):
        Relationship.of(pd.DataFrame(np.eye(2), index=rows, columns=columns))


def test_arguments():
    K = np.eye(2)
    frame = pd.DataFrame(K, index=["a", "b"], columns=["a", "b"])
    for call in (
        lambda: Relationship.of(K),
        lambda: Relationship.of((K, "ab"), labels="ab"),
        lambda: Relationship.of((K, "ab", 3)),
        lambda: Relationship.of((frame, "ab")),
        lambda: Relationship.of(frame, labels="ab"),
        lambda: Relationship.of(Relationship.of(K, "ab"), labels="ab"),
        lambda: Relationship.of(K, labels=[[1], [2]]),
        lambda: Relationship.of(K, "ab").positions([["a"]]),
    ):
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(RelationshipError, match="2 rows, but 1 labels"):
        Relationship(("a",), Relationship.of(frame).form)


def test_levels_without_a_label():
    r = Relationship.of(np.eye(2), labels=["1", "2"])
    for method in (r.positions, r.aligned, r.subset):
        with pytest.raises(RelationshipError, match=r"levels 1, 2.*give both the same type"):
            method([1, 2])
    with pytest.raises(RelationshipError, match=r"'a0', 'a1', 'a2', 'a3', 'a4', … \(9 in all\)"):
        r.positions([f"a{i}" for i in range(9)])
    with pytest.raises(RelationshipError, match="must be unique"):
        r.aligned(["1", "1"])


@pytest.mark.parametrize(
    "make", [Relationship.of, Relationship.from_root, Relationship.from_precision]
)
def test_masked_numbers_are_missing_and_complex_ones_refused(make):
    masked = np.ma.array(np.eye(2), mask=[[True, False], [False, False]])
    with pytest.raises(RelationshipError, match="'a'"):
        make(masked, labels=["a", "b"])
    for matrix in (
        np.eye(2) + 0j,
        np.ma.array(np.eye(2) + 0j),
        (np.eye(2) + 0j).astype(object),
        np.array([[np.complex64(1), 0], [0, 1]], dtype=object),
        np.eye(2).astype(str),
        [[1.0, 0.0], [1.0]],
    ):
        with pytest.raises(RelationshipError, match="real numbers"):
            make(matrix, labels=["a", "b"])


def test_labels_of_nanoseconds_stay_apart():
    moments = np.array([1, 2], dtype="datetime64[ns]")
    assert Relationship.of(np.eye(2), labels=moments).labels == tuple(pd.to_datetime(moments))


@pytest.mark.parametrize("n, nearly_singular", [(2, True), (30, True), (30, False)])
def test_nearly_singular_precisions_are_refused(n, nearly_singular):
    # of all precisions of neighbours, an intrinsic autoregression and a little more
    D = np.diff(np.eye(n), axis=0)
    Q = D.T @ D + (1e-11 if nearly_singular else 1e-7) * np.eye(n)
    if not nearly_singular:
        assert Relationship.from_precision(Q, range(n)).rank == n
        return
    with pytest.raises(RelationshipError, match=r"nearly singular: .*the covariance itself"):
        Relationship.from_precision(Q, range(n))
    # both ways out
    assert Relationship.from_precision(Q + 1e-8 * np.diag(np.diag(Q)), range(n)).rank == n
    assert Relationship.of(np.linalg.inv(Q), range(n)).rank >= 1
