"""`model_table`: coefficients and variances of several fits side by side, as papers print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import ArgumentError, ModelError
from ...glmm.fit import parameter_of
from ...results.state import FitState
from ...support.arguments import flag, named_arguments, proportion, short_repr
from ...tables.number_format import criterion_texts, fixed_decimals
from ..coefficients import coefficient_table
from ..diagnostics.variance_parts import variance_parts
from ..generalized import generalized_estimate
from ..model_parameters import model_parameters, parameter_values
from .criteria import aic, bic, loglik
from .fits_compared import family_text
from .model_display import ModelTable, ShownModel

if TYPE_CHECKING:
    from ..degrees_of_freedom.methods import DfName, Information

WAY = 'write {"(1)": fit1, "(2)": fit2}'


@named_arguments
def model_table(
    models: Mapping[str, Any] | Sequence[Any],
    *,
    level: float | None = None,
    ddf: DfName | None = None,
    information: Information | None = None,
    r2: bool = False,
) -> ModelTable:
    """Several fits side by side: a column for each, as papers print them.

    Coefficients with their standard errors or limits below; standard deviations and correlations
    of the random effects, and parameters of the residuals; rows, levels of each grouping factor,
    method, log-likelihood, AIC and BIC. Models may have different rows and responses; to say which
    is better, see :func:`lmforms.compare`, which checks that they can be compared.

    Parameters
    ----------
    models : dict of str to MixedModelResults or GeneralizedResults, or sequence
        With the headers of their columns; (1), (2), … for a sequence.
    level : float, optional
        Of confidence limits, which then take the place of the standard errors.
    ddf, information
        Degrees of freedom of linear models, and standard errors with them: see
        :meth:`lmforms.MixedModelResults.contrast`; Satterthwaite by default. Generalised models
        have normal tests.
    r2 : bool
        Add the marginal and the conditional R² of linear models.

    Returns
    -------
    ModelTable
        With `to_text`, `to_html`, `to_latex`, `to_markdown` and `to_typst`, which have
        ``labels=`` and ``stars=``, and `frame`, the numbers in full.

    Raises
    ------
    ArgumentError
        Something is no fit, or there is none.
    ModelError
        `ddf`, `information` or `r2` where all models, or one, are generalised.

    Examples
    --------
    >>> import lmforms as lf
    >>> sleep = lf.datasets.load("sleepstudy")
    >>> intercepts = lf.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    >>> slopes = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    >>> print(lf.model_table({"intercepts": intercepts, "slopes": slopes}))
                                          Reaction
                                    --------------------
                                    intercepts    slopes
    ----------------------------------------------------
    Intercept                          251.41    251.41
                                        (9.75)    (6.82)
    Days                               10.467     10.47
                                       (0.804)    (1.55)
    ----------------------------------------------------
    sd(Intercept | Subject)              37.1      24.7
    sd(Days | Subject)                             5.92
    cor(Intercept, Days | Subject)               0.0656
    sigma                                31.0      25.6
    ----------------------------------------------------
    N                                     180       180
    levels of Subject                      18        18
    method                               REML      REML
    log-likelihood                    −893.23   −871.81
    AIC                               1794.47   1755.63
    BIC                               1807.24   1774.79
    In parentheses: standard errors.
    Degrees of freedom: Satterthwaite, observed information.
    """
    named = _named(models)
    level = None if level is None else proportion("level", level)
    r2 = flag("r2", r2)
    states = {name: _state(name, fit) for name, fit in named.items()}
    _check_options(states, ddf, information, r2)
    columns = []
    notes: dict[str, None] = {}
    for name, state in states.items():
        fixed = pd.DataFrame()
        if len(state.estimate.beta):
            if state.family is not None:
                fixed = coefficient_table(state, "none", None, level)
            else:
                fixed = coefficient_table(state, ddf or "satterthwaite", information, level)
            notes |= dict.fromkeys(n for n in fixed.notes if not n.startswith("Limits: "))
        if not state.optimized:
            notes[f"{name}: θ was given, not estimated."] = None
        if not state.estimate.is_factored:
            notes[f"{name}: the log-likelihood, AIC and BIC are estimates."] = None
        columns.append(
            ShownModel(
                name,
                state.design.bound.formula.response.text,
                fixed,
                _random(state),
                _statistics(state, r2),
            )
        )
    return ModelTable(tuple(columns), tuple(notes), level)


def _check_options(states: Mapping[str, FitState], ddf: Any, information: Any, r2: bool) -> None:
    """Refuse options of linear models where they would have no meaning."""
    general = [name for name, state in states.items() if state.family is not None]
    if general and r2:
        raise ModelError(
            f"model_table: r2= is there for linear mixed models alone, and {general[0]!r} is a "
            "generalised one: leave it out."
        )
    if len(general) == len(states) and (information is not None or ddf not in (None, "none")):
        raise ModelError(
            "model_table: ddf= and information= are for linear mixed models; tests of generalised "
            "ones are normal: leave them out."
        )


def _named(models: Any) -> dict[str, Any]:
    """The models with their names."""
    if isinstance(models, Mapping):
        wrong = next((name for name in models if not isinstance(name, str) or not name), None)
        if wrong is not None:
            raise ArgumentError(f"model_table: {short_repr(wrong)} is no name: {WAY}.")
        named = dict(models)
    elif isinstance(models, (list, tuple)):
        named = {f"({i + 1})": fit for i, fit in enumerate(models)}
    else:
        raise ArgumentError(f"model_table: models={short_repr(models)}: {WAY}.")
    if not named:
        raise ArgumentError(f"model_table: there is no model: {WAY}.")
    return named


def _state(name: str, fit: Any) -> FitState:
    state = getattr(fit, "state", None)
    if isinstance(state, FitState):
        return state
    raise ArgumentError(f"model_table: {name} is no fitted model: {short_repr(fit)}; {WAY}.")


def _random(state: FitState) -> pd.Series:
    """Parameters but for the fixed effects, by the names that intervals and profiles have."""
    values = dict(zip(model_parameters(state), parameter_values(state), strict=True))
    general = state.family is not None
    left_out = ("fixed", "sigma") if general else ("fixed",)
    out = {p.name: v for p, v in values.items() if p.kind not in left_out}
    return pd.Series(out | (_of_family(state) if general else {}), dtype=np.float64)


def _of_family(state: FitState) -> dict[str, float]:
    """Parameters of the family, natural values; coefficients where they have a formula."""
    estimate = generalized_estimate(state)
    family, likelihood = estimate.family, estimate.likelihood
    parts = state.design.auxiliary.items()
    formulas = {parameter_of(family, argument): part.names for argument, part in parts}
    out: dict[str, float] = {}
    for j, (name, s) in enumerate(zip(family.parameter_names, likelihood.slices, strict=True)):
        own = estimate.coefficients[s]
        if name in formulas:
            each = zip(formulas[name], own.tolist(), strict=True)
            out |= {f"{name}: {column}": value for column, value in each}
        else:
            omega = np.zeros((len(family.parameter_names), 1))
            omega[j] = own
            out[name] = float(family.natural(omega)[j, 0])
    return out


def _statistics(state: FitState, r2: bool) -> dict[str, tuple[Any, str]]:
    """What stands below: values and texts."""
    design = state.design
    numbers = {"log-likelihood": loglik(state), "AIC": aic(state), "BIC": bic(state)}
    out: dict[str, tuple[Any, str]] = {"N": (design.n, str(design.n))}
    for group in design.groups:
        out[f"levels of {group.name}"] = (len(group.labels), str(len(group.labels)))
    if state.family is not None:
        text = family_text(state)
        out["family"] = (text, text)
    method = "REML" if state.estimate.reml else "ML"
    out["method"] = (method, method)
    texts = criterion_texts(list(numbers.values()))
    out |= dict(zip(numbers, zip(numbers.values(), texts, strict=True), strict=True))
    if r2:
        parts = variance_parts(state)
        shares = {"R², marginal": parts.marginal_r2, "R², conditional": parts.conditional_r2}
        texts = fixed_decimals(list(shares.values()), 3)
        out |= dict(zip(shares, zip(shares.values(), texts, strict=True), strict=True))
    return out
