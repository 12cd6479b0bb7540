"""`Forms` as text and HTML."""

from __future__ import annotations

from html import escape
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ..tables.html import html_table

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
    title, facts = _title(forms), _facts(forms)
    width = max(len(name) for name, _ in facts) + 2
    blocks = [title, "=" * len(title), *(f"{name + ':':<{width}}{value}" for name, value in facts)]
    blocks += ["", HEADING, *_ruled(*_cells(forms))]
    blocks += _more(forms)
    for note in forms.notes:
        blocks += ["", f"Note: {note}"]
    return "\n".join(blocks)


def as_html(forms: ShownForms) -> str:
    """The same for a notebook."""
    facts = _facts(forms)
    parts = [f"<p><strong>{escape(_title(forms))}</strong></p>"]
    parts.append(html_table([], [name for name, _ in facts], [[value] for _, value in facts], "l"))
    parts.append(f"<p><strong>{HEADING}</strong></p>")
    parts.append(html_table(*_cells(forms), "r"))
    parts += [f"<p>{escape(line)}</p>" for line in _more(forms) if line]
    parts += [f"<p><em>Note: {escape(note)}</em></p>" for note in forms.notes]
    return "<div class='lmforms-summary'>" + "".join(parts) + "</div>"


def _title(forms: ShownForms) -> str:
    return f"Linear mixed form of rank {forms.form.rank_} beside a mixed model"


def _facts(forms: ShownForms) -> list[tuple[str, str]]:
    form = forms.form
    (m, _), (p, _), (q, _) = (np.shape(A) for A in (form.alpha_, form.beta_, form.u_))
    status = form.status_
    sweeps = "sweep" if status.n_iter == 1 else "sweeps"
    shares = ", ".join(f"{name} {share:.3f}" for name, share in form.explained_.items())
    return [
        ("Formula", forms.formula),
        ("Rows", str(len(form.K_))),
        ("Columns", f"Y {m}, X {p}, Z {q}"),
        ("Explained", shares),
        ("Converged", f"{'yes' if status.converged else 'NO'}, {status.n_iter} {sweeps}"),
    ]


def _more(forms: ShownForms) -> list[str]:
    left = len(forms.responses) - MOST_RESPONSES
    return ["", f"… and {left} more: see `table`."] if left > 0 else []


def _cells(forms: ShownForms) -> tuple[list[str], list[str], list[list[str]]]:
    """Headers, stubs and cells: a line for each part, or for each of several responses."""
    if not forms.stacked:
        return (list(COLUMN_LABELS.values()), *_by_part(forms.table))
    shown = [forms.likeness(name) for name in forms.responses[:MOST_RESPONSES]]
    headers = [f"{part} {COLUMN_LABELS[share]}" for part in PARTS_SHOWN for share in UNITLESS]
    cells = [
        [_share(table.loc[part, share]) for part in PARTS_SHOWN for share in UNITLESS]
        for table in shown
    ]
    return headers, [str(name) for name in forms.responses[:MOST_RESPONSES]], cells


def _by_part(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Stubs and cells of one response: what has a unit with common decimals."""
    sizes = table.drop(columns=list(UNITLESS)).abs().max(axis=None)
    decimals = SIGNIFICANT_DIGITS - 1 - int(np.floor(np.log10(sizes))) if sizes > 0 else 0
    columns = []
    for name in COLUMN_LABELS:
        places = min(max(decimals, 0), MOST_DECIMALS)
        shares = name in UNITLESS
        columns.append([_share(v) if shares else _plain(v, places) for v in table[name]])
    return [PART_LABELS[str(part)] for part in table.index], [list(row) for row in zip(*columns)]


def _share(value: float) -> str:
    return "" if np.isnan(value) else _plain(value, 3)


def _plain(value: float, decimals: int) -> str:
    """Without a sign if it is rounded to zero."""
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _ruled(headers: list[str], stubs: list[str], cells: list[list[str]]) -> list[str]:
    """Lines of a text table in the manner of a model's summary."""
    columns = [[h, *(row[j] for row in cells)] for j, h in enumerate(headers)]
    columns = [[v.rjust(max(map(len, column))) for v in column] for column in columns]
    first = [v.ljust(max(map(len, stubs))) for v in ("", *stubs)]
    lines = ["  ".join(row) for row in zip(first, *columns)]
    rule = "-" * len(lines[0])
    return [rule, lines[0], rule, *lines[1:], rule]
