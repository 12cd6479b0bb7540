"""Models of every kind of term, and the cheat sheet's formulas on dense matrices."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

import lmforms as lf
from lmforms.relationship import Pedigree, Relationship
from lmforms.varcomp import ComponentModel


def dung():
    model = ComponentModel.of_formula(
        "pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung")
    )
    return model, {"oven_block": 4e-5, "Residual": 6e-5}


def penicillin():
    model = ComponentModel.of_formula(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", lf.datasets.load("Penicillin")
    )
    return model, {"plate": 0.717, "sample": 3.73, "Residual": 0.302}


def nested():
    model = ComponentModel.of_formula(
        "strength ~ 1 + (1 | batch / cask)", lf.datasets.load("Pastes")
    )
    return model, {"batch": 1.66, "batch:cask": 8.4, "Residual": 0.68}


def weighted():
    rng = np.random.default_rng(3)
    data = lf.datasets.load("sleepstudy").assign(w=rng.uniform(0.2, 4, 180))
    model = ComponentModel.of_formula("Reaction ~ Days + (Days || Subject)", data, weights="w")
    return model, {"Intercept | Subject": 600.0, "Days | Subject": 35.0, "Residual": 650.0}


def pedigree(n=60, seed=1):
    """Animals with several records each, some ancestors with none, and a herd."""
    rng = np.random.default_rng(seed)
    names = [f"a{i}" for i in range(n)]
    sire = [None] * 8 + [names[rng.integers(0, i)] for i in range(8, n)]
    dam = [None] * 8 + [names[rng.integers(0, i)] for i in range(8, n)]
    known = Pedigree.of(names, sire, dam).as_relationship()
    n_rows = 2 * n
    at = rng.integers(n // 4, n, n_rows)
    herd = rng.integers(0, 5, n_rows)
    y = 10 + rng.normal(size=n)[at] + 0.5 * rng.normal(size=5)[herd] + rng.normal(size=n_rows)
    X = np.column_stack([np.ones(n_rows), rng.normal(size=n_rows)])
    Z = {"animal": _incidence(at, n), "herd": _incidence(herd, 5)}
    model = ComponentModel.of_matrices(y, X, Z, {"animal": known})
    return model, {"animal": 0.8, "herd": 0.3, "Residual": 1.1}


def low_rank(weights=False):
    """K of rank 7 for 20 lines, from markers, beside i.i.d. blocks."""
    rng = np.random.default_rng(5)
    root = rng.normal(size=(20, 7))
    return _lines(Relationship.from_root(root, labels=range(20)), rng, weights)


def dense_kernel():
    rng = np.random.default_rng(6)
    root = rng.normal(size=(20, 30))
    return _lines(Relationship.of(root @ root.T / 30, labels=range(20)), rng, False)


def families():
    """A block-diagonal K with a sparse root, two members of each family alike."""
    rng = np.random.default_rng(7)
    block = np.array([[1, 1, 0.5, 0.25], [1, 1, 0.5, 0.25], [0.5, 0.5, 1, 0], [0.25, 0.25, 0, 1]])
    K = sp.block_diag([block] * 5, format="csc")
    return _lines(Relationship.of(K, labels=range(20)), rng, False)


def _lines(known, rng, weights):
    line, block = rng.integers(0, 20, 70), rng.integers(0, 4, 70)
    y = 3 + rng.normal(size=20)[line] + rng.normal(size=70)
    Z = {"line": _incidence(line, 20), "block": _incidence(block, 4)}
    w = rng.uniform(0.3, 3, 70) if weights else None
    X = np.column_stack([np.ones(70), rng.normal(size=70)])
    model = ComponentModel.of_matrices(y, X, Z, {"line": known}, weights=w)
    return model, {"line": 0.4, "block": 0.2, "Residual": 0.9}


def weighted_low_rank():
    return low_rank(weights=True)


def _incidence(codes, q):
    return sp.csr_matrix((np.ones(len(codes)), (np.arange(len(codes)), codes)), (len(codes), q))


MODELS = [
    *(dung, penicillin, nested, weighted, pedigree),
    *(low_rank, weighted_low_rank, dense_kernel, families),
]


class Dense:
    """Section by section, with explicit inverses."""

    def __init__(self, model, variances):
        v = [variances[c.name] for c in model.components]
        s2 = variances["Residual"]
        w = np.ones(model.n) if model.weights is None else model.weights
        self.R = np.diag(s2 / w)
        self.X, self.y = model.X, model.y
        self.Z = [c.Z.toarray() for c in model.components]
        self.K = [c.covariance() for c in model.components]
        self.V = self.R + sum(a * Z @ K @ Z.T for a, Z, K in zip(v, self.Z, self.K))
        Vi = self.Vi = np.linalg.inv(self.V)
        self.cov_beta = np.linalg.inv(self.X.T @ Vi @ self.X)
        self.beta = self.cov_beta @ self.X.T @ Vi @ self.y
        self.P = Vi - Vi @ self.X @ self.cov_beta @ self.X.T @ Vi
        self.u = [a * K @ Z.T @ self.P @ self.y for a, Z, K in zip(v, self.Z, self.K)]
        self.var_u = [a * np.diag(K) for a, K in zip(v, self.K)]
        self.pev = [
            a * np.diag(K) - a**2 * np.diag(K @ Z.T @ self.P @ Z @ K)
            for a, Z, K in zip(v, self.Z, self.K)
        ]

    def llf(self, reml):
        n, p = self.X.shape
        value = np.linalg.slogdet(self.V)[1] + self.y @ self.P @ self.y
        value += (n - p if reml else n) * np.log(2 * np.pi)
        if reml:
            value -= np.linalg.slogdet(self.cov_beta)[1]
        return -0.5 * value
