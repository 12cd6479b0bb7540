"""A model of sums: checks, cross-products, and fits of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..control import Control, control_of, method_of
from ..covariance import Structured
from ..data.build_design import refuse_constant, warn_of_dropped
from ..data.changed_formula import ModelChanges
from ..data.design import INTERCEPT, Design
from ..data.random_terms import refuse_dependent, refuse_one_level, refuse_wide
from ..data.summed_design import NoRows, SummedDesign, refuse_rows, summed_design
from ..engine.estimate import estimate_sums
from ..engine.linalg.independent_columns import independent_by_root
from ..engine.residual_variance import EXPLAINED_BY_FIXED, refuse_saturated
from ..engine.sums.cross_products import CrossProducts
from ..engine.sums.pilot import pilot_scaling
from ..engine.sums.settled_sums import SettledSums, settled
from ..engine.sums.sums_of_rows import cancels, digits_lost
from ..engine.sums.units import Scaling
from ..errors import (
    ArgumentError,
    MissingDataError,
    MissingDataWarning,
    ModelError,
    NumericalError,
    PrecisionWarning,
)
from ..results.given_theta import checked_theta
from ..results.model_results import MixedModelResults
from ..results.state import FitState
from ..results.status_warnings import warn_of_status
from ..results.unknown_names import UnknownNames
from ..sources.source import Source
from ..support.arguments import flag
from ..support.arrays import FloatArray
from ..support.caller import caller_depth
from .labelled_sums import LabelledSums
from .passes import summed_again
from .plan import Plan

MOST_PASSES = 2
"""Passes with pilot effects: after the first, what is left is small."""

MOST_DIGITS_LOST = 1.5
"""Of sixteen, after which rows are read again if they can be."""

FEWEST_DIGITS_WARNED, MOST_DIGITS_WARNED = 3.0, 11.0
"""Where they cannot: fewer are not worth a word, after more there is nothing to estimate."""

READ_AGAIN_OR_SHIFT = (
    "fit the source itself, or a function that makes its chunks, whose rows are read again then, "
    "or subtract a number from the columns, the same everywhere."
)


class SummedModel(UnknownNames):
    """A linear mixed model of rows that were summed up.

    Parameters
    ----------
    design : SummedDesign
    products : CrossProducts
    """

    _label, _fitted = "a model", MixedModelResults

    def __init__(self, design: SummedDesign, products: CrossProducts) -> None:
        self.design, self.products = design, products
        self.formula = design.formula_data.formula
        self.relationship: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<SummedModel {self.design.description}; fit it by .fit()>"

    def fit(
        self,
        *,
        reml: bool = True,
        start: npt.ArrayLike | MixedModelResults | None = None,
        control: Control | None = None,
        method: str = "auto",
    ) -> MixedModelResults:
        """Estimate the model: see :meth:`lmforms.MixedModel.fit`."""
        if method_of(method) != "auto":
            raise ArgumentError(
                f"method={method!r} needs rows in memory: sums are fitted by method='auto'."
            )
        options = control_of(control)
        begin = None if start is None else checked_theta(self.design, start)
        found = self._state(flag("reml", reml), options, start=begin)
        results = MixedModelResults(self, found)  # type: ignore[arg-type]
        warn_of_status(results, found.estimate.message)
        return results

    def _state(self, reml: bool, control: Control, start: Any = None, at: Any = None) -> FitState:
        covariances = [group.covariance for group in self.design.groups]
        found = estimate_sums(
            self.products, covariances, reml=reml, control=control, start=start, at=at
        )
        if at is None:
            refuse_saturated(found, self.products)
        absent: Any = NoRows()
        return FitState(
            design=self.design,
            relationship=self.relationship,
            estimate=found,
            response=absent,
            control=control,
            method="auto",
            refit=self._refit,
            update=_refuse_update,
            optimized=at is None,
        )

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
        if not isinstance(response, NoRows) or design is not None:
            refuse_rows()
        if optimize:
            return self.fit(reml=reml, start=start, control=control, method=method)
        at = checked_theta(self.design, start, "theta")
        state = self._state(reml, control, at=at)
        return MixedModelResults(self, state)  # type: ignore[arg-type]


def _refuse_update(
    state: FitState,
    changes: ModelChanges,
    *,
    reml: bool,
    start: Any = None,
    control: Control | None = None,
    method: str | None = None,
) -> NoReturn:
    """See :class:`lmforms.results.state.Update`."""
    raise ModelError(
        "the model was fitted from sums, which belong to its formula: fit the changed formula to "
        "the source."
    )


def summed_model(
    plan: Plan, found: LabelledSums, sources: Sequence[Source] = (), missing: str = "drop"
) -> SummedModel:
    """The model of sums.

    Parameters
    ----------
    plan : Plan
    found : LabelledSums
    sources : sequence of Source
        Where all the rows are, if they can be read again: they are where sums of squares would
        cancel.
    missing : {"drop", "raise"}

    Raises
    ------
    LmformsError
        The sums carry no model.

    Warns
    -----
    MissingDataWarning, RankWarning, PrecisionWarning
    """
    _report_missing(found, missing)
    found = found.in_order(plan.label_orders)
    sums, prototype = found.sums, plan.prototype
    if not sums.facts.n:
        raise ModelError("the sums hold no rows.")
    refuse_constant(sums.facts.low, sums.facts.high, plan.bound)
    roots = _roots_of_effects(plan, found)
    _refuse_dependent_effects(plan, found, roots)
    made = settled(sums, plan.covariances)
    n, p = sums.facts.n, len(made.kept)
    if n <= p:
        raise ModelError(
            f"{n} rows and {p} independent fixed-effects columns leave nothing for the residuals."
        )
    root = sums.root[:, :-1] @ sums.scaling.units.x.inverse
    design = summed_design(prototype, sums.facts.n, found.labels, root, made.kept, roots)
    refuse_one_level(design.groups, design.terms)
    refuse_wide(design.groups, design.terms, design.n)
    if len(made.kept) < len(design.fixed.names):
        warn_of_dropped("the fixed-effects columns", design.x_dropped)
    if made.explained_by_fixed:
        raise ModelError(EXPLAINED_BY_FIXED)
    products = _with_pilots(plan, made, found, sources)
    return SummedModel(design, products)


def _roots_of_effects(plan: Plan, found: LabelledSums) -> list[FloatArray]:
    """For each random term a root R of the products of its basis B, R'R = B'B."""
    design = plan.prototype
    roots: list[FloatArray] = [np.empty((0, 0))] * len(design.terms)
    for group, own, units in zip(
        design.groups, found.sums.factors, found.sums.scaling.units.bases, strict=True
    ):
        root = own.root @ units.inverse
        start = 0
        for t in group.terms:
            k = design.terms[t].covariance.k
            roots[t] = np.ascontiguousarray(root[:, start : start + k])
            start += k
    return roots


def _refuse_dependent_effects(plan: Plan, found: LabelledSums, roots: Sequence[FloatArray]) -> None:
    """Refuse bases with columns that are zero or dependent, by roots of their products."""
    design, n = plan.prototype, found.sums.facts.n
    each = zip(design.groups, found.sums.factors, found.sums.scaling.units.bases, strict=True)
    for group, own, units in each:
        for t in group.terms:
            term, root = design.terms[t], roots[t]
            if isinstance(term.covariance, Structured):
                continue
            names = term.matrix.names
            if units.constant is not None:  # centred: a predictor far from zero is no intercept
                sizes = 1.0 / units.matrix.diagonal()
                kept = independent_by_root(own.root, sizes, units.center, units.constant, n)
            else:
                place = names.index(INTERCEPT) if INTERCEPT in names else None
                none = np.zeros(len(names))
                kept = independent_by_root(root, none + 1.0, none, place, n)
            refuse_dependent(replace(term.matrix, values=root), plan.bound.random[t], kept)


def _with_pilots(
    plan: Plan, made: SettledSums, found: LabelledSums, sources: Sequence[Source]
) -> CrossProducts:
    """Cross-products; from the rows again, with pilot effects, where digits were lost."""
    products, lost = made.cp, made.digits_lost
    if not sources:
        _judge_digits(max(lost, digits_lost(products)))
        return products

    def again(scaling: Scaling) -> CrossProducts:
        return summed_again(plan, sources, scaling, made.kept, found)

    if lost > MOST_DIGITS_LOST:
        products = again(products.scaling)
    for _ in range(MOST_PASSES):
        if not cancels(products):
            return products
        products = again(pilot_scaling(products))
    pilot = products.scaling.pilot
    left = pilot.y_scale * np.sqrt(max(products.unexplained, 0.0) / products.n)
    if left > pilot.resolution:  # else the response is explained exactly, which is told later
        _warn_of_digits(digits_lost(products))
    return products


def _judge_digits(lost: float) -> None:
    """Warn of digits that were lost in sums of squares, or refuse what is left."""
    if lost > MOST_DIGITS_WARNED:
        raise NumericalError(
            f"about {min(lost, 16.0):.0f} of 16 digits were lost in the sums of squares, so that "
            f"nothing can be estimated: {READ_AGAIN_OR_SHIFT}"
        )
    _warn_of_digits(lost)


def _warn_of_digits(lost: float) -> None:
    if lost > FEWEST_DIGITS_WARNED:
        warnings.warn(
            f"about {lost:.0f} of 16 digits were lost in the sums of squares, as groups or sites "
            f"lie far apart or predictors are nearly dependent: {READ_AGAIN_OR_SHIFT}",
            PrecisionWarning,
            stacklevel=caller_depth(),
        )


def _report_missing(found: LabelledSums, missing: str) -> None:
    """Warn about rows that were left out, or raise as `missing` asks."""
    if not found.missing:
        return
    left_out = found.n_read - found.sums.facts.n
    shown = ", ".join(f"`{name}` ({count})" for name, count in found.missing.items())
    text = f"{left_out} of {found.n_read} rows have missing values: in {shown}"
    if missing == "raise":
        raise MissingDataError(text, list(found.missing))
    warnings.warn(f"{text}. They are dropped.", MissingDataWarning, stacklevel=caller_depth())
