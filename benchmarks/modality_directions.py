"""How much a few directions predict: PLS, and forms whose response counts more and more.

No tuning, no penalty: the target is regressed on 2k directions of what is given, from PLS with
2k components or from the codes of a form of rank k.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from modality_data import STUDIES, Samples
from modality_forms import encoder, fitted
from modality_methods import PLS, ridge

CHOSEN = {
    "digits: middle from above and below": (2, 4, 8, 16),
    "tumours: worst from mean and error": (1, 2, 4, 8),
    "fertility: 1994–2010 from 1960–76 and 1977–93": (1, 2, 3, 4),
}
WEIGHTS = (1.0, 10.0, 100.0)


def few_directions(masks_of: Any, splits: int) -> dict[str, dict[str, Any]]:
    """Mean shares by rank: one list per method, one entry per rank."""
    found = {}
    for name, ranks in CHOSEN.items():
        samples = STUDIES[name]()
        masks = masks_of(len(samples.blocks["Y"]), splits)
        shares = np.mean([by_rank(samples, mask, ranks) for mask in masks], axis=0)
        heads = ["PLS", *(f"form, Y × {weight:g}" for weight in WEIGHTS)]
        found[name] = {"ranks": ranks, "shares": dict(zip(heads, shares.T.tolist()))}
    return found


def by_rank(samples: Samples, new: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
    """(ranks, 1 + weights) shares on one split."""
    seen, other = samples.split(new)
    truth = other.blocks["Y"]
    guesses = [[guess] for guess in PLS().predictions([(2 * k,) for k in ranks], seen, other)]
    for line, rank in zip(guesses, ranks):
        for weight in WEIGHTS:
            form = fitted(seen.blocks, rank, weight)
            axes = encoder(form, {name: seen.blocks[name] for name in samples.given})
            old, turned = (
                np.hstack([part.blocks[name] for name in samples.given]) @ axes
                for part in (seen, other)
            )
            line.append(turned @ ridge(old, seen.blocks["Y"], 0.0))
    errors = [[np.sum((truth - guess) ** 2) for guess in line] for line in guesses]
    return 1.0 - np.array(errors) / np.sum(truth**2)
