"""The layer is the encode step: equal to the form, differentiable, and strict about input."""

from __future__ import annotations

import copy
import io
import itertools

import numpy as np
import pandas as pd
import pytest
from simulated import form_data

torch = pytest.importorskip("torch")

from lmforms.errors import ArgumentError, DataError, ModelError, NumericalError  # noqa: E402
from lmforms.latent import Codes, LinearMixedForm  # noqa: E402
from lmforms.latent.torch import LinearMixedFormLayer, solve  # noqa: E402

SUBSETS = ["".join(s) for r in (1, 2, 3) for s in itertools.combinations("YXZ", r)]
SIZES = {"Y": 6, "X": 7, "Z": 8}


def fitted(seed=0, sizes=(6, 7, 8), k=3, **params):
    data = form_data(np.random.default_rng(seed), 60, sizes, k, noise=0.3)
    return LinearMixedForm(k, max_iter=5000, **params).fit(*data)


def new_rows(n=9, sizes=(6, 7, 8), seed=1):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(n, c)) for name, c in zip("YXZ", sizes)}


def tensors(given):
    return {name: torch.tensor(A) for name, A in given.items()}


def drawn(sizes=(6, 7, 8), k=3, **params):
    """A layer in doubles whose moments are those of no special codes."""
    torch.manual_seed(0)
    layer = LinearMixedFormLayer(*sizes, k, dtype=torch.float64, **params)
    layer.set_moments(Codes(*torch.randn(2, 40, k, dtype=torch.float64)))
    with torch.no_grad():
        for loading in (layer.alpha, layer.beta, layer.u):
            loading.add_(0.3 * torch.randn_like(loading))
    return layer


@pytest.mark.parametrize("shrink", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 1e-3])
@pytest.mark.parametrize("n_Y", [1, 2, 6])
def test_a_fitted_form_and_its_layer_agree(n_Y, ridge, shrink):
    sizes = (n_Y, 7, 8)
    form = fitted(sizes=sizes, ridge=ridge, tol=1e-7)
    layer = LinearMixedFormLayer.from_form(form, shrink=shrink)
    rows = new_rows(sizes=sizes)
    gaps = np.random.default_rng(2).random(rows["Y"].shape) < 0.4
    gaps[0] = True  # a row without any response
    for subset, holes in itertools.product(SUBSETS, [False, True]):
        given = {name: rows[name] for name in subset}
        if holes and "Y" in given:
            given["Y"] = np.where(gaps, np.nan, given["Y"])
        codes = form.encode(**given, shrink=shrink)
        found = layer.encode(**tensors(given))
        scale = max(np.abs(A).max() for A in codes)
        for ours, theirs in zip(found, codes):
            np.testing.assert_allclose(ours.detach(), theirs, rtol=0, atol=1e-10 * scale)
        for to in "YXZ":
            made = form.transform(**given, to=to, shrink=shrink)
            ours = layer(**tensors(given), to=to).detach()
            np.testing.assert_allclose(ours, made, rtol=0, atol=1e-10 * max(1, np.abs(made).max()))
        total = layer(**tensors(given), to="K+H")
        np.testing.assert_allclose(total.detach(), sum(codes), rtol=0, atol=1e-10 * scale)


def test_frames_and_weights_of_the_form_are_taken_over():
    data = form_data(np.random.default_rng(5), 40, (4, 5, 6), 2, noise=0.3)
    frames = [pd.DataFrame(A, columns=[f"{c}{j}" for j in range(A.shape[1])])
              for A, c in zip(data, "yxz")]  # fmt: skip
    form = LinearMixedForm(2, weights=(3.0, 0.2, 1.0), ridge=0.1).fit(*frames)
    layer = LinearMixedFormLayer.from_form(form)
    made = layer(X=torch.tensor(data[1]), Y=torch.tensor(data[0]), to="Z").detach()
    wanted = form.transform(X=data[1], Y=data[0], to="Z", shrink=False)
    np.testing.assert_allclose(made, wanted, atol=1e-12)
    for ours, theirs in zip(layer.to_loadings(), (form.alpha_, form.beta_, form.u_)):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("ridge", [0.0, 1e-3])
