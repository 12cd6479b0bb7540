"""Passes over a source: sums of all rows, and once more with pilot effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
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
from ..sources.source import Partition, Source
from ..support.arrays import IndexArray
from .chunk_rows import chunk_rows
from .labelled_sums import ChunkSummer, LabelledSums, combined, label_parts
from .make_plan import ModelText
from .plan import Plan
from .prepare_plan import Preparation, named_batches, prepared

if TYPE_CHECKING:
    import pyarrow as pa


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
    plan, batches = made.plan_once()
    found = _summed(plan, batches, memory=memory)
    refuse_other_labels(plan, found)
    return with_used_orders(plan, found), found


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
            return with_used_orders(plan, found), found
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
    narrowed = [source.with_columns(plan.columns) for source in sources]
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
    return _summed(plan, named_batches(partitions, plan.columns), scaling, kept, labels, memory)


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


def with_used_orders(plan: Plan, found: LabelledSums) -> Plan:
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
