"""A plot of a mixed model and its form: Kα' against Xβ̂, and Hα' against Zb̂."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import named_arguments, short_repr
from .axes import plain_text, point_style, several_axes
from .series import reference_style

if TYPE_CHECKING:
    import pandas as pd

PANELS = {"fixed": ("fixed", "Xβ̂", "Kα'"), "random": ("random", "Zb̂", "Hα'")}
MARGIN_SHARE = 0.06
"""Share of the range that is left free on each side."""


class PlottedForms(Protocol):
    """What is drawn of :class:`lmforms.companion.Forms`."""

    @property
    def responses(self) -> tuple[Any, ...]:
        """Names."""

    def rows(self, response: Any) -> pd.DataFrame:
        """Each part of the model and of the form, row by row."""

    def likeness(self, response: Any) -> pd.DataFrame:
        """How each part of the model and of the form compare."""


@named_arguments
def companion(forms: PlottedForms, response: Any = None, ax: Any = None) -> list[Any]:
    """Each part of the form against its counterpart in the model, row by row.

    Rows on the thin line are the same in both. The dashed line has the same slope and goes
    through the two means, which may differ where X and Z have a direction in common.

    Parameters
    ----------
    forms : Forms
    response : optional
        Its name; the first by default.
    ax : two matplotlib Axes, optional
        For the fixed and the random side; a new figure by default.

    Returns
    -------
    list of matplotlib Axes

    Raises
    ------
    MissingPackageError
        There is no matplotlib.
    ArgumentError
        There is no such response, or `ax` is not two Axes.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (1 | Subject)", lf.datasets.load("sleepstudy"))
    >>> [panel.get_xlabel() for panel in lf.plot.companion(fit.forms())]
    ['Xβ̂ of the model', 'Zb̂ of the model']
    """
    if not all(hasattr(forms, name) for name in ("responses", "rows", "likeness")):
        raise ArgumentError(
            f"forms must be a Forms, not {short_repr(forms)}: fit.forms() makes them."
        )
    rows, table = forms.rows(response), forms.likeness(response)
    panels = several_axes(ax, 2, (8.4, 4.6))
    for panel, part in zip(panels, PANELS):
        _scatter(panel, rows, part)
        _titled(panel, part, table.loc[part])
    if ax is None:
        name = plain_text(forms.responses[0] if response is None else response)
        panels[0].figure.suptitle(name, fontsize="medium")
        _legend(panels)
    return panels


def _scatter(panel: Any, rows: pd.DataFrame, part: str) -> None:
    _, model, form = PANELS[part]
    x, y = rows[part].to_numpy(), rows[f"{part}_form"].to_numpy()
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    low, high = _limits(x, y)
    line = {**reference_style(), "lw": 1.0, "zorder": 1}
    panel.axline((low, low), slope=1.0, label="equal", **line)
    if len(x) and abs(y.mean() - x.mean()) > MARGIN_SHARE * (high - low):
        panel.axline(
            (x.mean(), y.mean()),
            slope=1.0,
            ls="--",
            label="equal, but for the means",
            **line,
        )
    panel.scatter(x, y, zorder=2, **point_style(len(x)))
    panel.set(xlim=(low, high), ylim=(low, high), aspect="equal", adjustable="box")
    panel.set(xlabel=f"{model} of the model", ylabel=f"{form} of the form")
    panel.spines[["top", "right"]].set_visible(False)
    panel.locator_params(nbins=6)


def _legend(panels: Sequence[Any]) -> None:
    """Below both panels, where no point is."""
    lines: dict[str, Any] = {}
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        lines |= dict(zip(labels, handles))
    panels[0].figure.legend(
        list(lines.values()),
        list(lines),
        loc="outside lower center",
        ncols=len(lines),
        frameon=False,
        fontsize="small",
    )


def _limits(*sets: Sequence[float]) -> tuple[float, float]:
    """One range for both axes, so that equal values lie on the diagonal."""
    values = np.concatenate([np.asarray(s, dtype=np.float64) for s in sets])
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    gap = MARGIN_SHARE * (high - low) or 0.5
    return low - gap, high + gap


def _titled(panel: Any, part: str, line: pd.Series) -> None:
    r = line["correlation"]
    said = "constant in the model" if np.isnan(r) else f"correlation {r:.3f}"
    panel.set_title(f"{PANELS[part][0]}: {said}", loc="left", fontsize="medium")
