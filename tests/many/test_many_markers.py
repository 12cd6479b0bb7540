"""Marker scans must be what dense n×n maximisations give, marker by marker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from slow_cases import slow

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ConvergenceWarning,
    DataError,
    ModelError,
    NotEstimableWarning,
    RelationshipError,
)
from lmforms.many.profiled_criteria import MarkerCriteria
from lmforms.many.spectral import spectrum_of

pytestmark = pytest.mark.one_in(4)

N, M = 50, 14
IDS = [f"i{k}" for k in range(N)]


TESTS = [("wald", "each"), ("wald", "null"), ("lrt", "each"), ("lrt", "null"), ("score", None)]


def example(kind: str, seed: int = 0):
    """Data, markers by individual, K, codes, weights."""
    rng = np.random.default_rng(seed)
    counts = pd.DataFrame(
        rng.integers(0, 3, (N, M)), index=IDS, columns=[f"m{j}" for j in range(M)]
    )
    root = rng.normal(size=(N, N)) / np.sqrt(N)
    K = root @ root.T + 0.05 * np.eye(N)
    if kind == "intercept":
        K = np.eye(N)
    u = np.linalg.cholesky(K) @ rng.normal(size=N)
    codes = rng.permutation(N)
    if kind != "one each":
        codes = rng.permutation(np.r_[np.arange(N), rng.integers(0, N, 40)])
    n = len(codes)
    data = pd.DataFrame(
        {
            "id": np.array(IDS)[codes],
            "x": rng.normal(size=n),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    y = 0.7 * u[codes] + rng.normal(size=n) + 0.4 * counts["m3"].to_numpy()[codes]
    data["y"] = y + 0.5 * data["x"]
    known = None if kind == "intercept" else pd.DataFrame(K, index=IDS, columns=IDS)
    return data, counts, known, K[np.ix_(codes, codes)], codes


class Dense:
    """One model, by n×n matrices, at the best τ or at a given one."""

    def __init__(self, y, X, G, w, reml, tau=None):
        root = np.sqrt(w)
        self.y, self.X, self.G = root * y, root[:, None] * X, root[:, None] * G * root
        self.reml, self.shift = reml, -np.log(w).sum()
        self.nu = len(y) - X.shape[1] if reml else len(y)
        self.tau = self._best() if tau is None else tau
        self.Vi, A, self.beta, r2 = self._at(self.tau)
        self.sigma2 = r2 / self.nu
        self.se = np.sqrt(self.sigma2 * np.diag(np.linalg.inv(A)))
        self.value = self._value(self.tau)
        self.P = self.Vi - self.Vi @ self.X @ np.linalg.solve(A, self.X.T @ self.Vi)

    def _at(self, tau):
        Vi = np.linalg.inv(np.eye(len(self.y)) + tau * self.G)
        A = self.X.T @ Vi @ self.X
        beta = np.linalg.solve(A, self.X.T @ Vi @ self.y)
        r = self.y - self.X @ beta
        return Vi, A, beta, r @ Vi @ r

    def _value(self, tau):
        Vi, A, _, r2 = self._at(tau)
        value = -np.linalg.slogdet(Vi)[1] + self.nu * (1 + np.log(2 * np.pi * r2 / self.nu))
        return value + self.shift + (np.linalg.slogdet(A)[1] if self.reml else 0.0)

    def _best(self):
        grid = np.linspace(-10, 10, 60)
        i = int(np.argmin([self._value(np.exp(x)) for x in grid]))
        if i == 0:
            return 0.0
        found = minimize_scalar(
            lambda x: self._value(np.exp(x)), bracket=grid[i - 1 : i + 2], tol=1e-13
        )
        return np.exp(found.x) if found.fun < self._value(0.0) else 0.0


@pytest.mark.parametrize("kind", ["one each", "repeated", "intercept"])
@pytest.mark.parametrize("weighted", [slow(False), True])
@pytest.mark.parametrize(
    "test, refit",
    [("wald", "each"), ("wald", "null"), ("lrt", "each"), ("lrt", "null"), ("score", None)],
)
def test_equals_dense(kind, weighted, test, refit):
    data, counts, known, G, codes = example(kind, seed=5 if weighted else 2)
    w = data["w"].to_numpy() if weighted else np.ones(len(data))
    scan = lf.gwas(
        "y ~ x + (1 | id)",
        data,
        counts,
        known,
        test=test,
        refit=refit,
        weights="w" if weighted else None,
        chunk=5,
    )
    assert list(scan["marker"]) == list(counts.columns)
    assert scan["converged"].all()
    y, X, reml = (
        data["y"].to_numpy(),
        np.column_stack([np.ones(len(data)), data["x"]]),
        test != "lrt",
    )
    null = Dense(y, X, G, w, reml)
    for j in range(M):
        g = counts.iloc[codes, j].to_numpy(float)
        tau = None if refit == "each" else null.tau
        fit = Dense(y, np.column_stack([X, g]), G, w, reml, tau)
        row = scan.iloc[j]
        effect, se = fit.beta[2], fit.se[2]
        if test == "wald":
            statistic = effect / se
            p = 2 * stats.t.sf(abs(statistic), len(y) - 3)
        elif test == "lrt":
            statistic = null.value - fit.value
            p = stats.chi2.sf(statistic, 1)
        else:
            wg = np.sqrt(w) * g
            information = wg @ null.P @ wg
            statistic = (wg @ null.P @ null.y) ** 2 / (information * null.sigma2)
            se = np.sqrt(null.sigma2 / information)
            p = stats.chi2.sf(statistic, 1)
        assert row["effect"] == pytest.approx(effect, rel=1e-6, abs=1e-7)
        assert row["se"] == pytest.approx(se, rel=1e-6)
        assert row["statistic"] == pytest.approx(statistic, rel=1e-6, abs=1e-7)
        assert row["p"] == pytest.approx(p, rel=1e-5)
        assert row["theta"] == pytest.approx(np.sqrt(fit.tau), rel=1e-5, abs=1e-4)


def test_equals_single_fits():
    data, counts, _, _, codes = example("intercept")
    scan = lf.gwas("y ~ x + (1 | id)", data, counts)
    for j, name in enumerate(counts):
        fit = lf.lmer("y ~ x + g + (1 | id)", data.assign(g=counts.iloc[codes, j].to_numpy()))
        assert scan["effect"][j] == pytest.approx(fit.params["g"], rel=1e-6), name
        assert scan["se"][j] == pytest.approx(fit.bse["g"], rel=1e-6)
        assert scan["theta"][j] == pytest.approx(fit.theta[0], rel=1e-5)


def test_equals_single_fits_with_a_known_covariance():
    data, counts, known, _, codes = example("repeated")
    scan = lf.gwas("y ~ x + (1 | id)", data, counts.iloc[:, :3], known)
    many = lf.lmer_many("~ x + (1 | id)", data, ["y"], relationship=known)
    single = lf.lmer("y ~ x + (1 | id)", data, relationship={"id": known})
    assert many.fits["criterion"][0] == pytest.approx(single.criterion, abs=1e-7)
    assert many.fits["theta"][0] == pytest.approx(single.theta[0], rel=1e-4)
    for j in range(3):
        marked = data.assign(g=counts.iloc[codes, j].to_numpy())
        fit = lf.lmer("y ~ x + g + (1 | id)", marked, relationship={"id": known})
        assert scan["effect"][j] == pytest.approx(fit.params["g"], rel=1e-5)
        assert scan["se"][j] == pytest.approx(fit.bse["g"], rel=1e-5)


def test_derivatives_against_differences():
    data, counts, known, _, codes = example("repeated")
    design = lf.MixedModel("y ~ x + (1 | id)", data).design
    root = np.linalg.cholesky(known.loc[design.groups[0].levels, design.groups[0].levels])
    parts = spectrum_of(design.rows(), root=root)
    eta, rest = parts.rotate(parts.project(counts.to_numpy(float)[codes]))
    own, left = parts.rotate(parts.project(design.y[:, None]))
    gg, gy = np.einsum("ij,ij->j", rest, rest), left[:, 0] @ rest
    for reml in (True, False):
        model = MarkerCriteria(parts, reml, eta, own[0], gg, gy, float(left[:, 0] @ left[:, 0]))
        which, x, h = np.arange(M), np.linspace(-3, 3, M), 1e-4
        up, mid, down = (model.values(np.exp(x + d), which) for d in (h, 0.0, -h))
        first, second = model.derivatives(np.exp(x), which)
        np.testing.assert_allclose(first, (up - down) / (2 * h), atol=1e-5)
        np.testing.assert_allclose(second, (up - 2 * mid + down) / h**2, atol=1e-3)
        np.testing.assert_allclose(np.diag(model.grid(np.exp(x))), mid)
        tiny = 1e-7
        zero, near = (model.values(np.full(M, t), which) for t in (0.0, tiny))
        np.testing.assert_allclose(model.slope_at_zero(), (near - zero) / tiny, rtol=1e-2, atol=0.1)


# --- forms of input -----------------------------------------------------------------------


def test_forms_agree():
    data, counts, known, _, codes = example("repeated")
    formula = "y ~ x + (1 | id)"
    whole = lf.gwas(formula, data, counts, known)
    rows = counts.to_numpy()[codes].astype(np.int8)
    by_row = lf.gwas(formula, data, rows, known)
    pd.testing.assert_frame_equal(whole.drop(columns="marker"), by_row.drop(columns="marker"))
    shuffled = counts.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(lf.gwas(formula, data, shuffled, {"id": known}), whole)
    like = pd.DataFrame(rows, index=data.index, columns=counts.columns)
    pd.testing.assert_frame_equal(lf.gwas(formula, data, like, known), whole)
    parts = list(lf.gwas(formula, data, iter([rows[:, :4], rows[:, 4:]]), known, stream=True))
    joined = pd.concat(parts, ignore_index=True)
    pd.testing.assert_frame_equal(joined, by_row)
    relationship = lf.relationship.Relationship.of(known)
    pd.testing.assert_frame_equal(lf.gwas(formula, data, counts, relationship), whole)
    seen = []
    lf.gwas(formula, data, counts, known, chunk=10, progress=lambda *at: seen.append(at))
    assert seen == [(10, M), (M, M)]


def test_scales_of_markers():
    data, counts, known, _, _ = example("repeated")
    plain = lf.gwas("y ~ x + (1 | id)", data, counts, known)
    other = lf.gwas("y ~ x + (1 | id)", data, 1e6 * counts + 3e6, known)
    np.testing.assert_allclose(other["effect"] * 1e6, plain["effect"], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other["statistic"], plain["statistic"], rtol=1e-7, atol=1e-8)


def test_missing_and_monomorphic():
    data, counts, known, _, codes = example("repeated")
    formula = "y ~ x + (1 | id)"
    gaps = counts.astype(float)
    gaps.iloc[4, 2] = np.nan
    with pytest.raises(DataError, match=r"missing values in the markers 'm2'\. Impute"):
        lf.gwas(formula, data, gaps, known)
    filled = counts.astype(float).iloc[codes].reset_index(drop=True)
    where = codes == 4
    filled.loc[where, "m2"] = filled.loc[~where, "m2"].mean()
    pd.testing.assert_frame_equal(
        lf.gwas(formula, data, gaps, known, missing="mean"), lf.gwas(formula, data, filled, known)
    )
    counts["m1"] = 2
    with pytest.raises(DataError, match=r"do not vary: 'm1'\. Leave"):
        lf.gwas(formula, data, counts, known)
    scan = lf.gwas(formula, data, counts, known, monomorphic="nan")
    assert scan["p"].isna().tolist() == [j == 1 for j in range(M)]
    assert not scan["converged"][1]


def test_collinear_marker():
    data, counts, known, _, codes = example("repeated")
    rows = counts.to_numpy(float)[codes]
    rows[:, 5] = 2.0 - 3.0 * data["x"]
    with pytest.warns(NotEstimableWarning, match="1 of 14 markers depend linearly"):
        scan = lf.gwas("y ~ x + (1 | id)", data, rows, known)
    assert scan["p"].isna().tolist() == [j == 5 for j in range(M)]


def test_marker_based_covariance_without_bound():
    """ML rises for ever where K has the intercept as null vector: local maxima are taken."""
    rng = np.random.default_rng(7)
    ids = np.arange(300)
    counts = pd.DataFrame(rng.binomial(2, 0.4, (300, 500)), index=ids)
    K = lf.relationship.vanraden(counts)
    y = counts.to_numpy() @ rng.normal(size=500) / 12 + rng.normal(size=300)
    data = pd.DataFrame({"id": ids, "y": y})
    scan = lf.gwas("y ~ (1 | id)", data, counts.iloc[:, :50], K, test="lrt")
    assert scan["converged"].all()
    assert scan["theta"].between(0.1, 10).all()
    wald = lf.gwas("y ~ (1 | id)", data, counts.iloc[:, :50], K)
    np.testing.assert_allclose(np.log(scan["p"]), np.log(wald["p"]), rtol=0.05, atol=0.05)
    noise = data.assign(y=rng.normal(size=300))[:20]
    few = lf.relationship.vanraden(counts.iloc[:20], monomorphic="drop")
    with pytest.warns(ConvergenceWarning, match="no maximum"):
        lost = lf.gwas(
            "y ~ (1 | id)", noise, counts.iloc[:20, :30], few, test="lrt", monomorphic="nan"
        )
    assert lost.loc[~lost["converged"], "p"].isna().all()


def refused(error, match, *args, **options):
    with pytest.raises(error, match=match):
        lf.gwas(*args, **options)


def test_bad_input():
    data, counts, known, _, _ = example("repeated")
    formula = "y ~ x + (1 | id)"
    refused(ArgumentError, "test='t'", formula, data, counts, known, test="t")
    refused(
        ArgumentError, "cannot be compared", formula, data, counts, known, test="lrt", reml=True
    )
    refused(
        ArgumentError, "only the null", formula, data, counts, known, test="score", refit="each"
    )
    refused(ArgumentError, "refit='all'", formula, data, counts, known, refit="all")
    refused(ArgumentError, "missing='drop'", formula, data, counts, known, missing="drop")
    refused(ArgumentError, "monomorphic=None", formula, data, counts, known, monomorphic=None)
    refused(ArgumentError, "Did you mean `refit`", formula, data, counts, known, refits="each")
    refused(RelationshipError, "no row for the levels 'i0'", formula, data, counts.iloc[1:], known)
    twice = pd.concat([counts, counts.iloc[:1]])
    refused(RelationshipError, "not unique: 'i0'", formula, data, twice, known)
    refused(RelationshipError, "no label", formula, data, counts, known.iloc[1:, 1:])
    refused(DataError, "shape", formula, data, counts.to_numpy()[:3], known)
    refused(DataError, "no markers", formula, data, iter([]), known)
    refused(ModelError, "one random term", "y ~ (x | id)", data, counts, known)
    refused(ModelError, "one random term", "y ~ x", data, counts)
    refused(
        ModelError,
        "exactly",
        "z ~ x + (1 | id)",
        data.assign(z=2 * data["x"]),
        counts,
        known,
    )
    infinite = counts.astype(float)
    infinite.iloc[0, 0] = np.inf
    refused(DataError, "infinite values in the markers 'm0'", formula, data, infinite, known)
    gaps = data.assign(x=data["x"].where(data.index > 0))
    refused(DataError, "`x`", formula, gaps, counts, known)


def test_ambiguous_index():
    """Integer levels and a default index: whose rows are they?"""
    data, counts, known, _, codes = example("one each")
    data["id"] = codes
    markers = counts.reset_index(drop=True)
    known.index = known.columns = range(N)
    with pytest.raises(DataError, match="in different orders"):
        lf.gwas("y ~ x + (1 | id)", data, markers, known)
    lf.gwas("y ~ x + (1 | id)", data.set_index(pd.Index(IDS)), markers, known)


def test_markers_with_the_row_labels_of_the_data_in_another_order():
    data, counts, known, _, codes = example("one each")
    data.index = [f"row {i}" for i in range(N)]
    by_row = counts.iloc[codes].set_axis(data.index)
    wanted = lf.gwas("y ~ x + (1 | id)", data, by_row.to_numpy(), known)
    found = lf.gwas("y ~ x + (1 | id)", data, by_row[::-1], known)
    assert found["p"].tolist() == wanted["p"].tolist()
