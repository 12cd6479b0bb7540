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

from .arguments import named_arguments
from .errors import (
    ArgumentError,
    DataError,
    LmformsError,
    LmformsWarning,
    ModelError,
    NumericalError,
)
from .estimate import Estimate
from .labels import decode, encode

if TYPE_CHECKING:
    from .results import MixedModelResults

FORMAT = "lmforms-fit"
FORMAT_VERSION = 1

SAME_FIGURES = 1e-8
"""Relative difference between stored and recomputed figures that counts as damage."""


def save(fit: MixedModelResults, path: str | PathLike[str]) -> None:
    """See :meth:`lmforms.MixedModelResults.save`."""
    from . import __version__

    model, design, estimate = fit.model, fit._design, fit._estimate
    if not isinstance(estimate, Estimate):
        raise ModelError(
            "save: a fit with relationship= cannot be written yet; keep the covariance and "
            "fit.theta, and fit again with start=."
        )
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
    for i, name in enumerate(design.frame.table):
        facts, values = _column(design.frame.table[name])
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
        "index": encode(design.frame.table.index),
        "optimum": {
            "converged": fit.converged,
            "message": fit.optimizer.message,
            "n_evaluations": fit.optimizer.n_evaluations,
            "decrement": fit.optimizer.decrement,
            "trace": list(estimate.optimum.trace),
        },
    }
    with zipfile.ZipFile(_checked_path(path, "save"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.json", json.dumps(meta, indent=1))
        for name, values in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, values, allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())


@named_arguments
def load(
    path: str | PathLike[str], *, context: Mapping[str, Any] | None = None
) -> MixedModelResults:
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
    if context is not None and not isinstance(context, Mapping):
        raise ArgumentError(f"load: context must be a mapping, not {type(context).__name__}.")
    meta, arrays = _read(_checked_path(path, "load"))
    given = dict(context or {})
    lacking = [name for name in meta["names"] if name not in given]
    if lacking:
        raise DataError(
            f"load: the formula {meta['formula']!r} uses {', '.join(map(repr, lacking))} from "
            f"your code; give load(path, context={{{lacking[0]!r}: ...}})."
        )
    try:
        fit = _rebuilt(meta, arrays, given)
    except LmformsError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, AssertionError) as exc:
        raise _damaged(Path(path), exc) from exc
    stored = np.append(arrays["beta"], [meta["criterion"], meta["sigma"]])
    found = np.append(fit.params.to_numpy(), [fit.criterion, fit.sigma])
    size = np.maximum(1.0, np.abs(stored)) if stored.shape == found.shape else np.inf
    if stored.shape != found.shape or (np.abs(found - stored) > SAME_FIGURES * size).any():
        raise NumericalError(
            f"load: the criterion recomputed from the file is {fit.criterion:.8g}, the stored one "
            f"{meta['criterion']:.8g}: the file is damaged or a function in `context` differs."
        )
    return fit


def _rebuilt(
    meta: dict[str, Any], arrays: dict[str, Any], given: dict[str, Any]
) -> MixedModelResults:
    """The fit of a file: the model anew, the criterion at the stored θ."""
    from .control import Control
    from .model import MixedModel

    columns = meta["columns"]
    data = pd.DataFrame(
        {c["name"]: _restored(c, arrays[f"column/{i}"]) for i, c in enumerate(columns)}
    )
    data.index = decode(meta["index"])
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
    estimate = fit._estimate
    assert isinstance(estimate, Estimate)
    fit._estimate = replace(estimate, optimum=replace(estimate.optimum, **status))
    return fit


def _damaged(path: Path, exc: BaseException) -> DataError:
    return DataError(
        f"load: {str(path)!r} is not a fit saved by lmforms, or damaged "
        f"({type(exc).__name__}: {exc})."
    )


def _checked_path(path: str | PathLike[str], what: str) -> Path:
    if not isinstance(path, (str, PathLike)):
        raise ArgumentError(f"{what}: a file's path is needed, not {type(path).__name__}.")
    return Path(path)


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
    except Exception as exc:  # zipfile, zlib, json and numpy have errors of their own
        raise _damaged(path, exc) from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise DataError(f"load: {str(path)!r} is not a fit saved by lmforms.")
    needed = ("format_version", "names", "formula", "criterion", "sigma")
    absent = [key for key in needed if key not in meta]
    if absent or "beta" not in arrays or not isinstance(meta["format_version"], int):
        raise DataError(f"load: {str(path)!r} is damaged: {absent or 'beta or version'} is gone.")
    if meta["format_version"] > FORMAT_VERSION:
        raise DataError(
            f"load: {str(path)!r} has format version {meta['format_version']}, written by lmforms "
            f"{meta['lmforms']}; this one reads up to {FORMAT_VERSION}. Upgrade lmforms."
        )
    return meta, arrays


# --- columns as JSON and arrays ---------------------------------------------------------------


def _column(series: pd.Series) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """What a column is, and its numbers or codes."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        facts = {"ordered": bool(series.cat.ordered), "levels": encode(series.cat.categories)}
        return {"kind": "category", **facts}, series.cat.codes.to_numpy()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "fiub":
        return {"kind": "plain"}, series.to_numpy()
    codes, levels = pd.factorize(series)
    if not isinstance(levels, pd.Index):
        levels = pd.Index(levels, tupleize_cols=False)
    return {"kind": "labels", "levels": encode(levels)}, codes


def _restored(facts: dict[str, Any], values: np.ndarray[Any, Any]) -> Any:
    if facts["kind"] == "plain":
        return values
    levels = decode(facts["levels"])
    if facts["kind"] == "category":
        return pd.Categorical.from_codes(values, categories=levels, ordered=facts["ordered"])
    return levels.take(values).array
