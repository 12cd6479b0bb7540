"""How often each test rejects a true hypothesis at 5 %, in small samples.

    python benchmarks/type1_error.py [--replicates 2000] [--processes 2]

writes type1_error.json and type1_error.md. The responses are drawn from the models that are
fitted, with every tested effect zero.
"""

from __future__ import annotations

import argparse
import json
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import chi2

import lmforms as lf
from lmforms.errors import LmformsError

HERE = Path(__file__).parent
LEVEL = 0.05
TESTS = {
    "Satterthwaite": {"ddf": "satterthwaite"},
    "Kenward–Roger, expected": {"ddf": "kenward-roger"},
    "Kenward–Roger, observed": {"ddf": "kenward-roger", "information": "observed"},
    "between–within": {"ddf": "between-within"},
    "residual": {"ddf": "residual"},
    "normal": {"ddf": "none"},
}
RATIO, NAIVE, MIXTURE = "likelihood ratio (ML)", "variance, χ²", "variance, mixture"


@dataclass(frozen=True)
class Design:
    """A model whose responses are drawn.

    Attributes
    ----------
    groups : int
    balanced : bool
        6 rows in each group, or 2 to 12.
    slopes : bool
        A random slope beside the random intercept.
    hypothesis : str
        "between": a covariate of the groups; "within": one of the rows; "factor": three kinds of
        groups, an F test; "variance": the random slope.
    """

    groups: int
    balanced: bool
    slopes: bool
    hypothesis: str

    @property
    def name(self) -> str:
        rows = "6 rows each" if self.balanced else "2 to 12 rows"
        slopes = ", random slopes" if self.slopes else ""
        return f"{self.groups} groups, {rows}{slopes}: {self.hypothesis}"


DESIGNS = [
    Design(groups, balanced, slopes, hypothesis)
    for groups in (6, 18)
    for balanced in (True, False)
    for slopes, hypothesis in (
        (False, "between"),
        (False, "within"),
        (False, "factor"),
        (True, "within"),
        (False, "variance"),
    )
]


def table_of(design: Design, rng: np.random.Generator) -> pd.DataFrame:
    sizes = np.full(design.groups, 6)
    if not design.balanced:
        sizes = np.resize([2, 3, 4, 6, 9, 12], design.groups)
    g = np.repeat(np.arange(design.groups), sizes)
    return pd.DataFrame(
        {
            "g": g,
            "between": rng.normal(size=design.groups)[g],
            "within": rng.normal(size=len(g)),
            "factor": np.array(list("abc"))[g % 3],
            "y": rng.normal(size=len(g)),
        }
    )


def draw(design: Design, data: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    g = data["g"].to_numpy()
    y = rng.normal(size=design.groups)[g] + rng.normal(size=len(g))
    if design.slopes:
        y = y + 0.7 * rng.normal(size=design.groups)[g] * data["within"].to_numpy()
    return y


def rejections(task: tuple[Design, int, int]) -> dict[str, list[int]]:
    """Of each test how often it rejected, was made, and was refused for too few data."""
    design, replicates, seed = task
    warnings.simplefilter("ignore")
    rng = np.random.default_rng([seed, DESIGNS.index(design)])
    data = table_of(design, rng)
    random = "(within | g)" if design.slopes else "(1 | g)"
    tested = "within" if design.hypothesis == "variance" else design.hypothesis
    full = lf.lmer(f"y ~ {tested} + {random}", data)
    counts: dict[str, list[int]] = {}

    def note(name: str, p: float) -> None:
        count = counts.setdefault(name, [0, 0, 0])
        count[0] += bool(p < LEVEL)
        count[1] += 1
        count[2] += bool(np.isnan(p))

    if design.hypothesis == "variance":
        larger = lf.lmer(f"y ~ {tested} + (within | g)", data)
        for _ in range(replicates):
            y = draw(design, data, rng)
            statistic = max(0.0, full.refit(y).criterion - larger.refit(y).criterion)
            note(NAIVE, chi2.sf(statistic, 2))
            note(MIXTURE, 0.5 * (chi2.sf(statistic, 1) + chi2.sf(statistic, 2)))
        return counts
    null = lf.lmer(f"y ~ 1 + {random}", data, reml=False)
    L = np.eye(len(full.params))[1:]
    for _ in range(replicates):
        y = draw(design, data, rng)
        fit = full.refit(y)
        for name, options in TESTS.items():
            try:
                note(name, float(fit.contrast(L, joint=True, **options)["p_value"].iloc[0]))
            except LmformsError:  # Kenward–Roger with too few data
                note(name, np.nan)
        statistic = max(0.0, null.refit(y).criterion - fit.refit(reml=False).criterion)
        note(RATIO, chi2.sf(statistic, len(L)))
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--only-table", action="store_true", help="from the stored figures")
    options = parser.parse_args()
    if options.only_table:
        stored = json.loads((HERE / "type1_error.json").read_text())
        (HERE / "type1_error.md").write_text(as_markdown(stored))
        return
    tasks = [(design, options.replicates, options.seed) for design in DESIGNS]
    with ProcessPoolExecutor(options.processes) as pool:
        found = list(pool.map(rejections, tasks))
    rows = {
        design.name: {name: rejected / made for name, (rejected, made, _) in counts.items()}
        for design, counts in zip(DESIGNS, found, strict=True)
    }
    refused = {
        f"{design.name}, {name}": count[2]
        for design, counts in zip(DESIGNS, found, strict=True)
        for name, count in counts.items()
        if count[2]
    }
    result = {
        "replicates": options.replicates,
        "seed": options.seed,
        "level": LEVEL,
        "rows": rows,
        "refused": refused,
    }
    (HERE / "type1_error.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    (HERE / "type1_error.md").write_text(as_markdown(result))
    print(as_markdown(result))


SHORT = {
    "Kenward–Roger, expected": "KR expected",
    "Kenward–Roger, observed": "KR observed",
    RATIO: "LR (ML)",
}


def as_markdown(result: dict) -> str:
    designs = {design.name: design for design in DESIGNS}
    fixed = {k: v for k, v in result["rows"].items() if RATIO in v}
    variance = {k: v for k, v in result["rows"].items() if RATIO not in v}
    error = np.sqrt(LEVEL * (1 - LEVEL) / result["replicates"])
    lines = [
        f"Share of true hypotheses rejected at 5 %, in % ({result['replicates']} replicates each; "
        f"standard error {100 * error:.1f}). KR is Kenward–Roger, LR the likelihood ratio.",
    ]
    for rows in (fixed, variance):
        names = list(next(iter(rows.values())))
        lines += ["", "| groups | rows | tested | " + " | ".join(SHORT.get(n, n) for n in names)]
        lines[-1] += " |"
        lines.append("| ---: | --- | --- |" + " ---: |" * len(names))
        for name, shares in rows.items():
            design = designs[name]
            size = "6 each" if design.balanced else "2–12"
            tested = design.hypothesis + (", slopes" if design.slopes else "")
            cells = " | ".join(f"{100 * shares[n]:.1f}" for n in names)
            lines.append(f"| {design.groups} | {size} | {tested} | {cells} |")
    if result["refused"]:
        lines += ["", "Not defined for too few data, and counted as not rejected:", ""]
        lines += [f"- {where}: {count}" for where, count in result["refused"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
