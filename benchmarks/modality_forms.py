"""Three ways to predict with a linear mixed form, as methods of the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from modality_data import Samples
from modality_methods import CHOICES, PENALTIES, Choice, Method, ridge, spread

import lmforms as lf

TOL = 1e-4  # prediction gains nothing from more


def as_pair(samples: Samples, how: str, axes: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Y, X, Z of a form from a response and one other modality."""
    if "Z" in samples.blocks:
        return samples.blocks
    B = samples.blocks["X"]
    if how == "twice":
        return {**samples.blocks, "Z": B}
    B = B if axes is None else B @ axes
    return {**samples.blocks, "X": B[:, ::2], "Z": B[:, 1::2]}


def encoder(form: Any, blocks: dict[str, np.ndarray]) -> np.ndarray:
    """Orthonormal axes (columns of the blocks, ≤ 2k) of what the form's codes see of these blocks.

    Codes are linear in a row: those of the unit vectors are the map.
    """
    sizes = [A.shape[1] for A in blocks.values()]
    units = np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1], axis=1)
    axes, values, _ = np.linalg.svd(np.hstack(form.encode(**dict(zip(blocks, units)))))
    return axes[:, : int(np.sum(values > 1e-10 * values[0]))]


@dataclass(frozen=True)
class Form:
    """A linear mixed form, and one of three ways to predict with it.

    use : "shrink", transform(shrink=True); "codes", ridge regression of the target on what the
    codes of the other modalities see of them; "calibrated", the codes of the fit regressed on
    that, then decoded.
    pair : what X and Z are if one modality is given: "twice", "columns" or "components" (odd
    and even ones).
    """

    name: str
    use: str
    pair: str = "components"
    weights: tuple[float, ...] = (1 / 3, 1.0, 3.0)

    def choices(self, seen: Samples) -> list[Choice]:
        values = self.weights if self.use == "shrink" else PENALTIES
        ranks = spread(self._most(self._blocks(seen, seen)), CHOICES // len(PENALTIES))
        return list(product(ranks, values))

    def predictions(self, choices, seen, new):
        known, asked = self._blocks(seen, seen), self._blocks(seen, new)
        most = self._most(known)
        found = []
        for rank, value in choices:
            key = (self.pair, min(rank, most), value if self.use == "shrink" else 1.0)
            if key not in seen.forms:
                seen.forms[key] = fitted(known, *key[1:])
            found.append(self._predicted(seen.forms[key], known, asked, seen.target, value))
        return found

    def _predicted(self, form, known, asked, target, penalty):
        old, new = (
            {name: A for name, A in blocks.items() if name != target} for blocks in (known, asked)
        )
        if self.use == "shrink":
            return form.transform(**new, to=target, shrink=True)
        axes = encoder(form, old)
        scores, turned = (np.hstack(list(rows.values())) @ axes for rows in (old, new))
        if self.use == "codes":
            return turned @ ridge(scores, known[target], penalty)
        guess = turned @ ridge(scores, np.hstack([form.K_, form.H_]), penalty)
        return form.decode((guess[:, : form.rank_], guess[:, form.rank_ :]), to=target)

    def _blocks(self, seen: Samples, samples: Samples) -> dict[str, np.ndarray]:
        if self.pair != "components" or "Z" in samples.blocks:
            return as_pair(samples, self.pair)
        return as_pair(
            samples, self.pair, np.linalg.svd(seen.blocks["X"], full_matrices=False)[2].T
        )

    @staticmethod
    def _most(blocks: dict[str, np.ndarray]) -> int:
        return int(min(np.linalg.matrix_rank(blocks[name]) for name in ("X", "Z")))


def fitted(blocks: dict[str, np.ndarray], rank: int, weight: float) -> Any:
    """A form; `weight` is what Y counts beside the default."""
    sizes = {name: float(np.sum(A**2)) for name, A in blocks.items()}
    weights = {name: (weight if name == "Y" else 1.0) / size for name, size in sizes.items()}
    return lf.latent.LinearMixedForm(rank, weights=weights, tol=TOL).fit(**blocks)


FORMS: tuple[Method, ...] = (
    Form("form, shrink", "shrink"),
    Form("form, calibrated", "calibrated"),
    Form("form, codes", "codes"),
)
PAIRED: tuple[Method, ...] = (
    Form("form, X = Z", "codes", "twice"),
    Form("form, columns", "codes", "columns"),
    Form("form, components", "codes", "components"),
)
