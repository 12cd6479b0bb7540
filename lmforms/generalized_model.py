"""`GeneralizedMixedModel` and `glmer`: formula, data and family in, fitted model out."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy.typing as npt

from .control import Control, control_of
from .data.changed_formula import ModelChanges, changed_formula_data, column_advice
from .data.frame import Missing
from .data.observed_response import ObservedResponse
from .data.read import FormulaData, read_formula_data
from .errors import ModelError, NumericalError
from .glmm.families.base import Family
from .glmm.families.links import Link
from .glmm.families.lookup import family_of
from .glmm.families.truncation import Truncated
from .glmm.families.zeros import Hurdle, ZeroInflated
from .glmm.fit import (
    advice_on_failure,
    checked_nagq,
    fit_generalized,
    likelihood_of,
    parameter_of,
    response_kind,
    settled_family,
)
from .relationship.model_relationships import changed_relationship, related_design
from .results.generalized.generalized_results import GeneralizedResults
from .results.generalized.separated_columns import separation_message
from .results.given_theta import checked_theta
from .results.state import FitState
from .results.unknown_names import UnknownNames
from .support.arguments import named_arguments


class GeneralizedMixedModel(UnknownNames):
    """A generalised linear mixed model, read and checked, ready to be fitted.

    Parameters
    ----------
    formula, data
        As for :func:`glmer`.
    family, link, weights, offset, dispersion, zero_inflation, contrasts, missing, relationship, \
