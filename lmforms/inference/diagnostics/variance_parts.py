r"""How much of the variance of a response is of the fixed effects, random effects and residuals.

Variances are means over the rows, so that random slopes, known covariances of the levels, weights
and structures of the residuals all have a meaning:

.. math::
    \sigma^2_f = \operatorname{var}(x_i'\hat\beta), \quad
    \sigma^2_g = \frac1n\sum_i K_{ll}\, z_i'\hat G z_i, \quad
    \sigma^2_e = \frac1n\sum_i \hat\sigma^2 R_{ii},

with l the level of row i and G the covariance of its random effects. The variance of the fixed
part has the divisor n − 1, as in R. An offset is known and counts for nothing.

References
----------
Nakagawa, Schielzeth (2013), *A general and simple method for obtaining R² from generalized linear
mixed-effects models*, Methods in Ecology and Evolution 4(2); Johnson (2014), *Extension of
Nakagawa & Schielzeth's R²GLMM to random slopes models*, ibid. 5(9); Nakagawa, Johnson, Schielzeth
(2017), J. R. Soc. Interface 14(134), for intraclass correlations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...data.design import INTERCEPT
from ...data.summed_design import SummedDesign, refuse_rows
from ...relationship import Relationship
from ...results.state import FitState
from ...support.arrays import FloatArray

BLOCK_NUMBERS = 4_000_000
"""Entries of the columns of a root that are in memory together."""


@dataclass(frozen=True, eq=False)
class VarianceParts:
    """Parts of the variance of a response.

    Attributes
    ----------
    fixed : float
        Of the fixed effects.
    groups : dict of str to float
        Of the random effects, by grouping factor.
    rows : tuple of str
        Grouping factors in which each row has a level of its own: they count as residuals.
    residual : float
        Of the residuals.
    """

    fixed: float
    groups: dict[str, float]
    rows: tuple[str, ...]
    residual: float

    @property
    def shared(self) -> dict[str, float]:
        """Of the grouping factors whose levels have several rows."""
        return {name: value for name, value in self.groups.items() if name not in self.rows}

    @property
    def random(self) -> float:
        """Of all random effects that rows can share."""
        return sum(self.shared.values())

    @property
    def within(self) -> float:
        """Of the residuals, and of random effects of single rows."""
        return self.residual + sum(self.groups[name] for name in self.rows)

    @property
    def marginal_r2(self) -> float:
        """Share of the fixed effects."""
        return self.fixed / (self.fixed + self.random + self.within)

    @property
    def conditional_r2(self) -> float:
        """Share of the fixed and the random effects."""
        return (self.fixed + self.random) / (self.fixed + self.random + self.within)


def variance_parts(state: FitState) -> VarianceParts:
    """Parts of the variance of the response of a fit.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> parts = variance_parts(fit.state)
    >>> round(parts.fixed, 1), round(parts.random, 1), round(parts.residual, 1)
    (909.0, 1698.1, 654.9)
    """
    design, estimate = state.design, state.estimate
    if isinstance(design, SummedDesign):
        return _parts_of_sums(state, design)
    fixed = np.var(design.X @ estimate.beta, ddof=1) if len(estimate.beta) else 0.0
    by_row = random_variances(state)
    return VarianceParts(
        fixed=float(fixed),
        groups={name: float(values.mean()) for name, values in by_row.items()},
        rows=single_row_groups(state),
        residual=float(residual_variances(state).mean()),
    )


def _parts_of_sums(state: FitState, design: SummedDesign) -> VarianceParts:
    """The same from products of the columns, R'R = X'X; each level has several rows there."""
    root, estimate, n = design.fixed.values[:, design.x_kept], state.estimate, design.n
    place = [i for i, name in enumerate(design.x_names) if name == INTERCEPT]
    if design.formula_data.weights_column is not None or not place:
        refuse_rows()  # means of rows are not among the products
    fitted = root @ estimate.beta
    mean = float(root[:, place[0]] @ fitted) / n
    groups = {}
    for group, lam in zip(design.groups, estimate.lams, strict=True):
        basis = np.hstack([design.terms[t].matrix.values for t in group.terms])
        groups[group.name] = estimate.sigma**2 * float(np.square(basis @ lam).sum(axis=1).mean())
    return VarianceParts(
        fixed=(float(fitted @ fitted) - n * mean**2) / (n - 1),
        groups=groups,
        rows=(),
        residual=estimate.sigma**2,
    )


def single_row_groups(state: FitState) -> tuple[str, ...]:
    """Grouping factors in which each row has a level of its own."""
    return tuple(
        group.name for group in state.design.groups if np.bincount(group.codes).max(initial=0) <= 1
    )


def random_variances(state: FitState) -> dict[str, FloatArray]:
    """Variance of Zb in each row, (n,) for each grouping factor."""
    out = {}
    for group, lam in zip(state.design.groups, state.estimate.lams, strict=True):
        effects = state.design.basis(group) @ lam
        values = state.estimate.sigma**2 * np.einsum("ij,ij->i", effects, effects)
        known = state.relationship.get(group.name)
        if known is not None:
            values *= level_variances(known)[group.codes]
        out[group.name] = values
    return out


def residual_variances(state: FitState) -> FloatArray:
    """Variance of the residual of each row, (n,)."""
    relative = state.residual.variances()
    ones = np.ones(state.design.n)
    return state.estimate.sigma**2 * (ones if relative is None else relative)


def level_variances(known: Relationship) -> FloatArray:
    """The diagonal of a known covariance K, (q,)."""
    form = known.form
    if form.keeps_all_levels:  # an inverse, whose root is dense
        return _sums_of_squares(*form.root_operator())
    root = form.root()
    if isinstance(root, np.ndarray):
        return np.asarray(np.einsum("ij,ij->i", root, root))
    return np.asarray(root.multiply(root).sum(axis=1)).ravel()


def _sums_of_squares(rank: int, times: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Σ_j L_ij² of a root L (q, rank) that is known by its products, a few columns at a time."""
    total, step = 0.0, max(1, BLOCK_NUMBERS // max(rank, 1))
    for start in range(0, rank, step):
        columns = np.eye(rank, min(step, rank - start), -start)
        total = total + np.square(times(columns)).sum(axis=1)
    return np.asarray(total)
