"""Held-out prediction of one modality from others: linear mixed forms beside PLS, CCA, RRR.

    python benchmarks/modalities.py                # modalities.json and modalities.md
    python benchmarks/modalities.py --only-tables  # modalities.md from the stored figures
    python benchmarks/modalities.py --splits 2 --only tumours   # prints, writes nothing

Needs scikit-learn. One core, minutes.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from modality_data import PAIRS, QUESTIONS, STUDIES, Samples
from modality_forms import FORMS, PAIRED
from modality_methods import CHOICES, LINES, PEERS, Method
from modality_ranks import equal_ranks
from modality_tables import document

SPLITS = 10
HELD = 0.25
FOLDS = 3
PAGE = Path(__file__).resolve().with_suffix(".md")
STORE = PAGE.with_suffix(".json")


@dataclass(frozen=True)
class Outcome:
    """One method on one split: share of held-out squares explained, its choice, seconds."""

    share: float
    choice: tuple
    seconds: float


def figures(outcome: Outcome) -> dict[str, Any]:
    """As much of an outcome as the tables can show."""
    share, seconds = round(outcome.share, 6), round(outcome.seconds, 6)
    return {**asdict(outcome), "share": share, "seconds": seconds}


def held_out(n: int, splits: int, seed: int = 0) -> list[np.ndarray]:
    """Random quarters of the rows, as masks."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((splits, n), dtype=bool)
    for mask in masks:
        mask[rng.permutation(n)[: round(HELD * n)]] = True
    return list(masks)


def share(truth: np.ndarray, guess: np.ndarray) -> float:
    """1 − squared error over the sum of squares about the mean of what was seen (zero)."""
    return 1.0 - float(np.sum((truth - guess) ** 2) / np.sum(truth**2))


def folds(seen: Samples, seed: int) -> list[tuple[Samples, Samples]]:
    """Inner folds of the rows seen, each centred and scaled by its own part."""
    fold = np.random.default_rng(seed).permutation(len(seen.blocks["Y"])) % FOLDS
    return [seen.split(fold == i) for i in range(FOLDS)]


def chosen(method: Method, seen: Samples, inner: Sequence[tuple[Samples, Samples]]) -> tuple:
    """The choice with the least squared error over the inner folds."""
    choices = method.choices(seen)
    if len(choices) == 1:
        return choices[0]
    errors = np.zeros(len(choices))
    for part, left in inner:
        truth = left.blocks[left.target]
        guesses = method.predictions(choices, part, left)
        errors += [float(np.sum((truth - guess) ** 2)) for guess in guesses]
    return choices[int(np.argmin(errors))]


def outcome(
    method: Method, samples: Samples, new: np.ndarray, inner: Sequence[tuple[Samples, Samples]]
) -> Outcome:
    """Tuned on the rows seen, fitted on them afresh, scored on the others."""
    seen, other = samples.split(new)
    choice = chosen(method, seen, inner)
    started = time.perf_counter()
    (guess,) = method.predictions([choice], seen, other)
    seconds = time.perf_counter() - started
    return Outcome(share(other.blocks[other.target], guess), choice, seconds)


def study(
    samples: Samples, methods: Sequence[Method], splits: int, targets: Sequence[str] = ("Y",)
) -> dict[str, dict[str, list[Outcome]]]:
    """Every target by every method, on the same splits and the same inner folds."""
    found: dict[str, dict[str, list[Outcome]]]
    found = {target: {method.name: [] for method in methods} for target in targets}
    for i, new in enumerate(held_out(len(samples.blocks["Y"]), splits)):
        inner = folds(samples.rows(~new), i)
        for target, lists in found.items():
            asked = samples.toward(target)
            aimed = [(part.toward(target), left.toward(target)) for part, left in inner]
            for method in methods:
                lists[method.name].append(outcome(method, asked, new, aimed))
    return found


def run(splits: int, only: str) -> dict[str, Any]:
    """All data whose name contains `only`, as plain figures."""
    started = time.perf_counter()
    parts: dict[str, dict[str, Any]] = {"three": {}, "two": {}}
    for part, studies, forms in (("three", STUDIES, FORMS), ("two", PAIRS, PAIRED)):
        for name in (name for name in studies if only in name):
            samples = studies[name]()
            found = study(samples, (*LINES, *PEERS, *forms), splits, tuple(QUESTIONS[name]))
            for target, question in QUESTIONS[name].items():
                parts[part][question] = {
                    "sizes": {block: A.shape for block, A in samples.blocks.items()},
                    "outcomes": {
                        m: [figures(one) for one in ones] for m, ones in found[target].items()
                    },
                }
    ranks = {} if only else equal_ranks(held_out, splits)
    packages = ("numpy", "scipy", "scikit-learn", "statsmodels")
    about = {
        "date": date.today().isoformat(),
        "versions": {name: version(name) for name in packages},
        "minutes": (time.perf_counter() - started) / 60,
        "splits": splits,
        "folds": FOLDS,
        "choices": CHOICES,
    }
    return {"about": about, **parts, "ranks": ranks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--only", default="", help="data whose name contains this")
    parser.add_argument("--only-tables", action="store_true", help="from the stored figures")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # iterations that end at their limit: the score tells
    if not options.only_tables:
        results = run(options.splits, options.only)
        if options.only or options.splits != SPLITS:
            print(document(results))
            return
        STORE.write_text(json.dumps(results) + "\n")
    PAGE.write_text(document(json.loads(STORE.read_text())))


if __name__ == "__main__":
    main()