def test_the_objective_is_that_of_the_form_and_flat_at_its_fit(ridge):
    data = form_data(np.random.default_rng(0), 60, (6, 7, 8), 3, noise=0.3)
    data[0][::7, 1] = np.nan
    form = LinearMixedForm(3, ridge=ridge, tol=1e-14, max_iter=20000).fit(*data)
    layer = LinearMixedFormLayer.from_form(form)
    rows = dict(zip("YXZ", (torch.tensor(A) for A in data)))
    F = layer.objective(layer.encode(**rows), **rows)
    assert F.item() == pytest.approx(form.objective_, rel=1e-9)
    F.backward()
    here = [A.grad.norm() * A.norm() for A in (layer.alpha, layer.beta, layer.u)]
    assert max(here).item() < 1e-5 * F.item()
    with torch.no_grad():
        layer.beta.mul_(1.5)
    layer.zero_grad()
    F = layer.objective(layer.encode(**rows), **rows)
    F.backward()
    assert (layer.beta.grad.norm() * layer.beta.norm()).item() > 1e-2 * F.item()


def gradients_hold(layer, given, second=False):
    """Numerical against analytic derivatives, in inputs and in parameters."""
    names = [name for name, _ in layer.named_parameters()]
    start = [A.detach().clone().requires_grad_() for A in layer.parameters()]
    kinds = list(given)
    values = [A.clone().requires_grad_(not bool(A.isnan().any())) for A in given.values()]

    def codes(*all_of):
        rows = dict(zip(kinds, all_of))
        parameters = dict(zip(names, all_of[len(kinds) :]))
        return tuple(torch.func.functional_call(layer, parameters, kwargs={**rows, "to": "codes"}))

    check = torch.autograd.gradgradcheck if second else torch.autograd.gradcheck
    return check(codes, (*values, *start))


@pytest.mark.parametrize("subset", SUBSETS)
@pytest.mark.parametrize(
    "params",
    [{"ridge": 0.0}, {"ridge": 0.1, "learn_weights": True}, {"shrink": True}],
    ids=["ridge 0", "ridge", "shrink"],
)
def test_gradients_through_the_solve(subset, params):
    layer = drawn((3, 2, 3), 2, **params)
    rows = tensors(new_rows(n=2, sizes=(3, 2, 3)))
    assert gradients_hold(layer, {name: rows[name] for name in subset})


@pytest.mark.parametrize("subset", ["Y", "YX", "YXZ"])
def test_gradients_where_alpha_leaves_codes_open_and_y_has_gaps(subset):
    layer = drawn((1, 2, 3), 2, ridge=0.1)  # one column, two components
    rows = tensors(new_rows(n=2, sizes=(1, 2, 3)))
    given = {name: rows[name] for name in subset}
    assert gradients_hold(layer, given)
    given["Y"][0, 0] = torch.nan
    assert gradients_hold(layer, given)


@pytest.mark.parametrize("subset", ["XZ", "X"])
def test_second_derivatives(subset):
    layer = drawn((1, 2, 2), 2, ridge=0.1)
    rows = tensors(new_rows(n=1, sizes=(1, 2, 2)))
    assert gradients_hold(layer, {name: rows[name] for name in subset}, second=True)


def test_a_missing_response_has_no_gradient_and_no_nan():
    layer = drawn()
    Y = tensors(new_rows())["Y"]
    Y[2, 3] = torch.nan
    Y.requires_grad_()
    codes = layer.encode(Y=Y)
    (layer.objective(codes, Y=Y) + codes.H.sum()).backward()
    assert Y.grad[2, 3] == 0
    assert all(A.grad.isfinite().all() for A in (Y, layer.alpha))


def test_leading_dimensions_are_rows():
    layer, rows = drawn(), tensors(new_rows(n=12))
    rows["Y"][3, 2] = torch.nan
    cubes = {name: A.reshape(3, 4, -1) for name, A in rows.items()}
    flat = layer(**rows, to="X")
    torch.testing.assert_close(layer(**cubes, to="X"), flat.reshape(3, 4, -1))
    torch.testing.assert_close(layer(X=rows["X"][0], Z=rows["Z"][0]), layer(X=rows["X"],
                               Z=rows["Z"])[0])  # fmt: skip
    assert layer(X=rows["X"][:0]).shape == (0, 6)


