"""`pool`: fits of one model to multiply imputed data, checked and put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...data.design import Design
from ...errors import ArgumentError, ModelError, listed
from ...results.state import FitState
from ...support.arguments import named_arguments, proportion, sequence, short_repr
from ..degrees_of_freedom.methods import DfName, df_method
from .pooled_fits import PooledFits
from .pooled_method import PooledDf

SAME_DEPENDENCE = 1e-6
"""Largest relative difference of the coefficients by which dropped columns depend on others."""


@named_arguments
def pool(fits: Iterable[Any], *, level: float = 0.95, ddf: DfName = "satterthwaite") -> PooledFits:
    """Pool the fits of one model to multiply imputed data, by Rubin's rules.

    Parameters
    ----------
    fits : iterable of MixedModelResults
        Two or more, one for each completed data set: the same formula and the same rows.
    level : float
        Of the limits.
    ddf : str
        Degrees of freedom that complete data would have, and the covariances of the fits, by a
        method of :meth:`lmforms.MixedModelResults.contrast`; the mean over the fits is taken.
        ``"residual"`` is n − p, ``"none"`` Rubin's rules for large samples.

    Returns
    -------
    PooledFits

    Raises
    ------
    ArgumentError
        Fewer than two fits, or something else than a fit.
    ModelError
        A fit differs from the others in formula, weights or offset, known covariances, residual
        structure, levels, coefficients, number of rows or criterion; the message names it. Or
        `ddf` is not defined for the fits.

    References
    ----------
    Rubin (1987), *Multiple Imputation for Nonresponse in Surveys*, section 3.3; Barnard, Rubin
    (1999), *Small-sample degrees of freedom with multiple imputation*, Biometrika 86(4).

    Examples
    --------
    >>> import lmforms as lf, numpy as np
    >>> sleep = lf.datasets.load("sleepstudy")
    >>> rng = np.random.default_rng(1)
    >>> lost = rng.random(len(sleep)) < 0.2
    >>> line = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep[~lost])
    >>> fits = []
    >>> for _ in range(5):
    ...     noise = line.sigma * rng.standard_normal(len(sleep))
    ...     filled = np.where(lost, line.predict(sleep) + noise, sleep["Reaction"])
    ...     data = sleep.assign(Reaction=filled)
    ...     fits.append(lf.lmer("Reaction ~ Days + (Days | Subject)", data))
    >>> pooled = lf.pool(fits)
    >>> list(pooled.table)
    ['estimate', 'std_error', 'df', 'statistic', 'p_value', 'lower', 'upper']
    """
    level = proportion("level", level)
    found = sequence("fits", fits, "fits of imputed data")
    states = [_state(i, fit) for i, fit in enumerate(found)]
    if len(states) < 2:
        raise ArgumentError(
            f"pool: {len(states)} fit{'s' * (len(states) != 1)} given; two or more are needed, one "
            "for each imputed data set."
        )
    _check_alike(states)
    complete = tuple(df_method(state, ddf) for state in states)
    estimates = np.array([state.estimate.beta for state in states])
    remarks = [f"Pooled from {len(states)} fits of imputed data."]
    remarks += [remark for method in complete for remark in method.remarks]
    remarks += _other_transforms([state.design for state in states])
    method = PooledDf.of(
        estimates,
        complete,
        (f"Pooled from {len(states)} fits of imputed data.", *dict.fromkeys(remarks)),
    )
    vcomp = _mean_variances([fit.vcomp for fit in found])
    return PooledFits(method, states[0].design, level, vcomp)


def _state(i: int, fit: Any) -> FitState:
    state = getattr(fit, "state", None)
    if not isinstance(state, FitState):
        raise ArgumentError(f"pool: fits[{i}] is no fitted model: {short_repr(fit)}.")
    if not state.optimized:
        raise ModelError(f"pool: θ of fits[{i}] was given, not estimated: take the fit itself.")
    return state


def _check_alike(states: Sequence[FitState]) -> None:
    """Refuse fits of different models, naming the first that is unlike most."""
    designs = [state.design for state in states]
    _refuse_odd("the formula {}", [str(design.bound.formula) for design in designs])
    _refuse_odd("the residual structure {}", [str(d.residual_spec or "iid") for d in designs])
    _refuse_odd("{}", [" and ".join(d.frame.extra) or "no weights or offset" for d in designs])
    _refuse_odd("{}", [_known_covariances(state) for state in states])
    _refuse_odd("the coefficients {}", [", ".join(design.x_names) for design in designs])
    _refuse_odd("the levels {}", [_levels(design) for design in designs])
    _refuse_other_dependencies(designs)
    _refuse_odd("{} rows", [design.n for design in designs])
    _refuse_odd("the criterion {}", ["REML" if s.estimate.reml else "ML" for s in states])


def _known_covariances(state: FitState) -> str:
    names = " and ".join(sorted(state.relationship))
    return f"a known covariance of {names}" if names else "no known covariance"


def _levels(design: Design) -> str:
    """Levels of the factors among the fixed effects, in their order."""
    return "; ".join(
        f"{factor}: {', '.join(map(str, learnt['categories']))}"
        for factor, (_, learnt) in design.fixed.spec.encoder_state.items()
        if "categories" in learnt
    )


def _refuse_odd(what: str, values: Sequence[Hashable]) -> None:
    usual = Counter(values).most_common(1)[0][0]
    odd = next((i for i, value in enumerate(values) if value != usual), None)
    if odd is not None:
        raise ModelError(
            f"pool: fits[{odd}] has {what.format(values[odd])}; others have {what.format(usual)}. "
            "All fits must be of one model, to data sets that differ in imputed values alone."
        )


def _refuse_other_dependencies(designs: Sequence[Design]) -> None:
    """Refuse fits whose coefficients have one name and different meanings.

    That is so where columns were dropped that depend on the others in different ways, as when
    imputed values decide which combinations of levels have rows.
    """
    if not designs[0].x_dropped:
        return
    usual, size = None, np.abs(designs[0].X).max(axis=0)
    for i, design in enumerate(designs):
        dropped = np.delete(design.fixed.values, design.x_kept, axis=1)
        combined = np.linalg.lstsq(design.X / size, dropped, rcond=None)[0]
        usual = combined if usual is None else usual
        if np.abs(combined - usual).max() > SAME_DEPENDENCE * np.abs(usual).max(initial=1.0):
            raise ModelError(
                f"pool: the columns {listed(design.x_dropped)} were dropped from all fits, but in "
                f"fits[{i}] they depend on the others in another way than in fits[0], so that "
                "coefficients of one name mean different things: leave their terms out."
            )


def _other_transforms(designs: Sequence[Design]) -> list[str]:
    """A remark on transforms that learnt different numbers from the data, such as a mean."""
    learnt = [design.fixed.spec.transform_state for design in designs]
    other = [
        name
        for name, state in learnt[0].items()
        if any(repr(s.get(name)) != repr(state) for s in learnt)
    ]
    if not other:
        return []
    what = "Learnt from each data set by itself, so that coefficients may differ in meaning"
    return [f"{what}: {', '.join(other)}."]


def _mean_variances(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Means of variances and covariances, with the standard deviations and correlations of these.

    Strata of residuals that only some fits have are left out.
    """
    keys = ["group", "name1", "name2"]
    means = pd.concat(tables).groupby(keys, sort=False)["variance"].agg(["mean", "size"])
    means = means[means["size"] == len(tables)]["mean"]
    sdcor = []
    for (group, name1, name2), value in means.items():
        if not name2:
            sdcor.append(np.sqrt(value))
            continue
        size = np.sqrt(means[group, name1, ""] * means[group, name2, ""])
        sdcor.append(value / size if size > 0 else np.nan)
    out = means.rename("variance").reset_index()
    out["sdcor"] = sdcor
    return out
