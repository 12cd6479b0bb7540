"""Generalised models beside lme4, glmmTMB and the package glmm, in one run.

    python benchmarks/generalized.py                       # generalized.json and .md
    python benchmarks/generalized.py --jobs verbagg cbpp   # these again, merged into the rest
    python benchmarks/generalized.py --only-tables

Whole calls by the clock and of the processor, one thread, in rounds. lme4 and glmmTMB are run by
Rscript (with jsonlite), glmm by the interpreter that `--python` names, where they are installed.
The page has the figures of glmm_stress.py, too, where there is glmm_stress.json.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import exchange
import frames
import generalized_fits
import machine
import numpy as np
import pandas as pd
import round_tables
import store
import tables
from asks import BOOTSTRAP, WITH_BSE, generalized_asks
from peers import HERE, LONG
from processes import leave_nothing_running
from rounds import MEASURES, in_rounds
from workers import Runner, Task

import lmforms as lf

REFERENCE = HERE.parent / "tests" / "reference"
FAST, GLMER, FAST_GLMER = "lmforms (nagq=0)", "glmer", "glmer (nAGQ=0)"

RUNNERS = {
    runner.name: runner
    for runner in (
        Runner("lmforms", "lmforms (generalized)"),
        Runner(WITH_BSE, "lmforms (generalized, bse)"),
        Runner("lmforms (bse, again)", "lmforms (generalized, bse)"),
        Runner(FAST, "lmforms (generalized, nagq=0)"),
        Runner("glmm", "glmm (generalized)"),
        Runner("glmmTMB", "glmmTMB (generalized)", "R"),
        Runner(GLMER, "glmer", "R"),
        Runner(FAST_GLMER, "glmer (nAGQ=0)", "R"),
        Runner(BOOTSTRAP, "lmforms (bootstrap)"),
        Runner("bootMer", "bootMer", "R"),
    )
}
BOTH_BOOTSTRAPS = (BOOTSTRAP, "bootMer")
LAPLACE = tuple(name for name in RUNNERS if name not in BOTH_BOOTSTRAPS)
QUADRATURE = ("lmforms", WITH_BSE, "lmforms (bse, again)", "glmm", GLMER)
NO_FAST = tuple(name for name in LAPLACE if name not in (FAST, FAST_GLMER))
ONLY_TMB = ("lmforms", WITH_BSE, "lmforms (bse, again)", "glmmTMB")
PACKAGES = {"glmer": "lme4", "bootMer": "lme4"}
"""Of programs that are not named by their package."""

LIMIT = 300.0
"""Seconds after which a call is stopped."""

NODES = 11
REPLICATES = 200

ABOUT = """\
Every program waits in a process of its own with its data in memory, and all programs of a job call
in turn, in rounds: other work of the machine meets all alike. A program calls for about {seconds:g}
s in a round, and for at most about {budget:g} s in all: slow ones call in the first rounds only
(*calls*). A call of more than {long:g} s is not repeated, and counts although it is the first.
Times are medians over the rounds, ratios the medians of the quotients within a round (more than 1:
lmforms is faster), with 95 % limits, or between the least and the greatest where there are fewer
than six. *CPU* is processor time.

`lmforms (bse)` asks for the standard errors of the fit, too, which take a Hessian of all
parameters. The fits of glmm, glmmTMB and glmer (not with nAGQ=0) include theirs: `lmforms (bse)` is
what they are compared with. `lmforms` is the fit alone. `lmforms (bse, again)` is the same in a
second process: as far as its ratio is from 1, no other difference of this size means anything.
glmer has its default settings; with a negative binomial family it is `glmer.nb`. glmm is told not
to add likelihood ratio tests (`anova_test="Wald"`), which it does by default in Poisson models.
Formula and data are the same for all; binary responses are numbers, as glmm asks.

