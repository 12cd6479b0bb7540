"""Fits to files and back.

The file holds the model's columns, its options and the estimates; loading builds the
design from them and evaluates the criterion at the stored θ, so a loaded fit can do all
that the original can, and a file that was damaged or made by other data is noticed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.table import Table, raw_table
from ..engine.estimate import Estimate
from ..errors import (
    ArgumentError,
    ContextWarning,
    DataError,
    FormulaError,
    LmformsError,
    LmformsWarning,
    MemoryLimitError,
    ModelError,
    NumericalError,
)
from ..formula.evaluator import Scope
from ..formula.parse import parse_formula
from ..formula.terms import bind
from ..support.arguments import named_arguments
from ..support.arrays import AnyArray, FloatArray
from ..support.caller import caller_depth
from .archive import Archive, opened, write_archive
from .atomic import checked_path, file_error
from .columns import described, restored
from .contents import FORMAT, FORMAT_VERSION, LONGEST_FORMULA, Contents, checked_contents
from .formulas import names_from_context
from .labels import encode

if TYPE_CHECKING:
    from ..results.model_results import MixedModelResults

SAME_FIGURES = 1e-6
"""Relative difference between stored and recomputed figures that counts as damage. Another
processor's rounding stays below 1e-8; figures of other data or another function are far off."""


def save(fit: MixedModelResults, path: str | PathLike[str]) -> None:
    """See :meth:`lmforms.MixedModelResults.save`."""
    target = checked_path(path, "save")
    meta, arrays, names = _taken_apart(fit)
    checked_contents(meta, _not_written)  # what is written can be read
    write_archive(target, meta, arrays)
    if names:
        warnings.warn(
            f"save: the formula uses {', '.join(map(repr, names))} from your code, which is not "
            f"saved: {_load_with(names)} when you load it.",
            ContextWarning,
            stacklevel=caller_depth(),
        )


def _not_written(why: str) -> DataError:
    return DataError(f"save: the fit cannot be written: {why}.")


def _taken_apart(
    fit: MixedModelResults,
) -> tuple[dict[str, Any], dict[str, AnyArray], list[str]]:
    """Header and arrays of a file, and the names that loading needs from ``context=``."""
    from .. import __version__

    model, design, estimate = fit.model, fit._design, fit._estimate
    if not isinstance(estimate, Estimate):
        raise ModelError(
            "save: a fit with relationship= cannot be written yet; keep the covariance and "
            "fit.theta, and fit again with start=."
        )
    for name, contrast in model.contrasts.items():
        if not isinstance(contrast, (str, np.ndarray, list, tuple)):
            raise DataError(
                f"save: the contrast object for `{name}` cannot be written; name it, as in "
                f"contrasts={{{name!r}: 'contr.sum'}}, or give its matrix."
            )
    source, table = model.formula.source, design.frame.table
    if len(source) > LONGEST_FORMULA:
        raise DataError(
            f"save: the formula has {len(source)} characters, and {LONGEST_FORMULA} can be read "
            "back: use shorter names of columns, or `.`."
        )
    names = names_from_context(design.bound, table, model.scope.given, "save")
    arrays: dict[str, AnyArray] = {
        "response": fit._y,
        "theta": fit.theta,
        "beta": fit.params.to_numpy(),
        **{f"extra/{name}": values for name, values in design.frame.extra.items()},
    }
    gradient = estimate.optimum.evaluation.gradient
    if gradient is not None:
        arrays["gradient"] = gradient
    columns = []
    for i, name in enumerate(table):
        facts, arrays[f"column/{i}"] = described(table[name])
        columns.append({"name": name, **facts})
    try:
        index = encode(table.index)
    except DataError as exc:
        raise DataError(
            f"save: the index of the data: {exc} Use data.reset_index(drop=True)."
        ) from None
    optimum = estimate.optimum
    meta = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "lmforms": __version__,
        "formula": source,
        "reml": fit.reml,
        "criterion": float(fit.criterion),
        "sigma": float(fit.sigma),
        "method": fit._method,
        "control": asdict(fit._control),
        "contrasts": {
            k: v if isinstance(v, str) else np.asarray(v, dtype=np.float64).tolist()
            for k, v in model.contrasts.items()
        },
        "offset_column": model.offset_column,
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
        "flat": [list(map(int, pair)) for pair in estimate.flat],
    }
    return meta, arrays, names


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
        stored, and nothing but this mapping is searched for them. A function is called
        with whatever the formula of the file says, so give only what may be called so.

    Returns
    -------
    MixedModelResults

    Raises
    ------
    DataError
        No such file, not of this kind, damaged, edited, of a newer version, or lacking a name
        of `context`.
    FormulaError
        The formula holds Python code that no saved formula may (see Notes).
    FileError
        The file cannot be read.
    NumericalError
        The recomputed criterion is not the stored one.

    Notes
    -----
    A file from a stranger is safe to load: it holds JSON and arrays, is read no further than
    its size allows (100 times, and 64 MiB, at most), and of its formula nothing is evaluated
    but a whitelist: columns, numbers and arithmetic; calls of the functions of the formula
    language, of ``np.<ufunc>`` and of those in `context`; attributes ``np.<ufunc>``,
    ``contr.<coding>`` and parts of dates such as ``day.dt.year``. Fitting another model with
    the text of its formula is not protected in this way.

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
    file = checked_path(path, "load")
    try:
        there = file.is_file()
    except OSError as exc:
        raise file_error(exc, file, "load", "read") from exc
    if not there:
        raise DataError(f"load: there is no file {str(file)!r}.")
    with opened(file) as archive:
        try:
            fit = _rebuilt(archive, dict(context or {}))
        except LmformsError as exc:
            exc.add_note(f"while {str(file)!r} was loaded")
            raise
        except MemoryError as exc:
            raise MemoryLimitError(f"load: {str(file)!r} needs more memory than there is.") from exc
        except Exception as exc:  # what the file makes pandas and formulaic say
            raise archive.damaged(f"{type(exc).__name__}: {exc}") from exc
    return fit


