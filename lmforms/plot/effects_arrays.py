"""Arrays that pictures of random effects of one grouping factor show: own estimates, ellipses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, ModelError, listed
from ..support.arguments import one_of, sequence
from ..support.label_texts import joined_label

DETERMINED = 1e-10
"""The rows of a level determine its coefficients if all eigenvalues of the cross-products of its
columns, scaled to length 1, are above this."""

CIRCLE_POINTS = 181
"""Points of an ellipse."""


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """Coefficients of levels by their own rows alone, and as the model has them.

    Attributes
    ----------
    group : str
    effects : tuple of str (k,)
    names : tuple of str (k,)
        What the axes say.
    labels : list of str (q,)
    own, shrunk : ndarray (q, k)
    population : ndarray (k,)
    without : int
        Levels whose rows do not determine coefficients of their own.
    """

    group: str
    effects: tuple[str, ...]
    names: tuple[str, ...]
    labels: list[str]
    own: np.ndarray
    shrunk: np.ndarray
    population: np.ndarray
    without: int


def chosen_group(fit: Any, group: Any, what: str) -> int:
    """Place of a grouping factor in the design; the first by default.

    Raises
    ------
    ArgumentError
        There is no such grouping factor.
    ModelError
        There are no random effects.
    """
    names = [g.name for g in fit.state.design.groups]
    if not names:
        raise ModelError(
            f"{what}: the model has no random effects. Fit one that has, such as "
            'fit.update(". ~ . + (1 | group)").'
        )
    return 0 if group is None else names.index(one_of("group", group, names))


def chosen_effects(effects: Any, known: Sequence[str], default: int) -> list[int]:
    """Places of the effects named; the first `default` of them otherwise.

    Raises
    ------
    ArgumentError
        There is no such effect, or one is named twice.
    """
    if effects is None:
        return list(range(min(default, len(known))))
    given = [effects] if isinstance(effects, str) else sequence("effects", effects, "texts")
    places = [list(known).index(one_of("effects", name, known)) for name in given]
    if not places or len(set(places)) < len(places):
        raise ArgumentError(f"effects={effects!r}: name different ones of {listed(known)}.")
    return places


def shrinkage_of(fit: Any, group: Any, effects: Any) -> Shrinkage:
    """Own least-squares coefficients of levels beside those with predicted random effects.

    Raises
    ------
    ArgumentError
        There is no such grouping factor or effect, or no level determines its coefficients.
    ModelError
        There are no random effects.
    """
    design, estimate = fit.state.design, fit.state.estimate
    place = chosen_group(fit, group, "shrinkage")
    factor = design.groups[place]
    chosen = chosen_effects(effects, factor.columns, 2)
    if len(chosen) > 2:
        raise ArgumentError("effects= has more than two: draw two of them, or one.")
    basis, b = design.basis(factor), estimate.b[place]
    partial = fit.resid.to_numpy() + np.einsum("ij,ij->i", basis, b[factor.codes])
    own, known = level_coefficients(
        fit.state.residual.scaled(basis),
        fit.state.residual.scaled(partial),
        factor.codes,
        len(factor.levels),
    )
    if not known.any():
        raise ArgumentError(
            f"shrinkage: no level of {factor.name} has rows enough for estimates of its own of "
            f"{listed(factor.columns)}. lf.plot.random_effects(fit) draws what the model says."
        )
    columns = tuple(factor.columns[j] for j in chosen)
    fixed = dict(zip(design.x_names, estimate.beta.tolist(), strict=True))
    population = np.array([fixed.get(name, 0.0) for name in columns])
    return Shrinkage(
        factor.name,
        columns,
        tuple(_axis_name(name, name in fixed) for name in columns),
        [joined_label(level) for level in factor.levels[known]],
        population + own[known][:, chosen],
        population + b[known][:, chosen],
        population,
        int((~known).sum()),
    )


def _axis_name(effect: str, is_coefficient: bool) -> str:
    if not is_coefficient:
        return f"random effect {effect}"
    return "intercept" if effect == "Intercept" else f"coefficient of {effect}"


def level_coefficients(
    basis: np.ndarray, values: np.ndarray, codes: np.ndarray, levels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of values on a basis within each level.

    Parameters
    ----------
    basis : ndarray (n, k)
    values : ndarray (n,)
    codes : ndarray of int (n,)
    levels : int

    Returns
    -------
    coefficients : ndarray (levels, k)
        NaN where they are not determined.
    known : ndarray of bool (levels,)

    Examples
    --------
    >>> basis = np.column_stack([np.ones(5), [0.0, 1.0, 2.0, 0.0, 0.0]])
    >>> values, codes = np.array([1.0, 3.0, 5.0, 7.0, 7.0]), np.array([0, 0, 0, 1, 1])
    >>> level_coefficients(basis, values, codes, 2)[0].round(6)
    array([[ 1.,  2.],
           [nan, nan]])
    """
    k = basis.shape[1]
    products = np.zeros((levels, k, k))
    sides = np.zeros((levels, k))
    for i in range(k):
        sides[:, i] = np.bincount(codes, basis[:, i] * values, levels)
        for j in range(i + 1):
            sums = np.bincount(codes, basis[:, i] * basis[:, j], levels)
            products[:, i, j] = products[:, j, i] = sums
    sizes = np.sqrt(np.einsum("qkk->qk", products))
    sizes[sizes == 0] = np.inf  # a column of zeros
    scaled = products / (sizes[:, :, None] * sizes[:, None, :])
    known = np.linalg.eigvalsh(scaled)[:, 0] > DETERMINED
    out = np.full((levels, k), np.nan)
    solved = np.linalg.solve(scaled[known], (sides[known] / sizes[known])[:, :, None])[:, :, 0]
    out[known] = solved / sizes[known]
    return out, known


