"""`MixedModel` and `lmer`: formula and data in, fitted model out."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from .control import Control, control_of, method_of
from .data.changed_formula import (
    ModelChanges,
    changed_formula_data,
    column_advice,
    response_of,
)
from .data.design import Design
from .data.frame import Missing
from .data.read import FormulaData, read_formula_data
from .engine.estimate import Estimate, estimate
from .errors import ArgumentError
from .model_estimate import model_estimate
from .relationship.model_relationships import changed_relationship, related_design
from .relationship.priors import priors_of
from .residual.specification import ResidualSpec
from .results.given_theta import checked_theta
from .results.model_results import MixedModelResults
from .results.settled_variances import settled
from .results.state import FitState
from .results.status_warnings import warn_of_status
from .results.unknown_names import UnknownNames
from .sources.lookup import source_of
from .stream.fit_stream import are_sums, fit_stream
from .support.arguments import flag, named_arguments
from .support.arrays import FloatArray

if TYPE_CHECKING:
    from .stream.model_sums import ModelSums


class MixedModel(UnknownNames):
    """A linear mixed model, read and checked, ready to be fitted.

    Parameters
    ----------
    formula : str
        R-like, for example ``"y ~ x + (x | g)"``. A formula without random terms is
        fitted as an ordinary (weighted) linear model, so that the two can be compared.
    data : pandas, polars or pyarrow table, or mapping of arrays
    weights : str or array (n,), optional
        Var(e_i) = σ²/w_i. A column's name or an array; used as given, never normalised. Rows
        of a Series are found by their labels.
    offset : str or array (n,), optional
        As `weights`: known part of the linear predictor, added to any ``offset()`` of the formula.
    contrasts : mapping, optional
        Coding of factors in the fixed and random expressions: column name to
        ``"contr.sum"``, ``"contr.helmert"``, ``"contr.poly"``, …, ``"treatment(late)"`` with
        another reference level, or a contrast matrix.
        The default is treatment coding, for ordered factors too.
    missing : {"drop", "raise"}
        Rows with missing values are dropped with a warning that counts them, or refused.
    residual : str or ResidualSpec, optional
        Correlations and variances of the residuals, as text or an object of
        :mod:`lmforms.residual`: ``"us(visit | subject)"``, ``"ar1(row):ar1(col)"``,
        ``"ar1(time | subject) * idh(sex)"``. Columns before the bar are times, visits or places
        of the rows, which may come in any order; those after it are the series.
    relationship : mapping, optional
        Known covariance K of the levels of a grouping factor, by its name: a labelled square
        frame, a (matrix, labels) pair, a :class:`lmforms.relationship.Relationship` or a
        :class:`lmforms.relationship.Pedigree`. Its random effects have covariance σ_i²K;
        levels without rows are predicted too. K may be singular. The name of a single term,
        ``{"1 | animal": K}``, relates the levels of this term alone, of two equal ones the
        first, and its results are under that name.
    context : mapping, optional
        Names that calls in the formula may use. The caller's own variables by default.

    Attributes
    ----------
    formula : MixedFormula
    design : Design
        y, X, Z with labels.
    relationship : dict of str to Relationship

    Raises
    ------
    FormulaError, ColumnError, DataError, ModelError, ArgumentError, RelationshipError

    Examples
    --------
    >>> import lmforms as lf
    >>> model = lf.MixedModel("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
    >>> round(model.fit(reml=True).criterion, 4)
    -89.4292
    """

    @named_arguments
    def __init__(
        self,
        formula: str,
        data: Any,
        *,
        weights: str | npt.ArrayLike | None = None,
        offset: str | npt.ArrayLike | None = None,
        contrasts: Mapping[str, Any] | None = None,
        missing: Missing = "drop",
        residual: str | ResidualSpec | None = None,
        relationship: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        formula_data = read_formula_data(
            formula,
            data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            missing=missing,
            residual=residual,
            context=context,
        )
        self._set(formula_data, relationship)

    def _set(self, formula_data: FormulaData, relationship: Any) -> None:
        self.formula = formula_data.formula
        self.design, self.relationship = related_design(formula_data, relationship)

    _label, _fitted = "a model", MixedModelResults

    @classmethod
    @named_arguments
    def of(cls, formula_data: FormulaData, relationship: Any = None) -> MixedModel:
        """A model of a formula and data that have been read: see :mod:`lmforms.data.read`."""
        model = cls.__new__(cls)
        model._set(formula_data, relationship)
        return model

    def __repr__(self) -> str:
        return f"<MixedModel {self.design.description}; fit it by .fit()>"

    @named_arguments
    def fit(
        self,
        *,
        reml: bool = True,
        start: npt.ArrayLike | MixedModelResults | None = None,
        control: Control | None = None,
        method: str = "auto",
    ) -> MixedModelResults:
        """Estimate the model.

        Parameters
        ----------
        reml : bool
            Restricted maximum likelihood (default) or maximum likelihood.
        start : array or MixedModelResults, optional
            θ to start from, in the order of ``results.theta``, or a fit to take it from.
        control : Control, optional
            Options of the engine.
        method : str
            ``"auto"``, or an estimator of :mod:`lmforms.varcomp` for models whose random
            terms are single variances: ``"ai"``, ``"newton"``, ``"fisher"``, ``"em"``,
            ``"em-fixed-point"``, ``"em-henderson"``, ``"quasi-newton"``, ``"emma"`` (one term).
            All reach the same optimum; `auto` is the fastest. ``"gibbs"`` reports the joint
            posterior mode under flat priors, with Monte-Carlo error (``Control(seed=…)``).

        Returns
        -------
        MixedModelResults

        Warns
        -----
        ConvergenceWarning, IdentificationWarning, SingularWarning, BoundWarning
        """
        return self._fit(self.design.y, reml=reml, start=start, control=control, method=method)

    def _fit(
        self,
        y: FloatArray,
        *,
        reml: bool,
        start: npt.ArrayLike | MixedModelResults | None,
        control: Control | None,
        method: str,
        phi: FloatArray | None = None,
    ) -> MixedModelResults:
        method, options, reml = method_of(method), control_of(control), flag("reml", reml)
        begin = None if start is None else checked_theta(self.design, start)

        def state_of(design: Design, begin: Any, phi: FloatArray | None) -> FitState:
            model = self if design is self.design else self._of_design(design)
            nearby = model is not self  # a further round
            found = model_estimate(
                design,
                self.relationship,
                y,
                reml=reml,
                start=begin,
                control=options,
                method=method,
                phi=phi,
                nearby=nearby,
            )
            return _state(model, found, y, options, method)

        state, spec = state_of(self.design, begin, phi), self.design.residual_spec
        if spec is not None and spec.depends_on_fitted:
            state = settled(state, state_of)
        model = self if state.design is self.design else self._of_design(state.design)
        results = MixedModelResults(model, state)
        warn_of_status(results, state.estimate.message)
        return results

    def _of_design(self, design: Design) -> MixedModel:
        other = copy(self)
        other.design = design
        return other

    def _refit(
        self,
        response: FloatArray,
        *,
        reml: bool,
        start: npt.ArrayLike | None,
        control: Control,
        method: str,
        phi: FloatArray | None = None,
        optimize: bool = True,
        design: Design | None = None,
    ) -> MixedModelResults:
        """See :class:`lmforms.results.state.Refit`."""
        model = self if design is None else self._of_design(design)
        options: dict[str, Any] = {"reml": reml, "control": control, "method": method, "phi": phi}
        if optimize:
            return model._fit(response, start=start, **options)
        state = state_at(model, start, response, **options)
        return MixedModelResults(model, state)

    def _update(
        self,
        state: FitState,
        changes: ModelChanges,
        *,
        reml: bool,
        start: npt.ArrayLike | None = None,
        control: Control | None = None,
        method: str | None = None,
    ) -> MixedModelResults:
        """See :class:`lmforms.results.state.Update`."""
        with column_advice(changes):
            formula_data = changed_formula_data(state.design, changes)
            before, after = state.design.bound.random, formula_data.bound.random
            relationship = changed_relationship(
                state.relationship, before, after, changes.relationship
            )
            model = MixedModel.of(formula_data, relationship)
        response = response_of(state.design, state.response, model.design)
        options: dict[str, Any] = {"reml": reml, "start": start}
        options["method"] = state.method if method is None else method
        if control is not None or state.control.factor != "cg":
            return model._fit(response, control=control or state.control, **options)
        try:
            return model._fit(response, control=state.control, **options)
        except ArgumentError:  # conjugate gradients do not suit this model
            exact = replace(state.control, factor="auto")
            return model._fit(response, control=exact, **options)


def state_at(
    model: MixedModel,
    theta: npt.ArrayLike | None,
    response: FloatArray,
    *,
    reml: bool,
    control: Control,
    method: str,
    phi: FloatArray | None = None,
) -> FitState:
    """A model at a given θ, in the order of the formula, and φ, with β and σ profiled out."""
    by_group = checked_theta(model.design, theta, "theta")
    fitted = estimate(
        model.design.rows(response, phi),
        [g.covariance for g in model.design.groups],
        reml=reml,
        control=control,
        priors=priors_of(model.design, model.relationship),
        at=by_group,
    )
    return _state(model, fitted, response, control, method, optimized=False)


def _state(
    model: MixedModel,
    fitted: Estimate,
    response: FloatArray,
    control: Control,
    method: str,
    optimized: bool = True,
) -> FitState:
    return FitState(
        design=model.design,
        relationship=model.relationship,
        estimate=fitted,
        response=response,
        control=control,
        method=method,
        refit=model._refit,
        update=model._update,
        optimized=optimized,
    )


@named_arguments
def lmer(
    formula: str | ModelSums,
    data: Any = None,
    *,
    reml: bool = True,
    weights: str | npt.ArrayLike | None = None,
    offset: str | npt.ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    missing: Missing = "drop",
    residual: str | ResidualSpec | None = None,
    relationship: Mapping[str, Any] | None = None,
    method: str = "auto",
    start: npt.ArrayLike | MixedModelResults | None = None,
    control: Control | None = None,
    context: Mapping[str, Any] | None = None,
    levels: Mapping[str, Any] | None = None,
) -> MixedModelResults:
    """Fit a linear mixed model: :class:`MixedModel` and :meth:`MixedModel.fit` in one call.

    Parameters
    ----------
    formula : str or ModelSums
        R-like, for example ``"y ~ x + (x | g)"``; or the sums of a model, which know theirs.
    data : pandas, polars or pyarrow table, mapping of arrays, or source
        Rows in memory; or a source of rows, which are summed up and not kept: files, a database,
        chunks, see :func:`lmforms.summarise`.
    reml : bool
        Restricted maximum likelihood (default) or maximum likelihood.
    weights, offset, contrasts, missing, residual, relationship, context
        See :class:`MixedModel`.
    method, start, control
        See :meth:`MixedModel.fit`.
    levels : mapping of str to sequence, optional
        For sources: levels that are known, see :func:`lmforms.summarise`.

    Returns
    -------
    MixedModelResults

    References
    ----------
    Bates, Mächler, Bolker, Walker (2015), *Fitting Linear Mixed-Effects Models Using
    lme4*, J. Stat. Software 67(1).

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> fit.params.round(3)
    Intercept    251.405
    Days          10.467
    dtype: float64
    """
    model: dict[str, Any] = {
        "weights": weights,
        "offset": offset,
        "contrasts": contrasts,
        "missing": missing,
        "residual": residual,
        "relationship": relationship,
        "context": context,
    }
    options: dict[str, Any] = {"reml": reml, "start": start, "control": control, "method": method}
    if data is None and isinstance(formula, str):
        raise ArgumentError("lmer() needs the argument `data`.")
    source = source_of(data)
    if source is not None or are_sums(formula):
        rows = data if source is None else source
        return fit_stream(formula, rows, options, levels=levels, **model)
    if levels is not None:
        raise ArgumentError("levels= is for sources of rows: tables in memory show theirs.")
    return MixedModel(formula, data, **model).fit(**options)  # type: ignore[arg-type]