def _rebuilt(archive: Archive, given: dict[str, Any]) -> MixedModelResults:
    """The fit of a file: the model anew, the criterion at the stored θ."""
    from ..model import MixedModel

    contents = checked_contents(archive.meta, archive.damaged)
    n = len(contents.index)
    weights, offset = (
        archive.array(name, n) if name in archive else None
        for name in ("extra/weights", "extra/offset")
    )
    data = pd.DataFrame(
        {c["name"]: restored(c, archive, f"column/{i}", n) for i, c in enumerate(contents.columns)}
    )
    data.index = contents.index
    _check_expressions(contents.formula, raw_table(data, list(data)), given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)  # said when the model was fitted
        model = MixedModel(
            contents.formula,
            data,
            weights=weights,
            offset=offset,
            contrasts=contents.contrasts,
            context=Scope(given, python=False),
        )
    model.offset_column = contents.offset_column
    theta = archive.array("theta", sum(g.covariance.n_theta for g in model.design.groups))
    response = archive.array("response", model.design.n)
    if not (np.isfinite(theta).all() and np.isfinite(response).all()):
        raise archive.damaged("θ or the response is not finite")
    fit = model._at(theta, response, reml=contents.reml, control=contents.control)
    fit._method = contents.method
    fit._estimate = _with_status(fit, contents, archive)
    _check_figures(fit, contents, archive.array("beta"))
    if contents.has_digest:
        archive.check_digest()
    return fit


def _check_expressions(formula: str, table: Table, given: Mapping[str, Any]) -> None:
    """Refuse a formula that holds more than the whitelist, or names that are not given."""
    try:
        bound = bind(parse_formula(formula), tuple(table))
    except (RecursionError, MemoryError):
        raise FormulaError("load: the formula is nested too deeply.") from None
    names = names_from_context(bound, table, given, "load")
    lacking = [name for name in names if name not in given]
    if lacking:
        raise DataError(
            f"load: the formula {formula!r} uses {', '.join(map(repr, lacking))} from your code; "
            f"{_load_with(lacking)}."
        )


def _load_with(names: list[str]) -> str:
    return f"give load(path, context={{{', '.join(f'{name!r}: ...' for name in names)}}})"


def _with_status(fit: MixedModelResults, contents: Contents, archive: Archive) -> Estimate:
    """The estimate at the stored θ, ended as the optimiser of the fit did."""
    estimate = fit._estimate
    assert isinstance(estimate, Estimate)
    optimum: Any = replace(estimate.optimum, **contents.optimum)  # exact or iterative
    at = optimum.evaluation
    if "gradient" in archive:
        length = None if at.gradient is None else len(at.gradient)
        gradient = archive.array("gradient", length)
        optimum = replace(optimum, evaluation=replace(at, gradient=gradient))
    parts = [len(group.terms) for group in fit._design.groups]
    found = {}
    for name in ("singular", "flat"):
        pairs = getattr(contents, name)
        if pairs is None:
            continue
        if any(group >= len(parts) or part >= parts[group] for group, part in pairs):
            raise archive.damaged(f"{name} names random terms that are not there")
        found[name] = pairs
    return replace(estimate, optimum=optimum, **found)


def _check_figures(fit: MixedModelResults, contents: Contents, beta: FloatArray) -> None:
    """Refuse a fit whose recomputed figures are not the stored ones (NaN is no figure)."""
    stored = np.append(beta, [contents.criterion, contents.sigma])
    found = np.append(fit.params.to_numpy(), [fit.criterion, fit.sigma])
    if stored.shape == found.shape:
        size = np.abs(found)
        size[:-2] = np.maximum(size[:-2], fit.bse.to_numpy())
        size[-2] = max(1.0, size[-2])
        if (np.abs(found - stored) <= SAME_FIGURES * size).all():
            return
    raise NumericalError(
        f"load: the criterion recomputed from the file is {fit.criterion:.8g}, the stored one "
        f"{contents.criterion:.8g}: the file is damaged or a function in `context` differs."
    )