*Log-likelihood* is where a fit ended, and *below the highest* how far it is from the highest of
those that maximise the same. Those that do not are in brackets: nAGQ=0 maximises another criterion,
and glmer takes the expected information in place of the observed one where the link is not
canonical (negative binomial, Gamma). What lme4 leaves out of the log-likelihood of quadrature, that
of the saturated model, is added.
"""


@dataclass(frozen=True)
class Job:
    """A model, its data, and who fits it.

    Attributes
    ----------
    others : tuple of str
        Runners whose log-likelihood is another one, beside those with nAGQ=0.
    """

    formula: str
    family: str
    data: Callable[[], pd.DataFrame]
    about: str
    runners: tuple[str, ...] = LAPLACE
    link: str | None = None
    nagq: int = 1
    zeros: str | None = None
    others: tuple[str, ...] = ()


def verbal_aggression() -> pd.DataFrame:
    data = lf.datasets.load("VerbAgg").drop(columns="resp")
    return data.assign(r2=(data["r2"] == "Y").astype(float))


def contraception() -> pd.DataFrame:
    data = reference("contraception", ["district", "livch", "urban"])
    return data.assign(use=(data["use"] == "Y").astype(float), age_squared=data["age"] ** 2)


def grouse_ticks() -> pd.DataFrame:
    data = lf.datasets.load("grouseticks")
    return data.assign(height=(data["HEIGHT"] - 460.0) / 35.0).drop(columns=["HEIGHT", "cHEIGHT"])


def cbpp() -> pd.DataFrame:
    data = lf.datasets.load("cbpp")
    return data.assign(healthy=data["size"] - data["incidence"])


def sleep_study() -> pd.DataFrame:
    return lf.datasets.load("sleepstudy")


def salamanders() -> pd.DataFrame:
    return reference("salamanders", ["site", "spp", "mined"])


def epilepsy() -> pd.DataFrame:
    return reference("epilepsy", ["subject", "trt"])


def reference(name: str, factors: list[str]) -> pd.DataFrame:
    """Public data that are exported for the tests, with these columns as factors."""
    data = pd.read_csv(REFERENCE / f"glmm_{name}.csv", na_filter=False)
    return data.astype(dict.fromkeys(factors, "str")).astype(dict.fromkeys(factors, "category"))


def crossed(rows: int = 100_000, levels: tuple[int, ...] = (5_000, 500, 50)) -> pd.DataFrame:
    """Yes or no, with intercepts of three crossed factors drawn uniformly."""
    rng = np.random.default_rng(31)
    codes = [rng.integers(0, count, rows) for count in levels]
    x = rng.normal(size=rows)
    eta = -0.3 + 0.5 * x
    for code, count, sd in zip(codes, levels, (0.8, 0.5, 0.3), strict=True):
        eta += sd * rng.normal(size=count)[code]
    columns = {name: frames.factor(code) for name, code in zip("abc", codes, strict=True)}
    return pd.DataFrame({"y": binary(rng, eta), "x": x, **columns})


def groups(count: int, rows: int, sd: tuple[float, ...], seed: int) -> pd.DataFrame:
    """Yes or no in groups with intercepts, and slopes of x if there are two deviations."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(count), rows)
    x = rng.normal(size=len(g))
    b = rng.normal(size=(count, len(sd))) * sd
    effects = np.column_stack([np.ones(len(g)), x])[:, : len(sd)]
    eta = 0.2 + 0.7 * x + np.einsum("ij,ij->i", effects, b[g])
    return pd.DataFrame({"y": binary(rng, eta), "x": x, "g": frames.factor(g)})


