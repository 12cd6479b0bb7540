"""Histograms of the replicates of a bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, near_matches
from ..support.arguments import named_arguments, proportion, sequence, short_repr
from .axes import REFERENCE_GREY, plain_text, several_axes, shared_xlabel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL = (3.2, 2.6)
"""Inches of a panel."""

ACROSS = 3
"""Panels in a row."""

LONGEST_TITLE = 44
"""Characters of a title that fit above a panel."""

MOST_BINS = 60
"""Bins of a histogram at most."""


@named_arguments
def bootstrap(
    found: Any,
    parameters: Any = None,
    ax: Any = None,
    *,
    level: float = 0.95,
    kind: str = "percentile",
) -> Any:
    """Histograms of the replicates of each parameter, with the estimate and its limits.

    Parameters
    ----------
    found : Bootstrap
        Of ``fit.bootstrap()``.
    parameters : str or sequence of str, optional
        Columns of ``found.table``; all by default.
    ax : matplotlib Axes or sequence of these, optional
        One for each parameter. Default: of a new figure.
    level, kind
        Of the intervals, see ``found.conf_int``.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ArgumentError
        It is no bootstrap, has no such parameter, or too few replicates for the level.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> found = fit.bootstrap(200, seed=1)
    >>> ax = lf.plot.bootstrap(found, "sd(Days | Subject)")
    >>> ax.get_title(loc="left")
    'sd(Days | Subject)'
    """
    if not all(hasattr(found, name) for name in ("table", "estimate", "conf_int", "failed")):
        raise ArgumentError(
            f"bootstrap: {short_repr(found)} has no replicates: give that of fit.bootstrap()."
        )
    names = _chosen(parameters, list(found.table.columns))
    limits = found.conf_int(proportion("level", level), kind)
    axes = several_axes(ax, len(names), (PANEL[0] * len(names), PANEL[1]), across=ACROSS)
    for panel, name in zip(axes, names, strict=True):
        values = found.table[name].to_numpy()
        _histogram(panel, values[np.isfinite(values)])
        panel.axvline(found.estimate[name], color="C1", lw=1.6, label="estimate")
        ends = limits.loc[name]
        for end in ends[np.isfinite(ends)]:
            panel.axvline(end, color="C1", lw=1.2, ls="--")
        panel.set_title(plain_text(name[:LONGEST_TITLE]), loc="left", fontsize="small")
        panel.set_yticks([])
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
    shared_xlabel(axes, f"estimate and {100 * level:g} % limits ({kind})", ax, "small")
    return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)


def _chosen(parameters: Any, known: list[str]) -> list[str]:
    if parameters is None:
        return known
    names = [parameters] if isinstance(parameters, str) else None
    names = names or sequence("parameters", parameters, "columns of the replicates")
    for name in names:
        if name not in known:
            raise ArgumentError(
                f"parameters: {short_repr(name)} is none of {', '.join(known)}."
                f"{near_matches(str(name), known)}"
            )
    if not names:
        raise ArgumentError("parameters is empty: name one, or leave it out for all.")
    return names


def _histogram(ax: Axes, values: np.ndarray) -> None:
    """Bins by Freedman and Diaconis, at most `MOST_BINS`."""
    spread = np.ptp(values) if len(values) else 0.0
    bins = 1
    if spread > 0:
        width = 2.0 * np.subtract(*np.quantile(values, [0.75, 0.25])) / len(values) ** (1 / 3)
        bins = int(np.clip(np.ceil(spread / width) if width > 0 else MOST_BINS, 1, MOST_BINS))
    ax.hist(values, bins=bins, color=REFERENCE_GREY, alpha=0.6)  # lines show on dark grounds too
