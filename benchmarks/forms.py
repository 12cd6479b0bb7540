"""Linear mixed forms on tall data: time and memory, beside partial least squares.

    python benchmarks/forms.py                  # all
    python benchmarks/forms.py dense pls        # some
    python benchmarks/forms.py --small          # a tenth of the rows

`pls` needs scikit-learn.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from alone import held, main, peak, seconds

import lmforms as lf
from lmforms.latent import LinearMixedForm, fitting

RANK = 20
SWEEPS = 50
CARRIED = 12
"""Components that the data have: with a rank above them no sweep is spared."""


def measured(rng: np.random.Generator, code: np.ndarray, columns: int) -> np.ndarray:
    """Noisy columns of a code, without a second matrix of their size."""
    A = rng.standard_normal((len(code), columns))
    A *= 2.0
    A += code @ rng.standard_normal((code.shape[1], columns))
    return A


def dense_data(share: float) -> tuple[np.ndarray, ...]:
    """10⁵ rows; 400, 400 and 200 columns."""
    rng = np.random.default_rng(0)
    K, H = rng.standard_normal((2, int(100_000 * share), CARRIED))
    return measured(rng, K + H, 400), measured(rng, K, 400), measured(rng, H, 200)


def sparse_data(share: float) -> tuple[Any, ...]:
    """10⁵ rows; 50 and 50 dense columns, and Z of 20,000 indicators of two crossed factors."""
    rng = np.random.default_rng(0)
    n, levels = int(100_000 * share), int(10_000 * share)
    rows = np.tile(np.arange(n), 2)
    columns = np.concatenate([rng.permutation(np.arange(n) % levels) + i * levels for i in (0, 1)])
    Z = sp.csr_array((np.ones(2 * n), (rows, columns)), shape=(n, 2 * levels))
    K = rng.standard_normal((n, 5))
    H = Z @ rng.standard_normal((2 * levels, 5))
    return measured(rng, K + H, 50), measured(rng, K, 50), Z


def fitted(data: tuple[Any, ...], rank: int, **params: Any) -> dict[str, Any]:
    """Time and memory of one fit, after a small one that has loaded what is needed."""
    warnings.simplefilter("ignore", lf.errors.ConvergenceWarning)
    LinearMixedForm(1, max_iter=2).fit(*(A[:100] for A in data[:2]), data[0][:100, :5])
    before = held()
    time, form = seconds(lambda: LinearMixedForm(rank, **params).fit(*data))
    stored = [A.data.nbytes + A.indices.nbytes if sp.issparse(A) else A.nbytes for A in data]
    return {
        "seconds": time,
        "sweeps": form.status_.n_iter,
        "accelerated": form.status_.n_accelerated,
        "rejected": form.status_.n_rejected,
        "objective": form.objective_,
        "data_mb": sum(stored) / 2**20,
        "peak_mb": peak(),
        "fit_mb": peak() - before,
    }


def direct(share: float) -> dict[str, Any]:
    """Every sweep on the rows themselves."""
    fitting.compressed = lambda data, rank: None
    return fitted(dense_data(share), RANK, tol=0.0, max_iter=SWEEPS)


def pls(share: float) -> dict[str, Any]:
    """Scikit-learn's partial least squares of Y on X and Z, with as many components."""
    from sklearn.cross_decomposition import PLSRegression

    Y, X, Z = dense_data(share)
    designs = np.hstack([X, Z])
    del X, Z
    before = held()
    time, _ = seconds(lambda: PLSRegression(RANK, scale=False, copy=False).fit(designs, Y))
    return {"seconds": time, "peak_mb": peak(), "fit_mb": peak() - before}


JOBS = {
    "dense": lambda share: fitted(dense_data(share), RANK, tol=0.0, max_iter=SWEEPS),
    "dense, default tolerance": lambda share: fitted(dense_data(share), CARRIED),
    "dense, sweeps on rows only": direct,
    "dense, likelihood": lambda share: fitted(dense_data(share), CARRIED, method="ml"),
    "sparse Z": lambda share: fitted(sparse_data(share), 5, tol=0.0, max_iter=SWEEPS),
    "pls": pls,
}

if __name__ == "__main__":
    main(JOBS, __file__, __doc__)
