"""`GeneralizedComparisons`: other models for the rows of a generalised fit, and tests of terms."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy.typing as npt

from ...control import Control, control_of
from ...data.changed_formula import ModelChanges
from ...errors import ArgumentError, ModelError
from ...glmm.families.lookup import family_of
from ...glmm.families.zeros import ZeroInflated
from ...glmm.fit import parameter_of, response_kind
from ...support.arguments import UNCHANGED, named_arguments
from ..estimates import CommonEstimates
from .rows import estimate_of

if TYPE_CHECKING:
    from ...tables.result_table import ResultTable


class GeneralizedComparisons(CommonEstimates):
    """Other models for the same rows; the numbers are in :mod:`lmforms.inference`."""

    @named_arguments
    def update(
        self,
        formula: str = UNCHANGED,
        data: Any = UNCHANGED,
        *,
        family: Any = UNCHANGED,
        link: Any = UNCHANGED,
        nagq: int = UNCHANGED,
        weights: str | npt.ArrayLike | None = UNCHANGED,
        offset: str | npt.ArrayLike | None = UNCHANGED,
        dispersion: str | None = UNCHANGED,
        zero_inflation: str | None = UNCHANGED,
        contrasts: Mapping[str, Any] | None = UNCHANGED,
        relationship: Mapping[str, Any] | None = UNCHANGED,
        start: npt.ArrayLike | Self | None = None,
        control: Control | None = UNCHANGED,
        context: Mapping[str, Any] | None = UNCHANGED,
    ) -> Self:
        """Fit another model to the rows of this one.

        Whatever is not given stays as it was; None means none, as for :func:`lmforms.glmer`.

        Parameters
        ----------
        formula, data
            As for :meth:`lmforms.MixedModelResults.update`.
        family, link : optional
            Another family has its own link unless `link` is given. It must read the response as
            this one does: as counts, as trials, or as numbers of a density.
        nagq, weights, offset, dispersion, zero_inflation, contrasts, relationship, start, \
control, context
            As for :func:`lmforms.glmer`. A formula of zero inflation makes the family
            zero-inflated if it is not; None takes a formula of it out, with the zero inflation
            unless the family is a hurdle. A formula of the dispersion goes with the family.

        Returns
        -------
        GeneralizedResults

        Raises
        ------
        ColumnError
            The fit did not keep a column: give `data`.
        FormulaError
            A term that is to be taken out is not there.
        DataError, ModelError, ArgumentError

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> smaller = fit.update("~ . - period")
        >>> smaller.formula, round(smaller.criterion, 4)
        ('cbind(incidence, size - incidence) ~ 1 + (1 | herd)', 209.6626)
        >>> round(fit.update(link="probit").criterion, 4)
        185.1667
        """
        state, model = self.state, copy(self.model)
        auxiliary = {}
        if dispersion is not UNCHANGED:
            auxiliary["dispersion"] = dispersion
        if zero_inflation is not UNCHANGED:
            auxiliary["zero_inflation"] = zero_inflation
        model.family, model.link = self._family(family, link, zero_inflation)
        kept = {name for name in state.design.auxiliary if name not in auxiliary}
        kept |= {name for name, text in auxiliary.items() if text is not None}
        for name in sorted(kept):
            self._check_parameter(model.family, name, given=name in auxiliary)
        changes = ModelChanges(
            formula=formula,
            data=data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            relationship=relationship,
            context=context,
            auxiliary=auxiliary if auxiliary else UNCHANGED,
        )
        fit: Self = model._update(
            state,
            changes,
            nagq=estimate_of(state).nagq if nagq is UNCHANGED else nagq,
            start=start,
            control=None if control is UNCHANGED else control_of(control),
        )
        return fit

    def _family(self, family: Any, link: Any, zero_inflation: Any) -> tuple[Any, Any]:
        """Family and link of the changed model."""
        old = estimate_of(self.state).family
        if family is UNCHANGED and link is UNCHANGED:
            found, chosen = old, self.model.link
        else:
            found, chosen = family_of(
                old if family is UNCHANGED else family, None if link is UNCHANGED else link
            )
        before, after = response_kind(old), response_kind(found)
        if before != after:
            raise ModelError(
                f"update: the {found.name} family takes {KINDS[after]} as its response, and this "
                f"fit has {KINDS[before]}: fit it by lf.glmer with the data."
            )
        part = self.state.design.auxiliary.get("zero_inflation")
        if zero_inflation is None:
            if isinstance(found, ZeroInflated) and part is not None:
                found = found.family
        elif zero_inflation is not UNCHANGED or part is not None:
            given = zero_inflation is not UNCHANGED
            if "zero_inflation" not in found.parameter_names and (given or old != found):
                found = ZeroInflated(found)
        return found, chosen

    def _check_parameter(self, family: Any, name: str, *, given: bool) -> None:
        """Refuse a formula of a parameter that another family does not have."""
        try:
            parameter_of(family, name)
        except ArgumentError as error:
            if given:
                raise
            raise ModelError(
                f"update: the fit has a formula of {name}. {error} Take it out: {name}=None."
            ) from None

    # --- tests of terms -----------------------------------------------------------------------

    @named_arguments
    def ranova(self) -> ResultTable:
        """Likelihood-ratio tests of the random effects, each taken out by itself.

        As :meth:`lmforms.MixedModelResults.ranova`, by maximum likelihood. Without the last random
        term the model is a generalised linear one.

        Returns
        -------
        ResultTable
            A row ``<none>`` for this fit and one for each effect taken out: ``npar, criterion,
            loglik, aic, bic`` of the reduced model and its test, with ``p_value`` by χ² and
            ``p_value_mixture`` for one variance on the boundary, see :func:`lmforms.anova`.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.ranova()[["npar", "loglik", "statistic", "df"]].round(3)
                    npar  loglik  statistic   df
        <none>         5 -92.026        NaN  NaN
        (1 | herd)     4 -99.029     14.006  1.0
        """
        from ...inference.model_comparison.single_terms import ranova

        return ranova(self.state)

    @named_arguments
    def drop1(self, test: Literal["lrt", "wald"] = "lrt") -> ResultTable:
        """Tests of the fixed terms that can be dropped: those that no other term contains.

        Parameters
        ----------
        test : {"lrt", "wald"}
            Likelihood ratios, with a fit without each term; or Wald χ² tests in this fit.

        Returns
        -------
        ResultTable
            With ``"lrt"``: a row ``<none>`` for this model and one for each model without a term,
            ``npar, criterion, loglik, aic, bic, statistic, df, p_value``. With ``"wald"``: a row
            for each term, ``statistic, df, p_value``.

        Raises
        ------
        ModelError
            There is no term but the intercept.
        ArgumentError

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.drop1()[["npar", "loglik", "statistic", "df"]].round(3)
                npar   loglik  statistic   df
        <none>     5  -92.026        NaN  NaN
        period     2 -104.831      25.61  3.0
        """
        from ...inference.model_comparison.single_terms import drop1

        return drop1(self.state, test)


KINDS = {
    "counts": "counts",
    "continuous": "numbers of a density",
    "trials": "successes of trials",
    "ordinal": "ordered classes",
}
