"""`ModelSums` and `summarise`: the sums of a model as a thing of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from ..control import Control, control_of
from ..data.input_table import column_names
from ..errors import ArgumentError, DataError, ModelError
from ..results.model_results import MixedModelResults
from ..sources.counted_sources import CountedSource
from ..sources.lookup import source_of
from ..sources.source import Source
from ..support.arguments import flag, named_arguments, whole_number
from ..support.progress import row_bar
from .labelled_sums import LabelledSums, combined, without
from .make_plan import ModelText
from .passes import planned_sums
from .plan import Plan
from .resumed_sums import resumed_sums
from .same_columns import same_columns, same_labels
from .summed_model import summed_model


class ModelSums:
    """Sums over the rows of a model: all that a fit needs of them, and no row.

    Made by :func:`lmforms.summarise`, of rows wherever they are. Sums of one formula add up: those
    of hospitals or days are made where the rows are and put together later, and the fit is that of
    all rows. They know their formula: ``lf.lmer(sums)`` fits it.

    Notes
    -----
    For every level of a grouping factor they hold how many rows it has, and sums of products of its
    columns: the sum of the responses of a person's rows, say. Where a level has one row this is the
    row itself. See :meth:`smallest` before you hand sums to others, and hand them over as files of
    :meth:`save`, which hold no rows: pickled sums have some of the first rows with them.
    """

    def __init__(self, plan: Plan, totals: LabelledSums, sources: tuple[Source, ...] = ()) -> None:
        self._plan, self._totals = plan, totals
        # where all the rows are, if they can be read again; not in pickles and files
        self._sources = sources

    def __getstate__(self) -> dict[str, Any]:
        return {"_plan": self._plan, "_totals": self._totals, "_sources": ()}

    @property
    def formula(self) -> str:
        """The formula as it was given."""
        return self._plan.formula_data.formula.source

    @property
    def nobs(self) -> int:
        """Number of rows in the sums."""
        return self._totals.sums.facts.n

    @property
    def n_read(self) -> int:
        """Number of rows that were read, with those that were left out for missing values."""
        return self._totals.n_read

    @property
    def missing(self) -> dict[str, int]:
        """Rows in which a column was missing."""
        return dict(self._totals.missing)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of X."""
        return list(self._plan.prototype.fixed.names)

    @property
    def counts(self) -> dict[str, pd.Series]:
        """Number of rows of each level, by grouping factor."""
        ordered = self._totals.in_order(self._plan.label_orders)
        return {
            group.name: pd.Series(own.counts, index=labels, name="rows")
            for group, own, labels in zip(
                self._plan.prototype.groups, ordered.sums.factors, ordered.labels, strict=True
            )
        }

    @named_arguments
    def smallest(self) -> pd.Series:
        """The fewest rows that a level, or a pair of levels of two grouping factors, has.

        Returns
        -------
        Series
            By grouping factor, by pairs of them such as ``"patient × ward"``, and by factor among
            the predictors. Sums of few rows may tell what these rows are.
        """
        groups = [group.name for group in self._plan.prototype.groups]
        totals = self._totals.in_order(self._plan.label_orders)
        ordered = totals.sums
        found = {name: own.counts for name, own in zip(groups, ordered.factors, strict=True)}
        for (a, b), pair in ordered.pairs.items():
            assert pair.counts is not None
            found[f"{groups[a]} × {groups[b]}"] = pair.counts[pair.counts > 0]
        for name, counts in totals.factor_counts.items():
            found.setdefault(name, counts[counts > 0])
        least = {name: int(counts.min(initial=self.nobs)) for name, counts in found.items()}
        return pd.Series(least, dtype=np.int64, name="rows")

    @named_arguments
    def checked(self, least: int) -> ModelSums:
        """The same sums, if every level and every pair of levels has at least so many rows.

        Parameters
        ----------
        least : int

        Raises
        ------
        DataError
            One has fewer.
        """
        least = whole_number("checked: least", least, least=1)
        few = self.smallest()
        few = few[few < least]
        if len(few):
            name, count = few.index[0], int(few.iloc[0])
            raise DataError(
                f"a level of {name} has {count} row{'s' * (count > 1)}, and at least {least} were "
                "asked for: leave such levels out before the sums are made, or take a coarser "
                "factor."
            )
        return self

    def __add__(self, other: object) -> ModelSums:
        if not isinstance(other, ModelSums):
            return NotImplemented
        both = combined(self._totals, self._like_these(other))
        known = self._sources and other._sources
        return ModelSums(self._plan, both, (*self._sources, *other._sources) if known else ())

    @named_arguments
    def without(self, other: ModelSums) -> ModelSums:
        """The sums less those of some of the rows.

        Levels and pairs of levels all of whose rows are taken out are gone, exactly. What is left
        of the others has the rounding error of the whole: take out a small part.

        Parameters
        ----------
        other : ModelSums
            Of rows that are in these sums.

        Raises
        ------
        ModelError
            A level has more rows in `other` than here.
        """
        if not isinstance(other, ModelSums):
            raise ArgumentError("without() takes sums: lf.summarise(formula, rows).")
        return ModelSums(self._plan, without(self._totals, self._like_these(other)))

    def _like_these(self, other: ModelSums) -> LabelledSums:
        """The totals of other sums in the units of these."""
        if other.formula != self.formula:
            raise ModelError(
                f"sums of {other.formula!r} and of {self.formula!r} do not add up: make both with "
                "one formula."
            )
        same_columns(self._plan, other._plan)
        same_labels(self._plan.prototype.groups, self._totals.labels, other._totals.labels)
        a, b = self._plan.scaling, other._plan.scaling
        assert a is not None
        assert b is not None
        if a.is_same(b):
            return other._totals
        return replace(other._totals, sums=other._totals.sums.in_units(a))

    @named_arguments
    def fit(
        self,
        *,
        reml: bool = True,
        start: Any = None,
        control: Control | None = None,
        method: str = "auto",
    ) -> MixedModelResults:
        """Fit the model: see :func:`lmforms.lmer`."""
        return self._fit("drop", reml=reml, start=start, control=control, method=method)

    def _fit(self, missing: str, **options: Any) -> MixedModelResults:
        return summed_model(self._plan, self._totals, self._sources, missing).fit(**options)

    @named_arguments
    def save(self, path: str | PathLike[str]) -> None:
        """Write the sums to a file that :func:`lmforms.load` reads: JSON and plain arrays.

        It holds no row: the types of the columns, levels, what transforms have learnt, and the
        sums. The least and the largest response are written with three digits.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        FormulaError
            The formula holds Python code that no file may: see :func:`lmforms.load`.
        DataError
            Labels, contrasts or what transforms have learnt cannot be written.
        FileError
            The file cannot be written.

        Warns
        -----
        ContextWarning
            The formula uses functions of your own, which are not saved.

        Examples
        --------
        >>> import lmforms as lf, pathlib, tempfile
        >>> sleep = lf.datasets.load("sleepstudy")
        >>> sums = lf.summarise("Reaction ~ Days + (Days | Subject)", sleep)
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "sleep.lms"
        >>> sums.save(path)
        >>> lf.load(path)
        <ModelSums of 'Reaction ~ Days + (Days | Subject)': 180 rows, 18 levels of Subject>
        """
        from .stored_sums import save_sums

        save_sums(self._plan, self._totals, path)

    def __repr__(self) -> str:
        groups = [
            f"{len(labels):,} levels of {group.name}"
            for group, labels in zip(self._plan.prototype.groups, self._totals.labels, strict=True)
        ]
        return f"<ModelSums of {self.formula!r}: {', '.join([f'{self.nobs:,} rows', *groups])}>"


