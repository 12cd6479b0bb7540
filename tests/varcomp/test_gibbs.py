"""Gibbs sampling against exact posteriors, dense conditionals and REML."""

from __future__ import annotations

import builtins
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from slow_cases import slow
from test_emma import ONE_WAY, genomic, pedigree_like

import lmforms as lf
from lmforms.errors import ArgumentError, MissingPackageError, ModelError
from lmforms.relationship import Relationship
from lmforms.varcomp import ComponentModel, InverseChiSquared, emma, estimate, gibbs, samplers
from lmforms.varcomp import component_problem as problem_module
from lmforms.varcomp.component_problem import component_problem
from lmforms.varcomp.samplers import BlockSampler, DiagonalSampler

ERRORS = 4.5
"""Monte-Carlo standard errors that are allowed; seeds are fixed."""


def one_way(name):
    return ComponentModel.of_formula(ONE_WAY[name], lf.datasets.load(name))


def penicillin():
    data = lf.datasets.load("Penicillin")
    return ComponentModel.of_formula("diameter ~ 1 + (1 | plate) + (1 | sample)", data)


def standard_error(draws):
    """Of the mean of (chains, draws)."""
    arviz = pytest.importorskip("arviz")
    x = np.asarray(draws, dtype=float)
    return float(x.std(ddof=1) / np.sqrt(float(arviz.ess(x, method="mean"))))


def within_error(draws, exact):
    """Check the mean of (chains, draws) against an exact value."""
    error = standard_error(draws)
    assert abs(draws.mean() - exact) <= ERRORS * error
    return error


# --- one component, exactly ---------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Dyestuff", "Dyestuff2", "Rail"])
@pytest.mark.parametrize("prior", [None, slow(InverseChiSquared(4, 0.5))])
def test_ratio_of_one_way(name, prior):
    # flat: p(γ | y) ∝ ∫ L_R(γσ², σ²) σ² dσ², and σ² integrates in closed form. With a prior on
    # both variances its density at (γσ², σ²) goes under the integral, which is then numerical.
    model = one_way(name)
    unit = float(np.var(model.y))
    prior = prior and InverseChiSquared(prior.nu, prior.scale * unit)
    fit = gibbs(model, draws=3000, prior=prior, seed=7)
    gamma = fit.variance_draws[:, :, 0] / fit.variance_draws[:, :, 1]
    t = np.linspace(-16, 14, 601)  # ln γ
    nu, s = (prior.nu, prior.scale) if prior else (-2.0, 0.0)
    left = model.n - 1
    log_p = np.empty_like(t)
    for i, g in enumerate(np.exp(t)):
        q, log_det = dense_parts(model, g)
        # ∫ (σ²)^(−left/2 − (ν/2+1)·2 + 1) exp(−[q + νS(1 + 1/γ)]/2σ²) dσ², and dγ = γ d ln γ
        power = 0.5 * left + nu
        total = q + (nu * s * (1 + 1 / g) if s else 0.0)
        log_p[i] = -0.5 * log_det - power * np.log(total) - (0.5 * nu + 1) * np.log(g) + np.log(g)
    p = np.exp(log_p - log_p.max())
    cdf = np.concatenate([[0], np.cumsum(0.5 * (p[1:] + p[:-1]))])
    cdf /= cdf[-1]
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        cut = np.exp(np.interp(level, cdf, t))
        assert within_error(gamma <= cut, level) < 0.02


def dense_parts(model, ratio):
    """y'P₀y and ln|V₀| + ln|X'V₀⁻¹X|."""
    z = model.components[0].Z.toarray()
    v = ratio * z @ z.T + np.eye(model.n)
    inverse = np.linalg.inv(v)
    xvx = model.X.T @ inverse @ model.X
    r = model.y - model.X @ np.linalg.solve(xvx, model.X.T @ inverse @ model.y)
    return r @ inverse @ r, np.linalg.slogdet(v)[1] + np.linalg.slogdet(xvx)[1]


# --- joint modes ---------------------------------------------------------------------------


