"""Predictions: the rows, with all or some random terms, and the residuals of their series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data.design_rows import DesignRows, own_rows
from ..data.new_rows import new_rows
from ..data.residual_new_rows import residual_places
from ..errors import ArgumentError, near_matches
from ..formula.term_names import matching, terms_named
from ..residual.parametric import ParametricResidual
from ..residual.prediction import predicted_residuals
from ..support.arguments import one_of, sequence
from ..support.arrays import FloatArray
from .quantities import residuals

if TYPE_CHECKING:
    from ..data.design import Design
    from .state import FitState

RESIDUAL_PARTS = ("series", "none")


def rows_of(
    design: Design,
    data: Any,
    *,
    random: str | Sequence[str],
    new_levels: str,
    offset: npt.ArrayLike | None,
    what: str,
    others: bool = False,
    auxiliary: Sequence[str] = (),
) -> DesignRows:
    """The design of new rows, or of the model's own if `data` is None.

    Parameters
    ----------
    design : Design
    data, random, new_levels, offset
        See :meth:`lmforms.MixedModelResults.predict`.
    what : str
        Method that the user called, for messages.
    others : bool
        Whether random terms that `random` leaves out are there too, without their levels.
    auxiliary : sequence of str
        Parameters beside the mean whose columns are needed, by the names of their formulas.
    """
    new_levels = one_of("new_levels", new_levels, ("raise", "zero"))
    terms = chosen_terms(design, random)
    left_out = [t for t in range(len(design.terms)) if t not in terms] if others else []
    if data is not None:
        return new_rows(
            design,
            data,
            terms,
            new_levels=new_levels,
            offset=offset,
            what=what,
            unlabelled=left_out,
            auxiliary=auxiliary,
        )
    if offset is not None:
        raise ArgumentError(f"{what}: offset needs new data.")
    return own_rows(design, terms, left_out)


def chosen_terms(design: Design, random: str | Sequence[str]) -> list[int]:
    """Indices of the random terms that the argument `random` names.

    Raises
    ------
    ArgumentError
        A name is neither a grouping factor nor a random term.
    """
    if isinstance(random, str):
        if random == "all":
            return list(range(len(design.terms)))
        random = [] if random == "none" else [random]
    random = sequence("random", random, "grouping factors or terms, or 'all' or 'none'")
    chosen: set[int] = set()
    labels = [t.label for t in design.terms]
    groups = [design.groups[t.group].name for t in design.terms]
    for name in map(str, random):
        found = (
            matching(name, groups)
            or matching(name, labels)
            or terms_named(design.bound.random, name)
        )
        if not found:
            known = list(dict.fromkeys([*groups, *labels]))
            raise ArgumentError(
                f"random: `{name}` is neither a grouping factor nor a random term."
                f"{near_matches(name, known)} Use 'all', 'none' or some of: {', '.join(known)}."
            )
        chosen.update(found)
    return sorted(chosen)


def uses_series(data: Any, random: str | Sequence[str], residual: str | None) -> bool:
    """Whether residuals of the series are predicted: see `MixedModelResults.predict`."""
    if residual is not None:
        return one_of("residual", residual, RESIDUAL_PARTS) == "series"
    of_population = random == "none" if isinstance(random, str) else not len(list(random))
    return data is not None and not of_population


def series_part(state: FitState, data: Any, weights: Any, what: str) -> FloatArray:
    """Residuals of new rows, or of the model's own if `data` is None, from those of their series.

    Parameters
    ----------
    state : FitState
    data : table or None
    weights : number, array, str or None
        Known weights of new rows.
    what : str
        Method that the user called, for messages.

    Returns
    -------
    ndarray (rows,) or (1,)
        NaN in rows with missing values; one zero for a model without correlations.
    """
    observed = state.residual
    if not isinstance(observed, ParametricResidual) or observed.correlation is None:
        return np.zeros(1)
    values = residuals(state, "response")
    if data is None:
        sd = 1.0 / observed.inverse_sd
        return predicted_residuals(observed, values, observed.points, observed.series, sd)
    new = residual_places(state.design, data, weights, what)
    sd = np.ones(len(new.rows))
    if new.variance is not None:
        phi = observed.phi[new.correlation.n_parameters :]
        sd = np.exp(new.variance.log_sd(phi))
    if new.weights is not None:
        sd = sd / np.sqrt(new.weights)
    out = np.where(new.complete, 0.0, np.nan)
    with_lags = replace(observed, correlation=new.correlation)
    out[new.rows] = predicted_residuals(with_lags, values, new.points, new.series, sd)
    return out
