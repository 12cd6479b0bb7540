"""Sums in a file: JSON and plain arrays, no rows and no code."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from .._version import __version__
from ..engine.sums.additive_sums import AdditiveSums, LevelSums, RowFacts
from ..engine.sums.moments import PairMoments
from ..engine.sums.units import AffineMap, Pilot, Scaling, Units
from ..errors import ContextWarning, DataError, NumericalError
from ..storage.archive import DIGEST, Archive, write_archive
from ..storage.atomic import checked_path
from ..storage.columns import decode_column, encode_column
from ..storage.safe_formula import load_with
from ..support.arrays import AnyArray, FloatArray, IndexArray
from ..support.caller import caller_depth
from .labelled_sums import LabelledSums, label_parts
from .plan import Plan
from .stored_plan import decode_plan, encode_plan, needed_names

SUMS_FORMAT = "lmforms-sums"
SUMS_VERSION = 1
"""The newest that is read."""

BITS_OF_RANGE = 10
"""Of the least and the largest response, which are values of rows and need not be exact."""

Arrays = Mapping[str, AnyArray]


@dataclass(frozen=True)
class Progress:
    """How far the sums of a source have come.

    Attributes
    ----------
    fingerprint : str
        Of the source.
    done : tuple of str
        Names of the partitions that are in the sums.
    count : int
        Number of all partitions.
    """

    fingerprint: str
    done: tuple[str, ...]
    count: int


def save_sums(
    plan: Plan,
    totals: LabelledSums,
    path: str | PathLike[str],
    progress: Progress | None = None,
) -> None:
    """See :meth:`lmforms.ModelSums.save`; with `progress` sums of some of the rows."""
    target = checked_path(path, "save")
    facts = encode_plan(plan)
    context = plan.formula_data.scope.given
    names = needed_names(facts, context, "save")
    decode_plan(json.loads(json.dumps(facts)), context, "save")  # what is written can be read
    meta, arrays = _contents_of(plan, totals)
    if progress is not None:
        meta["progress"] = asdict(progress)
    write_archive(target, {**meta, "plan": facts}, arrays)
    if names:
        warnings.warn(
            f"save: the formula uses {', '.join(map(repr, names))} from your code, which is not "
            f"saved: {load_with(names)} when you load it.",
            ContextWarning,
            stacklevel=caller_depth(),
        )


def sums_of_archive(archive: Archive, context: Mapping[str, Any]) -> tuple[Plan, LabelledSums]:
    """The plan and the sums of a file that :func:`save_sums` wrote.

    Parameters
    ----------
    archive : Archive
    context : mapping
        Functions and variables of the user's own.

    Raises
    ------
    DataError
        The file is damaged, was edited, is of a newer version, or lacks a name of `context`.
    FormulaError
        The formula holds code that no file may.
    """
    archive.kind = "a file of sums"
    meta = archive.meta
    version = meta.get("format_version")
    if not _is_count(version):
        raise archive.damaged(f"its version is {version!r}")
    if version > SUMS_VERSION:
        raise DataError(
            f"load: the file of sums has format version {version}, written by lmforms "
            f"{meta.get('lmforms')}; this one reads up to {SUMS_VERSION}. Upgrade lmforms."
        )
    for name in meta:
        if name not in _CHECKS and name not in (DIGEST, "progress"):
            raise archive.damaged(f"the field {name!r} is unknown")
    for name, is_right in _CHECKS.items():
        if name not in meta or not is_right(meta[name]):
            raise archive.damaged(f"the field {name!r} is gone or not what it must be")
    plan = decode_plan(meta["plan"], context, "load")
    found = _Reader(archive, plan).sums()
    archive.check_digest()
    scaling = found.sums.scaling
    return replace(plan, scaling=scaling), found


def progress_of_archive(archive: Archive) -> Progress | None:
    """How far the sums in a file have come; None if they are complete."""
    found = archive.meta.get("progress")
    if found is None:
        return None
    wanted = {"fingerprint": str, "done": list, "count": int}
    is_right = isinstance(found, dict) and {k: type(v) for k, v in found.items()} == wanted
    if not is_right or not all(map(_is_text, found["done"])):
        raise archive.damaged("the field 'progress' is not what it must be")
    return Progress(found["fingerprint"], tuple(found["done"]), found["count"])


# --- writing ------------------------------------------------------------------------------------


def _contents_of(plan: Plan, totals: LabelledSums) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    sums, scaling = totals.sums, totals.sums.scaling
    units, pilot = scaling.units, scaling.pilot
    arrays: dict[str, AnyArray] = {
        "facts": _facts(sums.facts),
        "rr": sums.rr.ravel(),
        "root": np.ascontiguousarray(sums.root).ravel(),
        "pilot/gamma": pilot.gamma,
        "pilot/shift_beta": pilot.shift_beta,
        "pilot/numbers": np.array([pilot.y_scale, pilot.shift, pilot.resolution]),
    }
    maps = {"x": units.x, **{f"basis/{i}": own for i, own in enumerate(units.bases)}}
    for name, own in maps.items():
        arrays[f"{name}/center"], arrays[f"{name}/matrix"] = own.center, own.matrix.ravel()
    groups = []
    for i, (factor, labels) in enumerate(zip(sums.factors, totals.labels, strict=True)):
        name = f"group/{i}"
        arrays |= {f"{name}/zz": factor.zz.ravel(), f"{name}/zr": factor.zr.ravel()}
        arrays[f"{name}/counts"] = factor.counts
        arrays[f"{name}/root"] = np.ascontiguousarray(factor.root).ravel()
        parts = []
        for j, part in enumerate(label_parts(labels)):
            series = pd.Series(part, dtype=part.dtype, name=plan.prototype.groups[i].name)
            facts, arrays[f"{name}/label/{j}"] = encode_column(series)
            parts.append(facts)
        groups.append({"size": len(labels), "labels": parts})
    for (a, b), pair in sums.pairs.items():
        assert pair.counts is not None
        name = f"pair/{a}/{b}"
        arrays |= {f"{name}/rows": pair.rows, f"{name}/cols": pair.cols}
        arrays |= {f"{name}/blocks": pair.blocks.ravel(), f"{name}/counts": pair.counts}
    for i, name in enumerate(plan.factors):
        arrays[f"rows_of_factor/{i}"] = totals.factor_counts[name]
    infinite = [name for name, x in arrays.items() if name != "facts" and not _is_finite(x)]
    if infinite:
        raise NumericalError(
            f"save: the sums overflow ({infinite[0]}): give the columns of the model other units."
        )
    meta = {
        "format": SUMS_FORMAT,
        "format_version": SUMS_VERSION,
        "lmforms": __version__,
        "rows": sums.facts.n,
        "rows_read": totals.n_read,
        "missing": {name: int(count) for name, count in totals.missing.items()},
        "groups": groups,
        "pairs": [list(key) for key in sums.pairs],
        "constants": [own.constant for own in maps.values()],
    }
    return meta, arrays


def _facts(facts: RowFacts) -> FloatArray:
    """Numbers that are known of all rows; the ends of ranges a little further out."""
    low, high = facts.low, facts.high
    if low < high:
        low, high = -_beyond(-low), _beyond(high)
    size = _beyond(facts.size)
    return np.array([low, high, size, facts.weights, facts.log_det_residual])


def _beyond(value: float) -> float:
    """The next number of few digits.

    Examples
    --------
    >>> _beyond(1000.7), _beyond(-1000.7), _beyond(0.0)
    (1001.0, -1000.0, 0.0)
    """
    if not np.isfinite(value):
        return value
    part, exponent = np.frexp(value)
    return float(np.ldexp(np.ceil(np.ldexp(part, BITS_OF_RANGE)), exponent - BITS_OF_RANGE))


def _is_finite(values: AnyArray) -> bool:
    return bool(values.dtype.kind in "iub" or np.isfinite(values).all())


# --- reading ------------------------------------------------------------------------------------


class _Reader:
    """Sums from an archive, every array of the shape that the plan asks for."""

    def __init__(self, archive: Archive, plan: Plan) -> None:
        self._archive, self._plan = archive, plan
        self._p = len(plan.prototype.fixed.names)
        self._sizes = [covariance.k for covariance in plan.covariances]

    def sums(self) -> LabelledSums:
        archive, plan, p = self._archive, self._plan, self._p
        meta, n = archive.meta, archive.meta["rows"]
        if len(meta["groups"]) != len(self._sizes):
            raise archive.damaged("it has another number of grouping factors")
        levels = [own["size"] for own in meta["groups"]]
        labels = tuple(self._labels(i, own) for i, own in enumerate(meta["groups"]))
        factors = tuple(
            LevelSums(
                self._floats(f"group/{i}/zz", q, k, k),
                self._floats(f"group/{i}/zr", q, k, p + 1),
                self._counts(f"group/{i}/counts", q, n),
                self._floats(f"group/{i}/root", -1, k),
            )
            for i, (q, k) in enumerate(zip(levels, self._sizes, strict=True))
        )
        wanted = [[a, b] for a in range(len(levels)) for b in range(a + 1, len(levels))]
        if meta["pairs"] != wanted:
            raise archive.damaged("it has other pairs of grouping factors")
        low, high, size, weights, log_det = self._floats("facts", 5, finite=False).tolist()
        sums = AdditiveSums(
            scaling=self._scaling(),
            facts=RowFacts(n, low, high, size, weights, log_det),
            rr=self._floats("rr", p + 1, p + 1),
            root=self._floats("root", -1, p + 1),
            factors=factors,
            pairs={(a, b): self._pair(a, b, levels, n) for a, b in wanted},
        )
        return LabelledSums(
            sums=sums,
            labels=labels,
            n_read=meta["rows_read"],
            missing=meta["missing"],
            factor_counts={
                name: self._counts(f"rows_of_factor/{i}", len(dtype.categories), n)
                for i, (name, dtype) in enumerate(plan.factors.items())
            },
        )

    def _floats(self, name: str, *shape: int, finite: bool = True) -> FloatArray:
        length = None if -1 in shape else int(np.prod(shape))
        values = self._archive.array(name, length)
        if values.dtype != np.float64 or (finite and not np.isfinite(values).all()):
            raise self._archive.damaged(f"{name} holds other numbers")
        return values.reshape(shape)

    def _integers(self, name: str, length: int | None = None) -> IndexArray:
        return self._archive.array(name, length, kinds="i").astype(np.int64)

    def _counts(self, name: str, length: int | None, n: int) -> IndexArray:
        counts = self._integers(name, length)
        if (counts < 0).any() or counts.sum() != n:
            raise self._archive.damaged(f"{name} does not add up to {n}")
        return counts

    def _labels(self, i: int, own: Mapping[str, Any]) -> pd.Index:
        group = self._plan.prototype.groups[i]
        count = len(self._plan.bound.random[group.terms[0]].group)
        parts = [
            pd.Index(
                decode_column(facts, self._archive, f"group/{i}/label/{j}", own["size"]),
                tupleize_cols=False,
            )
            for j, facts in enumerate(own["labels"])
        ]
        if len(parts) != count:
            raise self._archive.damaged(f"the labels of `{group.name}` have other parts")
        labels = parts[0] if count == 1 else pd.MultiIndex.from_arrays(parts)
        if labels.has_duplicates or any(part.hasnans for part in parts):
            raise self._archive.damaged(f"labels of `{group.name}` are missing or there twice")
        return labels

    def _pair(self, a: int, b: int, levels: Sequence[int], n: int) -> PairMoments:
        name = f"pair/{a}/{b}"
        rows = self._integers(f"{name}/rows")
        cols = self._integers(f"{name}/cols", len(rows))
        counts = self._counts(f"{name}/counts", len(rows), n)
        blocks = self._floats(f"{name}/blocks", len(rows), self._sizes[a], self._sizes[b])
        for places, size in ((rows, levels[a]), (cols, levels[b])):
            if len(places) and not 0 <= places.min() <= places.max() < size:
                raise self._archive.damaged(f"{name} has levels that are not there")
        if (np.diff(rows * max(1, levels[b]) + cols) <= 0).any():
            raise self._archive.damaged(f"{name} is not in order")
        return PairMoments(rows, cols, blocks, counts)

    def _scaling(self) -> Scaling:
        constants = self._archive.meta["constants"]
        if len(constants) != 1 + len(self._sizes):
            raise self._archive.damaged("it has another number of units")
        x = self._map("x", self._p, constants[0])
        bases = tuple(
            self._map(f"basis/{i}", k, constant)
            for i, (k, constant) in enumerate(zip(self._sizes, constants[1:], strict=True))
        )
        gamma, shift_beta = (
            self._floats(f"pilot/{name}", self._p) for name in ("gamma", "shift_beta")
        )
        y_scale, shift, resolution = self._floats("pilot/numbers", 3).tolist()
        if not y_scale > 0:
            raise self._archive.damaged("the unit of the response is not positive")
        pilot = Pilot(gamma, y_scale, (), shift, shift_beta, resolution)
        return Scaling(Units(x, bases), pilot)

    def _map(self, name: str, k: int, constant: int | None) -> AffineMap:
        if constant is not None and constant >= k:
            raise self._archive.damaged(f"{name} has no column {constant}")
        matrix = self._floats(f"{name}/matrix", k, k)
        if not np.diag(matrix).all():
            raise self._archive.damaged(f"{name} has units of zero")
        return AffineMap(self._floats(f"{name}/center", k), matrix, constant)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_group(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"size", "labels"}
        and _is_count(value["size"])
        and isinstance(value["labels"], list)
        and all(isinstance(part, dict) for part in value["labels"])
    )


def _are_plan(value: Any) -> bool:
    kinds: dict[str, Any] = {
        "formula": str,
        "weights_column": (str, type(None)),
        "offset_column": (str, type(None)),
        "contrasts": dict,
        "columns": list,
        "factors": list,
        "levels": dict,
        "orders": dict,
        "transforms": dict,
        "categories": dict,
        "made": dict,
    }
    return (
        isinstance(value, dict)
        and set(value) == set(kinds)
        and all(isinstance(value[name], of) for name, of in kinds.items())
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "format": lambda value: value == SUMS_FORMAT,
    "format_version": _is_count,
    "lmforms": _is_text,
    "rows": _is_count,
    "rows_read": _is_count,
    "missing": lambda value: isinstance(value, dict) and all(map(_is_count, value.values())),
    "groups": lambda value: isinstance(value, list) and all(map(_is_group, value)),
    "pairs": lambda value: isinstance(value, list),
    "constants": lambda value: (
        isinstance(value, list) and all(x is None or _is_count(x) for x in value)
    ),
    "plan": _are_plan,
}
"""What each field must be."""