def mode_and_error(model, **options):
    """ln of the joint mode over all draws, and its error from the chains' own."""
    fit = gibbs(model, **options)
    one = [replace(fit, squares=fit.squares[[c]]) for c in range(len(fit.squares))]
    own = [np.log(f.joint_mode.to_numpy()) for f in one]
    return np.log(fit.joint_mode.to_numpy()), np.std(own, axis=0, ddof=1) / np.sqrt(len(own))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Dyestuff", slow("Rail")])
def test_joint_mode_is_reml(name):
    model = one_way(name)
    reml = np.log(emma(model).variances.to_numpy())
    mode, error = mode_and_error(model, draws=2500, chains=8, seed=3)
    assert (error < 0.02).all()
    assert (np.abs(mode - reml) <= ERRORS * error + 1e-3).all()


def test_joint_mode_at_the_boundary():
    mode = gibbs(one_way("Dyestuff2"), seed=3).joint_mode
    assert mode["Batch"] < 0.05 * mode["Residual"]
    assert mode["Residual"] == pytest.approx(13.806, rel=0.05)


@pytest.mark.slow
def test_joint_mode_is_reml_crossed():
    model = penicillin()
    reml = np.log(estimate(model).variances.to_numpy())
    mode, error = mode_and_error(model, draws=1000, warmup=200, chains=4, seed=4)
    assert (error < 0.03).all()
    assert (np.abs(mode - reml) <= ERRORS * error + 2e-3).all()


@pytest.mark.slow
def test_joint_mode_with_a_prior():
    # dung: three blocks have no flat posterior; the mode is of likelihood times prior
    model = one_way("dung")
    prior = InverseChiSquared(3, 2e-4)
    unit = 1e-4

    def negative(log_v):
        v = np.exp(log_v) * unit
        value = 0.5 * (dense_at(model, v) + (prior.nu + 2) * np.log(v[0]))
        return value + 0.5 * prior.nu * prior.scale / v[0]

    exact = minimize(negative, [0.5, -0.5], method="Nelder-Mead", options={"xatol": 1e-8}).x
    mode, error = mode_and_error(model, draws=2500, chains=8, prior={"oven_block": prior}, seed=5)
    assert (np.abs(mode - np.log(unit) - exact) <= ERRORS * error + 1e-3).all()


def dense_at(model, v):
    """−2 × restricted log-likelihood, less its constant, at (σ_u², σ²)."""
    quadratic, log_dets = dense_parts(model, v[0] / v[1])
    return log_dets + (model.n - model.X.shape[1]) * np.log(v[1]) + quadratic / v[1]


# --- conditionals --------------------------------------------------------------------------


def crossed(seed=0, precision=True):
    """Two components, one with a precision of more levels than have records, and weights."""
    rng = np.random.default_rng(seed)
    base = pedigree_like(40, 30, 4)
    z = np.zeros((40, 5))
    z[np.arange(40), rng.integers(0, 5, 40)] = 1
    x = np.column_stack([np.ones(40), rng.normal(size=40)])
    animal = base.components[0]
    known = animal.covariance()
    if precision:
        known = Relationship.from_precision(animal.precision, labels=range(30))
    return ComponentModel.of_matrices(
        base.y + z @ rng.normal(size=5),
        x,
        {"animal": animal.Z, "herd": sp.csr_matrix(z)},
        {"animal": known},
        weights=rng.uniform(0.5, 2, 40),
    )


def force(monkeypatch, kind):
    """A factor of one kind, and perturbations from rows with a sparse one."""
    exact_system = problem_module.exact_system
    monkeypatch.setattr(
        problem_module,
        "exact_system",
        lambda cp, method, memory, priors: exact_system(cp, kind, memory, priors),
    )
    if kind == "sparse":
        monkeypatch.setattr(samplers, "MOST_ROOTED_COLUMNS", 0)