@pytest.mark.parametrize("subset", SUBSETS)
def test_single_precision_is_single_precision(subset):
    layer = drawn(ridge=0.01)
    rows = {name: A for name, A in tensors(new_rows()).items() if name in subset}
    single = copy.deepcopy(layer).float()
    made = single(**{name: A.float() for name, A in rows.items()}, to="codes")
    for ours, theirs in zip(made, layer(**rows, to="codes")):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=2e-4)


def test_what_is_open_follows_the_moments():
    layer = drawn(ridge=0.0)
    rows = tensors(new_rows())
    codes = layer.encode(X=rows["X"])
    S = layer.moments
    slopes = torch.linalg.solve(S[:3, :3], S[:3, 3:])
    torch.testing.assert_close(codes.H, codes.K @ slopes)
    plain = LinearMixedFormLayer(6, 7, 8, 3, dtype=torch.float64)
    assert plain.encode(X=rows["X"]).H.abs().max() < 1e-12
    halves = plain.encode(Y=rows["Y"])
    torch.testing.assert_close(halves.K, halves.H)


def test_a_ridge_bounds_the_codes():
    layer = LinearMixedFormLayer(6, 7, 8, 3, dtype=torch.float64)
    X = torch.randn(50, 7, dtype=torch.float64)
    for scale in (1e-3, 1e-2, 1e-1):
        with torch.no_grad():
            layer.beta.copy_(scale * torch.linalg.qr(torch.randn_like(layer.beta))[0])
        longest = (layer.encode(X=X).K.norm(dim=1) / X.norm(dim=1)).max().item()
        assert longest <= 16


def test_state_dict_round_trip_restores_outputs():
    layer, rows = drawn(ridge=0.3, learn_weights=True), tensors(new_rows())
    with torch.no_grad():
        layer.log_weights.add_(1.0)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = LinearMixedFormLayer(6, 7, 8, 3, dtype=torch.float64)
    assert not torch.allclose(other(X=rows["X"]), layer(X=rows["X"]))
    other.load_state_dict(torch.load(file, weights_only=True))
    for subset in ("X", "YZ"):
        given = {name: rows[name] for name in subset}
        assert torch.equal(other(**given), layer(**given))
    assert other.ridge == 0.3


def test_training_learns_a_form():
    """F with the codes solved for, descended by an optimiser, comes down to the fitted form's."""
    data = form_data(np.random.default_rng(3), 80, (5, 6, 7), 2, noise=0.2)
    form = LinearMixedForm(2).fit(*data)
    rows = dict(zip("YXZ", (torch.tensor(A) for A in data)))
    torch.manual_seed(0)
    layer = LinearMixedFormLayer(5, 6, 7, 2, 0.0, tuple(form.weights_), dtype=torch.float64)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=150, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        F = layer.objective(layer.encode(**rows), **rows)
        F.backward()
        return F

    first = closure().item()
    optimiser.step(closure)
    assert first > 2 * form.objective_
    assert closure().item() == pytest.approx(form.objective_, rel=1e-3)


def test_learnt_weights_are_parameters_and_matter():
    fixed, learnt = drawn(ridge=0.5), drawn(ridge=0.5, learn_weights=True)
    assert len(list(learnt.parameters())) == len(list(fixed.parameters())) + 1
    rows = tensors(new_rows())
    learnt(X=rows["X"], Z=rows["Z"]).square().sum().backward()
    assert learnt.log_weights.grad[1:].abs().min() > 0


