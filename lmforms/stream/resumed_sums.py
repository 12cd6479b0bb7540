"""Sums that are written to a file as they grow, and go on from it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, DataError, LmformsError
from ..sources.source import Partition, Source, processors
from ..storage.archive import Archive, opened
from ..storage.atomic import checked_path
from ..support.caller import caller_variables
from .labelled_sums import LabelledSums, combined
from .make_plan import ModelText
from .passes import settled_plan, summed, with_used_orders
from .plan import Plan
from .prepare_plan import prepared
from .stored_sums import SUMS_FORMAT, Progress, progress_of_archive, save_sums, sums_of_archive

SECONDS_BETWEEN = 60.0
"""Sums are written every so often."""

PARTITIONS_AT_A_TIME = 4
"""For each processor: an interrupt loses no more than these."""


@dataclass(frozen=True, eq=False)
class Begun:
    """Sums of some of the partitions."""

    plan: Plan
    totals: LabelledSums
    done: frozenset[str]


def resumed_sums(
    text: ModelText,
    source: Source,
    levels: Mapping[str, Any] | None,
    memory: int,
    resume: str | PathLike[str],
) -> tuple[Plan, LabelledSums]:
    """A plan and the sums of a source, from those that a file holds.

    Parameters
    ----------
    text, source, levels, memory
        See :func:`.passes.planned_sums`.
    resume : str or path

    Raises
    ------
    ArgumentError
        The source does not consist of files.
    DataError
        The file holds something else, or sums of other files or of another formula.
    """
    path = checked_path(resume, "summarise")
    if not (source.in_threads and source.repeatable and source.fingerprint):
        raise ArgumentError(
            f"resume= is for files, whose names and times tell whether they are the same later on, "
            f"not for {source.name}."
        )
    begun = _begun(path, text, source, levels)
    made = prepared(text, source, levels if begun is None else _levels_of(begun.plan))
    if begun is not None:  # levels that were found are no levels that the user gave
        made = replace(made, facts=replace(made.facts, levels=begun.plan.levels))
    first = begun

    def sum_rows(plan: Plan) -> LabelledSums:
        nonlocal first
        own, first = first, None  # another plan begins anew
        return _summed_with_file(plan, made.source, memory, path, own)

    return settled_plan(made, made.plan() if begun is None else begun.plan, sum_rows)


def refuse_part(archive: Archive) -> None:
    """Refuse to load sums that are not complete.

    Raises
    ------
    DataError
    """
    found = progress_of_archive(archive)
    if found is not None and len(found.done) < found.count:
        raise DataError(
            f"load: the file holds the sums of {len(found.done)} of {found.count} parts of its "
            "source: let lf.summarise(…, resume=…) go on with it."
        )


def _summed_with_file(
    plan: Plan, source: Source, memory: int, path: Path, begun: Begun | None
) -> LabelledSums:
    """The sums of all partitions, written to a file on the way."""
    every = source.partitions()
    done = set() if begun is None else set(begun.done)
    totals = None if begun is None else begun.totals
    left = [p for p in every if p.name not in done]
    written = time.monotonic()
    try:
        for some in _rounds(left, PARTITIONS_AT_A_TIME * processors()):
            found = summed(plan, source, memory, some)
            totals = found if totals is None else combined(totals, found)
            done |= {p.name for p in some}
            if time.monotonic() - written > SECONDS_BETWEEN:
                save_sums(plan, totals, path, _progress(source, every, done))
                written = time.monotonic()
    except BaseException as error:  # an interrupt, too
        if totals is not None:
            try:
                save_sums(plan, totals, path, _progress(source, every, done))
            except LmformsError as second:
                error.add_note(f"the sums so far could not be written: {second}")
        raise
    assert totals is not None
    if left:
        save_sums(with_used_orders(plan, totals), totals, path, _progress(source, every, done))
    return totals


def _progress(source: Source, every: Sequence[Partition], done: set[str]) -> Progress:
    names = tuple(p.name for p in every if p.name in done)
    return Progress(source.fingerprint, names, len(every))


def _rounds(items: Sequence[Partition], count: int) -> list[Sequence[Partition]]:
    return [items[i : i + count] for i in range(0, len(items), count)]


def _begun(
    path: Path, text: ModelText, source: Source, levels: Mapping[str, Any] | None
) -> Begun | None:
    """What a file holds; None if there is none."""
    if not path.exists():
        return None
    with opened(path) as archive:
        if archive.meta.get("format") != SUMS_FORMAT:
            raise DataError(f"resume: {str(path)!r} is no file of sums: give another name.")
        known = caller_variables() if text.context is None else text.context
        plan, totals = sums_of_archive(archive, dict(known))
        progress = progress_of_archive(archive)
    given = plan.formula_data
    before = (given.formula.source, given.weights_column, given.offset_column)
    others = [name for name, own in (levels or {}).items() if not _are_levels(plan, name, own)]
    if (
        before != (text.formula, text.weights, text.offset)
        or repr(dict(given.contrasts)) != repr(dict(text.contrasts or {}))
        or others
    ):
        raise DataError(
            f"resume: {str(path)!r} holds the sums of {given.formula.source!r} with other "
            "arguments: give the file another name, or the same formula, weights, offset, "
            "contrasts and levels."
        )
    if progress is None or progress.fingerprint != source.fingerprint:
        raise DataError(
            f"resume: {str(path)!r} holds sums of other files than {source.name}, or they have "
            "changed: give the file another name, or remove it."
        )
    return Begun(plan, totals, frozenset(progress.done))


def _levels_of(plan: Plan) -> dict[str, Any]:
    """Levels that need not be looked for again."""
    return {name: dtype.categories for name, dtype in plan.factors.items()} | dict(plan.levels)


def _are_levels(plan: Plan, name: str, given: Any) -> bool:
    """Whether levels are those that the sums were begun with."""
    own = plan.factors[name].categories if name in plan.factors else plan.levels.get(name)
    return own is not None and list(own) == list(given)