@named_arguments
def summarise(
    formula: str,
    data: Any,
    *,
    levels: Mapping[str, Any] | None = None,
    weights: str | None = None,
    offset: str | None = None,
    contrasts: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    control: Control | None = None,
    progress: bool = False,
    resume: str | PathLike[str] | None = None,
) -> ModelSums:
    """Sum up the rows of a model, wherever they are.

    Parameters
    ----------
    formula : str
        As for :func:`lmforms.lmer`.
    data : source
        A path, glob or folder of Parquet, Arrow or CSV files; a ``pyarrow.dataset.Dataset``; a
        DuckDB relation, or a connection and a query; a polars LazyFrame; a dask DataFrame or a list
        of delayed tables; an iterable of tables, or a function that makes one; or a table in
        memory.
    levels : mapping of str to sequence, optional
        Levels of factors among the predictors, which save the first pass over the rows; and of
        grouping columns, which may have no others then. Sums that are to be added up need the same
        levels of predictors.
    weights, offset : str, optional
        Columns.
    contrasts, context
        See :class:`lmforms.MixedModel`.
    control : Control, optional
        Its `memory` is what the sums may take.
    progress : bool
        Whether a bar shows how many rows were read. dask shows its own.
    resume : str or path, optional
        A file to which the sums so far are written every minute and when the work is interrupted.
        If it is there, the work goes on from it. Of files alone; they must be the same.

    Returns
    -------
    ModelSums

    Raises
    ------
    FormulaError, ColumnError, DataError, ModelError, ArgumentError, FileError

    Examples
    --------
    >>> import lmforms as lf
    >>> sleep = lf.datasets.load("sleepstudy")
    >>> formula = "Reaction ~ Days + (Days | Subject)"
    >>> first = lf.summarise(formula, sleep[:100])
    >>> both = first + lf.summarise(formula, sleep[100:])
    >>> both
    <ModelSums of 'Reaction ~ Days + (Days | Subject)': 180 rows, 18 levels of Subject>
    >>> round(lf.lmer(both).criterion, 4)
    1743.6283
    """
    text = ModelText(formula, weights, offset, contrasts, context)
    shown, options = flag("progress", progress), control_of(control)
    return sums_of(text, any_source(data), levels, options, progress=shown, resume=resume)


def sums_of(
    text: ModelText,
    source: Source,
    levels: Mapping[str, Any] | None,
    control: Control,
    *,
    progress: bool = False,
    resume: str | PathLike[str] | None = None,
) -> ModelSums:
    """The sums of a source, which they know."""
    sources = (source,) if source.repeatable else ()

    def made(source: Source) -> tuple[Plan, LabelledSums]:
        if resume is None:
            return planned_sums(text, source, levels, control.memory)
        return resumed_sums(text, source, levels, control.memory, resume)

    if not progress:
        return ModelSums(*made(source), sources)
    if not source.in_threads:
        raise ArgumentError(f"progress=True: {source.name} is read elsewhere, which has its own.")
    with row_bar("lmforms") as bar:
        counted = CountedSource(source, bar.update)
        return ModelSums(*made(counted), sources)


def any_source(data: Any) -> Source:
    """The source of data, also of a table in memory.

    Raises
    ------
    DataError
        It is neither.
    """
    found = source_of(data)
    if found is None:
        column_names(data)  # refuses what is no table
        found = source_of([data])
    assert found is not None
    return found