def binary(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    return (rng.random(len(eta)) < 1.0 / (1.0 + np.exp(-eta))).astype(float)


HERD = "cbind(incidence, healthy) ~ period + (1 | herd)"
JOBS = {
    "verbagg": Job(
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        "binomial",
        verbal_aggression,
        "persons and items of a questionnaire, crossed",
    ),
    "contraception": Job(
        "use ~ age + age_squared + urban + livch + (urban | district)",
        "binomial",
        contraception,
        "women in districts, with slopes of urban",
    ),
    "grouseticks": Job(
        "TICKS ~ YEAR + height + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        "poisson",
        grouse_ticks,
        "ticks on chicks, an effect for each chick",
    ),
    "cbpp": Job(HERD, "binomial", cbpp, "disease of cattle in 15 herds"),
    "salamanders": Job(
        "count ~ spp + mined + (1 | site)",
        "negative_binomial",
        salamanders,
        "counts with more zeros, by `~ mined`; of the others only glmmTMB has such models",
        ONLY_TMB,
        zeros="~ mined",
    ),
    "epilepsy": Job(
        "y ~ Base * trt + Age + Visit + (1 | subject)",
        "negative_binomial",
        epilepsy,
        "seizures, negative binomial (NB2)",
        NO_FAST,
        others=(GLMER,),
    ),
    "gamma": Job(
        "Reaction ~ Days + (Days | Subject)",
        "gamma",
        sleep_study,
        "reaction times, Gamma with a logarithmic link",
        link="log",
        others=(GLMER,),
    ),
    "crossed": Job(
        "y ~ x + (1 | a) + (1 | b) + (1 | c)",
        "binomial",
        crossed,
        "three crossed factors of 5,000, 500 and 50 levels",
    ),
    "slopes-20k": Job(
        "y ~ x + (x | g)",
        "binomial",
        lambda: groups(20_000, 5, (1.0, 0.5), 32),
        "slopes of 20,000 groups of five rows",
    ),
    "quadrature-cbpp": Job(
        HERD, "binomial", cbpp, f"quadrature with {NODES} nodes", QUADRATURE, nagq=NODES
    ),
    "quadrature": Job(
        "y ~ x + (1 | g)",
        "binomial",
        lambda: groups(2_000, 10, (1.2,), 33),
        f"quadrature with {NODES} nodes, 2,000 groups of ten rows",
        QUADRATURE,
        nagq=NODES,
    ),
    "bootstrap": Job(
        HERD,
        "binomial",
        cbpp,
        f"{REPLICATES} replicates of a parametric bootstrap, the fit being there",
        BOTH_BOOTSTRAPS,
    ),
}


def main() -> None:
    args = arguments()
    leave_nothing_running()
    path = HERE / "generalized.json"
    found = store.load(path)
    if not args.only_tables:
        measure(args, found, path)
    page = as_markdown(found, store.load(HERE / "glmm_stress.json"))
    path.with_suffix(".md").write_text(page, encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--runners", nargs="+", choices=RUNNERS, default=list(RUNNERS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a program in a round")
    parser.add_argument("--budget", type=float, default=6.0, help="of a program in all rounds")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for a call")
    parser.add_argument("--python", default=sys.executable, help="interpreter of Python peers")
    parser.add_argument("--only-tables", action="store_true")
    return parser.parse_args()


def measure(args: argparse.Namespace, found: dict[str, Any], path: Path) -> None:
    """Everything that was asked for, stored job by job."""
    about = machine.about(["lmforms", "glmm", "glmmTMB", "lme4"], args.python, 1)
    found["about"] = {**about, "seconds": args.seconds, "budget": args.budget, "long": LONG}
    for name in args.jobs:
        found.setdefault("jobs", {})[name] = run_job(JOBS[name], args, about["versions"])
        found["jobs"] = {job: found["jobs"][job] for job in JOBS if job in found["jobs"]}
        store.save(path, found)
        sys.stderr.write(section(name, found["jobs"][name]) + "\n")


def run_job(job: Job, args: argparse.Namespace, versions: dict[str, str]) -> dict[str, Any]:
    """All runners of a job that are there and asked for, in rounds."""
    data = job.data()
    out: dict[str, Any] = {"formula": job.formula, "family": job.family, "rows": len(data)}
    others = [*job.others, FAST, FAST_GLMER]
    out.update(about=job.about, others=others, date=date.today().isoformat(), rounds=args.rounds)
    runners = [
        RUNNERS[name]
        for name in job.runners
        if name in args.runners and package(RUNNERS[name]) in versions
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exchange.write(data, folder)
        generalized_fits.write_model(
            folder,
            formula=job.formula,
            family=job.family,
            link=job.link,
            nagq=job.nagq,
            zeros=job.zeros,
            replicates=REPLICATES,
        )
        task = Task(folder, job.formula, False, 1, args.python, args.limit)
        out["threads"] = {"1": in_rounds(runners, task, args.rounds, args.seconds, args.budget)}
    return out


def package(runner: Runner) -> str:
    """The package that a runner is of."""
    name = runner.program.split()[0]
    return PACKAGES.get(name, name)


def as_markdown(found: dict[str, Any], stress: dict[str, Any] | None = None) -> str:
    """The page; without figures, what is asked."""
    jobs = found.get("jobs", {})
    fits = {name: job for name, job in jobs.items() if name != "bootstrap"}
    parts = ["# Generalised models"]
    if jobs:
        about = found["about"]
        parts += [round_tables.header(about) + ABOUT.format(**about), round_tables.busy(jobs)]
    else:
        parts.append("Not measured yet: `python benchmarks/generalized.py`.")
    parts.append(round_tables.asked(generalized_asks(found)))
    if fits:
        parts += [round_tables.ratios(without_others(fits), WITH_BSE), fast_fits(fits)]
    parts += [stress_table(stress)] if stress else []
    parts += [section(name, job) for name, job in jobs.items()]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def without_others(jobs: dict[str, Any]) -> dict[str, Any]:
    """The jobs without the fits with nAGQ=0, which have a table of their own."""
    out = {}
    for name, job in jobs.items():
        one = job["threads"]["1"]
        cells = {who: cell for who, cell in one["cells"].items() if who not in (FAST, FAST_GLMER)}
        out[name] = {**job, "threads": {"1": {**one, "cells": cells}}}
    return out


def fast_fits(jobs: dict[str, Any]) -> str:
    """Fixed effects profiled out, ours and lme4's, without standard errors that take a Hessian."""
    lines = []
    for name, job in jobs.items():
        one = job["threads"]["1"]
        if FAST in one["cells"]:
            time = round_tables.time_of(one["cells"][FAST], "cpu")
            other = round_tables.ratio_of(one, FAST, FAST_GLMER, "cpu")
            lines.append([f"[{name}](#{name})", time, other])
    text = "## nAGQ=0, of the processor\n\nNo Hessian on either side.\n\n"
    return text + tables.table(["job", FAST, f"{FAST_GLMER} ×"], lines) if lines else ""


def section(name: str, found: dict[str, Any]) -> str:
    """One job: a line for each runner."""
    one = found["threads"]["1"]
    own = BOOTSTRAP if name == "bootstrap" else WITH_BSE
    head = ["runner", "clock", "CPU", "× by the clock", "× CPU", "calls", "fit memory"]
    head += ["evaluations", "log-likelihood", "below the highest"]
    reached = {who: -c["criterion"] / 2.0 for who, c in one["cells"].items() if "wall" in c}
    highest = max((v for who, v in reached.items() if who not in found["others"]), default=0.0)
    lines = []
    for who, cell in one["cells"].items():
        line = [who, *(round_tables.time_of(cell, measure) for measure in MEASURES)]
        if "wall" not in cell:
            why = cell.get("error", "–").replace("|", "\\|")[:100]
            lines.append([*line, *("–" for _ in head[len(line) + 2 :]), why, "–"])
            continue
        line += [round_tables.ratio_of(one, own, who, measure) for measure in MEASURES]
        memory = max(cell["memory"] - cell["baseline"], 0) / tables.MIB
        line += [f"{cell['calls']:,}", f"{memory:,.0f} MiB", str(cell["evaluations"] or "–")]
        same = who not in found["others"]
        text = f"{reached[who]:.6f}"
        line += [text, f"{highest - reached[who]:.1e}"] if same else [f"({text})", "–"]
        lines.append(line)
    about = f"`{found['formula']}`, {found['family']}, {found['rows']:,} rows: {found['about']}. "
    about += f"Run on {found['date']}, {found['rounds']} rounds.\n\n"
    return f"## {name}\n\n{about}" + tables.table(head, lines)


def stress_table(found: dict[str, Any]) -> str:
    """What glmm_stress.py found."""
    text = (
        f"## {found['models']} random models against their restarts\n\n"
        f"`python benchmarks/glmm_stress.py`, {found['date']}: one to three grouping factors with "
        "one to three effects each, nested or crossed, variances that are zero or large, "
        "predictors of odd scales, few rows. *Beaten*: models whose fit reports convergence and "
        "that a random restart improves by more than 10⁻⁵.\n\n"
    )
    counts = ("models", "restarts", "converged")
    line = [*(str(found[key]) for key in counts), str(len(found["beaten"]))]
    line.append(", ".join(f"{count:.0f}" for count in found["evaluations"]))
    head = ["models", "restarts of each", "converged", "beaten by a restart"]
    head.append("evaluations: median, 90 %, most")
    remarks = [
        f"- seed {o['seed']}, {o['family']}, {o['parameters']} parameters: {told(o)}\n"
        for o in [*found["beaten"], *found["not_converged"]]
    ]
    return text + tables.table(head, [line]) + "\n" * bool(remarks) + "".join(remarks)


def told(outcome: dict[str, Any]) -> str:
    """What is remarkable about one model."""
    if outcome["error"]:
        return f"not fitted: {outcome['error']}"
    if outcome["converged"]:
        return f"a restart ends {outcome['gap']:.1e} lower"
    return "not converged" + (f"; a restart ends {outcome['gap']:.1e} lower" * (outcome["gap"] > 0))


if __name__ == "__main__":
    main()
