"""Plain searches take the steps of the general search, and leave to it what they are not for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import make_model, problem_of

import lmforms as lf
from lmforms.engine.optimize import minimize as minimize_module
from lmforms.engine.optimize.local_search import SearchRun
from lmforms.engine.optimize.minimize import minimize
from lmforms.engine.optimize.small_model_search import small_model_minimum
from lmforms.errors import NumericalError

pytest.importorskip("numba")
pytestmark = pytest.mark.one_in(4)


def by_the_general_search(problem, control, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minimize_module, "small_model_minimum", lambda *args: None)
        return minimize(problem, control, **options)


@given(
    seed=st.integers(0, 2**16),
    columns=st.lists(st.integers(1, 3), min_size=1, max_size=1)
    | st.just([1, 1])
    | st.just([1] * 3),
    structure=st.sampled_from(["us", "us", "diag", "stacked"]),
    most=st.integers(4, 30),
    reml=st.booleans(),
    size=st.sampled_from([0.0, 0.2, 1.0, 30.0]),
)
@settings(max_examples=80, deadline=None)
def test_the_same_steps(seed, columns, structure, most, reml, size):
    levels = [max(3, most // (i + 1)) for i in range(len(columns))]
    structures = (structure,) * len(columns)
    model = make_model(seed, tuple(levels), tuple(columns), structures, n=4 * most + 10, reml=reml)
    rng = np.random.default_rng(seed)
    for factor in model.rows.factors:
        effects = rng.normal(size=(factor.n_levels, factor.basis.shape[1]))
        model.rows.y[:] += size * (factor.basis * effects[factor.codes]).sum(axis=1)
    problem, _ = problem_of(model, "compiled")
    fast = minimize(problem, lf.Control())
    slow = by_the_general_search(problem, lf.Control())
    assert fast.n_evaluations == slow.n_evaluations
    assert fast.converged == slow.converged
    np.testing.assert_allclose(fast.trace, slow.trace, rtol=1e-12)
    np.testing.assert_allclose(fast.evaluation.theta, slow.evaluation.theta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        fast.evaluation.information, slow.evaluation.information, rtol=1e-8, atol=1e-8
    )
    for (_, a), (_, b) in zip(fast.path, slow.path, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def plain(formula: str, data, start=None, limit: int = 100, compiled: bool = True):
    """What a plain search of a fit's problem finds."""
    fit = lf.lmer(formula, data, control=lf.Control(compiled=compiled))
    problem = fit.state.estimate.problem
    begin = fit.state.estimate.optimum.path[0][1] if start is None else np.asarray(start)
    run = SearchRun(limit)
    return small_model_minimum(run, problem, begin, 1e-10), run


def test_where_it_gives_up():
    sleepstudy, machines = lf.datasets.load("sleepstudy"), lf.datasets.load("Machines")
    slopes = "Reaction ~ Days + (Days | Subject)"
    found, run = plain(slopes, sleepstudy)
    assert found is not None
    assert len(run.trace) == len(run.path) == 4
    for formula, data, start in [
        ("score ~ 1 + (Machine | Worker) + (1 | Machine)", machines, None),  # several, with slopes
        ("score ~ 1 + cs(0 + Machine | Worker)", machines, None),  # λ is not linear in θ
        (slopes, sleepstudy, [1.0, 1.0, 1e-3]),  # principal axes
        (slopes, sleepstudy, [1e4, 0.0, 1e4]),  # a long step
        (slopes, sleepstudy, [-1.0, 0.0, np.nan]),
    ]:
        found, run = plain(formula, data, start)
        assert found is None
        assert run.trace == run.path == []
    assert plain(slopes, sleepstudy, limit=2)[0] is None
    assert plain(slopes, sleepstudy, compiled=False)[0] is None


def test_a_start_that_cannot_be_evaluated_is_told(monkeypatch):
    problem = lf.lmer(
        "Reaction ~ Days + (Days | Subject)",
        lf.datasets.load("sleepstudy"),
        control=lf.Control(compiled=True),
    ).state.estimate.problem
    bad = np.array([np.nan, 0.0, 1.0])
    with pytest.raises(NumericalError):
        minimize(problem, lf.Control(), start=bad)
    again = minimize(problem, lf.Control(), guess=bad)  # moments take the place of a guess
    assert again.converged
    assert not again.began_at_guess
    assert minimize(problem, lf.Control(), guess=np.array([1.0, 0.0, 1.0])).began_at_guess
