"""Residual covariance structures beside nlme, glmmTMB and statsmodels, in one run.

    python benchmarks/residual_structures.py                        # all, into the .json and .md
    python benchmarks/residual_structures.py --jobs ar1 --peers lmforms nlme
    python benchmarks/residual_structures.py --peers growth         # seconds against rows

What is timed is a whole call, from formula and data frame in memory to the fitted model, in a
process of its own with one thread. A call of more than 20 s is not repeated. statsmodels has no
likelihood for these structures: its generalised estimating equations stand for it, and have no
log-likelihood to compare.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import exchange
import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
STORE = HERE / "residual_structures.json"
LONG = 20.0
PEERS = ("lmforms", "nlme", "glmmTMB", "statsmodels")
EVALUATIONS = 21
GROWTH = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)


def ar1_series(series: int, length: int, rho: float = 0.6) -> pd.DataFrame:
    """Series of AR(1) residuals about a line."""
    rng = np.random.default_rng(0)
    e = rng.normal(size=(series, length))
    for j in range(1, length):
        e[:, j] = rho * e[:, j - 1] + np.sqrt(1.0 - rho**2) * e[:, j]
    x = rng.normal(size=(series, length))
    y = 1.0 + 0.5 * x + 2.0 * e
    return pd.DataFrame(
        {
            "y": y.ravel(),
            "x": x.ravel(),
            "time": np.tile(np.arange(1.0, length + 1.0), series),
            "subject": pd.Categorical(np.repeat(np.arange(series), length)),
        }
    )


def visits(subjects: int, count: int) -> pd.DataFrame:
    """A trial with an unstructured covariance of the visits."""
    rng = np.random.default_rng(1)
    lag = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    sd = np.linspace(1.0, 2.0, count)
    root = np.linalg.cholesky(sd[:, None] * (0.2 + 0.8 * 0.75**lag) * sd)
    arm = np.repeat(rng.integers(0, 2, subjects), count)
    visit = np.tile(np.arange(count), subjects)
    e = (rng.normal(size=(subjects, count)) @ root.T).ravel()
    return pd.DataFrame(
        {
            "y": 3.0 + 0.1 * visit + 0.4 * arm * visit / count + e,
            "arm": pd.Categorical.from_codes(arm, ["placebo", "active"]),
            "visit": pd.Categorical.from_codes(visit, [f"v{j + 1:02d}" for j in range(count)]),
            "number": visit + 1.0,
            "subject": pd.Categorical(np.repeat(np.arange(subjects), count)),
        }
    )


def field(rows: int, columns: int, varieties: int) -> pd.DataFrame:
    """AR1⊗AR1 on a full grid, with varieties in random order."""
    rng = np.random.default_rng(2)
    e = rng.normal(size=(rows, columns))
    for axis, rho in ((0, 0.5), (1, 0.7)):
        lines = np.moveaxis(e, axis, 0)
        for j in range(1, len(lines)):
            lines[j] = rho * lines[j - 1] + np.sqrt(1.0 - rho**2) * lines[j]
    row, column = np.meshgrid(np.arange(1.0, rows + 1), np.arange(1.0, columns + 1), indexing="ij")
    variety = rng.permutation(np.arange(rows * columns) % varieties)
    y = 50.0 + rng.normal(size=varieties)[variety] + 1.5 * e.ravel()
    return pd.DataFrame(
        {
            "y": y,
            "row": row.ravel(),
            "column": column.ravel(),
            "variety": pd.Categorical(variety),
        }
    )


@dataclass(frozen=True)
class Job:
    """A model; `gee` is what statsmodels has for it."""

    what: str
    formula: str
    residual: str
    data: Callable[[], pd.DataFrame]
    gee: str | None = None
    without: str = ""
    """Why a peer other than lmforms cannot fit it."""


JOBS = {
    "ar1": Job(
        "AR(1) within 10,000 series × 20 rows",
        "y ~ x",
        "ar1(time | subject)",
        lambda: ar1_series(10_000, 20),
        "Autoregressive",
    ),
    "us": Job(
        "unstructured, 10 visits × 1,000 subjects",
        "y ~ arm * visit",
        "us(visit | subject)",
        lambda: visits(1_000, 10),
        "Unstructured",
    ),
    "field": Job(
        "AR1⊗AR1 on 100 × 100 plots, 500 random varieties",
        "y ~ 1 + (1 | variety)",
        "ar1(row):ar1(column)",
        lambda: field(100, 100, 500),
        without="has no separable structure",
    ),
}


def timed(call: Callable[[], Any], repeats: int) -> tuple[dict[str, Any], Any]:
    """Median seconds, without the first call unless that is long."""
    taken: list[float] = []
    result = None
    for _ in range(repeats + 1):
        start = time.perf_counter()
        result = call()
        taken.append(time.perf_counter() - start)
        if taken[-1] > LONG:
            break
    return {"seconds": statistics.median(taken[1:] or taken), "first": taken[0]}, result


def ours(job: Job, data: pd.DataFrame, repeats: int) -> dict[str, Any]:
    import lmforms as lf

    warnings.simplefilter("ignore")
    out, fit = timed(lambda: lf.lmer(job.formula, data, residual=job.residual), repeats)
    return out | {
        "loglik": float(fit.llf),
        "parameters": {k: float(v) for k, v in fit.residual_params.items()},
    }


def of_statsmodels(job: Job, data: pd.DataFrame, repeats: int) -> dict[str, Any]:
    if job.gee is None:
        return {"remark": job.without}
    import statsmodels.formula.api as smf
    from statsmodels.genmod import cov_struct

    warnings.simplefilter("ignore")
    options = {"grid": True} if job.gee == "Autoregressive" else {}
    order = data["time"] if "time" in data else data["number"].to_numpy(int) - 1

    def fit() -> Any:
        structure = getattr(cov_struct, job.gee)(**options)
        model = smf.gee(job.formula, "subject", data, time=order, cov_struct=structure)
        return model.fit()

    out, found = timed(fit, repeats)
    dependence = np.atleast_1d(found.cov_struct.dep_params)
    more = {"rho": float(dependence[0])} if dependence.size == 1 else {}
    return out | {"parameters": more, "remark": "GEE, no likelihood"}


def of_r(name: str, peer: str, job: Job, data: pd.DataFrame, options: Any) -> dict[str, Any]:
    if job.without:
        return {"remark": job.without}
    if shutil.which("Rscript") is None:
        return {"remark": "R is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        exchange.write(data, Path(folder))
        script = str(HERE / "residual_structures.R")
        command = ["Rscript", script, folder, name, peer, str(options.repeats)]
        return last_object(command, options.limit)


def last_object(command: list[str], limit: float) -> dict[str, Any]:
    """What a process printed last as JSON, or why there is nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"remark": f"> {limit:g} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"remark": " ".join(done.stderr.strip().splitlines()[-1:]) or "failed"}
    return json.loads(lines[-1])


