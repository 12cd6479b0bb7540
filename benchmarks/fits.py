"""How each Python peer fits a formula, as a user would: one function each."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

Outcome = tuple[float, int | None]
Fit = Callable[[str, pd.DataFrame, bool], Outcome]
"""−2 log-likelihood (restricted or not), and evaluations or iterations if the peer tells."""


@dataclass(frozen=True)
class Program:
    """A peer: what is imported before the clock starts, and what is timed."""

    module: str
    fit: Fit


def lmforms(formula: str, data: pd.DataFrame, reml: bool, **options: Any) -> Outcome:
    import lmforms as lf

    fit = lf.lmer(formula, data, reml=reml, control=lf.Control(**options))
    return fit.criterion, fit.optimizer.n_evaluations


def mixedlm(formula: str, data: pd.DataFrame, reml: bool) -> Outcome:
    import mixedlm

    fit = mixedlm.lmer(formula, data, REML=reml)
    return float(fit.deviance), getattr(fit, "n_iter", None)


def statsmodels(formula: str, data: pd.DataFrame, reml: bool) -> Outcome:
    import statsmodels.formula.api as smf

    fixed, _, random = formula.partition("+ (") if "+ (" in formula else (formula, "", "")
    expression, _, group = random.rstrip(") ").partition("|")
    model = smf.mixedlm(fixed, data, groups=group.strip(), re_formula="~" + expression)
    return -2.0 * float(model.fit(reml=reml).llf), None


def gpboost(formula: str, data: pd.DataFrame, reml: bool, **options: Any) -> Outcome:
    """Maximum likelihood whatever `reml`, and slopes without correlations: it has no others."""
    import gpboost as gpb
    from formulaic import model_matrix

    left, _, right = formula.partition("~")
    terms = re.findall(r"\(([^|()]+)\|\s*(\w+)\s*\)", right)
    fixed = re.sub(r"\+?\s*\([^()]*\|[^()]*\)", "", right).strip() or "1"
    slopes, owners = [], []
    for i, (expression, _) in enumerate(terms):
        basis = np.asarray(model_matrix(expression, data), dtype=np.float64)
        slopes.append(basis[:, 1:])
        owners += [i + 1] * (basis.shape[1] - 1)
    extra = {}
    if owners:
        extra = {
            "group_rand_coef_data": np.column_stack(slopes),
            "ind_effect_group_rand_coef": owners,
        }
    groups = np.column_stack([data[group].cat.codes for _, group in terms])
    model = gpb.GPModel(group_data=groups, likelihood="gaussian", **extra, **options)
    X = np.asarray(model_matrix(fixed, data), dtype=np.float64)
    model.fit(y=data[left.strip()].to_numpy(), X=X)
    return 2.0 * float(model.get_current_neg_log_likelihood()), model._get_num_optim_iter()


PROGRAMS = {
    "lmforms": Program("lmforms.model", lmforms),
    "lmforms (cg)": Program("lmforms.model", partial(lmforms, factor="cg")),
    "lmforms (cholmod)": Program("lmforms.model", partial(lmforms, factor="cholmod")),
    "mixedlm": Program("mixedlm", mixedlm),
    "gpboost": Program("gpboost", gpboost),
    "gpboost (Cholesky)": Program("gpboost", partial(gpboost, matrix_inversion_method="cholesky")),
    "statsmodels": Program("statsmodels.formula.api", statsmodels),
}


def optimum(formula: str, data: pd.DataFrame, reml: bool, **options: Any) -> Any:
    """lmforms' evaluation at the optimum, in the engine's own units."""
    import lmforms as lf

    fit = lf.lmer(formula, data, reml=reml, control=lf.Control(**options))
    if not fit.converged:
        raise RuntimeError(fit.optimizer.message)
    return fit.state.estimate.optimum.evaluation


def evaluation_seconds(at: Any, repeats: int = 15) -> float:
    """One evaluation with gradient and information, cross-products at hand: the median."""
    from lmforms.engine.criterion.evaluate import differentiate, evaluate
    from lmforms.engine.linalg.threads import limited_blas_threads

    problem, theta = at.problem, at.theta
    with limited_blas_threads(problem.system.m):
        differentiate(evaluate(problem, theta))
        return timed(lambda: differentiate(evaluate(problem, theta)), repeats)


def timed(call: Callable[[], Any], repeats: int) -> float:
    """The median of several calls, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
