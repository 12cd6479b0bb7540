"""Maps of the residuals of a field."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..residual.prediction import predicted_residuals
from ..support.arguments import named_arguments, one_of
from ..support.arrays import BoolArray, FloatArray
from .accepted_fits import linear_fit
from .axes import plain_text, several_axes, thinned_labels
from .drawing import DIVERGING
from .field_arrays import Axis, grid_axis, has_twice, is_grid, on_grid
from .series_of_fit import (
    column_of,
    model_of,
    needed_model,
    numbers_of,
    series_names,
)

KINDS = {
    "response": "residual",
    "pearson": "Pearson residual",
    "scaled": "scaled residual",
    "normalized": "normalized residual",
    "trend": "predicted trend",
}
MOST_TICKS = 16
MOST_CHARACTERS = 32
"""Of the labels of columns together, so that they do not touch in a panel of half a page."""


@named_arguments
def residual_field(
    fit: Any,
    row: Any = None,
    column: Any = None,
    ax: Any = None,
    *,
    kind: str = "response",
) -> Any:
    """Residuals, or the trend that is predicted from them, on the rows and columns of a field.

    Parameters
    ----------
    fit : MixedModelResults
    row, column : str or array (n,), optional
        Columns of the model or values. By default the first two coordinates of the residual
        structure.
    ax : matplotlib Axes or sequence of these, optional
        One for each field. Default: of a new figure.
    kind : {"response", "pearson", "scaled", "normalized", "trend"}
        Residuals, see :meth:`lmforms.MixedModelResults.residuals`; or the correlated part of the
        residuals by their best linear prediction, which has a value for missing plots too. Without
        a nugget it is the residual itself where there is one. It is that of plots whose standard
        deviation is σ where variances differ.

    Returns
    -------
    Axes, or ndarray of Axes where there are several fields
        Missing plots are hatched; where the trend of one is predicted it has a dot.

    Raises
    ------
    ArgumentError
        The rows of the data are no grid, or two are in one cell; a trend without a structure.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> import numpy as np
    >>> import pandas as pd
    >>> plots = pd.DataFrame({"row": np.repeat(np.arange(6), 5), "col": np.tile(np.arange(5), 6)})
    >>> noise = np.random.default_rng(1).normal(size=30)
    >>> plots["y"] = np.convolve(noise, [1, 1, 1], "same") + 0.3 * plots["row"]
    >>> fit = lf.lmer("y ~ 1", plots, residual="ar1(row):ar1(col)")
    >>> ax = lf.plot.residual_field(fit)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('col', 'row')
    """
    fit, kind = linear_fit(fit, "residual_field"), one_of("kind", kind, tuple(KINDS))
    model = needed_model(fit, "residual_field(kind='trend')") if kind == "trend" else model_of(fit)
    names = _names(fit, row, column, kind)
    coordinates = [
        numbers_of(column_of(fit, given, what), what)
        for given, what in zip(names, ("row", "column"), strict=True)
    ]
    n = fit.nobs
    fields = np.zeros(n, dtype=np.intp) if model is None else model.series
    texts = [""] if model is None else series_names(fit, fields)
    values = np.zeros(n) if kind == "trend" else fit.residuals(kind).to_numpy()
    cells: list[tuple[FloatArray, BoolArray, Axis, Axis]] = []
    for code in np.unique(fields):
        own = fields == code
        down, across = grid_axis(coordinates[0][own]), grid_axis(coordinates[1][own])
        _check(down, across, texts[len(cells)])
        grid = on_grid(values[own], down, across)
        missing = np.isnan(grid)
        if kind == "trend":
            grid = _trend(fit, own, int(code), down, across)
        cells.append((grid, missing, down, across))
    labels = [_label(g, w) for g, w in zip(names, ("row", "column"), strict=True)]
    axes = _draw(cells, texts, labels, kind, ax)
    return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)


def _names(fit: Any, row: Any, column: Any, kind: str) -> list[Any]:
    """What rows and columns are, by default those of the residual structure."""
    structure = fit.state.design.structure
    own = [] if structure is None else [c for t in structure.spec.correlations for c in t.columns]
    given = [row, column]
    if row is None and column is None and len(own) == 2:
        return own
    for what, value in (("row", row), ("column", column)):
        if value is None:
            raise ArgumentError(
                f"residual_field: {what}= is needed, as the residual structure does not have two "
                "coordinates: name a column of the model or pass the values."
            )
    if kind == "trend" and given != own:
        said = f"row={own[0]!r}, column={own[1]!r}" if len(own) == 2 else "two coordinates"
        raise ArgumentError(
            f"residual_field: the trend is that of the structure: needed is {said}."
        )
    return given


def _label(given: Any, what: str) -> str:
    """What an axis is called: a column by its name."""
    name = given if isinstance(given, str) else getattr(given, "name", None)
    return name if isinstance(name, str) else what


def _check(down: Axis, across: Axis, text: str) -> None:
    of = f" of `{text}`" if text else ""
    if not is_grid(down, across):
        raise ArgumentError(
            f"residual_field: the {len(down.codes)} rows{of} have {len(down.values)} × "
            f"{len(across.values)} different places and are no grid: round the coordinates."
        )
    if has_twice(down, across):
        raise ArgumentError(
            f"residual_field: two rows{of} are in one cell: name other columns of rows and columns."
        )


def _trend(fit: Any, own: BoolArray, code: int, down: Axis, across: Axis) -> FloatArray:
    """The predicted correlated part of the residuals in every cell of a field."""
    residual, structure = fit.state.residual, fit.state.design.structure
    terms = structure.spec.correlations
    kinds = [
        (t.facts.kind, s) for t, s in zip(terms, structure.steps, strict=True) for _ in t.columns
    ]
    there, points = residual.points[own], []
    for j, (axis, (kind, step)) in enumerate(zip((down, across), kinds, strict=True)):
        if kind == "visit":  # numbers of visits need not be evenly spaced
            axis_points = np.full(len(axis.values), np.nan)
            axis_points[axis.codes] = there[:, j]
            if np.isnan(axis_points).any():
                raise ArgumentError("residual_field: a trend needs every row and column observed.")
        else:
            axis_points = there[0, j] + (axis.values - axis.values[axis.codes[0]]) / step
        points.append(axis_points)
    grid = np.stack(np.meshgrid(*points, indexing="ij"), axis=-1).reshape(-1, 2)
    observed = on_grid(fit.resid.to_numpy()[own] * residual.inverse_sd[own], down, across).ravel()
    wanted = np.isnan(observed)
    if "nugget" in residual.correlation.names:
        wanted[:] = True  # without one, the trend at a row is its residual
    codes = np.full(int(wanted.sum()), code, dtype=np.intp)
    observed[wanted] = predicted_residuals(residual, fit.resid.to_numpy(), grid[wanted], codes)
    return observed.reshape(len(down.values), len(across.values))


def _draw(cells: list[Any], texts: list[str], labels: list[str], kind: str, ax: Any) -> list[Any]:
    shape = np.max([grid.shape for grid, *_ in cells], axis=0)
    width = float(np.clip(1.6 + 0.32 * shape[1], 3.0, 8.0))
    height = float(np.clip(1.2 + 0.32 * shape[0], 2.6, 8.0))
    count = len(cells)
    axes = several_axes(ax, count, ((width + 0.9) * count, height), across=3)
    most = max(float(np.nanmax(np.abs(grid), initial=0.0)) for grid, *_ in cells) or 1.0
    for panel, (grid, missing, down, across), text in zip(axes, cells, texts, strict=True):
        m, k = grid.shape
        _hatch(panel, m, k)
        image = panel.imshow(
            np.ma.masked_invalid(grid), cmap=DIVERGING, vmin=-most, vmax=most, zorder=1
        )
        panel.set_aspect("equal")
        if kind == "trend":
            at = np.argwhere(missing)
            panel.plot(at[:, 1], at[:, 0], ".", color="black", ms=4, zorder=2)
        texts_across = [f"{v:.6g}" for v in across.values]
        side_by_side = max(MOST_CHARACTERS // (max(map(len, texts_across)) + 1), 2)
        panel.set_xticks(*thinned_labels(texts_across, side_by_side))
        panel.set_yticks(*thinned_labels([f"{v:.6g}" for v in down.values], MOST_TICKS))
        panel.set(xlabel=plain_text(labels[1]), ylabel=plain_text(labels[0]))
        if text:
            panel.set_title(plain_text(text), loc="left", fontsize="medium")
    axes[0].figure.colorbar(image, ax=axes, label=KINDS[kind], fraction=0.046, pad=0.03)
    return list(axes)


def _hatch(panel: Any, m: int, k: int) -> None:
    """Hatching behind the cells, which shows where one is missing."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    colour = to_rgba(rcParams["text.color"], 0.45)
    panel.add_patch(
        Rectangle(
            (-0.5, -0.5), k, m, facecolor="none", edgecolor=colour, hatch="////", lw=0, zorder=0
        )
    )
