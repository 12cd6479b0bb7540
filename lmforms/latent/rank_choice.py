"""`choose_rank`: cross-validation of the number of components."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, ConvergenceWarning, DataError
from ..support.arguments import flag, named_arguments, one_of, sequence, whole_number
from ..support.arrays import BoolArray
from ..support.caller import caller_depth
from .als import FormEstimate
from .column_warnings import warn_of_columns
from .derived_quantities import noise_precisions
from .encoding import GivenModality, encoded
from .fitting import best_fit, check_sizes
from .form import LinearMixedForm
from .form_fit import implied_model
from .input_matrices import check_vary, checked_matrices, modalities
from .modalities import Modalities, Modality
from .options import Options

DEFAULT_TOLERANCE = 1e-6
"""Tolerance of fits that are only compared with each other."""


@named_arguments
def choose_rank(
    Y: Any,
    X: Any,
    Z: Any,
    ranks: Iterable[int] = (1, 2, 3, 4, 5),
    held: str = "rows",
    folds: int = 5,
    seed: int = 0,
    shrink: bool = True,
    **params: Any,
) -> pd.DataFrame:
    """Cross-validated prediction of Y for each rank.

    Parameters
    ----------
    Y, X, Z : as for :meth:`LinearMixedForm.fit`
    ranks : iterable of int
    held : {"rows", "entries"}
        Rows: the Y of held-out rows is predicted from their X and Z. Entries: held-out entries
        of Y are reconstructed from all else.
    folds : int
        Parts that rows or entries are divided into at random.
    seed : int
        For that division.
    shrink : bool
        How held-out rows are encoded; see :meth:`LinearMixedForm.encode`.
    **params
        Further parameters of :class:`LinearMixedForm`. `tol` is 1e-6 if not given: that is
        enough to compare ranks, and convergence is slow for a rank above that of the data.

    Returns
    -------
    DataFrame
        One row per rank and fold: ``rank``, ``fold``, ``n_held`` (entries of Y), ``error`` (mean
        squared error), ``share`` (1 − squared error over the sum of squares of what was held
        out, about zero) and ``converged``. Means by rank: ``.groupby("rank")["share"].mean()``.

    Warns
    -----
    ConvergenceWarning
        A fit did not meet its tolerance.
    ConstantColumnWarning, SingularWarning
        As for :meth:`LinearMixedForm.fit`, in any of the fits.

    Examples
    --------
    >>> import lmforms as lf
    >>> rng = np.random.default_rng(0)
    >>> K, H = rng.normal(size=(2, 60, 2))
    >>> noisy = lambda A: A + 0.1 * rng.normal(size=A.shape)
    >>> Y, X, Z = (noisy(C @ rng.normal(size=(2, 6))) for C in (K + H, K, H))
    >>> table = lf.latent.choose_rank(Y, X, Z, ranks=[1, 2, 3])
    >>> table.groupby("rank")["share"].mean().gt(0.9).to_dict()
    {1: False, 2: True, 3: True}
    """
    held = one_of("held", held, ("rows", "entries"))
    chosen_options = _options(ranks, params)
    folds, seed, shrink = (
        whole_number("folds", folds),
        whole_number("seed", seed),
        flag("shrink", shrink),
    )
    if held == "entries" and chosen_options[0].method != "als":
        raise ArgumentError("held='entries' leaves gaps in Y, which only method='als' takes.")
    checked = checked_matrices(Y, X, Z)
    data = modalities(checked)
    check_vary(checked)
    names = [b.name for b in checked]
    for options in chosen_options:
        check_sizes(data, names, options.rank)
    response = data.response
    known = np.ones(response.shape, dtype=bool) if response.seen is None else response.seen
    rng = np.random.default_rng(seed)
    divided = list((_rows_held if held == "rows" else _entries_held)(known, folds, rng))
    table, estimates = [], []
    for options in chosen_options:
        for fold, (kept, out) in enumerate(divided):
            guess, estimate = _predicted(data, names, kept, held, options, shrink)
            truth, chosen = response.values, out
            if held == "rows":
                truth, chosen = truth[~kept], out[~kept]
            score = _score(truth[chosen], guess[chosen])
            table.append((options.rank, fold, *score, estimate.status.converged))
            estimates.append(estimate)
    warn_of_columns(checked, estimates)
    found = pd.DataFrame(table, columns=["rank", "fold", "n_held", "error", "share", "converged"])
    _warn_not_converged(found["converged"])
    return found


def _score(truth: np.ndarray, guess: np.ndarray) -> tuple[int, float, float]:
    """Number of entries, mean squared error, and share of the sum of squares explained."""
    square, total = float(np.sum((truth - guess) ** 2)), float(np.sum(truth**2))
    return len(truth), square / max(len(truth), 1), 1.0 - square / total if total > 0 else np.nan


def _warn_not_converged(converged: pd.Series) -> None:
    if not converged.all():
        warnings.warn(
            f"{(~converged).sum()} of {len(converged)} fits did not meet their tolerance "
            "(the column `converged` says which): increase `max_iter` or `tol`.",
            ConvergenceWarning,
            stacklevel=caller_depth(),
        )


def _rows_held(
    seen: BoolArray, folds: int, rng: np.random.Generator
) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Rows that are kept (n,), and the entries of the others that count (n, m)."""
    fold = _divided(len(seen), folds, "rows", rng)
    for i in range(folds):
        _check_known(seen[fold != i], folds)
        yield fold != i, seen & (fold == i)[:, None]


