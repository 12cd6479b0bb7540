"""Whether sums that were made apart are of the same columns."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..data.design import GroupingFactor
from ..errors import ModelError
from ..storage.plain_values import encode_value
from .labelled_sums import label_parts
from .plan import Plan


def same_columns(a: Plan, b: Plan) -> None:
    """Refuse sums of other columns.

    Raises
    ------
    ModelError
        Factors have other levels, transforms have learnt something else, or the columns of X have
        other names.
    """
    for name, dtype in a.factors.items():
        own, other = list(dtype.categories), list(b.factors[name].categories)
        if own != other:
            raise ModelError(
                f"the sums have other levels of `{name}`: {own} and {other}. Give all that there "
                f"are to both, as in levels={{{name!r}: {sorted({*own, *other}, key=str)}}}."
            )
    if learnt(a) != learnt(b):
        raise ModelError(
            "transforms such as scale() and poly() have learnt different numbers from the rows of "
            "the two sums: make the columns before, with the same numbers everywhere."
        )
    given, others = a.formula_data, b.formula_data
    if (given.weights_column, given.offset_column) != (others.weights_column, others.offset_column):
        raise ModelError("the sums have other weights or offsets: give the same to both.")
    names = [plan.prototype.fixed.names for plan in (a, b)]
    if names[0] != names[1] or str(given.contrasts) != str(others.contrasts):
        raise ModelError("the sums have other columns of X: make both with the same contrasts.")


def same_labels(
    groups: Sequence[GroupingFactor], own: Sequence[pd.Index], others: Sequence[pd.Index]
) -> None:
    """Refuse labels that are text in one and not in the other.

    Raises
    ------
    ModelError
    """
    for group, *labels in zip(groups, own, others, strict=True):
        for parts in zip(*map(label_parts, labels), strict=True):
            kinds = {part.inferred_type == "string" for part in parts if len(part)}
            if len(kinds) > 1:
                raise ModelError(
                    f"the labels of {group.name} are text in one of the sums and not in the other "
                    f"({parts[0][0]!r} and {parts[1][0]!r}): give both one type."
                )


def learnt(plan: Plan) -> dict[str, str]:
    """What the transforms of a formula have learnt, as text."""
    if plan.bound.plain is not None:
        return {}
    return {
        text: repr(encode_value(state))
        for matrix in plan.matrices
        for text, state in matrix.spec.transform_state.items()
    }