def conditional(model, v):
    """Mean and covariance of (β, u) given the variances, by n × n matrices."""
    w = np.ones(model.n) if model.weights is None else model.weights
    z = np.hstack([c.Z.toarray() for c in model.components])
    q = z.shape[1]
    k, start = np.zeros((q, q)), 0
    for c, own in zip(model.components, v[:-1], strict=True):
        stop = start + c.Z.shape[1]
        k[start:stop, start:stop] = own * c.covariance()
        start = stop
    inverse = np.linalg.inv(z @ k @ z.T + v[-1] * np.diag(1 / w))
    x = model.X
    cov_beta = np.linalg.inv(x.T @ inverse @ x)
    gain = cov_beta @ x.T @ inverse
    p = inverse - inverse @ x @ gain
    mean = np.concatenate([gain @ model.y, k @ z.T @ p @ model.y])
    cov_u = k - k @ z.T @ p @ z @ k
    cross = -gain @ z @ k
    return mean, np.block([[cov_beta, cross], [cross.T, cov_u]])


def drawn(sampler, v, count=3000):
    """(β, u) in the user's units at fixed variances."""
    rng, problem = np.random.default_rng(11), sampler.problem
    inner = v / problem.variance_units
    out = []
    for _ in range(count):
        effects = sampler.effects(inner, rng)
        beta = problem.orthonormal.beta(sampler.beta(effects, inner, rng))
        b = sampler.expanded(effects)
        u = problem.level_effects([b[s][:, None] for s in problem.spans])
        out.append(np.concatenate([beta, *u]))
    return np.array(out)


def check_moments(draws, mean, cov, rows):
    """Means and covariances of linear combinations of (β, u)."""
    x, n = draws @ rows.T, len(draws)
    exact, exact_cov = rows @ mean, rows @ cov @ rows.T
    sd = np.sqrt(np.diag(exact_cov))
    assert (np.abs(x.mean(axis=0) - exact) <= ERRORS * sd / np.sqrt(n)).all()
    bound = np.sqrt((np.outer(sd, sd) ** 2 + exact_cov**2) / n)
    assert (np.abs(np.cov(x.T) - exact_cov) <= ERRORS * bound).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dense", "sparse", slow("dense root")])
def test_block_draws(kind, monkeypatch):
    model = crossed(precision=kind != "dense root")
    force(monkeypatch, kind.split()[0])
    sampler = BlockSampler(component_problem(model))
    assert kind.split()[0] in sampler.name
    v = np.array([0.8, 1.5, 0.4])
    draws = drawn(sampler, v)
    check_moments(draws, *conditional(model, v), np.eye(draws.shape[1]))


