"""Known covariances of levels for a model: checked, and in the order of its levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ..data.build_design import build_design
from ..data.design import Design, GroupingFactor
from ..data.read import FormulaData
from ..errors import ArgumentError, RelationshipError, listed, near_matches
from ..formula.formula_terms import random_term
from ..formula.term_names import terms_named
from ..formula.terms import BoundRandomTerm
from ..support.arguments import UNCHANGED
from .matrix import Relationship


def check_relationship(relationship: Any, names: list[str]) -> dict[str, Any]:
    """A mapping of grouping factors of the formula to covariances.

    Raises
    ------
    ArgumentError
        It is no mapping, or names no grouping factor.
    """
    given = _mapping(relationship)
    for name in given:
        if name not in names:
            raise ArgumentError(
                f"relationship: `{name}` is no grouping factor of the formula, which has "
                f"{listed(names) or 'none'}.{near_matches(str(name), names)}"
            )
    return given


def _mapping(relationship: Any) -> dict[Any, Any]:
    if relationship is None:
        return {}
    if not isinstance(relationship, Mapping):
        raise ArgumentError(
            "relationship must map a grouping factor to its covariance: {'animal': K}."
        )
    return dict(relationship)


def relationship_by_name(relationship: Any, random: Sequence[BoundRandomTerm]) -> dict[str, Any]:
    """Known covariances by grouping factors and terms of the formula.

    Parameters
    ----------
    relationship : mapping or None
        Its keys are grouping factors, for all terms on them, or single terms in any spelling.
    random : sequence of BoundRandomTerm
        The terms of the formula.

    Returns
    -------
    dict
        The same with terms by their `text`.

    Raises
    ------
    ArgumentError
        It is no mapping, or a name is unknown, has two meanings, or has a covariance already.
    """
    factors = list(dict.fromkeys(term.group_name for term in random))
    out: dict[str, Any] = {}
    covered: dict[int, Any] = {}
    for key, known in _mapping(relationship).items():
        name, places = _meaning(key, factors, random)
        for place in places:
            if place in covered:
                raise ArgumentError(
                    f"relationship: {random[place].written} has a covariance by `{covered[place]}` "
                    f"and another by `{key}`: leave one out."
                )
            covered[place] = key
        out[name] = known
    return out


def _meaning(
    key: Any, factors: Sequence[str], random: Sequence[BoundRandomTerm]
) -> tuple[str, list[int]]:
    """The grouping factor or term that a key names, and the places of its terms."""
    terms = terms_named(random, str(key))
    texts = list(dict.fromkeys(random[t].text for t in terms))
    is_factor = key in factors
    if not (is_factor or texts):
        known = [*factors, *dict.fromkeys(term.text for term in random)]
        raise ArgumentError(
            f"relationship: `{key}` is no grouping factor and no random term of the formula, which "
            f"has {listed(known) or 'none'}.{near_matches(str(key), known)}"
        )
    if len(texts) > 1:
        raise ArgumentError(
            f"relationship: `{key}` may be {' or '.join(f'`{text}`' for text in texts)}: write it "
            "like one of them."
        )
    if texts and (is_factor or texts[0] in factors):
        raise ArgumentError(
            f"relationship: `{texts[0]}` is a grouping factor and a random term: rename the column."
        )
    if is_factor:
        return key, [i for i, term in enumerate(random) if term.group_name == key]
    return texts[0], terms[:1]  # of equal terms the first


def changed_relationship(
    relationship: Mapping[str, Relationship],
    old: Sequence[BoundRandomTerm],
    new: Sequence[BoundRandomTerm],
    given: Any,
) -> Any:
    """What is given for another formula, or what is kept for it if nothing is.

    Parameters
    ----------
    relationship, old, new
        As for :func:`kept_relationships`.
    given : mapping, None or UNCHANGED
    """
    return kept_relationships(relationship, old, new) if given is UNCHANGED else given


def kept_relationships(
    relationship: Mapping[str, Relationship],
    old: Sequence[BoundRandomTerm],
    new: Sequence[BoundRandomTerm],
) -> dict[str, Relationship]:
    """Those of the known covariances of a fit that another formula has the levels for.

    Parameters
    ----------
    relationship : mapping of str to Relationship
        By grouping factors and terms of the old formula.
    old, new : sequence of BoundRandomTerm
        The random terms of the two formulas.

    Raises
    ------
    ArgumentError
        A covariance belongs to one term, which is gone, and there is a new one on its factor.
    """
    factors = {term.group_name for term in new}
    before = [random_term(term, old).key for term in old]
    after = [random_term(term, new).key for term in new]
    kept = {}
    for name, known in relationship.items():
        places = [i for i, term in enumerate(old) if term.text == name]
        if not places:  # the name of a factor
            if name in factors:
                kept[name] = known
            continue
        here = before[places[0]]
        if here in after:
            kept[new[after.index(here)].text] = known
        elif any(key[-1] == here[-1] and key not in before for key in after):
            raise ArgumentError(
                f"update: the known covariance is that of the term `{name}`, which the new formula "
                f"has not: give relationship= for its terms on `{old[places[0]].group_name}`."
            )
    return kept


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
    ArgumentError, DataError, FormulaError, ModelError, RelationshipError
    """
    if relationship is None:
        return build_design(formula_data), {}
    given = relationship_by_name(relationship, formula_data.bound.random)
    return align_relationships(build_design(formula_data, related=given), given)


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
    """
    groups, known = [], {}
    for group in design.groups:
        if group.name in relationship:
            group, known[group.name] = _labelled(group, relationship[group.name])
        groups.append(group)
    return replace(design, groups=tuple(groups)), known


def _labelled(group: GroupingFactor, given: Any) -> tuple[GroupingFactor, Relationship]:
    known = Relationship.of(given)
    levels = list(group.levels)
    try:
        known.positions(levels)
    except RelationshipError as exc:
        hint = _of_interactions(group.factor, group.levels, known)
        raise RelationshipError(f"relationship of `{group.name}`: {exc}{hint}") from None
    present = set(levels)
    labels = levels + [x for x in known.labels if x not in present]
    return group.with_levels(_extended(group.levels, labels)), known.aligned(labels)


def _extended(levels: pd.Index, labels: list[Any]) -> pd.Index:
    """The levels with the labels that have no rows behind them."""
    if isinstance(levels, pd.MultiIndex) and all(
        isinstance(x, tuple) and len(x) == levels.nlevels for x in labels
    ):
        return pd.MultiIndex.from_tuples(labels, names=levels.names)
    if isinstance(levels, pd.MultiIndex):
        raise RelationshipError(
            f"relationship: the levels of an interaction are tuples of {levels.nlevels}; the "
            "covariance has other labels as well. `Relationship.subset` leaves them out."
        )
    mixed = pd.api.types.infer_dtype(labels).startswith("mixed")
    dtype = object if mixed else None
    return pd.Index(labels, dtype=dtype, name=levels.name, tupleize_cols=False)


def _of_interactions(factor: str, levels: pd.Index, known: Relationship) -> str:
    """Why labels of combinations are not found; empty for a factor by itself."""
    if not isinstance(levels, pd.MultiIndex):
        return ""
    written = factor.split(":")
    if not any(isinstance(x, tuple) and len(x) == levels.nlevels for x in known.labels):
        return (
            f" The levels of `{factor}` are tuples ({', '.join(written)}): make labels like them, "
            "by `Relationship.kron(A, B)` for one."
        )
    turned = levels[0][::-1]
    if turned in set(known.labels):
        return f" There is {turned!r}: write the factor as `{':'.join(written[::-1])}`."
    return ""
