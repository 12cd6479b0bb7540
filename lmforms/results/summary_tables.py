"""Tables of a fit: text, HTML, LaTeX and Markdown by statsmodels' ``SimpleTable``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..tables.html import html_table
from ..tables.number_format import aligned, column_texts, fixed_decimals

if TYPE_CHECKING:
    from statsmodels.iolib.table import SimpleTable


@dataclass(frozen=True)
class ModelSummary:
    """What :meth:`lmforms.MixedModelResults.summary` returns; print it, or let a notebook.

    Attributes
    ----------
    title : str
    facts : tuple of (str, str)
        Name and value of each line of the head.
    tables : dict of str to DataFrame
        ``"random"`` (variances and correlations), ``"structures"`` (parameters of covariance
        structures: estimate, std_error, lower, upper), ``"residual"`` (those of the residuals) and
        ``"fixed"`` (estimate, std_error, df, statistic, p_value).
    notes : tuple of str
        Warnings that concern the whole fit.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        blocks = [self.title, "=" * len(self.title)]
        width = max(len(name) for name, _ in self.facts) + 2
        blocks += [f"{name + ':':<{width}}{value}" for name, value in self.facts]
        for name, table in self._rendered():
            blocks += ["", name, table.as_text().rstrip()]
        for note in self.notes:
            blocks += ["", f"Note: {note}"]
        return "\n".join(blocks)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{escape(self.title)}</strong></p>"]
        facts = [[value] for _, value in self.facts]
        parts.append(html_table([], [name for name, _ in self.facts], facts, "l"))
        for key, name in _TITLES.items():
            if key in self.tables:
                parts.append(f"<p><strong>{escape(name)}</strong></p>")
                parts.append(html_table(*_cells(key, self.tables[key]), _ALIGNED[key]))
        parts += [f"<p><em>Note: {escape(note)}</em></p>" for note in self.notes]
        return "<div class='lmforms-summary'>" + "".join(parts) + "</div>"

    def to_latex(self) -> str:
        """LaTeX tabulars (booktabs not needed), one per table."""
        tables = [f"% {name}\n{table.as_latex_tabular()}" for name, table in self._rendered()]
        return "\n\n".join(tables)

    def to_markdown(self) -> str:
        """GitHub-flavoured Markdown."""
        lines = [f"**{self.title}**", ""]
        lines += [f"- {name}: {_code(name, value)}" for name, value in self.facts]
        for key, title in _TITLES.items():
            if key in self.tables:
                lines += ["", f"**{title}**", "", _markdown(*_cells(key, self.tables[key]))]
        for note in self.notes:
            lines += ["", f"*Note: {_no_tags(note)}*"]
        return "\n".join(lines)

    def _rendered(self) -> list[tuple[str, SimpleTable]]:
        from statsmodels.iolib.table import SimpleTable

        out = []
        for key, title in _TITLES.items():
            if key not in self.tables:
                continue
            headers, stubs, cells = _cells(key, self.tables[key])
            aligns = (_ALIGNED[key] + "r" * len(headers))[: len(headers)]
            table = SimpleTable(
                cells,
                headers=_padded(headers, cells, aligns),
                stubs=stubs,
                txt_fmt={
                    "table_dec_above": "-",
                    "table_dec_below": "-",
                    "header_dec_below": "-",
                    "colsep": "  ",
                    "data_aligns": aligns,
                    "header_align": "r",
                    "stub_align": "l",
                },
                # a LaTeX tabular has one alignment for header and data
                ltx_fmt={"data_aligns": "r", "header_align": "r", "stub_align": "l"},
            )
            out.append((title, table))
        return out


_TITLES = {
    "random": "Random effects",
    "structures": "Structures of the random effects",
    "residual": "Residuals",
    "fixed": "Fixed effects",
}
_HEADERS = {"std_error": "std. error", "statistic": "t", "p_value": "p"}
_ALIGNED = {"random": "l", "structures": "l", "residual": "r", "fixed": "r"}
"""Alignment of the first columns; the others are numbers, to the right."""


# --- cells -----------------------------------------------------------------------------------


