"""The same decision whatever the rounding: for tests of refusals, warnings and singular fits.

A case is run again with rows in another order, levels with other labels, terms and columns in
another order, data times numbers that are no powers of two, another origin of the response, and
sums that are accumulated in chunks. None of that changes the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

import lmforms.engine.sums.sums_of_rows
from lmforms.engine.rows import ModelRows
from lmforms.engine.sums.cross_products import CrossProducts, cross_products
from lmforms.engine.sums.units import Scaling
from lmforms.errors import LmformsError, LmformsWarning

FACTORS = (3.0, 0.7, 1e5 / 7.0)
"""No powers of two: products are rounded."""

CHUNKS = 3

Decision = tuple[str, ...]


def decision(call: Callable[[], Any]) -> Decision:
    """The class of the error, or those of the warnings; nothing for a plain fit."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            call()
        except LmformsError as exc:
            return (type(exc).__name__,)
    kinds = {w.category for w in found if issubclass(w.category, LmformsWarning)}
    return tuple(sorted(kind.__name__ for kind in kinds))


def same_decision(
    fit: Callable[[str, pd.DataFrame], Any],
    formulas: str | Sequence[str],
    data: pd.DataFrame,
    *,
    response: str | None = "y",
    predictors: Sequence[str] = (),
    groups: Sequence[str] = (),
    origin: float | None = None,
) -> Decision:
    """The decision of a fit; fails unless every other way to state the model gives it too.

    Parameters
    ----------
    fit : callable
        Of a formula and a table.
    formulas : str or sequence of str
        The same model with its terms in other orders.
    response : str, optional
        Column that may be in other units.
    predictors : sequence of str
        Numeric columns that may be in other units.
    groups : sequence of str
        Columns whose levels may have other labels.
    origin : float, optional
        Something that may be added to the response.
    """
    formulas = [formulas] if isinstance(formulas, str) else list(formulas)
    expected = decision(lambda: fit(formulas[0], data))
    for name, formula, changed, context in _variants(
        formulas, data, response, predictors, groups, origin
    ):
        with context:
            got = decision(lambda f=formula, d=changed: fit(f, d))
        assert got == expected, f"{name}: {got}, where the case as given has {expected}"
    return expected


def _variants(
    formulas: Sequence[str],
    data: pd.DataFrame,
    response: str | None,
    predictors: Sequence[str],
    groups: Sequence[str],
    origin: float | None,
) -> Iterator[tuple[str, str, pd.DataFrame, AbstractContextManager[Any]]]:
    rng = np.random.default_rng(1)
    plain = nullcontext()
    for formula in formulas[1:]:
        yield "terms in another order", formula, data, plain
    first, last = formulas[0], formulas[-1]
    yield (
        "sums in chunks",
        first,
        data,
        patch.object(lmforms.engine.sums.sums_of_rows, "cross_products", _in_chunks),
    )
    yield "columns in another order", first, data[data.columns[::-1]], plain
    for k in range(2):
        yield f"rows permuted ({k})", last, data.iloc[rng.permutation(len(data))], plain
    if groups:
        labels = {g: _relabelled(data[g], rng) for g in groups}
        yield "other labels", first, data.assign(**labels), plain
    for factor in FACTORS:
        if response is not None:
            changed = data.assign(**{response: data[response] * factor})
            yield f"response times {factor}", first, changed, plain
        if predictors:
            changed = data.assign(**{x: data[x] * factor for x in predictors})
            yield f"predictors times {factor}", last, changed, plain
    if origin is not None and response is not None:
        yield "another origin", first, data.assign(**{response: data[response] + origin}), plain
    order = rng.permutation(len(data))
    changed = data.iloc[order]
    if response is not None:
        changed = changed.assign(**{response: changed[response] / 3.0})
    yield (
        "rows permuted, response divided, sums in chunks",
        last,
        changed,
        patch.object(lmforms.engine.sums.sums_of_rows, "cross_products", _in_chunks),
    )


def _relabelled(column: pd.Series, rng: np.random.Generator) -> pd.Series:
    levels = pd.unique(column)
    new = [f"level {i}" for i in rng.permutation(len(levels))]
    return column.map(dict(zip(levels, new, strict=True)))


def _in_chunks(rows: ModelRows, scaling: Scaling) -> CrossProducts:
    """Cross-products of a few chunks, added up."""
    edges = np.linspace(0, rows.n, CHUNKS + 1).astype(int)
    parts = [cross_products(rows.subset(slice(a, b)), scaling) for a, b in pairwise(edges)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