def in_a_process(name: str, peer: str, options: Any) -> dict[str, Any]:
    command = [sys.executable, __file__, "--worker", name, peer, "--repeats", str(options.repeats)]
    return last_object(command, options.limit)


def growth(repeats: int) -> list[dict[str, float]]:
    """Seconds of an evaluation and of a fit against the number of rows, AR(1)."""
    import lmforms as lf

    warnings.simplefilter("ignore")
    lines = []
    for series in GROWTH:
        data = ar1_series(series, 20)
        out, fit = timed(
            lambda data=data: lf.lmer("y ~ x", data, residual="ar1(time | subject)"), repeats
        )
        line = {"rows": float(len(data)), "seconds": out["seconds"]}
        line["evaluations"] = float(fit.optimizer.n_evaluations)
        line["evaluation"] = seconds_of_evaluation(fit, by_rows=False)
        line["by_rows"] = seconds_of_evaluation(fit, by_rows=True)
        lines.append(line)
        print(line, flush=True)
    return lines


def seconds_of_evaluation(fit: Any, *, by_rows: bool) -> float:
    """Median seconds of the criterion with its gradient beside the optimum."""
    from lmforms.engine.criterion.evaluate import gradient_at
    from lmforms.engine.criterion.residual_problem import residual_problem
    from lmforms.engine.sums.residual_sums import residual_sums

    at = fit.state.estimate.optimum.evaluation
    problem = at.problem
    if by_rows:
        rows = fit.state.design.rows(phi=fit.state.estimate.phi)
        sums = residual_sums(rows, problem.system.cp.scaling, by_rows=True)
        problem = residual_problem(
            sums, rows.residual, problem.covariances, problem.reml, fit.state.control
        )
    times = []
    for i in range(EVALUATIONS):
        start = time.perf_counter()
        gradient_at(problem, at.theta + 1e-4 * (i + 1))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def as_markdown(results: dict[str, Any]) -> str:
    lines = [
        "# Residual structures",
        "",
        "Seconds of a whole fit by REML, one thread; log-likelihood beside them. "
        f"{results.get('about', '')}",
        "",
        "| job | " + " | ".join(PEERS) + " |",
        "| --- |" + " ---: |" * len(PEERS),
    ]
    for name, job in JOBS.items():
        found = results.get("jobs", {}).get(name, {})
        lines.append(f"| {job.what} | {' | '.join(cell(found.get(p, {})) for p in PEERS)} |")
    if results.get("growth"):
        lines += [
            "",
            "AR(1), milliseconds of an evaluation with its gradient: from sums of neighbouring "
            "rows, and by rows at each φ. The call also reads and sums the rows.",
            "",
            "| rows | evaluation, free of n | evaluation, by rows | call, s |",
            "| ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {g['rows']:,.0f} | {1e3 * g['evaluation']:.3g} | {1e3 * g['by_rows']:.3g} "
            f"| {g['seconds']:.3g} |"
            for g in results["growth"]
        ]
    return "\n".join(lines) + "\n"


