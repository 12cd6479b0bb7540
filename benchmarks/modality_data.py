"""Modalities of the same samples, from data that scikit-learn and statsmodels install."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import statsmodels.api as sm
from sklearn.datasets import load_breast_cancer, load_digits


@dataclass(frozen=True, eq=False)
class Samples:
    """One modality to predict, and those it is predicted from.

    Attributes
    ----------
    blocks : dict
        Y, X, Z as arrays (n, columns); without Z, the form has to make one of X.
    target : {"Y", "X"}
        Which of them is predicted from the others.
    one_unit : bool
        Columns of a block share a unit: the block has one scale, not each of its columns.
    forms : dict
        Forms fitted to these rows, whatever is predicted with them.
    """

    blocks: dict[str, np.ndarray]
    target: str = "Y"
    one_unit: bool = False
    forms: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    @property
    def given(self) -> list[str]:
        return [name for name in self.blocks if name != self.target]

    def rows(self, chosen: np.ndarray) -> Samples:
        blocks = {name: A[chosen] for name, A in self.blocks.items()}
        return replace(self, blocks=blocks, forms={})

    def toward(self, target: str) -> Samples:
        """The same rows and forms with another modality to predict."""
        return replace(self, target=target)

    def split(self, new: np.ndarray) -> tuple[Samples, Samples]:
        """Rows seen and new ones, centred and scaled by what is seen."""
        seen, other = self.rows(~new), self.rows(new)
        for name, A in seen.blocks.items():
            mean, scale = A.mean(axis=0), A.std() if self.one_unit else A.std(axis=0)
            scale = np.where(scale > 0, scale, 1.0)
            for part in (seen, other):
                part.blocks[name] = (part.blocks[name] - mean) / scale
        return seen, other


def digits() -> dict[str, np.ndarray]:
    """8 × 8 images: rows 3–4, above them, below them."""
    images = load_digits().images
    n = len(images)
    parts = {"Y": images[:, 3:5], "X": images[:, :3], "Z": images[:, 5:]}
    return {name: part.reshape(n, -1) for name, part in parts.items()}


def halves() -> dict[str, np.ndarray]:
    """8 × 8 images: the lower half, and the upper one."""
    images = load_digits().images
    n = len(images)
    return {"Y": images[:, 4:].reshape(n, -1), "X": images[:, :4].reshape(n, -1)}


def tumours() -> dict[str, np.ndarray]:
    """Ten measurements of cell nuclei (log): largest, mean and standard error over an image."""
    values = np.log(load_breast_cancer().data + 1e-3)
    return {"Y": values[:, 20:], "X": values[:, :10], "Z": values[:, 10:20]}


def fertility() -> dict[str, np.ndarray]:
    """Children per woman in 192 countries, 1994–2010, 1960–76 and 1977–93."""
    years = [str(year) for year in range(1960, 2011)]
    values = sm.datasets.fertility.load_pandas().data[years].dropna().to_numpy(dtype=float)
    return {"Y": values[:, 34:], "X": values[:, :17], "Z": values[:, 17:34]}


def schools() -> dict[str, np.ndarray]:
    """303 school districts (log shares and rates): teachers, pupils, what is taught."""
    frame = sm.datasets.star98.load_pandas().data.rename(columns=str.strip)
    teachers = ["PERMINTE", "AVYRSEXP", "AVSALK", "PERSPENK", "PTRATIO"]
    pupils = ["LOWINC", "PERASIAN", "PERBLACK", "PERHISP"]
    above, below = (frame[name].to_numpy(dtype=float) for name in ("NABOVE", "NBELOW"))
    programme = np.log1p(frame[["PCTAF", "PCTCHRT", "PCTYRRND"]].to_numpy(dtype=float))
    passed = np.log(above / below)  # odds of being above the national median
    return {
        "Y": np.log1p(frame[teachers].to_numpy(dtype=float)),
        "X": np.log1p(frame[pupils].to_numpy(dtype=float)),
        "Z": np.column_stack([passed, programme]),
    }


def without(blocks: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {other: A for other, A in blocks.items() if other != name}


STUDIES: dict[str, Callable[[], Samples]] = {
    "digits": lambda: Samples(digits(), one_unit=True),
    "tumours": lambda: Samples(tumours()),
    "fertility": lambda: Samples(fertility()),
    "schools": lambda: Samples(schools()),
}
PAIRS: dict[str, Callable[[], Samples]] = {
    "digits, halves": lambda: Samples(halves(), one_unit=True),
    "tumours, two": lambda: Samples(without(tumours(), "Z")),
    "fertility, two": lambda: Samples(without(fertility(), "Z")),
}
# What is asked of each, by the modality that is predicted.
QUESTIONS: dict[str, dict[str, str]] = {
    "digits": {
        "Y": "digits: middle from above and below",
        "X": "digits: above from middle and below",
    },
    "tumours": {
        "Y": "tumours: worst from mean and error",
        "X": "tumours: mean from worst and error",
    },
    "fertility": {
        "Y": "fertility: 1994–2010 from 1960–76 and 1977–93",
        "X": "fertility: 1960–76 from later years",
    },
    "schools": {
        "Y": "schools: teachers from pupils and results",
        "X": "schools: pupils from teachers and results",
    },
    "digits, halves": {"Y": "digits: lower half from upper"},
    "tumours, two": {"Y": "tumours: worst from mean"},
    "fertility, two": {"Y": "fertility: 1994–2010 from 1960–76"},
}
