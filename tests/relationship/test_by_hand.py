"""Covariances made by hand: Kronecker products, autoregressions, separable kernels, spectra."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import lmforms as lf
from lmforms.errors import ArgumentError, RelationshipError
from lmforms.relationship import Pedigree, Relationship, ar1, exponential

RNG = np.random.default_rng(15)
GENES = [f"g{i}" for i in range(6)]
SITES = [2019, 2020, 2021, 2022]
ROOT = RNG.normal(size=(6, 4))
OF_GENES = {
    "dense": Relationship.of(ROOT @ ROOT.T + np.eye(6), labels=GENES),
    "sparse": Relationship.of(
        sp.block_diag([[[2, 1], [1, 2]], [[1.0]], np.eye(3) + 0.3]), labels=GENES
    ),
    "root": Relationship.from_root(ROOT, labels=GENES),
    "precision": Pedigree.of(
        GENES, [0, 0, "g0", "g0", "g2", 0], [0, 0, "g1", "g1", "g3", "g4"]
    ).as_relationship(),
}
OF_SITES = {
    "dense": Relationship.of(0.3 * np.ones((4, 4)) + 0.7 * np.eye(4), labels=SITES),
    "singular": Relationship.of(np.ones((4, 4)), labels=SITES),
    "sparse": Relationship.of(sp.identity(4, format="csc"), labels=SITES),
    "root": Relationship.from_root(RNG.normal(size=(4, 2)), labels=SITES),
    "precision": ar1(SITES, -0.4),
}
FORMS = {
    ("dense", "dense"): "dense",
    ("dense", "sparse"): "sparse",
    ("sparse", "sparse"): "sparse",
    ("root", "root"): "root",
    ("root", "dense"): "dense",
    ("precision", "precision"): "sparse precision",
    ("precision", "sparse"): "sparse precision",
    ("precision", "dense"): "sparse precision",
    ("dense", "precision"): "sparse precision",
    ("precision", "singular"): "dense",
    ("root", "precision"): "dense",
}


def a_trial(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 120
    table = pd.DataFrame({"gene": rng.choice(GENES, n), "site": rng.choice(SITES, n)})
    table = table[(table["gene"] != "g3") | (table["site"] != 2020)]  # a combination without rows
    effects = pd.Series(rng.normal(size=24), index=pd.MultiIndex.from_product([GENES, SITES]))
    own = effects.loc[list(zip(table["gene"], table["site"], strict=True))].to_numpy()
    return table.assign(
        x=rng.normal(size=len(table)), y=lambda t: t["x"] + own + rng.normal(size=len(t))
    )


@pytest.mark.parametrize(("first", "second"), sorted(FORMS))
def test_kronecker_product(first, second):
    A, B = OF_GENES[first], OF_SITES[second]
    K = Relationship.kron(A, B)
    np.testing.assert_allclose(K.dense(), np.kron(A.dense(), B.dense()), atol=1e-12)
    assert K.labels == tuple((a, b) for a in A.labels for b in B.labels)
    assert K.form.name == FORMS[first, second]
    root = K.root()
    product = root @ root.T
    product = product.toarray() if sp.issparse(product) else product
    np.testing.assert_allclose(product, K.dense(), atol=1e-10)


def test_products_of_three_parts_have_triples():
    A, B = OF_GENES["dense"], OF_SITES["dense"]
    C = Relationship.of(np.eye(2), labels=["u", "v"])
    left, right = Relationship.kron(Relationship.kron(A, B), C), Relationship.kron(
        A, Relationship.kron(B, C)
    )  # fmt: skip
    assert left.labels == right.labels
    assert left.labels[1] == ("g0", 2019, "v")
    np.testing.assert_allclose(left.dense(), right.dense())


def dense_criterion(table: pd.DataFrame, K: pd.DataFrame, theta: float) -> float:
    """REML criterion of y ~ x + (1 | gene:site), from V itself."""
    y, X = table["y"].to_numpy(), np.c_[np.ones(len(table)), table["x"]]
    levels = list(zip(table["gene"], table["site"], strict=True))
    at = [K.index.get_loc(level) for level in levels]
    V = np.eye(len(y)) + theta**2 * K.to_numpy()[np.ix_(at, at)]
    inverse = np.linalg.inv(V)
    XVX = X.T @ inverse @ X
    r = y - X @ np.linalg.solve(XVX, X.T @ inverse @ y)
    nu = len(y) - 2
    value = np.linalg.slogdet(V)[1] + np.linalg.slogdet(XVX)[1]
    return float(value + nu * (1 + np.log(2 * np.pi * (r @ inverse @ r) / nu)))


@pytest.mark.parametrize(
    ("first", "second"), [("dense", "dense"), ("precision", "precision"), ("root", "root")]
)
def test_a_fit_with_an_interaction(first, second, tmp_path):
    table = a_trial()
    K = Relationship.kron(OF_GENES[first], OF_SITES[second])
    frame = pd.DataFrame(K.dense(), index=pd.MultiIndex.from_tuples(K.labels))
    frame.columns = frame.index
    fit = lf.lmer("y ~ x + (1 | gene:site)", table, relationship={"gene:site": K})
    theta = fit.theta[0]
    assert fit.criterion == pytest.approx(dense_criterion(table, frame, theta), abs=1e-8)
    for other in (0.99 * theta, 1.01 * theta):
        assert dense_criterion(table, frame, other) > fit.criterion
    by_frame = lf.lmer("y ~ x + (1 | gene:site)", table, relationship={"gene:site": frame})
    assert by_frame.criterion == pytest.approx(fit.criterion, abs=1e-7)
    flat = table.assign(cell=[f"{g} {s}" for g, s in zip(table.gene, table.site, strict=True)])
    renamed = Relationship.of(K.dense(), labels=[f"{g} {s}" for g, s in K.labels])
    same = lf.lmer("y ~ x + (1 | cell)", flat, relationship={"cell": renamed})
    assert same.criterion == pytest.approx(fit.criterion, abs=1e-7)

    effects = fit.random_effects["gene:site"]
    assert len(effects) == 24  # the combination without rows is predicted
    assert effects.loc[("g3", 2020)].to_numpy() == pytest.approx(
        same.random_effects["cell"].loc["g3 2020"].to_numpy(), abs=1e-6
    )
    new = pd.DataFrame({"x": [0.0], "gene": ["g3"], "site": [2020]})
    expected = fit.params["Intercept"] + effects.loc[("g3", 2020)].iloc[0]
    assert fit.predict(new).iloc[0] == pytest.approx(expected)

    fit.save(tmp_path / "fit.lmf")
    back = lf.load(tmp_path / "fit.lmf")
    assert back.criterion == pytest.approx(fit.criterion, rel=1e-12)
    pd.testing.assert_frame_equal(back.random_effects["gene:site"], effects, rtol=1e-9)
    again = back.refit(table["y"])
    assert again.criterion == pytest.approx(fit.criterion, abs=1e-8)


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
def test_terms_and_interactions_of_other_orders():
    table = a_trial(1)
    K = Relationship.kron(OF_GENES["dense"], OF_SITES["dense"])
    fit = lf.lmer("y ~ x + (1 | gene/site)", table, relationship={"1 | gene:site": K})
    assert fit.converged
    turned = Relationship.kron(OF_SITES["dense"], OF_GENES["dense"])
    other = lf.lmer("y ~ x + (1 | gene) + (1 | site:gene)", table,
                    relationship={"1 | site:gene": turned})  # fmt: skip
    assert other.criterion == pytest.approx(fit.criterion, abs=1e-7)
    with pytest.raises(RelationshipError, match="write the factor as `site:gene`"):
        lf.lmer("y ~ x + (1 | gene:site)", table, relationship={"gene:site": turned})
    lf.lmer("y ~ x + (1 | site:gene)", table, relationship={"site:gene": turned})
    with pytest.raises(RelationshipError, match=r"are tuples \(gene, site\): make labels like"):
        lf.lmer("y ~ x + (1 | gene:site)", table, relationship={"gene:site": OF_GENES["dense"]})
    few = K.subset([label for label in K.labels if label != ("g3", 2019)])
    with pytest.raises(RelationshipError, match=r"no label for the levels \('g3', 2019\)"):
        lf.lmer("y ~ x + (1 | gene:site)", table, relationship={"gene:site": few})


def test_many_responses_and_equations_of_an_interaction():
    table = a_trial(2)
    K = Relationship.kron(OF_GENES["precision"], OF_SITES["sparse"])
    fit = lf.lmer("y ~ x + (1 | gene:site)", table, relationship={"gene:site": K})
    many = lf.lmer_many("~ x + (1 | gene:site)", table, table[["y"]],
                        relationship={"gene:site": K})  # fmt: skip
    assert many.fits["loglik"].iloc[0] * -2 == pytest.approx(fit.criterion, abs=1e-6)
    m = fit.matrices
    assert m.Z.shape[1] == 24


@pytest.mark.parametrize("rho", [0.6, -0.6, 0.0])
def test_autoregression_on_a_line(rho):
    times = [4, 1, 2, 9]
    K = ar1(times, rho)
    gaps = np.abs(np.subtract.outer(times, times))
    np.testing.assert_allclose(K.dense(), np.float64(rho) ** gaps, atol=1e-14)
    assert K.labels == (4, 1, 2, 9)
    assert K.form.name == "sparse precision"
    assert all(type(label) is int for label in K.labels)
    twice = ar1([1, 1, 2], rho, labels=["a", "b", "c"])
    np.testing.assert_allclose(twice.dense()[0], [1.0, 1.0, rho])
    assert ar1(pd.Series([1, 2], index=["a", "b"]), rho).labels == (1, 2)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("rho", [0.5, (0.4, -0.7)])
def test_autoregression_on_a_grid(complete, rho):
    cells = [(row, column) for row in (3, 1, 2) for column in (1, 2, 5, 4)]
    cells = cells if complete else cells[:-1]
    a, b = np.broadcast_to(rho, 2)
    K = ar1(cells, rho)
    points = np.array(cells)
    gaps = np.abs(points[:, None] - points)
    expected = np.array([a]) ** gaps[..., 0] * np.array([b]) ** gaps[..., 1]
    np.testing.assert_allclose(K.dense(), expected, atol=1e-13)
    assert K.labels == tuple(cells)
    assert K.form.name == ("sparse precision" if complete else "dense")
    frame = pd.DataFrame(cells, columns=["row", "column"])
    assert ar1(frame, rho).labels == K.labels
    if complete:
        product = Relationship.kron(ar1([1, 2, 3], a), ar1([1, 2, 4, 5], b))
        np.testing.assert_allclose(product.subset(cells).dense(), expected, atol=1e-13)


def test_a_field_with_correlated_plots():
    rng = np.random.default_rng(3)
    cells = pd.MultiIndex.from_product([range(10), range(8)], names=["row", "column"])
    K = ar1(list(cells), (0.8, 0.6))
    table = cells.to_frame(index=False).assign(x=rng.normal(size=80))
    smooth = np.linalg.cholesky(K.dense()) @ rng.normal(size=80)
    table["y"] = table["x"] + 2 * smooth + rng.normal(size=80)
    fit = lf.lmer("y ~ x + (1 | row:column)", table, relationship={"row:column": K})
    dense = Relationship.of(K.dense(), labels=K.labels)
    other = lf.lmer("y ~ x + (1 | row:column)", table, relationship={"row:column": dense})
    assert fit.criterion == pytest.approx(other.criterion, abs=1e-7)
    assert fit.theta[0] == pytest.approx(other.theta[0], rel=1e-5)


def test_strong_autoregressions_are_kept():
    for rho in (0.999, 0.999999):
        K = ar1([(i, j) for i in range(4) for j in range(5)], rho)
        gaps = np.abs(np.arange(4)[:, None] - np.arange(4))
        expected = np.kron(rho**gaps, rho ** np.abs(np.subtract.outer(range(5), range(5))))
        np.testing.assert_allclose(K.dense(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("error", "coords", "rho", "labels", "message"),
    [
        (ArgumentError, [1, 2], 1.0, None, "rho=1.0: correlations between"),
        (ArgumentError, [1, 2], [-1.5], None, "between −1 and 1"),
        (ArgumentError, [1, 2], np.nan, None, "between −1 and 1"),
        (ArgumentError, [1, 2], "much", None, "rho='much'"),
        (ArgumentError, [(1, 1), (1, 2)], (0.1, 0.2, 0.3), None, "have 2 dimensions"),
        (RelationshipError, [1, 2, 1], 0.5, None, "Coordinates must be unique.* 1"),
        (RelationshipError, [(1, 1), (1, 1)], 0.5, None, r"unique.*\(1, 1\)"),
        (RelationshipError, [1, 2.5], 0.5, None, "must be whole numbers.*metric='l1'"),
        (RelationshipError, [1, np.nan], 0.5, None, "not finite"),
        (RelationshipError, ["a", "b"], 0.5, None, "real numbers"),
        (RelationshipError, [1, 2], 0.5, ["a"], "2 levels, but 1 labels"),
        (RelationshipError, [1, 2], 0.5, ["a", "a"], "Labels must be unique"),
    ],
)
def test_refused_autoregressions(error, coords, rho, labels, message):
    with pytest.raises(error, match=message):
        ar1(coords, rho, labels=labels)


def test_advice_for_broken_times():
    with pytest.raises(RelationshipError, match="range = −1/ln ρ"):
        ar1([0.0, 0.5], 0.3)
    K = exponential([0.0, 0.5], -1 / np.log(0.3), labels=[0.0, 0.5], metric="l1")
    assert K.dense()[0, 1] == pytest.approx(0.3**0.5)


def test_separable_exponential():
    points = RNG.uniform(0, 9, size=(7, 3))
    K = exponential(points, 2.5, labels=range(7), metric="l1").dense()
    each = [exponential(points[:, j], 2.5, labels=range(7)).dense() for j in range(3)]
    np.testing.assert_allclose(K, each[0] * each[1] * each[2], rtol=1e-12)
    with pytest.raises(ArgumentError, match="metric='l2'"):
        exponential(points, 1.0, labels=range(7), metric="l2")


@pytest.mark.parametrize("known", [*OF_GENES.values(), *OF_SITES.values()], ids=repr)
def test_spectrum(known):
    d, U = known.spectrum()
    K = known.dense()
    np.testing.assert_allclose(U.to_numpy() * d.to_numpy() @ U.to_numpy().T, K, atol=1e-12)
    np.testing.assert_allclose(U.T @ U, np.eye(len(known)), atol=1e-12)
    np.testing.assert_allclose(d, np.linalg.eigvalsh(K)[::-1], atol=1e-12)
    assert (d >= 0).all()
    assert d.is_monotonic_decreasing
    assert tuple(U.index) == known.labels


def test_spectrum_of_an_interaction_is_the_product_of_the_parts():
    A, B = OF_GENES["precision"], OF_SITES["dense"]
    d, U = Relationship.kron(A, B).spectrum()
    expected = np.outer(A.spectrum()[0], B.spectrum()[0]).ravel()
    np.testing.assert_allclose(d, np.sort(expected)[::-1], rtol=1e-10)
    assert U.index.nlevels == 2
    assert U.loc[("g1", 2020)].shape == (24,)


def test_refused_products():
    with pytest.raises(ArgumentError, match="need labels"):
        Relationship.kron(np.eye(2), OF_SITES["dense"])
    with pytest.raises(RelationshipError, match="not positive semi-definite"):
        Relationship.kron(pd.DataFrame([[1, 2], [2, 1]]), OF_SITES["dense"])
    many = Relationship.of(sp.identity(20_000), labels=range(20_000))
    assert Relationship.kron(many, OF_SITES["dense"]).form.name == "sparse"
    root = Relationship.from_root(np.ones((20_000, 1)), labels=range(20_000))
    with pytest.raises(RelationshipError, match="dense matrix of 80,000 rows"):
        Relationship.kron(root, OF_SITES["dense"])