context
        As for :func:`glmer`.

    Attributes
    ----------
    formula : MixedFormula
    design : Design
    family : Family
    link : Link
    relationship : dict of str to Relationship

    Examples
    --------
    >>> import lmforms as lf
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> model = lf.GeneralizedMixedModel(formula, lf.datasets.load("cbpp"), family="binomial")
    >>> round(model.fit().criterion, 4)
    184.0526
    """

    @named_arguments
    def __init__(
        self,
        formula: str,
        data: Any,
        *,
        family: Any,
        link: Any = None,
        weights: str | npt.ArrayLike | None = None,
        offset: str | npt.ArrayLike | None = None,
        dispersion: str | None = None,
        zero_inflation: str | None = None,
        contrasts: Mapping[str, Any] | None = None,
        missing: Missing = "drop",
        relationship: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.family, self.link = family_of(family, link)
        if zero_inflation is not None and "zero_inflation" not in self.family.parameter_names:
            if isinstance(self.family, Truncated):
                self.family = Hurdle(self.family.family)
            else:
                self.family = ZeroInflated(self.family)
        auxiliary = {"dispersion": dispersion, "zero_inflation": zero_inflation}
        for name, text in auxiliary.items():
            if text is not None:
                parameter_of(self.family, name)
        formula_data = read_formula_data(
            formula,
            data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            missing=missing,
            context=context,
            response=response_kind(self.family),
            auxiliary=auxiliary,
        )
        self._set(formula_data, relationship)

    _label, _fitted = "a model", GeneralizedResults

    @classmethod
    @named_arguments
    def of(
        cls, formula_data: FormulaData, family: Family, link: Link, relationship: Any = None
    ) -> GeneralizedMixedModel:
        """A model of a formula and data that have been read: see :mod:`lmforms.data.read`."""
        model = cls.__new__(cls)
        model.family, model.link = family, link
        model._set(formula_data, relationship)
        return model

    def _set(self, formula_data: FormulaData, relationship: Any) -> None:
        self.formula = formula_data.formula
        design, self.relationship = related_design(formula_data, relationship)
        found = settled_family(design, self.family, self.link)
        self.design, self.family, self.link = found
        self._likelihood = likelihood_of(self.design, self.family, self.link)

    def __repr__(self) -> str:
        return (
            f"<GeneralizedMixedModel {self.design.description}, {self.family.name} family, "
            f"{self.link.name} link; fit it by .fit()>"
        )

    @named_arguments
    def fit(
        self,
        *,
        nagq: int = 1,
        start: npt.ArrayLike | GeneralizedResults | None = None,
        control: Control | None = None,
    ) -> GeneralizedResults:
        """Estimate the model by maximum likelihood.

        Parameters
        ----------
        nagq : int
            Nodes of adaptive Gauss–Hermite quadrature in each direction, for one grouping factor;
            1 is the Laplace approximation. 0 profiles the fixed effects out together with the
            random effects, which is faster and less exact.
        start : array or GeneralizedResults, optional
            θ to start from, in the order of ``results.theta``, or a fit to take it from.
        control : Control, optional

        Returns
        -------
        GeneralizedResults

        Warns
        -----
        ConvergenceWarning, SingularWarning
        """
        return self._fit(None, nagq=nagq, start=start, control=control)

    def _fit(
        self,
        observed: ObservedResponse | None,
        *,
        nagq: int,
        start: npt.ArrayLike | GeneralizedResults | None,
        control: Control | None,
    ) -> GeneralizedResults:
        from .results.status_warnings import warn_of_generalized

        design, options = self.design, control_of(control)
        number = checked_nagq(nagq, design)
        begin = None if start is None else checked_theta(self.design, start)
        likelihood = self._likelihood
        if observed is not None:
            likelihood = likelihood_of(self.design, self.family, self.link, observed)
        estimate: Any  # has what results ask of an Estimate
        try:
            estimate = fit_generalized(
                design, self.relationship, likelihood, nagq=number, control=options, start=begin
            )
        except NumericalError as error:
            reason = separation_message(self.design, likelihood)
            if reason:
                raise ModelError(reason) from None
            advice = advice_on_failure(likelihood)
            raise NumericalError(f"the model cannot be fitted: {error} {advice}") from None
        seen = self.design.observed if observed is None else observed
        assert seen is not None
        results = GeneralizedResults(self, state_of(self, estimate, seen, options))
        warn_of_generalized(results)
        return results

    def _refit(self, observed: Any, **options: Any) -> GeneralizedResults:
        """Results for another response: see :class:`lmforms.results.state.Refit`."""
        model = self
        design = options.pop("design", None)
        if design is not None:
            model = copy(self)
            model.design = design
            model._likelihood = likelihood_of(design, self.family, self.link)
        return model._fit(observed, **options)

    def _update(
        self,
        state: FitState,
        changes: ModelChanges,
        *,
        nagq: int,
        start: npt.ArrayLike | None = None,
        control: Control | None = None,
    ) -> GeneralizedResults:
        """See :class:`lmforms.results.state.Update`."""
        with column_advice(changes):
            formula_data = changed_formula_data(state.design, changes)
            before, after = state.design.bound.random, formula_data.bound.random
            relationship = changed_relationship(
                state.relationship, before, after, changes.relationship
            )
            model = copy(self)
            model._set(formula_data, relationship)
        return model._fit(None, nagq=nagq, start=start, control=control or state.control)


def state_of(
    model: GeneralizedMixedModel,
    estimate: Any,
    observed: ObservedResponse,
    control: Control,
) -> FitState:
    """A model with its estimate from a response."""
    refit: Any = model._refit  # these take other options than those of a linear model
    update: Any = model._update
    return FitState(
        design=model.design,
        relationship=model.relationship,
        estimate=estimate,
        response=observed.proportions,
        control=control,
        method=f"nagq={estimate.nagq}",
        refit=refit,
        update=update,
    )


@named_arguments
def glmer(
    formula: str,
    data: Any,
    *,
    family: Any,
    link: Any = None,
    nagq: int = 1,
    weights: str | npt.ArrayLike | None = None,
    offset: str | npt.ArrayLike | None = None,
    dispersion: str | None = None,
    zero_inflation: str | None = None,
    contrasts: Mapping[str, Any] | None = None,
    missing: Missing = "drop",
    relationship: Mapping[str, Any] | None = None,
    start: npt.ArrayLike | GeneralizedResults | None = None,
    control: Control | None = None,
    context: Mapping[str, Any] | None = None,
) -> GeneralizedResults:
    """Fit a generalised linear mixed model by maximum likelihood.

    Parameters
    ----------
    formula : str
        As for :func:`lmforms.lmer`. The response of a binomial family is 0 or 1, a boolean, a
        factor of two levels (the second is a success), proportions with `weights`, or
        ``cbind(successes, failures)``.
    data : pandas, polars or pyarrow table, or mapping of arrays
    family : str or family object
        ``"binomial"``, ``"poisson"``, ``"gamma"``, ``"negative_binomial"`` (variance
        :math:`μ + μ^2/k`), ``"negative_binomial1"`` (:math:`μ(1 + φ)`), ``"inverse_gaussian"``,
        ``"beta"``, ``"beta_binomial"``, ``"tweedie"``, ``"student_t"``, ``"gaussian"``; an object
        of :mod:`lmforms.families`, or one of statsmodels.
    link : str or link object, optional
        The family's own by default.
    nagq : int
        Nodes of adaptive Gauss–Hermite quadrature in each direction, for one grouping factor; 1 is
        the Laplace approximation, 0 profiles β out with the random effects.
    weights : str or array (n,), optional
        Numbers of trials of a binomial response of proportions; otherwise the log-likelihood of
        each row is multiplied by them.
    offset : str or array (n,), optional
        Known part of the linear predictor, on the scale of the link.
    dispersion : str, optional
        Right-hand side of fixed effects, such as ``"~ x"``, of the logarithm of the family's
        dispersion parameter.
    zero_inflation : str, optional
        The same of the logit of the probability of zeros beside those of the family.
    contrasts, missing, relationship, context
        As for :func:`lmforms.lmer`.
    start : array or GeneralizedResults, optional
        θ to start from.
    control : Control, optional

    Returns
    -------
    GeneralizedResults

    References
    ----------
    Bolker et al. (2009), *Generalized linear mixed models: a practical guide for ecology and
    evolution*, Trends Ecol. Evol. 24(3).

    Examples
    --------
    >>> import lmforms as lf
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
    >>> fit.params.round(3).tolist(), fit.bse.round(3).tolist()
    ([-1.399, -0.992, -1.129, -1.58], [0.232, 0.307, 0.327, 0.427])
    """
    model = GeneralizedMixedModel(
        formula,
        data,
        family=family,
        link=link,
        weights=weights,
        offset=offset,
        dispersion=dispersion,
        zero_inflation=zero_inflation,
        contrasts=contrasts,
        missing=missing,
        relationship=relationship,
        context=context,
    )
    return model.fit(nagq=nagq, start=start, control=control)
