"""Arrays that the plots of a form show: codes, loadings, the comparison of ranks."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, DataError, listed
from ..latent.input_matrices import checked_matrix
from ..latent.modalities import Side
from ..support.arguments import one_of, sequence, short_repr, whole_number
from ..support.arrays import as_dense

SYMBOLS = {"Y": "α", "X": "β", "Z": "u"}
CODES = ("K", "H", "K+H")


@dataclass(frozen=True)
class RankComparison:
    """Cross-validated shares by rank.

    Attributes
    ----------
    ranks : ndarray of int (r,)
        Ascending.
    means, errors : ndarray (r,)
        Mean share over folds, and its standard error; NaN with one fold.
    best : int
        The rank with the greatest mean.
    simplest : int, optional
        The least rank whose mean is within one standard error of the best; None without errors.
    """

    ranks: np.ndarray
    means: np.ndarray
    errors: np.ndarray
    best: int
    simplest: int | None


def fitted_form(form: Any) -> Any:
    """The form itself, or that of a regressor which holds one.

    Raises
    ------
    ArgumentError
        It is not a form, or not fitted.
    """
    found = getattr(form, "form_", form)
    if hasattr(found, "K_") and hasattr(found, "H_"):
        return found
    if hasattr(found, "get_params") and hasattr(found, "fit"):
        raise ArgumentError("form is not fitted yet: call its fit() first.")
    raise ArgumentError(f"form must be a fitted LinearMixedForm, not {short_repr(form)}.")


def loadings_of(form: Any, modality: str) -> tuple[np.ndarray, list[Any]]:
    """Loadings (columns, k) of a modality, and the names of its columns.

    Raises
    ------
    ArgumentError
        There is no such modality.
    """
    known = form.loadings_
    found = known[one_of("modality", modality, list(known))]
    labels = list(found.index) if isinstance(found, pd.DataFrame) else list(range(len(found)))
    return np.asarray(found, dtype=np.float64), labels


def code_sizes(form: Any, modality: str) -> np.ndarray:
    """Root mean squares (k,) of the code that a modality depends on: K, H or their sum.

    Which one it is follows from decoding unit codes.
    """
    K, H = (np.asarray(A, dtype=np.float64) for A in (form.K_, form.H_))
    one, none = np.eye(K.shape[1]), np.zeros((K.shape[1], K.shape[1]))
    depends_on = [np.any(form.decode(pair, to=modality)) for pair in ((one, none), (none, one))]
    return np.sqrt(np.mean((depends_on[0] * K + depends_on[1] * H) ** 2, axis=0))


def codes_of(form: Any, of: str) -> np.ndarray:
    """K, H or their sum, (n, k).

    Raises
    ------
    ArgumentError
    """
    of = one_of("of", of, CODES, says=" Or a sequence of these.")
    K, H = (np.asarray(A, dtype=np.float64) for A in (form.K_, form.H_))
    return {"K": K, "H": H, "K+H": K + H}[of]


def component_places(components: Any, k: int) -> list[int]:
    """Components, counted from 1 as in the labels c1, c2, …, as positions; None is all.

    Raises
    ------
    ArgumentError

    Examples
    --------
    >>> component_places((1, 3), 3), component_places(None, 2)
    ([0, 2], [0, 1])
    """
    if components is None:
        return list(range(k))
    single = isinstance(components, Integral)
    given = [components] if single else sequence("components", components, "whole numbers")
    found = [whole_number("components", c, least=1, most=k) - 1 for c in given]
    if not found or len(set(found)) < len(found):
        raise ArgumentError(
            f"components={short_repr(components)} must name at least one, each once."
        )
    return found


def rank_comparison(table: Any) -> RankComparison:
    """Means and standard errors by rank, the best, and the simplest that is as good.

    Parameters
    ----------
    table : DataFrame
        From :func:`lmforms.latent.choose_rank`.

    Raises
    ------
    ArgumentError, DataError
        It is no such table, or has no share at all.

    Examples
    --------
    >>> shares = [0.4, 0.6, 0.79, 0.83, 0.80, 0.84]
    >>> found = rank_comparison(pd.DataFrame({"rank": [1, 1, 2, 2, 3, 3], "fold": [0, 1] * 3,
    ...                                "share": shares, "converged": True}))
    >>> found.best, found.simplest
    (3, 2)
    """
    if not isinstance(table, pd.DataFrame):
        raise ArgumentError(f"table must be that of choose_rank, not {short_repr(table)}.")
    absent = [c for c in ("rank", "fold", "share", "converged") if c not in table]
    if absent:
        raise DataError(f"The table has no column {listed(absent)}: pass that of choose_rank.")
    grouped = table.groupby("rank", sort=True)["share"].agg(["mean", "sem"])
    means = grouped["mean"].to_numpy(dtype=np.float64)
    if not np.isfinite(means).any():
        raise DataError("The table holds no share: nothing was held out that could be predicted.")
    ranks = grouped.index.to_numpy()
    errors = grouped["sem"].to_numpy(dtype=np.float64)
    top = int(np.nanargmax(means))
    if not np.isfinite(errors[top]):
        return RankComparison(ranks, means, errors, int(ranks[top]), None)
    with np.errstate(invalid="ignore"):
        simplest = int(ranks[np.flatnonzero(means >= means[top] - errors[top])[0]])
    return RankComparison(ranks, means, errors, int(ranks[top]), simplest)


def largest_rows(values: np.ndarray, top: Any) -> np.ndarray:
    """Positions of the `top` rows of greatest norm, greatest first.

    Raises
    ------
    ArgumentError

    Examples
    --------
    >>> largest_rows(np.array([[1.0], [-3.0], [2.0]]), 2)
    array([1, 2])
    """
    top = whole_number("top", top, least=1)
    return np.argsort(-np.linalg.norm(values, axis=1), kind="stable")[:top]


def second_moments(data: Any) -> np.ndarray:
    """A'A/n of a frame, array or sparse matrix."""
    A = checked_matrix(data, "data", Side.FIXED).values
    return as_dense(A.T @ A) / A.shape[0]
