r"""Separation: coefficients for which the likelihood has no maximum, by a linear programme.

For successes the likelihood of a row grows in η if all its trials succeeded, and falls if none did;
for counts it falls where the count is 0. Let a direction δ have s_i x_i'δ ≥ 0 in all such rows,
with s_i = ±1, x_i'δ = 0 in all others, and be above 0 in some: the likelihood then grows without
end along it, and β̂ is infinite, whatever the random effects are. Separation is complete if some δ
is above 0 in all rows.

Normed by Σ s_i x_i'δ = 1, a direction with the least Σ|δ_j| shows the columns that do it.

References
----------
Albert, Anderson (1984), *On the existence of maximum likelihood estimates in logistic regression
models*, Biometrika 71(1); Konis (2007), *Linear programming algorithms for detecting separated
data in binary logistic regression models*, DPhil thesis, Oxford; Correia, Guimarães, Zylkin (2019),
*Verifying the existence of maximum likelihood estimates for generalized linear models*,
arXiv:1903.01633, for counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..support.arrays import FloatArray, IndexArray
from .families.base import Family
from .families.links import UNBOUNDED_LINKS, Link
from .families.response import Response
from .families.truncation import Adapted, Truncated
from .families.zeros import Hurdle

COUNTS = ("poisson", "negative_binomial", "negative_binomial1")
"""Families of counts whose zeros are the more probable the smaller the mean is."""

LEAST_ENTRY = 1e-7
"""Of a direction whose largest entry is 1, and of x_i'δ: smaller ones are rounding."""


@dataclass(frozen=True, eq=False)
class Separation:
    """A direction along which the likelihood grows without end.

    Attributes
    ----------
    direction : ndarray (p,)
        In the units of X, with the largest |δ_j| max|x_j| one.
    columns : ndarray of int
        Columns that it moves.
    rows : ndarray of int
        Rows whose likelihood it raises.
    complete : bool
        Whether some direction raises that of all rows.
    """

    direction: FloatArray
    columns: IndexArray
    rows: IndexArray
    complete: bool


def favourable_signs(family: Family, link: Link, response: Response) -> FloatArray | None:
    """Where the likelihood of each row grows without a maximum, (n,).

    1 or −1 for η to ±∞; 0 for a maximum inside; NaN where the row does not depend on η. None for
    families and links whose likelihood has a maximum in every row.

    Examples
    --------
    >>> from lmforms.glmm.families.binomial import Binomial
    >>> from lmforms.glmm.families.links import LINKS
    >>> proportions = Response(np.array([0.0, 1.0, 2.0]), np.full(3, 2.0))
    >>> favourable_signs(Binomial(), LINKS["logit"], proportions)
    array([-1.,  0.,  1.])
    """
    y, own = response.y, family.family if isinstance(family, Adapted) else family
    without_zeros = isinstance(family, (Truncated, Hurdle))
    if own.takes_trials and not without_zeros:
        if link.name in UNBOUNDED_LINKS:
            return np.where(y == 0.0, -1.0, np.where(y == response.of_trials(), 1.0, 0.0))
        return np.where(y == 0.0, -1.0, 0.0) if link.name == "log" else None
    if own.name in COUNTS and link.name == "log":
        if not without_zeros:
            return np.where(y == 0.0, -1.0, 0.0)
        return np.where(y == 0.0, np.nan, np.where(y == 1.0, -1.0, 0.0))
    return None


def separation(X: FloatArray, signs: FloatArray) -> Separation | None:
    """A direction of separation, or None where there is none.

    Parameters
    ----------
    X : ndarray (n, p)
        Of full rank.
    signs : ndarray (n,)
        See :func:`favourable_signs`.

    Examples
    --------
    >>> x = np.arange(6.0)
    >>> X = np.column_stack([np.ones(6), x])
    >>> found = separation(X, np.where(x > 2.5, 1.0, -1.0))
    >>> found.complete, found.columns
    (True, array([0, 1]))
    >>> separation(X, np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])) is None
    True
    """
    from scipy.optimize import linprog

    used = np.flatnonzero(~np.isnan(signs))
    p = X.shape[1]
    if not p or not len(used) or not np.any(signs[used]):
        return None
    size = np.abs(X).max(axis=0)
    size[size == 0.0] = 1.0
    scaled = X[used] / size
    both = np.unique(np.column_stack([signs[used], scaled]), axis=0)
    s, x = both[:, 0], both[:, 1:]
    moved, held = s[s != 0.0, None] * x[s != 0.0], x[s == 0.0]
    # min Σ (a + b), δ = a − b with a, b ≥ 0
    total = moved.mean(axis=0)
    equal = np.vstack([held, total])
    found = linprog(
        np.ones(2 * p),
        A_ub=np.hstack([-moved, moved]),
        b_ub=np.zeros(len(moved)),
        A_eq=np.hstack([equal, -equal]),
        b_eq=np.append(np.zeros(len(held)), 1.0),
        method="highs",
    )
    if not found.success:
        return None
    delta = found.x[:p] - found.x[p:]
    delta /= np.abs(delta).max()
    delta[np.abs(delta) < LEAST_ENTRY] = 0.0
    along = np.where(signs[used] == 0.0, np.abs(scaled @ delta), signs[used] * (scaled @ delta))
    against = np.where(signs[used] == 0.0, along, -along)
    if against.max() > LEAST_ENTRY or not (along > LEAST_ENTRY).any():
        return None
    raised = (along > LEAST_ENTRY) & (signs[used] != 0.0)
    return Separation(
        direction=delta / size,
        columns=np.flatnonzero(delta),
        rows=used[raised],
        complete=not len(held) and _is_complete(moved),
    )


def _is_complete(moved: FloatArray) -> bool:
    """Whether some direction raises the likelihood of all rows: max t with s_i x_i'δ ≥ t."""
    from scipy.optimize import linprog

    rows, p = moved.shape
    found = linprog(
        np.append(np.zeros(p), -1.0),
        A_ub=np.hstack([-moved, np.ones((rows, 1))]),
        b_ub=np.zeros(rows),
        bounds=[(-1.0, 1.0)] * p + [(0.0, 1.0)],
        method="highs",
    )
    return bool(found.success and found.x[-1] > LEAST_ENTRY)
