"""`anova`: likelihood-ratio tests between fitted models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pandas as pd

from ...errors import ArgumentError
from ...support.arguments import flag, generator, named_arguments, whole_number
from ...tables.result_table import ResultTable
from ..bootstrap.likelihood_ratios import bootstrap_p_values
from .criteria import npar
from .fits_compared import (
    ComparedFit,
    check_reml,
    check_weights,
    compared_fits,
    same_fixed_columns,
)
from .generalized_fits import (
    bound_notes,
    check_families,
    check_generalized,
    family_nesting,
    has_same_family,
    quadrature_notes,
)
from .likelihood_ratio import (
    CHI_SQUARED_NOTE,
    LEAST_EXCESS,
    MIXTURE_NOTE,
    NO_TEST,
    LikelihoodRatio,
    fit_notes,
    likelihood_columns,
    likelihood_ratio,
)
from .nested_models import one_variance_more, why_not_nested
from .nested_residuals import has_same_residuals, residual_nesting
from .refits import by_criterion


@named_arguments
def anova(
    *fits: Any,
    names: Sequence[str] | None = None,
    refit: bool = True,
    bootstrap: int | None = None,
    seed: Any = None,
    progress: bool = False,
    **named: Any,
) -> ResultTable:
    """Likelihood-ratio tests between models, each against the next smaller one.

    Parameters
    ----------
    *fits, **named : MixedModelResults or GeneralizedResults
        Two or more, of one response on the same rows. Keywords are their names in the table:
        ``lf.anova(intercepts=fit1, slopes=fit2)``.
    names : sequence of str, optional
        Names of `fits`; their formulas by default.
    refit : bool
        Refit REML fits by maximum likelihood, as lme4 does. Without it REML fits must have the
        same fixed effects: only random effects and residual structures can be tested by REML.
    bootstrap : int, optional
        Number of responses that are drawn under the smaller model of each test and fitted by both
        models: `p_value_bootstrap` needs no distribution of the statistic.
    seed : int or anything else :func:`numpy.random.default_rng` takes
        For `bootstrap`: the same seed gives the same p-values.
    progress : bool
        For `bootstrap`: whether tqdm shows a bar.

    Returns
    -------
    ResultTable
        A row for each model, ordered by the number of parameters. Columns: ``npar``,
        ``criterion`` (−2 × log-likelihood), ``loglik``, ``aic``, ``bic``; ``statistic``, ``df``,
        ``p_value`` of the test against the row above; and ``p_value_mixture``, which takes into
        account that a variance cannot be negative: it is there if the two models have the same
        fixed effects and the larger has the random terms of the smaller and one effect more,
        whose variance has q covariances, and is that of ½χ²_q + ½χ²_{q+1}. Without further
        parameters, or if the models are not nested, there is no p-value. Residual structures are
        nested by :data:`lmforms.inference.model_comparison.nested_residuals.WITHIN`: independent
        ones within all, ``cs`` within ``toep`` within ``corsymm`` within ``us``, and so on. Where
        a parameter of the larger one is at a bound in the smaller, such as a range of 0, a note
        says that χ² is not the distribution. With `bootstrap`, ``p_value_bootstrap`` is
        (1 + m)/(1 + b), m the number of b drawn statistics that are at least the observed one.

    Raises
    ------
    ArgumentError
        Fewer than two fits.
    DataError
        Different rows, responses or weights.
    ModelError
        With ``refit=False``: REML fits with different fixed effects, or among ML fits. With
        `bootstrap`: a fit that did not converge, or was made by conjugate gradients. Linear with
        generalised models; generalised ones with different ``nagq``, or with links or families
        neither of which is within the other.

    References
    ----------
    Halekoh, Højsgaard (2014), *A Kenward–Roger Approximation and Parametric Bootstrap Methods for
    Tests in Linear Mixed Models – The R Package pbkrtest*, J. Stat. Software 59(9), for
    `bootstrap`.

    Self, Liang (1987), *Asymptotic Properties of Maximum Likelihood Estimators and Likelihood Ratio
    Tests Under Nonstandard Conditions*, JASA 82(398).

    Stram, Lee (1994), *Variance Components Testing in the Longitudinal Mixed Effects Model*,
    Biometrics 50(4).

    Examples
    --------
    >>> import lmforms as lf
    >>> slopes = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> intercepts = slopes.update("~ . - (Days | Subject) + (1 | Subject)")
    >>> table = lf.anova(intercepts=intercepts, slopes=slopes)
    >>> table[["npar", "loglik", "statistic", "df"]].round(3)
                npar   loglik  statistic   df
    intercepts     4 -897.039        NaN  NaN
    slopes         6 -875.970     42.139  2.0
    """
    compared = compared_fits(
        "anova",
        fits,
        named,
        names,
        options=("refit", "bootstrap", "seed", "progress"),
        alone="F tests of the terms of one fit are fit.anova().",
    )
    refit, progress = flag("refit", refit), flag("progress", progress)
    if bootstrap is None:
        if seed is not None or progress:
            raise ArgumentError("anova: `seed` and `progress` are for bootstrap=, which is absent.")
    else:
        bootstrap = whole_number("bootstrap", bootstrap, least=1)
    rng = generator("seed", seed)
    general = check_generalized("anova", compared)
    check_weights("anova", compared)
    notes = quadrature_notes(compared) if general else []
    if refit:
        restricted = [fit for fit in compared if fit.state.estimate.reml]
        compared = [replace(fit, state=by_criterion(fit.state, reml=False)) for fit in compared]
        if restricted:
            notes.append(f"Refitted by maximum likelihood: {len(restricted)} of {len(compared)}.")
    check_reml("anova", compared, "Leave refit=False out: they are then refitted by ML.")
    compared = sorted(compared, key=lambda fit: npar(fit.state))
    tests = [NO_TEST]
    for small, large in pairwise(compared):
        test, note = _test(small, large)
        tests.append(test)
        notes += note
    columns = dict(likelihood_columns([fit.state for fit in compared], tests))
    if bootstrap is not None:
        found, more = bootstrap_p_values(compared, tests, bootstrap, rng, progress)
        columns["p_value_bootstrap"] = found.tolist()
        notes += more
    kind = "REML" if compared[0].state.estimate.reml else "maximum likelihood"
    mixture = [MIXTURE_NOTE] if any(t.p_value_mixture >= 0 for t in tests) else []
    return ResultTable(
        columns,
        index=pd.Index([fit.name for fit in compared]),
        title=f"Likelihood-ratio tests, {kind}",
        notes=[
            f"{CHI_SQUARED_NOTE}, against the row above.",
            *mixture,
            *notes,
            *fit_notes({fit.name: fit.state for fit in compared}),
        ],
    )


def _test(small: ComparedFit, large: ComparedFit) -> tuple[LikelihoodRatio, list[str]]:
    """The test of two models, and what is to be said of it."""
    notes = []
    if npar(small.state) == npar(large.state):
        if small.state.family is not None:
            check_families("anova", small, large)
        return likelihood_ratio(small.state, large.state), [
            f"No test of {large.name}: it has as many parameters as {small.name}."
        ]
    general = small.state.family is not None
    outside = why_not_nested(small, large)
    if general:
        check_families("anova", small, large)
        if not outside and not family_nesting(small, large).within:
            outside = "its family"
    if outside:
        notes.append(f"No test of {large.name}: {small.name} is not within it, by {outside}.")
    first, second = small.state.estimate, large.state.estimate
    excess = second.criterion - first.criterion
    noise = 3.0 * (first.criterion_se + second.criterion_se)
    if not outside and excess > LEAST_EXCESS + noise:
        notes.append(
            f"{large.name} fits worse by {excess:.3g} than {small.name}, which is within it: its "
            "optimum was not found."
        )
    one_variance = (
        not outside
        and same_fixed_columns(small, large)
        and (has_same_family if general else has_same_residuals)(small, large)
        and one_variance_more(small, large)
    )
    if not outside:
        notes += (bound_notes if general else _bound_notes)(small, large)
    test = likelihood_ratio(small.state, large.state, nested=not outside, one_variance=one_variance)
    return test, notes


def _bound_notes(small: ComparedFit, large: ComparedFit) -> list[str]:
    """That a parameter of the larger structure of residuals has no inside value in the smaller."""
    found = residual_nesting(small, large).bounds
    if not found:
        return []
    names = " and ".join(dict.fromkeys(found))
    return [
        f"In {small.name}, the residual parameter {names} of {large.name} is at its bound or says "
        "nothing, so that p_value is approximate: simulate it, or compare by AIC."
    ]
