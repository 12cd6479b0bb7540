"""A fit to a file: the model's columns, its options and the estimates."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np

from .._version import __version__
from ..data.read import all_columns
from ..data.theta_order import theta_in_formula_order
from ..errors import ContextWarning, DataError, ModelError
from ..results.state import FitState
from ..support.arrays import AnyArray
from ..support.caller import caller_depth
from ..support.column_table import Table
from .archive import write_archive
from .atomic import checked_path
from .columns import encode_column
from .generalized import encode_generalized
from .header import (
    FORMAT,
    FORMAT_VERSION,
    LINEAR_VERSION,
    MAX_FORMULA_LENGTH,
    checked_header,
)
from .index_json import encode_index
from .relationships import encode_relationships
from .safe_formula import load_with, names_from_context


def save(state: FitState, path: str | PathLike[str]) -> None:
    """See :meth:`lmforms.MixedModelResults.save`."""
    target = checked_path(path, "save")
    meta, arrays, names = _contents_of(state)
    checked_header(meta, _not_written)  # what is written can be read
    write_archive(target, meta, arrays)
    if names:
        warnings.warn(
            f"save: the formula uses {', '.join(map(repr, names))} from your code, which is not "
            f"saved: {load_with(names)} when you load it.",
            ContextWarning,
            stacklevel=caller_depth(),
        )


def _not_written(why: str) -> DataError:
    return DataError(f"save: the fit cannot be written: {why}.")


def _contents_of(
    state: FitState,
) -> tuple[dict[str, Any], dict[str, AnyArray], list[str]]:
    """Header and arrays of a file, and the names that loading needs from ``context=``."""
    design, estimate = state.design, state.estimate
    if not design.has_rows:
        raise ModelError(
            "save: the model was fitted from sums of rows: save the sums, by lf.summarise(…)"
            ".save(path), which lf.lmer(lf.load(path)) fits."
        )
    if not state.optimized:
        raise ModelError("save: θ of this model was given, not estimated: save the fit itself.")
    formula_data = design.formula_data
    used = all_columns(formula_data.bound, None, formula_data.auxiliary)
    contrasts = {name: c for name, c in formula_data.contrasts.items() if name in used}
    for name, contrast in contrasts.items():
        if not isinstance(contrast, (str, np.ndarray, list, tuple)):
            raise DataError(
                f"save: the contrast object for `{name}` cannot be written; name it, as in "
                f"contrasts={{{name!r}: 'contr.sum'}}, or give its matrix."
            )
    source, kept = formula_data.formula.source, formula_data.frame.table
    table = Table({name: kept[name] for name in formula_data.columns}, kept.index)
    beside = formula_data.auxiliary
    longest = max(len(source), *(len(own.part.source) for own in beside.values()), 0)
    if longest > MAX_FORMULA_LENGTH:
        raise DataError(
            f"save: the formula has {longest} characters, and {MAX_FORMULA_LENGTH} can be read "
            "back: use shorter names of columns, or `.`."
        )
    names = names_from_context(formula_data.bound, table, formula_data.scope.given, "save", beside)
    arrays: dict[str, AnyArray] = {
        "response": state.response,
        "theta": theta_in_formula_order(design, estimate.theta),
        "beta": estimate.beta,
        **{f"extra/{name}": values for name, values in formula_data.frame.extra.items()},
    }
    if len(estimate.phi):
        arrays["phi"] = estimate.phi
    if formula_data.rows is not None:
        arrays["rows"] = formula_data.rows
    columns = []
    for i, name in enumerate(table):
        facts, arrays[f"column/{i}"] = encode_column(table[name])
        columns.append({"name": name, **facts})
    try:
        index = encode_index(table.index)
    except DataError as exc:
        raise DataError(
            f"save: the index of the data: {exc} Use data.reset_index(drop=True)."
        ) from None
    optimum = estimate.optimum
    generalized = None
    if state.family is None:
        arrays["gradient"] = optimum.evaluation.gradient
    else:
        generalized, own = encode_generalized(state)
        arrays |= own
    relationships, matrices = encode_relationships(state.relationship)
    arrays |= matrices
    meta = {
        "format": FORMAT,
        "format_version": LINEAR_VERSION if generalized is None else FORMAT_VERSION,
        "lmforms": __version__,
        "formula": source,
        "reml": estimate.reml,
        "criterion": float(estimate.criterion),
        "sigma": float(estimate.sigma),
        "method": state.method,
        "control": asdict(state.control),
        "contrasts": {
            k: v if isinstance(v, str) else np.asarray(v, dtype=np.float64).tolist()
            for k, v in contrasts.items()
        },
        "offset_column": formula_data.offset_column,
        "weights_column": formula_data.weights_column,
        "columns": columns,
        "index": index,
        "optimum": {
            "converged": bool(optimum.converged),
            "message": optimum.message,
            "n_evaluations": int(optimum.n_evaluations),
            "decrement": float(optimum.decrement),
            "trace": [float(value) for value in optimum.trace],
        },
        "singular": [list(map(int, pair)) for pair in estimate.singular],
        "flat": [list(map(int, pair)) for pair in estimate.unidentified],
        "relationships": relationships,
        "residual": None if formula_data.residual is None else str(formula_data.residual),
    }
    if generalized is not None:
        meta["generalized"] = generalized
    return meta, arrays, names
