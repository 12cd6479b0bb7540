"""A convolutional front end with a linear mixed form behind it, or linear layers: digits.

The claim looked at: "coupling the model with a convolutional layer in a deep learning system also
gives comparable results to a sequential layer of linear layers with activation functions"
(Banh, "Linear Mixed Forms").

    python benchmarks/network.py        # ten minutes; the tables of network.md
    python benchmarks/network.py --seeds 1 --updates 50 --rates 0.003   # a look

Needs ``lmforms[torch]`` and scikit-learn.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

import numpy as np
import sklearn
import torch
from network_heads import HEADS, FrontEnd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional

import lmforms as lf

BATCH = 64
SIZES = (None, 200)  # training images; None: all


@dataclass(frozen=True)
class Split:
    """Images and classes of the three parts."""

    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Fit:
    """Figures of one training run."""

    valid: float
    valid_loss: float
    test: float
    seconds: float
    parameters: int
    without_right: dict[str, float]


def split(seed: int, most: int | None = None) -> Split:
    """Three fifths for training (or `most` of these), one for choosing, one for testing."""
    digits = load_digits()
    images = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    classes = torch.tensor(digits.target)
    places = np.arange(len(classes))
    rest, test = train_test_split(places, test_size=0.2, stratify=classes, random_state=seed)
    train, valid = train_test_split(rest, test_size=0.25, stratify=classes[rest], random_state=seed)
    if most:
        kept = {"train_size": most, "stratify": classes[train], "random_state": seed}
        train, _ = train_test_split(train, **kept)
    return Split(*((images[part], classes[part]) for part in (train, valid, test)))


def trained(head: str, data: Split, seed: int, rate: float, updates: int) -> Fit:
    """One run: front end and order of the images depend on the seed only, not on the head."""
    torch.manual_seed(seed)
    front = FrontEnd()
    last = HEADS[head]()
    parameters = [*front.parameters(), *last.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=rate)
    order = torch.Generator().manual_seed(seed)
    images, classes = data.train
    start = time.process_time()
    for batch in islice(batches(len(images), order), updates):
        X, Z = front(images[batch])
        loss = functional.cross_entropy(last(X, Z), classes[batch]) + last.extra_loss(X, Z)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    seconds = time.process_time() - start
    with torch.no_grad():
        scores = last(*front(data.valid[0]))
        X, Z = front(data.test[0])
        absent = last.without_right(X, front(images))
        return Fit(
            valid=accuracy(scores, data.valid[1]),
            valid_loss=functional.cross_entropy(scores, data.valid[1]).item(),
            test=accuracy(last(X, Z), data.test[1]),
            seconds=seconds,
            parameters=sum(p.numel() for p in last.parameters()),
            without_right={how: accuracy(S, data.test[1]) for how, S in absent.items()},
        )


def batches(n: int, order: torch.Generator) -> Iterator[Tensor]:
    """Places of images, drawn without replacement until all have been, again and again."""
    while True:
        yield from torch.randperm(n, generator=order).split(BATCH)


def accuracy(scores: Tensor, classes: Tensor) -> float:
    """Share of images, in per cent, whose largest score is that of their class."""
    return 100 * (scores.argmax(1) == classes).double().mean().item()


def study(
    size: int | None, seeds: int, rates: list[float], updates: int
) -> dict[str, tuple[float, list[Fit]]]:
    """For each head the learning rate that validates best over all seeds, and its fits."""
    runs: dict[tuple[str, float], list[Fit]] = {(h, r): [] for h in HEADS for r in rates}
    for seed in range(seeds):
        data = split(seed, size)
        for head, rate in runs:  # heads side by side in time, whatever else the machine does
            runs[head, rate].append(trained(head, data, seed, rate, updates))

    def merit(head: str, rate: float) -> tuple[float, float]:
        fits = runs[head, rate]
        return statistics.mean(f.valid for f in fits), -statistics.mean(f.valid_loss for f in fits)

    best = {head: max(rates, key=lambda rate: merit(head, rate)) for head in HEADS}
    return {head: (rate, runs[head, rate]) for head, rate in best.items()}


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    sd = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{sd}"


def table(found: dict[str, tuple[float, list[Fit]]]) -> list[str]:
    """Lines of a Markdown table, one for each head."""
    base = [f.test for f in found["form layer"][1]]
    lines = [
        "| head | parameters | learning rate | accuracy, % | form layer − this, % | right half "
        "absent, % | CPU seconds per fit |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for head, (rate, fits) in found.items():
        here = [f.test for f in fits]
        less = spread([a - b for a, b in zip(base, here)]) if head != "form layer" else ""
        ways = [
            ("" if how == "own" else f"{how} ") + spread([f.without_right[how] for f in fits])
            for how in fits[0].without_right
        ]
        seconds = statistics.median(f.seconds for f in fits)
        lines.append(
            f"| {head} | {fits[0].parameters:,} | {rate:g} | {spread(here)} | {less} | "
            f"{'; '.join(ways)} | {seconds:.2f} |"
        )
    return lines


def main() -> None:
    """Run both sizes and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.001, 0.003, 0.01, 0.03])
    options = parser.parse_args()
    torch.set_num_threads(1)
    versions = {
        "lmforms": lf.__version__, "torch": torch.__version__, "scikit-learn": sklearn.__version__,
        "NumPy": np.__version__, "Python": platform.python_version(),
    }  # fmt: skip
    lines = [
        f"{date.today().isoformat()}; {', '.join(f'{k} {v}' for k, v in versions.items())}; "
        f"one thread; {options.seeds} seeds, {options.updates} updates in batches of {BATCH}, "
        f"Adam with rates {', '.join(f'{r:g}' for r in options.rates)}.",
    ]
    for size in SIZES:
        n = len(split(0, size).train[0])
        found = study(size, options.seeds, options.rates, options.updates)
        lines += ["", f"{n:,} training images:", "", *table(found)]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
