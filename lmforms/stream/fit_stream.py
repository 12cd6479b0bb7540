"""`lmer` of sources and of sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..control import control_of
from ..data.frame import MISSING_ROWS
from ..errors import ArgumentError
from ..results.model_results import MixedModelResults
from ..sources.source import Source
from ..support.arguments import one_of


def are_sums(formula: Any) -> bool:
    """Whether sums of a model are in the place of its formula."""
    if isinstance(formula, str):
        return False
    from .model_sums import ModelSums

    return isinstance(formula, ModelSums)


def fit_stream(
    formula: Any,
    data: Any,
    options: Mapping[str, Any],
    *,
    missing: str,
    residual: Any,
    relationship: Any,
    levels: Mapping[str, Any] | None,
    **text: Any,
) -> MixedModelResults:
    """Fit a model to a source, or to sums.

    Parameters
    ----------
    formula : str or ModelSums
    data : Source, or None with sums
    options : mapping
        Of the fit.
    missing, residual, relationship, levels
        See :func:`lmforms.lmer`.
    **text
        What else a user says of the model, see :class:`.make_plan.ModelText`.

    Raises
    ------
    ArgumentError
        Something that sums cannot have.
    """
    from .make_plan import ModelText
    from .model_sums import ModelSums, sums_of

    one_of("missing", missing, MISSING_ROWS)
    for name, value, way in (
        ("residual", residual, "residuals of a stream are independent, with weights"),
        ("relationship", relationship, "levels of a stream are independent"),
    ):
        if value is not None:
            raise ArgumentError(f"{name}= needs rows in memory: {way}.")
    if isinstance(formula, ModelSums):
        given = [
            name
            for name, value in {**text, "data": data, "levels": levels}.items()
            if value is not None
        ]
        if given:
            raise ArgumentError(
                f"lmer(sums) has its data and formula in the sums: leave out {given[0]}=, or give "
                "it to lf.summarise."
            )
        return formula._fit(missing, **options)
    assert isinstance(data, Source)
    control = control_of(options["control"])
    sums = sums_of(ModelText(formula, **text), data, levels, control)
    return sums._fit(missing, **options)
