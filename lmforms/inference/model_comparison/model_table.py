"""`model_table`: coefficients and variances of several fits side by side, as papers print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import ArgumentError
from ...results.state import FitState
from ...support.arguments import flag, named_arguments, proportion, short_repr
from ...tables.formats import TableFormats
from ...tables.number_format import (
    STARS_NOTE,
    aligned,
    criterion_texts,
    estimate_texts,
    fixed_decimals,
    star_texts,
)
from ...tables.shown import ShownResult, ShownTable, with_space_behind
from ..coefficients import coefficient_table
from ..diagnostics.variance_parts import variance_parts
from ..model_parameters import model_parameters, parameter_values
from .criteria import aic, bic, loglik

if TYPE_CHECKING:
    from ..degrees_of_freedom.methods import DfName, Information

DIGITS = 3
"""Significant digits of each standard error, and of each standard deviation and correlation."""

WAY = 'write {"(1)": fit1, "(2)": fit2}'


@dataclass(frozen=True, eq=False)
class ModelColumn:
    """One model of the table.

    Attributes
    ----------
    name, response : str
    fixed : DataFrame
        Coefficients: estimate, std_error, df, statistic, p_value, and limits if asked for.
    random : Series
        Standard deviations, correlations and other parameters by their names.
    statistics : dict of str to (value, text)
    """

    name: str
    response: str
    fixed: pd.DataFrame
    random: pd.Series
    statistics: dict[str, tuple[Any, str]]


@dataclass(frozen=True, eq=False, repr=False)
class ModelTable(TableFormats):
    """What :func:`lmforms.model_table` returns; print it, or let a notebook.

    Attributes
    ----------
    models : tuple of ModelColumn
    notes : tuple of str
    level : float or None
        Of the limits below the estimates; standard errors stand there without one.
    """

    models: tuple[ModelColumn, ...]
    notes: tuple[str, ...]
    level: float | None

    @property
    def frame(self) -> pd.DataFrame:
        """All numbers in full, a row for each of a model.

        Columns: ``model``, ``part`` (fixed, random or statistic), ``name``, ``estimate`` (of a
        statistic its value), and for the fixed effects those of the tests.
        """
        parts = []
        for model in self.models:
            fixed = pd.DataFrame(model.fixed).rename_axis("name").reset_index()
            parts.append(fixed.assign(model=model.name, part="fixed"))
            rest = {"random": model.random.to_dict()}
            rest["statistic"] = {name: value for name, (value, _) in model.statistics.items()}
            rows = [
                (k, name, v, model.name) for k, part in rest.items() for name, v in part.items()
            ]
            parts.append(pd.DataFrame(rows, columns=["part", "name", "estimate", "model"]))
        whole = pd.concat(parts, ignore_index=True)
        first = ["model", "part", "name"]
        return whole[first + [name for name in whole.columns if name not in first]]

    def _shown(self, stars: bool, digits: int | None) -> ShownResult:
        digits = DIGITS if digits is None else digits
        columns = [_texts(model, self.level is not None, stars, digits) for model in self.models]
        fixed = _union([list(model.fixed.index) for model in self.models])
        random = _union([list(model.random.index) for model in self.models])
        statistics = _union([list(model.statistics) for model in self.models])
        keys = [(name, line) for name in fixed for line in ("estimate", "below")]
        keys += [(name, "random") for name in random] + [(name, "statistic") for name in statistics]
        cells = [with_space_behind([column.get(key, "") for key in keys]) for column in columns]
        stubs = tuple("" if line == "below" else name for name, line in keys)
        rules = {2 * len(fixed), 2 * len(fixed) + len(random)} - {0, len(keys)}
        table = ShownTable(
            tuple(model.name for model in self.models),
            stubs,
            tuple(zip(*cells, strict=True)),
            "r" * len(self.models),
            spans=_spans([model.response for model in self.models]),
            rules=tuple(sorted(rules)),
        )
        below = "standard errors" if self.level is None else f"{100 * self.level:g} % limits"
        brackets = "parentheses" if self.level is None else "brackets"
        notes = (*[f"In {brackets}: {below}."] * bool(fixed), *self.notes)
        return ShownResult("", (table,), notes=(*notes, STARS_NOTE) if stars else notes)


@named_arguments
def model_table(
    models: Mapping[str, Any] | Sequence[Any],
    *,
    level: float | None = None,
    ddf: DfName = "satterthwaite",
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
    models : dict of str to MixedModelResults, or sequence
        With the headers of their columns; (1), (2), … for a sequence.
    level : float, optional
        Of confidence limits, which then take the place of the standard errors.
    ddf, information
        Degrees of freedom, and standard errors with them: see
        :meth:`lmforms.MixedModelResults.contrast`.
    r2 : bool
        Add the marginal and the conditional R².

    Returns
    -------
    ModelTable
        With `to_text`, `to_html`, `to_latex`, `to_markdown` and `to_typst`, which have
        ``labels=`` and ``stars=``, and `frame`, the numbers in full.

    Raises
    ------
    ArgumentError
        Something is no fit, or there is none.

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
    columns = []
    notes: dict[str, None] = {}
    for name, state in states.items():
        fixed = pd.DataFrame()
        if len(state.estimate.beta):
            fixed = coefficient_table(state, ddf, information, level)
            notes |= dict.fromkeys(n for n in fixed.notes if not n.startswith("Limits: "))
        if not state.optimized:
            notes[f"{name}: θ was given, not estimated."] = None
        if not state.estimate.is_factored:
            notes[f"{name}: the log-likelihood, AIC and BIC are estimates."] = None
        columns.append(
            ModelColumn(
                name,
                state.design.bound.formula.response.text,
                fixed,
                _random(state),
                _statistics(state, r2),
            )
        )
    return ModelTable(tuple(columns), tuple(notes), level)


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
    return pd.Series({p.name: v for p, v in values.items() if p.kind != "fixed"}, dtype=np.float64)


def _statistics(state: FitState, r2: bool) -> dict[str, tuple[Any, str]]:
    """What stands below: values and texts."""
    design = state.design
    numbers = {"log-likelihood": loglik(state), "AIC": aic(state), "BIC": bic(state)}
    out: dict[str, tuple[Any, str]] = {"N": (design.n, str(design.n))}
    for group in design.groups:
        out[f"levels of {group.name}"] = (len(group.levels), str(len(group.levels)))
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


def _texts(
    model: ModelColumn, limits: bool, stars: bool, digits: int
) -> dict[tuple[str, str], str]:
    """Cells of a model by name and kind of line."""
    out: dict[tuple[str, str], str] = {}
    for name, row in model.fixed.iterrows():
        columns = {key: [row[key]] for key in ("estimate", "lower", "upper") if key in row}
        texts = {k: v[0] for k, v in estimate_texts(columns, [row["std_error"]], digits).items()}
        marks = star_texts([row["p_value"]])[0] if stars else ""
        out[str(name), "estimate"] = texts["estimate"] + marks
        interval = f"[{texts['lower']}, {texts['upper']}]" if limits else ""
        out[str(name), "below"] = interval or f"({texts['std_error']})"
    for name, value in model.random.items():
        out[str(name), "random"] = "" if np.isnan(value) else aligned([value], digits)[0]
    for name, (_, text) in model.statistics.items():
        out[name, "statistic"] = text
    return out


def _union(lists: Sequence[Sequence[str]]) -> list[str]:
    """All names in one order: a new one before the next of its model that is there already."""
    out: list[str] = []
    for names in lists:
        for i, name in enumerate(names):
            if name not in out:
                following = [out.index(other) for other in names[i:] if other in out]
                out.insert(following[0] if following else len(out), name)
    return out


def _spans(responses: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Responses above the models that have them."""
    spans: list[tuple[str, int]] = []
    for response in responses:
        if spans and spans[-1][0] == response:
            spans[-1] = (response, spans[-1][1] + 1)
        else:
            spans.append((response, 1))
    return tuple(spans)
