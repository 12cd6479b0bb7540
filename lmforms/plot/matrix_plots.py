"""Pictures of the matrices of a fit: Z, Λ by θ, A, and L with its fill-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError
from ..support.arguments import named_arguments, one_of
from ..support.arrays import FloatArray
from ..tables.matrix_blocks import spelled_out
from .axes import legend_beside, plain_text, pyplot, short_label, single_axes
from .matrix_arrays import Pattern, factor_pattern, kind_shares, pattern_of, template_pattern
from .series import series_colours
from .series_of_fit import checked_fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SYMBOLS = {"Lambda": "Λ", "R_ZX": "$R_{ZX}$", "R_X": "$R_X$"}
MATRICES = ("Z", "Lambda", "A", "L", "X", "P", "Q", "R", "R_ZX", "R_X")

ROWS = "row of the data"
EFFECTS = "random effect, by term and level"
PERMUTED = "random effect, permuted"
COEFFICIENTS = "fixed effect"
LABELS = {
    "Z": (ROWS, EFFECTS),
    "X": (ROWS, COEFFICIENTS),
    "R": (ROWS, ROWS),
    "L": (PERMUTED, PERMUTED),
    "P": (PERMUTED, EFFECTS),
    "R_ZX": (PERMUTED, COEFFICIENTS),
    "R_X": (COEFFICIENTS, COEFFICIENTS),
}

MOST_NAMED_KINDS = 12
"""More θ have a colour bar in the place of a legend."""

LEAST_OPACITY = 0.35
"""Of a pixel that holds an entry, however few of its places are filled."""

SQUARE_RATIO = 4.0
"""Matrices that are longer than wide, or wider than long, by more than this fill their Axes."""

WIDTH, HEIGHTS = 5.6, (2.2, 7.0)
"""Inches of a new figure."""

LEGEND_WIDTH = 1.6
"""Inches beside a matrix for the names of its colours."""


@named_arguments
def matrix(fit: Any, which: str = "L", ax: Any = None) -> Axes:
    """Where a matrix of a fit has entries that are not zero.

    Λ has a colour for each θ. L has the entries that PAP' lacks, the fill-in, in a colour of their
    own; the title counts them. The less of it, the faster is the fit.

    Parameters
    ----------
    fit : MixedModelResults
    which : {"L", "Z", "Lambda", "A", "X", "P", "Q", "R", "R_ZX", "R_X"}
        See ``fit.matrices``.
    ax : matplotlib Axes, optional
        Default: of a new figure.

    Returns
    -------
    Axes
        Pixels of a large matrix stand for several entries, and are the darker the more of them are
        not zero.

    Raises
    ------
    ArgumentError
    ModelError
        The fit is by conjugate gradients, which have no L; the matrix has no rows or columns.
    MissingPackageError
        matplotlib is not there.

    References
    ----------
    Bates et al. (2015), *Fitting linear mixed-effects models using lme4*, section 2.3.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes"))
    >>> lf.plot.matrix(fit).get_title(loc="left")
    'L: 40×40, 70 nonzeros, 0 of them fill-in'
    """
    fit = checked_fit(fit)
    which = one_of("which", spelled_out(which), MATRICES)
    matrices = fit.matrices
    if which == "L":
        pattern = factor_pattern(matrices)
    elif which == "Lambda":
        pattern = template_pattern(matrices)
    else:
        found = getattr(matrices, which)
        pattern = pattern_of(found.to_numpy() if which == "X" else found)
    if 0 in pattern.shape:
        what = "fixed effects" if which in ("X", "R_X") else "random terms"
        raise ModelError(f"matrix: this model has no {what}, and so nothing in {which} to draw.")
    ax = single_axes(ax, _inches(pattern))
    kinds, shares = kind_shares(pattern)
    shades = _shades(pattern, ax)
    _draw(kinds, shares, shades, pattern.shape, ax)
    ax.set_title(_title(which, pattern), loc="left", fontsize="medium")
    down, across = LABELS.get(which, (EFFECTS, EFFECTS))
    ax.set(xlabel=across, ylabel=down)
    for axis, label in ((ax.xaxis, across), (ax.yaxis, down)):
        if label == EFFECTS:
            _mark_terms(axis, matrices.terms)
        else:
            axis.get_major_locator().set_params(integer=True)
    _legend(pattern, shades, ax)
    return ax


def _inches(pattern: Pattern) -> tuple[float, float]:
    ratio = pattern.shape[0] / max(pattern.shape[1], 1)
    drawn = 1.0 if ratio > SQUARE_RATIO else ratio
    beside = LEGEND_WIDTH if _has_legend(pattern) else 0.0
    return WIDTH + beside, float(np.clip(0.85 * WIDTH * drawn, *HEIGHTS))


def _shades(pattern: Pattern, ax: Axes) -> list[Any]:
    """A colour for each kind: that of the text for what has one kind only."""
    count = len(pattern.names)
    if pattern.names == ("not zero",):
        return [pyplot().rcParams["text.color"]]
    if pattern.names[-1] == "fill-in":
        return [pyplot().rcParams["text.color"], series_colours(2, ax)[1]]
    return series_colours(max(count, 2), ax)[:count]


def _draw(
    kinds: FloatArray, shares: FloatArray, shades: list[Any], shape: tuple[int, int], ax: Axes
) -> None:
    from matplotlib.colors import to_rgba

    image = np.zeros((*kinds.shape, 4))
    filled = np.isfinite(kinds)
    colours = np.array([to_rgba(shade) for shade in shades]).reshape(-1, 4)
    image[filled] = colours[kinds[filled].astype(np.intp)]
    image[filled, 3] = LEAST_OPACITY + (1.0 - LEAST_OPACITY) * shares[filled]
    ratio = shape[0] / max(shape[1], 1)
    equal = 1.0 / SQUARE_RATIO <= ratio <= SQUARE_RATIO
    ax.imshow(
        image,
        extent=(0.5, shape[1] + 0.5, shape[0] + 0.5, 0.5),  # counted from 1
        aspect="equal" if equal else "auto",
        interpolation="nearest",
    )


def _title(which: str, pattern: Pattern) -> str:
    size = f"{SYMBOLS.get(which, which)}: {pattern.shape[0]:,}×{pattern.shape[1]:,}"
    said = f"{size}, {len(pattern.rows):,} nonzeros"
    if which == "L":
        said += f", {pattern.counts[1]:,} of them fill-in"
    return said


def _mark_terms(axis: Any, terms: dict[str, slice]) -> None:
    """Names of random terms in the middle of their columns, with lines between terms."""
    axis.set_ticks(
        [(s.start + s.stop + 1) / 2 for s in terms.values()], [short_label(t) for t in terms]
    )
    axis.set_tick_params(length=0)
    line = axis.axes.axvline if axis.axis_name == "x" else axis.axes.axhline
    if axis.axis_name == "y":
        for label in axis.get_ticklabels():
            label.set(rotation=90, verticalalignment="center")
    for term in list(terms.values())[1:]:
        colour = pyplot().rcParams["text.color"]
        line(term.start + 0.5, color=colour, alpha=0.4, lw=0.8, ls=":")


def _has_legend(pattern: Pattern) -> bool:
    return pattern.names != ("not zero",)


def _legend(pattern: Pattern, shades: list[Any], ax: Axes) -> None:
    if not _has_legend(pattern):
        return
    if len(pattern.names) > MOST_NAMED_KINDS:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize

        scale = ScalarMappable(Normalize(0.5, len(shades) + 0.5), ListedColormap(shades))
        ax.figure.colorbar(scale, ax=ax, label="place in θ", fraction=0.046, pad=0.03)
        return
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=shade, label=plain_text(f"{name} ({count:,})"))
        for name, shade, count in zip(pattern.names, shades, pattern.counts, strict=True)
    ]
    legend_beside(ax, handles=handles)
