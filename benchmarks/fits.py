"""How each Python peer fits a formula, as a user would: one function each."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import exchange
import generalized_fits as generalized
import numpy as np
import pandas as pd

Outcome = tuple[float, int | None]
Fit = Callable[[str, pd.DataFrame, bool], Outcome]
"""−2 log-likelihood (restricted or not), and evaluations or iterations if the peer tells."""


@dataclass(frozen=True)
class Program:
    """A peer: what is imported and read before the clock starts, and what is timed."""

    module: str
    fit: Fit
    read: Callable[[Path], Any] = exchange.read


def lmforms(formula: str, data: pd.DataFrame, reml: bool, **options: Any) -> Outcome:
    import lmforms as lf

    fit = lf.lmer(formula, data, reml=reml, control=lf.Control(**options))
    return fit.criterion, fit.optimizer.n_evaluations


def lmforms_with_df(formula: str, data: pd.DataFrame, reml: bool) -> Outcome:
    """With Satterthwaite's degrees of freedom, which a fit finds when they are asked for."""
    import lmforms as lf

    fit = lf.lmer(formula, data, reml=reml)
    _ = fit.pvalues
    return fit.criterion, fit.optimizer.n_evaluations


def lmforms_many(formula: str, data: Any, reml: bool, tests: bool = False) -> Outcome:
    """All responses at once; the criterion is the sum over those that R's loops fit, too."""
    import lmforms as lf

    frame, responses, loop = data
    many = lf.lmer_many(formula, frame, responses, reml=reml)
    if tests:
        _ = many.pvalues
    return float(np.sum(many.fits["criterion"][:loop])), None


def read_many(folder: Path) -> tuple[pd.DataFrame, np.ndarray, int]:
    """A frame with many responses, and how many of them R's loops fit."""
    return (exchange.read(folder), *exchange.read_responses(folder))


def glmm(formula: str, data: pd.DataFrame, reml: bool, **options: Any) -> Outcome:
    """Its degrees of freedom, which it finds with every fit, only when they are asked for."""
    import glmm

    fit = glmm.fit(data, formula, reml=reml, **options)
    return -2.0 * float(fit.loglik), fit.n_eval


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
    terms = re.findall(r"\(([^|()]+)\|\s*([\w/]+)\s*\)", right)
    fixed = re.sub(r"\+?\s*\([^()]*\|[^()]*\)", "", right).strip() or "1"
    groups: list[Any] = []
    slopes, owners = [], []
    for expression, names in terms:
        basis = np.asarray(model_matrix(expression, data), dtype=np.float64)
        for codes in nested_codes(data, names):
            groups.append(codes)
            slopes.append(basis[:, 1:])
            owners += [len(groups)] * (basis.shape[1] - 1)
    extra = {}
    if owners:
        extra = {
            "group_rand_coef_data": np.column_stack(slopes),
            "ind_effect_group_rand_coef": owners,
        }
    group_data = np.column_stack(groups)
    model = gpb.GPModel(group_data=group_data, likelihood="gaussian", **extra, **options)
    X = np.asarray(model_matrix(fixed, data), dtype=np.float64)
    model.fit(y=data[left.strip()].to_numpy(), X=X)
    return 2.0 * float(model.get_current_neg_log_likelihood()), model._get_num_optim_iter()


def nested_codes(data: pd.DataFrame, names: str) -> list[Any]:
    """A number per row for the level of a factor, or of each of nested ones: ``a/b``."""
    outer, *inner = names.split("/")
    codes = [data[outer].cat.codes]
    for name in inner:
        factor = data[name].cat
        codes.append(codes[-1].astype(np.int64) * len(factor.categories) + factor.codes)
    return codes


GENERALIZED = "lmforms.generalized_model"
PROGRAMS = {
    "lmforms": Program("lmforms.model", lmforms),
    "lmforms (cg)": Program("lmforms.model", partial(lmforms, factor="cg")),
    "lmforms (cholmod)": Program("lmforms.model", partial(lmforms, factor="cholmod")),
    "lmforms (df)": Program("lmforms.model", lmforms_with_df),
    "lmforms (compiled)": Program("lmforms.model", partial(lmforms, compiled=True)),
    "lmforms (not compiled)": Program("lmforms.model", partial(lmforms, compiled=False)),
    "lmer_many": Program("lmforms.many", lmforms_many, read_many),
    "lmer_many (p-values)": Program("lmforms.many", partial(lmforms_many, tests=True), read_many),
    "lmforms (generalized)": Program(
        GENERALIZED, partial(generalized.lmforms, bse=False), generalized.read_model
    ),
    "lmforms (generalized, bse)": Program(
        GENERALIZED, partial(generalized.lmforms, bse=True), generalized.read_model
    ),
    "lmforms (generalized, nagq=0)": Program(
        GENERALIZED, partial(generalized.lmforms, bse=False, nagq=0), generalized.read_model
    ),
    "lmforms (bootstrap)": Program(GENERALIZED, generalized.bootstrap, generalized.read_fit),
    "glmm (generalized)": Program("glmm", generalized.glmm, generalized.read_model),
    "mixedlm": Program("mixedlm", mixedlm),
    "glmm": Program("glmm", partial(glmm, satterthwaite=False)),
    "glmm (df)": Program("glmm", partial(glmm, satterthwaite=True)),
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
