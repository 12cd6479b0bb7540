"""How often 95 % intervals of each kind hold the truth, in small samples.

    python benchmarks/interval_coverage.py [--replicates 2000] [--processes 2]

writes interval_coverage.json and interval_coverage.md. Responses are drawn from the models that
are fitted. Finished parts are kept in interval_coverage.json, so that an interrupted study goes on
where it ended.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.errors import LmformsError

HERE = Path(__file__).parent
LEVEL = 0.95
CHUNK, SLOW_CHUNK = 40, 10
"""Replicates of one task, of the quick kinds of intervals and of the slow ones."""

SLOW_SHARE = 0.05
"""Of the study's replicates that slow kinds are made for."""

BOOTSTRAPS, SLOW_BOOTSTRAPS = 499, 199
"""Replicates of each bootstrap."""

WALD, KR, PROFILE, REML_PROFILE = "Wald", "Kenward–Roger", "profile", "profile, REML"
PERCENTILE, BASIC = "bootstrap, percentile", "bootstrap, basic"
KINDS = (WALD, KR, PROFILE, REML_PROFILE, PERCENTILE, BASIC)


@dataclass(frozen=True)
class Design:
    """A model whose responses are drawn, with β = (1, 0.5) and σ = 1.

    Attributes
    ----------
    groups : int
        Of 6 rows each, at times 0 to 5.
    model : {"intercepts", "slopes", "AR(1)"}
    """

    groups: int
    model: str

    @property
    def name(self) -> str:
        return f"{self.groups} groups, {self.model}"

    @property
    def stages(self) -> dict[str, list[str]]:
        """Kinds of intervals that are made together: residuals of AR(1) are refitted one by one."""
        quick, drawn = [WALD, KR, PROFILE], [PERCENTILE, BASIC]
        if self.model == "AR(1)":
            return {"": quick, "REML ": [REML_PROFILE], "slow ": drawn}
        return {"": quick + drawn, "REML ": [REML_PROFILE]}

    @property
    def formula(self) -> dict[str, str]:
        if self.model == "AR(1)":
            return {"formula": "y ~ x", "residual": "ar1(time | g)"}
        return {"formula": f"y ~ x + ({'x' if self.model == 'slopes' else '1'} | g)"}

    @property
    def truth(self) -> dict[str, float]:
        """Every parameter under its name."""
        fixed = {"Intercept": 1.0, "x": 0.5}
        if self.model == "AR(1)":
            return {**fixed, "rho": 0.6, "sigma": 1.0}
        random = {"sd(Intercept | g)": 1.0}
        if self.model == "slopes":
            random |= {"sd(x | g)": 0.7, "cor(Intercept, x | g)": 0.3}
        return {**fixed, **random, "sigma": 1.0}

    def data(self) -> pd.DataFrame:
        """The rows; x varies within groups and between them."""
        rng = np.random.default_rng([self.groups, 16])
        g = np.repeat(np.arange(self.groups), 6)
        x = rng.normal(size=len(g)) + 0.5 * rng.normal(size=self.groups)[g]
        return pd.DataFrame({"g": g, "time": np.tile(np.arange(6), self.groups), "x": x, "y": x})

    def draw(self, data: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        g, x = data["g"].to_numpy(), data["x"].to_numpy()
        mean, noise = 1.0 + 0.5 * x, rng.normal(size=(self.groups, 6))
        if self.model == "AR(1)":
            for t in range(1, 6):
                noise[:, t] = 0.6 * noise[:, t - 1] + 0.8 * noise[:, t]
            return mean + noise.ravel()
        effects = rng.normal(size=(self.groups, 2))
        y = mean + effects[g, 0] + noise.ravel()
        if self.model == "slopes":
            slope = 0.7 * (0.3 * effects[:, 0] + np.sqrt(1 - 0.3**2) * effects[:, 1])
            y = y + slope[g] * x
        return y


DESIGNS = [Design(groups, model) for groups in (6, 18) for model in ("intercepts", "slopes")] + [
    Design(groups, "AR(1)") for groups in (6, 18)
]


def intervals(fit: Any, seed: int, kinds: Collection[str], bootstraps: int) -> dict[str, Any]:
    """The intervals of each of these kinds, by parameter; absent where a kind is refused."""
    calls: dict[str, Any] = {
        WALD: lambda: fit.conf_int(which="all"),
        KR: lambda: fit.conf_int(ddf="kenward-roger"),
        PROFILE: lambda: fit.conf_int(method="profile", which="all"),
        REML_PROFILE: lambda: fit.profile("random", reml=True, limit=2.0).conf_int(LEVEL),
    }
    drawn: list[Any] = []

    def of_replicates(kind: str) -> Any:
        if not drawn:
            drawn.append(fit.bootstrap(bootstraps, seed=seed))
        return drawn[0].conf_int(LEVEL, kind=kind)

    calls[PERCENTILE] = lambda: of_replicates("percentile")
    calls[BASIC] = lambda: of_replicates("basic")
    found = {}
    for kind in kinds:
        try:
            found[kind] = calls[kind]()
        except LmformsError:
            continue
    return found


def chunk(task: tuple[int, int, str, int]) -> dict[str, dict[str, list[float]]]:
    """Of each kind and parameter: held, too high, too low, without limits, made, total length."""
    place, number, stage, seed = task
    design, is_slow = DESIGNS[place], stage == "slow "
    kinds, size = design.stages[stage], SLOW_CHUNK if is_slow else CHUNK
    warnings.simplefilter("ignore")
    rng = np.random.default_rng([seed, place, number, is_slow])
    data, truth = design.data(), design.truth
    first = lf.lmer(data=data.assign(y=design.draw(data, rng)), **design.formula)
    counts: dict[str, dict[str, list[float]]] = {}
    for i in range(size):
        fit = first.refit(design.draw(data, rng))
        found = intervals(fit, i, kinds, SLOW_BOOTSTRAPS if is_slow else BOOTSTRAPS)
        for kind in kinds:
            for name, true in truth.items():
                is_fixed = name in ("Intercept", "x")
                if kind == (REML_PROFILE if is_fixed else KR):
                    continue
                count = counts.setdefault(kind, {}).setdefault(name, [0.0] * 6)
                count[4] += 1
                limits = found.get(kind)
                if limits is None or name not in limits.index or limits.loc[name].isna().any():
                    count[3] += 1
                    continue
                lower, upper = limits.loc[name, ["lower", "upper"]]
                count[0] += lower <= true <= upper
                count[1] += true < lower
                count[2] += true > upper
                count[5] += upper - lower
    return counts


def total(parts: list[dict[str, dict[str, list[float]]]]) -> dict[str, dict[str, list[float]]]:
    """Counts of several tasks added up."""
    out: dict[str, dict[str, list[float]]] = {}
    for part in parts:
        for kind, names in part.items():
            for name, count in names.items():
                before = out.setdefault(kind, {}).setdefault(name, [0.0] * len(count))
                out[kind][name] = [a + b for a, b in zip(before, count, strict=True)]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--only-table", action="store_true", help="from the stored figures")
    options = parser.parse_args()
    path = HERE / "interval_coverage.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    if stored.get("seed") != options.seed:
        stored = {"seed": options.seed, "level": LEVEL, "done": [], "counts": {}}
    if not options.only_table:
        quick = range(-(-options.replicates // CHUNK))
        slow = range(-(-round(SLOW_SHARE * options.replicates) // SLOW_CHUNK))
        tasks = {
            f"{design.name} {stage}#{number}": (place, number, stage, options.seed)
            for stages, numbers in ((("", "REML "), quick), (("slow ",), slow))
            for number in numbers
            for stage in stages
            for place, design in enumerate(DESIGNS)
            if stage in design.stages
        }
        missing = {key: task for key, task in tasks.items() if key not in stored["done"]}
        with ProcessPoolExecutor(options.processes) as pool:
            running = {pool.submit(chunk, task): key for key, task in missing.items()}
            for done in as_completed(running):
                name = DESIGNS[missing[running[done]][0]].name
                stored["done"].append(running[done])
                stored["counts"][name] = total([stored["counts"].get(name, {}), done.result()])
                path.write_text(json.dumps(stored, ensure_ascii=False) + "\n")
    (HERE / "interval_coverage.md").write_text(as_markdown(stored))
    print(as_markdown(stored))


SHORT = {PERCENTILE: "percentile", BASIC: "basic", KR: "KR"}


def as_markdown(stored: dict[str, Any]) -> str:
    lines = ["| groups | model | parameter | " + " | ".join(SHORT.get(k, k) for k in KINDS) + " |"]
    lines.append("| ---: | --- | --- |" + " ---: |" * len(KINDS))
    made: dict[str, set[int]] = {}
    for design in DESIGNS:
        counts = stored["counts"].get(design.name, {})
        for name in design.truth:
            cells = []
            for kind in KINDS:
                count = counts.get(kind, {}).get(name)
                cells.append("" if count is None else f"{100 * count[0] / count[4]:.1f}")
                if count is not None:
                    what = "AR(1), " if design.model == "AR(1)" and kind in SHORT else ""
                    made.setdefault(what + SHORT.get(kind, kind), set()).add(round(count[4]))
            shown = name.replace("|", "\\|")
            lines.append(f"| {design.groups} | {design.model} | {shown} | {' | '.join(cells)} |")
    most = max((max(n) for n in made.values()), default=1)
    fewer = [f"{what}: {min(n)}" for what, n in made.items() if min(n) < most]
    head = (
        f"Share of 95 % intervals that hold the true value, in %, of {most} replicates (standard "
        f"error {100 * np.sqrt(LEVEL * (1 - LEVEL) / most):.1f})"
        + (f", but {'; '.join(fewer)}. " if fewer else ". ")
        + "An interval that could not be had counts as one that does not hold it. Bootstraps have "
        + f"{BOOTSTRAPS} replicates, {SLOW_BOOTSTRAPS} for AR(1)."
    )
    return "\n".join([head, "", *lines]) + "\n"


if __name__ == "__main__":
    main()
