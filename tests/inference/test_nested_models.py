"""Whether a model is within another, against the n×n matrices that are never made."""

from __future__ import annotations

import warnings
from functools import cache
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.inference.model_comparison.fits_compared import ComparedFit
from lmforms.inference.model_comparison.nested_models import (
    fixed_is_within,
    one_variance_more,
    random_is_within,
)


def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 72
    table = pd.DataFrame(
        {
            "g": np.arange(n) % 8,
            "h": rng.integers(0, 5, n),
            "f": pd.Categorical(rng.choice(list("abc"), n)),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    table["t"] = 1e5 + 100.0 * table["x"]
    table["y"] = rng.normal(size=n) + rng.normal(size=8)[table["g"]]
    return table


DATA = data()

RANDOM = [
    "(1 | g)",
    "(x | g)",
    "(t | g)",
    "(x || g)",
    "(0 + x | g)",
    "(1 | g) + (0 + x | g)",
    "(x + z | g)",
    "(1 | h)",
    "(1 | g) + (1 | h)",
    "(1 | g/h)",
    "(f | g)",
    "(0 + f | g)",
    "(0 + f || g)",
    "(1 | g) + (1 | g:f)",
    "(1 | g:f)",
]


@cache
def compared(random: str, weights: str | None = None, fixed: str = "x") -> ComparedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        formula = f"y ~ {fixed} + {random}" if random else f"y ~ {fixed}"
        fit = lf.lmer(formula, DATA, weights=weights)
    return ComparedFit(formula, fit.state, np.arange(len(DATA)))


@cache
def matrices(random: str, weights: str | None) -> tuple[np.ndarray, np.ndarray]:
    """R and the n×n matrix of each variance and covariance, as columns, and their span."""
    design = compared(random, weights).state.design
    out = [np.diag(design.residual.whiten(np.ones(design.n)) ** -2.0)]
    for term in design.terms:
        group = design.groups[term.group]
        Z = np.eye(len(group.levels))[group.codes]
        B = term.matrix.values
        scaled = B / np.sqrt((B**2).mean(axis=0))
        pairs = [(i, i) for i in range(term.covariance.k)] + term.covariance.covariances()
        for i, j in pairs:
            M = (scaled[:, [i]] * Z) @ (scaled[:, [j]] * Z).T
            out.append(M + M.T)
    columns = np.column_stack([M.ravel() / np.linalg.norm(M) for M in out])
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return columns, basis[:, sizes > 1e-10 * sizes[0]]


@pytest.mark.parametrize("weights", [None, "w"])
def test_random_parts_against_dense_matrices(weights):
    found = {}
    for small, large in permutations([r for r in RANDOM if "t |" not in r], 2):
        inner, span = matrices(small, weights)[0], matrices(large, weights)[1]
        expected = bool(np.abs(span @ (span.T @ inner) - inner).max() < 1e-6)
        found[small, large] = random_is_within(compared(small, weights), compared(large, weights))
        assert found[small, large] == expected, (small, large)
    assert found["(1 | g) + (1 | g:f)", "(0 + f | g)"]
    assert found["(x || g)", "(x | g)"]
    assert not found["(x | g)", "(x || g)"]
    assert not found["(1 | h)", "(1 | g/h)"]


def test_units_of_predictors_do_not_matter():
    for a, b in (("(t | g)", "(x | g)"), ("(x | g)", "(t | g)"), ("(t | g)", "(x + z | g)")):
        assert random_is_within(compared(a), compared(b))
    assert random_is_within(compared(""), compared("(1 | g)"))
    assert not random_is_within(compared("(1 | g)"), compared(""))


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        ("", "(1 | g)", True),
        ("", "(x | g)", False),
        ("(1 | g)", "(x | g)", True),
        ("(1 | g)", "(t | g)", True),
        ("(x | g)", "(x + z | g)", True),
        ("(t | g)", "(x + z | g)", True),
        ("(1 | g)", "(x + z | g)", False),
        ("(1 | g)", "(x || g)", True),
        ("(0 + x | g)", "(x || g)", True),
        ("(1 | g)", "(1 | g) + (0 + x | g)", True),
        ("(x || g)", "(x | g)", False),
        ("(1 | g)", "(1 | g/h)", True),
        ("(1 | h)", "(1 | g) + (1 | h)", True),
        ("(1 | g) + (1 | g:f)", "(f | g)", False),
        ("(1 | g)", "(f | g)", False),
        ("(0 + f | g)", "(f | g)", False),
    ],
)
def test_one_variance_more(small, large, expected):
    assert one_variance_more(compared(small), compared(large)) is expected


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        ("x", "x + z", True),
        ("x", "t", True),
        ("t", "x", True),
        ("1", "0 + f", True),
        ("0 + x", "x", True),
        ("f", "f * x", True),
        ("x", "poly(x, 3)", True),
        ("x + z", "x", False),
        ("I(x ** 2)", "x", False),
        ("0 + x", "0 + x:f", True),
        ("1", "0 + x:f", False),
        ("offset(2 * x)", "x", True),
        ("offset(2 * x)", "z", False),
        ("x + offset(z)", "x + offset(z)", True),
    ],
)
def test_fixed_parts(small, large, expected):
    found = fixed_is_within(compared("(1 | g)", fixed=small), compared("(1 | g)", fixed=large))
    assert found is expected
