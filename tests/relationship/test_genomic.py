"""VanRaden's G against the formula written out; and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lmforms.errors import ArgumentError, DataError, RelationshipError
from lmforms.relationship import genomic, vanraden

N, M = 12, 40
RNG = np.random.default_rng(17)
COUNTS = RNG.binomial(2, RNG.uniform(0.2, 0.8, M), size=(N, M))
LABELS = [f"i{i}" for i in range(N)]


def naive(counts, p, method):
    Z = counts - 2 * p
    if method == 1:
        return Z @ Z.T / (2 * (p * (1 - p)).sum())
    return sum(np.outer(z, z) / (2 * q * (1 - q)) for z, q in zip(Z.T, p)) / len(p)


@pytest.mark.parametrize("method", [1, 2])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32, np.float64, "Int8"])
def test_formula(method, dtype, monkeypatch):
    monkeypatch.setattr(genomic, "BLOCK_ENTRIES", 7 * N)  # several blocks, the last one shorter
    frame = pd.DataFrame(COUNTS, index=LABELS).astype(dtype)
    G = vanraden(frame, method=method)
    expected = naive(COUNTS, COUNTS.mean(axis=0) / 2, method)
    np.testing.assert_allclose(G.dense(), expected, atol=1e-12)
    assert G.labels == tuple(LABELS)
    assert np.linalg.eigvalsh(G.dense())[0] > -1e-12
    assert G.rank == N - 1
    np.testing.assert_allclose(G.root() @ G.root().T, expected, atol=1e-12)


@pytest.mark.parametrize("method", [1, 2])
def test_given_frequencies(method):
    p = RNG.uniform(0.1, 0.9, M)
    G = vanraden(COUNTS, method=method, frequencies=p, labels=LABELS)
    np.testing.assert_allclose(G.dense(), naive(COUNTS, p, method), atol=1e-12)
    assert G.rank == N


@pytest.mark.parametrize("method", [1, 2])
def test_missing_counts_become_means(method):
    gaps = COUNTS.astype(float)
    gaps[RNG.random(gaps.shape) < 0.1] = np.nan
    filled = np.where(np.isnan(gaps), np.nanmean(gaps, axis=0), gaps)
    expected = naive(filled, filled.mean(axis=0) / 2, method)
    np.testing.assert_allclose(
        vanraden(gaps, method=method, labels=LABELS).dense(), expected, atol=1e-12
    )
    with pytest.raises(RelationshipError, match=r"Counts are missing in .*missing='mean'"):
        vanraden(gaps, missing="raise", labels=LABELS)


@pytest.mark.parametrize("method", [1, 2])
def test_markers_that_do_not_vary(method):
    flat = np.column_stack([np.zeros(N), COUNTS, np.ones(N), np.full(N, 2.0), np.full(N, np.nan)])
    names = ["none", *range(M), "het", "both", "unseen"]
    frame = pd.DataFrame(flat, index=LABELS, columns=names)
    message = "do not vary: 'none', 'het', 'both', 'unseen'. `monomorphic='drop'`"
    with pytest.raises(RelationshipError, match=message):
        vanraden(frame, method=method)
    G = vanraden(frame, method=method, monomorphic="drop")
    np.testing.assert_allclose(
        G.dense(), vanraden(COUNTS, method=method, labels=LABELS).dense(), atol=1e-12
    )
    with pytest.raises(RelationshipError, match="No marker varies"):
        vanraden(frame[["none", "het"]], monomorphic="drop")


def test_a_frequency_of_zero_is_no_variance():
    p = np.full(M, 0.5)
    p[3] = 0.0
    with pytest.raises(RelationshipError, match=r"do not vary: 3\."):
        vanraden(COUNTS, frequencies=p, labels=LABELS)


def test_both_triangles():
    G = np.tril(RNG.normal(size=(11, 11)))
    full = G + np.tril(G, -1).T
    genomic._mirror(G, step=4)
    np.testing.assert_array_equal(G, full)


def changed(value):
    counts = COUNTS.astype(float)
    counts[2, 5] = value
    return counts


@pytest.mark.parametrize(
    ("markers", "options", "message"),
    [
        (changed(3), {}, "0 to 2. Others are in 5"),
        (changed(-9), {}, "A code for missing counts must be NaN"),
        (COUNTS[0], {}, r"must be \(n, m\)"),
        (COUNTS[:4], {}, "4 rows, but 12 labels"),
        (np.full((N, 2), "AA"), {}, "must be numbers"),
        (COUNTS, {"frequencies": [0.5]}, r"40 markers, but frequencies of shape \(1,\)"),
        (COUNTS, {"frequencies": np.full(M, 1.5)}, "from 0 to 1; that of marker 0 is 1.5"),
    ],
)
def test_refused(markers, options, message):
    with pytest.raises(RelationshipError, match=message):
        vanraden(markers, labels=LABELS, **options)


@pytest.mark.parametrize("option", ["method", "missing", "monomorphic"])
def test_options(option):
    with pytest.raises(ArgumentError, match=f"{option}='other': "):
        vanraden(COUNTS, labels=LABELS, **{option: "other"})
    with pytest.raises(ArgumentError, match="need labels"):
        vanraden(COUNTS)


def test_masked_counts_are_missing_and_complex_ones_refused():
    counts = np.random.default_rng(2).integers(0, 3, (6, 9)).astype(np.int8)
    gaps = counts.astype(float)
    gaps[0, 0] = np.nan
    masked = np.ma.array(counts, mask=np.isnan(gaps))
    wanted = vanraden(gaps, labels="abcdef").dense()
    np.testing.assert_allclose(vanraden(masked, labels="abcdef").dense(), wanted, rtol=1e-6)
    with pytest.raises(RelationshipError, match="missing in 0"):
        vanraden(masked, labels="abcdef", missing="raise")
    for strange in (counts + 1j, (counts + 0j).astype(object), counts.astype(str)):
        with pytest.raises(RelationshipError, match="must be numbers"):
            vanraden(strange, labels="abcdef")


def test_frequencies_are_found_by_the_names_of_their_markers():
    rng = np.random.default_rng(2)
    counts = pd.DataFrame(rng.integers(0, 3, (6, 9)), columns=[f"m{j}" for j in range(9)])
    p = pd.Series(rng.uniform(0.2, 0.8, 9), index=counts.columns)
    wanted = vanraden(counts, frequencies=p.to_numpy()).dense()
    np.testing.assert_array_equal(vanraden(counts, frequencies=p[::-1]).dense(), wanted)
    with pytest.raises(DataError, match="frequencies has the names"):
        vanraden(counts, frequencies=p.rename(str.upper))
