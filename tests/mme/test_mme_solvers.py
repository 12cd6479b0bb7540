"""Conjugate gradients and Gauss–Seidel against the direct solution."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from mme_models import MODELS, dung, families, pedigree, penicillin

from lmforms.errors import ArgumentError, ConvergenceWarning
from lmforms.mme import MixedModelEquations, gauss_seidel
from lmforms.mme.kernel_spectrum import kernel_spectrum
from lmforms.varcomp.model import Component

pytestmark = pytest.mark.one_in(4)

close = np.testing.assert_allclose


def same(found, direct):
    """To 1e-8 of the largest of each term, in coefficients and in effects."""
    assert found.converged, found
    close(found.beta, direct.beta, rtol=1e-8)
    close(found.g, direct.g, atol=1e-8 * np.abs(direct.g).max())
    for name, u in direct.random_effects.items():
        close(found.random_effects[name], u, atol=1e-8 * np.abs(u).max())
    assert found.trace.iloc[-1] <= 1e-12


@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
def test_all_agree(make):
    mme = MixedModelEquations(*make())
    direct = mme.solve()
    assert direct.iterations.n_iterations == 0
    same(mme.solve("pcg"), direct)
    same(mme.solve("pcg", preconditioner="block"), direct)
    same(mme.solve("gauss_seidel"), direct)


@pytest.mark.parametrize("make", [penicillin, pedigree, families], ids=lambda f: f.__name__)
def test_compiled_sweep_is_the_one_in_python(make):
    mme = MixedModelEquations(*make())
    slow, fast = (mme.solve("gauss_seidel", compiled=c) for c in (False, True))
    close(slow.g, fast.g, rtol=1e-9, atol=1e-10)
    assert slow.iterations.n_iterations == pytest.approx(fast.iterations.n_iterations, abs=2)


def test_goes_over_to_the_compiled_sweep(monkeypatch):
    used = []
    kernel = gauss_seidel._kernel
    monkeypatch.setattr(gauss_seidel, "COMPILED_UPDATES", 200)
    monkeypatch.setattr(gauss_seidel, "_kernel", lambda c: used.append(c) or kernel(c))
    mme = MixedModelEquations(*pedigree())
    same(mme.solve("gauss_seidel"), mme.solve())
    assert used == [None, True]


def test_a_sweep_is_section_5():
    model, variances = dung()
    mme = MixedModelEquations(model, variances)
    W, e = mme.W.toarray(), model.y.copy()
    g = np.zeros(W.shape[1])
    penalty = np.array([0, 0, *[mme.lambdas["oven_block"]] * 3])
    for j, w in enumerate(W.T):
        new = (w @ e + w @ w * g[j]) / (w @ w + penalty[j])
        e -= w * (new - g[j])
        g[j] = new
    with pytest.warns(ConvergenceWarning, match="1 iterations leave"):
        found = mme.solve("gauss_seidel", max_iterations=1)
    close(found.g, g, rtol=1e-12)
    close(found.residuals, e, rtol=1e-10)


def test_not_converged_says_so():
    mme = MixedModelEquations(*pedigree())
    with pytest.warns(ConvergenceWarning, match="Raise `max_iterations`") as caught:
        found = mme.solve("pcg", max_iterations=3)
    assert caught[0].filename == __file__
    assert not found.converged
    assert found.iterations.n_iterations == 3
    assert len(found.trace) == 4
    assert "Not converged" in repr(found)
    with pytest.warns(ConvergenceWarning, match="rounding"):
        assert not mme.solve("pcg", tolerance=1e-300).converged


def test_looser_tolerance_takes_fewer_iterations():
    mme = MixedModelEquations(*pedigree())
    for method in ("pcg", "gauss_seidel"):
        loose, tight = (mme.solve(method, tolerance=t).iterations for t in (1e-4, 1e-10))
        assert loose.n_iterations < tight.n_iterations
        assert loose.trace[-1] <= 1e-4


def test_units_do_not_change_the_way():
    model, variances = pedigree()
    a = MixedModelEquations(model, variances)
    scaled = type(model)(
        1e6 * model.y, model.X * [1.0, 1e-5], model.components, model.x_names, model.weights
    )
    b = MixedModelEquations(scaled, {k: 1e12 * v for k, v in variances.items()})
    for method in ("pcg", "gauss_seidel"):
        one, two = a.solve(method), b.solve(method)
        close(one.trace[:20], two.trace[:20], rtol=1e-6)
        close(1e6 * one.beta * [1, 1e5], two.beta, rtol=1e-8)


def test_zero_response_beside_a_fixed_part():
    model, variances = dung()
    zero = type(model)(0 * model.y, model.X, model.components, model.x_names)
    mme = MixedModelEquations(zero, variances)
    for method in ("pcg", "gauss_seidel"):
        found = mme.solve(method)
        assert found.converged
        assert (found.g == 0).all()


@pytest.mark.parametrize(
    "method, options, match",
    [
        ("cholesky", {}, "method='cholesky': use one of"),
        ("direct", {"tolerance": 1e-3}, "no option `tolerance`; it has none"),
        ("gauss_seidel", {"preconditioner": "block"}, "no option `preconditioner`"),
        ("pcg", {"preconditioner": "ilu"}, "'jacobi', 'block'"),
        ("pcg", {"tolerance": 0.0}, "between 0 and 1"),
        ("pcg", {"max_iterations": 0}, "whole number of at least 1"),
        ("gauss_seidel", {"max_iterations": 1.5}, "whole number of at least 1"),
    ],
)
def test_errors(method, options, match):
    with pytest.raises(ArgumentError, match=match):
        MixedModelEquations(*dung()).solve(method, **options)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("orthogonal", [False, True])
def test_spectrum(sparse, orthogonal):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 3))
    if orthogonal:
        root = np.linalg.qr(root)[0] * [1.0, 2.0, 3.0]
    own = kernel_spectrum(
        Component("g", sp.identity(6), tuple(range(6)), sp.csc_matrix(root) if sparse else root)
    )
    U = own.U.toarray() if sp.issparse(own.U) else own.U
    close(U.T @ U, np.eye(3), atol=1e-12)
    close(U * own.d @ U.T, root @ root.T, atol=1e-12)
    alpha = rng.normal(size=3)
    close(root @ own.coefficients(alpha), U @ alpha, atol=1e-12)
