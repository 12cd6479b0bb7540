"""Plots of the choice of a rank and of the objective during a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, short_repr
from . import plotted_arrays
from .axes import MOST_TICK_LABELS, legend_beside, pyplot, single_axes
from .series import series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@named_arguments
def rank(table: pd.DataFrame, ax: Any = None) -> Axes:
    """Cross-validated share of Y by rank, from the table of `choose_rank`.

    Means over folds with their standard errors, each fold as a faint point; a cross where the
    fit of a fold did not meet its tolerance. Marked are the rank with the greatest mean and the
    one-standard-error choice: the least rank whose mean is no more than one standard error (of
    the best) below the best (Breiman et al. 1984, *Classification and Regression Trees*, 3.4.3).

    Parameters
    ----------
    table : DataFrame
        From :func:`lmforms.latent.choose_rank`.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError, DataError
        It is no such table, or nothing in it could be predicted.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> rng = np.random.default_rng(0)
    >>> K, H = rng.normal(size=(2, 60, 2))
    >>> noisy = lambda A: A + 0.1 * rng.normal(size=A.shape)
    >>> Y, X, Z = (noisy(C @ rng.normal(size=(2, 6))) for C in (K + H, K, H))
    >>> table = lf.latent.choose_rank(Y, X, Z, ranks=[1, 2], folds=3)
    >>> lf.plot.rank(table).get_xlabel()
    'rank'
    """
    found = plotted_arrays.rank_comparison(table)
    ax = single_axes(ax, (7.0, 3.6))
    fold = table["fold"].to_numpy()
    spread = np.unique(fold, return_inverse=True)[1] / max(len(np.unique(fold)) - 1, 1) - 0.5
    gap = float(np.diff(found.ranks).min()) if len(found.ranks) > 1 else 1.0
    at = table["rank"].to_numpy() + 0.3 * gap * spread
    share, met = table["share"].to_numpy(), table["converged"].to_numpy(dtype=bool)
    folds = {"s": 14, "color": pyplot().rcParams["text.color"], "alpha": 0.35, "linewidths": 0}
    blue, orange, green, red = series_colours(4, ax)
    ax.scatter(at[met], share[met], label="one fold", zorder=1, **folds)
    if not met.all():
        name = "one fold, tolerance not met"
        ax.scatter(at[~met], share[~met], s=26, color=red, marker="x", label=name, zorder=2)
    bars: dict[str, Any] = {
        "fmt": "o-",
        "ms": 4,
        "lw": 1.2,
        "elinewidth": 1.6,
        "capthick": 1.6,
        "capsize": 6,  # wider than the point, so that a short bar is seen behind it
        "color": blue,
        "zorder": 3,
    }
    has_error = np.isfinite(found.errors).any()
    said = "mean ± standard error" if has_error else "mean"
    ax.errorbar(found.ranks, found.means, found.errors if has_error else None, label=said, **bars)
    _marked(ax, found, orange, green)
    ax.set(xlabel="rank", ylabel="share of held-out Y predicted")
    from matplotlib.ticker import MaxNLocator

    if len(found.ranks) <= MOST_TICK_LABELS // 2:
        ax.set_xticks(found.ranks)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_beside(ax, markerscale=0.6, fontsize="small")
    return ax


@named_arguments
def objective(form: Any, excess: bool = False, label: str | None = None, ax: Any = None) -> Axes:
    """The objective sweep by sweep, and where it rose.

    Parameters
    ----------
    form : LinearMixedForm or FormRegressor
        Fitted.
    excess : bool
        Draw it less its least value, on a logarithmic scale: how fast the descent closes in.
    label : str, optional
        For a legend, where several forms are drawn on one `ax`.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        Not fitted.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> form = fit.forms(rank=2).form
    >>> ax = lf.plot.objective(form)
    >>> bool(np.array_equal(ax.lines[0].get_ydata(), form.objective_trace_))
    True
    """
    form, excess = plotted_arrays.fitted_form(form), flag("excess", excess)
    if label is not None and not isinstance(label, str):
        raise ArgumentError(f"label must be text, not {short_repr(label)}.")
    trace = np.asarray(form.objective_trace_, dtype=np.float64)
    rises = np.flatnonzero(np.diff(trace) > 0) + 1
    height = trace - trace.min() if excess else trace
    sweeps = np.arange(len(trace))
    drawn = height > 0 if excess else np.ones(len(trace), dtype=bool)  # no logarithm of zero
    ax = single_axes(ax, (5.5, 3.4))
    marker = "o" if len(trace) <= MOST_TICK_LABELS else None
    (line,) = ax.plot(sweeps[drawn], height[drawn], lw=1.4, ms=3, marker=marker, label=label)
    if drawn[rises].any():
        at = rises[drawn[rises]]
        name = "F rose" if label is None else f"{label}: F rose"
        ax.plot(at, height[at], "^", ms=6, mfc="none", color=line.get_color(), label=name)
    if excess or height.max() > 10 * height.min() > 0:
        ax.set_yscale("log")
    name = "−2 log-likelihood" if form.method == "ml" else "objective F"
    ax.set(xlabel="sweep", ylabel=f"{name} less its least value" if excess else name)
    ax.xaxis.get_major_locator().set_params(integer=True)
    if not form.status_.converged:
        ax.set_title("stopped before its tolerance was met", fontsize="medium", loc="left")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False)
    return ax


def _marked(ax: Axes, found: plotted_arrays.RankComparison, of_best: Any, of_choice: Any) -> None:
    """The best rank, the simplest that is as good, and the bound between them."""
    means = dict(zip(found.ranks.tolist(), found.means))
    best = means[found.best]
    ring: dict[str, Any] = {"ls": "none", "mfc": "none", "zorder": 4}
    ax.plot(found.best, best, "o", ms=15, mec=of_best, mew=1.8, label="best mean", **ring)
    if found.simplest is None:
        return
    bound = best - found.errors[found.ranks.tolist().index(found.best)]
    ax.axhline(bound, color=of_best, lw=0.9, ls=":", zorder=0)
    ax.plot(
        found.simplest,
        means[found.simplest],
        "s",
        ms=20,
        mec=of_choice,
        mew=1.8,
        label="one-standard-error choice",
        **ring,
    )
