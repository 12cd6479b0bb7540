"""Passes over a source: a plan, sums of all rows, and once more with pilot effects."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..data.numeric_text import refuse_missing_marks
from ..engine.kernel_choice import kernels_of_rows
from ..engine.linalg.threads import limited_blas_threads
from ..engine.sums.cross_products import CrossProducts
from ..engine.sums.settled_sums import products_of
from ..engine.sums.units import Scaling
from ..errors import DataError, listed
from ..formula.aliases import unaliased
from ..sources.arrow_types import kind_of
from ..sources.source import Partition, Source
from ..support.arrays import IndexArray
from .chunk_rows import ChunkRows, chunk_rows
from .labelled_sums import ChunkSummer, LabelledSums, combined, label_parts
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
            return _batches(self.source.partitions(), self.columns)

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

    def plan_from(self, batches: Batches) -> Plan:
        """A plan from chunks that are read once."""
        read: list[tuple[str, pa.RecordBatch]] = []
        plan, _, _ = self._first_plan(_recorded(batches, read))
        learn_transforms(plan, self.source)
        sample = _sample(plan, chain(read, batches))
        if not sample:
            raise DataError(NO_ROWS)
        return with_units(plan, sample)

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
    source = _narrowed(source, columns)
    with_levels = {*factor_columns_of(bound, source.schema), *label_names(bound)}
    known = given_levels(levels, columns, with_levels)
    categories = categorical_columns(source.schema)
    factors = _factor_levels(bound, source, known)
    numbers = [name for name in columns if kind_of(source.schema.field(name).type) == "number"]
    ranges = learn_ranges(bound, source, numbers) if bound.plain is None else {}
    facts = Facts(known, categories, ranges, tuple(source.schema.names))
    return Preparation(text, bound, source, columns, factors, facts)


def planned_sums(
    text: ModelText, source: Source, levels: Mapping[str, Any] | None, memory: int
) -> tuple[Plan, LabelledSums]:
    """A plan from a source, and the sums of its rows.

    Parameters
    ----------
    text, source, levels
        See :func:`prepared`.
    memory : int
        Bytes that the sums may take.

    Raises
    ------
    LmformsError
    """
    made = prepared(text, source, levels)
    if source.repeatable:
        plan = made.plan()
        return settled_plan(made, plan, lambda plan: summed(plan, made.source, memory))
    read: list[tuple[str, pa.RecordBatch]] = []
    batches = _batches(made.source.partitions(), made.columns)
    plan = made.plan_from(_recorded(batches, read))
    found = _summed(plan, chain(read, batches), memory=memory)
    refuse_other_labels(plan, found)
    return _with_used_orders(plan, found), found


def settled_plan(
    made: Preparation, plan: Plan, sum_rows: Callable[[Plan], LabelledSums]
) -> tuple[Plan, LabelledSums]:
    """A plan whose factors have rows of every level, and the sums.

    Parameters
    ----------
    made : Preparation
    plan : Plan
        The first to try.
    sum_rows : callable
    """
    while True:
        found = sum_rows(plan)
        fewer = _without_empty_levels(plan, found, made.facts.levels)
        if fewer is None:
            return _with_used_orders(plan, found), found
        # a level that only incomplete rows have
        plan = replace(made, factors=fewer).plan()


def summed(
    plan: Plan, source: Source, memory: int, partitions: Sequence[Partition] | None = None
) -> LabelledSums:
    """The sums of all rows of a source, or of some partitions."""
    work = partial(_sum_of_partitions, plan, memory=memory)
    with limited_blas_threads(1):
        found = source.reduced(work, combined, partitions)
    refuse_other_labels(plan, found)
    return found


def summed_again(
    plan: Plan,
    sources: Sequence[Source],
    scaling: Scaling,
    kept: IndexArray,
    first: LabelledSums,
) -> CrossProducts:
    """Cross-products of all rows in units that are known, with pilot effects.

    Parameters
    ----------
    plan : Plan
    sources : sequence of Source
    scaling : Scaling
    kept : ndarray of int
        Columns of X that do not depend on earlier ones.
    first : LabelledSums
        What the rows gave before.

    Raises
    ------
    DataError
        There are other rows now.
    """
    work = partial(_sum_of_partitions, plan, scaling=scaling, kept=kept, labels=first.labels)
    narrowed = [_narrowed(source, plan.columns) for source in sources]
    with limited_blas_threads(1):
        found = [source.reduced(work, combined) for source in narrowed]
    total = reduce(combined, found)
    if total.n_read != first.n_read or total.sums.facts.n != first.sums.facts.n:
        raise DataError(
            f"the source gave {total.n_read:,} rows, {total.sums.facts.n:,} of them complete, and "
            f"{first.n_read:,} and {first.sums.facts.n:,} when it was read before: it has changed."
        )
    return products_of(total.sums)


def _sum_of_partitions(
    plan: Plan,
    partitions: Sequence[Partition],
    scaling: Scaling | None = None,
    kept: IndexArray | None = None,
    labels: tuple[pd.Index, ...] | None = None,
    memory: int | None = None,
) -> LabelledSums:
    return _summed(plan, _batches(partitions, plan.columns), scaling, kept, labels, memory)


def _summed(
    plan: Plan,
    batches: Iterable[tuple[str, pa.RecordBatch]],
    scaling: Scaling | None = None,
    kept: IndexArray | None = None,
    labels: tuple[pd.Index, ...] | None = None,
    memory: int | None = None,
) -> LabelledSums:
    groups = plan.prototype.groups
    own = scaling or plan.scaling
    assert own is not None
    summer = ChunkSummer(
        own,
        [group.covariance.k for group in groups],
        [len(plan.bound.random[group.terms[0]].group) for group in groups],
        labels,
        kept,
        memory,
    )
    rows = 0
    for where, batch in batches:
        rows += batch.num_rows
        kernels_of_rows(rows)  # loads them once there are so many rows that it pays
        summer.add(chunk_rows(plan, batch, where), where)
    return summer.result()


def _batches(partitions: Sequence[Partition], columns: Sequence[str]) -> Batches:
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


def _narrowed(source: Source, columns: Sequence[str]) -> Source:
    """Of some columns, where a source wants to know them before it is read."""
    narrow = getattr(source, "with_columns", None)
    return source if narrow is None else narrow(list(columns))


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


def refuse_other_labels(plan: Plan, found: LabelledSums) -> None:
    """Refuse marks of missing values among labels of text, and others than the user gave.

    Raises
    ------
    DataError
    """
    for group, labels in zip(plan.prototype.groups, found.labels, strict=True):
        factors = plan.bound.random[group.terms[0]].group
        for factor, own in zip(factors, label_parts(labels), strict=True):
            name = unaliased(factor.expr)
            if factor.eval_method.value == "lookup" and own.inferred_type == "string":
                refuse_missing_marks(name, pd.Series(pd.Categorical(own.unique())))
            if name in plan.levels and not own.isin(plan.levels[name]).all():
                new = own[~own.isin(plan.levels[name])].unique()
                raise DataError(
                    f"`{name}` has levels that levels= does not have: "
                    f"{listed([str(x) for x in new], 5)}."
                )


def _with_used_orders(plan: Plan, found: LabelledSums) -> Plan:
    """The plan without categories that no row has: sums must not tell them."""
    present: dict[str, pd.Index] = {}
    for group, labels in zip(plan.prototype.groups, found.labels, strict=True):
        factors = plan.bound.random[group.terms[0]].group
        for factor, own in zip(factors, label_parts(labels), strict=True):
            present[unaliased(factor.expr)] = own
    return replace(
        plan,
        orders={name: own[own.isin(present[name])] for name, own in plan.orders.items()},
    )


def _without_empty_levels(
    plan: Plan, found: LabelledSums, known: Mapping[str, pd.Index]
) -> dict[str, pd.CategoricalDtype] | None:
    """Levels of the factors that have complete rows; None if all have some."""
    out = dict(plan.factors)
    for name, counts in found.factor_counts.items():
        if name not in known and not counts.all():
            out[name] = pd.CategoricalDtype(out[name].categories[counts > 0])
    return None if out == dict(plan.factors) else out
