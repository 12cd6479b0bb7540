"""Models with lmerTest's tests of terms: ``tests/reference/term_tests.json`` as cases."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from dense_terms import Term, f_statistic, hypotheses

import lmforms as lf
from lmforms.errors import RankWarning, SingularWarning

FOLDER = Path(__file__).parents[1] / "reference"
FACTORS = ("a", "b", "c", "late", "high")
NUMBERS = ("x", "z", "dose")


@cache
def data() -> pd.DataFrame:
    """All rows."""
    return pd.read_csv(FOLDER / "term_tests.csv")


@dataclass(frozen=True, eq=False)
class TermCase:
    """A model and lmerTest's tables."""

    id: str
    formula: str
    options: Mapping[str, Any]
    figures: Mapping[str, Any]

    def __str__(self) -> str:
        return self.id

    def data(self) -> pd.DataFrame:
        """The rows used."""
        rows = self.figures["rows"]
        return data() if rows is None else data().iloc[rows].reset_index(drop=True)

    def fit(self) -> Any:
        """Our fit, made once."""
        return _fit(self.id)

    def tables(self, ddf: str) -> dict[int, Mapping[str, Any]]:
        """lmerTest's tables by type."""
        return {t["type"]: t for t in self.figures["anova"] if t["ddf"] == ddf}

    def terms(self) -> list[Term]:
        """Terms for the dense twin, the intercept first."""
        names = {"I(x > 1)": "high", "C(b, contr.poly)": "b", "late": "late"}
        out = [] if " 0 + " in self.formula else [Term()]
        for label in self.figures["anova"][0]["terms_r"]:
            parts = [names.get(part, part) for part in label.split(":")]
            out.append(
                Term(
                    tuple(p for p in parts if p in FACTORS),
                    tuple(p for p in parts if p not in FACTORS),
                )
            )
        return out

    def dense(self, type: int, fit: Any = None) -> list[tuple[float, int]]:
        """F and numerator df of each term but the intercept, from dense matrices."""
        state = (fit or self.fit()).state
        frame = self.data().assign(high=self.data()["x"] > 1)
        numbers = {name: frame[name].to_numpy(dtype=float) for name in NUMBERS}
        numbers["I(x^2)"] = numbers["x"] ** 2
        fixed = state.design.fixed
        numbers["poly(x, 2)"] = fixed.values[:, [n.startswith("poly") for n in fixed.names]][:, :2]
        terms = self.terms()
        rows = hypotheses(type, terms, frame, numbers, state.design.X)
        return [
            f_statistic(L, state.estimate.beta, state.estimate.cov_beta)
            for term, L in zip(terms, rows, strict=True)
            if term != Term()
        ]


@cache
def cases() -> dict[str, TermCase]:
    """All cases by name."""
    loaded = json.loads((FOLDER / "term_tests.json").read_text(encoding="utf-8"))
    return {
        entry["id"]: TermCase(
            entry["id"],
            entry["formula"],
            {k: entry[k] for k in ("reml", "weights", "contrasts") if entry[k] is not None},
            entry,
        )
        for entry in loaded["models"]
    }


@cache
def _fit(name: str) -> Any:
    case = cases()[name]
    return fitted(case.formula, case.data(), **case.options)


def fitted(formula: str, frame: pd.DataFrame, **options: Any) -> Any:
    """A fit, without warnings of dropped columns and singular fits."""
    with warnings.catch_warnings():
        for category in (RankWarning, SingularWarning):
            warnings.simplefilter("ignore", category)
        return lf.lmer(formula, frame, **options)
