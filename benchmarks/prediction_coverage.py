"""How often 90 % intervals of predictions hold the truth, for seen and for new groups.

    python benchmarks/prediction_coverage.py [--replicates 2000] [--processes 1]

writes prediction_coverage.json and prediction_coverage.md. Responses are drawn from the models that
are fitted. Given the responses, what is predicted has a known normal distribution (the true
parameters are known here), so that each replicate gives the probability that its interval holds
the truth, not just whether it did once: the standard errors of the shares are a few tenths of
those of counting. Finished parts are kept, so that an interrupted study goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

import lmforms as lf
from lmforms.errors import LmformsError
from lmforms.inference.predictions.intervals import prediction_errors
from lmforms.inference.predictions.residual_rows import ResidualRows
from lmforms.results.predict import rows_of

HERE = Path(__file__).parent
LEVEL = 0.90
CHUNK = 100
"""Replicates of one task."""

METHODS = ("none", "satterthwaite", "kenward-roger")

TARGETS = {
    "mean of the population": ("none", "confidence"),
    "mean of a seen group": ("all", "confidence"),
    "observation, seen group": ("all", "prediction"),
    "observation, new group": ("none", "prediction"),
}
"""What is predicted: `random` and `interval` of predict()."""


@dataclass(frozen=True)
class Design:
    """A model whose responses are drawn, with β = (1, 0.5) and σ = 1.

    Attributes
    ----------
    name, formula : str
    sizes : tuple of int
        Rows of each group.
    slopes : bool
        Random slopes of x with the standard deviation 0.5 and the correlation 0.3.
    sites : int
        Levels of a second factor that crosses the groups, with the standard deviation 0.7.
    sd : float
        Of the random intercepts.
    """

    name: str
    formula: str
    sizes: tuple[int, ...]
    slopes: bool = False
    sites: int = 0
    sd: float = 1.0

    def data(self) -> pd.DataFrame:
        """The rows; x varies within groups and between them."""
        rng = np.random.default_rng([len(self.sizes), sum(self.sizes), 17])
        g = np.repeat(np.arange(len(self.sizes)), self.sizes)
        x = rng.normal(size=len(g)) + 0.5 * rng.normal(size=len(self.sizes))[g]
        h = np.concatenate([np.arange(size) for size in self.sizes]) % max(self.sites, 1)
        return pd.DataFrame({"g": g, "h": h, "x": x, "y": x})

    def new(self) -> pd.DataFrame:
        """Rows that are predicted: two seen groups, near the mean of x and away from it."""
        last = len(self.sizes) - 1
        return pd.DataFrame({"g": [0, 0, last, last], "h": 0, "x": [0.0, 1.5, 0.0, -1.5]})

    def random_part(self, data: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
        """Covariances of Zb between the rows of two tables."""
        G = np.diag([self.sd**2, 0.25 * self.slopes])
        G[0, 1] = G[1, 0] = 0.3 * self.sd * 0.5 * self.slopes
        a, b = (np.column_stack([np.ones(len(t)), t["x"]]) for t in (data, other))
        same = data["g"].to_numpy()[:, None] == other["g"].to_numpy()
        out = np.where(same, a @ G @ b.T, 0.0)
        if self.sites:
            out += 0.49 * (data["h"].to_numpy()[:, None] == other["h"].to_numpy())
        return out


DESIGNS = (
    Design("6 groups of 5, intercepts", "y ~ x + (1 | g)", (5,) * 6),
    Design("18 groups of 5, intercepts", "y ~ x + (1 | g)", (5,) * 18),
    Design("50 groups of 5, intercepts", "y ~ x + (1 | g)", (5,) * 50),
    Design("6 groups of 5, small variance", "y ~ x + (1 | g)", (5,) * 6, sd=0.4),
    Design("12 groups of 2 to 13, intercepts", "y ~ x + (1 | g)", tuple(range(2, 14))),
    Design("8 groups of 8, slopes", "y ~ x + (x | g)", (8,) * 8, slopes=True),
    Design("18 groups of 10, slopes", "y ~ x + (x | g)", (10,) * 18, slopes=True),
    Design("18 groups of 3 to 20, slopes", "y ~ x + (x | g)", tuple(range(3, 21)), slopes=True),
    Design("10 groups x 8 sites, crossed", "y ~ x + (1 | g) + (1 | h)", (8,) * 10, sites=8),
)


def distributions(design: Design) -> dict[str, Callable[[np.ndarray], tuple[Any, Any]]]:
    """Mean and standard deviation of what is predicted, given y."""
    data, new = design.data(), design.new()
    V = design.random_part(data, data) + np.eye(len(data))
    shared = design.random_part(new, data)
    own = np.diag(design.random_part(new, new))
    weights = np.linalg.solve(V, shared.T).T
    left = own - np.einsum("ij,ij->i", weights, shared)
    x = new["x"].to_numpy()
    mean, of_data = 1.0 + 0.5 * x, 1.0 + 0.5 * data["x"].to_numpy()

    def seen(y: np.ndarray) -> np.ndarray:
        return mean + weights @ (y - of_data)

    return {
        "mean of the population": lambda y: (mean, np.full(len(x), 1e-300)),
        "mean of a seen group": lambda y: (seen(y), np.sqrt(left)),
        "observation, seen group": lambda y: (seen(y), np.sqrt(left + 1.0)),
        "observation, new group": lambda y: (mean, np.sqrt(own + 1.0)),
    }


def rows_of_target(fit: Any, new: pd.DataFrame, random: str, interval: str) -> Any:
    """The design of the new rows, which is the same for all responses."""
    return rows_of(
        fit.state.design,
        new,
        random=random,
        new_levels="raise",
        offset=None,
        what="predict",
        others=interval == "prediction",
    )


def limits(fit: Any, rows: Any, interval: str, ddf: str) -> tuple[np.ndarray, np.ndarray]:
    """As predict() has them, without evaluating the design of the new rows again."""
    residuals = None
    if interval == "prediction":
        residuals = ResidualRows(np.arange(len(rows.index)), None, None)
    estimate = rows.linear_predictor(fit.state.estimate.beta, fit.state.estimate.b)
    half = prediction_errors(fit.state, rows, residuals, ddf).half_widths(LEVEL)
    return estimate - half, estimate + half


def chunk(task: tuple[int, int, int]) -> dict[str, list[float]]:
    """By method and target: replicates, sum and sum of squares of the shares, sum of lengths."""
    place, number, seed = task
    design = DESIGNS[place]
    warnings.simplefilter("ignore")
    rng = np.random.default_rng([seed, place, number])
    data, new = design.data(), design.new()
    root = np.linalg.cholesky(design.random_part(data, data) + np.eye(len(data)))
    mean, truth = 1.0 + 0.5 * data["x"].to_numpy(), distributions(design)
    first, rows = None, {}
    sums: dict[str, list[float]] = {"singular": [0.0]}
    for _ in range(CHUNK):
        y = mean + root @ rng.normal(size=len(data))
        if first is None:
            first = fit = lf.lmer(design.formula, data.assign(y=y))
            rows = {target: rows_of_target(fit, new, *how) for target, how in TARGETS.items()}
        else:
            fit = first.refit(y)
        sums["singular"][0] += fit.is_singular
        for target, (_, interval) in TARGETS.items():
            centre, sd = truth[target](y)
            for method in METHODS:
                count = sums.setdefault(f"{method}: {target}", [0.0] * 4)
                try:
                    lower, upper = limits(fit, rows[target], interval, method)
                except LmformsError:
                    continue
                share = float(np.mean(ndtr((upper - centre) / sd) - ndtr((lower - centre) / sd)))
                count[0] += 1
                count[1] += share
                count[2] += share**2
                count[3] += float(np.mean(upper - lower))
    return sums


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    path = HERE / "prediction_coverage.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    if stored.get("seed") != options.seed:
        stored = {"seed": options.seed, "level": LEVEL, "done": [], "sums": {}}
    tasks = {
        f"{design.name} #{number}": (place, number, options.seed)
        for number in range(-(-options.replicates // CHUNK))
        for place, design in enumerate(DESIGNS)
    }
    left = {name: task for name, task in tasks.items() if name not in stored["done"]}
    with ProcessPoolExecutor(options.processes) as pool:
        running = {pool.submit(chunk, task): name for name, task in left.items()}
        for future in as_completed(running):
            name = running[future]
            own = stored["sums"].setdefault(name.rpartition(" #")[0], {})
            for key, values in future.result().items():
                before = own.get(key, [0.0] * len(values))
                own[key] = [a + b for a, b in zip(before, values, strict=True)]
            stored["done"].append(name)
            path.write_text(json.dumps(stored, indent=1) + "\n")
    (HERE / "prediction_coverage.md").write_text(as_markdown(stored))


def as_markdown(stored: dict[str, Any]) -> str:
    """The table of the page on predictions."""
    replicates = CHUNK * len(stored["done"]) // max(len(stored["sums"]), 1)
    lines, largest = [], 0.0
    for design in DESIGNS:
        own = stored["sums"].get(design.name)
        if own is None:
            continue
        singular = 100.0 * own["singular"][0] / own[f"none: {next(iter(TARGETS))}"][0]
        for target in TARGETS:
            cells = []
            for method in METHODS:
                n, total, squares, _ = own[f"{method}: {target}"]
                share = total / n
                largest = max(largest, np.sqrt(max(squares / n - share**2, 0.0) / n))
                cells.append(f"{100.0 * share:.1f}")
            lines.append(f"| {design.name} | {singular:.0f} | {target} | {' | '.join(cells)} |")
    head = (
        f"Share of {100 * stored['level']:.0f} % intervals that hold the truth, in %, of "
        f"{replicates} replicates each (standard errors at most {100.0 * largest:.1f}):\n\n"
        "| design | singular fits, % | predicted | normal | Satterthwaite | Kenward–Roger |\n"
        "| --- | ---: | --- | ---: | ---: | ---: |\n"
    )
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
