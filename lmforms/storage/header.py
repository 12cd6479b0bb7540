"""What the header of a saved fit holds, each field checked when it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeGuard

import numpy as np
import pandas as pd

from ..control import Control
from ..errors import DataError
from ..support.arrays import FloatArray
from .archive import DIGEST
from .generalized import GeneralizedFacts, are_generalized, decode_generalized
from .index_json import decode_index
from .relationships import are_relationships

FORMAT = "lmforms-fit"
FORMAT_VERSION = 6
"""Of fits of generalised models, and the newest that is read."""

LINEAR_VERSION = 5
"""Of fits of linear models, which earlier versions of lmforms read too."""

MAX_FORMULA_LENGTH = 20_000
"""Characters. The time that reading a formula takes grows with their square."""

_VERSION_1_DEFAULTS = {"method": "auto", "singular": None, "flat": None}
"""Fields that version 1 did not have, and what they were then."""

_VERSION_2_DEFAULTS: dict[str, Any] = {"relationships": []}
"""Likewise version 2."""

_VERSION_3_DEFAULTS: dict[str, Any] = {"weights_column": None}
"""Likewise version 3."""

_VERSION_4_DEFAULTS: dict[str, Any] = {"residual": None}
"""Likewise version 4."""

_VERSION_5_DEFAULTS: dict[str, Any] = {"generalized": None}
"""Likewise version 5."""


@dataclass(frozen=True)
class FitHeader:
    """The header of a saved fit.

    Attributes
    ----------
    formula : str
    reml : bool
    criterion, sigma : float
    method : str
        Estimator, ``"auto"`` for the engine's own.
    control : Control
    contrasts : dict of str to str or ndarray
    offset_column, weights_column : str or None
    columns : list of dict
        Name and kind of each column, see :mod:`.columns`.
    index : pandas.Index
        Labels of the rows.
    optimum : dict
        How the optimiser ended.
    singular, flat : tuple of (int, int), or None
        Structures, as in :class:`lmforms.engine.estimate.Estimate`; None where it was not written.
    relationships : list of dict
        Known covariances by grouping factor or term, see :mod:`.relationships`.
    residual : str or None
        Residual structure as text.
    generalized : GeneralizedFacts or None
        Family, link and more of a generalised model.
    has_digest : bool
        Whether the file says what its content must add up to.
    """

    formula: str
    reml: bool
    criterion: float
    sigma: float
    method: str
    control: Control
    contrasts: dict[str, str | FloatArray]
    offset_column: str | None
    weights_column: str | None
    columns: list[dict[str, Any]]
    index: pd.Index
    optimum: dict[str, Any]
    singular: tuple[tuple[int, int], ...] | None
    flat: tuple[tuple[int, int], ...] | None
    relationships: list[dict[str, Any]]
    residual: str | None
    generalized: GeneralizedFacts | None
    has_digest: bool


def checked_header(meta: Mapping[str, Any], damaged: Callable[[str], DataError]) -> FitHeader:
    """The header as it stands in JSON, every field of the type and range that it must have.

    Parameters
    ----------
    meta : mapping
    damaged : callable
        Makes the error that names the file.

    Raises
    ------
    DataError
        A field is missing, unknown or invalid, or the file is of a newer version.
    ArgumentError
        An option of `Control` is out of its range.
    """
    if meta.get("format") != FORMAT:
        raise damaged("its format is another")
    version = meta.get("format_version")
    if not _is_count(version):
        raise damaged(f"its version is {version!r}")
    if version > FORMAT_VERSION:
        raise DataError(
            f"load: the file has format version {version}, written by lmforms "
            f"{meta.get('lmforms')}; this one reads up to {FORMAT_VERSION}. Upgrade lmforms."
        )
    if version == 1:
        known = {key: value for key, value in meta.items() if key != "names"}
        meta = {**_VERSION_1_DEFAULTS, **known}
    if version <= 2:
        meta = {**_VERSION_2_DEFAULTS, **meta}
    if version <= 3:
        meta = {**_VERSION_3_DEFAULTS, **meta}
    if version <= 4:
        meta = {**_VERSION_4_DEFAULTS, **meta}
    if version <= 5:
        meta = {**_VERSION_5_DEFAULTS, **meta}
    for name in meta:
        if name not in _CHECKS and name != DIGEST:
            raise damaged(f"the field {name!r} is unknown")
    for name, is_right in _CHECKS.items():
        if name not in meta or not is_right(meta[name]):
            raise damaged(f"the field {name!r} is gone or not what it must be")
    optimum, generalized = meta["optimum"], meta["generalized"]
    return FitHeader(
        formula=meta["formula"],
        reml=meta["reml"],
        criterion=float(meta["criterion"]),
        sigma=float(meta["sigma"]),
        method=meta["method"],
        control=Control(**meta["control"]),
        contrasts={
            k: v if isinstance(v, str) else np.asarray(v, dtype=np.float64)
            for k, v in meta["contrasts"].items()
        },
        offset_column=meta["offset_column"],
        weights_column=meta["weights_column"],
        columns=meta["columns"],
        index=decode_index(meta["index"]),
        optimum={**optimum, "trace": tuple(map(float, optimum["trace"]))},
        singular=_pairs(meta["singular"]),
        flat=_pairs(meta["flat"]),
        relationships=meta["relationships"],
        residual=meta["residual"],
        generalized=None if generalized is None else decode_generalized(generalized),
        has_digest=version > 1 or DIGEST in meta,
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    """Infinite and NaN too: a step of the optimiser may have failed."""
    return isinstance(value, float) or (_is_count(abs(value)) if type(value) is int else False)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value)


def _is_formula(value: Any) -> bool:
    return _is_text(value) and len(value) <= MAX_FORMULA_LENGTH


def _is_control(value: Any) -> bool:
    return isinstance(value, dict) and set(value) <= {field.name for field in fields(Control)}


def _is_contrasts(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(c) or _is_matrix(c) for c in value.values())


def _is_matrix(value: Any) -> bool:
    """Rows of equal length, of finite numbers."""
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        return False
    return len({len(row) for row in value}) == 1 and all(_is_finite(x) for r in value for x in r)


def _is_columns(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(map(_is_column, value))
        and len({column["name"] for column in value}) == len(value)
    )


def _is_column(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_text(value.get("name")):
        return False
    more: dict[str | None, dict[str, type]] = {
        "plain": {},
        "labels": {"levels": dict},
        "category": {"levels": dict, "ordered": bool},
    }
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in more or len(value) != 2 + len(more[kind]):
        return False
    return all(isinstance(value.get(name), of) for name, of in more[kind].items())


def _is_optimum(value: Any) -> bool:
    checks: dict[str, Callable[[Any], bool]] = {
        "converged": _is_flag,
        "message": _is_text,
        "n_evaluations": _is_count,
        "decrement": _is_number,
        "trace": lambda trace: isinstance(trace, list) and all(map(_is_number, trace)),
    }
    return (
        isinstance(value, dict)
        and set(value) == set(checks)
        and all(is_right(value[name]) for name, is_right in checks.items())
    )


def _is_pairs(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_is_count, pair)) for pair in value
    )


def _pairs(value: Any) -> tuple[tuple[int, int], ...] | None:
    return None if value is None else tuple((first, second) for first, second in value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "format": _is_text,
    "format_version": _is_count,
    "lmforms": _is_text,
    "formula": _is_formula,
    "reml": _is_flag,
    "criterion": _is_finite,
    "sigma": lambda value: _is_finite(value) and bool(value > 0),
    "method": _is_text,
    "control": _is_control,
    "contrasts": _is_contrasts,
    "offset_column": lambda value: value is None or _is_text(value),
    "weights_column": lambda value: value is None or _is_text(value),
    "columns": _is_columns,
    "index": lambda value: isinstance(value, dict),
    "optimum": _is_optimum,
    "singular": _is_pairs,
    "flat": _is_pairs,
    "relationships": are_relationships,
    "residual": lambda value: value is None or _is_text(value),
    "generalized": are_generalized,
}
"""What each field must be."""
