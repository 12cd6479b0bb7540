"""`Forms` as text and HTML."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from ..tables.html import html
from ..tables.number_format import signed
from ..tables.shown import Fact, ShownResult, ShownTable, shown_table
from ..tables.text import text

MOST_RESPONSES = 20
"""Responses shown in a printed table."""

SIGNIFICANT_DIGITS = 5
"""Significant digits of the largest number in a table."""

MOST_DECIMALS = 12

HEADING = "Model and form"
PART_LABELS = {
    "fixed": "fixed: Xβ̂, Kα'",
    "random": "random: Zb̂, Hα'",
    "fitted": "fitted",
    "residual": "residual",
}
COLUMN_LABELS = {
    "mean_model": "mean model",
    "mean_form": "mean form",
    "sd_model": "sd model",
    "sd_form": "sd form",
    "correlation": "corr.",
    "explained": "explained",
    "rms_difference": "rms diff.",
}
UNITLESS = ("correlation", "explained")
PARTS_SHOWN = ("fixed", "random", "fitted")


class ShownForms(Protocol):
    """What is shown of :class:`~.forms.Forms`; its attributes are described there."""

    @property
    def form(self) -> Any: ...
    @property
    def formula(self) -> str: ...
    @property
    def responses(self) -> tuple[Any, ...]: ...
    @property
    def stacked(self) -> bool: ...
    @property
    def table(self) -> pd.DataFrame: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    def likeness(self, response: Any) -> pd.DataFrame: ...


def as_text(forms: ShownForms) -> str:
    """Title, facts, table and notes."""
    return text(_shown(forms))


def as_html(forms: ShownForms) -> str:
    """The same for a notebook."""
    return html(_shown(forms))


def _shown(forms: ShownForms) -> ShownResult:
    left = len(forms.responses) - MOST_RESPONSES
    more = [f"… and {left} more: see `table`."] if left > 0 else []
    return ShownResult(_title(forms), (_table(forms),), _facts(forms), (*more, *forms.notes))


def _title(forms: ShownForms) -> str:
    return f"Linear mixed form of rank {forms.form.rank_} beside a mixed model"


def _facts(forms: ShownForms) -> tuple[Fact, ...]:
    form = forms.form
    (m, _), (p, _), (q, _) = (np.shape(A) for A in (form.alpha_, form.beta_, form.u_))
    status = form.status_
    sweeps = "sweep" if status.n_iter == 1 else "sweeps"
    shares = ", ".join(f"{name} {share:.3f}" for name, share in form.explained_.items())
    converged = f"{'yes' if status.converged else 'NO'}, {status.n_iter} {sweeps}"
    return (
        Fact("Formula", forms.formula, code=True),
        Fact("Rows", str(len(form.K_))),
        Fact("Columns", f"Y {m}, X {p}, Z {q}"),
        Fact("Explained", shares),
        Fact("Converged", converged),
    )


def _table(forms: ShownForms) -> ShownTable:
    """A line for each part, or for each of several responses."""
    if not forms.stacked:
        headers, stubs, columns = list(COLUMN_LABELS.values()), *_by_part(forms.table)
    else:
        named = forms.responses[:MOST_RESPONSES]
        tables = [forms.likeness(name) for name in named]
        pairs = [(part, share) for part in PARTS_SHOWN for share in UNITLESS]
        headers = [f"{part} {COLUMN_LABELS[share]}" for part, share in pairs]
        columns = [[_share(table.loc[pair]) for table in tables] for pair in pairs]
        stubs = [str(name) for name in named]
    return shown_table(headers, stubs, columns, "r" * len(headers), HEADING)


def _by_part(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Stubs and columns of one response: what has a unit with common decimals."""
    sizes = table.drop(columns=list(UNITLESS)).abs().max(axis=None)
    decimals = SIGNIFICANT_DIGITS - 1 - int(np.floor(np.log10(sizes))) if sizes > 0 else 0
    spec = f".{min(max(decimals, 0), MOST_DECIMALS)}f"
    columns = [
        [_share(v) if name in UNITLESS else signed(v, spec) for v in table[name]]
        for name in COLUMN_LABELS
    ]
    return [PART_LABELS[str(part)] for part in table.index], columns


def _share(value: float) -> str:
    return "" if np.isnan(value) else signed(value, ".3f")
