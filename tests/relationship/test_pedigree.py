"""A, its inverse and inbreeding: definition, textbook, dense inverse; and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pedigrees import by_gene_dropping, parents, random_parents

from lmforms.errors import ArgumentError, ColumnError, DataError, RelationshipError
from lmforms.relationship import Pedigree
from lmforms.relationship.ancestry import generations
from lmforms.relationship.inbreeding import (
    inbreeding,
    inbreeding_by_families,
    mendelian_variances,
    tabular_relationship,
)


def pedigree(sire, dam, **options):
    names = [f"a{i}" for i in range(len(sire))]
    named = [[names[p] if p >= 0 else None for p in column] for column in (sire, dam)]
    return Pedigree.of(names, *named, **options)


MRODE = pd.DataFrame({"animal": range(1, 7), "sire": [0, 0, 1, 1, 4, 5], "dam": [0, 0, 2, 0, 3, 2]})
MRODE_A = np.array(
    [
        [1, 0, 0.5, 0.5, 0.5, 0.25],
        [0, 1, 0.5, 0, 0.25, 0.625],
        [0.5, 0.5, 1, 0.25, 0.625, 0.5625],
        [0.5, 0, 0.25, 1, 0.625, 0.3125],
        [0.5, 0.25, 0.625, 0.625, 1.125, 0.6875],
        [0.25, 0.625, 0.5625, 0.3125, 0.6875, 1.125],
    ]
)


# --- A ------------------------------------------------------------------------------------


def test_textbook():
    # Mrode (2014), example 2.1
    mrode = Pedigree.of(MRODE)
    np.testing.assert_array_equal(mrode.relationship(), MRODE_A)
    np.testing.assert_array_equal(mrode.inbreeding(), [0, 0, 0, 0, 0.125, 0.125])
    assert mrode.precision().toarray()[5].round(3).tolist() == [0, -1.067, 0, 0, -1.067, 2.133]


@settings(max_examples=60, deadline=None)
@given(parents(most=8, crossed=9))
def test_tabular_method_is_the_definition(pair):
    np.testing.assert_allclose(tabular_relationship(*pair), by_gene_dropping(*pair), atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(parents(most=30))
def test_inverse_factor_and_inbreeding(pair):
    p = pedigree(*pair)
    A = p.relationship()
    np.testing.assert_allclose(p.precision() @ A, np.eye(len(A)), atol=1e-10)
    np.testing.assert_allclose(np.linalg.inv(A), p.precision().toarray(), atol=1e-8)
    inverse, d = p.factor()
    T = np.linalg.inv(inverse.toarray())
    np.testing.assert_allclose((T * d) @ T.T, A, atol=1e-12)
    np.testing.assert_allclose(p.inbreeding(), np.diagonal(A) - 1, atol=1e-14)
    np.testing.assert_allclose(inbreeding_by_families(*pair), np.diagonal(A) - 1, atol=1e-12)


@pytest.mark.parametrize("back", [None, 30, 150])
def test_families_against_the_table_on_many(back):
    sire, dam = random_parents(np.random.default_rng(3), 1200, back=back)
    assert len(sire) > 1000  # inbreeding() takes families
    F = np.diagonal(tabular_relationship(sire, dam)) - 1
    assert F.max() > 0.05
    np.testing.assert_allclose(inbreeding(sire, dam), F, atol=1e-12)


def test_the_loop_without_numba(monkeypatch):
    from lmforms.relationship import inbreeding_kernel as kernel

    sire, dam = random_parents(np.random.default_rng(4), 150)
    own = mendelian_variances(sire, dam, inbreeding(sire, dam))
    crossed = np.flatnonzero((sire >= 0) & (dam >= 0))
    parents = (sire, dam, own, sire[crossed], dam[crossed])
    fast = kernel.inherited_variance(*parents)
    monkeypatch.setattr(kernel, "_inherited_variance", kernel._inherited_variance.py_func)
    slow = kernel.inherited_variance(*parents)
    np.testing.assert_allclose(fast, slow, rtol=1e-14)


def test_selfing_to_the_end():
    n = 60
    chain = np.arange(-1, n - 1)
    p = pedigree(chain, chain)
    np.testing.assert_allclose(p.inbreeding(), 1 - 0.5 ** np.arange(n), atol=1e-15)
    with pytest.raises(RelationshipError, match=r"no inverse: the parents of 'a4\d'.*fully inbred"):
        p.precision()


def test_generations():
    assert generations(np.array([-1, -1, 0, 2]), np.array([-1, -1, 1, 0])).tolist() == [0, 0, 1, 2]


def test_founders_only():
    p = pedigree(np.full(1500, -1), np.full(1500, -1))
    assert not p.inbreeding().any()
    assert repr(p) == "Pedigree(1,500 animals, 1,500 founders)"


# --- as a relationship --------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(parents(most=15), st.randoms(use_true_random=False))
def test_relationship_keeps_all_animals(pair, random):
    p = pedigree(*pair)
    A, K = p.relationship(), p.as_relationship()
    np.testing.assert_allclose(K.dense(), A, atol=1e-12)
    levels = random.sample(p.labels, random.randint(1, len(p)))
    at = K.positions(levels)
    aligned = K.aligned(levels)
    assert aligned.labels[: len(levels)] == tuple(levels)
    assert set(aligned.labels) == set(p.labels)
    order = K.positions(aligned.labels)
    np.testing.assert_allclose(aligned.dense(), A[np.ix_(order, order)], atol=1e-12)
    root = aligned.root()
    np.testing.assert_allclose(root @ root.T, A[np.ix_(order, order)], atol=1e-12)
    np.testing.assert_allclose(aligned.form.matrix @ aligned.dense(), np.eye(len(p)), atol=1e-10)
    np.testing.assert_allclose(K.subset(levels).dense(), A[np.ix_(at, at)], atol=1e-12)
    np.testing.assert_allclose(aligned.subset(levels).dense(), A[np.ix_(at, at)], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(parents(most=15), st.randoms(use_true_random=False))
def test_order_does_not_matter(pair, random):
    p = pedigree(*pair)
    names = list(p.labels)
    rows = list(range(len(names)))
    random.shuffle(rows)
    columns = [[names[i] if i >= 0 else "" for i in pair[k][rows]] for k in (0, 1)]
    again = Pedigree.of([names[i] for i in rows], *columns, sort=True)
    at = [again.labels.index(name) for name in names]
    np.testing.assert_allclose(again.relationship()[np.ix_(at, at)], p.relationship(), atol=1e-13)
    np.testing.assert_allclose(again.inbreeding()[at], p.inbreeding(), atol=1e-13)


def test_sorting_moves_nobody_without_need():
    assert Pedigree.of(MRODE, sort=True).labels == tuple(range(1, 7))


# --- input --------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, np.nan, 0, "", "0", pd.NA, pd.NaT])
def test_unknown_parents(nothing):
    p = Pedigree.of(["s", "o"], [nothing, "s"], [nothing, nothing])
    assert (p.sire.tolist(), p.dam.tolist()) == ([-1, 0], [-1, -1])


def test_columns_of_any_kind():
    frame = MRODE.replace({"sire": {0: np.nan}})  # floats, as CSV readers give
    np.testing.assert_array_equal(Pedigree.of(frame).relationship(), MRODE_A)
    nullable = MRODE.replace(0, pd.NA).astype("Int64")
    np.testing.assert_array_equal(Pedigree.of(nullable).relationship(), MRODE_A)
    pl = pytest.importorskip("polars")
    polars = pl.DataFrame({name: MRODE[name].to_numpy() for name in MRODE})
    np.testing.assert_array_equal(Pedigree.of(polars).relationship(), MRODE_A)
    plain = {name: list(MRODE[name]) for name in MRODE}
    assert Pedigree.of(plain).labels == tuple(range(1, 7))


def test_labels_that_look_unknown():
    with pytest.raises(RelationshipError, match=r"Animal 0 cannot be told.*unknown=\(\)"):
        Pedigree.of([0, 1], [None, 0], [None, None])
    assert Pedigree.of([0, 1], [None, 0], [None, None], unknown=()).sire.tolist() == [-1, 0]


def test_parents_added():
    p = Pedigree.of(["o"], ["s"], ["d"], add_parents=True)
    assert p.labels == ("s", "d", "o")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((list("abab"), [0] * 4, [0] * 4), "Animals must be unique. More than once: 'a', 'b'"),
        ((["a", None], [0, 0], [0, 0]), "Animals are missing at position 1"),
        ((["o", "s"], ["s", 0], [0, 0]), "before their parents: 'o' before 's'.*sort=True"),
        ((list("abc"), list("bca"), [0] * 3), "own ancestor.*'a' → 'b' → 'c' → 'a'"),
        ((["a"], ["a"], [0]), "own ancestor.*'a' → 'a'"),
        ((["o"], ["x"], ["y"]), "not listed as animals: 'x', 'y'.*add_parents=True"),
        ((["1", "2"], [0, 1], [0, 0]), r"a label '1' \(str\), but not 1 \(int\)"),
        ((["a", "b"], [0], [0, 0]), "2 animals, but 1 sires and 2 dams"),
    ],
)
def test_refused(columns, message):
    with pytest.raises(RelationshipError, match=message):
        Pedigree.of(*columns)


def test_many_culprits_are_counted():
    names = [f"a{i}" for i in range(200)]
    with pytest.raises(RelationshipError, match=r"\(199 in all\)"):
        Pedigree.of(names, [*names[1:], 0], [0] * 200)
    with pytest.raises(RelationshipError, match=r"'a0' → 'a1'.*… → 'a199' → 'a0'"):
        Pedigree.of(names, [*names[1:], "a0"], [0] * 200, sort=True)


def test_columns_that_are_not_there():
    with pytest.raises(ColumnError, match=r"no `sire`. Did you mean `Sire`\?"):
        Pedigree.of(MRODE.rename(columns={"sire": "Sire"}))
    with pytest.raises(ColumnError, match="no `animal`"):
        Pedigree.of([1, 2, 3])
    with pytest.raises(ArgumentError, match="three columns"):
        Pedigree.of(["a"], ["b"])
    with pytest.raises(ArgumentError, match="hashable"):
        Pedigree.of(["a"], [["b"]], [0])


def test_parents_are_found_by_their_row_labels():
    animal = pd.Series(["s", "d", "o"], index=[5, 6, 7])
    sire, dam = (pd.Series([0, 0, p], index=[5, 6, 7]) for p in "sd")
    assert Pedigree.of(animal, sire[::-1], dam).sire.tolist() == [-1, -1, 0]
    with pytest.raises(DataError, match="`dam` has other row labels"):
        Pedigree.of(animal, sire, dam.reset_index(drop=True))