def cell(found: dict[str, Any]) -> str:
    if "seconds" not in found:
        return f"— ({found.get('remark', 'not run')})"
    text = f"{found['seconds']:.3g}"
    if "loglik" in found:
        text += f" ({found['loglik']:.4f})"
    return text + (f" ({found['remark']})" if "remark" in found else "")


def about() -> str:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"Run on {time.strftime('%Y-%m-%d')}; load average before it {load}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", nargs="*", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--peers", nargs="*", choices=[*PEERS, "growth"], default=[*PEERS])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600.0)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, peer = options.worker
        fit = ours if peer == "lmforms" else of_statsmodels
        print(json.dumps(fit(JOBS[name], JOBS[name].data(), options.repeats)))
        return
    results = json.loads(STORE.read_text()) if STORE.exists() else {"jobs": {}}
    results["about"] = about()
    for name in options.jobs if set(options.peers) != {"growth"} else []:
        job = JOBS[name]
        data = job.data()
        for peer in options.peers:
            if peer in ("nlme", "glmmTMB"):
                found = of_r(name, peer, job, data, options)
            elif peer in PEERS:
                found = in_a_process(name, peer, options)
            else:
                continue
            results["jobs"].setdefault(name, {})[peer] = found
            print(name, peer, cell(found), flush=True)
            STORE.write_text(json.dumps(results, indent=1) + "\n")
    if "growth" in options.peers:
        results["growth"] = growth(options.repeats)
    STORE.write_text(json.dumps(results, indent=1) + "\n")
    STORE.with_suffix(".md").write_text(as_markdown(results), encoding="utf-8")


if __name__ == "__main__":
    main()