X, Z = torch.ones(4, 7), torch.ones(4, 8)
REFUSED = {
    "nothing": (ArgumentError, "at least one", {}),
    "array": (ArgumentError, "torch.Tensor", {"X": np.ones((4, 7))}),
    "type": (ArgumentError, "float64", {"X": X.double()}),
    "columns": (DataError, "n_X = 7", {"X": X[:, :6]}),
    "rows": (DataError, "all dimensions but the last", {"X": X, "Z": Z[:3]}),
    "gap": (DataError, "Only Y", {"X": torch.full((4, 7), torch.nan)}),
    "infinite": (DataError, "NaN where", {"Y": torch.full((4, 6), torch.inf)}),
    "target": (ArgumentError, "to='W'", {"X": X, "to": "W"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_rows_are_refused(case):
    error, message, given = REFUSED[case]
    with pytest.raises(error, match=message):
        LinearMixedFormLayer(6, 7, 8, 3)(**given)


@pytest.mark.parametrize(
    ("error", "message", "params"),
    [
        (ArgumentError, "n_X", {"n_X": 0}),
        (ArgumentError, "rank", {"rank": 2.0}),
        (ModelError, "rank 7", {"rank": 8}),
        (ArgumentError, "ridge", {"ridge": -1.0}),
        (ArgumentError, "ridge", {"ridge": "much"}),
        (ArgumentError, "shrink", {"ridge": 0.1, "shrink": True}),
        (ArgumentError, "weights", {"weights": (1.0, 2.0)}),
        (ArgumentError, "weights", {"weights": {"Y": 1, "X": 1}}),
        (ArgumentError, "weights", {"weights": (1.0, 0.0, 1.0)}),
        (ArgumentError, "float16", {"dtype": torch.float16}),
    ],
)
def test_bad_parameters_are_refused(error, message, params):
    with pytest.raises(error, match=message):
        LinearMixedFormLayer(**{"n_Y": 6, "n_X": 7, "n_Z": 8, "rank": 3, **params})


def test_bad_codes_forms_and_loadings_are_refused():
    layer = LinearMixedFormLayer(6, 7, 8, 3)
    with pytest.raises(ArgumentError, match="pair"):
        layer.decode(torch.ones(4, 3))
    with pytest.raises(DataError, match=r"\(\.\.\., 3\)"):
        layer.decode(Codes(torch.ones(4, 3), torch.ones(4, 2)))
    with pytest.raises(ArgumentError, match="'W'"):
        layer.decode(Codes(torch.ones(4, 3), torch.ones(4, 3)), to="W")
    with pytest.raises(DataError, match="its codes"):
        layer.objective(layer.encode(X=X[:2]), X=X)
    with pytest.raises(DataError, match="at least one row"):
        layer.set_moments(Codes(torch.ones(0, 3), torch.ones(0, 3)))
    with pytest.raises(ArgumentError, match="not fitted"):
        LinearMixedFormLayer.from_form(LinearMixedForm(2))
    with pytest.raises(ArgumentError, match="ndarray"):
        LinearMixedFormLayer.from_form(np.ones(3))
    with torch.no_grad():
        layer.beta[0, 0] = torch.nan
    with pytest.raises(NumericalError, match="learning rate"):
        layer(X=X)


def test_open_directions_of_a_badly_scaled_sigma_keep_the_rank_of_a():
    A = torch.diag(torch.tensor([1.0, 1e-8, 0.0, 0.0], dtype=torch.float64))
    b = torch.tensor([[1.0, 1e-8, 0.0, 0.0]], dtype=torch.float64)
    root = torch.diag(torch.tensor([1.0, 1e-3, 1.0, 1.0], dtype=torch.float64))
    found = solve.minimal(A, b, 0.0, root)
    torch.testing.assert_close(found, torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=torch.float64))


def test_a_form_by_likelihood_is_taken_over_with_its_noise():
    Y, X, Z = form_data(np.random.default_rng(5), 60, (4, 5, 6), 2, noise=0.3)
    form = LinearMixedForm(2, method="ml").fit(Y, X, Z)
    layer = LinearMixedFormLayer.from_form(form)
    assert layer.shrink
    np.testing.assert_allclose(layer.moments, form.moments_, atol=1e-12)
    gaps = np.where(Y > 1, np.nan, Y)
    for rows in ({"X": X}, {"X": X, "Z": Z}, {"Y": gaps, "Z": Z}):
        made = layer(**{name: torch.tensor(A) for name, A in rows.items()}, to="Y").detach()
        np.testing.assert_allclose(made, form.transform(**rows, to="Y"), atol=1e-9)
    twin = LinearMixedFormLayer(4, 5, 6, 2, shrink=True, dtype=torch.float64)
    twin.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(
        twin(X=torch.tensor(X)).detach(), layer(X=torch.tensor(X)).detach()
    )