@dataclass(frozen=True, eq=False)
class EffectPair:
    """Two random effects of a grouping factor.

    Attributes
    ----------
    names : pair of str
    values : ndarray (q, 2)
        Of the levels.
    covariance : ndarray (2, 2)
        As estimated.
    labels : pandas.Index (q,)
    """

    names: tuple[str, str]
    values: np.ndarray
    covariance: np.ndarray
    labels: pd.Index

    @property
    def correlation(self) -> float:
        """Of the estimated covariance; NaN where one has no variance."""
        sd = np.sqrt(np.diag(self.covariance))
        return float(self.covariance[0, 1] / (sd[0] * sd[1])) if sd.all() else float("nan")

    def ellipse(self, level: float) -> np.ndarray:
        """Contour (points, 2) that holds `level` of normal effects of this covariance.

        Examples
        --------
        >>> pair = EffectPair(("a", "b"), np.zeros((1, 2)), np.diag([4.0, 0.0]), pd.Index([0]))
        >>> pair.ellipse(0.95).max(axis=0).round(3)
        array([4.895, 0.   ])
        """
        radius = np.sqrt(-2.0 * np.log1p(-level))
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        angle = np.linspace(0.0, 2.0 * np.pi, CIRCLE_POINTS)
        return np.asarray(radius * np.column_stack([np.cos(angle), np.sin(angle)]) @ root.T)


def effect_pairs(fit: Any, group: Any, effects: Any) -> tuple[str, list[EffectPair]]:
    """Name of the grouping factor, and all pairs of its effects or of those named.

    Raises
    ------
    ArgumentError
        There is no such grouping factor or effect.
    ModelError
        There are no random effects, or no two of one grouping factor.
    """
    what = "random_effects_pairs"
    groups = fit.state.design.groups
    if group is None and any(len(g.columns) > 1 for g in groups):
        group = next(g.name for g in groups if len(g.columns) > 1)
    place = chosen_group(fit, group, what)
    factor, estimate = groups[place], fit.state.estimate
    if len(factor.columns) < 2:
        raise ModelError(
            f"{what}: {factor.name} has one random effect, {factor.columns[0]}, and pairs need "
            "two: fit a random slope, or draw lf.plot.random_effects(fit)."
        )
    chosen = chosen_effects(effects, factor.columns, len(factor.columns))
    if len(chosen) < 2:
        raise ArgumentError(f"effects={effects!r}: name two or more of {listed(factor.columns)}.")
    lam = estimate.lams[place]
    covariance = estimate.sigma**2 * (lam @ lam.T)
    pairs = []
    for a, first in enumerate(chosen):
        for second in chosen[a + 1 :]:
            two = [first, second]
            pairs.append(
                EffectPair(
                    (factor.columns[first], factor.columns[second]),
                    estimate.b[place][:, two],
                    covariance[np.ix_(two, two)],
                    factor.levels,
                )
            )
    return factor.name, pairs
