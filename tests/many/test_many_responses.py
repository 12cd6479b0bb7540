"""Many responses must be what single fits are."""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from slow_cases import one_in, slow

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    FormulaError,
    IdentificationWarning,
    MissingDataWarning,
    ModelError,
    NotEstimableWarning,
    RelationshipError,
)
from lmforms.many.profiled_criteria import ResponseCriteria
from lmforms.many.spectral import spectrum_of
from lmforms.many.tau_search import minimize_over_tau

pytestmark = pytest.mark.one_in(4)

SCALAR = ("~ x + (1 | g)", "~ x + (0 + x | g)", "~ 0 + x + (1 | g)")
GENERAL = ("~ x + (x | g)", "~ x + (1 | g) + (1 | h)", "~ x + (x || g)", "~ x")


def example(seed: int = 0, n: int = 120, q: int = 12, r: int = 12):
    rng = np.random.default_rng(seed)
    g = rng.integers(0, q, n)
    g[:q] = np.arange(q)
    data = pd.DataFrame(
        {
            "g": [f"g{k}" for k in g],
            "h": rng.integers(0, 7, n),
            "x": rng.normal(size=n) + 3.0,
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    sizes = np.linspace(0.0, 3.0, r)
    Y = rng.normal(size=(n, r)) + rng.normal(size=(q, r))[g] * sizes
    Y += 0.3 * rng.normal(size=(q, r))[g] * data["x"].to_numpy()[:, None] * (sizes > 1)
    return data, Y


def single(formula: str, data, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        control = lf.Control(tolerance=1e-13)
        return lf.lmer("y" + formula, data.assign(y=y), control=control, **options)


def compare(many, j, name, fit, theta_rtol=1e-6):
    row = many.fits.iloc[j]
    theta = row[[c for c in many.fits if c.startswith("theta")]].to_numpy(float)
    own = many.fixed[many.fixed["response"] == name]
    assert row["criterion"] == pytest.approx(fit.criterion, rel=1e-9, abs=1e-8)
    assert row["loglik"] == pytest.approx(-fit.criterion / 2, rel=1e-9)
    np.testing.assert_allclose(theta, fit.theta, rtol=theta_rtol, atol=1e-5)
    np.testing.assert_allclose(own["estimate"], fit.params, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(own["std_error"], fit.bse, rtol=1e-6)
    assert list(own["term"]) == list(fit.params.index)
    assert row["sigma"] == pytest.approx(fit.sigma, rel=1e-6)
    assert row["singular"] == fit.is_singular
    variances = many.variances[many.variances["response"] == name]
    np.testing.assert_allclose(variances["variance"], fit.vcomp["variance"], rtol=1e-5, atol=1e-7)
    assert list(variances["name1"]) == list(fit.vcomp["name1"])


@pytest.mark.parametrize("formula", SCALAR + GENERAL)
@pytest.mark.parametrize("reml", [True, slow(False)])
def test_equals_single_fits(formula, reml):
    data, Y = example(seed=len(formula))
    many = lf.lmer_many(formula, data, Y, reml=reml)
    assert many.fits["converged"].all()
    for j in range(Y.shape[1]):
        compare(many, j, j, single(formula, data, Y[:, j], reml=reml), 3e-6)


@pytest.mark.parametrize("seed", one_in(3, range(15)))
def test_random_designs_with_singular_fits(seed):
    rng = np.random.default_rng(seed)
    data, Y = example(seed, n=int(rng.integers(15, 60)), q=int(rng.integers(3, 9)), r=8)
    Y[:, :4] -= 0.5 * pd.DataFrame(Y[:, :4]).groupby(data["g"].to_numpy()).transform("mean")
    many = lf.lmer_many("~ x + (1 | g)", data, Y, reml=bool(seed % 2), weights="w")
    singular = 0
    for j in range(Y.shape[1]):
        fit = single("~ x + (1 | g)", data, Y[:, j], reml=bool(seed % 2), weights="w")
        compare(many, j, j, fit, 3e-6)
        singular += fit.is_singular
    assert singular


@pytest.mark.parametrize(
    "name, formula, response",
    [
        ("sleepstudy", "~ Days + (1 | Subject)", "Reaction"),
        ("sleepstudy", "~ Days + (Days | Subject)", "Reaction"),
        ("Dyestuff2", "~ 1 + (1 | Batch)", "Yield"),
        ("Pastes", "~ 1 + (1 | batch/cask)", "strength"),
        ("Penicillin", "~ 1 + (1 | plate) + (1 | sample)", "diameter"),
        ("dung", "~ flies + (1 | oven_block)", "pr_dung"),
    ],
)
def test_data_sets(name, formula, response):
    data = lf.datasets.load(name)
    rng = np.random.default_rng(0)
    Y = pd.DataFrame(
        {
            "own": data[response],
            "shifted": 1e4 + 1e-3 * data[response],
            "shuffled": rng.permutation(data[response].to_numpy()),
        },
        index=data.index,
    )
    many = lf.lmer_many(formula, data, Y)
    for j, label in enumerate(Y):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = lf.lmer(
                "own_ " + formula, data.assign(own_=Y[label]), control=lf.Control(tolerance=1e-13)
            )
        row = many.fits.iloc[j]
        assert row["criterion"] == pytest.approx(fit.criterion, rel=1e-9, abs=1e-7)
        theta = row[[c for c in many.fits if c.startswith("theta")]].to_numpy(float)
        np.testing.assert_allclose(theta, fit.theta, rtol=1e-5, atol=1e-5)


def test_relationship_equals_dense():
    rng = np.random.default_rng(3)
    q, n = 15, 40
    root = rng.normal(size=(q, q))
    K = root @ root.T / q
    labels = [f"a{i}" for i in range(q + 2)]
    wide = np.eye(q + 2)
    wide[:q, :q] = K
    codes = np.r_[np.arange(q), rng.integers(0, q, n - q)]
    data = pd.DataFrame({"id": [labels[c] for c in codes], "x": rng.normal(size=n)})
    Y = rng.normal(size=(n, 5)) + (root @ rng.normal(size=(q, 5)))[codes] * 0.5
    known = pd.DataFrame(wide, index=labels, columns=labels)
    X = np.column_stack([np.ones(n), data["x"]])
    for reml in (True, False):
        many = lf.lmer_many("~ x + (1 | id)", data, Y, relationship={"id": known}, reml=reml)
        for j in range(5):
            best = dense_minimum(Y[:, j], X, K[np.ix_(codes, codes)], reml)
            row = many.fits.iloc[j]
            assert row["criterion"] == pytest.approx(best["value"], abs=1e-8)
            assert row["theta"] == pytest.approx(best["theta"], rel=1e-5, abs=1e-4)
            own = many.fixed[many.fixed["response"] == j]
            np.testing.assert_allclose(own["estimate"], best["beta"], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(own["std_error"], best["se"], rtol=1e-5)


def dense_minimum(y, X, G, reml):
    from scipy.optimize import minimize_scalar

    n, p = X.shape
    nu = n - p if reml else n

    def at(t):
        Vi = np.linalg.inv(np.eye(n) + t * G)
        A = X.T @ Vi @ X
        beta = np.linalg.solve(A, X.T @ Vi @ y)
        r = y - X @ beta
        s2 = r @ Vi @ r / nu
        value = -np.linalg.slogdet(Vi)[1] + nu * (1 + np.log(2 * np.pi * s2))
        value += np.linalg.slogdet(A)[1] if reml else 0.0
        return {
            "value": value,
            "beta": beta,
            "se": np.sqrt(s2 * np.diag(np.linalg.inv(A))),
            "theta": np.sqrt(t),
        }

    def value(x):
        return at(np.exp(x))["value"]

    grid = np.linspace(-12, 12, 100)
    i = int(np.argmin([value(x) for x in grid]))
    found = at(0.0)
    if 0 < i < len(grid) - 1:
        inner = at(np.exp(minimize_scalar(value, bracket=grid[i - 1 : i + 2], tol=1e-12).x))
        found = min(found, inner, key=lambda f: f["value"])
    return found


def test_derivatives_against_differences():
    data, Y = example()
    rows = lf.MixedModel("y ~ x + (1 | g)", data.assign(y=Y[:, 0])).design.rows()
    parts = spectrum_of(rows)
    eta, rest = parts.rotate(parts.project(Y))
    for reml in (True, False):
        model = ResponseCriteria(parts, reml, eta**2, np.einsum("ij,ij->j", rest, rest))
        which, x, h = np.arange(Y.shape[1]), np.linspace(-4, 4, Y.shape[1]), 1e-4
        up, mid, down = (model.values(np.exp(x + d), which) for d in (h, 0.0, -h))
        first, second = model.derivatives(np.exp(x), which)
        np.testing.assert_allclose(first, (up - down) / (2 * h), atol=1e-5)
        np.testing.assert_allclose(second, (up - 2 * mid + down) / h**2, atol=1e-3)
        np.testing.assert_allclose(np.diag(model.grid(np.exp(x))), mid)
        tiny = 1e-7
        zero, near = (model.values(np.full(len(which), t), which) for t in (0.0, tiny))
        np.testing.assert_allclose(model.slope_at_zero(), (near - zero) / tiny, rtol=1e-2, atol=0.1)


def test_search_finds_the_lower_of_two_minima():
    class Wells:
        """d = 1 − e^{−(x−1)²} − c e^{−(x−9)²}, flat at zero."""

        depth = np.array([0.5, 2.0])

        def __len__(self):
            return 2

        def _parts(self, tau, which):
            x = np.log(np.maximum(tau, 1e-300))
            return x, np.exp(-((x - 1) ** 2)), self.depth[which] * np.exp(-((x - 9) ** 2))

        def values(self, tau, which):
            _, a, b = self._parts(tau, which)
            return 1 - a - b

        def grid(self, tau):
            return np.stack([self.values(tau, np.full(len(tau), i)) for i in range(2)])

        def derivatives(self, tau, which):
            x, a, b = self._parts(tau, which)
            first = 2 * (x - 1) * a + 2 * (x - 9) * b
            return first, (2 - 4 * (x - 1) ** 2) * a + (2 - 4 * (x - 9) ** 2) * b

        def slope_at_zero(self):
            return np.zeros(2)

    found = minimize_over_tau(Wells(), np.ones(3))
    np.testing.assert_allclose(np.log(found.tau), [1.0, 9.0], atol=1e-7)
    assert found.converged.all()


def test_groups_far_apart():
    data, Y = example()
    codes = data["g"].astype("category").cat.codes.to_numpy()
    Y[:, 0] += 1e6 * codes
    many = lf.lmer_many("~ x + (1 | g)", data, Y[:, :2])
    compare(many, 0, 0, single("~ x + (1 | g)", data, Y[:, 0]), 1e-5)


@pytest.mark.parametrize("formula", ["~ 0 + (1 | g)", "~ (1 | g)", "~ x + (1 | g)"])
def test_few_rows(formula):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": list("aabbb"), "x": rng.normal(size=5)})
    Y = rng.normal(size=(5, 6)) + 3
    many = lf.lmer_many(formula, data, Y)
    for j in range(6):
        compare(many, j, j, single(formula, data, Y[:, j]), 1e-4)


@pytest.mark.parametrize("known", [False, True])
def test_groups_among_the_fixed_effects(known):
    """X hides the random effects: REML cannot tell their variance, ML says zero."""
    data, Y = example(r=3)
    labels = sorted(data["g"].unique())
    K = pd.DataFrame(np.eye(12) + 0.1, labels, labels) if known else None
    with pytest.warns(IdentificationWarning, match="3 of 3 responses"):
        many = lf.lmer_many("~ g + (1 | g)", data, Y, relationship=K)
    assert many.fits["sigma"].notna().all()
    ml = lf.lmer_many("~ g + (1 | g)", data, Y, relationship=K, reml=False)
    assert (ml.fits["theta"] == 0).all()


# --- forms of input -----------------------------------------------------------------------


def test_chunks_streams_and_forms_agree():
    data, Y = example()
    whole = lf.lmer_many("~ x + (1 | g)", data, Y)
    small = lf.lmer_many("~ x + (1 | g)", data, Y, chunk=5)
    pd.testing.assert_frame_equal(whole.fits, small.fits)
    parts = lf.lmer_many("~ x + (1 | g)", data, iter([Y[:, :3], Y[:, 3:]]), stream=True, chunk=4)
    parts = list(parts)
    assert [len(p) for p in parts] == [3, 4, 4, 1]
    pd.testing.assert_frame_equal(
        pd.concat([p.fixed for p in parts], ignore_index=True), pd.DataFrame(whole.fixed)
    )
    names = [f"y{j}" for j in range(Y.shape[1])]
    wide = pd.concat([data, pd.DataFrame(Y, columns=names)], axis=1)
    for formula in ("~ x + (1 | g)", ". ~ x + (1 | g)", "anything ~ x + (1 | g)", "y0 ~ x+(1|g)"):
        named = lf.lmer_many(formula, wide, names)
        assert list(named.fits["response"]) == names
        np.testing.assert_array_equal(named.fits["theta"], whole.fits["theta"])
    dots = lf.lmer_many("~ . + (1 | g)", wide[["x", "g", *names]], names)
    np.testing.assert_allclose(dots.fits["theta"], whole.fits["theta"])
    single_ = lf.lmer_many("~ x + (1 | g)", data, np.float32(Y[:, 0]))
    assert len(single_) == 1
    assert single_.fits["theta"][0] == pytest.approx(whole.fits["theta"][0], rel=1e-4)
    integers = lf.lmer_many("~ x + (1 | g)", data, np.round(10 * Y).astype(np.int16))
    assert integers.fits["converged"].all()


def test_offset_and_progress():
    data, Y = example()
    seen = []
    many = lf.lmer_many(
        "~ offset(2 * x) + (1 | g)",
        data,
        Y,
        chunk=5,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(5, 12), (10, 12), (12, 12)]
    compare(many, 4, 4, single("~ offset(2 * x) + (1 | g)", data, Y[:, 4]))


@pytest.mark.parametrize("formula", ["~ x + (1 | g)", "~ x + (1 | g) + (1 | h)"])
def test_missing_responses_dropped(formula):
    data, Y = example(r=4)
    Y[3, 1] = Y[7, 1] = Y[3, 2] = Y[7, 2] = Y[0, 3] = np.nan
    with pytest.raises(DataError, match=r"missing values in the responses 1, 2, 3\. Fill"):
        lf.lmer_many(formula, data, Y, missing="raise")
    with pytest.warns(MissingDataWarning, match="3 of 4 responses have missing values"):
        many = lf.lmer_many(formula, data, Y)
    assert list(many.fits["nobs"]) == [120, 118, 118, 119]
    for j in range(4):
        compare(many, j, j, single(formula, data, Y[:, j]))


def test_missing_predictors():
    data, Y = example(r=2)
    data.loc[4, "x"] = np.nan
    with pytest.raises(DataError, match="`x` "):
        lf.lmer_many("~ x + (1 | g)", data, Y, missing="raise")
    with pytest.warns(MissingDataWarning):
        many = lf.lmer_many("~ x + (1 | g)", data, Y)
    compare(many, 1, 1, single("~ x + (1 | g)", data, Y[:, 1]))


# --- what cannot be fitted ----------------------------------------------------------------


@pytest.mark.parametrize("formula", ["~ x + (1 | g)", "~ x + (1 | g) + (1 | h)"])
def test_degenerate_responses(formula):
    data, Y = example(r=5)
    Y[:, 1] = 3.0
    Y[:, 2] = 2.0 * data["x"] - 1.0
    Y[:, 3] = data["g"].astype("category").cat.codes + data["x"]
    with pytest.warns(NotEstimableWarning, match="3 of 5 responses are constant"):
        many = lf.lmer_many(formula, data, Y)
    assert list(many.fits["converged"]) == [True, False, False, False, True]
    assert many.fits["sigma"].isna().tolist() == [False, True, True, True, False]
    assert many.fixed["p_value"].isna().sum() == 6


def refused(error, match, *args, **options):
    with pytest.raises(error, match=match):
        lf.lmer_many(*args, **options)


def test_rows_of_tables_are_found_by_their_labels():
    data, Y = example(r=3)
    data.index = [f"r{i}" for i in range(len(data))]
    formula, table = "~ x + (1 | g)", pd.DataFrame(Y, index=data.index)
    wanted = lf.lmer_many(formula, data, Y).fits["criterion"]
    shuffled = table.sample(frac=1, random_state=0)
    found = lf.lmer_many(formula, data, shuffled)
    assert found.fits["criterion"].tolist() == wanted.tolist()
    weights = pd.Series(np.arange(1.0, len(Y) + 1), index=data.index)
    assert (
        lf.lmer_many(formula, data, Y, weights=weights[::-1]).fits["sigma"].tolist()
        == lf.lmer_many(formula, data, Y, weights=weights.to_numpy()).fits["sigma"].tolist()
    )


def test_bad_input():
    data, Y = example(r=3)
    formula = "~ x + (1 | g)"
    refused(DataError, "transposed", formula, data, Y.T)
    refused(DataError, "2 rows", formula, data, pd.DataFrame(Y[:2]))
    refused(DataError, "not numeric", formula, data, pd.DataFrame(Y).astype(str))
    refused(DataError, "real numbers", formula, data, Y.astype(complex))
    strange = pd.DataFrame(Y, index=[f"r{i}" for i in range(len(Y))])
    refused(DataError, r"no 0, 1, 2, 3, 4, … \(120 in all\)", formula, data, strange)
    twice = pd.DataFrame(Y, index=np.arange(len(Y)) // 2)
    refused(DataError, "some are there twice", formula, data, twice)
    refused(ColumnError, "Did you mean `x`", formula, data, ["X"])
    refused(ArgumentError, "more than once", formula, data, ["w", "w"])
    refused(ArgumentError, "only text", formula, data, ["w", 3])
    refused(DataError, "no responses", formula, data, iter([]))
    refused(FormulaError, "beside the formula", "log(y) ~ x + (1 | g)", data, Y)
    refused(FormulaError, "no `~`", "x + (1 | g)", data, Y)
    refused(ArgumentError, "chunk=0", formula, data, Y, chunk=0)
    refused(ArgumentError, "reml", formula, data, Y, reml="yes")
    refused(ArgumentError, "missing='mean'", formula, data, Y, missing="mean")
    refused(ArgumentError, "Did you mean `reml`", formula, data, Y, REML=True)
    refused(ArgumentError, "control", formula, data, Y, control={})
    refused(ArgumentError, "progress", formula, data, Y, progress=3)
    infinite = Y.copy()
    infinite[0, 1] = np.inf
    refused(DataError, "infinite values in the responses 1", formula, data, infinite)
    known = pd.DataFrame(np.eye(3), index=list("abc"), columns=list("abc"))
    refused(RelationshipError, "no label", formula, data, Y, relationship=known)
    refused(ModelError, "one random term", "~ x + (x | g)", data, Y, relationship=known)
    refused(ArgumentError, "`h` is no grouping", formula, data, Y, relationship={"h": known})
    small = lf.Control(memory=1000)
    refused(lf.errors.MemoryLimitError, "decomposition", formula, data, Y, control=small)


@pytest.mark.parametrize(
    "formula", ["~ x + f + (1 | g)", "~ 0 + f + (1 | g) + (1 | h)", "~ x + (0 + f | g)"]
)
def test_a_response_without_a_level_is_that_of_lmer_on_its_own_rows(formula):
    rng = np.random.default_rng(3)
    n = 80
    data = pd.DataFrame({"g": rng.integers(0, 6, n), "h": rng.integers(0, 5, n)})
    data["x"], data["f"] = rng.normal(size=n), rng.choice(list("abc"), n)
    y = rng.normal(size=n) + rng.normal(size=6)[data["g"]]
    Y = pd.DataFrame({lost: np.where(data["f"] == lost, np.nan, y) for lost in "abc"})
    Y["whole"] = y
    lost = pytest.warns(lf.errors.NotEstimableWarning) if "f" in formula[:9] else nullcontext()
    with lost, pytest.warns(MissingDataWarning):
        many = lf.lmer_many(formula, data, Y)
    assert many.fits["converged"].all()
    for name in Y:
        own = data[Y[name].notna()].assign(y=Y[name])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lf.errors.SingularWarning)
            one = lf.lmer("y " + formula, own)
        criterion = many.fits.set_index("response")["criterion"][name]
        assert criterion == pytest.approx(one.criterion, abs=1e-6)
        fixed = many.fixed[many.fixed["response"] == name].set_index("term")["estimate"].dropna()
        assert list(fixed.index) == list(one.params.index)
        np.testing.assert_allclose(fixed, one.params, rtol=1e-4)
        variances = many.variances[many.variances["response"] == name]["variance"].dropna()
        np.testing.assert_allclose(variances, one.vcomp["variance"], rtol=1e-3, atol=1e-4)


def test_many_responses_without_fixed_effects():
    pastes = lf.datasets.load("Pastes")
    formula = "strength ~ 0 + (1 | batch) + (1 | cask)"
    many = lf.lmer_many(formula.removeprefix("strength"), pastes, ["strength"])
    wanted = lf.lmer(formula, pastes, reml=False).criterion  # the same without fixed effects
    assert many.fits["criterion"].item() == pytest.approx(wanted, abs=1e-8)
    assert lf.lmer(formula, pastes).criterion == pytest.approx(wanted, abs=1e-8)
