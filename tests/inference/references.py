"""Models with figures from R: ``tests/reference/inference.json`` as cases for tests.

``tests/reference/inference.R`` makes the file; ``tests/reference/README.md`` says what it holds.

>>> case = reference("sleep_first_rows")            # doctest: +SKIP
>>> case.fit().params                               # a fit of lmforms, made once a process
>>> case.figures["kenward_roger"]["df"]             # what pbkrtest says

For a test of every model that has a figure::

    @pytest.mark.parametrize("case", references("kenward_roger"), ids=str)
    def test_df(case): ...

and of every table of means, with the arguments that `emmeans` of a fit has::

    @pytest.mark.parametrize("asked", section("means"), ids=str)
    def test_means(asked):
        table = asked.case.fit().emmeans(**asked.arguments())
        assert_allclose(table["estimate"], asked.figures["estimate"])
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.errors import RankWarning, SingularWarning

FOLDER = Path(__file__).parents[1] / "reference"


@cache
def content() -> dict[str, Any]:
    """The whole file: ``versions``, ``models`` and the sections of other figures."""
    loaded: dict[str, Any] = json.loads((FOLDER / "inference.json").read_text(encoding="utf-8"))
    return loaded


@dataclass(frozen=True, eq=False)
class Reference:
    """A model, its data, and R's figures for it.

    Attributes
    ----------
    id : str
        Name of the model in the file.
    formula : str
        Our formula; ``figures["formula_r"]`` is R's.
    options : mapping
        Arguments of `lmforms.lmer`: ``reml``, ``weights``, ``offset``, ``contrasts``.
    figures : mapping
        The entry of the file. Coefficients are in the order of our columns, without names: R
        orders the columns of X as we do.
    """

    id: str
    formula: str
    options: Mapping[str, Any]
    figures: Mapping[str, Any]

    def __str__(self) -> str:
        return self.id

    def data(self) -> pd.DataFrame:
        """A new frame with the rows and columns that R used."""
        return load_data(self.figures)

    def fit(self) -> Any:
        """Our fit, made once. Warnings of dropped columns and singular fits are left out."""
        return _fit(self.id)


def _with_levels(values: Any, levels: list[str]) -> pd.Categorical:
    return pd.Categorical(np.asarray(values, dtype=str), categories=levels)


@cache
def _read(name: str) -> pd.DataFrame:
    if name.endswith(".csv"):
        return pd.read_csv(FOLDER / name)
    return lf.datasets.load(name)


def load_data(entry: Mapping[str, Any]) -> pd.DataFrame:
    """Data of an entry: a set of ``lmforms.datasets`` or a file beside the figures.

    ``extra_columns`` are added, then ``rows`` (0-based) are taken.
    """
    frame = _read(entry["data"]).copy()
    for name, levels in (entry["factors"] or {}).items():
        frame[name] = _with_levels(frame[name], levels)
    for name, column in (entry["extra_columns"] or {}).items():
        values, levels = column["values"], column.get("levels")
        frame[name] = values if levels is None else _with_levels(values, levels)
    return frame if entry["rows"] is None else frame.iloc[entry["rows"]].reset_index(drop=True)


@cache
def _references() -> dict[str, Reference]:
    return {
        entry["id"]: Reference(
            entry["id"],
            entry["formula"],
            {
                key: entry[key]
                for key in ("reml", "weights", "offset", "contrasts")
                if entry[key] is not None
            },
            entry,
        )
        for entry in content()["models"]
    }


@cache
def _fit(name: str) -> Any:
    case = reference(name)
    with warnings.catch_warnings():
        for category in (RankWarning, SingularWarning):
            warnings.simplefilter("ignore", category)
        return lf.lmer(case.formula, case.data(), **case.options)


def reference(name: str) -> Reference:
    """The case of one name."""
    return _references()[name]


def references(*having: str) -> list[Reference]:
    """All cases for which each of the named figures is there and not empty."""
    return [
        case for case in _references().values() if all(case.figures.get(name) for name in having)
    ]


# What an entry says of the question, by the name of the argument in our methods.
ARGUMENTS = (
    "spec",
    "var",
    "by",
    "at",
    "weights",
    "contrast",
    "adjust",
    "ddf",
    "kind",
    "level",
    "reduce_terms",
)


@dataclass(frozen=True, eq=False)
class Asked:
    """One table of a section of the file, and the model it was made from.

    Attributes
    ----------
    case : Reference
        The model.
    figures : mapping
        The entry. Missing values (what is not estimable) are NaN in `column`.
    """

    case: Reference
    figures: Mapping[str, Any]

    def __str__(self) -> str:
        words = [self.case.id]
        for value in self.arguments().values():
            words.append(
                "-".join(map(str, value)) if isinstance(value, (list, dict)) else str(value)
            )
        return "_".join(word.replace(" ", "") for word in words)

    def arguments(self) -> dict[str, Any]:
        """What was asked, without arguments that were not given."""
        return {
            name: self.figures[name] for name in ARGUMENTS if self.figures.get(name) is not None
        }

    def column(self, name: str) -> np.ndarray:
        """A column of figures as floats."""
        return np.array(self.figures[name], dtype=float)


@cache
def section(name: str) -> list[Asked]:
    """Tables of one section: ``means``, ``trends``, ``joint_tests``, ``ranova``, ``step``, ...

    ``comparisons`` has data and formulas of its own: take it from `content`, and its data from
    `load_data`.
    """
    return [Asked(reference(entry["model"]), entry) for entry in content()[name]]


@cache
def observed_kenward_roger() -> dict[str, Any]:
    """Figures of ``observed_kenward_roger.py``, by name of the model."""
    path = FOLDER / "observed_kenward_roger.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@cache
def published_kenward_roger() -> dict[str, Any]:
    """Figures of SAS, by name of the model."""
    path = FOLDER / "published_kenward_roger.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["models"]
    return loaded