def _entries_held(
    seen: BoolArray, folds: int, rng: np.random.Generator
) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Entries that are kept (n, m), and those that are held out."""
    places = np.flatnonzero(seen)
    fold = np.full(seen.size, -1)
    fold[places] = _divided(len(places), folds, "known entries of Y", rng)
    for i in range(folds):
        out = (fold == i).reshape(seen.shape)
        _check_known(seen & ~out, folds)
        yield seen & ~out, out


def _check_known(kept: BoolArray, folds: int) -> None:
    if not kept.any(axis=0).all():
        raise DataError(
            f"With folds={folds} a column of Y would have no entry left in one of them: use more "
            "folds, or drop the column."
        )


def _options(ranks: Any, params: dict[str, Any]) -> list[Options]:
    """Of every rank, checked before any work."""
    if "rank" in params:
        raise ArgumentError("choose_rank() takes ranks=, a sequence, not rank=.")
    asked = [
        whole_number("ranks", rank, least=1) for rank in sequence("ranks", ranks, "whole numbers")
    ]
    if not asked:
        raise ArgumentError("ranks is empty: name at least one.")
    form = LinearMixedForm(1).set_params(**{"tol": DEFAULT_TOLERANCE, **params})
    return [Options.of({**form.get_params(), "rank": rank}) for rank in asked]


def _divided(n: int, folds: int, what: str, rng: np.random.Generator) -> np.ndarray:
    if not 2 <= folds <= n:
        raise ArgumentError(f"folds={folds} must be from 2 to {n}, the number of {what}.")
    return rng.permutation(np.arange(n) % folds)


def _predicted(
    data: Modalities, names: list[str], kept: BoolArray, held: str, options: Options, shrink: bool
) -> tuple[np.ndarray, FormEstimate]:
    """Y of all rows, or of those held out, and the fit."""
    if held == "entries":
        response = data.response
        masked = Modality(np.where(kept, response.values, 0.0), response.side, kept)
        estimate, _ = best_fit(Modalities((masked, *data.parts[1:])), names, options)
        codes = estimate.codes
    else:
        fitted = data.rows(np.flatnonzero(kept))
        estimate, weights = best_fit(fitted, names, options)
        moments, variances = implied_model(fitted, estimate)
        scales: Any = noise_precisions(fitted, variances) if shrink else weights
        others = data.rows(np.flatnonzero(~kept))
        given = [GivenModality(*g) for g in zip(others, estimate.loadings, scales)][1:]
        codes = encoded(given, options.ridge, moments, shrink)
    guess = codes.of_side(data.response.side) @ estimate.loadings[0].T
    if estimate.constants is not None:
        guess += np.nan_to_num(estimate.constants[0])
    return guess, estimate
