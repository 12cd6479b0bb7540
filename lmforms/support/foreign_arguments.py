"""Argument names of R and statsmodels, and their equivalents here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..errors import ArgumentError

RENAMED_ARGUMENTS: dict[str, tuple[str, str]] = {
    "reml": ("reml", "reml=True or reml=False"),
    "ml": ("reml", "reml=False for maximum likelihood"),
    "newdata": ("data", "predict(data=new)"),
    "exog": ("data", "predict(data=new)"),
    "re_form": ("random", "random='none' without and random='all' with all random effects"),
    "reform": ("random", "random='none' without and random='all' with all random effects"),
    "re_formula": ("random", "random='none' without and random='all' with all random effects"),
    "allow_new_levels": (
        "new_levels",
        "new_levels='zero', which predicts them without random effects",
    ),
    "na_action": ("missing", "missing='drop' or missing='raise'"),
    "alpha": ("level", "level=0.95 for alpha=0.05"),
    "conf_level": ("level", "level=0.95"),
    "confidence_level": ("level", "level=0.95"),
    "nsim": ("n", "n=1000"),
    "nboot": ("n", "n=1000"),
    "n_boot": ("n", "n=1000"),
    "use_u": ("random", "random='fitted' for use.u=TRUE, in simulate()"),
    "lmer_df": ("ddf", "ddf='kenward-roger' or ddf='satterthwaite'"),
    "specs": ("spec", "emmeans('f')"),
    "newresp": ("y", "refit(y=new)"),
    "ziformula": ("zero_inflation", "zero_inflation='~ x'"),
    "zi_formula": ("zero_inflation", "zero_inflation='~ x'"),
    "dispformula": ("dispersion", "dispersion='~ x'"),
    "start_params": ("start", "start=fit.theta"),
}
"""Names of arguments that are called otherwise here: the one to use, and how."""

UNAVAILABLE_ARGUMENTS: dict[str, str] = {
    "groups": "the grouping stands in the formula: 'y ~ x + (1 | g)' for groups='g'",
    "random": "random terms stand in the formula: 'y ~ x + (x | g)'",
    "fixed": "fixed effects stand in the formula: 'y ~ x + (1 | g)'",
    "re_formula": "random effects stand in the formula: '(x | g)' for re_formula='~x'",
    "vc_formula": "variance components are random terms: 'y ~ x + (1 | g) + (1 | h)'",
    "exog_re": "random effects stand in the formula: 'y ~ x + (x | g)'",
    "exog_vc": "variance components are random terms: 'y ~ x + (1 | g) + (1 | h)'",
    "endog": "the response stands in the formula: 'y ~ x + (1 | g)'",
    "exog": "predictors stand in the formula: 'y ~ x + (1 | g)'",
    "family": "other families are fitted by lf.glmer(formula, data, family='poisson'), say",
    "link": "links belong to lf.glmer(formula, data, family='binomial', link='probit'), say",
    "nagq": "quadrature is for lf.glmer(…, nagq=11); linear models need none: leave it out",
    "type": "predictions of a linear model are on the scale of the response: leave it out",
    "subset": "select the rows of the data before, as in data[data['x'] > 0]",
    "se_fit": "standard errors are a column of fit.predict(new, interval='confidence')",
    "interval": "intervals are fit.conf_int() and fit.predict(new, interval='confidence')",
    "correlation": "correlations are residual='ar1(time | group)', say",
    "cor": "correlations are residual='ar1(time | group)', say",
    "rcov": "correlations are residual='ar1(time | group)', say",
    "repeated": "correlations are residual='us(visit | group)', say",
    "cov_struct": "correlations are residual='ar1(time | group)', say",
    "covariance": "correlations are residual='us(visit | group)', say",
    "dispformula": "variances are residual='idh(f)' or residual='power(x)', say",
    "optimizer": "the package has an optimiser of its own: leave it out",
    "verbose": "how the optimiser ended stands in fit.optimizer: leave it out",
    "full_output": "how the optimiser ended stands in fit.optimizer: leave it out",
    "maxiter": "the limit is control=lmforms.Control(max_evaluations=500)",
    "max_iterations": "the limit is control=lmforms.Control(max_evaluations=500)",
    "optctrl": "options of the engine are control=lmforms.Control(…)",
    "tol": "the tolerance is control=lmforms.Control(tolerance=1e-8)",
    "seed": "the seed is control=lmforms.Control(seed=1)",
    "memory": "the limit is control=lmforms.Control(memory=2**33)",
    "use_sqrt": "θ is always a Cholesky factor: leave it out",
    "cov_pen": "no penalty is available: leave it out",
    "fe_pen": "no penalty is available: leave it out",
    "allow_new_levels": "new levels are a matter of predict(data, new_levels='zero')",
    "parm": "all fixed effects have a row: select them by .loc",
    "ddf": "degrees of freedom belong to results: fit.summary(ddf='kenward-roger')",
}
"""Names of arguments that do not exist here, and how to do the same."""

FIT_ARGUMENTS = {
    "reml": "it belongs to fit(reml=…)",
    "method": "it belongs to fit(method=…)",
    "start": "it belongs to fit(start=…)",
    "control": "it belongs to fit(control=…)",
}
"""Arguments of `lmer` that are not those of `MixedModel`."""

_OPTIMISERS = (
    *("lbfgs", "l-bfgs-b", "bfgs", "powell", "cg", "nm", "nelder-mead", "nelder_mead"),
    *("basinhopping", "bobyqa", "nlminb", "nloptwrap", "optim", "minqa"),
)
_METHODS = {
    "ml": "for maximum likelihood write reml=False instead",
    "reml": "for restricted maximum likelihood write reml=True instead, or nothing",
    **dict.fromkeys(_OPTIMISERS, "the package has an optimiser of its own: leave `method` out"),
}


def hint(name: str, known: Collection[str], function: str) -> str:
    """What to write for a word of R or statsmodels, or an empty string.

    Parameters
    ----------
    name : str
        Of the argument that `function` does not have.
    known : collection of str
        Those it has.
    function : str
        Its name.

    Examples
    --------
    >>> hint("REML", ["formula", "reml"], "lmer")
    ' Did you mean `reml`? As in reml=True or reml=False.'
    """
    word = name.lower().replace(".", "_")
    if function == "MixedModel" and word in FIT_ARGUMENTS:
        return f" In two steps {FIT_ARGUMENTS[word]}."
    other, how = RENAMED_ARGUMENTS.get(word, ("", ""))
    if other in known:
        return f" Did you mean `{other}`? As in {how}."
    if function == "MixedModelResults.residuals" and word == "type":
        return " Did you mean `kind`? As in kind='response', 'pearson' or 'scaled'."
    way = UNAVAILABLE_ARGUMENTS.get(word)
    return f" {way[0].upper()}{way[1:]}." if way else ""


def refuse_method(method: Any) -> None:
    """Say what stands for a criterion or an optimiser that other packages have as `method`.

    Raises
    ------
    ArgumentError
    """
    said = _METHODS.get(method.lower()) if isinstance(method, str) else None
    if said is not None:
        raise ArgumentError(f"method={method!r} is unknown: {said}.")


def refuse_options(control: Any) -> None:
    """Say how options are given, if they come as a mapping (R's ``lmerControl``).

    Raises
    ------
    ArgumentError
    """
    if isinstance(control, (str, Mapping)):
        raise ArgumentError(
            f"control must be a lmforms.Control, not {type(control).__name__}: write "
            "control=lmforms.Control(max_evaluations=500), say, or leave it out."
        )
