"""A formula bound to a source: levels of its factors, and the plan of its chunks."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import DataError, listed
from ..sources.arrow_types import kind_of
from ..sources.source import Partition, Source
from .chunk_rows import ChunkRows, chunk_rows
from .learn_computed import computed_levels
from .learn_levels import given_levels, learn_levels
from .learn_transforms import learn_ranges, learn_transforms
from .make_plan import (
    Facts,
    ModelText,
    categorical_columns,
    factor_columns_of,
    make_plan,
    plan_of,
    with_units,
)
from .plan import Plan, label_names, predictor_names

if TYPE_CHECKING:
    import pyarrow as pa

    from ..formula.terms import BoundFormula

Batches = Generator[tuple[str, "pa.RecordBatch"], None, None]
"""Chunks with the names of their partitions."""


@dataclass(frozen=True, eq=False)
class Preparation:
    """What is known of a source before its rows are summed up.

    Attributes
    ----------
    text : ModelText
    bound : BoundFormula
    source : Source
        Of the columns that are read.
    columns : list of str
    factors : mapping of str to CategoricalDtype
        Levels of the predictors that are factors.
    facts : Facts
    """

    text: ModelText
    bound: BoundFormula
    source: Source
    columns: list[str]
    factors: Mapping[str, pd.CategoricalDtype]
    facts: Facts

    def plan(self) -> Plan:
        """A plan, of a source that can be read again."""

        def opened() -> Batches:
            return named_batches(self.source.partitions(), self.columns)

        place = 0
        while True:
            with closing(opened()) as batches:
                plan, place, first = self._first_plan(islice(batches, place, None), place)
            learnt = computed_levels(plan, self.source)  # by other readings
            if learnt is not None:
                known = plan.factors, plan.levels, plan.orders
                plan = plan_of(plan.formula_data, *known, learnt)
            learn_transforms(plan, self.source)
            sample = _sample(plan, [first])
            if sum(own.n for own in sample) < ROWS_OF_SAMPLE:
                with closing(opened()) as batches:
                    sample = _sample(plan, batches)
            if sample:
                return with_units(plan, sample)
            place += 1

    def plan_once(self) -> tuple[Plan, Iterator[tuple[str, pa.RecordBatch]]]:
        """A plan, of a source that is read once, and all its chunks."""
        batches = named_batches(self.source.partitions(), self.columns)
        read: list[tuple[str, pa.RecordBatch]] = []
        recorded = _recorded(batches, read)
        plan, _, _ = self._first_plan(recorded)
        learn_transforms(plan, self.source)
        sample = _sample(plan, chain(list(read), recorded))
        if not sample:
            raise DataError(NO_ROWS)
        return with_units(plan, sample), chain(read, batches)

    def _first_plan(
        self, batches: Iterable[tuple[str, pa.RecordBatch]], place: int = 0
    ) -> tuple[Plan, int, tuple[str, pa.RecordBatch]]:
        """A plan without units from the first chunk with a complete row, its place, and itself."""
        for own, chunk in enumerate(batches, place):
            plan = make_plan(self.text, self.bound, chunk[1], self.factors, self.facts)
            if plan is not None:
                return plan, own, chunk
        raise DataError(NO_ROWS)


NO_ROWS = "the source has no rows, or all of them have missing values."

ROWS_OF_SAMPLE = 1_000
"""From which units are chosen: chunks are taken until there are so many."""


def _sample(plan: Plan, batches: Iterable[tuple[str, pa.RecordBatch]]) -> list[ChunkRows]:
    """The first chunks with rows in the model."""
    found: list[ChunkRows] = []
    for where, batch in batches:
        rows = chunk_rows(plan, batch, where)
        if rows.n:
            found.append(rows)
        if sum(own.n for own in found) >= ROWS_OF_SAMPLE:
            break
    return found


def prepared(text: ModelText, source: Source, levels: Mapping[str, Any] | None) -> Preparation:
    """Bind a formula to a source, and find the levels of its factors.

    Parameters
    ----------
    text : ModelText
    source : Source
    levels : mapping of str to sequence, optional
        Levels that are known: those of predictors need no pass over the rows then.

    Raises
    ------
    LmformsError
    """
    bound = text.bound(source.schema)
    beside = [name for name in (text.weights, text.offset) if name is not None]
    columns = [*predictor_names(bound), *label_names(bound), *beside]
    columns = list(dict.fromkeys(columns))
    source = source.with_columns(columns)
    with_levels = {*factor_columns_of(bound, source.schema), *label_names(bound)}
    known = given_levels(levels, columns, with_levels)
    categories = categorical_columns(source.schema)
    factors = _factor_levels(bound, source, known)
    numbers = [name for name in columns if kind_of(source.schema.field(name).type) == "number"]
    ranges = learn_ranges(bound, source, numbers) if bound.plain is None else {}
    facts = Facts(known, categories, ranges, tuple(source.schema.names))
    return Preparation(text, bound, source, columns, factors, facts)


def named_batches(partitions: Sequence[Partition], columns: Sequence[str]) -> Batches:
    """The chunks of partitions that have rows."""
    for partition in partitions:
        with closing(partition.read(columns)) as batches:  # type: ignore[type-var]
            for batch in batches:
                if batch.num_rows:
                    yield partition.name, batch


def _recorded(batches: Batches, read: list[tuple[str, pa.RecordBatch]]) -> Batches:
    """The same, written down."""
    for item in batches:
        read.append(item)
        yield item


def _factor_levels(
    bound: BoundFormula, source: Source, known: Mapping[str, pd.Index]
) -> dict[str, pd.CategoricalDtype]:
    """Levels of the predictors that are factors: given, or from a first pass."""
    names = factor_columns_of(bound, source.schema)
    unknown = [name for name in names if name not in known]
    found = {name: pd.CategoricalDtype(known[name]) for name in names if name in known}
    if not unknown:
        return found
    if not source.repeatable:
        raise DataError(
            f"{source.name} can be read once, and the levels of "
            f"{listed([f'`{name}`' for name in unknown])} have to be known before: give them, as "
            f"in levels={{{unknown[0]!r}: ['a', 'b']}}, or give a function that makes the chunks."
        )
    learnt = learn_levels(source, unknown)
    for name in unknown:
        is_text = name not in categorical_columns(source.schema)
        as_is = name in bound.direct_columns
        found[name] = learnt[name].dtype(name, is_text=is_text, as_is=as_is)
    return found