@pytest.mark.parametrize("n, q", [(60, 30), (40, 70)])
def test_diagonal_draws(n, q):
    # β, and what of Zu is not in the space of X: the rest of u is integrated out
    model = pedigree_like(n, q, 4)
    v = np.array([0.8, 0.4])
    draws = drawn(DiagonalSampler(component_problem(model)), v)
    z = model.components[0].Z.toarray()
    rows = np.zeros((9, 1 + q))
    rows[0, 0] = 1.0
    rows[1:, 1:] = (z - z.mean(axis=0))[:8]
    check_moments(draws, *conditional(model, v), rows)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_squares(kind, monkeypatch):
    model = crossed()
    force(monkeypatch, kind)
    problem = component_problem(model)
    sampler = BlockSampler(problem)
    a = np.random.default_rng(2).normal(size=35)
    got = sampler.squares(a) * problem.variance_units
    w = model.weights
    root = np.sqrt(w)
    u = np.concatenate(problem.level_effects([a[s][:, None] for s in problem.spans]))
    z = np.hstack([c.Z.toarray() for c in model.components])
    left = root * (model.y - z @ u)
    x = root[:, None] * model.X
    left = left - x @ np.linalg.lstsq(x, left, rcond=None)[0]
    animal = model.components[0].precision
    exact = [u[:30] @ (animal @ u[:30]), u[30:] @ u[30:], left @ left]
    np.testing.assert_allclose(got, exact, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("make", [slow(lambda: genomic(1)), lambda: pedigree_like(40, 70, 4)])
def test_diagonal_and_dense_agree(make, monkeypatch):
    model = make()
    prior = InverseChiSquared(4, 0.5)
    fast = gibbs(model, draws=800, warmup=200, prior=prior, seed=1)
    monkeypatch.setattr(samplers, "affordable", lambda problem: False)
    slow = gibbs(model, draws=800, warmup=200, prior=prior, seed=2)
    assert "diagonalised" in fast.sampler
    assert "dense Cholesky" in slow.sampler
    a, b = fast.diagnostics()["mcse_mean"], slow.diagnostics()["mcse_mean"]
    gap = fast.summary()["mean"] - slow.summary()["mean"]
    assert (gap.abs() <= ERRORS * np.hypot(a, b)).all()
    u, w = (f.random_effects[model.names[0]] for f in (fast, slow))
    assert np.corrcoef(u, w)[0, 1] > 0.995


@pytest.mark.slow
def test_sparse_posterior(monkeypatch):
    model = penicillin()
    dense = gibbs(model, draws=400, warmup=100, seed=1)
    force(monkeypatch, "sparse")
    sparse = gibbs(model, draws=400, warmup=100, seed=1)
    assert "sparse factor" in sparse.sampler
    logs = [np.log(f.variance_draws) for f in (dense, sparse)]
    for i in range(3):
        errors = [standard_error(x[:, :, i]) for x in logs]
        assert abs(logs[0][..., i].mean() - logs[1][..., i].mean()) < ERRORS * np.hypot(*errors)


# --- what comes out ------------------------------------------------------------------------


def test_seed_and_shapes():
    model = one_way("Dyestuff")
    first, second = (gibbs(model, draws=50, warmup=10, chains=2, thin=3, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.variance_draws, second.variance_draws)
    np.testing.assert_array_equal(first.beta_draws, second.beta_draws)
    other = gibbs(model, draws=50, warmup=10, chains=2, seed=6)
    assert (first.variance_draws != other.variance_draws).all()
    assert first.variance_draws.shape == (2, 50, 2)
    assert first.variances.shape == (100, 2)
    assert first.betas.index.names == ["chain", "draw"]
    assert (first.variance_draws[0] != first.variance_draws[1]).all()
    assert list(first.summary([0.1]).columns) == ["mean", "sd", "mode", "10%"]
    assert first.converged
    assert "2 chains of 50 draws" in repr(first)
    assert first.random_effects["Batch"].index.tolist() == list("ABCDEF")


def test_units():
    data = lf.datasets.load("Dyestuff")
    large = data.assign(Yield=data["Yield"] * 1e3 + 1e5)
    one, two = (
        gibbs(
            ComponentModel.of_formula(ONE_WAY["Dyestuff"], d),
            draws=50,
            chains=1,
            prior=InverseChiSquared(4, s),
            seed=1,
        )
        for d, s in ((data, 1e3), (large, 1e9))
    )
    np.testing.assert_allclose(two.variance_draws, 1e6 * one.variance_draws, rtol=1e-6)
    np.testing.assert_allclose(two.beta_draws, 1e3 * one.beta_draws + 1e5, rtol=1e-6)


def test_moments_that_do_not_exist():
    # six batches, one mean, flat: v^(−1−3/2) has a mean and no standard deviation
    fit = gibbs(one_way("Dyestuff"), draws=200, chains=2, seed=1)
    assert fit.tails.tolist() == [3]
    row = fit.summary().loc[("variance", "Batch")]
    assert np.isfinite(row["mean"])
    assert np.isinf(row["sd"])


def test_arviz():
    arviz = pytest.importorskip("arviz")
    fit = gibbs(penicillin(), draws=300, warmup=100, seed=1)
    data = fit.to_inferencedata()
    assert data.posterior["variance"].dims == ("chain", "draw", "component")
    own = arviz.rhat(data)["variance"].sel(component="plate")
    table = fit.diagnostics()
    assert table.loc[("variance", "plate"), "r_hat"] == pytest.approx(float(own))
    assert (table["r_hat"] < 1.05).all()
    assert (table["ess_bulk"] > 100).all()


@pytest.mark.parametrize("package", ["arviz", "tqdm"])
def test_missing_package(package, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    fit = gibbs(one_way("Rail"), draws=5, chains=1, seed=1)
    calls = {
        "arviz": fit.diagnostics,
        "tqdm": lambda: gibbs(one_way("Rail"), draws=5, progress=True),
    }
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingPackageError, match=r"lmforms\[bayes\]"):
        calls[package]()


def test_lazy():
    code = (
        "import sys, lmforms.varcomp; assert not {'arviz', 'tqdm', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_progress(capsys):
    pytest.importorskip("tqdm")
    gibbs(one_way("Rail"), draws=5, warmup=2, chains=1, progress=True)
    assert "7/7" in capsys.readouterr().err


@pytest.mark.parametrize("calls", [60, 61])
def test_interrupted(calls, monkeypatch):
    count = 0
    real = DiagonalSampler.effects

    def interrupting(self, variances, rng):
        nonlocal count
        count += 1
        if count > calls:
            raise KeyboardInterrupt
        return real(self, variances, rng)

    monkeypatch.setattr(DiagonalSampler, "effects", interrupting)
    fit = gibbs(one_way("Rail"), draws=100, warmup=10, chains=2, seed=1)
    assert not fit.converged
    assert "interrupted" in fit.message
    assert fit.variance_draws.shape == (2, 20, 2)
    assert len(fit.summary()) == 3
    monkeypatch.undo()
    whole = gibbs(one_way("Rail"), draws=100, warmup=10, chains=2, seed=1)
    np.testing.assert_array_equal(fit.variance_draws, whole.variance_draws[:, :20])


def test_interrupted_in_warmup(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(DiagonalSampler, "effects", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gibbs(one_way("Rail"), draws=10)


# --- what is refused -----------------------------------------------------------------------


def groups(q, repeats=4, seed=0):
    rng = np.random.default_rng(seed)
    z = np.repeat(np.eye(q), repeats, axis=0)
    y = z @ rng.normal(size=q) + rng.normal(size=len(z))
    return ComponentModel.of_matrices(y, np.ones((len(z), 1)), {"g": z})


@pytest.mark.parametrize("q", [2, 3])
def test_flat_needs_levels(q):
    # three groups pass the rule q − 2 > 0, and have no posterior: Hobert and Casella
    with pytest.raises(ModelError, match="improper"):
        gibbs(groups(q), draws=5)
    gibbs(groups(4), draws=5)
    gibbs(groups(q), draws=5, prior={"g": InverseChiSquared(4, 1.0)})


def test_flat_needs_rows():
    model = groups(4, repeats=1)
    with pytest.raises(ModelError, match="n − p"):
        gibbs(model, draws=5)


def test_two_components_together():
    # either has three effects beside the mean, both together have no more
    z = np.repeat(np.eye(4), 10, axis=0)
    y = np.random.default_rng(3).normal(size=40)
    model = ComponentModel.of_matrices(y, np.ones((40, 1)), {"g": z, "h": z})
    with pytest.raises(ModelError, match="g and h"):
        gibbs(model, draws=5)


@pytest.mark.parametrize("name", ["g", "Residual"])
def test_jeffreys(name):
    prior = {name: InverseChiSquared(0, 0)}
    if name == "g":
        with pytest.raises(ModelError, match="zero variance of g"):
            gibbs(groups(8), draws=5, prior=prior)
        return
    gibbs(groups(8), draws=5, prior=prior)
    with pytest.raises(ModelError, match="no residual"):
        gibbs(groups(8, repeats=1), draws=5, prior=prior)


def test_bad_arguments():
    model = groups(8)
    for options in ({"draws": 0}, {"warmup": -1}, {"chains": 1.5}, {"thin": 0}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            gibbs(model, **options)
    with pytest.raises(ArgumentError, match="Did you mean `Residual`"):
        gibbs(model, prior={"residual": InverseChiSquared(4, 1)})
    with pytest.raises(ArgumentError, match="mapping"):
        gibbs(model, prior={"g": 4})
    with pytest.raises(ArgumentError, match="flat prior"):
        InverseChiSquared(-2, 1)
    with pytest.raises(ArgumentError, match="finite"):
        InverseChiSquared(np.nan, 1)
    with pytest.raises(ArgumentError, match="quantiles"):
        gibbs(model, draws=5).summary([50])
    with pytest.raises(ModelError, match="no component"):
        gibbs(ComponentModel.of_matrices(model.y, model.X, {}))
