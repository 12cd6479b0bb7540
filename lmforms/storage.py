"""Save a fit and load it again: JSON and plain arrays in a zip archive, never pickled code.

The file holds the model's columns, its options and the estimates; loading builds the
design from them and evaluates the criterion at the stored θ, so a loaded fit can do all
that the original can, and a file that was damaged or made by other data is noticed.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .errors import DataError, LmformsWarning, NumericalError

if TYPE_CHECKING:
    from .results import MixedModelResults

FORMAT = "lmforms-fit"
FORMAT_VERSION = 1

SAME_CRITERION = 1e-8
"""Relative difference between stored and recomputed criterion that counts as damage."""


def save(fit: MixedModelResults, path: str | PathLike[str]) -> None:
    """See :meth:`lmforms.MixedModelResults.save`."""
    from . import __version__

    model, design = fit.model, fit._design
    for name, contrast in model.contrasts.items():
        if not isinstance(contrast, (str, np.ndarray, list)):
            raise DataError(f"save: the contrast object for `{name}` cannot be written; name it.")
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "response": fit._y,
        "theta": fit.theta,
        "beta": fit.params.to_numpy(),
    }
    for name, values in design.frame.extra.items():
        arrays[f"extra/{name}"] = values
    columns = []
    for i, name in enumerate(design.frame.data.columns):
        facts, values = _column(design.frame.data[name], name)
        arrays[f"column/{i}"] = values
        columns.append({"name": name, **facts})
    meta = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "lmforms": __version__,
        "formula": model.formula.source,
        "reml": fit.reml,
        "criterion": fit.criterion,
        "sigma": fit.sigma,
        "control": asdict(fit._control),
        "contrasts": {
            k: v if isinstance(v, str) else np.asarray(v).tolist()
            for k, v in model.contrasts.items()
        },
        "names": sorted(model.scope.given),
        "offset_column": model.offset_column,
        "columns": columns,
        "index": _labels(design.frame.data.index),
        "optimum": {
            "converged": fit.converged,
            "message": fit.optimizer.message,
            "n_evaluations": fit.optimizer.n_evaluations,
            "decrement": fit.optimizer.decrement,
            "trace": list(fit._estimate.optimum.trace),
        },
    }
    with zipfile.ZipFile(Path(path), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.json", json.dumps(meta, indent=1))
        for name, values in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, values, allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())


def load(path: str | PathLike[str], *, context: Mapping[str, Any] | None = None) -> Any:
    """Read a fit written by :meth:`lmforms.MixedModelResults.save`.

    Parameters
    ----------
    path : str or path
    context : mapping, optional
        The functions and variables of your own that the formula calls; code is never
        stored.

    Returns
    -------
    MixedModelResults

    Raises
    ------
    DataError
        Not a file of this kind, of a newer version, or lacking a name of `context`.
    NumericalError
        The recomputed criterion is not the stored one.

    Examples
    --------
    >>> import lmforms as lf, tempfile, pathlib
    >>> fit = lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes"))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pastes.lmf"
    >>> fit.save(path)
    >>> bool(abs(lf.load(path).criterion - fit.criterion) < 1e-9)
    True
    """
    from .control import Control
    from .model import MixedModel

    meta, arrays = _read(Path(path))
    given = dict(context or {})
    lacking = [name for name in meta["names"] if name not in given]
    if lacking:
        raise DataError(
            f"load: the formula {meta['formula']!r} uses {', '.join(map(repr, lacking))} from "
            f"your code; give load(path, context={{{lacking[0]!r}: ...}})."
        )
    data = pd.DataFrame(
        {c["name"]: _restored(c, arrays[f"column/{i}"]) for i, c in enumerate(meta["columns"])}
    )
    data.index = _index(meta["index"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)  # said when the model was fitted
        model = MixedModel(
            meta["formula"],
            data,
            weights=arrays.get("extra/weights"),
            offset=arrays.get("extra/offset"),
            contrasts={
                k: v if isinstance(v, str) else np.asarray(v) for k, v in meta["contrasts"].items()
            },
            context=given,
        )
    model.offset_column = meta["offset_column"]
    fit = model._at(
        arrays["theta"], arrays["response"], reml=meta["reml"], control=Control(**meta["control"])
    )
    status = {**meta["optimum"], "trace": tuple(meta["optimum"]["trace"])}
    fit._estimate = replace(fit._estimate, optimum=replace(fit._estimate.optimum, **status))
    if abs(fit.criterion - meta["criterion"]) > SAME_CRITERION * max(1.0, abs(fit.criterion)):
        raise NumericalError(
            f"load: the criterion recomputed from the file is {fit.criterion:.8g}, the stored one "
            f"{meta['criterion']:.8g}: the file is damaged or a function in `context` differs."
        )
    return fit


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    if not path.is_file():
        raise DataError(f"load: there is no file {str(path)!r}.")
    try:
        with zipfile.ZipFile(path) as archive:
            meta = json.loads(archive.read("meta.json"))
            arrays = {
                name.removesuffix(".npy"): np.load(
                    io.BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in archive.namelist()
                if name.endswith(".npy")
            }
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as exc:
        raise DataError(f"load: {str(path)!r} is not a fit saved by lmforms ({exc}).") from None
    if meta.get("format") != FORMAT:
        raise DataError(f"load: {str(path)!r} is not a fit saved by lmforms.")
    if meta["format_version"] > FORMAT_VERSION:
        raise DataError(
            f"load: {str(path)!r} has format version {meta['format_version']}, written by lmforms "
            f"{meta['lmforms']}; this one reads up to {FORMAT_VERSION}. Upgrade lmforms."
        )
    return meta, arrays


# --- columns and labels as JSON and arrays --------------------------------------------------


def _column(series: pd.Series, name: str) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        facts = {"ordered": bool(series.cat.ordered), "levels": _labels(series.cat.categories)}
        return {"kind": "category", **facts}, series.cat.codes.to_numpy()
    values = series.to_numpy()
    if values.dtype.kind in "fiub":
        return {"kind": "plain"}, values
    if values.dtype.kind in "mM":
        return {"kind": "time", "dtype": str(values.dtype)}, values.view(np.int64)
    raise DataError(
        f"save: the column `{name}` holds {series.dtype} values that cannot be written."
    )


def _restored(facts: dict[str, Any], values: np.ndarray[Any, Any]) -> Any:
    if facts["kind"] == "category":
        levels = _index(facts["levels"])
        return pd.Categorical.from_codes(values, categories=levels, ordered=facts["ordered"])
    if facts["kind"] == "time":
        return values.view(facts["dtype"])
    return values


def _labels(index: pd.Index) -> dict[str, Any]:
    """An index as JSON, with the type of its labels."""
    if isinstance(index, pd.MultiIndex):
        return {
            "levels": [_labels(index.get_level_values(i)) for i in range(index.nlevels)],
            "names": list(index.names),
        }
    if isinstance(index, pd.RangeIndex):
        span = [index.start, index.stop, index.step]
        return {"range": span, "name": index.name}
    kind = index.dtype.kind if isinstance(index.dtype, np.dtype) else "O"
    if kind in "mM":
        values: list[Any] = [str(v) for v in index]
        return {"values": values, "dtype": str(index.dtype), "name": index.name}
    values = index.tolist()
    if not all(isinstance(v, (str, int, float, bool)) for v in values):
        values = [str(v) for v in values]
    return {"values": values, "dtype": kind, "name": index.name}


def _index(facts: dict[str, Any]) -> pd.Index:
    if "levels" in facts:
        return pd.MultiIndex.from_arrays(
            [_index(level) for level in facts["levels"]], names=facts["names"]
        )
    if "range" in facts:
        return pd.RangeIndex(*facts["range"], name=facts["name"])
    dtype = facts["dtype"]
    if dtype in ("O", "U", "b"):
        return pd.Index(facts["values"], name=facts["name"])
    kinds = {"f": np.float64, "i": np.int64, "u": np.uint64}
    return pd.Index(facts["values"], dtype=kinds.get(dtype, dtype), name=facts["name"])
