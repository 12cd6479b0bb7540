"""Linear mixed forms and their own predictions, as methods of the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from modality_data import Samples
from modality_methods import Choice, Method, spread

import lmforms as lf

TOL = {"als": 1e-4, "ml": 1e-5}  # prediction gains nothing from more
RANKS = 6
SECOND = {"als": (1 / 3, 1.0, 3.0), "ml": (10, 50, 500)}


def as_pair(samples: Samples, how: str, axes: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Y, X, Z of a form from a response and one other modality."""
    if "Z" in samples.blocks:
        return samples.blocks
    B = samples.blocks["X"]
    if how == "twice":
        return {**samples.blocks, "Z": B}
    B = B if axes is None else B @ axes
    return {**samples.blocks, "X": B[:, ::2], "Z": B[:, 1::2]}


@dataclass(frozen=True)
class Form:
    """A linear mixed form; `transform` predicts.

    method : "als" or "ml". The second thing chosen, beside the rank, is what Y counts in F
    beside its default, or the most steps.
    pair : what X and Z are if one modality is given: "twice", "columns" or "components" (odd
    and even ones).
    """

    name: str
    method: str
    pair: str = "components"

    def choices(self, seen: Samples) -> list[Choice]:
        ranks = spread(self._most(self._blocks(seen, seen)), RANKS)
        return list(product(ranks, SECOND[self.method]))

    def predictions(self, choices, seen, new):
        known, asked = self._blocks(seen, seen), self._blocks(seen, new)
        asked = {name: A for name, A in asked.items() if name != seen.target}
        most = self._most(known)
        found = []
        for rank, second in choices:
            key = (self.method, self.pair, min(rank, most), second)
            if key not in seen.forms:
                seen.forms[key] = fitted(known, min(rank, most), self.method, second)
            found.append(seen.forms[key].transform(**asked, to=seen.target))
        return found

    def _blocks(self, seen: Samples, samples: Samples) -> dict[str, np.ndarray]:
        if self.pair != "components" or "Z" in samples.blocks:
            return as_pair(samples, self.pair)
        return as_pair(
            samples, self.pair, np.linalg.svd(seen.blocks["X"], full_matrices=False)[2].T
        )

    @staticmethod
    def _most(blocks: dict[str, np.ndarray]) -> int:
        return int(min(np.linalg.matrix_rank(blocks[name]) for name in ("X", "Z")))


def fitted(blocks: dict[str, np.ndarray], rank: int, method: str, second: float) -> Any:
    """A form of that rank; of "als" by the weight of Y, of "ml" by the most steps."""
    if method == "ml":
        return lf.latent.LinearMixedForm(rank, "ml", tol=TOL["ml"], max_iter=int(second)).fit(
            **blocks
        )
    sizes = {name: float(np.sum(A**2)) for name, A in blocks.items()}
    weights = {name: (second if name == "Y" else 1.0) / size for name, size in sizes.items()}
    return lf.latent.LinearMixedForm(rank, weights=weights, tol=TOL["als"]).fit(**blocks)


FORMS: tuple[Method, ...] = (Form("form, shrink", "als"), Form("form, ML", "ml"))
PAIRED: tuple[Method, ...] = (
    Form("ML, X = Z", "ml", "twice"),
    Form("ML, columns", "ml", "columns"),
    Form("ML, components", "ml", "components"),
)
