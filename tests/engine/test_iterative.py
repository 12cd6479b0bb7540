"""Conjugate gradients against the exact engine and dense algebra."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import SmallModel, fit_at, make_model, problem_of
from simulated_crossed import crossed_frame

import lmforms as lf
from lmforms.control import Control
from lmforms.engine import solver_choice as choice
from lmforms.engine.criterion.evaluate import Differentiated, differentiate
from lmforms.engine.criterion.evaluate import evaluate as evaluate_exactly
from lmforms.engine.factor import Factorization
from lmforms.engine.factor import system as system_module
from lmforms.engine.iterative import IterativeProblem, IterativeSystem, score_search
from lmforms.engine.iterative import evaluate_at as report_at
from lmforms.engine.iterative.conjugate import solve
from lmforms.engine.iterative.criterion import IterativeEvaluation, evaluate
from lmforms.engine.iterative.lanczos import log_determinant, quadratic_forms
from lmforms.engine.iterative.probes import diagonal_sums, sign_probes
from lmforms.engine.iterative.schur_operator import SchurOperator
from lmforms.engine.linalg.batched import mirrored
from lmforms.errors import ArgumentError, MemoryLimitError, ModelError, NumericalError

pytestmark = pytest.mark.one_in(4)


@st.composite
def crossed_models(draw: st.DrawFn) -> SmallModel:
    """Two or three crossed factors with slopes, any structure, any θ."""
    count = draw(st.integers(2, 3))
    return make_model(
        seed=draw(st.integers(0, 2**16)),
        levels=tuple(draw(st.integers(2, 8)) for _ in range(count)),
        columns=tuple(draw(st.integers(1, 3)) for _ in range(count)),
        structures=tuple(draw(st.sampled_from(["us", "diag", "stacked"])) for _ in range(count)),
        n=draw(st.integers(30, 60)),
        weighted=draw(st.booleans()),
        reml=draw(st.booleans()),
        zeros=draw(st.booleans()),
    )


def basis(m: int, seed: int = 0) -> np.ndarray:
    """Probes for which every trace is exact: √m times an orthonormal basis."""
    square = np.random.default_rng(seed).normal(size=(m, m))
    return np.sqrt(m) * np.linalg.qr(square)[0]


def twins(model: SmallModel) -> tuple[Differentiated, IterativeEvaluation]:
    """The exact evaluation, and the iterative one with exact traces."""
    problem, _ = problem_of(model)
    exact = differentiate(evaluate_exactly(problem, model.theta))
    system = IterativeSystem(problem.system.cp)
    iterative = IterativeProblem(system, problem.covariances, problem.reml)
    return exact, evaluate(iterative, model.theta, basis(system.m), tolerance=1e-13)


# --- solving ---------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(m=st.integers(1, 30), r=st.integers(1, 5), seed=st.integers(0, 1000))
def test_conjugate_gradients_against_a_dense_solve(m, r, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(m, m))
    s = root @ root.T + np.eye(m)
    rhs = rng.normal(size=(m, r))
    rhs[:, 0] = 0.0
    jacobi = 1.0 / np.diag(s)[:, None]
    for guess in (None, rng.normal(size=(m, r))):
        found = solve(
            lambda x: s @ x, lambda x: jacobi * x, rhs.copy(), tolerance=1e-12, guess=guess
        )
        np.testing.assert_allclose(found.x, np.linalg.solve(s, rhs), rtol=1e-7, atol=1e-8)


def test_columns_converge_each_for_itself():
    s = np.diag(np.arange(1.0, 21.0))
    easy, hard = np.eye(20)[:, :1], np.ones((20, 1))
    widths = []

    def operator(x):
        widths.append(x.shape[1])
        return s @ x

    solve(operator, lambda x: x, np.hstack([easy, hard]), tolerance=1e-10)
    assert widths[0] == 2
    assert widths[1] == 1


def test_no_convergence_is_an_error_with_a_remedy():
    rng = np.random.default_rng(1)
    s = np.diag(10.0 ** rng.uniform(-8, 8, 50))
    with pytest.raises(NumericalError, match=r"did not converge in 5 iterations.*factor='auto'"):
        solve(lambda x: s @ x, lambda x: x, np.ones((50, 1)), tolerance=1e-10, limit=5)


def test_an_indefinite_operator_is_an_error():
    with pytest.raises(NumericalError, match="not positive definite"):
        solve(lambda x: -x, lambda x: x, np.ones((3, 1)), tolerance=1e-10)


@settings(max_examples=40, deadline=None)
@given(model=crossed_models())
def test_the_operator_is_the_schur_complement(model):
    problem, _ = problem_of(model, "dense")
    lams = problem.lams(model.theta)
    factor = Factorization(problem.system, lams)
    system = IterativeSystem(problem.system.cp)
    operator = SchurOperator(system, lams)
    inverse = mirrored(np.ascontiguousarray(factor._schur_inverse))
    product = operator.schur(inverse)
    np.testing.assert_allclose(product, np.eye(system.m), atol=1e-8)
    # T: the diagonal blocks by level, of which the whitened operator has none but identities
    whitened = operator.whitened(np.eye(system.m))
    for i in system.rest:
        (q, k), start = system.shapes[i], system.spans[i].start
        for level in range(q):
            at = slice(start + level * k, start + (level + 1) * k)
            np.testing.assert_allclose(whitened[at, at], np.eye(k), atol=1e-9)


# --- score, information, likelihood ----------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(model=crossed_models())
def test_with_a_basis_for_probes_everything_is_exact(model):
    exact, found = twins(model)
    scale = max(1.0, np.abs(exact.gradient).max())
    np.testing.assert_allclose(found.gradient, exact.gradient, rtol=1e-8, atol=1e-8 * scale)
    scale = np.abs(exact.information).max()
    np.testing.assert_allclose(found.information, exact.information, rtol=1e-8, atol=1e-8 * scale)
    np.testing.assert_allclose(found.curvature_scale, exact.curvature_scale, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.mixed, exact.mixed, rtol=1e-8, atol=1e-8)
    for g, h in zip(found.covariance_gradients, exact.covariance_gradients, strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-8, atol=1e-8 * np.abs(h).max())
    np.testing.assert_allclose(found.gls.beta, exact.gls.beta, rtol=1e-9, atol=1e-10)
    assert found.gls.r2 == pytest.approx(exact.gls.r2, rel=1e-11)
    for b, d in zip(found.b, exact.b, strict=True):
        np.testing.assert_allclose(b, d, rtol=1e-8, atol=1e-9)
    log_det, _ = log_determinant(found.factor, basis(found.factor.system.m))
    assert log_det == pytest.approx(exact.factor.log_det, rel=1e-9, abs=1e-4)


def test_signs_give_the_same_on_average():
    model = make_model(4, (9, 7), (2, 2), ("us", "us"), n=80)
    exact, _ = twins(model)
    system = IterativeSystem(exact.problem.system.cp)
    operator = SchurOperator(system, exact.problem.lams(model.theta))
    found = diagonal_sums(operator, sign_probes(system.m, 0, 4000), tolerance=1e-10)
    wanted = exact.factor.diagonal_sums()
    for one, total, want in zip(found.by_probe, found.sums, wanted, strict=True):
        error = one.std(axis=0) / np.sqrt(len(one))
        assert (np.abs(total - want) <= 5 * error + 1e-9).all()


def test_what_blocks_can_tell_is_not_left_to_the_probes():
    # uncoupled levels: every diagonal block is exact whatever the signs are
    rng = np.random.default_rng(0)
    model = make_model(0, (6, 6), (1, 2), ("us", "us"), n=48)
    first, second = model.rows.factors
    second.codes[:] = first.codes[: len(second.codes)]
    theta = rng.normal(size=model.n_theta)
    problem, _ = problem_of(model)
    exact = differentiate(evaluate_exactly(problem, theta))
    system = IterativeSystem(problem.system.cp)
    operator = SchurOperator(system, problem.lams(theta))
    found = diagonal_sums(operator, sign_probes(system.m, 3, 2), tolerance=1e-13)
    for total, want in zip(found.sums, exact.factor.diagonal_sums(), strict=True):
        np.testing.assert_allclose(total, want, rtol=1e-9)


def test_the_estimate_does_not_depend_on_the_root_of_the_covariance():
    model = make_model(2, (9, 7), (2, 2), ("us", "us"), n=80)
    problem, _ = problem_of(model)
    system = IterativeSystem(problem.system.cp)
    iterative = IterativeProblem(system, problem.covariances, True)
    probes = sign_probes(system.m, 1, 3)
    flipped = model.theta.copy()
    flipped[:2] *= -1.0  # the first column of the first λ
    a, b = evaluate(iterative, model.theta, probes), evaluate(iterative, flipped, probes)
    for g, h in zip(a.covariance_gradients, b.covariance_gradients, strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-12)
    np.testing.assert_allclose(np.abs(a.gradient), np.abs(b.gradient), rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_has_an_honest_standard_error(seed):
    frame = crossed_frame(3000, 250, 200, seed=seed)
    model = lf.MixedModel("y ~ x + (x | a) + (1 | b)", frame)
    exact = model.fit()
    cg = lf.Control(factor="cg", seed=seed)
    found = fit_at(exact, exact.theta, cg)
    assert 0 < found.criterion_se < 0.5
    assert abs(found.criterion - exact.criterion) < 4 * found.criterion_se
    assert exact.criterion_se == 0.0


def test_quadrature_of_a_known_matrix():
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    values = rng.uniform(0.1, 2.0, 12)
    start = rng.normal(size=(12, 3))
    start[:, 2] = 0.0
    found = quadratic_forms(lambda x: (vectors * values) @ (vectors.T @ x), start)
    wanted = (vectors.T @ start) ** 2 * (np.log(values) - values + 1)[:, None]
    np.testing.assert_allclose(found, wanted.sum(axis=0), atol=1e-4)


# --- fits ------------------------------------------------------------------------------------

FITS = [
    ("y ~ x + (1 | a) + (1 | b)", True),
    ("y ~ x + (1 | a) + (1 | b)", False),
    ("y ~ x + (x | a) + (1 | b)", True),
    ("y ~ x + (1 | a) + (x || b) + (1 | c)", True),
    ("y ~ 1 + (1 | a) + (0 + x | a) + (1 | b) + (1 | c)", False),
]


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
@pytest.mark.parametrize("formula, reml", FITS)
def test_fits_agree_within_a_fraction_of_a_standard_error(formula, reml):
    model = lf.MixedModel(formula, crossed_frame(4000, 300, 250), weights="w")
    exact, found = model.fit(reml=reml), model.fit(reml=reml, control=Control(factor="cg"))
    assert found.converged
    information = exact.state.estimate.optimum.evaluation.information
    inner = np.sqrt(2.0 * np.diag(np.linalg.pinv(information)))
    moved = (
        found.state.estimate.optimum.evaluation.theta
        - exact.state.estimate.optimum.evaluation.theta
    )
    assert (np.abs(moved) <= 0.06 * inner + 1e-6).all()  # ten probes, a few hundred levels
    # β moves by θ's noise times their small dependence
    assert (np.abs(found.params - exact.params) < 0.01 * exact.bse).all()
    np.testing.assert_allclose(found.bse, exact.bse, rtol=0.01)
    assert found.sigma == pytest.approx(exact.sigma, rel=1e-3)
    assert abs(found.criterion - exact.criterion) < 4 * found.criterion_se + 0.02
    at = fit_at(found, found.theta, Control())  # exactly, at the same θ
    np.testing.assert_allclose(found.params, at.params, rtol=1e-9)
    np.testing.assert_allclose(found.cov_params(), at.cov_params(), rtol=1e-8)
    for name, modes in at.random_effects.items():
        np.testing.assert_allclose(found.random_effects[name], modes, atol=1e-8)
    np.testing.assert_allclose(found.fittedvalues, at.fittedvalues, atol=1e-8)


def test_a_variance_of_zero_is_found_exactly():
    frame = crossed_frame(3000, 200, 150, seed=1, sizes=(0.8, 0.0))
    exact = lf.MixedModel("y ~ x + (x | a) + (1 | b)", frame)
    with pytest.warns(lf.errors.SingularWarning):
        found = exact.fit(control=Control(factor="cg"))
    assert found.theta[-1] == 0.0
    assert found.converged
    with pytest.warns(lf.errors.SingularWarning):
        assert exact.fit().theta[-1] == pytest.approx(0.0, abs=1e-6)


def test_a_start_at_a_saddle_is_left():
    model = lf.MixedModel("y ~ x + (1 | a) + (1 | b)", crossed_frame(3000, 200, 150))
    plain = model.fit(control=Control(factor="cg"))
    found = model.fit(control=Control(factor="cg"), start=[0.0, 0.0])
    np.testing.assert_allclose(found.theta, plain.theta, rtol=1e-4)


def test_seeds_fix_the_fit_and_hardly_move_it():
    model = lf.MixedModel("y ~ x + (1 | a) + (1 | b)", crossed_frame(4000, 300, 250))
    first = model.fit(control=Control(factor="cg", seed=7))
    again = model.fit(control=Control(factor="cg", seed=7))
    other = model.fit(control=Control(factor="cg", seed=8))
    assert (first.theta == again.theta).all()
    assert first.criterion == again.criterion
    assert (first.params == again.params).all()
    assert (first.theta != other.theta).any()
    np.testing.assert_allclose(first.theta, other.theta, rtol=2e-3)


def test_where_the_walk_began_does_not_matter():
    model = lf.MixedModel("y ~ x + (x | a) + (1 | b)", crossed_frame(3000, 200, 150))
    control = Control(factor="cg")
    fits = [
        model.fit(control=control, start=start)
        for start in (None, [3.0, 1.0, 2.0, 4.0], [0.1, 0.0, 0.1, 0.1])
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.theta, fits[0].theta, atol=1e-4)


def test_a_failure_on_the_way_is_a_failed_step(monkeypatch):
    model = lf.MixedModel("y ~ x + (1 | a) + (1 | b)", crossed_frame(2000, 120, 100))
    plain = model.fit(control=Control(factor="cg"))
    calls = []

    def sometimes(*args, **options):
        calls.append(args)
        if len(calls) == 2:
            raise NumericalError("conjugate gradients did not converge")
        return evaluate(*args, **options)

    monkeypatch.setattr(score_search, "evaluate", sometimes)
    fit = model.fit(control=Control(factor="cg"))
    assert fit.converged
    assert np.inf in fit.optimizer.trace
    np.testing.assert_allclose(fit.theta, plain.theta, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::lmforms.errors.ConvergenceWarning")
def test_a_short_budget_is_reported():
    model = lf.MixedModel("y ~ x + (1 | a) + (1 | b)", crossed_frame(2000, 120, 100))
    fit = model.fit(control=Control(factor="cg", max_evaluations=1), start=[5.0, 5.0])
    assert not fit.converged
    assert "max_evaluations" in fit.optimizer.message


# --- choice, refusals, reports ---------------------------------------------------------------


def test_auto_goes_to_conjugate_gradients_where_no_factor_fits(monkeypatch):
    monkeypatch.setattr(system_module, "DENSE_COUPLING", 1000)
    frame = crossed_frame(6000, 700, 600)
    formula = "y ~ x + (1 | a) + (1 | b)"
    small = lf.lmer(formula, frame, control=Control(memory=10**6))
    assert [b.kind for b in small.optimizer.blocks][-1] == "conjugate gradients"
    assert lf.lmer(formula, frame).optimizer.blocks[-1].kind == "dense"
    for path in ("dense", "superlu"):
        with pytest.raises(MemoryLimitError):
            lf.lmer(formula, frame, control=Control(factor=path, memory=10**6))


def test_auto_goes_to_conjugate_gradients_for_large_factors(monkeypatch):
    monkeypatch.setattr(choice, "ALWAYS_EXACT_COLUMNS", 500)
    monkeypatch.setattr(system_module, "DENSE_SCHUR", 400)
    monkeypatch.setattr(system_module, "MOST_SPARSE_WORK", 1e7)
    monkeypatch.setattr(system_module, "DENSE_COUPLING", 0)
    monkeypatch.setattr(system_module, "DENSE_COUPLING_SHARE", 2.0)
    formula = "y ~ x + (1 | a) + (1 | b)"
    dense = lf.lmer(formula, crossed_frame(6000, 700, 600))
    assert dense.optimizer.blocks[-1].kind == "conjugate gradients"
    # a chain of levels that overlap a little has a sparse factor, whatever its length
    frame = crossed_frame(6000, 700, 600)
    at = np.arange(6000)
    frame["a"], frame["b"] = at * 700 // 6000, (at * 600 // 6000 + at % 2) % 600
    frame["y"] += np.random.default_rng(3).normal(size=700)[frame["a"]]
    frame["y"] += np.random.default_rng(4).normal(size=600)[frame["b"]]
    chain = lf.lmer(formula, frame)
    assert chain.optimizer.blocks[-1].kind.startswith("sparse")


def test_nested_factors_are_refused():
    frame = crossed_frame(4000, 400, 300)
    frame["b"] = frame["a"] % 40
    with pytest.raises(ArgumentError, match=r"nested.*factor='auto'"):
        lf.lmer("y ~ x + (1 | a) + (1 | b)", frame, control=Control(factor="cg"))
    with pytest.raises(ArgumentError, match="crossed grouping factors; this model has 1"):
        lf.lmer("y ~ x + (1 | a)", frame, control=Control(factor="cg"))
    frame = crossed_frame(4000, 800, 300)
    frame["b"] = frame["a"] // 4 * 4 + np.random.default_rng(0).integers(0, 3, len(frame))
    with pytest.raises(ArgumentError, match="not connected"):
        lf.lmer("y ~ x + (1 | a) + (1 | b)", frame, control=Control(factor="cg"))


@pytest.mark.parametrize("seed", [-1, 0.5, "x", None])
def test_bad_seeds(seed):
    with pytest.raises(ArgumentError, match="seed"):
        Control(seed=seed)


def test_what_needs_a_factor_is_refused_with_a_remedy():
    frame = crossed_frame(1500, 80, 60)
    fit = lf.lmer("y ~ x + (1 | a) + (1 | b)", frame, control=Control(factor="cg"))
    with pytest.raises(ModelError, match=r"conjugate gradients.*Control\(factor='dense'\)"):
        fit.random_effects_cov  # noqa: B018
    with pytest.raises(ModelError, match=r"conjugate gradients.*Control\(factor="):
        fit.matrices  # noqa: B018


def test_the_report_says_what_is_estimated():
    frame = crossed_frame(1500, 80, 60)
    fit = lf.lmer("y ~ x + (1 | a) + (1 | b)", frame, control=Control(factor="cg"))
    text = str(fit.summary())
    assert "(estimated)" in text
    assert "conjugate gradients" in text
    assert "estimated score" in fit.optimizer.message
    assert fit.optimizer.trace[-1] <= fit.optimizer.trace[0]
    assert len(fit.optimizer.trace) == fit.optimizer.n_evaluations
    exact = str(lf.lmer("y ~ x + (1 | a) + (1 | b)", frame).summary())
    assert "estimated)" not in exact


def test_refit_predict_and_at():
    frame = crossed_frame(1500, 80, 60)
    fit = lf.lmer("y ~ x + (1 | a) + (1 | b)", frame, control=Control(factor="cg"))
    np.testing.assert_allclose(fit.predict(frame), fit.fittedvalues, atol=1e-10)
    assert fit.at(fit.theta + 0.3).criterion > fit.criterion
    again = fit.refit(fit.state.response * 2.0)
    np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-5)


def test_save_and_load(tmp_path):
    frame = crossed_frame(1500, 80, 60)
    fit = lf.lmer("y ~ x + (x | a) + (1 | b)", frame, control=Control(factor="cg", seed=3))
    fit.save(tmp_path / "fit.lmf")
    back = lf.load(tmp_path / "fit.lmf")
    assert back.criterion == pytest.approx(fit.criterion, rel=1e-12)
    assert back.criterion_se == pytest.approx(fit.criterion_se, rel=1e-6)
    assert back.optimizer.trace == fit.optimizer.trace
    assert back.optimizer.blocks[-1].kind == "conjugate gradients"
    pd.testing.assert_frame_equal(back.random_effects["a"], fit.random_effects["a"])


def test_a_report_at_given_theta_needs_no_search():
    model = make_model(3, (8, 6), (1, 1), ("us", "us"), n=60)
    problem, _ = problem_of(model)
    system = IterativeSystem(problem.system.cp)
    found = report_at(IterativeProblem(system, problem.covariances, True), model.theta)
    exact = evaluate_exactly(problem, model.theta)
    assert found.value == pytest.approx(exact.value, abs=4 * found.value_se + 1e-3)