def _cells(key: str, table: pd.DataFrame) -> tuple[list[str], list[str], list[list[str]]]:
    """Headers, stubs and cells of one table as text."""
    if key == "fixed":
        columns = {name: column_texts(name, table[name]) for name in table.columns}
        columns["statistic"] = fixed_decimals(table["statistic"], 3)
        names = dict(_HEADERS)
        if np.isinf(table["df"]).all():
            del columns["df"]
            names["statistic"] = "z"
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        return [names.get(c, c) for c in columns], [str(i) for i in table.index], rows
    if key == "residual":
        numbers = {c: column_texts(c, table[c]) for c in table.columns[1:]}
        cells = [list(row) for row in zip(*numbers.values(), strict=True)]
        return [_HEADERS.get(c, c) for c in numbers], table["name"].tolist(), cells
    if key == "structures":
        numbers = {c: column_texts(c, table[c]) for c in table.columns[2:]}
        cells = [list(row) for row in zip(table["name"], *numbers.values(), strict=True)]
        headers = ["parameter", *(_HEADERS.get(c, c) for c in numbers)]
        terms = table["term"].tolist()
        first = [t == 0 or terms[t - 1] != name for t, name in enumerate(terms)]
        return headers, [name if new else "" for name, new in zip(terms, first)], cells
    return _random_cells(table)


def _random_cells(vcomp: pd.DataFrame) -> tuple[list[str], list[str], list[list[str]]]:
    """Variances with the correlations of a term beside them, as lme4 prints them."""
    variances = vcomp[vcomp["name2"] == ""]
    shown = zip(aligned(variances["variance"]), aligned(variances["sdcor"]), strict=True)
    by_row = dict(zip(variances.index, shown, strict=True))
    terms: list[list[int]] = []
    for i in vcomp.index:
        last = terms[-1] if terms else None
        same = last is not None and vcomp.loc[last[0], "group"] == vcomp.loc[i, "group"]
        after_covariance = last is not None and vcomp.loc[last[-1], "name2"] != ""
        is_variance = vcomp.loc[i, "name2"] == ""
        if last is None or not same or (is_variance and after_covariance):
            terms.append([i])
        else:
            last.append(i)
    rows, stubs = [], []
    width = 0
    for term in terms:
        effects = [i for i in term if vcomp.loc[i, "name2"] == ""]
        names = [vcomp.loc[i, "name1"] for i in effects]
        corr = {
            (vcomp.loc[i, "name1"], vcomp.loc[i, "name2"]): vcomp.loc[i, "sdcor"]
            for i in term
            if vcomp.loc[i, "name2"] != ""
        }
        for place, i in enumerate(effects):
            pairs = [(names[j], names[place]) for j in range(place)] if corr else []
            cells = ["" if np.isnan(corr[p]) else f"{corr[p]:.3f}" for p in pairs if p in corr]
            width = max(width, len(cells))
            stubs.append(str(vcomp.loc[i, "group"]) if place == 0 else "")
            rows.append([str(names[place]), *by_row[i], *cells])
    rows = [row + [""] * (3 + width - len(row)) for row in rows]
    headers = ["effect", "variance", "std. dev."] + ["corr."] * bool(width)
    return headers + [""] * (width - 1), stubs, rows


def _padded(headers: list[str], cells: Sequence[Sequence[str]], aligns: str) -> list[str]:
    """Headers as wide as their column, so that text headers stand left in a text table."""
    widths = [max([len(h), *(len(row[j]) for row in cells)]) for j, h in enumerate(headers)]
    return [f"{h:<{w}}" if a == "l" else h for h, w, a in zip(headers, widths, aligns, strict=True)]


def _markdown(headers: Sequence[str], stubs: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(_no_tags(v).replace("|", "\\|") for v in values) + " |"

    rows = [line(["", *headers]), line(["---"] + ["---:"] * len(headers))]
    return "\n".join(rows + [line([s, *row]) for s, row in zip(stubs, cells, strict=True)])


def _code(name: str, value: str) -> str:
    if name != "Formula":
        return _no_tags(value)
    return f"`` {value} ``" if "`" in value else f"`{value}`"


def _no_tags(text: str) -> str:
    """Text in which Markdown finds no HTML: labels come with the data."""
    return text.replace("<", "&lt;")
