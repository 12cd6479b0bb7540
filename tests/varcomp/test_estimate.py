"""Every estimator at the engine's optimum; known covariances against direct maximisation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dense_components import DenseModel
from slow_cases import slow, slow_if

import lmforms as lf
from lmforms.control import METHODS_WITH_START as METHODS
from lmforms.errors import (
    ArgumentError,
    ConvergenceWarning,
    DataError,
    IdentificationWarning,
    ModelError,
    RelationshipError,
    SingularWarning,
)
from lmforms.relationship import Pedigree, Relationship, vanraden
from lmforms.varcomp import ComponentModel, estimate, gibbs

pytestmark = pytest.mark.one_in(4)

CLASSICS = {
    "dung": "pr_dung ~ flies + (1 | oven_block)",
    "Rail": "travel ~ 1 + (1 | Rail)",
    "Dyestuff": "Yield ~ 1 + (1 | Batch)",
    "Penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
}


@pytest.mark.parametrize("reml", [True, slow(False)])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CLASSICS)
def test_every_method_reaches_the_engines_optimum(name, method, reml):
    data = lf.datasets.load(name)
    engine = lf.lmer(CLASSICS[name], data, reml=reml)
    found = estimate(ComponentModel.of_formula(CLASSICS[name], data), method, reml=reml)
    assert found.converged, found.message
    np.testing.assert_allclose(found.ratios, engine.theta**2, rtol=1e-6)
    assert found.criterion == pytest.approx(engine.criterion, abs=1e-9)
    assert found.variances["Residual"] == pytest.approx(engine.scale, rel=1e-6)
    np.testing.assert_allclose(found.params, engine.params, rtol=1e-7)
    np.testing.assert_allclose(found.cov_params(), engine.cov_params(), rtol=1e-5)
    for group, effects in engine.random_effects.items():
        np.testing.assert_allclose(
            found.random_effects[group], effects.to_numpy()[:, 0], rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("method", METHODS)
def test_a_variance_of_zero_is_found(method):
    formula, data = "Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2")
    found = estimate(ComponentModel.of_formula(formula, data), method)
    assert found.converged
    assert found.variances["Batch"] == 0.0
    assert "boundary" in found.message
    assert np.isnan(found.bse["Batch"])
    assert found.criterion == pytest.approx(161.828273, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [3, slow(5), slow(7)])
def test_no_heritability_from_a_far_start(seed, method):
    rng = np.random.default_rng(seed)
    n = 90
    sire, dam = np.zeros(n, int), np.zeros(n, int)
    for i in range(20, n):
        sire[i], dam[i] = rng.choice(i, 2, replace=False) + 1
    known = Pedigree.of(np.arange(1, n + 1), sire, dam).as_relationship()
    data = pd.DataFrame({"animal": np.arange(21, n + 1), "y": rng.normal(size=70)})
    model = ComponentModel.of_formula("y ~ 1 + (1 | animal)", data, relationship={"animal": known})
    wanted = estimate(model, "emma")
    found = estimate(model, method, start=[0.05, 3.0])
    assert found.converged, found.message
    assert found.criterion == pytest.approx(wanted.criterion, abs=1e-7)


@pytest.mark.parametrize("method", ["em", "ai", "newton", "fisher"])
def test_likelihood_never_falls_along_the_path(method):
    found = estimate(
        ComponentModel.of_formula(CLASSICS["Penicillin"], lf.datasets.load("Penicillin")), method
    )
    assert (np.diff(found.criteria) <= 1e-9).all()
    assert found.trace["step"].iloc[0] == "start"
    assert found.n_iterations == len(found.trace) - 1


def test_methods_of_lmer_give_ordinary_results():
    formula, data = CLASSICS["Penicillin"], lf.datasets.load("Penicillin")
    plain, em = lf.lmer(formula, data), lf.lmer(formula, data, method="em")
    np.testing.assert_allclose(em.theta, plain.theta, rtol=1e-6)
    assert em.optimizer.message.startswith("em: converged")
    assert em.optimizer.n_evaluations > plain.optimizer.n_evaluations
    assert em.optimizer.trace[-1] == pytest.approx(em.criterion, abs=1e-8)
    assert "Penicillin" not in str(em.summary())
    np.testing.assert_allclose(
        em.random_effects_cov["plate"], plain.random_effects_cov["plate"], rtol=1e-5
    )
    again = em.refit()
    assert again.optimizer.message.startswith("em: ")


@pytest.fixture(scope="module")
def animals() -> tuple[Pedigree, pd.DataFrame]:
    """360 animals over six generations; the first 36 without records."""
    rng = np.random.default_rng(13)
    n, per = 360, 60
    sire, dam, a = np.zeros(n, int), np.zeros(n, int), rng.normal(size=n)
    for g in range(1, 6):
        older = np.arange((g - 1) * per, g * per)
        fathers, mothers = older[:6], older[30:]
        for i in range(g * per, (g + 1) * per):
            f, m = rng.choice(fathers), rng.choice(mothers)
            sire[i], dam[i] = f + 1, m + 1
            a[i] = 0.5 * (a[f] + a[m]) + rng.normal() * np.sqrt(0.5)
    x = rng.normal(size=n)
    herd = rng.integers(0, 12, n)
    y = 10 + x + 1.2 * a + rng.normal(size=12)[herd] * 0.5 + rng.normal(size=n)
    frame = pd.DataFrame({"y": y, "x": x, "animal": np.arange(1, n + 1), "herd": herd.astype(str)})
    return Pedigree.of(np.arange(1, n + 1), sire, dam), frame.iloc[36:]


ANIMAL = "y ~ x + (1 | animal) + (1 | herd)"


def test_pedigree_model_against_direct_maximisation(animals):
    pedigree, data = animals
    fit = lf.lmer(ANIMAL, data, relationship={"animal": pedigree.as_relationship()})
    dense = DenseModel.of(
        ComponentModel.of_formula(
            ANIMAL, data, relationship={"animal": pedigree.as_relationship()}
        ),
        True,
    )
    best = dense.optimum(np.array([1.0, 0.3, 1.0]))
    np.testing.assert_allclose(fit.theta**2, best[:2] / best[2], rtol=1e-6)
    assert fit.criterion == pytest.approx(dense.at(best)[0], abs=1e-8)
    assert fit.ngroups == {"animal": 360, "herd": 12}

    # BLUPs and their covariances from V alone; parents without records included
    A = pedigree.relationship()
    Z = np.eye(360)[data["animal"].to_numpy() - 1]
    V = sum(v * part for v, part in zip(best, dense.parts, strict=True))
    Vi = np.linalg.inv(V)
    u = best[0] * A @ Z.T @ Vi @ (dense.y - dense.X @ fit.params.to_numpy())
    labels = np.asarray(fit.random_effects["animal"].index, dtype=int)
    np.testing.assert_allclose(
        fit.random_effects["animal"].to_numpy()[:, 0], u[labels - 1], atol=1e-5
    )
    conditional = best[0] * A - best[0] ** 2 * A @ Z.T @ Vi @ Z @ A
    np.testing.assert_allclose(
        fit.random_effects_cov["animal"].to_numpy()[:, 0],
        np.diag(conditional)[labels - 1],
        rtol=1e-4,
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", slow_if(lambda name: name.startswith("em"), METHODS))
def test_every_method_on_the_pedigree_model(animals, method):
    pedigree, data = animals
    known = {"animal": pedigree.as_relationship()}
    fit = lf.lmer(ANIMAL, data, relationship=known)
    model = ComponentModel.of_formula(ANIMAL, data, relationship=known)
    found = estimate(model, method)
    assert found.converged, found.message
    np.testing.assert_allclose(found.ratios, fit.theta**2, rtol=1e-6)


def test_forms_of_one_covariance_give_one_fit(animals):
    pedigree, data = animals
    A = pd.DataFrame(pedigree.relationship(), index=pedigree.labels, columns=pedigree.labels)
    shuffled = A.sample(frac=1, random_state=1)
    shuffled = shuffled[shuffled.index]
    by_precision = lf.lmer(ANIMAL, data, relationship={"animal": pedigree.as_relationship()})
    by_frame = lf.lmer(ANIMAL, data, relationship={"animal": shuffled})
    assert by_frame.criterion == pytest.approx(by_precision.criterion, abs=1e-8)
    left, right = (f.random_effects["animal"].sort_index() for f in (by_frame, by_precision))
    np.testing.assert_allclose(left, right, atol=1e-6)
    np.testing.assert_allclose(
        by_frame.at(by_frame.theta * 1.1).criterion,
        by_precision.at(by_frame.theta * 1.1).criterion,
        atol=1e-8,
    )
    new = pd.DataFrame({"x": [0.0], "animal": [1], "herd": ["3"]})  # a parent without records
    assert by_frame.predict(new)[0] == pytest.approx(by_precision.predict(new)[0], abs=1e-6)


@pytest.mark.parametrize("rank", [slow("full"), "low"])
def test_genomic_model_against_direct_maximisation(rank):
    rng = np.random.default_rng(5)
    n, m = 60, 300 if rank == "full" else 30
    markers = rng.binomial(2, rng.uniform(0.1, 0.9, m), size=(n, m)).astype(float)
    labels = [f"line{i}" for i in range(n)]
    known = vanraden(markers, labels=labels)
    centred = markers - markers.mean(axis=0)
    y = 2 + centred @ rng.normal(size=m) / np.sqrt(m) + rng.normal(size=n) * 0.7
    data = pd.DataFrame({"y": y, "line": labels})
    fit = lf.lmer("y ~ 1 + (1 | line)", data, relationship={"line": known})
    model = ComponentModel.of_formula("y ~ 1 + (1 | line)", data, relationship={"line": known})
    best = DenseModel.of(model, True).optimum(np.array([0.5, 0.5]))
    np.testing.assert_allclose(fit.theta**2, best[:1] / best[1:], rtol=1e-6)
    for method in METHODS:
        np.testing.assert_allclose(estimate(model, method).ratios, fit.theta**2, rtol=1e-6)


def test_identity_is_no_relationship():
    data = lf.datasets.load("Dyestuff")
    batches = sorted(data["Batch"].unique())
    known = Relationship.of(np.eye(len(batches)), batches)
    plain = lf.lmer("Yield ~ 1 + (1 | Batch)", data)
    fit = lf.lmer("Yield ~ 1 + (1 | Batch)", data, relationship={"Batch": known})
    assert fit.criterion == pytest.approx(plain.criterion, abs=1e-9)
    np.testing.assert_allclose(fit.theta, plain.theta, rtol=1e-6)
    pd.testing.assert_frame_equal(fit.vcomp, plain.vcomp, rtol=1e-6)
    np.testing.assert_allclose(fit.fittedvalues, plain.fittedvalues, rtol=1e-7)


def test_slopes_with_known_covariance_and_weights():
    rng = np.random.default_rng(2)
    q, n = 12, 150
    root = rng.normal(size=(q, q))
    known = Relationship.of(root @ root.T / q, [f"g{i}" for i in range(q)])
    codes, x = rng.integers(0, q, n), rng.normal(size=n)
    u = np.linalg.cholesky(known.dense()) @ rng.normal(size=(q, 2))
    y = 1 + x + u[codes, 0] + 0.6 * u[codes, 1] * x + rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x": x, "g": [f"g{c}" for c in codes], "w": rng.uniform(1, 3, n)})
    fit = lf.lmer("y ~ x + (x || g)", data, relationship={"g": known}, weights="w")
    model = ComponentModel.of_formula(
        "y ~ x + (x || g)", data, relationship={"g": known}, weights="w"
    )
    best = DenseModel.of(model, True).optimum(np.array([1.0, 0.5, 1.0]))
    np.testing.assert_allclose(fit.theta**2, best[:2] / best[2], rtol=1e-6)
    assert fit.random_effects_cov["g"].shape == (2 * q, 2)
    assert list(fit.random_effects["g"].columns) == ["Intercept", "x"]


# --- bad input --------------------------------------------------------------------------------


def one_way() -> pd.DataFrame:
    return lf.datasets.load("Dyestuff")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"relationship": [1]}, ArgumentError, "must map a grouping factor"),
        ({"relationship": {"Bach": np.eye(6)}}, ArgumentError, "Did you mean|did you mean"),
        ({"relationship": {"Batch": np.eye(6)}}, ArgumentError, "labels"),
        ({"relationship": {"Batch": (np.eye(5), list("ABCDE"))}}, RelationshipError, "F"),
        (
            {"relationship": {"Batch": (np.diag([1, 1, 1, 1, 1, -1.0]), list("ABCDEF"))}},
            RelationshipError,
            "semi-definite",
        ),
        ({"method": "reml"}, ArgumentError, "method='reml'"),
        ({"method": "em", "control": lf.Control(factor="dense")}, ArgumentError, "factor"),
    ],
)
def test_bad_arguments(options, error, words):
    with pytest.raises(error, match=words):
        lf.lmer("Yield ~ 1 + (1 | Batch)", one_way(), **options)


def test_correlated_effects_are_refused():
    data = lf.datasets.load("sleepstudy")
    with pytest.raises(ModelError, match=r"\|\|"):
        lf.lmer("Reaction ~ Days + (Days | Subject)", data, method="em")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": {"Batch": 1.0}}, "Residual"),
        ({"start": [1.0]}, "2 variances"),
        ({"start": [1.0, 0.0]}, "must be positive"),
        ({"start": ["a", 1.0]}, "numbers"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"method": "amx"}, "method='amx'"),
    ],
)
def test_bad_options_of_estimate(options, words):
    model = ComponentModel.of_formula("Yield ~ 1 + (1 | Batch)", one_way())
    with pytest.raises(ArgumentError, match=words):
        estimate(model, **options)


def test_bad_matrices():
    y, X, Z = np.arange(6.0), np.ones((6, 1)), np.eye(3)[[0, 0, 1, 1, 2, 2]]
    with pytest.raises(ArgumentError, match="rows"):
        ComponentModel.of_matrices(y, X, {"a": Z[:5]})
    with pytest.raises(lf.errors.DataError, match="dependent"):
        ComponentModel.of_matrices(y, np.ones((6, 2)), {"a": Z})
    with pytest.raises(lf.errors.DataError, match="finite"):
        ComponentModel.of_matrices(np.full(6, np.nan), X, {"a": Z})
    with pytest.raises(ArgumentError, match="K: there is no term `b`"):
        ComponentModel.of_matrices(y, X, {"a": Z}, {"b": np.eye(3)})
    with pytest.raises(ArgumentError, match="weights"):
        ComponentModel.of_matrices(y, X, {"a": Z}, weights=-np.ones(6))
    with pytest.raises(ModelError, match="explain"):
        estimate(ComponentModel.of_matrices(np.ones(6), X, {"a": Z}))
    with pytest.raises(ModelError, match="nothing for the residuals"):
        estimate(ComponentModel.of_matrices(y, np.eye(6), {"a": Z}))


def test_too_few_iterations_are_said():
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        lf.lmer(
            CLASSICS["Penicillin"],
            lf.datasets.load("Penicillin"),
            method="em",
            control=lf.Control(max_evaluations=3),
        )


def test_one_record_each_without_a_covariance_to_tell_is_refused():
    n = 30
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=n), "id": np.arange(n)})
    with pytest.raises(ModelError, match="cannot be told"):
        lf.lmer("y ~ 1 + (1 | id)", data, method="ai")
    known = Relationship.of(np.eye(n), np.arange(n))
    with pytest.warns(lf.errors.IdentificationWarning, match="id"):
        lf.lmer("y ~ 1 + (1 | id)", data, relationship={"id": known})


def test_a_related_fit_can_all_that_others_can(tmp_path, animals):
    pedigree, data = animals
    fit = lf.lmer(ANIMAL, data, relationship={"animal": pedigree.as_relationship()})
    fit.save(tmp_path / "fit.lmf")
    back = lf.load(tmp_path / "fit.lmf")
    assert back.criterion == pytest.approx(fit.criterion, abs=1e-9)
    assert back.optimizer.trace == fit.optimizer.trace
    m = fit.matrices
    np.testing.assert_allclose(m.y, m.X @ m.beta + m.Z @ m.b + m.e, rtol=1e-10)
    np.testing.assert_allclose(m.b, m.Lambda @ m.u, rtol=1e-6, atol=1e-8)
    assert "360" in str(fit.summary())


def test_singular_fits_are_said():
    data = lf.datasets.load("Dyestuff2")
    with pytest.warns(SingularWarning):
        lf.lmer("Yield ~ 1 + (1 | Batch)", data, method="ai")


def test_emma_and_gibbs_give_ordinary_results():
    formula, data = CLASSICS["Dyestuff"], lf.datasets.load("Dyestuff")
    plain = lf.lmer(formula, data)
    emma = lf.lmer(formula, data, method="emma")
    np.testing.assert_allclose(emma.theta, plain.theta, rtol=1e-6)
    assert emma.optimizer.message.startswith("emma")
    mode = lf.lmer(formula, data, method="gibbs", control=lf.Control(seed=3))
    np.testing.assert_allclose(mode.theta, plain.theta, rtol=0.05)
    assert "posterior mode" in mode.optimizer.message
    with pytest.raises(ArgumentError, match="start"):
        lf.lmer(formula, data, method="emma", start=[1.0])
    with pytest.raises(ArgumentError, match="ML"):
        lf.lmer(formula, data, method="gibbs", reml=False)
    with pytest.raises(ModelError, match="ai"):
        lf.lmer(CLASSICS["Penicillin"], lf.datasets.load("Penicillin"), method="emma")


@pytest.mark.parametrize("method", METHODS)
def test_levels_that_explain_every_row_are_refused(method):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 12, 60)
    data = pd.DataFrame({"y": levels * 1.5, "x": rng.normal(size=60), "g": levels})
    known = Relationship.of(np.eye(12) + 0.3, np.arange(12))
    model = ComponentModel.of_formula("y ~ x + (1 | g)", data, relationship={"g": known})
    with pytest.raises(ModelError, match="no residual variance"):
        estimate(model, method)


def test_a_covariance_of_zero_is_refused():
    with pytest.raises(ModelError, match="zero everywhere"):
        lf.lmer(
            "Yield ~ 1 + (1 | Batch)",
            one_way(),
            relationship={"Batch": (np.zeros((6, 6)), list("ABCDEF"))},
        )


# --- all methods alike ------------------------------------------------------------------------

EVERY_METHOD = (*METHODS, "emma", "gibbs")


def grouped(seed: int = 1) -> pd.DataFrame:
    """Rows and levels in an order of their own, in odd units."""
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.arange(60) % 6)
    y = 1e3 * np.pi**seed * (rng.normal(size=60) + rng.normal(size=6)[g])
    return pd.DataFrame({"g": rng.permutation(list("abcdef"))[g], "x": g % 2 + 0.1 * y, "y": y})


@pytest.mark.parametrize("seed", [1, slow(2)])
@pytest.mark.parametrize("method", EVERY_METHOD)
def test_a_term_that_the_fixed_effects_explain_is_said_by_every_method(method, seed):
    formula, data = "y ~ g + (1 | g)", grouped(seed)
    with pytest.warns(IdentificationWarning):
        plain = lf.lmer(formula, data)
    with pytest.warns() as said:
        fit = lf.lmer(formula, data, method=method)
    assert {w.category for w in said} == {IdentificationWarning}
    assert fit.criterion == pytest.approx(plain.criterion, abs=1e-7)
    np.testing.assert_allclose(fit.params, plain.params, rtol=1e-6)
    assert np.isnan(estimate(ComponentModel.of_formula(formula, data), method).bse["g"])
    if method != "gibbs":
        with pytest.warns(SingularWarning):
            assert lf.lmer(formula, data, method=method, reml=False).theta == 0


@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize("formula", ["y ~ 1", "y ~ 0 + (1 | g)"])
def test_models_without_random_or_fixed_terms(formula, method, capfd):
    data = grouped()
    for reml in (True, False)[: 1 if method == "gibbs" else 2]:
        fit = lf.lmer(formula, data, method=method, reml=reml)
        wanted = lf.lmer(formula, data, reml=reml).criterion
        assert fit.criterion == pytest.approx(wanted, abs=1e-2 if method == "gibbs" else 1e-8)
    assert fit.cov_params().shape == (len(fit.params),) * 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_refit_is_by_the_same_method_with_the_same_options(method):
    formula, data = "y ~ 1 + (1 | g)", grouped()
    again = lf.lmer(formula, data, method=method).refit(data["y"] + data["x"])
    direct = lf.lmer(formula, data.assign(y=data["y"] + data["x"]), method=method)
    assert again.optimizer.message.startswith(method)
    assert again.converged
    assert again.criterion == pytest.approx(direct.criterion, abs=1e-7)


def test_draws_without_fixed_effects():
    model = ComponentModel.of_formula("y ~ 0 + (1 | g)", grouped())
    drawn = gibbs(model, draws=30, warmup=5, chains=2, seed=1)
    assert drawn.beta_draws.shape == (2, 30, 0)
    assert list(drawn.summary().index.get_level_values("kind")) == ["variance", "variance"]


@pytest.mark.parametrize("method", METHODS)
def test_two_names_of_one_grouping_are_said_by_every_method(method):
    data = grouped().assign(again=lambda d: "level " + d["g"])
    with pytest.warns() as said:
        fit = lf.lmer("y ~ 1 + (1 | g) + (1 | again)", data, method=method)
    assert {w.category for w in said} == {IdentificationWarning}
    single = lf.lmer("y ~ 1 + (1 | g)", data)
    assert fit.criterion == pytest.approx(single.criterion, abs=1e-7)


def test_rows_and_levels_of_frames_are_found_by_their_labels():
    rng = np.random.default_rng(4)
    rows, levels = [f"r{i}" for i in range(30)], list("abcde")
    y = pd.Series(rng.normal(size=30), index=rows)
    X = pd.DataFrame({"one": 1.0, "x": rng.normal(size=30)}, index=rows)
    Z = pd.DataFrame(np.eye(5)[np.arange(30) % 5], index=rows, columns=levels)
    root = rng.normal(size=(5, 5))
    K = pd.DataFrame(root @ root.T + np.eye(5), index=levels, columns=levels)
    w = pd.Series(rng.uniform(1, 2, 30), index=rows)
    plain = [a.to_numpy() for a in (y, X, Z, K, w)]
    wanted = ComponentModel.of_matrices(
        plain[0], plain[1], {"g": plain[2]}, {"g": plain[3]}, weights=plain[4]
    )
    other, order = rng.permutation(30), list("ecabd")
    found = ComponentModel.of_matrices(
        y, X.iloc[other], {"g": Z.iloc[other[::-1]]}, {"g": K.loc[order, order]}, weights=w[::-1]
    )
    np.testing.assert_allclose(estimate(found).variances, estimate(wanted).variances, rtol=1e-9)
    with pytest.raises(DataError, match="X has other row labels"):
        ComponentModel.of_matrices(y, X.reset_index(drop=True), {"g": Z})
    start = pd.Series({"Residual": 2.0, "g": 1.0})
    np.testing.assert_allclose(estimate(wanted, start=start).steps[0], [1.0, 2.0])


@pytest.mark.parametrize("spoil", [lambda a: a + 0j, lambda a: np.ma.array(a, mask=a == a.max())])
@pytest.mark.parametrize("place", range(4))
def test_masked_and_complex_matrices_are_refused(spoil, place):
    rng = np.random.default_rng(4)
    parts = [rng.normal(size=30), np.ones((30, 1)), np.eye(5)[np.arange(30) % 5], np.ones(30)]
    parts[place] = spoil(parts[place])
    y, X, Z, w = parts
    with pytest.raises((DataError, ArgumentError), match=r"real numbers|finite"):
        ComponentModel.of_matrices(y, X, {"g": Z}, weights=w)
