"""`ModelTable`: several fits side by side, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...tables.formats import TableFormats
from ...tables.number_format import STARS_NOTE, aligned, estimate_texts, star_texts
from ...tables.shown import ShownResult, ShownTable, with_space_behind

DIGITS = 3
"""Significant digits of each standard error, and of each standard deviation and correlation."""


@dataclass(frozen=True, eq=False)
class ShownModel:
    """One model of the table.

    Attributes
    ----------
    name, response : str
    fixed : DataFrame
        Coefficients: estimate, std_error, df, statistic, p_value, and limits if asked for.
    random : Series
        Standard deviations, correlations and other parameters by their names.
    statistics : dict of str to (value, text)
    """

    name: str
    response: str
    fixed: pd.DataFrame
    random: pd.Series
    statistics: dict[str, tuple[Any, str]]


@dataclass(frozen=True, eq=False, repr=False)
class ModelTable(TableFormats):
    """What :func:`lmforms.model_table` returns; print it, or let a notebook.

    Attributes
    ----------
    models : tuple of ShownModel
    notes : tuple of str
    level : float or None
        Of the limits below the estimates; standard errors stand there without one.
    """

    models: tuple[ShownModel, ...]
    notes: tuple[str, ...]
    level: float | None

    @property
    def frame(self) -> pd.DataFrame:
        """All numbers in full, a row for each of a model.

        Columns: ``model``, ``part`` (fixed, random or statistic), ``name``, ``estimate`` (of a
        statistic its value), and for the fixed effects those of the tests.
        """
        parts = []
        for model in self.models:
            fixed = pd.DataFrame(model.fixed).rename_axis("name").reset_index()
            parts.append(fixed.assign(model=model.name, part="fixed"))
            rest = {"random": model.random.to_dict()}
            rest["statistic"] = {name: value for name, (value, _) in model.statistics.items()}
            rows = [
                (k, name, v, model.name) for k, part in rest.items() for name, v in part.items()
            ]
            parts.append(pd.DataFrame(rows, columns=["part", "name", "estimate", "model"]))
        whole = pd.concat(parts, ignore_index=True)
        first = ["model", "part", "name"]
        return whole[first + [name for name in whole.columns if name not in first]]

    def _shown(self, stars: bool, digits: int | None) -> ShownResult:
        digits = DIGITS if digits is None else digits
        columns = [_texts(model, self.level is not None, stars, digits) for model in self.models]
        fixed = _union([list(model.fixed.index) for model in self.models])
        random = _union([list(model.random.index) for model in self.models])
        statistics = _union([list(model.statistics) for model in self.models])
        keys = [(name, line) for name in fixed for line in ("estimate", "below")]
        keys += [(name, "random") for name in random] + [(name, "statistic") for name in statistics]
        cells = [with_space_behind([column.get(key, "") for key in keys]) for column in columns]
        stubs = tuple("" if line == "below" else name for name, line in keys)
        rules = {2 * len(fixed), 2 * len(fixed) + len(random)} - {0, len(keys)}
        table = ShownTable(
            tuple(model.name for model in self.models),
            stubs,
            tuple(zip(*cells, strict=True)),
            "r" * len(self.models),
            spans=_spans([model.response for model in self.models]),
            rules=tuple(sorted(rules)),
        )
        below = "standard errors" if self.level is None else f"{100 * self.level:g} % limits"
        brackets = "parentheses" if self.level is None else "brackets"
        notes = (*[f"In {brackets}: {below}."] * bool(fixed), *self.notes)
        return ShownResult("", (table,), notes=(*notes, STARS_NOTE) if stars else notes)


def _texts(model: ShownModel, limits: bool, stars: bool, digits: int) -> dict[tuple[str, str], str]:
    """Cells of a model by name and kind of line."""
    out: dict[tuple[str, str], str] = {}
    for name, row in model.fixed.iterrows():
        columns = {key: [row[key]] for key in ("estimate", "lower", "upper") if key in row}
        texts = {k: v[0] for k, v in estimate_texts(columns, [row["std_error"]], digits).items()}
        marks = star_texts([row["p_value"]])[0] if stars else ""
        out[str(name), "estimate"] = texts["estimate"] + marks
        interval = f"[{texts['lower']}, {texts['upper']}]" if limits else ""
        out[str(name), "below"] = interval or f"({texts['std_error']})"
    for name, value in model.random.items():
        out[str(name), "random"] = "" if np.isnan(value) else aligned([value], digits)[0]
    for name, (_, text) in model.statistics.items():
        out[name, "statistic"] = text
    return out


def _union(lists: Sequence[Sequence[str]]) -> list[str]:
    """All names in one order: a new one before the next of its model that is there already."""
    out: list[str] = []
    for names in lists:
        for i, name in enumerate(names):
            if name not in out:
                following = [out.index(other) for other in names[i:] if other in out]
                out.insert(following[0] if following else len(out), name)
    return out


def _spans(responses: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Responses above the models that have them."""
    spans: list[tuple[str, int]] = []
    for response in responses:
        if spans and spans[-1][0] == response:
            spans[-1] = (response, spans[-1][1] + 1)
        else:
            spans.append((response, 1))
    return tuple(spans)
