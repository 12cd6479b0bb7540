"""Pictures of the matrices of a fit: Z, Λ by θ, A, and L with its fill-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError
from ..support.arguments import named_arguments, one_of
from ..support.arrays import FloatArray
from ..support.label_texts import cut_in_middle
from ..tables.matrix_blocks import spelled_out
from .accepted_fits import linear_fit
from .axes import legend_beside, plain_text, pyplot, short_label, single_axes
from .matrix_arrays import Pattern, factor_pattern, kind_shares, pattern_of, template_pattern
from .series import series_colours

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

LEFT_OVER = 0.75
"""Share of the sides of an Axes that tick labels and a legend leave to the matrix, about."""

CHARACTER_WIDTH = 0.55
"""Of text, about, in its font size."""

MOST_LINES, FEWEST_CHARACTERS = 3, 8
"""Lines of names of terms, and characters of a name, in narrow Axes."""

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
    fit = linear_fit(fit, "matrix", "it draws the matrices of linear models")
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
    width, height = _points(ax)
    title = ax.set_title(_title(which, pattern), loc="left", fontsize="medium")
    _broken(title, width)
    down, across = LABELS.get(which, (EFFECTS, EFFECTS))
    rooms = _sides(pattern.shape, width, height)
    for axis, label, room in zip((ax.xaxis, ax.yaxis), (across, down), rooms, strict=True):
        axis.set_label_text(label)
        _broken(axis.label, room)
        if label == EFFECTS:
            _mark_terms(axis, matrices.terms, room)
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
    ax.imshow(
        image,
        extent=(0.5, shape[1] + 0.5, shape[0] + 0.5, 0.5),  # counted from 1
        aspect="equal" if _is_equal(shape) else "auto",
        interpolation="nearest",
    )


def _title(which: str, pattern: Pattern) -> str:
    size = f"{SYMBOLS.get(which, which)}: {pattern.shape[0]:,}×{pattern.shape[1]:,}"
    said = f"{size}, {len(pattern.rows):,} nonzeros"
    if which == "L":
        said += f", {pattern.counts[1]:,} of them fill-in"
    return said


def _is_equal(shape: tuple[int, int]) -> bool:
    """Whether entries are squares."""
    return 1.0 / SQUARE_RATIO <= shape[0] / max(shape[1], 1) <= SQUARE_RATIO


def _points(ax: Axes) -> tuple[float, float]:
    """Width and height that an Axes will have, about, in points: a layout may change them."""
    box = ax.get_window_extent()
    points = 72.0 / ax.figure.dpi * LEFT_OVER
    return points * box.width, points * box.height


def _sides(shape: tuple[int, int], width: float, height: float) -> tuple[float, float]:
    """Those of the matrix in an Axes of this width and height."""
    if not _is_equal(shape):
        return width, height
    ratio = shape[0] / shape[1]
    return min(width, height / ratio), min(height, width * ratio)


def _width(text: str, size: float) -> float:
    return CHARACTER_WIDTH * size * len(text)


def _broken(text: Any, room: float) -> None:
    """Break a text at commas if it is longer than `room` points."""
    if _width(text.get_text(), text.get_fontsize()) > room:
        text.set_text(text.get_text().replace(", ", ",\n"))


def _mark_terms(axis: Any, terms: dict[str, slice], room: float) -> None:
    """Names of random terms in the middle of their columns, with lines between terms.

    They stand on several lines where they do not fit side by side into `room` points.
    """
    size = axis.get_major_ticks(1)[0].label1.get_fontsize()
    middles = np.array([(s.start + s.stop + 1) / 2 for s in terms.values()])
    most = max(int(room / (CHARACTER_WIDTH * size)), FEWEST_CHARACTERS)
    names = [cut_in_middle(short_label(term), most) for term in terms]
    widths = np.array([_width(name, size) for name in names])
    scale = room / max(s.stop for s in terms.values())
    half = np.minimum(widths, room) / 2
    places = np.clip(middles * scale, half, room - half)  # not beyond the corners
    lines = _lines(places, widths, size)
    shown = [i for i, line in enumerate(lines) if line is not None]
    is_x = axis.axis_name == "x"
    texts = [names[i] for i in shown]
    away = ["\n" * (lines[i] or 0) for i in shown]
    texts = [gap + t if is_x else t + gap for gap, t in zip(away, texts, strict=True)]
    axis.set_ticks(places[shown] / scale, texts)
    axis.set_tick_params(length=0)
    if not is_x:
        for label in axis.get_ticklabels():
            label.set(rotation=90, verticalalignment="center")
    draw = axis.axes.axvline if is_x else axis.axes.axhline
    for term in list(terms.values())[1:]:
        colour = pyplot().rcParams["text.color"]
        draw(term.start + 0.5, color=colour, alpha=0.4, lw=0.8, ls=":")


def _lines(places: FloatArray, widths: FloatArray, gap: float) -> list[int | None]:
    """The line that each of some texts has room on; None if it has none on MOST_LINES.

    Examples
    --------
    >>> _lines(np.array([0.0, 10.0, 20.0, 50.0]), np.array([15.0, 15.0, 15.0, 15.0]), 2.0)
    [0, 1, 0, 0]
    """
    ends = [-np.inf] * MOST_LINES
    out: list[int | None] = []
    for place, width in zip(places, widths, strict=True):
        free = [i for i, end in enumerate(ends) if place - width / 2 > end]
        out.append(free[0] if free else None)
        if free:
            ends[free[0]] = place + width / 2 + gap
    return out


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
