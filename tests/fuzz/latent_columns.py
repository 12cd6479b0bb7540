"""Forms of random data with columns that do not vary: tries, and faults by kind.

    python tests/fuzz/latent_columns.py --tries 300 --seed 0

A fault is a fit whose codes `encode` does not find again, a constant column that is not predicted
by its constant or not named in a warning, a prediction that such a column changes, or an exception
that is not one of lmforms.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter

import numpy as np
import scipy.sparse as sp

from lmforms.errors import LmformsError, LmformsWarning
from lmforms.latent import LinearMixedForm

SAME = 1e-6
OPTIONS = ({}, {"ridge": 0.01}, {"weights": (10.0, 1.0, 0.1)}, {"start": "random"}, {"max_iter": 2})


def flat_column(rng, n, method):
    """A column that is constant up to rounding, and its constant.

    A huge one leaves nothing of the others in F, and may rightly be refused there.
    """
    huge = 1e12 / 3 if method == "ml" else 17.0
    value = float(rng.choice([0.0, 1.0, 0.1, -1 / 3, huge]))
    column = np.full(n, value)
    kind = rng.integers(3)
    if kind == 1:  # computed
        column = column + np.spacing(value or 1e-16) * rng.integers(-2, 3, n)
    if kind == 2:  # its mean taken off
        column, value = column * (1 / 3) - (column * (1 / 3)).mean(), 0.0
        column = column / max(1.0, 1e4 * np.abs(column).max())
        column = np.where(np.abs(column) < 1e-14, column, 0.0)
    return column, value


def problem(rng, method):
    """Y, X and Z, and for each the places and values of its flat columns."""
    k, n = int(rng.integers(1, 4)), int(rng.integers(30, 200))
    K, H = rng.normal(size=(2, n, k))
    blocks, flats = [], []
    for code in (K + H, K, H):
        c = int(rng.integers(k + 1, 9))
        A = code @ rng.normal(size=(k, c)) + rng.uniform(0.3, 1.5) * rng.normal(size=(n, c))
        if rng.random() < 0.3:
            A = A - A.mean(axis=0)
        found = {}
        for _ in range(rng.integers(0, 3)):
            place = int(rng.integers(0, A.shape[1] + 1))
            column, value = flat_column(rng, n, method)
            A = np.insert(A, place, column, axis=1)
            found = {p + (p >= place): v for p, v in found.items()} | {place: value}
        blocks.append(A)
        flats.append(found)
    if rng.random() < 0.3:
        blocks[2] = sp.csr_array(blocks[2])
    return k, blocks, flats


def faults(rng):
    """What is wrong with one fit, in words."""
    method = str(rng.choice(["als", "ml", "ml"]))
    k, blocks, flats = problem(rng, method)
    options = dict(OPTIONS[rng.integers(len(OPTIONS))])
    if method == "ml":
        options.pop("ridge", None)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            form = LinearMixedForm(k, method, **options).fit(*blocks)
    except LmformsError:
        return ["refused"]
    except Exception as error:
        return [type(error).__name__]
    found = []
    codes, again = np.hstack([form.K_, form.H_]), np.hstack(form.encode(*blocks))
    if not np.abs(codes - again).max() <= SAME * np.abs(codes).max():
        found.append("codes differ")
    if method == "als" or not any(flats):
        return found
    if not any(issubclass(w.category, LmformsWarning) and "vary" in str(w.message) for w in said):
        found.append("not named")
    for name, flat in zip("YXZ", flats):
        made = form.reconstruction(name)
        if any(np.abs(made[:, p] - v).max() > SAME * abs(v) + 1e-12 for p, v in flat.items()):
            found.append("not predicted")
    moved = [A.toarray() if sp.issparse(A) else A.copy() for A in blocks]
    for A, flat in zip(moved, flats):
        A[:, list(flat)] += 1.0
    if not np.abs(np.hstack(form.encode(*moved)) - again).max() <= SAME * np.abs(codes).max():
        found.append("listened to")
    return found


def run(tries, seed):
    """How many of the tries were faulty, and faults by kind."""
    rng = np.random.default_rng(seed)
    each = [faults(rng) for _ in range(tries)]
    return sum(map(bool, each)), Counter(kind for kinds in each for kind in set(kinds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    faulty, kinds = run(given.tries, given.seed)
    print(f"{given.tries} tries, {faulty} faulty: {dict(kinds)}")
