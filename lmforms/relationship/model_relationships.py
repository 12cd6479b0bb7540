"""Known covariances of levels for a model: checked, and in the order of its levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from ..data.build_design import build_design
from ..data.design import Design, GroupingFactor
from ..data.read import FormulaData
from ..errors import ArgumentError, ModelError, RelationshipError, listed, near_matches
from .matrix import Relationship


def check_relationship(relationship: Any, names: list[str]) -> dict[str, Any]:
    """A mapping of grouping factors of the formula to covariances.

    Raises
    ------
    ArgumentError
        It is no mapping, or names no grouping factor.
    """
    if relationship is None:
        return {}
    if not isinstance(relationship, Mapping):
        raise ArgumentError(
            "relationship must map a grouping factor to its covariance: {'animal': K}."
        )
    for name in relationship:
        if name not in names:
            raise ArgumentError(
                f"relationship: `{name}` is no grouping factor of the formula, which has "
                f"{listed(names) or 'none'}.{near_matches(str(name), names)}"
            )
    return dict(relationship)


def related_design(
    formula_data: FormulaData, relationship: Any
) -> tuple[Design, dict[str, Relationship]]:
    """The design of a formula and its data, and the known covariances of its levels.

    Parameters
    ----------
    formula_data : FormulaData
    relationship : mapping or None
        See :class:`lmforms.MixedModel`.

    Raises
    ------
    ArgumentError, DataError, ModelError, RelationshipError
    """
    names = list(dict.fromkeys(term.group_name for term in formula_data.bound.random))
    given = check_relationship(relationship, names)
    design = build_design(formula_data, related=given)
    return align_relationships(design, given) if given else (design, {})


def align_relationships(
    design: Design, relationship: Mapping[str, Any]
) -> tuple[Design, dict[str, Relationship]]:
    """The design with all labelled levels, and the covariances in their order.

    Levels that have a label but no rows (parents without records, candidates without a
    phenotype) come after the others and are predicted too.

    Raises
    ------
    RelationshipError
        What is given is no covariance, or a level has no label in it.
    ModelError
        For an interaction of factors, whose levels have no single label.
    """
    groups, known = [], {}
    for group in design.groups:
        if group.name in relationship:
            group, known[group.name] = _labelled(group, relationship[group.name])
        groups.append(group)
    return replace(design, groups=tuple(groups)), known


def _labelled(group: GroupingFactor, given: Any) -> tuple[GroupingFactor, Relationship]:
    if isinstance(group.levels, pd.MultiIndex):
        raise ModelError(
            f"relationship: the levels of `{group.name}` are combinations; make one column of "
            "labels of them."
        )
    known = Relationship.of(given)
    levels = list(group.levels)
    try:
        known.positions(levels)
    except RelationshipError as exc:
        raise RelationshipError(f"relationship of `{group.name}`: {exc}") from None
    present = set(levels)
    labels = levels + [x for x in known.labels if x not in present]
    mixed = pd.api.types.infer_dtype(labels).startswith("mixed")
    index = pd.Index(
        labels, dtype=object if mixed else None, name=group.levels.name, tupleize_cols=False
    )
    return replace(group, levels=index), known.aligned(labels)
