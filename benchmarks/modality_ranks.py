"""Prediction at equal ranks: forms, PLS and reduced-rank regression, without tuning.

Of each the coefficients of Y on all that is given have rank k: PLS takes k components, and a
form's prediction is (K+H)α'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from modality_data import QUESTIONS, STUDIES, Samples
from modality_forms import fitted
from modality_methods import PLS, ReducedRank

CHOSEN = {
    "digits": (2, 4, 8, 16),
    "tumours": (1, 2, 4, 8),
    "fertility": (1, 2, 4, 8),
    "schools": (1, 2, 3, 4),
}
ENOUGH = 500  # steps of likelihood


def equal_ranks(masks_of: Any, splits: int) -> dict[str, dict[str, Any]]:
    """Shares by study: (splits, ranks) of each method."""
    found = {}
    for name, ranks in CHOSEN.items():
        samples = STUDIES[name]()
        masks = masks_of(len(samples.blocks["Y"]), splits)
        lines = [by_rank(samples, mask, ranks) for mask in masks]
        shares = {method: [line[method] for line in lines] for method in lines[0]}
        found[QUESTIONS[name]["Y"]] = {"ranks": ranks, "shares": shares}
    return found


def by_rank(samples: Samples, new: np.ndarray, ranks: tuple[int, ...]) -> dict[str, list[float]]:
    """Shares on one split, by method."""
    seen, other = samples.split(new)
    given = {name: other.blocks[name] for name in samples.given}
    guesses = {
        "PLS": PLS().predictions([(k,) for k in ranks], seen, other),
        "reduced-rank regression": ReducedRank().predictions(
            [(0.0, k) for k in ranks], seen, other
        ),
        "form, shrink": [fitted(seen.blocks, k, "als", 1.0).transform(**given) for k in ranks],
        "form, ML": [fitted(seen.blocks, k, "ml", ENOUGH).transform(**given) for k in ranks],
    }
    truth = other.blocks["Y"]
    total = np.sum(truth**2)
    return {
        method: [round(1.0 - float(np.sum((truth - guess) ** 2) / total), 6) for guess in found]
        for method, found in guesses.items()
    }
