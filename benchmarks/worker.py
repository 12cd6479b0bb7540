"""One peer on one job, in a process of its own: prints a line of JSON."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd

Fit = Callable[[str, pd.DataFrame, bool], tuple[float, int | None]]


def lmforms(formula: str, data: pd.DataFrame, reml: bool) -> tuple[float, int | None]:
    import lmforms as lf

    fit = lf.lmer(formula, data, reml=reml)
    return fit.criterion, fit.optimizer.n_evaluations


def mixedlm(formula: str, data: pd.DataFrame, reml: bool) -> tuple[float, int | None]:
    import mixedlm

    fit = mixedlm.lmer(formula, data, REML=reml)
    return float(fit.deviance), getattr(fit, "n_iter", None)


def statsmodels(formula: str, data: pd.DataFrame, reml: bool) -> tuple[float, int | None]:
    import statsmodels.formula.api as smf

    fixed, _, random = formula.partition("+ (") if "+ (" in formula else (formula, "", "")
    expression, _, group = random.rstrip(") ").partition("|")
    model = smf.mixedlm(fixed, data, groups=group.strip(), re_formula="~" + expression)
    return -2.0 * float(model.fit(reml=reml).llf), None


PEERS: dict[str, Fit] = {"lmforms": lmforms, "mixedlm": mixedlm, "statsmodels": statsmodels}


def measure(fit: Fit, formula: str, data: pd.DataFrame, reml: bool, repeats: int) -> dict[str, Any]:
    criterion, evaluations = fit(formula, data, reml)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fit(formula, data, reml)
        times.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(times),
        "fastest": min(times),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "evaluations": evaluations,
        "criterion": criterion,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("data", help="CSV file")
    parser.add_argument("factors", help="its categorical columns, separated by commas")
    parser.add_argument("formula")
    parser.add_argument("--ml", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    factors = [name for name in args.factors.split(",") if name]
    data = pd.read_csv(args.data, dtype=dict.fromkeys(factors, "str"))
    data = data.astype(dict.fromkeys(factors, "category"))
    result = measure(PEERS[args.peer], args.formula, data, not args.ml, args.repeats)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
