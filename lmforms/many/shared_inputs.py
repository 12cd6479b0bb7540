"""What many fits have in common: the formula's right side, its rows, the known covariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..control import Control
from ..data.build_design import build_design
from ..data.design import Design
from ..data.frame import Missing, column_or_array
from ..data.input_table import column_names, raw_table
from ..data.read import read_formula_data
from ..engine.exact_fit import Effects
from ..errors import ArgumentError, MemoryLimitError, ModelError, formula_error
from ..formula.parse import parse_formula
from ..relationship import Relationship
from ..relationship.model_relationships import check_relationship
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.caller import caller_variables
from .spectral import CovarianceSpectrum, spectrum_of

DECOMPOSITION_ARRAYS = 4
"""Arrays of the size of F or G that the decomposition holds at one time."""


@dataclass(frozen=True, eq=False)
class DesignSource:
    """A formula and its data, from which designs for subsets of the rows can be made.

    Attributes
    ----------
    formula : str
        With a response on its left that is a column of `data`.
    data : DataFrame
        All columns of the caller's table.
    reserved : tuple of str
        Columns that ``.`` does not stand for.
    weights : ndarray (n,) or None
    missing : {"drop", "raise"}
    scope : mapping
        The caller's variables.
    relationship : Relationship or mapping or None
    """

    formula: str
    data: pd.DataFrame
    reserved: tuple[str, ...]
    weights: FloatArray | None
    missing: Missing
    scope: Mapping[str, Any]
    relationship: Any

    @classmethod
    def of(
        cls,
        formula: str,
        data: Any,
        *,
        weights: Any,
        missing: Missing,
        relationship: Any,
        reserved: Sequence[str] = (),
        beside_formula: bool = False,
    ) -> DesignSource:
        """Read the arguments; `beside_formula`: the response is not in the formula."""
        parse = with_response if beside_formula else _with_own_response
        names = column_names(data)
        text, placeholder, left = parse(formula, names)
        if isinstance(data, pd.DataFrame):
            frame = data.copy(deep=False)
            frame.columns = pd.Index(names)
        else:
            frame = raw_table(data, names).data
        if placeholder is not None:
            frame[placeholder] = np.arange(len(frame), dtype=np.float64)
        taken = [*reserved, *([left] if left in names else [])]
        if isinstance(weights, str):
            taken.append(weights)
        return cls(
            formula=text,
            data=frame,
            reserved=tuple(taken),
            weights=column_or_array("weights", weights, data),
            missing=missing,
            scope=caller_variables(),
            relationship=relationship,
        )

    @property
    def n(self) -> int:
        """Number of rows given."""
        return len(self.data)

    def design(self, rows: BoolArray | None = None) -> tuple[Design, IndexArray]:
        """The design of all or some of the rows, and the places of the rows it uses."""
        data, weights = self.data, self.weights
        places = np.arange(self.n)
        if rows is not None:
            data, places = data.loc[rows], places[rows]
            weights = None if weights is None else weights[rows]
        formula_data = read_formula_data(
            self.formula,
            data,
            weights=weights,
            missing=self.missing,
            variables=self.scope,
            reserved=self.reserved,
        )
        groups = {term.group_name for term in formula_data.bound.random}
        design = build_design(formula_data, related=() if self.relationship is None else groups)
        for term in design.terms:
            if not term.covariance.spans_covariances:
                raise ModelError(
                    f"many responses at once have random effects `(x | g)` or `(x || g)`, not "
                    f"{term.written}: fit them one by one with lf.lmer."
                )
        n, p = design.X.shape
        if n <= p:
            raise ModelError(
                f"{n} rows and {p} independent fixed-effects columns leave nothing for the "
                "residuals."
            )
        return design, places[design.frame.complete][design.in_model]


def _with_own_response(formula: str, names: Sequence[str]) -> tuple[str, None, str]:
    parsed = parse_formula(formula)
    return formula, None, parsed.response.label


def with_response(formula: str, names: Sequence[str]) -> tuple[str, str | None, str]:
    """The formula with a placeholder on its left, the placeholder, and what stood there.

    Examples
    --------
    >>> with_response("~ x + (1 | g)", ["x", "g"])
    ('response ~ x + (1 | g)', 'response', '')
    """
    if not isinstance(formula, str) or "~" not in formula:
        parse_formula(formula)  # says what is wrong
    left, _, right = formula.partition("~")
    given = left.strip().strip("`")
    if given not in ("", ".") and given not in names and not given.isidentifier():
        raise formula_error(
            "the responses are given beside the formula; its left side is empty, a dot or a name.",
            formula,
            0,
            len(left.rstrip()),
        )
    name = "response"
    while name in names or name in right:
        name += "_"
    return f"{name} ~{right}", name, given


def is_spectral(design: Design) -> bool:
    """Whether the model has one variance component."""
    return len(design.groups) == 1 and len(design.groups[0].columns) == 1


def spectrum(design: Design, relationship: Any, control: Control, reml: bool) -> CovarianceSpectrum:
    """The decomposition that serves all responses of a model with one component.

    Raises
    ------
    ModelError
        The relationship belongs to no single scalar random term.
    RelationshipError
        Levels have no label in it.
    MemoryLimitError
        Its arrays would not fit.
    """
    known = relationship_for(design, relationship)
    if not is_spectral(design):
        raise ModelError(
            "one random term with one column, such as (1 | g) or (0 + x | g), is needed here; the "
            f"formula has {', '.join(f'({t.label})' for t in design.terms) or 'none'}."
        )
    group = design.groups[0]
    n, width, root, K = design.n, len(group.labels), None, None
    if known is not None:
        known = known.subset(list(group.levels))
        if known.given_root is not None:
            width = known.given_root.shape[1]
    needed = DECOMPOSITION_ARRAYS * 8.0 * n * (width if 2 * width < n else n)
    if needed > control.memory:
        raise MemoryLimitError(
            f"the decomposition of {n:,} rows by {width:,} random effects takes about "
            f"{needed / 2**30:.2g} GiB; {control.memory / 2**30:.2g} GiB are allowed. Raise "
            "Control(memory=…) if there is more."
        )
    if known is not None and 2 * width < n:
        L = known.root() if known.given_root is None else known.given_root
        root = np.asarray(L if isinstance(L, np.ndarray) else L.toarray(), dtype=np.float64)
    elif known is not None:
        K = known.dense()
    return spectrum_of(design.rows(), root=root, covariance=K, ml=not reml)


def random_effects(design: Design, relationship: Any) -> list[Effects]:
    """The random effects of that model as columns."""
    rows, known = design.rows(), relationship_for(design, relationship)
    root = None if known is None else known.subset(list(design.groups[0].levels)).root()
    return [Effects(f.matrix(rows.residual.whiten(f.basis)), root) for f in rows.level_factors]


def relationship_for(design: Design, relationship: Any) -> Relationship | None:
    """The known covariance of the levels of the one grouping factor."""
    if relationship is None:
        return None
    if isinstance(relationship, Mapping) and not isinstance(relationship, pd.DataFrame):
        relationship = check_relationship(relationship, [g.name for g in design.groups])
        if len(relationship) != 1:
            raise ArgumentError(f"relationship: one covariance is needed, not {len(relationship)}.")
        relationship = next(iter(relationship.values()))
    return Relationship.of(relationship)
